//! Settings that can't be taken, told in one line: what, where, what was read, what is right.

use std::path::Path;

use super::key::Key;
use super::source::{Place, Source, path, text};
use crate::error::{CliError, plain_cause};

/// A value that a setting can't have. `name` is the setting's name where it was read; what was
/// `read` is shown as it is, so text has its quotes already.
pub(super) fn bad_value(name: &str, source: &Source, read: &str, right: &str) -> CliError {
    let place = match source {
        // Its name is the variable's.
        Source::Environment(_) => String::from("in the environment"),
        other => format!("at {other}"),
    };
    CliError::usage(
        format!("{name} {place} can't be {}", text(read)),
        right.to_owned(),
    )
}

/// A part of a profile that doesn't say for which machines it is.
pub(super) fn for_no_machine(profile: &str, place: &Place) -> CliError {
    CliError::usage(
        format!(
            "a part of profile {} lacks at_least, at {place}",
            text(profile)
        ),
        AT_LEAST,
    )
}

/// What is right for `at_least`.
pub(super) const AT_LEAST: &str =
    "at_least = SIZE: the memory from which on this part applies, such as \"12GB\"";

/// A name that is no setting where it stands (`whose` has none of this name); `known` are those
/// that may stand there.
pub(super) fn unknown(whose: &str, name: &str, place: &Place, known: &[&str]) -> CliError {
    CliError::usage(
        format!("{whose} no setting '{}', at {place}", text(name)),
        match nearest(name, known) {
            Some(nearest) => String::from(nearest),
            None => one_of(known),
        },
    )
}

/// A profile that nobody defined.
pub(super) fn unknown_profile(name: &str, source: &Source, known: &[&str]) -> CliError {
    let all = known.join(", ");
    CliError::usage(
        format!(
            "there is no profile '{}', asked for by {source}",
            text(name)
        ),
        match nearest(name, known) {
            Some(nearest) => format!("{nearest} (there are {all})"),
            None => format!("one of {all}"),
        },
    )
}

/// A file that is no valid TOML; `cause` is the parser's word.
pub(super) fn bad_syntax(place: &Place, cause: &str) -> CliError {
    let first = cause.lines().next().unwrap_or_default();
    CliError::usage(
        format!("{place} is no valid TOML: {}", text(first)),
        "key = value lines, text in quotes; saferun config init writes an example",
    )
}

/// A file that can't be read; `cause` says why.
pub(super) fn unreadable(file: &Path, cause: &str) -> CliError {
    CliError::usage(
        format!("the settings in {} can't be read: {cause}", path(file)),
        "make it a readable text file, or move it away (--ignore-config reads none)",
    )
}

/// The same for the system's word.
pub(super) fn unreadable_for(file: &Path, error: &std::io::Error) -> CliError {
    unreadable(file, &plain_cause(error))
}

fn one_of(known: &[&str]) -> String {
    format!("one of {}", known.join(", "))
}

/// The known name that was most likely meant.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    // Nobody means a short name by a long text, and comparing costs the product of lengths.
    if name.len() > 100 {
        return None;
    }
    let same = |text: &str| text.to_ascii_lowercase().replace('-', "_");
    let name = same(name);
    if let Some(key) = Key::of_other_name(&name)
        && let Some(found) = known.iter().find(|known| **known == key.name())
    {
        return Some(found);
    }
    known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&same(known), &name), *known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name() {
        let known: Vec<&str> = Key::ALL.iter().map(|key| key.name()).collect();
        let found = |name| nearest(name, &known);
        assert_eq!(found("concurency"), Some("concurrency"));
        assert_eq!(found("memory-threshold"), Some("memory_threshold"));
        assert_eq!(found("SAFE_PARALLEL"), Some("parallel"));
        assert_eq!(found("CONCURRENCY_LIMIT"), Some("concurrency"));
        assert_eq!(found("jobs"), Some("concurrency"));
        assert_eq!(found("tiemout"), Some("timeout"));
        assert_eq!(found("colour"), None);
        assert_eq!(found(&"x".repeat(1000)), None);
    }
}
