//! Plays the run of a seed and judges it.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::judge::{ends_of, judge};
use crate::plan::{Blow, Ending, Plan};
use crate::stage::{Facts, play};
use crate::{Cage, Failure, Record, Tier};

/// What every run of a show has in common.
#[derive(Debug)]
pub struct Player<'a> {
    /// The program.
    pub saferun: &'a Path,
    /// The words that a task's command begins with.
    pub workload: &'a str,
    /// Where the runs' directories are made. Whoever runs there may write to them.
    pub scratch: &'a Path,
    /// The cage's limit in bytes.
    pub limit: u64,
    /// What holds the tasks.
    pub tier: Tier,
    /// In the tier without a brake no curve grows faster than so many bytes per second.
    pub growth: u64,
}

/// A run that was played.
#[derive(Debug)]
pub struct Played {
    /// Its figures.
    pub record: Record,
    directory: TempDir,
}

impl Played {
    /// The events that the run wrote, and its tasks, one a line.
    #[must_use]
    pub fn papers(&self) -> [PathBuf; 2] {
        ["events", "lines"].map(|name| self.directory.path().join(name))
    }
}

impl Player<'_> {
    /// Plays the run of this seed in a cage that is empty and fresh.
    ///
    /// # Errors
    /// When it can't be started or files can't be written; what a run does wrong is in its record.
    pub fn play(&self, seed: u64, cage: &dyn Cage) -> Result<Played, Failure> {
        let (directory, plan, input) = self.set(seed)?;
        let events = directory.path().join("events");
        let mut command = cage.command(self.saferun);
        command
            .args(["run", "--no-history", "-j", "auto", "--progress", "none"])
            .args(["--grace", "300ms", "--preempt", plan.preempt])
            .args(["--containment", self.tier.containment()])
            .arg(format!("--json={}", events.display()))
            .current_dir(directory.path())
            .stdin(File::open(&input)?);
        let facts = play(command, cage, &plan, plan.blow, self.tier, self.saferun)?;
        let verdict = judge(&plan, self.tier, &facts, directory.path(), &events);
        let over_bound = (!facts.struck).then(|| self.over_bound(&facts, &plan));
        let record = Record {
            seed,
            blow: format!("{:?} at {:?}", plan.blow, plan.moment),
            restarts: verdict.restarts,
            lost: verdict.lost,
            doubled: verdict.doubled,
            wrong: verdict.wrong,
            over_bound,
            ..of(&facts)
        };
        Ok(Played { record, directory })
    }

    /// Plays the same tasks under another program, which nothing befalls and which has promised
    /// nothing: it is only counted what came to its end and what did not, by the tasks' own
    /// records. `command` is given how many tasks there are.
    ///
    /// # Errors
    /// As [`Player::play`].
    pub fn play_peer(
        &self,
        seed: u64,
        cage: &dyn Cage,
        command: impl FnOnce(usize) -> Command,
    ) -> Result<Record, Failure> {
        let (directory, plan, input) = self.set(seed)?;
        let mut command = command(plan.jobs.len());
        command
            .current_dir(directory.path())
            .stdin(File::open(&input)?);
        let facts = play(command, cage, &plan, Blow::Nothing, self.tier, self.saferun)?;
        let mut record = Record {
            seed,
            over_bound: Some(self.over_bound(&facts, &plan)),
            ..of(&facts)
        };
        for (number, job) in (0..).zip(&plan.jobs) {
            let ends = ends_of(directory.path(), number);
            record.lost += u64::from(job.ending == Ending::Done && ends == 0);
            record.doubled += u64::from(ends > 1);
        }
        Ok(record)
    }

    /// A directory for the tasks' records, and the plan with its lines in a file.
    fn set(&self, seed: u64) -> Result<(TempDir, Plan, PathBuf), Failure> {
        let directory = tempfile::Builder::new()
            .prefix("saferun-chaos-")
            .tempdir_in(self.scratch)?;
        fs::set_permissions(directory.path(), Permissions::from_mode(0o777))?;
        let plan = Plan::draw(seed, self.tier, self.growth, directory.path());
        let lines: String = (0..)
            .zip(&plan.jobs)
            .map(|(number, job)| {
                let done = directory.path().join(format!("done.{number}"));
                let (workload, done) = (self.workload, done.display());
                format!("{workload} {} && echo done >> {done}\n", job.arguments)
            })
            .collect();
        let input = directory.path().join("lines");
        fs::write(&input, lines)?;
        Ok((directory, plan, input))
    }

    fn over_bound(&self, facts: &Facts, plan: &Plan) -> f64 {
        facts.wall.as_secs_f64() / plan.bound(self.limit).max(0.01)
    }
}

/// What the stage alone can tell.
fn of(facts: &Facts) -> Record {
    Record {
        struck: facts.struck,
        kills: facts.kills,
        survivors: facts.survivors.len() as u64,
        groups: facts.left.len() as u64,
        hung: facts.hung,
        seconds: facts.wall.as_secs_f64(),
        ..Record::default()
    }
}
