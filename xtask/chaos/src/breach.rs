//! How fast the brake is: an allocator at full speed runs into it, and its use is looked at many
//! times a millisecond.

use std::fs::{self, File};
use std::process::Stdio;
use std::time::{Duration, Instant};

use saferun_testbed::size::MIB;
use saferun_testbed::survivors::Marker;

use crate::{Cage, Failure, Player};

/// Tasks that are at work before the allocator comes, so that it isn't the one that is never held.
///
/// They hold what they have, so that all growth is the allocator's.
const COMPANY: &str = "stay --memory 20M --seconds 3";

/// The brake's margin below the limit before it has seen a burst: with groups, without.
const MARGINS: (u64, u64) = (8 * MIB, 24 * MIB);

/// Growth was stopped when so long nothing was added. What comes after is growth that the brake
/// lets through to see whether a task still grows.
const STOPPED: Duration = Duration::from_millis(8);

/// A breach is over when so long nothing was added.
const STILL: Duration = Duration::from_millis(100);

/// Growth of less than this is noise: the program's own tables, a page here and there.
const NOISE: u64 = 64 * 1024;

/// Between two looks.
const LOOK: Duration = Duration::from_micros(100);

/// No round takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was seen when use passed the brake's threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Breach {
    /// From passing the threshold to the moment from which on growth was stopped.
    pub reaction: Duration,
    /// What was in use above the threshold at that moment, in bytes.
    pub at_stop_bytes: u64,
    /// From passing the threshold to the very last growth.
    pub last_growth: Duration,
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
    stopped: Option<(Duration, u64)>,
    last_growth: Duration,
    most: u64,
}

impl Looks {
    /// Takes a look; whether the breach is over.
    fn are_over(&mut self, threshold: u64, used: u64, now: Duration) -> bool {
        if used < threshold && self.passed.is_none() {
            return false;
        }
        if self.passed.is_none() {
            self.passed = Some(now);
            self.last_growth = now;
        }
        if now.saturating_sub(self.last_growth) > STOPPED {
            self.stopped.get_or_insert((self.last_growth, self.most));
        }
        if used > self.most + NOISE {
            self.most = used;
            self.last_growth = now;
        }
        now.saturating_sub(self.last_growth) > STILL
    }

    fn breach(&self, threshold: u64, limit: u64) -> Result<Breach, Failure> {
        let passed = self.passed.ok_or("the threshold was never passed")?;
        let (stopped, most) = self.stopped.unwrap_or((self.last_growth, self.most));
        Ok(Breach {
            reaction: stopped.saturating_sub(passed),
            at_stop_bytes: most.saturating_sub(threshold),
            last_growth: self.last_growth.saturating_sub(passed),
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
    let figures = |figure: fn(&Breach) -> f64| middle_and_last(rounds.iter().map(figure).collect());
    let (time, worst_time) = figures(|breach| breach.reaction.as_secs_f64() * 1e3)?;
    let (stop, worst_stop) = figures(|breach| breach.at_stop_bytes as f64 / MIB as f64)?;
    let (last, worst_last) = figures(|breach| breach.last_growth.as_secs_f64() * 1e3)?;
    let (bytes, worst_bytes) = figures(|breach| breach.overshoot_bytes as f64 / MIB as f64)?;
    let least = rounds.iter().map(|breach| breach.left_bytes).min();
    Ok(format!(
        "{} rounds, median (worst): stopped after {time:.1} ms ({worst_time:.1}) at {stop:.1} MiB above the threshold ({worst_stop:.1}); last growth after {last:.1} ms ({worst_last:.1}), {bytes:.1} MiB above it ({worst_bytes:.1}); at least {:.1} MiB left below the cage's limit",
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
        for (at, used) in [
            (0, 50),
            (5, 99),
            (10, 101),
            (13, 107),
            (20, 106),
            (30, 108),
            (90, 40),
        ] {
            assert!(
                !looks.are_over(100 * MIB, used * MIB, ms(at)),
                "at {at} with {used}"
            );
        }
        assert!(looks.are_over(100 * MIB, 108 * MIB + 1000, ms(131)));
        let breach = looks.breach(100 * MIB, 110 * MIB).expect("it was passed");
        assert_eq!((breach.reaction, breach.last_growth), (ms(3), ms(20)));
        assert_eq!(breach.at_stop_bytes, 7 * MIB);
        assert_eq!(
            (breach.overshoot_bytes, breach.left_bytes),
            (8 * MIB, 2 * MIB)
        );
        assert!(Looks::default().breach(100 * MIB, 110 * MIB).is_err());
    }
}
