//! Files of labelled requests: `mode<TAB>category<TAB>request`, a line each.

use std::fs;
use std::path::Path;

use saferun_router::{Category, Mode};

use crate::Failure;

/// One request with what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Labelled {
    pub mode: Mode,
    pub category: Category,
    pub request: String,
    /// Requests of one family are phrased alike, so that they are kept together when some are
    /// set aside.
    pub family: String,
    /// Its line in the file, from 1.
    pub line: usize,
}

/// Reads a file; an error names its line.
pub(super) fn read(path: &Path) -> Result<Vec<Labelled>, Failure> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    parse(&text).map_err(|error| format!("{}, {error}", path.display()).into())
}

/// Empty lines and those that start with `#` hold no request; `# family: NAME` starts a family.
fn parse(text: &str) -> Result<Vec<Labelled>, String> {
    let mut found = Vec::new();
    let mut family = String::new();
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(name) = line.strip_prefix("# family: ") {
            name.trim().clone_into(&mut family);
        }
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let error = |what: String| format!("line {number}: {what}");
        let mut fields = line.splitn(3, '\t');
        let mut field = |name| {
            let next = fields
                .next()
                .map(str::trim)
                .filter(|field| !field.is_empty());
            next.ok_or_else(|| {
                error(format!(
                    "lacks the {name}; a line is mode<TAB>category<TAB>request"
                ))
            })
        };
        let (mode, category, request) = (field("mode")?, field("category")?, field("request")?);
        found.push(Labelled {
            mode: mode.parse().map_err(|what| error(format!("{what}")))?,
            category: category.parse().map_err(|what| error(format!("{what}")))?,
            request: request.to_owned(),
            family: family.clone(),
            line: number,
        });
    }
    if found.is_empty() {
        return Err(String::from("line 1: holds no request"));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_with_their_families() {
        let text = "# family: fixes\nparallel\tbugfix\tFix it\n\n# a word\nsequential\trefactor\tMove\tit\n";
        let found = parse(text).expect("well formed");
        let [one, other] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!((one.family.as_str(), one.line), ("fixes", 2));
        assert_eq!(
            (other.request.as_str(), other.mode),
            ("Move\tit", Mode::Sequential)
        );
    }

    #[test]
    fn a_malformed_line_is_named() {
        for (text, message) in [
            (
                "parallel\tbugfix\tFix\nparallel\tFix",
                "line 2: lacks the request",
            ),
            (
                "often\tbugfix\tFix",
                "line 1: 'often' is none of sequential, parallel",
            ),
            (
                "parallel\tchore\tFix",
                "line 1: 'chore' is none of feature, ",
            ),
            ("# nothing\n", "line 1: holds no request"),
        ] {
            let error = parse(text).expect_err("malformed");
            assert!(error.starts_with(message), "{error}");
        }
    }
}
