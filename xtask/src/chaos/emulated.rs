//! Runs in emulated machines with control groups of version 2, one machine a core.

use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::io::Write;
use std::ops::Range;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use saferun_chaos::{Record, Tally, Tier};

use super::{Arguments, kept, tell};
use crate::Failure;
use crate::vm::{self, Accelerator, MARK, Machine, Patience};

/// So many runs are played in a machine before it is booted anew, so that one that hangs, or goes
/// wrong slowly, spoils little.
const A_BOOT: u64 = 50;

/// A machine that says nothing for so long hangs. A run takes some seconds, of which the emulation
/// makes ten times as many and a busy machine twice that.
const SILENCE: Duration = Duration::from_secs(600);

/// Plays the runs of a tier; `None` where there can be no machine, for which the reason is said.
pub(super) fn play(arguments: &Arguments, tier: Tier) -> Result<Option<Vec<Tally>>, Failure> {
    let Some((machine, accelerator)) = vm::machine(&arguments.hardware)? else {
        return Ok(None);
    };
    let show = Show {
        machine,
        accelerator,
        tier,
        limit: arguments.limit,
        runs: arguments.runs,
        start: Instant::now(),
        parts: Mutex::new(parts(arguments.seeds())),
        tally: Mutex::new(Tally::new(format!("saferun, {}", tier.name()))),
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let ended = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores)
            .map(|_| scope.spawn(|| show.work().map_err(|error| error.to_string())))
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| "a thread has panicked")?)
    });
    ended?;
    let tally = show.tally.into_inner().map_err(|_| "a thread panicked")?;
    Ok(Some(vec![tally]))
}

/// The seeds of each boot.
fn parts(seeds: Range<u64>) -> VecDeque<Range<u64>> {
    let mut parts = VecDeque::new();
    let mut next = seeds.start;
    while next < seeds.end {
        let end = next.saturating_add(A_BOOT).min(seeds.end);
        parts.push_back(next..end);
        next = end;
    }
    parts
}

/// All runs of a tier, shared by the threads that boot machines for them.
struct Show {
    machine: Machine,
    accelerator: Accelerator,
    tier: Tier,
    limit: u64,
    runs: u64,
    start: Instant,
    parts: Mutex<VecDeque<Range<u64>>>,
    tally: Mutex<Tally>,
}

impl Show {
    fn work(&self) -> Result<(), Failure> {
        loop {
            let part = self
                .parts
                .lock()
                .map_err(|_| "a thread panicked")?
                .pop_front();
            let Some(mut left) = part else { return Ok(()) };
            while !left.is_empty() {
                left.start = self.boot(left.clone())?;
            }
        }
    }

    /// Boots a machine for these seeds; gives back the first that is still to be played. A run in
    /// which the machine hung or crashed is a broken one.
    fn boot(&self, seeds: Range<u64>) -> Result<u64, Failure> {
        let mut next = seeds.start;
        let mut begun = false;
        let mut last = String::new();
        let words = format!(
            "saferun.chaos={},{},{},{}",
            self.tier.name(),
            seeds.start,
            seeds.end - seeds.start,
            self.limit
        );
        let patience = Patience::EachLine(SILENCE);
        let ended = self
            .machine
            .run(self.accelerator, &words, patience, |line| {
                match Said::of(line) {
                    Some(Said::Plays) => begun = true,
                    Some(Said::Played(record)) => {
                        next = record.seed + 1;
                        self.add(&record);
                    }
                    Some(Said::Paper { seed, name, text }) => self.keep(seed, name, text),
                    None if !line.trim().is_empty() => last = line.trim().to_owned(),
                    None => {}
                }
            })?;
        if next < seeds.end {
            if !begun {
                return Err(format!("the machine doesn't come to life: {last}").into());
            }
            let how = if ended { "ended" } else { "hung" };
            let why = format!("the machine {how} in mid-run; it said last: {last}");
            self.add(&Record::of_a_loss(next, why));
            next += 1;
        }
        Ok(next)
    }

    fn add(&self, record: &Record) {
        // A thread that panicked in here has at worst left a row half written.
        let mut tally = self.tally.lock().unwrap_or_else(|held| held.into_inner());
        tally.add(record);
        let (done, broken) = (tally.runs(), tally.broken);
        if !record.wrong.is_empty() {
            tell(record, self.tier, self.limit);
        }
        if done.is_multiple_of(10) || done == self.runs {
            let minutes = self.start.elapsed().as_secs_f64() / 60.0;
            println!(
                "{done} of {} runs, {broken} broken, {minutes:.1} min",
                self.runs
            );
        }
    }

    /// Keeps a line of what a broken run wrote.
    fn keep(&self, seed: u64, name: &str, text: &str) {
        let path = kept(seed, self.tier, name);
        let file = OpenOptions::new().create(true).append(true).open(path);
        // It is for whoever looks into it; the verdict doesn't depend on it.
        let _unkept = file.and_then(|mut file| writeln!(file, "{text}"));
    }
}

/// A line of the machine that is about runs.
#[derive(Debug, PartialEq)]
enum Said<'l> {
    Plays,
    Played(Box<Record>),
    Paper {
        seed: u64,
        name: &'l str,
        text: &'l str,
    },
}

impl<'l> Said<'l> {
    fn of(line: &'l str) -> Option<Self> {
        let said = line.get(line.find(MARK)? + MARK.len()..)?.trim();
        let (kind, rest) = said.split_once(' ')?;
        match kind {
            "plays" => Some(Said::Plays),
            "played" => serde_json::from_str(rest).ok().map(Said::Played),
            "paper" => {
                let mut words = rest.splitn(3, ' ');
                Some(Said::Paper {
                    seed: words.next()?.parse().ok()?,
                    // It becomes a part of a file's name.
                    name: words.next().filter(|name| !name.contains('/'))?,
                    text: words.next().unwrap_or_default(),
                })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_is_in_one_boot() {
        let all: Vec<u64> = parts(7..160).into_iter().flatten().collect();
        assert_eq!(all, (7..160).collect::<Vec<u64>>());
        assert!(parts(7..7).is_empty());
    }

    #[test]
    fn a_record_crosses_the_serial_line() {
        let record = Record::of_a_loss(3, "it \"hung\"");
        let line = serde_json::to_string(&record).expect("it can be written");
        let said = format!("\u{1b}c{MARK}played {line}\r");
        assert_eq!(Said::of(&said), Some(Said::Played(Box::new(record))));
        assert_eq!(Said::of("[ 1.0] Kernel panic"), None);
        assert_eq!(
            Said::of("vm-test: paper 3 events {\"a\": 1}"),
            Some(Said::Paper {
                seed: 3,
                name: "events",
                text: "{\"a\": 1}"
            })
        );
        assert_eq!(Said::of("vm-test: paper 3 ../events x"), None);
    }
}
