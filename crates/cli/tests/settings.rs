//! Each setting at each level of precedence, as `config show` tells it.

mod common;
mod settings_place;

use common::{stderr, stdout};
use serde_json::{Value, json};
use settings_place::{Level, Place};

/// A setting: its name in files, its variable, and how each level writes a value of its own.
struct Setting {
    name: &'static str,
    variable: Option<&'static str>,
    /// For profile, user, project; then `.env`, environment; then flags. What is written, and
    /// what is shown.
    values: [(&'static str, Value); 6],
}

fn settings() -> Vec<Setting> {
    // A level that a setting has not holds null.
    let none = || ("", Value::Null);
    let files = |name, written: [(&'static str, Value); 3], flag: (&'static str, Value)| {
        let [profile, user, project] = written;
        Setting {
            name,
            variable: None,
            values: [profile, user, project, none(), none(), flag],
        }
    };
    let variable = |name, variable, values| Setting {
        name,
        variable: Some(variable),
        values,
    };
    vec![
        variable(
            "parallel",
            "SAFE_PARALLEL",
            [
                ("true", json!(true)),
                ("false", json!(false)),
                ("true", json!(true)),
                ("0", json!(false)),
                ("TRUE", json!(true)),
                ("-j 4", json!(true)),
            ],
        ),
        variable(
            "concurrency",
            "CONCURRENCY_LIMIT",
            [
                ("4", json!(4)),
                ("5", json!(5)),
                ("\"auto\"", json!("auto")),
                ("7", json!(7)),
                ("8", json!(8)),
                ("--jobs 9", json!(9)),
            ],
        ),
        variable(
            "memory_threshold",
            "MEMORY_THRESHOLD",
            [
                ("101", json!(101)),
                ("102", json!(102)),
                ("103", json!(103)),
                ("104", json!(104)),
                ("105", json!(105)),
                ("--threshold 106", json!(106)),
            ],
        ),
        files(
            "memory",
            [
                ("'1G'", json!("1GiB")),
                ("'20%'", json!("20%")),
                ("'3GB'", json!("3000000000")),
            ],
            ("-m 4M", json!("4MiB")),
        ),
        files(
            "reserve",
            [
                ("'1K'", json!("1KiB")),
                ("'2.5%'", json!("2.5%")),
                ("'3'", json!("3")),
            ],
            ("--reserve 4M", json!("4MiB")),
        ),
        files(
            "task_memory",
            [
                ("'1G'", json!("1GiB")),
                ("'2G'", json!("2GiB")),
                ("'3G'", json!("3GiB")),
            ],
            ("--task-memory 4G", json!("4GiB")),
        ),
        files(
            "strategy",
            [
                ("'sequential'", json!("sequential")),
                ("'unlimited'", json!("unlimited")),
                ("'batch'", json!("batch")),
            ],
            ("--strategy continuous", json!("continuous")),
        ),
        files(
            "preempt",
            [
                ("'eager'", json!("eager")),
                ("'never'", json!("never")),
                ("'last'", json!("last")),
            ],
            ("--preempt eager", json!("eager")),
        ),
        files(
            "restartable",
            [
                ("false", json!(false)),
                ("true", json!(true)),
                ("true", json!(true)),
            ],
            ("--no-restart", json!(false)),
        ),
        files(
            "retries",
            [("1", json!(1)), ("2", json!(2)), ("3", json!(3))],
            ("--retries 4", json!(4)),
        ),
        files(
            "timeout",
            [
                ("1", json!("1s")),
                ("'1500ms'", json!("1s500ms")),
                ("'90m'", json!("1h30m")),
            ],
            ("--timeout 4s", json!("4s")),
        ),
        files(
            "grace",
            [
                ("0", json!("0s")),
                ("'1s'", json!("1s")),
                ("'2m'", json!("2m")),
            ],
            ("--grace 3s", json!("3s")),
        ),
        files(
            "halt",
            [
                ("'soon'", json!("soon")),
                ("'now,fail=2'", json!("now,fail=2")),
                ("'soon,fail=25%'", json!("soon,fail=25%")),
            ],
            ("--halt now,fail=1", json!("now")),
        ),
        Setting {
            name: "profile",
            variable: None,
            values: [
                none(),
                ("'production'", json!("production")),
                ("'aggressive'", json!("aggressive")),
                none(),
                none(),
                ("--profile ram", json!("ram")),
            ],
        },
        Setting {
            name: "history",
            variable: None,
            values: [
                none(),
                ("false", json!(false)),
                ("true", json!(true)),
                none(),
                none(),
                none(),
            ],
        },
        Setting {
            name: "agent_command",
            variable: None,
            values: [
                none(),
                ("['a']", json!(["a"])),
                ("['b', '-p']", json!(["b", "-p"])),
                none(),
                none(),
                none(),
            ],
        },
    ]
}

impl Setting {
    /// Writes it at this level, and says what follows; `None` if the level has no such setting.
    fn write(&self, place: &mut Place, level: Level) -> Option<&Value> {
        let (written, shown) = &self.values[level as usize];
        if shown.is_null() {
            return None;
        }
        match (level, self.variable) {
            (Level::DotEnv | Level::Environment, Some(name)) => {
                place.variable(level, name, written)
            }
            (Level::Flag, _) => place.flags(written),
            _ => place.key(level, self.name, written),
        }
        Some(shown)
    }
}

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
