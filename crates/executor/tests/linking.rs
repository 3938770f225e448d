//! Each crate is linked by path into a package of its own, as a stranger's project would, and that
//! package is built offline and run.

use std::path::Path;
use std::process::Command;

/// Runs cargo on the workspace of those packages.
fn cargo(arguments: &[&str]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut command = Command::new(env!("CARGO"));
    command
        .args(arguments)
        .args(["--offline", "--manifest-path"])
        .arg(root.join("tests/linking/Cargo.toml"))
        // The outer cargo's own directory may be locked; this one is kept between runs.
        .env(
            "CARGO_TARGET_DIR",
            concat!(env!("CARGO_TARGET_TMPDIR"), "/linking"),
        );
    let output = command.output().expect("cargo can be run");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "cargo {arguments:?}\n{text}{errors}"
    );
    text
}

/// The packages that there are: each links one crate and has its name.
fn names() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/linking");
    std::fs::read_dir(root)
        .expect("it is there")
        .filter_map(|entry| {
            let path = entry.expect("readable").path();
            let name = path.file_name()?.to_str()?.to_owned();
            path.join("Cargo.toml").is_file().then_some(name)
        })
        .collect()
}

#[test]
fn each_crate_links_alone() {
    let names = names();
    assert!(names.len() >= 3, "{names:?}");
    for name in names {
        let package = format!("links-{name}");
        let said = cargo(&["run", "--quiet", "--package", &package]);
        assert!(said.starts_with(&name), "{said}");
    }
}

#[test]
fn only_the_executor_brings_a_runtime_along() {
    let tree = |name| {
        let package = format!("links-{name}");
        let edges = ["--edges", "normal", "--prefix", "none"];
        cargo(&[&["tree", "--package", &package][..], &edges].concat())
    };
    assert!(!tree("memory").contains("tokio"));
    assert_eq!(tree("scheduler").lines().count(), 2);
    assert!(tree("executor").contains("tokio"));
}
