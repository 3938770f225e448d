//! Steps on real programs: what they hold is given back, and that is measured.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use saferun_testbed::cage::Cage;
use saferun_testbed::size::MIB;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_memory-cleanup");

fn force(step: &str, more: &[&str]) -> Value {
    let output = Command::new(PROGRAM)
        .args(["--force", "--json", "--only", step])
        .args(more)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn figure(step: &Value, key: &str) -> u64 {
    step[key]
        .as_u64()
        .unwrap_or_else(|| panic!("no {key} in {step}"))
}

/// A program that says when it is ready, ended with the test.
struct Program(Child);

impl Program {
    fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line.trim(), "ready");
        Self(child)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn which(program: &str) -> Option<PathBuf> {
    let found = std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|dir| dir.join(program))
        .find(|file| file.is_file());
    if found.is_none() {
        eprintln!("skipped: no {program} on the path");
    }
    found
}

#[test]
fn the_page_cache_of_a_file_is_given_back_in_a_cage() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let Some(cage) = Cage::for_test("cache", 2048 * MIB) else {
        return;
    };
    let file = dir.path().join("file");
    let status = cage
        .command("dd")
        .args(["if=/dev/zero", "bs=1M", "count=1024", "status=none"])
        .arg(format!("of={}", file.display()))
        .status()
        .unwrap();
    assert!(status.success());
    if !cached(&cage, 900 * MIB) {
        eprintln!("skipped: what is written here isn't cached in memory");
        return;
    }
    let output = cage
        .command(PROGRAM)
        .args(["--force", "--json", "--only", "page-cache"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let step = &answer["steps"][0];
    assert_eq!(step["outcome"], "done", "{step}");
    assert!(figure(step, "before_bytes") > 900 * MIB, "{step}");
    assert!(figure(step, "after_bytes") < 200 * MIB, "{step}");
    // It is told, but it is not called freed: nobody held it.
    assert!(figure(&answer["memory"], "cache_given_back_bytes") > 700 * MIB);
    assert_eq!(figure(&answer["memory"], "freed_bytes"), 0);
    assert!(!cached(&cage, 200 * MIB));
}

fn cached(cage: &Cage, bytes: u64) -> bool {
    cage.usage().unwrap() > bytes
}

const GARBAGE_JS: &str = "\
    let kept = [];\
    for (let i = 0; i < 100; i++) kept.push(new Array(262144).fill(i));\
    kept = null;\
    process.stdin.resume();\
    console.log('ready');";

#[test]
fn a_node_process_that_holds_garbage_gives_most_of_it_back() {
    let Some(node) = which("node") else { return };
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("garbage.js");
    fs::write(&script, GARBAGE_JS).unwrap();
    // With its inspector open, and without.
    let open = start_node(&node, &["--inspect=127.0.0.1:0"], &script);
    let answer = force("node", &[]);
    let act = act_of(&answer, open.0.id());
    assert!(act.contains("collected in"), "{act}");
    assert_eq!(answer["memory"]["before"]["heap"]["of"], "node");
    let step = &answer["steps"][0];
    let (before, after) = (figure(step, "before_bytes"), figure(step, "after_bytes"));
    assert!(before > 150 * MIB && after < before / 2, "{step}");
    assert!(figure(&answer["memory"], "freed_bytes") > 100 * MIB);
    drop(open);

    let closed = start_node(&node, &[], &script);
    let plan = Command::new(PROGRAM)
        .args(["--json", "--only", "node"])
        .output()
        .unwrap();
    let plan: Value = serde_json::from_slice(&plan.stdout).unwrap();
    if plan["steps"][0]["outcome"] == "not-permitted" {
        let permit = plan["steps"][0]["permit"].as_str().unwrap();
        assert!(permit.contains("--signal-node"), "{plan}");
    }
    // Nobody can be asked, so it isn't done.
    let refused = Command::new(PROGRAM)
        .args(["--force", "--only", "node", "--signal-node"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2));
    drop(closed);
}

#[test]
fn the_inspector_of_a_node_process_is_opened_and_closed_again() {
    let Some(node) = which("node") else { return };
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("garbage.js");
    fs::write(&script, GARBAGE_JS).unwrap();
    // In a network of its own no other program has the inspector's port.
    let inside = format!(
        "ip link set lo up 2>/dev/null || exit 9; mkfifo \"$D/in\"; \
         {} \"$D/garbage.js\" < \"$D/in\" > \"$D/out\" 2>&1 & exec 3> \"$D/in\"; \
         until grep -q ready \"$D/out\"; do sleep 0.05; done; \
         {PROGRAM} --force --json --yes --signal-node --only node; code=$?; \
         cat /proc/$!/net/tcp >&2; kill $!; exit $code",
        node.display()
    );
    let output = Command::new("unshare")
        .args(["--net", "sh", "-c", &inside])
        .env("D", dir.path())
        .stdin(Stdio::null())
        .output();
    let output = match output {
        Ok(output) if !output.stdout.is_empty() => output,
        _ => {
            eprintln!("skipped: no network of our own can be had");
            return;
        }
    };
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let step = &answer["steps"][0];
    assert_eq!(step["outcome"], "done", "{step}");
    let (before, after) = (figure(step, "before_bytes"), figure(step, "after_bytes"));
    assert!(before > 150 * MIB && after < before / 2, "{step}");
    // 9229 in hexadecimal, listening.
    let sockets = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(sockets.contains("local_address"), "{sockets}");
    let listens = sockets
        .lines()
        .any(|line| line.contains(":240D") && line.contains(" 0A "));
    assert!(!listens, "{sockets}");
}

fn start_node(node: &Path, options: &[&str], script: &Path) -> Program {
    let mut command = Command::new(node);
    command.args(options).arg(script);
    Program::start(command)
}

fn act_of(answer: &Value, pid: u32) -> String {
    let acts = answer["steps"][0]["acts"].as_array().unwrap();
    let of = format!("({pid})");
    acts.iter()
        .filter_map(Value::as_str)
        .find(|act| act.contains(&of))
        .unwrap_or_else(|| panic!("nothing of {pid} in {answer}"))
        .to_owned()
}

#[test]
fn a_java_program_that_holds_garbage_gives_memory_back() {
    let (Some(java), Some(_)) = (which("java"), which("jcmd")) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("Garbage.java");
    fs::write(
        &source,
        "public class Garbage { public static void main(String[] a) throws Exception {\
           byte[][] kept = new byte[4096][];\
           for (int i = 0; i < kept.length; i++) {\
             kept[i] = new byte[1 << 16]; java.util.Arrays.fill(kept[i], (byte) 1); }\
           kept = null; System.out.println(\"ready\"); System.in.read(); } }",
    )
    .unwrap();
    let mut command = Command::new(java);
    command
        .args(["-XX:+UseG1GC", "-Xms32m", "-Xmx512m"])
        .arg(&source);
    let program = Program::start(command);
    let answer = force("jvm", &[]);
    act_of(&answer, program.0.id());
    let step = &answer["steps"][0];
    let (before, after) = (figure(step, "before_bytes"), figure(step, "after_bytes"));
    assert!(before > 256 * MIB && after < before - 128 * MIB, "{step}");
}

#[test]
fn without_swap_nothing_is_paged_out() {
    let answer = force("page-out", &[]);
    let step = &answer["steps"][0];
    if answer["machine"]["swap_total_bytes"] == 0 {
        assert_eq!(step["outcome"], "nothing-to-gain");
        assert_eq!(step["why"], "no swap");
    }
}

#[test]
fn what_a_dead_demo_left_in_memory_is_removed_and_nothing_else() {
    let mut child = Command::new("true").spawn().unwrap();
    let dead = child.id();
    child.wait().unwrap();
    let own = std::process::id();
    let place = Path::new("/dev/shm");
    let paths = [dead, own].map(|pid| place.join(format!("saferun-demo-{pid}")));
    let other = place.join(format!("saferun-demo-{dead}-other"));
    for path in paths.iter().chain([&other]) {
        if let Err(error) = fs::create_dir(path) {
            eprintln!("skipped: nothing can be made in /dev/shm: {error}");
            return;
        }
        fs::write(path.join("record"), vec![1; 1 << 20]).unwrap();
    }
    let answer = force("tmpfs", &[]);
    let exist = paths.clone().map(|path| path.exists());
    let other_exists = other.exists();
    for path in paths.iter().chain([&other]) {
        let _ = fs::remove_dir_all(path);
    }
    assert_eq!(exist, [false, true], "{answer}");
    assert!(other_exists);
    assert!(figure(&answer["steps"][0], "before_bytes") >= 1 << 20);
    assert_eq!(figure(&answer["steps"][0], "after_bytes"), 0);
}
