//! Each setting at each level of precedence, as `config show` tells it.

mod common;
mod settings_place;

use common::{stderr, stdout};
use serde_json::{Value, json};
use settings_place::table::settings;
use settings_place::{Level, Place};

#[test]
fn each_level_alone_is_heard() {
    let settings = settings();
    for setting in &settings {
        for level in Level::ALL {
            let mut place = Place::new();
            let Some(expected) = setting.write(&mut place, level) else {
                continue;
            };
            let shown = place.show();
            let found = &shown["settings"][setting.name];
            assert_eq!(&found["value"], expected, "{} {level:?}", setting.name);
            place.assert_source(&found["source"], level, setting.name);
        }
    }
}

#[test]
fn each_level_wins_over_all_below_it() {
    for setting in &settings() {
        for upper in Level::ALL {
            for lower in Level::ALL.into_iter().filter(|lower| *lower < upper) {
                let mut place = Place::new();
                if setting.write(&mut place, lower).is_none() {
                    continue;
                }
                let Some(expected) = setting.write(&mut place, upper) else {
                    continue;
                };
                let shown = place.show();
                let found = &shown["settings"][setting.name];
                let what = format!("{}: {upper:?} over {lower:?}", setting.name);
                assert_eq!(&found["value"], expected, "{what}");
                place.assert_source(&found["source"], upper, setting.name);
            }
        }
    }
}

#[test]
fn what_is_built_in() {
    let shown = Place::new().show();
    let mut values: Vec<String> = Vec::new();
    for (name, found) in shown["settings"].as_object().unwrap() {
        values.push(format!("{name} = {}", found["value"]));
        let kind = &found["source"]["kind"];
        assert!(found["value"].is_null() || kind == "built_in", "{name}");
    }
    // Every setting of the table above is among them, and the other way round.
    let mut known: Vec<String> = settings().iter().map(|s| s.name.to_owned()).collect();
    let mut all: Vec<String> = shown["settings"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    known.sort();
    all.sort();
    assert_eq!(known, all);
    insta::assert_snapshot!(values.join("\n"));
}

#[test]
fn profiles_hold_what_they_promise() {
    for (name, parallel, concurrency, threshold) in [
        ("development", true, 2, 4096),
        ("production", false, 2, 4096),
        ("aggressive", true, 3, 3072),
    ] {
        let mut place = Place::new();
        place.flags(&format!("--profile {name}"));
        let shown = place.show();
        let settings = &shown["settings"];
        assert_eq!(settings["parallel"]["value"], parallel, "{name}");
        assert_eq!(
            settings["parallel"]["source"],
            json!({"kind": "profile", "name": name})
        );
        assert_eq!(settings["concurrency"]["value"], concurrency, "{name}");
        assert_eq!(settings["memory_threshold"]["value"], threshold, "{name}");
    }
    let mut place = Place::new();
    place.flags("--profile ram");
    let shown = place.show();
    assert_eq!(shown["settings"]["parallel"]["source"]["name"], "ram");
}

#[test]
fn ram_goes_by_the_limit_of_a_container() {
    const GB: u64 = 1_000_000_000;
    for (limit, parallel, concurrency) in [(5 * GB, false, 2), (7 * GB, true, 2)] {
        let Some(cage) = saferun_testbed::cage::Cage::for_test("settings", limit) else {
            return;
        };
        let output = cage
            .command(assert_cmd::cargo::cargo_bin!("saferun"))
            .args([
                "config",
                "show",
                "--json",
                "--ignore-config",
                "--profile",
                "ram",
            ])
            .output()
            .unwrap();
        let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
        let settings = &shown["settings"];
        assert_eq!(settings["parallel"]["value"], parallel, "{limit}");
        assert_eq!(settings["concurrency"]["value"], concurrency, "{limit}");
        let threshold = if parallel { 3072 } else { 4096 };
        assert_eq!(settings["memory_threshold"]["value"], threshold, "{limit}");
    }
}

#[test]
fn a_profile_of_the_project_replaces_one_of_the_user_and_ours() {
    let place = Place::new();
    place.text(
        Level::User,
        "[profiles.aggressive]\nretries = 7\nparallel = true\n",
    );
    place.text(
        Level::Project,
        "profile = 'aggressive'\n[profiles.aggressive]\nretries = 8\n",
    );
    let shown = place.show();
    let settings = &shown["settings"];
    assert_eq!(settings["retries"]["value"], 8);
    assert_eq!(settings["retries"]["source"]["line"], 3);
    // As a whole: nothing of the others shines through.
    assert_eq!(settings["parallel"]["source"]["kind"], "built_in");
    assert_eq!(settings["concurrency"]["source"]["kind"], "built_in");
}

#[test]
fn parts_of_profiles_go_by_the_machine() {
    let mut place = Place::new();
    place.text(
        Level::Project,
        "[profiles.p]\nretries = 1\nhalt = 'now'\n\
         [[profiles.p.machine]]\nat_least = '9999T'\nretries = 9\n\
         [[profiles.p.machine]]\nat_least = '1M'\nretries = 2\n\
         [[profiles.p.machine]]\nat_least = '1K'\nretries = 3\n",
    );
    place.flags("--profile p");
    let shown = place.show();
    assert_eq!(shown["settings"]["retries"]["value"], 2);
    assert_eq!(shown["settings"]["halt"]["value"], "now");
}

#[test]
fn the_nearest_files_upward_are_read() {
    let mut place = Place::new();
    place.text(Level::Project, "retries = 1\n");
    place.variable(Level::DotEnv, "SAFE_PARALLEL", "true");
    let deep = place.root().join("a/b");
    std::fs::create_dir_all(&deep).unwrap();
    place.work_in("a/b");
    let shown = place.show();
    assert_eq!(shown["settings"]["retries"]["value"], 1);
    assert_eq!(shown["settings"]["parallel"]["value"], true);
    std::fs::write(place.root().join("a/saferun.toml"), "grace = 1\n").unwrap();
    std::fs::write(place.root().join("a/.env"), "X=1\n").unwrap();
    let shown = place.show();
    assert_eq!(shown["settings"]["retries"]["value"], 0);
    assert_eq!(shown["settings"]["grace"]["value"], "1s");
    assert_eq!(shown["settings"]["parallel"]["value"], false);
}

#[test]
fn nothing_is_read_when_told_so() {
    let mut place = Place::new();
    place.text(Level::Project, "retries = 'x'\n");
    place.text(Level::User, "nonsense\n");
    place.variable(Level::DotEnv, "SAFE_PARALLEL", "maybe");
    place.variable(Level::Environment, "MEMORY_THRESHOLD", "lots");
    place.flags("--ignore-config --profile aggressive");
    let shown = place.show();
    assert_eq!(shown["settings"]["concurrency"]["value"], 3);
    assert_eq!(shown["files"], json!([]));
}

#[test]
fn surroundings_may_lack_everything() {
    let place = Place::new();
    let output = place
        .command(&["config", "show", "--json"])
        .env_remove("HOME")
        .env_remove("XDG_CONFIG_HOME")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    // The user's file lies below the home where nothing else is said.
    let home = place.root().join("home");
    std::fs::create_dir_all(home.join(".config/saferun")).unwrap();
    std::fs::write(home.join(".config/saferun/config.toml"), "retries = 6\n").unwrap();
    let output = place
        .command(&["config", "show", "--json"])
        .env("HOME", &home)
        .env("XDG_CONFIG_HOME", "relative")
        .output()
        .unwrap();
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown["settings"]["retries"]["source"]["kind"], "user");
    // A working directory that is gone.
    let program = assert_cmd::cargo::cargo_bin!("saferun");
    let script = format!(
        "mkdir gone && cd gone && rmdir ../gone && '{0}' config show && '{0}' run echo {{}} ::: x",
        program.display()
    );
    let output = std::process::Command::new("sh")
        .args(["-c", &script])
        .current_dir(place.root())
        .env("SAFE_PARALLEL", "true")
        .env_remove("HOME")
        .env_remove("XDG_CONFIG_HOME")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("variable SAFE_PARALLEL"));
    assert!(stdout(&output).ends_with("\nx\n"));
}

#[test]
fn shown_to_people() {
    let mut place = Place::new();
    place.text(
        Level::Project,
        "memory = '50%'\nagent_command = ['x\\u001b[31m']\n[agents.planner]\nmodel = 'm'\n",
    );
    place.variable(Level::DotEnv, "CONCURRENCY_LIMIT", "3");
    place.variable(Level::Environment, "SAFE_PARALLEL", "1");
    place.flags("--profile aggressive --threshold 2048");
    let output = place.command(&["config", "show"]).output().unwrap();
    assert!(stderr(&output).is_empty());
    insta::assert_snapshot!(stdout(&output));
}

#[test]
fn tables_of_other_parts_are_kept_as_they_are() {
    let place = Place::new();
    place.text(
        Level::Project,
        "[agents.planner]\nmodel = 'm'\nlimits = {a = [1, 2]}\n[artifacts]\nx = 1\n[cleanup]\n[history]\nkeep = '30d'\n",
    );
    let shown = place.show();
    assert_eq!(
        shown["files"][0]["tables"],
        json!({
            "agents": {"planner": {"model": "m", "limits": {"a": [1, 2]}}},
            "artifacts": {"x": 1},
            "cleanup": {},
            "history": {"keep": "30d"},
        })
    );
    assert_eq!(shown["settings"]["history"]["value"], true);
}
