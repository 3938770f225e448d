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
            Kind::Number => "<number>",
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

fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
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
