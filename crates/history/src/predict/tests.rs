use super::*;
use proptest::prelude::*;

const MIB: u64 = 1 << 20;

fn question(command: u64, template: u64, input_bytes: Option<u64>) -> Question {
    Question {
        keys: Keys {
            command: Some(command),
            template: Some(template),
            program: Some(1),
            ..Keys::default()
        },
        input_bytes,
    }
}

fn needed(mib: u64) -> Needed {
    Needed {
        peak_bytes: mib * MIB,
        seconds: 2.0,
        curve: None,
    }
}

#[test]
fn the_first_task_of_all_gets_the_first_guess() {
    let answer = Predictor::default().predict(&question(1, 1, None));
    assert_eq!(answer.peak_bytes, 1 << 30);
    assert_eq!((answer.level, answer.evidence), (Level::Prior, 0));
}

#[test]
fn the_most_specific_key_with_enough_evidence_answers() {
    let mut predictor = Predictor::default();
    for _ in 0..3 {
        predictor.learn(&question(1, 1, None), &needed(50));
    }
    for n in 0..6 {
        predictor.learn(&question(100 + n, 1, None), &needed(400));
    }
    let same = predictor.predict(&question(1, 1, None));
    assert_eq!((same.level, same.evidence), (Level::Command, 3));
    assert!((50 * MIB..80 * MIB).contains(&same.peak_bytes), "{same:?}");
    let alike = predictor.predict(&question(7, 1, None));
    assert_eq!((alike.level, alike.evidence), (Level::Template, 9));
    let stranger = predictor.predict(&question(7, 2, None));
    assert_eq!(stranger.level, Level::Program);
    let nobody = predictor.predict(&Question::default());
    assert_eq!((nobody.level, nobody.evidence), (Level::Prior, 1));
}

#[test]
fn one_row_of_the_same_task_says_more_than_all_others_of_its_template() {
    let mut predictor = Predictor::default();
    for n in 0..24 {
        predictor.learn(&question(n, 1, None), &needed(10 * (n + 1)));
        predictor.learn(&question(100 + n, 2, Some(n * MIB)), &needed(10 * (n + 1)));
    }
    for n in 0..24 {
        let answer = predictor.predict(&question(n, 1, None));
        assert_eq!((answer.level, answer.evidence), (Level::Command, 1));
        assert_eq!(answer.likely_bytes, 10 * (n + 1) * MIB);
        assert!(answer.peak_bytes >= answer.likely_bytes);
    }
    // Another input than that time: what is known of other inputs says more.
    let other = predictor.predict(&question(105, 2, Some(20 * MIB)));
    assert_eq!((other.level, other.evidence), (Level::Template, 24));
    assert!(
        (190 * MIB..270 * MIB).contains(&other.peak_bytes),
        "{other:?}"
    );
}

#[test]
fn attempts_cut_short_never_shrink_what_is_expected() {
    let mut predictor = Predictor::default();
    let task = question(1, 1, None);
    for _ in 0..10 {
        predictor.learn(&task, &needed(100));
    }
    let before = predictor.predict(&task).peak_bytes;
    for _ in 0..50 {
        predictor.learn_shortage(&task, 10 * MIB, 0.5);
    }
    assert_eq!(predictor.predict(&task).peak_bytes, before);
    predictor.learn_shortage(&task, 300 * MIB, 0.5);
    assert!(predictor.predict(&task).largest_bytes >= 359 * MIB);
}

#[test]
fn a_task_that_keeps_running_out_gets_out_of_it() {
    let mut predictor = Predictor::default();
    let task = question(1, 1, None);
    for _ in 0..30 {
        predictor.learn(&task, &needed(100));
    }
    let mut attempts = 0;
    while predictor.predict(&task).peak_bytes < 800 * MIB {
        let given = predictor.predict(&task).peak_bytes;
        predictor.learn_shortage(&task, given, 2.0);
        attempts += 1;
        assert!(attempts < 60, "stuck at {given}");
    }
}

#[test]
fn durations_and_curves_are_learned() {
    let mut predictor = Predictor::default();
    let mut steps = [1.0; STEPS];
    steps[0] = 0.25;
    for n in 1..=20_u64 {
        let needed = Needed {
            peak_bytes: 64 * MIB,
            seconds: n as f64,
            curve: Some(Curve::from(steps)),
        };
        predictor.learn(&question(n, 1, Some(n * MIB)), &needed);
    }
    let answer = predictor.predict(&question(99, 1, Some(10 * MIB)));
    let seconds = answer.seconds.unwrap();
    assert!((9.0..11.0).contains(&seconds), "{seconds}");
    assert_eq!(answer.curve.steps()[0], 0.25);
}

#[test]
fn memory_is_bounded_however_many_commands_there_are() {
    let mut predictor = Predictor::new(Options {
        most_keys: 100,
        ..Options::default()
    });
    for n in 0..2000 {
        predictor.learn(&question(n, 1, None), &needed(100 + n % 7));
        assert!(predictor.keys() <= 100);
    }
    // What every task shares was used all the time and has stayed.
    assert_eq!(predictor.predict(&question(9999, 1, None)).evidence, 2000);
}

proptest! {
    #[test]
    fn any_rows_give_an_answer_between_a_page_and_a_multiple_of_the_largest(
        rows in prop::collection::vec(
            (0_u64..4, prop::option::of(0_u64..u64::MAX), 0_u64..u64::MAX, -1.0..1e12_f64), 1..60),
        ask in prop::option::of(0_u64..u64::MAX),
    ) {
        let mut predictor = Predictor::default();
        let mut largest = 0;
        for (key, input, peak, seconds) in rows {
            let task = question(key, key % 2, input);
            let needed = Needed { peak_bytes: peak, seconds, curve: None };
            predictor.learn(&task, &needed);
            largest = largest.max(peak);
        }
        let answer = predictor.predict(&question(0, 0, ask));
        prop_assert!(answer.peak_bytes >= 1);
        prop_assert!(answer.evidence > 0);
        prop_assert!(answer.peak_bytes as f64 <= 1e3 * (largest as f64).max(1e6));
    }

    #[test]
    fn more_of_the_same_never_moves_a_settled_answer_far(mib in 1_u64..10_000) {
        let mut predictor = Predictor::default();
        let task = question(1, 1, Some(5));
        for _ in 0..40 {
            predictor.learn(&task, &needed(mib));
        }
        let said = predictor.predict(&task).peak_bytes as f64 / (mib * MIB) as f64;
        prop_assert!((1.0..1.05).contains(&said), "{}", said);
    }
}
