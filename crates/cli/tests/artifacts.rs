//! The store of what agents made: many writers at once, writers that are killed, and reading.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use common::{saferun, stderr, stdout};
use serde_json::Value;

/// A project with one session, made by one real agent that writes so many lines.
fn project(lines: u32) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let script = format!(
        "i=0; while [ $i -lt {lines} ]; do i=$((i+1)); echo \"line $i of the talk\"; done; echo 'error: the last one'; echo x > \"$SAFERUN_ARTIFACTS/left.txt\""
    );
    let file = format!("[agents.writer]\ncommand = [\"sh\", \"-c\", '''{script}''']\n");
    let rule = "[[rule]]\nname = 'all'\npattern = '**'\nprimary = 'writer'\n";
    fs::create_dir(dir.path().join(".saferun")).unwrap();
    fs::write(dir.path().join(".saferun/agents.toml"), file + rule).unwrap();
    let output = run(dir.path(), &["delegate", "--file", "a.md", "Write it"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let session = sessions(dir.path()).pop().unwrap();
    (dir, session)
}

fn run(dir: &Path, arguments: &[&str]) -> Output {
    saferun(dir).args(arguments).output().unwrap()
}

fn sessions(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join(".saferun/artifacts")).unwrap();
    let mut all: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    all.sort();
    all
}

/// A session without a run, as a file of another tool may be.
fn bare(dir: &Path, id: &str) -> PathBuf {
    let session = dir.join(".saferun/artifacts").join(id);
    fs::create_dir_all(&session).unwrap();
    let manifest =
        serde_json::json!({"session": id, "request": "r", "status": "running", "agents": []});
    fs::write(session.join("manifest.json"), manifest.to_string()).unwrap();
    session
}

fn manifest(session: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(session.join("manifest.json")).unwrap()).unwrap()
}

fn noting(dir: &Path, kind: &str, text: &str) -> Child {
    saferun(dir)
        .args(["artifacts", "note", kind, text])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn fifty_writers_at_once_lose_no_update() {
    let dir = tempfile::tempdir().unwrap();
    let session = bare(dir.path(), "20260101-000000-00000001");
    let writers: Vec<Child> = (0..50)
        .map(|number| {
            noting(
                dir.path(),
                if number % 2 == 0 {
                    "decisions"
                } else {
                    "knowledge"
                },
                &format!("note {number} of many"),
            )
        })
        .collect();
    for writer in writers {
        let output = writer.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let manifest = manifest(&session);
    assert_eq!(
        (
            &manifest["notes"]["decisions"],
            &manifest["notes"]["knowledge"]
        ),
        (&25.into(), &25.into())
    );
    let all = ["decisions.md", "knowledge.md"]
        .map(|file| fs::read_to_string(session.join(file)).unwrap())
        .concat();
    assert_eq!(all.lines().count(), 50, "{all}");
    for number in 0..50 {
        assert_eq!(
            all.matches(&format!(": note {number} of many\n")).count(),
            1,
            "{all}"
        );
    }
}

#[test]
fn writers_that_are_killed_leave_a_whole_manifest() {
    let dir = tempfile::tempdir().unwrap();
    let session = bare(dir.path(), "20260101-000000-00000001");
    // Large, so that writing it takes a while.
    let mut large = manifest(&session);
    large["more"] = "x".repeat(8 << 20).into();
    fs::write(session.join("manifest.json"), large.to_string()).unwrap();
    let (mut finished, mut killed) = (0_u64, 0_u64);
    for round in 0..40_u64 {
        let mut writer = noting(dir.path(), "decisions", "one");
        // From before its first step to after its last one.
        std::thread::sleep(Duration::from_millis(round * 4));
        // One that has ended already can't be killed any more.
        let _ = writer.kill();
        if writer.wait().unwrap().success() {
            finished += 1;
        } else {
            killed += 1;
        }
        let seen = manifest(&session);
        assert_eq!(
            seen["more"].as_str().unwrap().len(),
            8 << 20,
            "round {round}"
        );
        let count = seen["notes"]["decisions"].as_u64().unwrap_or(0);
        assert!(
            count >= finished && count <= finished + killed,
            "{finished} {killed} {count}"
        );
    }
    assert!(killed > 0, "none was killed in time");
    // And the next one is not kept out by a lock of the dead.
    let output = run(
        dir.path(),
        &["artifacts", "note", "decisions", "the", "last"],
    );
    assert!(output.status.success(), "{}", stderr(&output));
    let text = fs::read_to_string(session.join("decisions.md")).unwrap();
    assert!(text.lines().all(|line| line.starts_with("- ")), "{text}");
    assert!(text.ends_with(": the last\n"), "{text}");
}

#[test]
fn the_whole_stays_retrievable_in_slices() {
    let (dir, session) = project(1000);
    let id = session.file_name().unwrap().to_str().unwrap().to_owned();
    let told = |arguments: &[&str]| {
        let output = run(dir.path(), &[&["artifacts"], arguments].concat());
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            stderr(&output)
        );
        stdout(&output)
    };
    assert_eq!(
        told(&["slice", "writer", "--lines", "100-102"]),
        "line 100 of the talk\nline 101 of the talk\nline 102 of the talk\n"
    );
    assert_eq!(
        told(&["slice", "writer", "--grep", "^line 99\\d "])
            .lines()
            .count(),
        10
    );
    assert_eq!(
        told(&["slice", &id, "writer", "--errors"]),
        "1001:error: the last one\n"
    );
    assert_eq!(told(&["slice", "writer"]).lines().count(), 1001);
    assert_eq!(told(&["slice", "writer", "--file", "left.txt"]), "x\n");
    let json: Value =
        serde_json::from_str(&told(&["slice", "writer", "--lines", "2", "--json"])).unwrap();
    assert_eq!(
        json["lines"][0],
        serde_json::json!({"number": 2, "text": "line 2 of the talk"})
    );
    assert_eq!(
        told(&["path", "writer"]).trim_end(),
        session
            .join("writer")
            .canonicalize()
            .unwrap()
            .to_str()
            .unwrap()
    );

    let shown = told(&["show", "writer"]);
    assert!(
        shown.contains("writer done in ") && shown.contains("error: the last one"),
        "{shown}"
    );
    assert!(shown.contains("left.txt (2 B)"), "{shown}");
    let shown = told(&["show", &id]);
    assert!(shown.starts_with("Write it\n"), "{shown}");
    let json: Value = serde_json::from_str(&told(&["show", "--json"])).unwrap();
    assert_eq!(json["agents"][0]["id"], "writer");
    let list = told(&["list"]);
    assert!(list.contains(&id) && list.contains("done"), "{list}");
    let json: Value = serde_json::from_str(&told(&["list", "--json"])).unwrap();
    assert_eq!(json["sessions"][0]["session"], Value::from(id.as_str()));
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let (dir, _session) = project(3);
    for (arguments, what) in [
        (
            &["slice", "nobody"][..],
            "there is neither a session nor an agent 'nobody' here; try: one of writer",
        ),
        (&["show", "../../etc"], "neither a session nor an agent"),
        (
            &["slice", "writer", "--file", "../manifest.json"],
            "no file of an agent's folder",
        ),
        (
            &["slice", "writer", "--file", "/etc/passwd"],
            "no file of an agent's folder",
        ),
        (
            &["slice", "writer", "--grep", "("],
            "'(' is no regular expression",
        ),
        (
            &["slice", "writer", "--lines", "9-3"],
            "a range such as 100-200",
        ),
        (
            &["path", "--session", "20990101-000000-00000000"],
            "there is no session",
        ),
        (&["note", "decisions", " "], "the note is empty"),
    ] {
        let output = run(dir.path(), &[&["artifacts"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            stderr(&output).contains(what),
            "{arguments:?}: {}",
            stderr(&output)
        );
    }
    let empty = tempfile::tempdir().unwrap();
    let output = run(empty.path(), &["artifacts", "show"]);
    assert!(
        stderr(&output).contains("there are no sessions here"),
        "{}",
        stderr(&output)
    );
    assert_eq!(
        stdout(&run(empty.path(), &["artifacts", "list"])),
        "there are no sessions here\n"
    );
}

#[test]
fn an_agent_notes_in_its_own_session() {
    let dir = tempfile::tempdir().unwrap();
    let (older, newer) = (
        bare(dir.path(), "20260101-000000-00000001"),
        bare(dir.path(), "20260101-000000-00000002"),
    );
    fs::create_dir(older.join("reader")).unwrap();
    let output = saferun(dir.path())
        .env("SAFERUN_ARTIFACTS", older.join("reader"))
        .args(["artifacts", "note", "decisions", "we", "take the\nother"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let text = fs::read_to_string(older.join("decisions.md")).unwrap();
    assert!(text.ends_with(" reader: we take the\n  other\n"), "{text}");
    assert!(!newer.join("decisions.md").exists());
}

#[test]
fn pruning_follows_the_settings_and_spares_what_is_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let (old, used, new) = (
        bare(dir.path(), "20250101-000000-00000001"),
        bare(dir.path(), "20250101-000000-00000002"),
        bare(dir.path(), "20250101-000000-00000003"),
    );
    let make_old = |session: &Path| {
        for path in [session.join("manifest.json"), session.to_path_buf()] {
            let then = SystemTime::now() - Duration::from_secs(3 * 86_400);
            fs::File::open(path).unwrap().set_modified(then).unwrap();
        }
    };
    // Held by another process, as a run holds it.
    let lock = used.join("in-use.lock");
    fs::write(&lock, "").unwrap();
    let mut holder = Command::new("flock")
        .arg(&lock)
        .args(["-c", "echo held; exec sleep 60"])
        .stdout(Stdio::piped())
        .spawn();
    if let Ok(holder) = &mut holder {
        use std::io::Read;
        holder
            .stdout
            .take()
            .unwrap()
            .read_exact(&mut [0; 4])
            .unwrap();
    }
    make_old(&old);
    make_old(&used);
    fs::write(
        dir.path().join("saferun.toml"),
        "[artifacts]\nmax_age = '2d'\n",
    )
    .unwrap();
    let output = run(dir.path(), &["artifacts", "prune", "--dry-run"]);
    assert!(
        stdout(&output).starts_with("would remove 20250101-000000-00000001 "),
        "{}",
        stdout(&output)
    );
    assert!(old.exists());
    let output = run(dir.path(), &["artifacts", "prune", "--json"]);
    let answer: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(
        answer["sessions"][0]["session"], "20250101-000000-00000001",
        "{answer}"
    );
    assert!(!old.exists() && new.exists());
    if let Ok(mut holder) = holder {
        assert!(used.exists(), "it was in use");
        holder.kill().unwrap();
        holder.wait().unwrap();
    } else {
        println!("skipped: no flock program here, so that nothing could be held");
    }
    fs::write(
        dir.path().join("saferun.toml"),
        "[artifacts]\nmax_agee = '2d'\n",
    )
    .unwrap();
    let output = run(dir.path(), &["artifacts", "prune"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("[artifacts]"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn memory_cleanup_prunes_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let session = bare(dir.path(), "20250101-000000-00000001");
    let then = SystemTime::now() - Duration::from_secs(40 * 86_400);
    let file = fs::File::open(session.join("manifest.json")).unwrap();
    file.set_modified(then).unwrap();
    let cleanup = |arguments: &[&str]| {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("memory-cleanup"));
        let output = command
            .args(arguments)
            .current_dir(dir.path())
            .output()
            .unwrap();
        stdout(&output)
    };
    let plan = cleanup(&["--only", "artifacts", "--json"]);
    assert!(plan.contains("20250101-000000-00000001"), "{plan}");
    assert!(session.exists());
    let done = cleanup(&["--only", "artifacts", "--force", "--json"]);
    assert!(done.contains("20250101-000000-00000001"), "{done}");
    assert!(!session.exists());
}
