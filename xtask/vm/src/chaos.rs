//! Random mixes with random blows, played in here; the host adds the records up.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use saferun_chaos::{Cage, Player, Tier};

use crate::Failure;
use crate::cage::{self, ROOT, keyed};

/// An ordinary user.
const USER: u32 = 1000;

/// No more of a broken run's events goes over the serial line.
const EVENTS_SHOWN: usize = 4000;

/// Plays the runs that the words `TIER SEED RUNS LIMIT` name, and says before each that it begins
/// and after it what it showed.
pub(crate) fn run(words: &[OsString]) -> Result<(), Failure> {
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let [tier, seed, runs, limit] = words[..] else {
        return Err("chaos TIER SEED RUNS LIMIT".into());
    };
    let tier = <Tier as clap::ValueEnum>::from_str(tier, false)?;
    let (seed, runs, limit): (u64, u64, u64) = (seed.parse()?, runs.parse()?, limit.parse()?);
    let scratch = Path::new("/disk/chaos");
    fs::create_dir_all(scratch)?;
    fs::set_permissions(scratch, fs::Permissions::from_mode(0o777))?;
    fs::write(
        Path::new(ROOT).join("cgroup.subtree_control"),
        "+memory +pids",
    )?;
    let player = Player {
        saferun: Path::new(crate::trial::SAFERUN),
        workload: "/bin/vm-tests work",
        scratch,
        limit,
        tier,
        growth: saferun_chaos::UNBRAKED_GROWTH,
    };
    for seed in seed..seed.saturating_add(runs) {
        println!("vm-test: plays {seed}");
        let cage = Group::new(limit, tier)?;
        let played = player.play(seed, &cage)?;
        println!("vm-test: played {}", serde_json::to_string(&played.record)?);
        if !played.record.wrong.is_empty() {
            for paper in played.papers() {
                show(seed, &paper);
            }
        }
    }
    Ok(())
}

/// Sends a file line by line.
fn show(seed: u64, paper: &Path) {
    let name = paper.file_name().unwrap_or_default().display();
    for line in fs::read_to_string(paper)
        .unwrap_or_default()
        .lines()
        .take(EVENTS_SHOWN)
    {
        println!("vm-test: paper {seed} {name} {line}");
    }
}

/// A cage and who runs in it.
pub(crate) struct Group {
    cage: cage::Cage,
    user: u32,
}

impl Group {
    /// A cage in which root runs, or an ordinary user.
    pub(crate) fn new(limit: u64, tier: Tier) -> Result<Self, Failure> {
        let user = if tier == Tier::V2User { USER } else { 0 };
        let cage = cage::Cage::new(limit, (user != 0).then_some(user))?;
        Ok(Self { cage, user })
    }
}

impl Cage for Group {
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("/bin/vm-tests");
        command
            .arg("join")
            .arg(self.cage.path())
            .arg(self.user.to_string())
            .arg(program);
        command
    }

    /// The cage counts for all below it, those that are gone too.
    fn kills(&self) -> Vec<(PathBuf, u64)> {
        let events = self.cage.path().join("memory.events");
        let kills = keyed(&events, "oom_kill ");
        vec![(events, kills)]
    }

    fn used(&self) -> u64 {
        fs::read_to_string(self.cage.path().join("memory.current"))
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0)
    }

    fn left(&self, patience: Duration) -> Vec<String> {
        self.cage.traces_after(patience)
    }
}
