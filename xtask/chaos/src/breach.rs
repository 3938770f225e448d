//! How fast the brake is: an allocator at full speed runs into it, and its use is looked at many
//! times a millisecond.

use std::fs::{self, File};
use std::process::Stdio;
use std::time::{Duration, Instant};

use saferun_testbed::size::MIB;
use saferun_testbed::survivors::Marker;

use crate::{Cage, Failure, Player};

/// Tasks that are at work before the allocator comes, so that it isn't the one that is never held.
const COMPANY: &str = "hog --peak 20M --seconds 3";

/// The brake's margin below the limit before it has seen a burst: with groups, without.
const MARGINS: (u64, u64) = (8 * MIB, 24 * MIB);

/// Growth has stopped when so long nothing was added.
const STILL: Duration = Duration::from_millis(100);

/// Between two looks.
const LOOK: Duration = Duration::from_micros(100);

/// No round takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was seen when use passed the brake's threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Breach {
    /// From passing the threshold to the last growth.
    pub reaction: Duration,
    /// The most in use above the threshold, in bytes.
    pub overshoot_bytes: u64,
    /// The least left below the cage's limit.
    pub left_bytes: u64,
}

impl Player<'_> {
    /// Lets an allocator at full speed run into the brake once.
    ///
    /// # Errors
    /// When it can't be run, or the threshold was never passed.
    pub fn breach(&self, cage: &dyn Cage) -> Result<Breach, Failure> {
        let directory = tempfile::Builder::new()
            .prefix("saferun-breach-")
            .tempdir_in(self.scratch)?;
        let input = directory.path().join("lines");
        let events = directory.path().join("events");
        let workload = self.workload;
        fs::write(
            &input,
            format!("{workload} {COMPANY}\n{workload} {COMPANY}\n{workload} greedy\n"),
        )?;
        let marker = Marker::unique();
        let mut command = cage.command(self.saferun);
        command
            .args(["run", "--no-history", "-j", "auto", "--progress", "none"])
            .args(["--containment", self.tier.containment(), "--json"])
            .current_dir(directory.path())
            .stdin(File::open(&input)?)
            .stdout(Stdio::null())
            .stderr(File::create(&events)?);
        marker.mark(&mut command);
        let mut looks = Looks::default();
        let mut child = command.spawn()?;
        let start = Instant::now();
        let mut threshold = None;
        while child.try_wait()?.is_none() && start.elapsed() < PATIENCE {
            let used = cage.used();
            match threshold {
                None => threshold = self.threshold(&fs::read_to_string(&events)?),
                Some(threshold) if looks.are_over(threshold, used, start.elapsed()) => break,
                Some(_) => {}
            }
            std::thread::sleep(LOOK);
        }
        marker.kill_all();
        child.wait()?;
        let threshold = threshold.ok_or("the run did not say what its budget is")?;
        looks.breach(threshold, self.limit)
    }

    /// Where the brake begins, by what the run says at its start.
    fn threshold(&self, events: &str) -> Option<u64> {
        let first: serde_json::Value = serde_json::from_str(events.lines().next()?).ok()?;
        let (braked, sampled) = MARGINS;
        let margin = if self.tier.has_brake() {
            braked
        } else {
            sampled
        };
        Some(first["budget_bytes"].as_u64()?.saturating_sub(margin))
    }
}

/// What was seen so far.
#[derive(Debug, Default)]
struct Looks {
    passed: Option<Duration>,
    last_growth: Duration,
    most: u64,
}

impl Looks {
    /// Takes a look; whether the breach is over.
    fn are_over(&mut self, threshold: u64, used: u64, now: Duration) -> bool {
        if used < threshold && self.passed.is_none() {
            return false;
        }
        self.passed.get_or_insert(now);
        if used > self.most {
            self.most = used;
            self.last_growth = now;
        }
        now.saturating_sub(self.last_growth) > STILL
    }

    fn breach(&self, threshold: u64, limit: u64) -> Result<Breach, Failure> {
        let passed = self.passed.ok_or("the threshold was never passed")?;
        Ok(Breach {
            reaction: self.last_growth.saturating_sub(passed),
            overshoot_bytes: self.most.saturating_sub(threshold),
            left_bytes: limit.saturating_sub(self.most),
        })
    }
}

/// Median and worst of some rounds, in words.
///
/// # Errors
/// There is none.
pub fn summary(rounds: &[Breach]) -> Result<String, Failure> {
    let middle_and_last = |mut figures: Vec<f64>| -> Result<(f64, f64), Failure> {
        figures.sort_by(f64::total_cmp);
        let middle = figures.get(figures.len() / 2).ok_or("no rounds")?;
        Ok((*middle, figures.last().copied().unwrap_or(*middle)))
    };
    let ms = |breach: &Breach| breach.reaction.as_secs_f64() * 1e3;
    let over = |breach: &Breach| breach.overshoot_bytes as f64 / MIB as f64;
    let (time, worst_time) = middle_and_last(rounds.iter().map(ms).collect())?;
    let (bytes, worst_bytes) = middle_and_last(rounds.iter().map(over).collect())?;
    let least = rounds.iter().map(|breach| breach.left_bytes).min();
    Ok(format!(
        "{} rounds: last growth {time:.1} ms after the breach (worst {worst_time:.1}), {bytes:.1} MiB above the threshold (worst {worst_bytes:.1}), at least {:.1} MiB left below the cage's limit",
        rounds.len(),
        least.unwrap_or(0) as f64 / MIB as f64
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breach_lasts_from_the_threshold_to_the_last_growth() {
        let mut looks = Looks::default();
        let ms = Duration::from_millis;
        for (at, used) in [(0, 50), (5, 99), (10, 101), (13, 107), (20, 106), (90, 40)] {
            assert!(!looks.are_over(100, used, ms(at)), "at {at}");
        }
        assert!(looks.are_over(100, 40, ms(114)));
        let breach = looks.breach(100, 110).expect("it was passed");
        assert_eq!(breach.reaction, ms(3));
        assert_eq!((breach.overshoot_bytes, breach.left_bytes), (7, 3));
        assert!(Looks::default().breach(100, 110).is_err());
    }
}
