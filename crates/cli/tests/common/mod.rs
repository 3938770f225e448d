//! What the tests of the command have in common.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(20);

/// Polls until the condition holds.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < DEADLINE, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A place for a history that nobody has used: what another test ran must not be known.
fn fresh_state() -> std::path::PathBuf {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("state-{}-{next}", std::process::id());
    std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// The built command, in a directory of its own, with nothing on standard input.
pub(crate) fn saferun(dir: &Path) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("saferun"));
    command
        .current_dir(dir)
        .stdin(Stdio::null())
        // Tests leave no trace in the history of whoever runs them.
        .env("XDG_STATE_HOME", fresh_state())
        .env_remove("SAFERUN_SUPERVISED")
        // The settings of whoever runs the tests are not theirs.
        .env_remove("SAFE_PARALLEL")
        .env_remove("CONCURRENCY_LIMIT")
        .env_remove("MEMORY_THRESHOLD")
        .env("XDG_CONFIG_HOME", dir.join("no-config"));
    command
}

/// Runs it with these bytes on standard input.
pub(crate) fn with_input(mut command: Command, input: &[u8]) -> Output {
    use std::io::Write;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut stdin = child.stdin.take().expect("was piped");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        // Whoever doesn't read it all closes it.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().expect("ends");
    writer.join().expect("writes");
    output
}

/// Standard error as text.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Standard output as text.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
