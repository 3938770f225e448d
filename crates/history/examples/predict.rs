//! What a task is expected to need after its like have been seen with inputs of several sizes.

use std::error::Error;
use std::io::Write;

use saferun_history::predict::{Keys, Needed, Predictor, Question, hash};

fn main() -> Result<(), Box<dyn Error>> {
    let mut predictor = Predictor::default();
    let sorting = |mib: u64| Question {
        keys: Keys {
            template: Some(hash([&b"sort {}"[..]])),
            ..Keys::default()
        },
        input_bytes: Some(mib << 20),
    };
    let mut out = std::io::stdout().lock();
    for mib in [1, 2, 4, 8, 16, 32, 64] {
        let expected = predictor.predict(&sorting(mib));
        // As sort does: three times its input.
        let needed = Needed {
            peak_bytes: 3 * (mib << 20),
            seconds: 0.1,
            curve: None,
        };
        writeln!(
            out,
            "{mib:3} MiB to sort: {:5} MiB expected of {} like it, {:4} MiB needed",
            expected.peak_bytes >> 20,
            expected.evidence,
            needed.peak_bytes >> 20,
        )?;
        predictor.learn(&sorting(mib), &needed);
    }
    Ok(())
}
