//! Many commands of unknown memory in a small cage.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use saferun_testbed::cage::Cage;
use saferun_testbed::mix::Mix;
use saferun_testbed::size;

use super::peers::{PEERS, Peer};
use super::programs::Programs;
use super::report::{Ratio, Report};
use super::tally::{Tally, lines_in};
use super::trial::Trial;
use crate::Failure;

/// 24 unknown commands of 30 to 320 MiB in a small cage.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// How many mixes
    #[arg(long, default_value_t = 10)]
    seeds: u64,
    /// The seed of the first mix
    #[arg(long, default_value_t = 1)]
    first_seed: u64,
    /// How eagerly to end running work; both when not given
    #[arg(long)]
    preempt: Option<Preempt>,
    /// The cage's limit
    #[arg(long, value_parser = size::parse, default_value = "600M")]
    limit: u64,
    /// Each mix twice in a row with a history of its own: cold, then with what the first run
    /// taught
    #[arg(long, conflicts_with = "user")]
    warm: bool,
    /// As an ordinary user without any group to write to
    #[arg(long)]
    user: bool,
    /// Run xargs and GNU parallel too
    #[arg(long)]
    peers: bool,
    /// On how many of the mixes the peers run (one after another, a mix takes most of a minute)
    #[arg(long, default_value_t = 1)]
    peer_seeds: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Preempt {
    Last,
    Eager,
}

impl Preempt {
    fn name(self) -> &'static str {
        match self {
            Preempt::Last => "last",
            Preempt::Eager => "eager",
        }
    }

    /// The makespan over the bound that must not be exceeded.
    fn at_most(self, user: bool) -> f64 {
        match (self, user) {
            (_, true) => 2.3,
            (Preempt::Last, false) => 1.85,
            (Preempt::Eager, false) => 1.65,
        }
    }
}

/// The lines of a mix and where each task reports its end.
pub(super) struct Lines {
    pub(super) input: PathBuf,
    done: PathBuf,
}

impl Lines {
    /// Writes a mix as commands, one a line.
    pub(super) fn write(mix: &Mix, programs: &Programs) -> Result<Self, Failure> {
        let lines = Self {
            input: programs.scratch().join("lines"),
            done: programs.scratch().join("done"),
        };
        let mut file = File::create(&lines.input)?;
        let workload = programs.workload();
        for arguments in mix.arguments() {
            let arguments = arguments.join(" ");
            let (workload, done) = (workload.display(), lines.done.display());
            writeln!(file, "{workload} {arguments} --done {done}")?;
        }
        Ok(lines)
    }

    /// Forgets the ends of the run before.
    pub(super) fn forget_ends(&self) -> Result<(), Failure> {
        fs::write(&self.done, "")?;
        // Tasks may run as any user.
        fs::set_permissions(&self.done, Permissions::from_mode(0o666))?;
        Ok(())
    }

    /// How many tasks came to their end.
    pub(super) fn ends(&self) -> u64 {
        lines_in(&self.done)
    }
}

pub(super) fn run(options: &Options, programs: &Programs) -> Result<Report, Failure> {
    let mut report = Report::new(format!(
        "24 hogs, cage {} MiB, {} mixes from seed {}{}",
        options.limit / size::MIB,
        options.seeds,
        options.first_seed,
        if options.user { ", as user 65534" } else { "" },
    ));
    let grades: Vec<Preempt> = match options.preempt {
        Some(grade) => vec![grade],
        None => vec![Preempt::Last, Preempt::Eager],
    };
    // With `warm` the second run of each grade follows the first at once.
    let turns: &[bool] = if options.warm {
        &[false, true]
    } else {
        &[false]
    };
    let mut ours: Vec<(Own, Tally)> = (grades.into_iter())
        .flat_map(|preempt| turns.iter().map(move |&warm| Own { preempt, warm }))
        .map(|own| (own, Tally::default()))
        .collect();
    let (here, missing): (Vec<&Peer>, Vec<&Peer>) = PEERS.iter().partition(|peer| peer.is_here());
    let mut theirs: Vec<(&Peer, Tally)> = here.into_iter().map(|p| (p, Tally::default())).collect();
    for round in 0..options.seeds {
        let mix = Mix::hogs(options.first_seed + round);
        let lines = Lines::write(&mix, programs)?;
        let turn = Round {
            mix: &mix,
            lines: &lines,
            limit: options.limit,
            programs,
        };
        for (own, tally) in &mut ours {
            let state = programs.scratch().join("state").join(own.preempt.name());
            if !own.warm && state.exists() {
                fs::remove_dir_all(&state)?;
            }
            let build = |cage: &Cage| {
                let mut command = saferun(cage, programs, own.preempt, options.user);
                if !options.user {
                    command.env("XDG_STATE_HOME", &state);
                }
                command
            };
            turn.run(&own.name(), build, tally)?;
        }
        if options.peers && round < options.peer_seeds {
            for (peer, tally) in &mut theirs {
                let build = |cage: &Cage| peer.command(cage, programs.scratch());
                turn.run(peer.name, build, tally)?;
            }
        }
        let bound = mix.bound(options.limit);
        report.notes.push(format!(
            "seed {}: bound {:.2} s (area {:.2}, longest {:.2}, crowd {:.2}), in turn {:.1} s",
            options.first_seed + round,
            bound.seconds(),
            bound.area,
            bound.longest,
            bound.crowd,
            bound.sequential,
        ));
    }
    for (own, tally) in &ours {
        let name = own.name();
        state_bounds(&mut report, &name, tally, own.at_most(options.user));
        report.rows.push(tally.row(name));
    }
    if options.peers {
        let rows = theirs.iter().map(|(peer, tally)| tally.row(peer.name));
        report.rows.extend(rows);
        let missing = missing
            .iter()
            .map(|peer| format!("{} is missing", peer.name));
        report.notes.extend(missing);
    }
    Ok(report)
}

/// How we run.
#[derive(Clone, Copy)]
struct Own {
    preempt: Preempt,
    /// Whether the run before was the same, and is remembered.
    warm: bool,
}

impl Own {
    fn name(self) -> String {
        let again = if self.warm { ", again" } else { "" };
        format!("saferun --preempt {}{again}", self.preempt.name())
    }

    /// The makespan over the bound that must not be exceeded.
    fn at_most(self, user: bool) -> f64 {
        if self.warm {
            return 1.5;
        }
        self.preempt.at_most(user)
    }
}

fn state_bounds(report: &mut Report, name: &str, tally: &Tally, at_most: f64) {
    let median = super::report::Spread::of(tally.ratios.clone()).median;
    let mut state = |what: &str, value: f64, bound: f64| {
        let what = format!("{name}: {what}");
        report.ratios.push(Ratio::at_most(what, value, bound));
    };
    state("makespan over the bound", median, at_most);
    state("kernel kills", tally.kills as f64, 0.0);
    state("tasks lost or doubled", tally.lost as f64, 0.0);
    state("runs that failed", tally.unexpected(0) as f64, 0.0);
    state("processes and groups left", tally.left as f64, 0.0);
}

/// One mix, offered to every contender in turn.
struct Round<'a> {
    mix: &'a Mix,
    lines: &'a Lines,
    limit: u64,
    programs: &'a Programs,
}

impl Round<'_> {
    /// One run of one contender, in a cage of its own.
    fn run(
        &self,
        name: &str,
        build: impl Fn(&Cage) -> Command,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        let cage = Cage::new("bench", self.limit)?;
        let events = self.programs.scratch().join("events");
        self.lines.forget_ends()?;
        let outcome = Trial::new(name, build(&cage))
            .input(&self.lines.input)?
            .events(&events)?
            .run()?;
        tally.add(&outcome);
        tally.add_peak(cage.peak()?);
        tally.add_ends(self.mix.tasks.len() as u64, self.lines.ends());
        tally.add_restarts(&events);
        let bound = self.mix.bound(self.limit).seconds();
        tally.ratios.push(outcome.wall.as_secs_f64() / bound);
        Ok(())
    }
}

fn saferun(cage: &Cage, programs: &Programs, preempt: Preempt, user: bool) -> Command {
    let mut command = if user {
        as_user(cage, programs)
    } else {
        cage.command(programs.saferun())
    };
    command
        .args(["run", "-j", "auto", "--json", "--preempt", preempt.name()])
        .current_dir(programs.scratch());
    command
}

/// The program in the cage as a user who may write to no group.
pub(super) fn as_user(cage: &Cage, programs: &Programs) -> Command {
    let mut command = cage.command("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
    command.arg(programs.saferun());
    command.env("HOME", home(programs.scratch()));
    for variable in ["XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_STATE_HOME"] {
        command.env_remove(variable);
    }
    command
}

fn home(scratch: &Path) -> PathBuf {
    scratch.join("no-home")
}
