//! Random trees of processes, round after round: what was left behind is ended, and nothing else.
//!
//! Each round grows some trees of every kind at once, says beforehand which of them may be ended,
//! has `memory-cleanup` end all leftovers among them, and counts. A short series runs always; the
//! whole one of 500 rounds with `cargo test --release -- --ignored`.
#![cfg(target_os = "linux")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use saferun_testbed::random::SplitMix64;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_memory-cleanup");

/// The kinds of trees: how each is grown (`$P` is its program, `$O` another that no rule names)
/// and whether it may be ended.
static KINDS: [Kind; 15] = [
    // Left behind.
    Kind::over("\"$P\" 900 & exit 0", Mark::None, Known::Yes),
    Kind::over(
        "sh -c '\"$P\" 900 & exit 0'; exit 0",
        Mark::None,
        Known::Yes,
    ),
    Kind::over("\"$O\" 900 & exit 0", Mark::Over, Known::No),
    Kind::over(
        "(sh -c '\"$O\" 900 & \"$O\" 900; exit 0' &) ; exit 0",
        Mark::Over,
        Known::No,
    ),
    Kind::over("setsid --fork \"$O\" 900; exit 0", Mark::Over, Known::No),
    // Left behind, and starting more while it is looked for and while it is asked to end.
    Kind::forking(
        "sh -c 'n=0; while [ $n -lt 60 ]; do n=$((n + 1)); \"$O\" 900 & sleep 0.03; done; wait' \
         & exit 0",
    ),
    Kind::forking(
        "sh -c 'trap \"\\\"$O\\\" 900 & \\\"$O\\\" 900 & exit 0\" TERM; \"$O\" 900 & wait' & exit 0",
    ),
    // To be kept: nobody's, a service's (its own session, or a listener), another session's
    // helper with its parent or with its session only, and those of a run that goes on.
    Kind::kept("\"$O\" 900 & exit 0", Mark::None, Known::No),
    Kind::kept("setsid --fork \"$P\" 900; exit 0", Mark::None, Known::Yes),
    Kind::kept("\"$P\" 900; exit 0", Mark::None, Known::Yes),
    Kind::kept("\"$P\" 900 & exit 0", Mark::None, Known::LooksAlike),
    Kind {
        listens: true,
        ..Kind::kept(
            "exec 3<&0; \"$P\" 900 <&3 3<&- & exit 0",
            Mark::None,
            Known::Yes,
        )
    },
    Kind::kept(
        "(\"$P\" 900 &) ; \"$O\" 900; exit 0",
        Mark::None,
        Known::Yes,
    ),
    Kind::kept("\"$O\" 900 & exit 0", Mark::Alive, Known::No),
    Kind::kept(
        "(sh -c '\"$O\" 900 & \"$O\" 900; exit 0' &) ; exit 0",
        Mark::Alive,
        Known::No,
    ),
];

struct Kind {
    script: &'static str,
    mark: Mark,
    known: Known,
    over: bool,
    /// Whether its processes become more by themselves.
    forks: bool,
    /// Whether it has a listening socket.
    listens: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    None,
    Over,
    Alive,
}

/// Whether a rule names the program that stays.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Yes,
    No,
    /// The name only contains the word.
    LooksAlike,
}

impl Kind {
    const fn over(script: &'static str, mark: Mark, known: Known) -> Self {
        Self {
            script,
            mark,
            known,
            over: true,
            forks: false,
            listens: false,
        }
    }

    const fn forking(script: &'static str) -> Self {
        Self {
            forks: true,
            ..Self::over(script, Mark::Over, Known::No)
        }
    }

    const fn kept(script: &'static str, mark: Mark, known: Known) -> Self {
        Self {
            script,
            mark,
            known,
            over: false,
            forks: false,
            listens: false,
        }
    }
}

/// A tree that was grown.
struct Tree {
    kind: &'static Kind,
    program: PathBuf,
    other: PathBuf,
    leader: Child,
}

impl Tree {
    fn executables(&self) -> [&Path; 2] {
        [&self.program, &self.other]
    }
}

#[derive(Debug, Default)]
struct Score {
    rounds: u32,
    trees: usize,
    over: usize,
    missed: usize,
    wrongly: usize,
}

#[test]
fn ten_rounds_end_nothing_wrongly() {
    rounds(10, 0x5afe);
}

#[test]
#[ignore = "takes some minutes"]
fn five_hundred_rounds_end_nothing_wrongly() {
    rounds(500, 0x5afe_0001);
}

fn rounds(count: u32, seed: u64) {
    let mut random = SplitMix64::new(seed);
    let mut score = Score::default();
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("rules.toml");
    fs::write(
        &rules,
        "[[rule]]\nname = \"known\"\nkind = \"watcher\"\nprograms = [\"known-*\"]\nolder_than = \"0s\"\n",
    )
    .unwrap();
    if !orphans_fall_to_init(dir.path()) {
        eprintln!("skipped: orphans don't fall to PID 1 here");
        return;
    }
    for round in 0..count {
        let place = dir.path().join(round.to_string());
        fs::create_dir(&place).unwrap();
        play(&mut random, &place, &rules, &mut score);
        let _ = fs::remove_dir_all(&place);
        score.rounds += 1;
        if score.rounds.is_multiple_of(50) {
            println!("{score:?}");
        }
    }
    println!("{score:?}");
    assert_eq!((score.wrongly, score.missed), (0, 0), "{score:?}");
    assert!(score.over > 0 && score.over < score.trees, "{score:?}");
}

/// Where orphans don't fall to PID 1 (below a subreaper) nothing can be shown.
fn orphans_fall_to_init(dir: &Path) -> bool {
    let place = dir.join("probe");
    fs::create_dir(&place).unwrap();
    let mut tree = grow(&place, 0, &KINDS[0], None);
    settle(&mut tree);
    let pids = living(&place).into_values().flatten();
    let fall = pids.into_iter().all(|pid| parent(pid) == Some(1));
    end_all(&place, &mut [tree]);
    fall
}

/// One round.
fn play(random: &mut SplitMix64, place: &Path, rules: &Path, score: &mut Score) {
    let mut dead = Command::new("true").spawn().unwrap();
    let over = format!("6b05e20b-{:x}-{:08x}", dead.id(), score.rounds);
    dead.wait().unwrap();
    let alive = format!("6b05e20b-{:x}-{:08x}", std::process::id(), score.rounds);
    let mut trees: Vec<Tree> = (0..4 + random.next_u64() % 8)
        .map(|number| {
            let kind = random.choose(&KINDS);
            let mark = match kind.mark {
                Mark::None => None,
                Mark::Over => Some(&*over),
                Mark::Alive => Some(&*alive),
            };
            grow(place, number, kind, mark)
        })
        .collect();
    for tree in &mut trees {
        settle(tree);
    }
    let before = living(place);
    cleanup(place, rules);
    let after = living(place);
    for tree in &trees {
        score.trees += 1;
        score.over += usize::from(tree.kind.over);
        for executable in tree.executables() {
            let (was, is) = (before.get(executable), after.get(executable));
            if tree.kind.over {
                score.missed += is.map_or(0, BTreeSet::len);
            } else {
                let lost = was.into_iter().flatten();
                score.wrongly += lost
                    .filter(|pid| !is.is_some_and(|is| is.contains(*pid)))
                    .count();
            }
        }
    }
    end_all(place, &mut trees);
}

fn grow(place: &Path, number: u64, kind: &'static Kind, mark: Option<&str>) -> Tree {
    let program = place.join(match kind.known {
        Known::Yes => format!("known-{number}"),
        Known::No => format!("unknown-{number}"),
        Known::LooksAlike => format!("my-known-{number}"),
    });
    let other = place.join(format!("other-{number}"));
    for path in [&program, &other] {
        fs::hard_link(sleep(place), path).unwrap();
    }
    let mut command = Command::new("env");
    command
        // Under nohup all of these would look as if they were meant to stay.
        .args(["--default-signal=HUP", "setsid", "sh", "-c", kind.script])
        .env("P", &program)
        .env("O", &other)
        .env_remove("SAFERUN_RUN")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Some(mark) = mark {
        command.env("SAFERUN_RUN", mark);
    }
    if kind.listens {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        command.stdin(OwnedFd::from(listener));
    }
    Tree {
        kind,
        program,
        other,
        leader: command.spawn().unwrap(),
    }
}

/// One copy of `sleep` for all: what tells the trees apart is the name by which each is run.
fn sleep(place: &Path) -> PathBuf {
    let copy = place.with_file_name("sleep");
    if !copy.exists() {
        saferun_testbed::program::copy("/bin/sleep".as_ref(), &copy).unwrap();
    }
    copy
}

/// Waits until what stays of a tree is there: its script has ended, or it waits for a child.
fn settle(tree: &mut Tree) {
    let begun = Instant::now();
    let stays = tree.kind.script.matches(" 900").count();
    let lives_on =
        !tree.kind.script.contains("& exit 0") && tree.kind.script.ends_with("900; exit 0");
    loop {
        let place = tree.program.parent().unwrap();
        let living = living(place);
        let count: usize = tree
            .executables()
            .iter()
            .filter_map(|executable| living.get(*executable))
            .map(BTreeSet::len)
            .sum();
        let ended = lives_on || tree.leader.try_wait().unwrap().is_some();
        let is_there = if tree.kind.forks {
            count > 0
        } else {
            count == stays
        };
        if is_there && ended {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{}",
            tree.kind.script
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Ends all leftovers of this place, named so that nobody else's are touched.
fn cleanup(place: &Path, rules: &Path) {
    let program = |arguments: &[&str]| {
        Command::new(PROGRAM)
            .args(["--json", "--rules"])
            .arg(rules)
            .args(arguments)
            .env_remove("SAFERUN_RUN")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    };
    let report: Value = serde_json::from_slice(&program(&[]).stdout).unwrap();
    let ours: BTreeSet<u32> = living(place).into_values().flatten().collect();
    let named: Vec<String> = report["leftovers"]["found"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| {
            let pids = row["pids"].as_array().unwrap();
            let number = |pid: &Value| u32::try_from(pid.as_u64().unwrap()).unwrap();
            pids.iter().any(|pid| ours.contains(&number(pid)))
        })
        .map(|row| row["pid"].to_string())
        .collect();
    if named.is_empty() {
        return;
    }
    let output = program(&[&format!("--leftovers={}", named.join(",")), "--yes"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

/// The living processes whose executable lies in a place, by the executable.
fn living(place: &Path) -> BTreeMap<PathBuf, BTreeSet<u32>> {
    let mut living: BTreeMap<PathBuf, BTreeSet<u32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if let Ok(executable) = fs::read_link(entry.path().join("exe"))
            && executable.starts_with(place)
        {
            living.entry(executable).or_default().insert(pid);
        }
    }
    living
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let rest = stat.rsplit_once(')')?.1;
    rest.split_whitespace().nth(1)?.parse().ok()
}

fn end_all(place: &Path, trees: &mut [Tree]) {
    for pid in living(place).into_values().flatten() {
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    for tree in trees {
        let _ = tree.leader.kill();
        let _ = tree.leader.wait();
    }
}
