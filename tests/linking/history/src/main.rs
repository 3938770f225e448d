//! Uses the prediction of `saferun-history` alone, without SQLite.

use std::error::Error;

use saferun_history::predict::{Keys, Needed, Predictor, Question, hash};

fn main() -> Result<(), Box<dyn Error>> {
    let mut predictor = Predictor::default();
    let task = |mib: u64| Question {
        keys: Keys {
            template: Some(hash([&b"sort {}"[..]])),
            ..Keys::default()
        },
        input_bytes: Some(mib << 20),
    };
    for mib in 1..30 {
        let needed = Needed {
            peak_bytes: 3 * (mib << 20),
            seconds: 1.0,
            curve: None,
        };
        predictor.learn(&task(mib), &needed);
    }
    let answer = predictor.predict(&task(20));
    if !(60 << 20..80 << 20).contains(&answer.peak_bytes) {
        return Err(format!("{answer:?}").into());
    }
    println!(
        "history: {} bytes from {} tasks",
        answer.peak_bytes, answer.evidence
    );
    Ok(())
}
