use std::io::{self, Read};

use proptest::prelude::*;

use super::*;

/// Real output of real programs, each with what must be in its digest.
const REAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/logs");

fn digest(text: &[u8], limit: Limit) -> Digest {
    let mut digester = Digester::default();
    digester.read("stdout", text).unwrap();
    digester.finish(limit, "saferun artifacts slice x --errors")
}

/// A stream of a pattern, so long, made as it is read.
struct Long {
    left: u64,
    line: &'static [u8],
}

impl Read for Long {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = (into.len() as u64).min(self.left) / self.line.len() as u64;
        let bytes = count as usize * self.line.len();
        for place in into[..bytes].chunks_mut(self.line.len()) {
            place.copy_from_slice(self.line);
        }
        self.left = if bytes == 0 {
            0
        } else {
            self.left - bytes as u64
        };
        Ok(bytes)
    }
}

#[test]
fn every_error_and_every_changed_file_of_real_logs() {
    let mut seen = 0;
    for entry in std::fs::read_dir(REAL).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read(&path).unwrap();
        let digest = digest(&text, Limit::default());
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(
            digest.text.len() as u64 <= Limit::default().of(text.len() as u64),
            "{name}"
        );
        let clean = anstream::adapter::strip_bytes(&text).into_vec();
        for line in String::from_utf8_lossy(&clean).lines() {
            if is_error(line.as_bytes()) {
                assert!(
                    digest.text.contains(line.trim()),
                    "{name} lacks {line:?}:\n{}",
                    digest.text
                );
            }
            if let Some(path) = line.strip_prefix("+++ b/") {
                assert!(
                    digest.text.contains(path),
                    "{name} lacks {path}:\n{}",
                    digest.text
                );
            }
        }
        assert_eq!(
            (digest.errors_left_out, digest.files_left_out),
            (0, 0),
            "{name}"
        );
        seen += 1;
    }
    assert!(seen >= 6, "{seen} logs");
}

#[test]
fn a_long_stream_is_read_in_blocks() {
    let line = b"2024-01-02 03:04:05 INFO all is well and nothing happens\n";
    let long = Long {
        left: 3 << 20,
        line,
    };
    let mut digester = Digester::default();
    digester
        .read("stdout", long.chain(&b"ERROR the end\n"[..]))
        .unwrap();
    let digest = digester.finish(Limit::default(), "");
    assert!(digest.text.contains("ERROR the end"));
    assert!(digest.text.len() <= 4096);
    assert!(digest.source_bytes > 2 << 20);
}

#[test]
fn more_errors_than_there_is_room_for_are_counted() {
    let mut text = String::new();
    for number in 0..500 {
        text +=
            &format!("error: number {number} went wrong in a way that takes some words to tell\n");
        text += &"and a word about it that is of no importance\n".repeat(3);
    }
    let digest = digest(text.as_bytes(), Limit::default());
    assert!(digest.text.len() <= 4096, "{}", digest.text.len());
    let shown = digest
        .text
        .lines()
        .filter(|line| line.starts_with("error: "))
        .count() as u64;
    assert_eq!(digest.errors_left_out, 500 - shown);
    assert!(shown > 40, "{shown}");
    let word = format!(
        "[{} more errors: saferun artifacts slice x --errors]",
        500 - shown
    );
    assert!(
        digest.text.ends_with(&format!("{word}\n")),
        "{}",
        digest.text
    );
}

#[test]
fn the_same_error_is_told_once() {
    let mut text = "nothing\n".repeat(100);
    for _ in 0..50 {
        text += "error: the same again\n";
    }
    let digest = digest(text.as_bytes(), Limit::default());
    assert_eq!(
        digest.text.matches("the same again").count(),
        1,
        "{}",
        digest.text
    );
    assert!(
        digest.text.contains("errors (1, 50 times in all):"),
        "{}",
        digest.text
    );
}

#[test]
fn what_a_diff_says_is_no_error() {
    let text =
        "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n-error: a\n+error: b\n same\n";
    let digest = digest(
        text.as_bytes(),
        Limit {
            percent: 100,
            most_bytes: 4096,
        },
    );
    assert!(
        digest.text.contains("changed files (1, +1 -1):\nx +1 -1\n"),
        "{}",
        digest.text
    );
    assert!(!digest.text.contains("errors"), "{}", digest.text);
}

#[test]
fn a_document_shows_its_headings_and_its_ends() {
    let mut text = String::from("# All of it\n\nThis begins.\n");
    for chapter in 0..10 {
        text += &format!(
            "\n## Chapter {chapter}\n\n{}\n",
            "Words and words and words. ".repeat(30)
        );
        text += "```sh\n# no heading\n```\n";
    }
    text += "That was it.\n";
    let digest = digest(text.as_bytes(), Limit::default());
    for chapter in 0..10 {
        assert!(
            digest.text.contains(&format!("## Chapter {chapter}\n")),
            "{}",
            digest.text
        );
    }
    assert!(digest.text.contains("That was it."), "{}", digest.text);
    assert!(!digest.text.contains("headings:\n# no"), "{}", digest.text);
}

fn any_text() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        &b"error: a thing is missing\n"[..],
        b"error[E0001]: \xc3\xa9\xff\r\n",
        b"plain line of text\n",
        b"diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-x\n+y\n",
        b"M\tsrc/some/file.rs\n",
        b"\x1b[31merror\x1b[0m: red\n",
        b"# heading\n",
        b"```\n",
        b"\r 10%\r 20%\n",
        b"\x00\x01\x02",
        b"thread 'x' panicked at a.rs:1:2:\n",
        b"\xf0\x9f\x98\x80\n",
        b"--- a\n+++ b\n@@ -1,9 +1,9 @@\n",
    ]);
    prop::collection::vec((pieces, 1_usize..40), 0..60).prop_map(|pieces| {
        pieces
            .into_iter()
            .flat_map(|(piece, times)| piece.repeat(times))
            .collect()
    })
}

proptest! {
    // Regular expressions without optimization take their time.
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn never_larger_than_stated_and_always_printable(
        text in prop_oneof![any_text(), prop::collection::vec(any::<u8>(), 0..3000)],
        percent in 0_u64..120,
        most_bytes in 0_u64..6000,
    ) {
        let limit = Limit { percent, most_bytes };
        let digest = digest(&text, limit);
        prop_assert!(digest.text.len() as u64 <= limit.of(text.len() as u64));
        prop_assert!(digest.text.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()));
        prop_assert!(digest.text.is_empty() || digest.text.ends_with('\n'));
    }

    /// Whatever is not in it is counted.
    #[test]
    fn errors_are_in_it_or_counted(text in any_text(), percent in 0_u64..100) {
        let digest = digest(&text, Limit { percent, most_bytes: 4096 });
        for error in ["error: a thing is missing", "error: red"] {
            let is_there = text.windows(error.len()).any(|bytes| bytes == error.as_bytes());
            if is_there && !digest.text.contains(error) {
                // It may have been the content of a diff that was cut.
                prop_assert!(digest.errors_left_out > 0 || text.windows(3).any(|bytes| bytes == b"@@ "));
            }
        }
        if text.windows(17).any(|bytes| bytes == b"M\tsrc/some/file.r") {
            let is_there = digest.text.contains("src/some/file.rs");
            prop_assert!(is_there || digest.files_left_out > 0 || text.windows(3).any(|bytes| bytes == b"@@ "));
        }
    }
}
