//! Settings that can't be taken: one line each, with what, where, what was read, what is right.

mod common;
mod settings_place;

use std::os::unix::fs::PermissionsExt;

use common::stderr;
use settings_place::{Level, Place};

/// The one line that a run says; it must not have run anything.
fn refused(place: &Place) -> String {
    let mut line = String::new();
    for arguments in [
        &["config", "show"][..],
        &["run", "--dry-run", "echo"],
        &["run", "sh", "-c", "echo ran"],
    ] {
        // The flags come before the command.
        let output = match arguments {
            ["run", rest @ ..] => {
                let mut command = place.command(&["run"]);
                command.args(rest);
                command.output().unwrap()
            }
            _ => place.command(arguments).output().unwrap(),
        };
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(
            said.starts_with("error: ") && said.contains("; try: ") && !said.contains("panicked"),
            "{said}"
        );
        line = said;
    }
    // Where the test happens to run is not a part of it.
    let dir = place.root().parent().unwrap().display().to_string();
    line.replace(&dir, "DIR")
}

#[test]
fn variables() {
    let mut all = String::new();
    for level in [Level::Environment, Level::DotEnv] {
        for (name, value) in [
            ("SAFE_PARALLEL", "maybe"),
            ("SAFE_PARALLEL", "yes"),
            ("SAFE_PARALLEL", "2"),
            ("CONCURRENCY_LIMIT", "0"),
            ("CONCURRENCY_LIMIT", "-1"),
            ("CONCURRENCY_LIMIT", "two"),
            ("CONCURRENCY_LIMIT", "auto"),
            ("CONCURRENCY_LIMIT", "2.5"),
            ("CONCURRENCY_LIMIT", "99999999999999999999999999"),
            ("MEMORY_THRESHOLD", "0"),
            ("MEMORY_THRESHOLD", "-5"),
            ("MEMORY_THRESHOLD", "4G"),
            ("MEMORY_THRESHOLD", "99999999999999999"),
        ] {
            let mut place = Place::new();
            place.variable(level, name, value);
            all.push_str(&refused(&place));
        }
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_wrong_value_is_an_error_even_where_another_level_wins() {
    let mut place = Place::new();
    place.variable(Level::Environment, "CONCURRENCY_LIMIT", "two");
    place.flags("-j 3");
    assert!(refused(&place).contains("CONCURRENCY_LIMIT in the environment"));
    let mut place = Place::new();
    place.text(Level::User, "retries = -1\n");
    place.key(Level::Project, "retries", "1");
    assert!(refused(&place).contains("config.toml:1:11"));
}

#[test]
fn variables_that_are_no_text() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    let output = place
        .command(&["config", "show"])
        .env("SAFE_PARALLEL", OsStr::from_bytes(b"\xff"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("can't be '\u{fffd}'"));
    place.text(Level::DotEnv, b"OTHER=\xff\nMEMORY_THRESHOLD=\xff\n");
    assert!(refused(&place).contains("MEMORY_THRESHOLD at .env:2:1 can't be '\u{fffd}'"));
    place.text(Level::DotEnv, b"OTHER=\xff\n\xff\xfe=\n");
    assert!(place.show()["settings"].is_object());
}

#[test]
fn lines_of_dotenv() {
    let mut all = String::new();
    for text in [
        "CONCURRENCY_LIMIT='3\n",
        "CONCURRENCY_LIMIT='3'x\n",
        "CONCURRENCY_LIMIT: 3\n",
        "CONCURRENCY_LIMIT\n",
        "OTHER='\n'\nexport   SAFE_PARALLEL=$PARALLEL\n",
    ] {
        let place = Place::new();
        place.text(Level::DotEnv, text);
        all.push_str(&refused(&place));
    }
    insta::assert_snapshot!(all);
}

/// Files and what is wrong with them.
const FILES: &[&str] = &[
    "concurency = 3",
    "\n  SAFE_PARALLEL = true",
    "memory-threshold = 4096",
    "colour = 'red'",
    "parallel = 'true'",
    "parallel = 1",
    "concurrency = 0",
    "concurrency = 2.0",
    "concurrency = 'many'",
    "memory_threshold = '4G'",
    "memory_threshold = 0",
    "memory = 4096",
    "memory = '4X'",
    "reserve = '101%'",
    "task_memory = '50%'",
    "strategy = 'sequentially'",
    "preempt = 'always'",
    "restartable = 'no'",
    "retries = -1",
    "retries = 4294967296",
    "timeout = 0",
    "timeout = 'soon'",
    "timeout = 99999999999",
    "grace = '5 s'",
    "grace = -1",
    "halt = 'never,fail=1'",
    "profile = ''",
    "history = 'on'",
    "history_days = 0",
    "agent_command = 'claude'",
    "agent_command = []",
    "agent_command = ['a', 1]",
    "agent_command = [\"\\u0000\"]",
    "agents = 1",
    "[agents]\nplanner = 'x'",
    "artifacts = []",
    "cleanup = 1",
    "[memory]\nlimit = 1",
    "profiles = 1",
    "[profiles]\nmine = 1",
    "[profiles.mine]\nprofile = 'x'",
    "[profiles.mine]\nretires = 1",
    "[profiles.mine]\nretries = 'x'",
    "[profiles.mine]\nmachine = 1",
    "[profiles.mine]\nmachine = [1]",
    "[[profiles.mine.machine]]\nretries = 1",
    "[[profiles.mine.machine]]\nat_least = 12",
    "[[profiles.mine.machine]]\nat_lest = '12G'",
    "profile = 'developement'",
    "profile = 'zzz'\n[profiles.mine]\n",
    "retries = 1\nretries = 2",
    "retries 1",
    "retries = \"1",
    "memory = 4G",
    "[profiles.\u{1b}[31m]",
    "\u{feff}retries = 1.5",
];

#[test]
fn files_of_the_project() {
    let mut all = String::new();
    for text in FILES {
        let place = Place::new();
        place.text(Level::Project, text);
        all.push_str(&format!("{:?}\n  {}", text, refused(&place)));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn the_users_file_is_checked_like_the_projects() {
    for text in FILES {
        let place = Place::new();
        place.text(Level::User, text);
        let said = refused(&place);
        assert!(said.contains("/xdg/saferun/config.toml:"), "{said}");
    }
}

#[test]
fn profiles_asked_for_by_flag() {
    let mut all = String::new();
    for name in ["agressive", "nothing-like-it", "Development"] {
        let mut place = Place::new();
        place.text(Level::User, "[profiles.mine]\n");
        place.flags(&format!("--profile {name}"));
        all.push_str(&refused(&place));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn things_that_are_no_files_of_text() {
    for level in [Level::Project, Level::User, Level::DotEnv] {
        let place = Place::new();
        let file = place.file(level);
        let holds = |what: &str| {
            let said = refused(&place);
            assert!(
                said.contains("can't be read: ") && said.contains(what),
                "{said}"
            );
        };
        // Larger than anybody writes, whatever is in it.
        place.text(level, "# comment\n".repeat(30_000));
        holds("larger than 256 KiB");
        std::fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink("nowhere", &file).unwrap();
        holds("no such file");
        std::fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink(file.file_name().unwrap(), &file).unwrap();
        holds("too many");
        std::fs::remove_file(&file).unwrap();
        // A pipe that nobody writes must not be waited for.
        let made = std::process::Command::new("mkfifo").arg(&file).status();
        if made.is_ok_and(|status| status.success()) {
            holds("no regular file");
            std::fs::remove_file(&file).unwrap();
        } else {
            eprintln!("skipped: a named pipe can't be made here");
        }
        place.text(level, "# nothing\n");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o000)).unwrap();
        if std::fs::File::open(&file).is_ok() {
            eprintln!("skipped: this user may read everything");
        } else {
            holds("permission denied");
        }
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        if level == Level::DotEnv {
            // That is what a virtual environment of Python may be called.
            assert!(place.show()["dotenv"].is_null());
        } else {
            holds("it is a directory");
        }
    }
    let place = Place::new();
    place.text(Level::Project, b"retries = 1\n# \xe9\n");
    assert!(refused(&place).contains("line 2 is no UTF-8 text"));
}

#[test]
fn depth_is_no_way_to_crash() {
    for (open, close) in [("a = ", ""), ("[agents.x]\na = ", "")] {
        for (left, right) in [("[", "]"), ("{a = ", "}")] {
            let place = Place::new();
            let text = [open, &left.repeat(40_000), &right.repeat(40_000), close].concat();
            place.text(Level::Project, text);
            refused(&place);
        }
    }
    let place = Place::new();
    place.text(
        Level::Project,
        format!("[agents.{}x]\n", "a.".repeat(100_000)),
    );
    let output = place.command(&["config", "show"]).output().unwrap();
    assert!(output.status.code().is_some(), "{}", stderr(&output));
}
