//! Tasks that grow, alone and beside others.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use saferun_chaos::breach::summary;
use saferun_chaos::{Player, Tier};
use saferun_testbed::mix::Mix;
use saferun_testbed::size::MIB;

use super::{Bed, Found, LIMIT};
use crate::Failure;
use crate::chaos::Group;

/// How often an allocator at full speed runs into the brake.
const BREACHES: u32 = 20;

impl Bed {
    pub(super) fn hogs(&self, seed: u64) -> Found {
        let mix = Mix::hogs(seed);
        let cage = self.cage(LIMIT)?;
        let (input, done) = self.lines(&mix)?;
        let outcome = self
            .trial(
                &cage,
                &["-j", "auto", "--json", "--preempt", "last"],
                &input,
            )
            .run()?;
        self.sound(&outcome, 0, &cage)?;
        let ends = lines_in(&done);
        if ends != mix.tasks.len() {
            return Err(format!("{ends} of {} tasks ended", mix.tasks.len()).into());
        }
        let ratio = outcome.wall.as_secs_f64() / mix.bound(LIMIT).seconds();
        let figures = format!(
            "seed {seed}: {ratio:.2} x the bound of {:.1} s, {} restarts, 0 kills, peak {} MiB of {}",
            mix.bound(LIMIT).seconds(),
            outcome.restarts,
            cage.peak() / MIB,
            LIMIT / MIB
        );
        Ok(figures)
    }

    /// One that takes all it can is given up, and its neighbours come to their ends.
    pub(super) fn greedy(&self) -> Found {
        let cage = self.cage(LIMIT)?;
        let done = self.fresh("done")?;
        let small = format!(
            "/bin/vm-tests work hog --peak 40M --seconds 1 --done {}\n",
            done.display()
        );
        let input = format!("/bin/vm-tests work greedy\n{}", small.repeat(3));
        let outcome = self.trial(&cage, &["-j", "auto", "--json"], &input).run()?;
        self.sound(&outcome, 3, &cage)?;
        if lines_in(&done) != 3 {
            return Err(format!("{} of 3 neighbours ended", lines_in(&done)).into());
        }
        Ok(format!(
            "exit 3, {} restarts, 0 kills, peak {} MiB of {}",
            outcome.restarts,
            cage.peak() / MIB,
            LIMIT / MIB
        ))
    }

    /// File cache holds nobody back.
    pub(super) fn writers(&self) -> Found {
        let mut mix = Mix::hogs(1);
        mix.tasks.truncate(8);
        let cage = self.cage(LIMIT)?;
        let (hogs, done) = self.lines(&mix)?;
        let mut input = String::new();
        for place in 0..2 {
            let file = self.scratch.join(format!("written-{place}"));
            input += &format!(
                "/bin/vm-tests work write --size 300M --file {}\n",
                file.display()
            );
        }
        input += &hogs;
        let outcome = self.trial(&cage, &["-j", "auto", "--json"], &input).run()?;
        self.sound(&outcome, 0, &cage)?;
        if lines_in(&done) != 8 {
            return Err(format!("{} of 8 hogs ended", lines_in(&done)).into());
        }
        Ok(format!(
            "{:.1} s, {} restarts, 0 kills, peak {} MiB of {}",
            outcome.wall.as_secs_f64(),
            outcome.restarts,
            cage.peak() / MIB,
            LIMIT / MIB
        ))
    }

    /// Somebody else takes a good part of the machine in mid-run and gives it back: neither is
    /// harmed.
    pub(super) fn neighbour(&self) -> Found {
        let mix = Mix::hogs(2);
        // More than there is, so that the machine itself binds.
        let cage = self.cage(64 * LIMIT)?;
        let (input, done) = self.lines(&mix)?;
        let neighbour = std::thread::spawn(|| {
            std::thread::sleep(Duration::from_secs(2));
            Command::new("/bin/vm-tests")
                .args(["work", "hog", "--peak", "350M", "--seconds", "4"])
                .stdin(Stdio::null())
                .status()
        });
        let outcome = self.trial(&cage, &["-j", "auto", "--json"], &input).run()?;
        let theirs = neighbour.join().map_err(|_| "no neighbour")??;
        self.sound(&outcome, 0, &cage)?;
        if !theirs.success() {
            return Err(format!("the neighbour ended with {theirs}").into());
        }
        if lines_in(&done) != mix.tasks.len() {
            return Err(format!("{} of {} tasks ended", lines_in(&done), mix.tasks.len()).into());
        }
        Ok(format!(
            "{:.1} s, {} restarts, 0 kills, the neighbour's 350 MiB came and went unharmed",
            outcome.wall.as_secs_f64(),
            outcome.restarts
        ))
    }

    /// How long an allocator at full speed goes on growing past the brake's threshold.
    pub(super) fn breach(&self) -> Found {
        self.hand_down()?;
        let tier = match (self.braked(), self.user) {
            (false, _) => return Err("the cage can't be looked at without groups".into()),
            (true, 0) => Tier::V2,
            (true, _) => Tier::V2User,
        };
        let player = Player {
            saferun: Path::new(crate::trial::SAFERUN),
            workload: "/bin/vm-tests work",
            scratch: &self.scratch,
            limit: LIMIT,
            tier,
            growth: saferun_chaos::UNBRAKED_GROWTH,
        };
        let rounds: Vec<_> = (0..BREACHES)
            .map(|_| player.breach(&Group::new(LIMIT, tier)?))
            .collect::<Result<_, Failure>>()?;
        summary(&rounds)
    }

    /// A mix as commands, one a line, and the file in which each tells its end.
    fn lines(&self, mix: &Mix) -> Result<(String, PathBuf), Failure> {
        let done = self.fresh("done")?;
        let lines = mix.arguments().into_iter().map(|arguments| {
            let arguments = arguments.join(" ");
            format!("/bin/vm-tests work {arguments} --done {}\n", done.display())
        });
        Ok((lines.collect(), done))
    }

    /// An empty file that anybody may write to.
    fn fresh(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.scratch.join(name);
        fs::write(&path, "")?;
        fs::set_permissions(&path, Permissions::from_mode(0o666))?;
        Ok(path)
    }
}

fn lines_in(path: &Path) -> usize {
    fs::read_to_string(path).map_or(0, |text| text.lines().count())
}
