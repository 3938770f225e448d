//! Whatever is wrong with the place of the history costs one warning, and never the run.

mod common;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

use common::{saferun, stderr, stdout};

/// A user who owns nothing.
const NOBODY: u32 = 65_534;

/// Three tasks with a history below `state`.
fn run(dir: &Path, state: &Path) -> Command {
    let mut run = saferun(dir);
    run.env("XDG_STATE_HOME", state)
        .args(["run", "-j", "2", "echo", ":::", "a", "b", "c"]);
    run
}

/// All was run, and one line says what is wrong with the history.
fn warned_once(mut run: Command) -> Output {
    let answer = run.output().expect("runs");
    let said = stderr(&answer);
    assert!(answer.status.success(), "{said}");
    let mut lines: Vec<String> = stdout(&answer).lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["a", "b", "c"], "{said}");
    let warnings = said.lines().filter(|line| line.contains("history"));
    assert_eq!(warnings.count(), 1, "{said}");
    answer
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn history_of(state: &Path) -> std::path::PathBuf {
    let directory = state.join("saferun");
    std::fs::create_dir_all(&directory).expect("made");
    directory.join("history.sqlite")
}

#[test]
fn a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("tiny");
    std::fs::create_dir(&state).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "none"])
        .arg(&state)
        .output();
    if !mounted.is_ok_and(|mounted| mounted.status.success()) {
        println!("skipped: a tiny file system can't be mounted here");
        return;
    }
    let filled = std::fs::write(state.join("fill"), vec![0_u8; 60 << 10]);
    let result = std::panic::catch_unwind(|| warned_once(run(dir.path(), &state)));
    let unmounted = Command::new("umount").arg("-l").arg(&state).status();
    assert!(filled.is_ok() && unmounted.is_ok_and(|status| status.success()));
    let said = stderr(&result.expect("one warning"));
    assert!(said.contains("full") || said.contains("space"), "{said}");
}

#[test]
fn a_home_that_cannot_be_written() {
    if !is_root() {
        println!("skipped: only root can run it as another user");
        return;
    }
    // In a place that another user can reach.
    let dir = tempfile::tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let program = dir.path().join("saferun");
    saferun_testbed::program::copy(assert_cmd::cargo::cargo_bin!("saferun"), &program).unwrap();
    let mut run = Command::new(&program);
    run.current_dir(dir.path())
        .stdin(std::process::Stdio::null())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", dir.path())
        .uid(NOBODY)
        .gid(NOBODY)
        .args(["run", "-j", "2", "echo", ":::", "a", "b", "c"]);
    let said = stderr(&warned_once(run));
    assert!(said.contains("ermission denied"), "{said}");
}

#[test]
fn no_home() {
    let dir = tempfile::tempdir().unwrap();
    let mut run = run(dir.path(), dir.path());
    run.env_remove("XDG_STATE_HOME").env_remove("HOME");
    warned_once(run);
}

#[test]
fn a_home_that_is_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    std::fs::write(&home, b"no directory").unwrap();
    let mut run = run(dir.path(), dir.path());
    run.env_remove("XDG_STATE_HOME").env("HOME", &home);
    warned_once(run);
    assert_eq!(std::fs::read(&home).unwrap(), b"no directory");
}

#[test]
fn a_damaged_file_is_kept_beside() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let file = history_of(&state);
    std::fs::write(&file, b"no database, but somebody may want it").unwrap();
    warned_once(run(dir.path(), &state));
    let kept = std::fs::read_dir(state.join("saferun")).unwrap();
    let kept = kept.filter(|entry| {
        let bytes = std::fs::read(entry.as_ref().unwrap().path()).unwrap();
        bytes == b"no database, but somebody may want it"
    });
    assert_eq!(kept.count(), 1);
    // The next run has a sound one.
    let answer = run(dir.path(), &state).output().unwrap();
    assert!(!stderr(&answer).contains("history"), "{}", stderr(&answer));
}

#[test]
fn another_programs_database_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let file = history_of(&state);
    let theirs = rusqlite::Connection::open(&file).unwrap();
    theirs.execute_batch("CREATE TABLE theirs (x)").unwrap();
    drop(theirs);
    let before = std::fs::read(&file).unwrap();
    warned_once(run(dir.path(), &state));
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn a_later_versions_file_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let first = run(dir.path(), &state).output().unwrap();
    assert!(first.status.success());
    let open = || rusqlite::Connection::open(history_of(&state)).unwrap();
    open().pragma_update(None, "user_version", 99).unwrap();
    let said = stderr(&warned_once(run(dir.path(), &state)));
    assert!(said.contains("later version"), "{said}");
    let rows: i64 = open()
        .query_row("SELECT count(*) FROM attempts", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 3);
}

#[test]
fn a_locked_database() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    assert!(run(dir.path(), &state).output().unwrap().status.success());
    let holder = rusqlite::Connection::open(history_of(&state)).unwrap();
    // As another process that writes and never ends.
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    warned_once(run(dir.path(), &state));
    holder.execute_batch("ROLLBACK").unwrap();
    let answer = run(dir.path(), &state).output().unwrap();
    assert!(!stderr(&answer).contains("history"), "{}", stderr(&answer));
}
