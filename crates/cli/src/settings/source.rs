//! Where a value came from.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::printable::printable;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A flag of this command.
    Flag(&'static str),
    /// A variable of the environment.
    Environment(&'static str),
    /// A `.env` file.
    DotEnv(Place),
    /// The project's `saferun.toml`.
    Project(Place),
    /// The user's configuration.
    User(Place),
    /// A profile; with a place if somebody defined it, without one if it came with saferun.
    Profile(Arc<str>, Option<Place>),
    /// What is built in.
    BuiltIn,
}

impl Source {
    /// The kind in one word, for programs.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Source::Flag(_) => "flag",
            Source::Environment(_) => "environment",
            Source::DotEnv(_) => "dotenv",
            Source::Project(_) => "project",
            Source::User(_) => "user",
            Source::Profile(..) => "profile",
            Source::BuiltIn => "built_in",
        }
    }

    /// The place in a file, if it was one.
    pub(crate) fn place(&self) -> Option<&Place> {
        match self {
            Source::DotEnv(place) | Source::Project(place) | Source::User(place) => Some(place),
            Source::Profile(_, place) => place.as_ref(),
            Source::Flag(_) | Source::Environment(_) | Source::BuiltIn => None,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Flag(name) => write!(f, "flag {name}"),
            Source::Environment(name) => write!(f, "variable {name}"),
            Source::DotEnv(place) | Source::Project(place) | Source::User(place) => place.fmt(f),
            Source::Profile(name, None) => write!(f, "profile {}", text(name)),
            Source::Profile(name, Some(place)) => {
                write!(f, "profile {}, {place}", text(name))
            }
            Source::BuiltIn => f.write_str("built in"),
        }
    }
}

/// A place in a file, counted from 1; columns are characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The file.
    pub file: Arc<Path>,
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Place {
    /// The place of a byte of the file's text.
    pub(super) fn of(file: &Arc<Path>, bytes: &[u8], offset: usize) -> Self {
        let before = bytes.get(..offset).unwrap_or(bytes);
        let line_start = before.iter().rposition(|&byte| byte == b'\n');
        let on_line = before.get(line_start.map_or(0, |at| at + 1)..);
        Self {
            file: Arc::clone(file),
            line: 1 + before.iter().filter(|&&byte| byte == b'\n').count(),
            column: 1 + String::from_utf8_lossy(on_line.unwrap_or_default())
                .chars()
                .count(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", path(&self.file), self.line, self.column)
    }
}

/// A path as people find it: from the working directory on where it lies below.
pub(crate) fn path(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let below = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_path_buf));
    printable(below.as_deref().unwrap_or(path).as_os_str(), 300)
}

/// Text from a file or a variable, safe to show in a line.
pub(super) fn text(text: &str) -> String {
    printable(text.as_ref(), 60)
}

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub source: Source,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let file: Arc<Path> = Path::new("/x/saferun.toml").into();
        let text = "a\n\u{e9}\u{e9} b\n".as_bytes();
        let shown = |offset| Place::of(&file, text, offset).to_string();
        assert_eq!(shown(0), "/x/saferun.toml:1:1");
        assert_eq!(shown(2), "/x/saferun.toml:2:1");
        assert_eq!(shown(7), "/x/saferun.toml:2:4");
        assert_eq!(shown(999), "/x/saferun.toml:3:1");
    }
}
