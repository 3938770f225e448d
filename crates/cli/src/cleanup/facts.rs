//! What is read for the report, each part by itself: what can't be read is told and the rest
//! stands.

use saferun_memory::leftovers::{Leftovers, find_leftovers};
use saferun_memory::{
    Census, DeletedFiles, Machine, MachineReading, Pressure, PressureReader, Program, ProgramUse,
    Roots, TmpfsFiles, deleted_files, holders_by_program, tmpfs_files,
};

use super::rules::Rules;
use crate::error::plain;

/// Smaller files are not named.
const LARGE_BYTES: u64 = 16 << 20;

/// Everything that was read.
#[derive(Debug)]
pub(super) struct Facts {
    /// What memory there is.
    pub(super) machine: Option<MachineReading>,
    /// How much of the cache can be reclaimed.
    pub(super) reclaimable_bytes: Option<u64>,
    /// Who waits for memory; `None` where the kernel doesn't say.
    pub(super) pressure: Option<Pressure>,
    /// Who holds it.
    pub(super) holders: Vec<ProgramUse>,
    /// What was left behind.
    pub(super) leftovers: Leftovers,
    /// Ended processes of which nobody has taken note, by parent.
    pub(super) zombies: Vec<Zombies>,
    /// Large files that are deleted and still open.
    pub(super) deleted: DeletedFiles,
    /// Large files in memory.
    pub(super) in_memory: TmpfsFiles,
    /// How many agents this session has.
    pub(super) agents: usize,
    /// What could not be read, and why, each in a line.
    pub(super) unread: Vec<String>,
    /// Whether what could not be read is so much that it is a failure.
    pub(super) failed: bool,
}

/// The zombies of one parent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Zombies {
    /// The parent's number.
    pub(super) parent: u32,
    /// What it is called.
    pub(super) name: std::ffi::OsString,
    /// The zombies' numbers.
    pub(super) pids: Vec<u32>,
}

impl Facts {
    /// Reads it all; the census is handed back for what else is asked of it.
    pub(super) fn read(rules: &Rules, roots: &Roots) -> (Self, Option<Census>) {
        let mut unread = Vec::new();
        let mut failed = false;
        let mut note = |what: &str, error: &dyn std::fmt::Display| {
            unread.push(format!(
                "{what} can't be told: {}",
                plain(&error.to_string())
            ));
        };
        let machine = Machine::open(roots).and_then(|mut machine| machine.read());
        let machine = machine
            .inspect_err(|error| {
                note("what memory there is", error);
                failed = true;
            })
            .ok();
        let pressure = PressureReader::machine(roots)
            .and_then(|reader| reader.map_or(Ok(None), |reader| reader.read()))
            .inspect_err(|error| note("pressure", error))
            .ok()
            .flatten();
        let in_memory = tmpfs_files(LARGE_BYTES, roots)
            .inspect_err(|error| note("large files in memory", error))
            .unwrap_or_default();
        let census = Census::take(roots)
            .inspect_err(|error| {
                note("who holds memory", error);
                failed = true;
            })
            .ok();
        // What is cached of block devices is on the same lists; the two figures are read one
        // after the other as well.
        let cached = machine
            .as_ref()
            .map_or(u64::MAX, |machine| machine.cached_bytes);
        let mut facts = Self {
            machine,
            reclaimable_bytes: reclaimable(roots).map(|bytes| bytes.min(cached)),
            pressure,
            holders: Vec::new(),
            leftovers: Leftovers::default(),
            zombies: Vec::new(),
            deleted: DeletedFiles::default(),
            in_memory,
            agents: 0,
            unread,
            failed,
        };
        if let Some(census) = &census {
            facts.by_census(census, rules, roots);
        }
        (facts, census)
    }

    fn by_census(&mut self, census: &Census, rules: &Rules, roots: &Roots) {
        if census.is_partial() {
            self.unread.push(
                "other users' processes are hidden (hidepid): what they hold is not told"
                    .to_owned(),
            );
        }
        // The two that take longest, side by side.
        std::thread::scope(|scope| {
            let deleted = scope.spawn(|| deleted_files(census, LARGE_BYTES, roots));
            self.holders = holders_by_program(census, roots);
            self.leftovers = find_leftovers(census, &rules.all, roots);
            self.deleted = deleted.join().unwrap_or_default();
        });
        self.zombies = zombies(census);
        self.agents = census
            .session()
            .filter(|process| {
                let program = Program::said_by(process);
                let names = |rule: &&saferun_memory::leftovers::Rule| {
                    rule.matches(&program, &process.arguments)
                };
                rules.agents.iter().any(|rule| names(&rule))
            })
            .count();
        if self.deleted.cut_short {
            self.unread
                .push("there was no time to look at all open files".to_owned());
        }
        if self.in_memory.cut_short {
            self.unread
                .push("there was no time to look at all files in memory".to_owned());
        }
    }
}

/// The file pages that the kernel can give up, in bytes; locked pages and shared memory are
/// cached as well, yet not among them.
fn reclaimable(roots: &Roots) -> Option<u64> {
    let text = std::fs::read_to_string(roots.proc.join("meminfo")).ok()?;
    let field = |key: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        kib.checked_mul(1024)
    };
    field("Active(file):")?.checked_add(field("Inactive(file):")?)
}

fn zombies(census: &Census) -> Vec<Zombies> {
    let mut by_parent: Vec<Zombies> = Vec::new();
    for zombie in census.zombies() {
        match by_parent
            .iter_mut()
            .find(|known| known.parent == zombie.parent)
        {
            Some(known) => known.pids.push(zombie.id.pid),
            None => by_parent.push(Zombies {
                parent: zombie.parent,
                name: census
                    .get(zombie.parent)
                    .map(|parent| parent.called().to_owned())
                    .unwrap_or_default(),
                pids: vec![zombie.id.pid],
            }),
        }
    }
    by_parent.sort_by_key(|zombies| std::cmp::Reverse(zombies.pids.len()));
    by_parent
}
