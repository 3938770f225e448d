//! A file of settings in TOML: every key known, every value right, each with its place.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use toml::de::{DeString, DeTable, DeValue};
use toml::{Spanned, Table};

use super::key::Key;
use super::layer::Layer;
use super::problem;
use super::profile::{Machine, Profile};
use super::source::{Place, Source, text};
use crate::args::values::size;
use crate::error::CliError;

/// The tables that may stand in a file beside the settings; each is somebody else's to read.
pub(crate) const TABLES: [&str; 4] = ["agents", "artifacts", "cleanup", "history"];

/// The key under which profiles stand.
const PROFILES: &str = "profiles";

/// Whose file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The project's.
    Project,
    /// The user's.
    User,
    /// Ours, compiled in.
    Shipped,
}

/// What a file says.
#[derive(Debug)]
pub(crate) struct Document {
    /// The file.
    pub(crate) file: Arc<Path>,
    /// Whose it is.
    pub(crate) owner: Owner,
    /// Its settings.
    pub(super) layer: Layer,
    /// The profiles that it defines.
    pub(super) profiles: Vec<Profile>,
    /// The tables of other parts by name, as they are: [`TABLES`].
    pub(crate) tables: Vec<(&'static str, Table)>,
}

impl Document {
    /// Reads it.
    pub(super) fn parse(bytes: &[u8], file: &Arc<Path>, owner: Owner) -> Result<Self, CliError> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let place = Place::of(file, bytes, error.valid_up_to());
            problem::unreadable(file, &format!("line {} is no UTF-8 text", place.line))
        })?;
        // Editors of one system begin a file with a mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let reader = Reader { text, file, owner };
        let root = DeTable::parse(text).map_err(|error| reader.bad_syntax(&error))?;
        let mut document = Self {
            file: Arc::clone(file),
            owner,
            layer: Layer::default(),
            profiles: Vec::new(),
            tables: Vec::new(),
        };
        for (name, value) in root.get_ref() {
            document.take(&reader, name, value)?;
        }
        Ok(document)
    }

    fn take(
        &mut self,
        reader: &Reader<'_>,
        name: &Spanned<DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), CliError> {
        let key = Key::of_name(name.get_ref());
        let table = TABLES.into_iter().find(|table| table == name.get_ref());
        if let Some(key) = key {
            reader.setting(&mut self.layer, key, value, &reader.source(value.span()))?;
        }
        match table {
            Some(table) if value.get_ref().is_table() => {
                if table == "agents" {
                    reader.all_tables(value)?;
                }
                self.tables.push((table, reader.table(table)?));
                return Ok(());
            }
            // A setting and a table have this name.
            _ if key.is_some() => return Ok(()),
            Some(table) => {
                let right = format!("a table: [{table}]");
                return Err(reader.bad(table, value, &right));
            }
            None => {}
        }
        if name.get_ref() == PROFILES {
            for (name, value) in reader.entries(PROFILES, value)? {
                self.profiles.push(reader.profile(name, value)?);
            }
            return Ok(());
        }
        let known: Vec<&str> = Key::ALL.iter().map(|key| key.name()).collect();
        let known = [
            known.as_slice(),
            &["agents", "artifacts", "cleanup", PROFILES],
        ]
        .concat();
        Err(problem::unknown(
            "there is",
            name.get_ref(),
            &reader.place(name.span()),
            &known,
        ))
    }
}

/// What is needed to say where something stands.
struct Reader<'a> {
    text: &'a str,
    file: &'a Arc<Path>,
    owner: Owner,
}

impl Reader<'_> {
    fn place(&self, span: Range<usize>) -> Place {
        Place::of(self.file, self.text.as_bytes(), span.start)
    }

    fn source(&self, span: Range<usize>) -> Source {
        match self.owner {
            Owner::Project => Source::Project(self.place(span)),
            Owner::User => Source::User(self.place(span)),
            Owner::Shipped => Source::BuiltIn,
        }
    }

    fn setting(
        &self,
        layer: &mut Layer,
        key: Key,
        value: &Spanned<DeValue<'_>>,
        source: &Source,
    ) -> Result<(), CliError> {
        if layer.take(key, value.get_ref(), source) {
            return Ok(());
        }
        Err(self.bad(key.name(), value, &key.right()))
    }

    fn bad(&self, name: &str, value: &Spanned<DeValue<'_>>, right: &str) -> CliError {
        let span = value.span();
        let source = match self.owner {
            Owner::User => Source::User(self.place(span.clone())),
            _ => Source::Project(self.place(span.clone())),
        };
        let read = match value.get_ref() {
            DeValue::Table(_) => "a table",
            _ => self.text.get(span).unwrap_or_default(),
        };
        problem::bad_value(name, &source, read, right)
    }

    /// The entries of a table.
    fn entries<'v, 'i>(
        &self,
        name: &str,
        value: &'v Spanned<DeValue<'i>>,
    ) -> Result<&'v DeTable<'i>, CliError> {
        let right = format!("a table: [{name}]");
        let table = value.get_ref().as_table();
        table.ok_or_else(|| self.bad(name, value, &right))
    }

    /// Each entry of this table is a table.
    fn all_tables(&self, value: &Spanned<DeValue<'_>>) -> Result<(), CliError> {
        for (name, value) in self.entries("agents", value)? {
            self.entries(&format!("agents.{}", text(name.get_ref())), value)?;
        }
        Ok(())
    }

    /// A table as it is.
    fn table(&self, name: &str) -> Result<Table, CliError> {
        let mut all = Table::deserialize(
            toml::Deserializer::parse(self.text).map_err(|error| self.bad_syntax(&error))?,
        )
        .map_err(|error| self.bad_syntax(&error))?;
        match all.remove(name) {
            Some(toml::Value::Table(table)) => Ok(table),
            _ => Ok(Table::new()),
        }
    }

    fn profile(
        &self,
        name: &Spanned<DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Profile, CliError> {
        let shown = format!("{PROFILES}.{}", text(name.get_ref()));
        let mut profile = Profile {
            name: Arc::from(name.get_ref().as_ref()),
            layer: Layer::default(),
            machines: Vec::new(),
        };
        for (key, value) in self.entries(&shown, value)? {
            if key.get_ref() == "machine" {
                let Some(machines) = value.get_ref().as_array() else {
                    let right = format!("tables: [[{shown}.machine]]");
                    return Err(self.bad("machine", value, &right));
                };
                for machine in machines.iter() {
                    let machine = self.machine(&profile.name, &shown, machine)?;
                    profile.machines.push(machine);
                }
            } else {
                self.of_profile(&profile.name, &mut profile.layer, key, value, &["machine"])?;
            }
        }
        Ok(profile)
    }

    fn machine(
        &self,
        profile: &Arc<str>,
        shown: &str,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Machine, CliError> {
        const AT_LEAST: &str = "at_least";
        let mut layer = Layer::default();
        let mut at_least = None;
        for (key, value) in self.entries(&format!("[{shown}.machine]"), value)? {
            if key.get_ref() == AT_LEAST {
                let bytes = value.get_ref().as_str().and_then(|text| size(text).ok());
                at_least = Some(bytes.ok_or_else(|| self.bad(AT_LEAST, value, problem::AT_LEAST))?);
            } else {
                self.of_profile(profile, &mut layer, key, value, &[AT_LEAST])?;
            }
        }
        Ok(Machine {
            at_least: at_least
                .ok_or_else(|| problem::for_no_machine(profile, &self.place(value.span())))?,
            layer,
        })
    }

    /// A setting inside of a profile; `others` may stand there too.
    fn of_profile(
        &self,
        profile: &Arc<str>,
        layer: &mut Layer,
        name: &Spanned<DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
        others: &[&str],
    ) -> Result<(), CliError> {
        let Some(key) = Key::of_name(name.get_ref()).filter(|key| key.in_profiles()) else {
            let known = Key::ALL.iter().filter(|key| key.in_profiles());
            let known: Vec<&str> = known.map(|key| key.name()).collect();
            return Err(problem::unknown(
                "a profile has",
                name.get_ref(),
                &self.place(name.span()),
                &[&known, others].concat(),
            ));
        };
        let place = match self.owner {
            Owner::Shipped => None,
            Owner::Project | Owner::User => Some(self.place(value.span())),
        };
        let source = Source::Profile(Arc::clone(profile), place);
        self.setting(layer, key, value, &source)
    }

    fn bad_syntax(&self, error: &toml::de::Error) -> CliError {
        let place = self.place(error.span().unwrap_or_default());
        problem::bad_syntax(&place, error.message())
    }
}
