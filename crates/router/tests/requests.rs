//! What the router makes of requests that are known to be hard.

use std::sync::LazyLock;

use saferun_router::{Category, Mode, Router, RuleError, Rules, SHIPPED_RULES};

fn router() -> &'static Router {
    static ROUTER: LazyLock<Router> =
        LazyLock::new(|| Router::shipped().expect("the shipped rules are right"));
    &ROUTER
}

#[test]
fn dependent_work_is_sequential_however_it_is_said() {
    for (request, category) in [
        ("Call the thing Invoice everywhere", Category::Refactor),
        ("We stop speaking Gopher", Category::Breaking),
        (
            "Write specs first and then pull the parser apart",
            Category::Refactor,
        ),
        (
            "ALTER TABLE orders ADD COLUMN note text",
            Category::Migration,
        ),
        ("make the column required", Category::Migration),
        (
            "let the audit trail live in ClickHouse",
            Category::Migration,
        ),
        ("Rename Card to Tile everywhere", Category::Refactor),
        ("Drop the users table", Category::Migration),
        ("Add users table", Category::Migration),
        ("Drop support for Node 14", Category::Breaking),
        ("Upgrade React to 18", Category::Breaking),
        ("Refactor the payment module", Category::Refactor),
    ] {
        let verdict = router().classify(request);
        assert_eq!(
            (verdict.mode, verdict.category),
            (Mode::Sequential, category),
            "{request}"
        );
        assert!(!verdict.evidence.is_empty(), "{request}");
    }
}

#[test]
fn work_about_dependent_work_is_not_dependent() {
    for (request, category) in [
        ("Describe how our migrations are reviewed", Category::Docs),
        ("Cover the migration helper with tests", Category::Test),
        (
            "Read through the renamed module and comment",
            Category::Review,
        ),
        ("Put a move-up button on each row", Category::Feature),
        (
            "No refactoring please, only fix the label",
            Category::Bugfix,
        ),
        ("Show \"breaking changes\" as a badge", Category::Feature),
        ("Add Button component", Category::Feature),
        ("Build the CLI parser", Category::Feature),
        ("Add a guide", Category::Docs),
        ("Fix performance regression", Category::Performance),
        ("Fix the login bug", Category::Bugfix),
    ] {
        let verdict = router().classify(request);
        assert_eq!(
            (verdict.mode, verdict.category),
            (Mode::Parallel, category),
            "{request}"
        );
    }
}

#[test]
fn the_strictest_part_decides_wherever_it_stands() {
    for request in [
        "Add a button. Then drop the users table.",
        "Drop the users table. Then add a button.",
        "Fix the typo and rename the class Foo to Bar",
        "Write the docs; also drop support for Node 14",
    ] {
        assert_eq!(
            router().classify(request).mode,
            Mode::Sequential,
            "{request}"
        );
    }
}

#[test]
fn mistyped_words_are_understood() {
    for request in [
        "refacotr the auth module",
        "Renmae Card to Tile everywhere",
        "drop the users tabel",
    ] {
        assert_eq!(
            router().classify(request).mode,
            Mode::Sequential,
            "{request}"
        );
    }
}

#[test]
fn what_nobody_understands_is_sequential() {
    for request in ["", "   ", "???", "Florp zibble", "\u{0}\u{feff}"] {
        let verdict = router().classify(request);
        assert!(verdict.is_uncertain, "{request:?}: {verdict:?}");
        assert_eq!(verdict.mode, Mode::Sequential);
    }
}

#[test]
fn a_long_request_is_cut() {
    let verdict = router().classify(&"ä".repeat(1 << 20));
    assert_eq!(verdict.cut_to_bytes, Some(16384));
    assert_eq!(router().classify("Add a button").cut_to_bytes, None);
}

#[test]
fn wrong_rules_are_named() {
    let parse =
        |text: &str| Rules::parse(&[("config/router.toml", SHIPPED_RULES), ("own.toml", text)]);
    for (text, message) in [
        (
            "[[phrase]]\nname = \"p\"\ncategory = \"docs\"\nweight = 1\ntext = [\"{nothing} x\"]",
            "own.toml: phrase 'p': there is no class of words 'nothing'",
        ),
        (
            "[[phrase]]\nname = \"p\"\ncategory = \"docs\"\nweight = 1\ntext = [\".. x\"]",
            "own.toml: phrase 'p': `..` can't stand first",
        ),
        (
            "[[phrase]]\nname = \"p\"\ncategory = \"docs\"\nweight = 1\ntext = []",
            "own.toml: phrase 'p': has no text",
        ),
        (
            "[[frame]]\nname = \"f\"\ncategory = \"docs\"\nweight = nan\ndo = [\"add\"]",
            "own.toml: frame 'f': the weight NaN",
        ),
        (
            "[[frame]]\nname = \"f\"\ncategory = \"docs\"\nweight = 1\ndo = [\"table\"]",
            "own.toml: frame 'f': 'table' in `do` is no class of verbs",
        ),
        (
            "[verbs]\ntable = [\"tabulate\"]",
            "own.toml: verbs 'table': there is a class of that name elsewhere",
        ),
        (
            "[decision]\nleast_confidence = 0.2",
            "own.toml: decision.least_confidence: not between 0.5 and 1",
        ),
    ] {
        let error = parse(text).expect_err(text).to_string();
        assert!(error.starts_with(message), "{error}");
    }
    let error = parse("[[phrase]]\nname = 3").expect_err("no text");
    assert!(matches!(error, RuleError::Syntax { .. }), "{error}");
}

#[test]
fn own_rules_add_and_replace() {
    let own = "[objects]\ntable = [\"frobnicator\"]\n\n[[phrase]]\nname = \"zibble\"\ncategory = \"breaking\"\nweight = 15\ntext = [\"zibble\"]\n";
    let rules =
        Rules::parse(&[("config/router.toml", SHIPPED_RULES), ("own.toml", own)]).expect("right");
    let router = Router::new(rules).expect("a router");
    let verdict = router.classify("Add a zibble");
    assert_eq!(verdict.category, Category::Breaking);
    assert_eq!(
        verdict.evidence.first().map(|found| found.rule.as_str()),
        Some("zibble")
    );
    assert_eq!(
        router.classify("Drop the frobnicator").category,
        Category::Migration
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn any_text_has_a_verdict(text in "(\\PC|rename|drop|table|and|then|\"|'|, |\n){0,60}") {
        let verdict = router().classify(&text);
        proptest::prop_assert!((0.5..=1.0).contains(&verdict.confidence));
        proptest::prop_assert!((0.0..=1.0).contains(&verdict.dependent_score));
        proptest::prop_assert_eq!(verdict.is_uncertain && verdict.mode == Mode::Parallel, false);
    }
}
