//! Relative links of the documents lead somewhere.

use std::path::Path;

use super::{Findings, TextFile};
use crate::workspace::root;

pub(super) fn check(files: &[TextFile], findings: &mut Findings) {
    for file in files.iter().filter(|file| file.has_extension("md")) {
        let directory = file.path.parent().unwrap_or(Path::new(""));
        for (number, target) in links(&file.text) {
            let path = target.split('#').next().unwrap_or_default();
            let elsewhere = path.is_empty() || path.contains("://") || path.starts_with("mailto:");
            if !elsewhere && !root().join(directory).join(path).exists() {
                findings.error(
                    format!("{}:{number}", file.path.display()),
                    format!("the link {target} leads nowhere"),
                );
            }
        }
    }
}

/// The targets of `[text](target)` with the numbers of their lines; fenced code holds no links.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        let mut rest = line;
        while let Some(start) = rest.find("](") {
            rest = &rest[start + 2..];
            if let Some(end) = rest.find(')') {
                let target = rest[..end].split_whitespace().next().unwrap_or_default();
                found.push((number, target));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read_with_titles_and_without() {
        let text = "a [b](c.md) [d](e.md \"title\")\n```\n[x](y)\n```\n[f](#g)";
        assert_eq!(links(text), [(1, "c.md"), (1, "e.md"), (5, "#g")]);
    }

    #[test]
    fn dead_links_are_found() {
        let mut findings = Findings::default();
        let file = |text: &str| TextFile {
            path: "docs/page.md".into(),
            text: text.to_owned(),
        };
        check(
            &[file("[a](../Cargo.toml#x) [b](https://example.org)")],
            &mut findings,
        );
        assert!(findings.errors.is_empty(), "{findings:?}");
        check(&[file("[a](nowhere.md)")], &mut findings);
        assert_eq!(findings.errors.len(), 1);
    }
}
