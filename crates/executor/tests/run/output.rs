//! Tasks' output, byte for byte.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use saferun_executor::{Concurrency, OutputMode, OutputOptions};

use crate::support::{command, count, each, run, shell};

#[test]
fn both_streams_pass_unchanged() {
    each(|containment| {
        let ran = run(
            vec![shell(r"printf 'a\000\377\n\r\nb'; printf '\376no end' >&2")],
            containment,
            |_| {},
        );
        assert_eq!(ran.stdout, b"a\0\xff\n\r\nb");
        assert_eq!(ran.stderr, b"\xfeno end");
        assert_eq!(ran.report().done, 1);
    });
}

#[test]
fn a_task_is_handed_on_in_one_piece() {
    each(|containment| {
        let script = |word: &str| {
            shell(&format!(
                "i=0; while [ $i -lt 50 ]; do echo {word}; i=$((i+1)); done"
            ))
        };
        let ran = run(
            vec![script("a"), script("b"), script("c")],
            containment,
            |_| {},
        );
        let mut pieces: Vec<String> = Vec::new();
        for line in ran.text().lines() {
            if pieces.last().is_none_or(|last| last != line) {
                pieces.push(line.to_owned());
            }
        }
        pieces.sort();
        assert_eq!(pieces, ["a", "b", "c"]);
        assert_eq!(ran.text().lines().count(), 150);
    });
}

#[test]
fn what_is_too_large_for_memory_passes_too() {
    each(|containment| {
        // 3 MiB on one stream and 200 KB on the other, from two tasks; neither ends in a newline.
        let script =
            "head -c 3145728 /dev/zero | tr '\\0' X; head -c 200000 /dev/zero | tr '\\0' Y >&2";
        let ran = run(
            vec![
                shell(script),
                shell(&script.replace('X', "x").replace('Y', "y")),
            ],
            containment,
            |_| {},
        );
        let count = |bytes: &[u8], byte| bytes.iter().filter(|&&b| b == byte).count();
        assert_eq!(count(&ran.stdout, b'X'), 3 << 20);
        assert_eq!(count(&ran.stdout, b'x'), 3 << 20);
        assert_eq!(ran.stdout.len(), 6 << 20);
        assert_eq!(count(&ran.stderr, b'Y'), 200_000);
        assert_eq!(count(&ran.stderr, b'y'), 200_000);
        // In one piece each.
        let changes = ran.stdout.windows(2).filter(|w| w[0] != w[1]).count();
        assert_eq!(changes, 1);
    });
}

#[test]
fn output_comes_in_input_order_when_asked() {
    each(|containment| {
        // The earlier, the longer it takes; one fails, one is retried, one is not there.
        let mut tasks: Vec<_> = (0..20)
            .map(|i| shell(&format!("sleep 0.{:02}; echo {i}", (20 - i) * 2)))
            .collect();
        tasks[3] = shell("echo 3; exit 1");
        tasks[4] = shell("echo 4; exit 1");
        tasks[4].retries = 1;
        tasks[5] = command("no-such-program-anywhere", []);
        // Large ones wait on disk.
        tasks[7] = shell("head -c 300000 /dev/zero | tr '\\0' 7; echo");
        let ran = run(tasks, containment, |options| {
            options.concurrency = count(8);
            options.output.keep_order = true;
        });
        let mut expected: Vec<String> = Vec::new();
        for i in 0..20 {
            match i {
                4 => expected.extend(["4".to_owned(), "4".to_owned()]),
                5 => {}
                7 => expected.push("7".repeat(300_000)),
                _ => expected.push(i.to_string()),
            }
        }
        assert!(
            ran.text().lines().eq(expected.iter()),
            "{:.300}",
            ran.text()
        );
        assert_eq!((ran.report().done, ran.report().failed), (17, 3));
    });
}

#[test]
fn tags_stand_before_every_line() {
    each(|containment| {
        let mut task = shell(r"printf 'one\n\ntwo'; printf 'three\n' >&2");
        task.name = OsString::from_vec(b"n\xff\nm".to_vec());
        let ran = run(vec![task], containment, |options| {
            options.output = OutputOptions {
                tag: true,
                ..OutputOptions::default()
            };
        });
        assert_eq!(ran.stdout, b"n\xff m\tone\nn\xff m\t\nn\xff m\ttwo\n");
        assert_eq!(ran.stderr, b"n\xff m\tthree\n");
    });
}

#[test]
fn whole_lines_pass_as_they_come() {
    each(|containment| {
        let script = |word: &str| {
            shell(&format!(
                "i=0; while [ $i -lt 200 ]; do printf {word}; printf '%03d\\n' $i; i=$((i+1)); done; printf {word}end"
            ))
        };
        let ran = run(
            vec![script("aaaaaaaa"), script("bbbbbbbb")],
            containment,
            |options| {
                options.output = OutputOptions {
                    mode: OutputMode::LineBuffered,
                    tag: true,
                    ..OutputOptions::default()
                };
            },
        );
        for (word, tag) in [("aaaaaaaa", 0), ("bbbbbbbb", 1)] {
            let bodies: Vec<String> = ran
                .text()
                .lines()
                .filter_map(|line| line.rsplit_once('\t'))
                .filter_map(|(_, body)| body.strip_prefix(word).map(str::to_owned))
                .collect();
            let mut expected: Vec<String> = (0..200).map(|i| format!("{i:03}")).collect();
            expected.push("end".to_owned());
            assert_eq!(bodies, expected, "task {tag}");
        }
        assert_eq!(ran.text().lines().count(), 402);
    });
}

#[test]
fn one_at_a_time_output_passes_at_once() {
    each(|containment| {
        // It ends only when its first line was seen.
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("seen");
        let script = format!(
            "echo first; until [ -e '{}' ]; do sleep 0.01; done; printf last",
            file.display()
        );
        let running = crate::support::start(
            vec![Ok(shell(&script))].into_iter(),
            containment,
            |options| options.concurrency = count(1),
        );
        crate::support::until("the first line", || running.stdout.bytes() == b"first\n");
        std::fs::write(&file, "").expect("written");
        assert_eq!(running.finish().stdout, b"first\nlast");
    });
}

#[test]
fn a_flood_of_output_stops_neither_timeouts_nor_other_tasks() {
    each(|containment| {
        for mode in [OutputMode::Grouped, OutputMode::LineBuffered] {
            let mut flood = command("yes", []);
            flood.timeout = Some(std::time::Duration::from_millis(300));
            let ran = run(vec![flood, shell("echo other")], containment, |options| {
                options.concurrency = Concurrency::Count(2.try_into().expect("two"));
                options.output.mode = mode;
                // Far too much to keep.
                options.sinks.stdout = Box::new(std::io::sink());
            });
            assert_eq!(ran.ends(0), [saferun_executor::AttemptEnd::TimedOut]);
            assert_eq!(ran.report().done, 1);
        }
    });
}

/// Far more than is kept in memory, from four tasks at once, on both streams.
#[test]
fn megabytes_from_several_tasks_at_once_pass_byte_for_byte() {
    const LINES: usize = 80_000;
    let words = ["aa", "bb", "cc", "dd"];
    let lines = |word: &str, tag: &str, count: usize| -> Vec<u8> {
        let mut text = String::new();
        for n in 1..=count {
            text.push_str(&format!("{tag}{word}{n}\n"));
        }
        text.into_bytes()
    };
    let tasks = || {
        words.map(|word| {
            let seq = |count| format!("seq -f '{word}%.0f' 1 {count}");
            let script = format!("{} & {} >&2; wait", seq(LINES), seq(LINES / 4));
            let mut task = shell(&script);
            task.name = word.into();
            task
        })
    };
    each(|containment| {
        for (keep_order, tag) in [(true, false), (true, true), (false, false)] {
            let ran = run(tasks().into(), containment, |options| {
                options.output.keep_order = keep_order;
                options.output.tag = tag;
            });
            assert_eq!(ran.report().done, 4);
            for (bytes, count) in [(&ran.stdout, LINES), (&ran.stderr, LINES / 4)] {
                let mut order = words;
                if !keep_order {
                    // Each in one piece, in the order of their ends.
                    let mut rest = &bytes[..];
                    order = words.map(|_| {
                        let first = rest.get(..2);
                        let found = words.iter().find(|word| first == Some(word.as_bytes()));
                        let word = found.copied().unwrap_or("none");
                        rest = rest.get(lines(word, "", count).len()..).unwrap_or_default();
                        word
                    });
                }
                let tag = |word: &str| {
                    if tag {
                        format!("{word}\t")
                    } else {
                        String::new()
                    }
                };
                let expected = order.map(|word| lines(word, &tag(word), count)).concat();
                assert!(*bytes == expected, "{containment:?}, {keep_order}, {count}");
            }
        }
    });
}
