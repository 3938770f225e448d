//! All settings of this moment, layer by layer.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use saferun_memory::Amount;
use serde_json::Value;

use super::document::{Document, Owner};
use super::key::Key;
use super::layer::Layer;
use super::source::{Source, Sourced, path};
use super::{dotenv, file, find, profile, variables};
use crate::args::SettingsArgs;
use crate::error::CliError;

/// What all sources together say.
#[derive(Debug)]
pub(crate) struct Configuration {
    /// Each setting with its source.
    pub(crate) layer: Layer,
    /// The `.env` file that was read.
    pub(crate) dotenv: Option<PathBuf>,
    /// The files of settings that were read, the uppermost first. Their tables that belong to
    /// other parts are kept as they are.
    pub(crate) documents: Vec<Document>,
    /// Files that were not read, since they may be anybody's.
    pub(crate) passed_over: Vec<PathBuf>,
}

impl Configuration {
    /// Reads all sources. What is wrong anywhere is an error, even where a layer above has the
    /// last word: a setting that nobody can have is a mistake that would show some other day.
    pub(crate) fn gather(args: &SettingsArgs) -> Result<Self, CliError> {
        let mut found = find::Found::default();
        let mut documents = Vec::new();
        let mut layer = Layer::of_flags(args);
        if !args.ignore_config {
            layer = layer.over(variables::of_environment()?);
            // Where the working directory is gone there is nothing to be found.
            if let Ok(here) = std::env::current_dir() {
                found = find::find(&here);
            }
            if let Some(dotenv) = &found.dotenv {
                let bytes = file::read(dotenv)?;
                layer = layer.over(dotenv::parse(&bytes, &Arc::from(dotenv.as_path()))?);
            }
            let project = found.project.take().map(|file| (file, Owner::Project));
            let user = find::existing_user_file().map(|file| (file, Owner::User));
            for (file, owner) in project.into_iter().chain(user) {
                let document = document(&file, owner)?;
                layer = layer.over(document.layer.clone());
                documents.push(document);
            }
        }
        if let Some(name) = &layer.profile {
            let profile = profile::layer(name, &documents)?;
            layer = layer.over(profile);
        }
        Ok(Self {
            layer: layer.over(Layer::built_in()),
            dotenv: found.dotenv,
            documents,
            passed_over: found.passed_over,
        })
    }

    /// The configured budget and reserve.
    pub(crate) fn amounts(&self) -> (Option<Amount>, Option<Amount>) {
        let amount = |set: &Option<Sourced<Amount>>| set.as_ref().map(|sourced| sourced.value);
        (amount(&self.layer.memory), amount(&self.layer.reserve))
    }

    /// The settings that somebody has made: the name, the value as a file would hold it, and
    /// where it comes from.
    pub(crate) fn made(&self) -> impl Iterator<Item = (Key, Value, &Source)> {
        let written = |key| Some((key, self.layer.written(key)?));
        let all = Key::ALL.into_iter().filter_map(written);
        all.map(|(key, (value, source))| (key, value, source))
            .filter(|(_, _, source)| **source != Source::BuiltIn)
    }

    /// What a person should know of files that were not read.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = String> {
        self.passed_over.iter().map(|file| {
            format!(
                "the settings in {} are not read: the file is another user's and lies outside of a repository",
                path(file)
            )
        })
    }
}

fn document(path: &Path, owner: Owner) -> Result<Document, CliError> {
    let bytes = file::read(path)?;
    Document::parse(&bytes, &Arc::from(path), owner)
}
