//! One word of a request with what is known about it.

use std::borrow::Cow;

use crate::rules::lexicon::Classes;
use crate::text::{Form, Kind, Token, stem};

/// One word of a request.
#[derive(Clone, Debug)]
pub(crate) struct Word<'a> {
    pub token: Token<'a>,
    pub lower: Cow<'a, str>,
    pub stem: Cow<'a, str>,
    pub form: Form,
    /// What it is an example of; nothing when it is quoted or denied.
    pub classes: Classes,
    /// What it would be if it were not denied.
    pub denied: Classes,
    pub negated: bool,
    /// The class that it has by its shape.
    pub shape: Option<&'static str>,
}

impl<'a> Word<'a> {
    pub(crate) fn new(token: Token<'a>) -> Self {
        let lower = lower(token.text);
        let (stem, form) = match &lower {
            Cow::Borrowed(lower) => stem(lower),
            Cow::Owned(lower) => {
                let (stem, form) = stem(lower);
                (Cow::Owned(stem.into_owned()), form)
            }
        };
        Self {
            token,
            lower,
            stem,
            form,
            classes: 0,
            denied: 0,
            negated: false,
            shape: shape(&token),
        }
    }

    /// Whether it is said, not merely quoted or denied.
    pub(crate) fn counts(&self) -> bool {
        !self.negated && self.token.kind != Kind::Quoted
    }

    /// Whether it was written just so, but for capital letters.
    pub(crate) fn is_exactly(&self, word: &str) -> bool {
        self.lower == word
    }

    /// What the model knows it by: names out of code differ from project to project, so that
    /// only their kind says anything.
    pub(crate) fn key(&self) -> &str {
        match self.token.kind {
            Kind::Word => &self.stem,
            Kind::Capitalised | Kind::Name if self.classes | self.denied != 0 => &self.stem,
            Kind::Capitalised => "<Name>",
            Kind::Name => "<name>",
            Kind::Path => "<path>",
            Kind::Dotted if is_file_name(self.token.text) => "<file>",
            Kind::Dotted => "<dotted>",
            Kind::Flag => "<flag>",
            Kind::Number => self.shape.unwrap_or("<number>"),
            Kind::Arrow => "->",
            Kind::Bang => "!",
            Kind::Quoted => "<quoted>",
            Kind::Stop => ".",
            Kind::Question => "?",
            Kind::Comma => ",",
            Kind::Colon => ":",
        }
    }
}

fn shape(token: &Token<'_>) -> Option<&'static str> {
    match token.kind {
        Kind::Number => Some(version(token.text)),
        Kind::Dotted if !is_file_name(token.text) => Some("dotted-name"),
        Kind::Path | Kind::Dotted => Some("path-name"),
        Kind::Flag => Some("flag-name"),
        Kind::Name => Some("code-name"),
        Kind::Arrow => Some("arrow"),
        _ => None,
    }
}

/// The number before the first dot of a version.
pub(crate) fn major(text: &str) -> &str {
    let digits = text.trim_start_matches(['v', 'V']);
    digits.split('.').next().unwrap_or_default()
}

/// `18` may be a major version, `v2`, `2.x` and `3.0` are, `3.8` and `4.17.21` hardly.
fn version(text: &str) -> &'static str {
    let digits = text.trim_start_matches(['v', 'V']);
    let parts: Vec<&str> = digits.split('.').collect();
    match parts.as_slice() {
        [_] if digits.len() < text.len() => "major-version",
        [_] => "whole-number",
        [_, rest @ ..] if rest.iter().all(|part| matches!(*part, "0" | "x" | "X")) => {
            "major-version"
        }
        _ => "minor-version",
    }
}

fn lower(text: &str) -> Cow<'_, str> {
    if text
        .bytes()
        .all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase())
    {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.to_lowercase().replace('’', "'"))
    }
}

fn is_file_name(text: &str) -> bool {
    const ENDINGS: [&str; 24] = [
        "c", "cc", "cpp", "css", "go", "h", "html", "java", "js", "json", "kt", "md", "php", "py",
        "rb", "rs", "sh", "sql", "swift", "toml", "ts", "tsx", "yaml", "yml",
    ];
    let ending = text.rsplit('.').next().unwrap_or_default();
    ENDINGS.contains(&ending)
}
