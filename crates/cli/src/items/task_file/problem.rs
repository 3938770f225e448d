//! What is wrong with a task file, in one line: where, which key, what was read, what is right.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use super::text::Text;
use crate::error::CliError;

/// Something wrong at a place.
pub(super) fn at(text: &Text, place: usize, cause: &str, fix: impl Into<String>) -> CliError {
    CliError::usage(format!("{}: {cause}", text.place(place)), fix)
}

/// A value that a key can't have.
pub(super) fn bad_value(
    text: &Text,
    key: &str,
    value: &Spanned<DeValue<'_>>,
    right: &str,
) -> CliError {
    let what = match value.get_ref() {
        DeValue::Array(array) if array.is_empty() => String::from("an empty list"),
        DeValue::Array(_) => String::from("a list"),
        DeValue::Table(_) => String::from("a table"),
        _ => text.written(value.span()),
    };
    at(
        text,
        value.span().start,
        &format!("{key} can't be {what}"),
        right,
    )
}

/// A key that doesn't belong there; `of` says where it stands.
pub(super) fn unknown_key(
    text: &Text,
    span: Range<usize>,
    key: &str,
    of: &str,
    known: &[&str],
) -> CliError {
    let shown = crate::printable::printable(key.as_ref(), 40);
    at(
        text,
        span.start,
        &format!("{of} has no key '{shown}'"),
        match nearest(key, known.iter().copied()) {
            Some(nearest) => String::from(nearest),
            None => format!("one of {}", known.join(", ")),
        },
    )
}

/// A text that is no TOML.
pub(super) fn syntax(text: &Text, error: &toml::de::Error) -> CliError {
    let place = error.span().map_or(0, |span| span.start);
    let cause = error.message().replace('\n', ", ");
    at(
        text,
        place,
        &format!("this is no TOML: {cause}"),
        "key = value lines below [[task]], with text in double quotes",
    )
}

/// The known name that was most likely meant.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Nobody means a short name by a long text, and comparing costs the product of lengths.
    const LONGEST: usize = 100;
    if name.len() > LONGEST {
        return None;
    }
    let same = |text: &str| text.to_lowercase().replace('-', "_");
    let name = same(name);
    known
        .filter(|known| known.len() <= LONGEST)
        .map(|known| (strsim::damerau_levenshtein(&same(known), &name), known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}
