//! Which files a text says were changed, and how much.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

/// So many files are kept by name; further ones are only counted.
const MOST_FILES: usize = 10_000;

/// A changed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// Its name, as the text spells it.
    pub(super) path: String,
    /// Lines added, where that is known.
    pub(super) added: u64,
    /// Lines removed, where that is known.
    pub(super) removed: u64,
}

/// Follows diffs and lists of changed files through a text.
#[derive(Debug, Default)]
pub(super) struct Changes {
    files: Vec<Change>,
    places: HashMap<String, usize>,
    /// Files beyond [`MOST_FILES`] (one named twice counts twice).
    pub(super) uncounted: u64,
    current: Option<usize>,
    /// Lines of the old and the new text that the hunk has yet.
    hunk: (u64, u64),
    /// The name in the latest `---` line, where that was no part of a git diff.
    old: Option<String>,
    /// The name in the `+++` line below it: a file if a hunk follows.
    new: Option<String>,
    /// Whether the latest lines are the head of one file's diff.
    in_head: bool,
}

impl Changes {
    /// Takes a line; answers whether it belongs to a diff, so that it says nothing else.
    pub(super) fn take(&mut self, line: &str) -> bool {
        if self.hunk != (0, 0) {
            match line.as_bytes().first() {
                Some(b'+') => return self.count(0, 1),
                Some(b'-') => return self.count(1, 0),
                Some(b' ') | None => return self.count(1, 1),
                Some(b'\\') => return true,
                // No hunk goes on like this: it was cut.
                _ => self.hunk = (0, 0),
            }
        }
        if let Some(rest) = line.strip_prefix("diff --git ") {
            self.in_head = true;
            self.old = None;
            // Renames, mode changes and binary files have no other line with the name.
            self.current = both_names(rest).map(|name| self.file(&name));
            return true;
        }
        if let Some(rest) = line
            .strip_prefix("diff --cc ")
            .or(line.strip_prefix("diff --combined "))
        {
            self.in_head = true;
            self.current = Some(self.file(rest));
            return true;
        }
        let new = self.new.take();
        if line.starts_with("@@ ") && (self.in_head || self.current.is_some() || new.is_some()) {
            if let Some(name) = new.filter(|_| is_hunk(line)) {
                self.current = Some(self.file(&name));
            }
            return self.begin_hunk(line);
        }
        if line.starts_with("@@@") && self.current.is_some() {
            return true;
        }
        self.head(line) || self.listed(line)
    }

    /// All files, in the order in which they were named first.
    pub(super) fn files(&self) -> &[Change] {
        &self.files
    }

    fn count(&mut self, old: u64, new: u64) -> bool {
        let left = (self.hunk.0.checked_sub(old), self.hunk.1.checked_sub(new));
        let (Some(old_left), Some(new_left)) = left else {
            self.hunk = (0, 0);
            return false;
        };
        self.hunk = (old_left, new_left);
        if old != new
            && let Some(change) = self.current.and_then(|place| self.files.get_mut(place))
        {
            change.added += new;
            change.removed += old;
        }
        true
    }

    fn begin_hunk(&mut self, line: &str) -> bool {
        let Some(found) = hunk().and_then(|hunk| hunk.captures(line)) else {
            return false;
        };
        let length = |group: usize| match found.get(group) {
            Some(text) => text.as_str().parse().unwrap_or(0),
            None => 1,
        };
        self.hunk = (length(1), length(2));
        self.in_head = false;
        true
    }

    /// A line of the head of a file's diff.
    fn head(&mut self, line: &str) -> bool {
        if let Some(rest) = line.strip_prefix("--- ") {
            let name = plain_name(rest);
            // A rule below a heading, or a list, is no diff.
            if self.in_head {
                if let Some(name) = name
                    && self.current.is_none()
                {
                    self.current = Some(self.file(&name));
                }
                return true;
            }
            self.old = Some(rest.to_owned());
            return false;
        }
        if let Some(rest) = line.strip_prefix("+++ ") {
            let old = self.old.take();
            let name = plain_name(rest).or_else(|| old.as_deref().and_then(plain_name));
            if self.in_head {
                if let Some(name) = name {
                    self.current = Some(self.file(&name));
                }
                return true;
            }
            self.new = name.filter(|_| old.is_some());
            return false;
        }
        if !self.in_head {
            return false;
        }
        for start in ["rename from ", "rename to ", "copy to ", "copy from "] {
            if let Some(name) = line.strip_prefix(start) {
                let place = self.file(name);
                if start.ends_with("to ") {
                    self.current = Some(place);
                }
                return true;
            }
        }
        const OTHERS: [&str; 9] = [
            "index ",
            "old mode ",
            "new mode ",
            "new file mode ",
            "deleted file mode ",
            "similarity index ",
            "dissimilarity index ",
            "Binary files ",
            "GIT binary patch",
        ];
        if OTHERS.iter().any(|start| line.starts_with(start)) {
            return true;
        }
        self.in_head = false;
        false
    }

    /// A line of a list: `git status`, `git diff --stat`, `git diff --name-status`.
    fn listed(&mut self, line: &str) -> bool {
        static LISTED: LazyLock<Vec<Regex>> = LazyLock::new(|| {
            [
                r"^\s+(?:modified|new file|deleted|both modified|both added|typechange):\s+(\S.*)$",
                r"^\s+renamed:\s+(\S.*) -> (\S.*)$",
                r"^(?:[MADTU]|[RC]\d{2,3})\t([^\t]+)(?:\t([^\t]+))?$",
                r"^ (?:create|delete) mode \d{6} (.+)$",
                r"^ (\S.*?)\s+\|\s+(?:\d+ [+-]*|Bin .*)$",
                r"^(?:[MADRC][ MD]|[ ][MD]|UU|AA|\?\?) (\S+)(?: -> (\S+))?$",
                r"^(?:CONFLICT \(.*\): Merge conflict in) (.+)$",
            ]
            .iter()
            .filter_map(|pattern| Regex::new(pattern).ok())
            .collect()
        });
        let Some(found) = LISTED.iter().find_map(|pattern| pattern.captures(line)) else {
            return false;
        };
        for name in found.iter().skip(1).flatten() {
            self.file(name.as_str());
        }
        // A conflict is an error as well.
        !line.starts_with("CONFLICT")
    }

    fn file(&mut self, name: &str) -> usize {
        let name = name.trim_end_matches('\t');
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        if self.files.len() >= MOST_FILES {
            self.uncounted += 1;
            return usize::MAX;
        }
        let place = self.files.len();
        self.files.push(Change {
            path: name.to_owned(),
            added: 0,
            removed: 0,
        });
        self.places.insert(name.to_owned(), place);
        place
    }
}

/// The form of the first line of a hunk.
fn hunk() -> Option<&'static Regex> {
    static HUNK: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"^@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@").ok());
    HUNK.as_ref()
}

fn is_hunk(line: &str) -> bool {
    hunk().is_some_and(|hunk| hunk.is_match(line))
}

/// The name in a `---` or `+++` line; `None` for a file that is not there.
fn plain_name(rest: &str) -> Option<String> {
    // Other programs than git put a time after a tab.
    let name = rest.split('\t').next().unwrap_or(rest).trim_end();
    if name == "/dev/null" || name.is_empty() {
        return None;
    }
    Some(without_side(name))
}

/// `a/x` as `x`, with the quotes that git puts around unusual names taken away.
fn without_side(name: &str) -> String {
    let inner = name
        .strip_prefix('"')
        .and_then(|name| name.strip_suffix('"'));
    let name = inner.unwrap_or(name);
    let sides = ["a/", "b/", "i/", "w/", "c/", "o/"];
    let plain = sides.iter().find_map(|side| name.strip_prefix(side));
    plain.unwrap_or(name).to_owned()
}

/// The name in `a/x b/x`, where both sides have the same.
fn both_names(rest: &str) -> Option<String> {
    let rest = rest.trim_end();
    if rest.starts_with('"') {
        let (first, second) = rest.split_once("\" ")?;
        let (first, second) = (
            without_side(first.trim_start_matches('"')),
            without_side(second),
        );
        return (first == second).then_some(first);
    }
    // Names may hold blanks: both halves are equally long where they are the same.
    let half = rest.len().checked_sub(1)? / 2;
    let (first, second) = (rest.get(..half)?, rest.get(half + 1..)?);
    let (first, second) = (without_side(first), without_side(second));
    (first == second).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<(String, u64, u64)> {
        let mut changes = Changes::default();
        for line in text.lines() {
            changes.take(line);
        }
        let all = changes.files().iter();
        all.map(|file| (file.path.clone(), file.added, file.removed))
            .collect()
    }

    fn named(names: &[(&str, u64, u64)]) -> Vec<(String, u64, u64)> {
        names
            .iter()
            .map(|(name, added, removed)| ((*name).to_owned(), *added, *removed))
            .collect()
    }

    #[test]
    fn a_diff_of_git() {
        let text = "\
diff --git a/src/a b.rs b/src/a b.rs
index 1..2 100644
--- a/src/a b.rs\t
+++ b/src/a b.rs\t
@@ -1,3 +1,4 @@ fn x
 same
-error: old
+error: new
+--- not a head
 same
diff --git a/old.txt b/new.txt
similarity index 100%
rename from old.txt
rename to new.txt
diff --git a/gone b/gone
deleted file mode 100644
--- a/gone
+++ /dev/null
@@ -1 +0,0 @@
-x
\\ No newline at end of file
diff --git a/i.png b/i.png
new file mode 100644
Binary files /dev/null and b/i.png differ
diff --git \"a/\\303\\251\" \"b/\\303\\251\"
new file mode 100644";
        assert_eq!(
            of(text),
            named(&[
                ("src/a b.rs", 2, 1),
                ("old.txt", 0, 0),
                ("new.txt", 0, 0),
                ("gone", 0, 1),
                ("i.png", 0, 0),
                ("\\303\\251", 0, 0),
            ])
        );
    }

    #[test]
    fn a_plain_diff_and_what_only_looks_like_one() {
        let text = "--- x.c\t2020-01-01\n+++ x.c\t2020-01-02\n@@ -1 +1 @@\n-a\n+b\n";
        assert_eq!(of(text), named(&[("x.c", 1, 1)]));
        assert_eq!(of("Title\n---\n--- a list\n\n+++ more\n@@ what\n"), []);
    }

    #[test]
    fn lists_of_changed_files() {
        let text = "\
On branch main
\tmodified:   src/lib.rs
\trenamed:    a.rs -> b.rs
 create mode 100644 new/file.txt
 src/wide.rs  | 12 +++---
 4 files changed, 10 insertions(+), 2 deletions(-)
M\tx/y.rs
R100\told.md\tdocs/new.md
 M tests/t.rs
?? fresh.txt
an M in text
";
        let names = [
            "src/lib.rs",
            "a.rs",
            "b.rs",
            "new/file.txt",
            "src/wide.rs",
            "x/y.rs",
            "old.md",
            "docs/new.md",
            "tests/t.rs",
            "fresh.txt",
        ];
        let found: Vec<String> = of(text).into_iter().map(|(name, _, _)| name).collect();
        assert_eq!(found, names);
    }

    #[test]
    fn a_diff_that_was_cut_does_not_swallow_what_follows() {
        let mut changes = Changes::default();
        for line in [
            "diff --git a/x b/x",
            "--- a/x",
            "+++ b/x",
            "@@ -1,50 +1,50 @@",
            "+a",
        ] {
            assert!(changes.take(line));
        }
        assert!(!changes.take("error: the pipe was closed"));
    }
}
