//! Sizes of files, words that mean "unfinished", and where `unsafe` may stand.

use super::{Findings, TextFile};

/// A file that is longer holds more than one idea.
const MOST_LINES: usize = 600;
/// A file that is longer should be looked at.
const MANY_LINES: usize = 400;

/// The only modules that hold `unsafe`, each a small wrapper around what has no safe interface.
const UNSAFE_MODULES: [&str; 9] = [
    "crates/executor/src/readiness.rs",
    "crates/executor/src/spawn/child.rs",
    "crates/executor/src/spawn/clone.rs",
    "crates/executor/src/spawn/namespace.rs",
    "crates/executor/src/spawn/signals.rs",
    "crates/executor/src/spawn/stand_in.rs",
    "crates/memory/src/reclaim/advise.rs",
    "crates/memory/src/reclaim/malloc.rs",
    "testbed/src/workload/pages.rs",
];

/// Words that mean that something is not finished. Put together here so that this file passes.
const UNFINISHED: [&str; 4] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("to", "do!"),
];

const UNSAFE_STARTS: [&str; 4] = [
    concat!("unsafe", " {"),
    concat!("unsafe", " fn"),
    concat!("unsafe", " impl"),
    concat!("unsafe", " extern"),
];

pub(super) fn check(files: &[TextFile], findings: &mut Findings) {
    for file in files {
        let place = file.path.display();
        if file.has_extension("rs") {
            let lines = file.text.lines().count();
            if lines > MOST_LINES {
                findings.error(place, format!("{lines} lines; at most {MOST_LINES}"));
            } else if lines > MANY_LINES {
                findings.warn(place, format!("{lines} lines; more than {MANY_LINES}"));
            }
            check_unsafe(file, findings);
        }
        for (number, line) in (1..).zip(file.text.lines()) {
            for word in UNFINISHED.iter().filter(|word| holds_word(line, word)) {
                findings.error(
                    format!("{}:{number}", file.path.display()),
                    format!("`{word}` says that something is not finished"),
                );
            }
        }
    }
}

fn check_unsafe(file: &TextFile, findings: &mut Findings) {
    let named = UNSAFE_MODULES
        .iter()
        .any(|module| file.path.ends_with(module));
    let is_unsafe = |line: &str| {
        let code = line.split("//").next().unwrap_or(line);
        UNSAFE_STARTS.iter().any(|start| code.contains(start))
    };
    if named {
        if !file.text.lines().any(is_unsafe) {
            findings.warn(
                file.path.display(),
                "needs no place among the modules that hold unsafe code",
            );
        }
        return;
    }
    for (number, _) in (1..)
        .zip(file.text.lines())
        .filter(|(_, line)| is_unsafe(line))
    {
        findings.error(
            format!("{}:{number}", file.path.display()),
            "unsafe code outside of the modules named in xtask/src/tidy/sources.rs",
        );
    }
}

/// Whether the line holds the word with nothing word-like around it.
fn holds_word(line: &str, word: &str) -> bool {
    let wordlike = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        !before.is_some_and(wordlike) && (word.ends_with('!') || !after.is_some_and(wordlike))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings_of(path: &str, text: &str) -> Findings {
        let mut findings = Findings::default();
        let file = TextFile {
            path: path.into(),
            text: text.to_owned(),
        };
        check(&[file], &mut findings);
        findings
    }

    #[test]
    fn unfinished_work_is_found_and_templates_are_not() {
        let word = UNFINISHED[2];
        assert!(holds_word(&format!("// {word}: later"), word));
        assert!(!holds_word(&format!("mktemp /tmp/a.{word}{word}"), word));
    }

    #[test]
    fn long_files_are_found() {
        assert!(findings_of("a.rs", &"\n".repeat(400)).warnings.is_empty());
        assert_eq!(findings_of("a.rs", &"\n".repeat(401)).warnings.len(), 1);
        assert_eq!(findings_of("a.rs", &"\n".repeat(601)).errors.len(), 1);
        assert!(findings_of("a.md", &"\n".repeat(601)).errors.is_empty());
    }

    #[test]
    fn stray_unsafe_code_is_found() {
        let line = format!("    {} f() }}", UNSAFE_STARTS[0]);
        assert_eq!(findings_of("crates/a.rs", &line).errors.len(), 1);
        assert!(findings_of(UNSAFE_MODULES[0], &line).errors.is_empty());
        assert!(findings_of("a.rs", &format!("//{line}")).errors.is_empty());
    }
}
