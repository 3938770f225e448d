//! What a parser found wrong in the text of a file that it doesn't know.

use std::path::Path;

use crate::error::ReadError;

/// What a parser found wrong; the reader adds the path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    Garbage {
        expected: &'static str,
        text: String,
    },
    Missing(&'static str),
}

impl Flaw {
    pub(crate) fn garbage(expected: &'static str, text: impl AsRef<[u8]>) -> Self {
        const SHOWN: usize = 120;
        let text = text.as_ref();
        Self::Garbage {
            expected,
            text: String::from_utf8_lossy(&text[..text.len().min(SHOWN)]).into_owned(),
        }
    }

    pub(crate) fn at(self, path: &Path) -> ReadError {
        let path = path.to_path_buf();
        match self {
            Self::Garbage { expected, text } => ReadError::Garbage {
                path,
                expected,
                text,
            },
            Self::Missing(field) => ReadError::Missing { path, field },
        }
    }
}
