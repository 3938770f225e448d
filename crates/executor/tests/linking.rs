//! Each crate is linked by path into a package of its own, built offline and run; and each builds
//! alone with its default features off.

use std::path::Path;
use std::process::Command;

/// Runs cargo on a manifest, named from the workspace's root.
fn cargo(manifest: &str, arguments: &[&str]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut command = Command::new(env!("CARGO"));
    command
        .args(arguments)
        .args(["--offline", "--manifest-path"])
        .arg(root.join(manifest))
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

const STRANGER: &str = "tests/linking/Cargo.toml";

#[test]
fn each_crate_links_alone() {
    for name in ["memory", "scheduler", "executor"] {
        let package = format!("links-{name}");
        let said = cargo(STRANGER, &["run", "--quiet", "--package", &package]);
        assert!(said.starts_with(name), "{said}");
    }
}

#[test]
fn each_crate_builds_with_default_features_off() {
    for name in ["memory", "scheduler", "executor"] {
        let package = format!("saferun-{name}");
        let arguments = ["check", "--no-default-features", "--package", &package];
        cargo("Cargo.toml", &arguments);
    }
}

#[test]
fn only_the_executor_brings_a_runtime_along() {
    let tree = |package| {
        let edges = ["--edges", "normal", "--prefix", "none"];
        cargo(
            STRANGER,
            &[&["tree", "--package", package][..], &edges].concat(),
        )
    };
    assert!(!tree("links-memory").contains("tokio"));
    assert_eq!(tree("links-scheduler").lines().count(), 2);
    assert!(tree("links-executor").contains("tokio"));
}
