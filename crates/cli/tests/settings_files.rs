//! `config init` and `config schema`: both say what the reader reads.

mod common;
mod settings_place;

use common::{saferun, stderr, stdout};
use serde_json::Value;
use settings_place::{Level, Place};

fn schema() -> Value {
    let output = Place::new()
        .command(&["config", "schema"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The keys that the reader knows, as it says itself when it meets an unknown one.
fn known_keys(before: &str) -> Vec<String> {
    let place = Place::new();
    place.text(Level::Project, format!("{before}qqqqqqqqqqqqqqqq = 1\n"));
    let output = place.command(&["config", "show"]).output().unwrap();
    let said = stderr(&output);
    let (_, list) = said.split_once("try: one of ").unwrap();
    list.trim_end().split(", ").map(str::to_owned).collect()
}

fn keys_of(schema: &Value) -> Vec<String> {
    let mut keys: Vec<String> = schema["properties"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    keys.sort();
    keys
}

#[test]
fn the_schema_and_the_reader_know_the_same_keys() {
    let schema = schema();
    let profile = &schema["properties"]["profiles"]["additionalProperties"];
    let machine = &profile["properties"]["machine"]["items"];
    for (before, schema) in [
        ("", &schema),
        ("[profiles.mine]\n", profile),
        ("[[profiles.mine.machine]]\n", machine),
    ] {
        let mut known = known_keys(before);
        known.sort();
        assert_eq!(known, keys_of(schema), "{before}");
        assert_eq!(schema["additionalProperties"], false);
        for (key, of) in schema["properties"].as_object().unwrap() {
            assert!(of["description"].is_string(), "{key}");
        }
    }
}

#[test]
fn the_schema_in_the_documents_is_this_one() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schema/config.json");
    let kept = std::fs::read_to_string(file).unwrap();
    let output = Place::new()
        .command(&["config", "schema"])
        .output()
        .unwrap();
    assert!(
        kept == stdout(&output),
        "saferun config schema > docs/schema/config.json"
    );
}

/// Values on which the schema and the reader must be of one mind.
const VALUES: &[&str] = &[
    "true",
    "false",
    "0",
    "1",
    "-1",
    "3",
    "2.5",
    "4294967296",
    "''",
    "'x'",
    "'auto'",
    "'4G'",
    "'512MiB'",
    "'80%'",
    "'4X'",
    "'10s'",
    "'1h30m'",
    "'500ms'",
    "'5 s'",
    "'continuous'",
    "'batch'",
    "'unlimited'",
    "'last'",
    "'eager'",
    "'never'",
    "'soon'",
    "'now,fail=2'",
    "'soon,fail=25%'",
    "'later'",
    "'development'",
    "[]",
    "['a']",
    "['a', 1]",
    "{}",
    "{a = {}}",
    "{a = 1}",
];

#[test]
fn the_schema_and_the_reader_are_of_one_mind() {
    let validator = jsonschema::draft7::new(&schema()).unwrap();
    let mut texts: Vec<String> = Vec::new();
    for key in keys_of(&schema()) {
        texts.extend(VALUES.iter().map(|value| format!("{key} = {value}\n")));
    }
    for text in [
        "[profiles.a]\nretries = 1\n[[profiles.a.machine]]\nat_least = '1G'\nretries = 2\n",
        "[profiles.a]\nprofile = 'b'\n",
        "[[profiles.a.machine]]\nretries = 2\n",
        "unknown = 1\n",
        include_str!("../../../config/profiles.toml"),
    ] {
        texts.push(text.to_owned());
    }
    let mut differ = Vec::new();
    for text in &texts {
        let table = toml::from_str::<toml::Table>(text).unwrap();
        let by_schema = validator.is_valid(&serde_json::to_value(table).unwrap());
        let place = Place::new();
        place.text(Level::Project, text);
        let output = place.command(&["config", "show"]).output().unwrap();
        let said = stderr(&output);
        // Whether a profile is there is more than a schema can say.
        let by_reader = output.status.success() || said.contains("there is no profile");
        if by_reader != by_schema {
            differ.push(format!(
                "{text}schema: {by_schema}, reader: {by_reader} {said}"
            ));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

/// The file with every setting made one.
fn uncommented(text: &str) -> String {
    text.lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => rest,
            _ => line,
        })
        .fold(String::new(), |text, line| text + line + "\n")
}

#[test]
fn init_writes_every_setting_as_a_comment() {
    let place = Place::new();
    let output = place.command(&["config", "init"]).output().unwrap();
    assert_eq!(
        stdout(&output),
        "saferun.toml written; everything in it is a comment\n"
    );
    let file = place.file(Level::Project);
    let text = std::fs::read_to_string(&file).unwrap();
    insta::assert_snapshot!(text);
    // As it is, it changes nothing.
    let kinds = |place: &Place| -> Vec<String> {
        let shown = place.show();
        let settings = shown["settings"].as_object().unwrap().clone();
        settings
            .values()
            .map(|found| found["source"]["kind"].to_string())
            .collect()
    };
    assert!(
        kinds(&place)
            .iter()
            .all(|kind| kind == "null" || kind == "\"built_in\"")
    );
    // With the comments' marks taken away all of it counts, and what is built in is what stands
    // there.
    let before = place.show();
    std::fs::write(&file, uncommented(&text)).unwrap();
    assert!(kinds(&place).iter().all(|kind| kind == "\"project\""));
    let after = place.show();
    for (name, found) in before["settings"].as_object().unwrap() {
        if !found["value"].is_null() {
            assert_eq!(after["settings"][name]["value"], found["value"], "{name}");
        }
    }
}

#[test]
fn init_overwrites_nothing_unless_told_so() {
    let place = Place::new();
    place.text(Level::Project, "retries = 1\n");
    let output = place.command(&["config", "init"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        stderr(&output),
        "error: saferun.toml is there already; try: saferun config init --force to replace it\n"
    );
    let file = place.file(Level::Project);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "retries = 1\n");
    // Through a link, which stays one.
    let real = place.root().join("real.toml");
    std::fs::rename(&file, &real).unwrap();
    std::os::unix::fs::symlink("real.toml", &file).unwrap();
    let output = place
        .command(&["config", "init", "--force"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(file.is_symlink());
    assert!(
        std::fs::read_to_string(&real)
            .unwrap()
            .contains("#retries = 0")
    );
    let left = std::fs::read_dir(place.root()).unwrap().count();
    assert_eq!(left, 3, "nothing but .git, the link and its file");
}

#[test]
fn init_for_the_user() {
    let place = Place::new();
    std::fs::remove_dir(place.file(Level::User).parent().unwrap()).unwrap();
    let output = place
        .command(&["config", "init", "--user"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(place.file(Level::User).is_file());
    let output = place
        .command(&["config", "init", "--user"])
        .env_remove("HOME")
        .env_remove("XDG_CONFIG_HOME")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("set HOME or XDG_CONFIG_HOME"));
}

#[test]
fn init_where_nothing_can_be_written() {
    for force in [&[][..], &["--force"]] {
        let place = Place::new();
        std::fs::create_dir(place.file(Level::Project)).unwrap();
        let output = place
            .command(&["config", "init"])
            .args(force)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
    }
    let output = saferun(std::path::Path::new("/proc"))
        .args(["config", "init"])
        .env("XDG_CONFIG_HOME", "/nowhere")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("can't be written"),
        "{}",
        stderr(&output)
    );
}
