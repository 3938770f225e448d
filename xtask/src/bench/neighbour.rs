//! Another program in the same small machine takes memory while a run is under way: the run must
//! make room, and nobody may be killed.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use saferun_testbed::cage::Cage;
use saferun_testbed::mix::Mix;
use saferun_testbed::size::{self, MIB};

use super::kills::CageKills;
use super::programs::Programs;
use super::report::{Ratio, Report, Row, Spread};
use super::trial::Trial;
use crate::Failure;

/// How often memory is looked at.
const INTERVAL: Duration = Duration::from_millis(5);

/// A run that the neighbour asks for room is in full swing by then.
const MID_RUN: Duration = Duration::from_secs(3);

/// A neighbour takes memory of a run's machine, and gives it back.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// How many times
    #[arg(long, default_value_t = 3)]
    rounds: u64,
    /// The seed of the first mix
    #[arg(long, default_value_t = 1)]
    first_seed: u64,
    /// The machine's limit
    #[arg(long, value_parser = size::parse, default_value = "1G")]
    limit: u64,
    /// How fast the neighbour grows, in bytes a second
    #[arg(long, value_parser = size::parse, default_value = "256M")]
    speed: u64,
}

/// What is run, and what the neighbour takes.
struct Scene {
    name: &'static str,
    /// The share of the machine that the neighbour takes.
    share: f64,
    /// How many seconds its need may take to be free, where that has a bound of its own.
    free_within: Option<f64>,
    /// The commands of the run, as arguments of the workload.
    mix: fn(u64) -> Vec<String>,
}

const SCENES: [Scene; 2] = [
    Scene {
        name: "half is taken in mid-run and given back",
        share: 0.5,
        free_within: None,
        mix: |seed| {
            let arguments = Mix::hogs(seed).arguments();
            arguments.iter().map(|words| words.join(" ")).collect()
        },
    },
    Scene {
        name: "a neighbour asks while tasks hold all",
        share: 0.3,
        free_within: Some(1.0),
        // Each grows for four seconds and would hold its memory for four more.
        mix: |_| vec!["hog --peak 150M --seconds 8".to_owned(); 10],
    },
];

/// What one round showed.
#[derive(Default)]
struct Seen {
    walls: Vec<f64>,
    yields: Vec<f64>,
    /// The same less the time that the neighbour takes to grow.
    beyond: Vec<f64>,
    before: Vec<f64>,
    during: Vec<f64>,
    after: Vec<f64>,
    peaks: Vec<f64>,
    kills: u64,
    neighbours_hurt: u64,
    late: Vec<f64>,
    failed: u64,
}

pub(super) fn run(options: &Options, programs: &Programs) -> Result<Report, Failure> {
    let mut report = Report::new(format!(
        "a neighbour grows by {} MiB/s in a machine of {} MiB with a run in it, {} rounds",
        options.speed / MIB,
        options.limit / MIB,
        options.rounds
    ));
    for scene in &SCENES {
        let mut seen = Seen::default();
        for round in 0..options.rounds {
            once(
                scene,
                options.first_seed + round,
                options,
                programs,
                &mut seen,
            )?;
        }
        report.rows.push(
            Row::new(scene.name)
                .spread("time s", seen.walls)
                .spread("budget before", seen.before)
                .spread("during", seen.during)
                .spread("after MiB", seen.after)
                .spread("yield s", seen.yields.clone())
                .spread("neighbour late s", seen.late)
                .spread("peak MiB", seen.peaks)
                .count("kills", seen.kills)
                .count("neighbours hurt", seen.neighbours_hurt)
                .count("runs failed", seen.failed),
        );
        let mut state = |what: &str, value: f64, at_most: f64| {
            let what = format!("{}: {what}", scene.name);
            report.ratios.push(Ratio::at_most(what, value, at_most));
        };
        state("kernel kills", seen.kills as f64, 0.0);
        state("neighbours hurt", seen.neighbours_hurt as f64, 0.0);
        state("runs that failed", seen.failed as f64, 0.0);
        state(
            "seconds until its need is free, beyond its own growth",
            Spread::of(seen.beyond).greatest,
            1.0,
        );
        if let Some(most) = scene.free_within {
            let yields = Spread::of(seen.yields).greatest;
            state("seconds until its need is free", yields, most);
        }
    }
    report.notes.push(
        "yield: from the neighbour's start until all others left room for its whole need, which \
         nobody can know before it has grown; budgets are those just before the neighbour's start, the least while it lives, and the \
         last; `late` is how much longer than alone the neighbour took"
            .to_owned(),
    );
    Ok(report)
}

/// One run with a neighbour in it.
fn once(
    scene: &Scene,
    seed: u64,
    options: &Options,
    programs: &Programs,
    seen: &mut Seen,
) -> Result<(), Failure> {
    let cage = Cage::new("bench", options.limit)?;
    let need = (options.limit as f64 * scene.share) as u64;
    let growth = need as f64 / options.speed as f64;
    let input = programs.scratch().join("lines");
    let lines: Vec<String> = (scene.mix)(seed)
        .iter()
        .map(|words| format!("{} {words}\n", programs.workload().display()))
        .collect();
    fs::write(&input, lines.concat())?;
    let events = programs.scratch().join("events");
    let mut command = cage.command(programs.saferun());
    command
        .args([
            "run",
            "--no-history",
            "--ignore-config",
            "-j",
            "auto",
            "--json",
        ])
        .current_dir(programs.scratch());
    let begun = Instant::now();
    let mut kills = CageKills::default();
    let mut guest = Guest::new(need, growth);
    let outcome = Trial::new(scene.name, command)
        .input(&input)?
        .events(&events)?
        .every(INTERVAL)
        .watched(|_| {
            kills.look(&cage);
            if begun.elapsed() >= MID_RUN {
                guest.look(&cage, programs);
            }
        })?;
    kills.look(&cage);
    let (came, went, unharmed) = guest.leave()?;
    let budgets = Budgets::read(&events)?;
    let at = |moment: Instant| moment.duration_since(begun).as_millis() as u64;
    seen.walls.push(outcome.wall.as_secs_f64());
    seen.kills += kills.sum(outcome.kills);
    seen.failed += u64::from(outcome.code() != 0);
    seen.neighbours_hurt += u64::from(!unharmed);
    seen.peaks.push(cage.peak()? as f64 / MIB as f64);
    seen.before.extend(budgets.last_before(at(came)));
    seen.during.extend(budgets.least_within(at(came), at(went)));
    seen.after.extend(budgets.last_before(u64::MAX));
    seen.late.push((went - came).as_secs_f64() - 2.0 * growth);
    // A run that ends before it has made room has none to give any more.
    let free = guest.free.unwrap_or_else(|| begun + outcome.wall);
    let waited = free.saturating_duration_since(came).as_secs_f64();
    seen.yields.push(waited);
    seen.beyond.push(waited - growth);
    Ok(())
}

/// The neighbour.
struct Guest {
    need: u64,
    /// In seconds, as many as it holds its memory for afterwards.
    growth: f64,
    child: Option<Child>,
    came: Option<Instant>,
    went: Option<Instant>,
    /// When the rest of the machine first left it as much as it needs.
    free: Option<Instant>,
    unharmed: bool,
}

impl Guest {
    fn new(need: u64, growth: f64) -> Self {
        Self {
            need,
            growth,
            child: None,
            came: None,
            went: None,
            free: None,
            unharmed: false,
        }
    }

    /// Comes at the first look; later ones see how it fares.
    fn look(&mut self, cage: &Cage, programs: &Programs) {
        match &mut self.child {
            None if self.came.is_none() => {
                self.came = Some(Instant::now());
                self.child = self.command(cage, programs).spawn().ok();
            }
            Some(child) => {
                if self.free.is_none()
                    && let Some(others) = others_use(cage, child.id())
                    && others.saturating_add(self.need) <= cage.limit()
                {
                    self.free = Some(Instant::now());
                }
                if let Ok(Some(status)) = child.try_wait() {
                    self.went = Some(Instant::now());
                    self.unharmed = status.success();
                    self.child = None;
                }
            }
            None => {}
        }
    }

    fn command(&self, cage: &Cage, programs: &Programs) -> Command {
        let mut command = cage.command(programs.workload());
        command
            .args(["hog", "--peak", &self.need.to_string()])
            .args(["--seconds", &format!("{:.3}", 2.0 * self.growth)])
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }

    /// Waits for its end, when it is still there; when it came, when it went, and whether it was
    /// let be.
    fn leave(&mut self) -> Result<(Instant, Instant, bool), Failure> {
        if let Some(mut child) = self.child.take() {
            self.unharmed = child.wait()?.success();
            self.went = Some(Instant::now());
        }
        match (self.came, self.went) {
            (Some(came), Some(went)) => Ok((came, went, self.unharmed)),
            _ => Err("the run ended before its neighbour came".into()),
        }
    }
}

/// What all but this process use of the cage, file cache aside.
fn others_use(cage: &Cage, pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(cage.path().join("memory.stat")).ok()?;
    let field = |name: &str| -> Option<u64> {
        stat.lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    };
    let cache = field("total_active_file ")? + field("total_inactive_file ")?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let own = line.split_whitespace().next()?.parse::<u64>().ok()? * 1024;
    Some(cage.usage().ok()?.saturating_sub(cache).saturating_sub(own))
}

/// The budget over a run, by its own events: milliseconds and MiB.
struct Budgets(Vec<(u64, f64)>);

impl Budgets {
    fn read(events: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(events)?;
        let budgets = text.lines().filter_map(|line| {
            let value: serde_json::Value = serde_json::from_str(line).ok()?;
            let bytes = value.get("budget_bytes")?.as_u64()?;
            Some((value.get("at_ms")?.as_u64()?, bytes as f64 / MIB as f64))
        });
        Ok(Self(budgets.collect()))
    }

    fn last_before(&self, moment: u64) -> Option<f64> {
        let before = self.0.iter().rev().find(|(at, _)| *at <= moment);
        before.map(|(_, budget)| *budget)
    }

    fn least_within(&self, from: u64, to: u64) -> Option<f64> {
        let within = self.0.iter().filter(|(at, _)| (from..=to).contains(at));
        within.map(|(_, budget)| *budget).min_by(f64::total_cmp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_told_by_moment() {
        let budgets = Budgets(vec![(0, 1000.0), (100, 990.0), (200, 400.0), (300, 980.0)]);
        assert_eq!(budgets.last_before(150), Some(990.0));
        assert_eq!(budgets.least_within(100, 250), Some(400.0));
        assert_eq!(budgets.least_within(210, 250), None);
        assert_eq!(budgets.last_before(u64::MAX), Some(980.0));
    }
}
