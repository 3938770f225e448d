//! What is tested, the same in every tier.

mod costs;
mod growth;
mod killed;
mod named;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use saferun_testbed::size::MIB;

use crate::Failure;
use crate::cage::{Cage, ROOT};
use crate::cleanup;
use crate::trial::{Outcome, Trial};

/// The cage that most tests run in.
const LIMIT: u64 = 600 * MIB;

/// An ordinary user.
const USER: u32 = 1000;

/// The tests of a tier, each said; all of them where none is named.
pub(crate) fn run(tier: &str, seeds: u64, wanted: &str) {
    let Some(bed) = Bed::of(tier) else {
        println!("vm-test: fail {tier} bed there is no such tier");
        return;
    };
    if let Err(error) = bed.prepare() {
        println!("vm-test: fail {tier} bed {error}");
        return;
    }
    let tests: [(&str, Test); 7] = [
        ("speed", Bed::speed),
        ("named", Bed::is_named),
        ("greedy", Bed::greedy),
        ("writers", Bed::writers),
        ("neighbour", Bed::neighbour),
        ("killed-runner", Bed::killed_runner),
        ("overhead", Bed::overhead),
    ];
    let is_wanted = |name: &str| wanted.is_empty() || wanted.split(',').any(|word| word == name);
    if tier == "v2-root" && is_wanted("root-group") {
        bed.say("root-group", bed.root_group());
    }
    // It takes long and has no promise to keep: it is measured where it is asked for.
    if !wanted.is_empty() && is_wanted("breach") {
        bed.say("breach", bed.breach());
    }
    if is_wanted("hogs") {
        for seed in 1..=seeds {
            bed.say("hogs", bed.hogs(seed));
        }
    }
    for (name, test) in tests {
        if is_wanted(name) {
            bed.say(name, test(&bed));
        }
    }
    let who = cleanup::Who {
        user: bed.user,
        scratch: bed.scratch.clone(),
    };
    for (name, check) in cleanup::CHECKS {
        if is_wanted(name) {
            bed.say(name, check(&who));
        }
    }
}

/// Who runs the tests, and what containment is expected.
#[derive(Debug)]
struct Bed {
    tier: String,
    user: u32,
    delegated: bool,
    /// What the program calls it.
    called: &'static str,
    scratch: PathBuf,
}

/// A test that holds says what it measured.
type Found = Result<String, Failure>;

type Test = fn(&Bed) -> Found;

impl Bed {
    fn of(tier: &str) -> Option<Self> {
        let (user, delegated, called) = match tier {
            "v2-root" => (0, false, "cgroup v2"),
            "v2-user" => (USER, true, "cgroup v2"),
            "v2-undelegated" => (USER, false, "process trees"),
            _ => return None,
        };
        Some(Self {
            tier: tier.to_owned(),
            user,
            delegated,
            called,
            scratch: Path::new("/disk").join(tier),
        })
    }

    fn prepare(&self) -> Result<(), Failure> {
        fs::create_dir_all(&self.scratch)?;
        fs::set_permissions(&self.scratch, Permissions::from_mode(0o777))?;
        Ok(())
    }

    fn say(&self, test: &str, found: Found) {
        let tier = &self.tier;
        match found {
            Ok(figures) => println!("vm-test: pass {tier} {test} {figures}"),
            Err(error) => println!("vm-test: fail {tier} {test} {error}"),
        }
    }

    /// Lets groups below the root have limits.
    fn hand_down(&self) -> Result<(), Failure> {
        let handed = Path::new(ROOT).join("cgroup.subtree_control");
        Ok(fs::write(handed, "+memory +pids")?)
    }

    /// A cage as a service manager would hand it over.
    fn cage(&self, limit: u64) -> Result<Cage, Failure> {
        self.hand_down()?;
        Ok(Cage::new(limit, self.delegated.then_some(self.user))?)
    }

    fn trial<'a>(&'a self, cage: &'a Cage, arguments: &'a [&'a str], input: &'a str) -> Trial<'a> {
        Trial {
            group: cage.path(),
            user: self.user,
            arguments,
            input,
            scratch: &self.scratch,
        }
    }

    fn braked(&self) -> bool {
        self.called != "process trees"
    }

    /// What may be found after every run.
    fn sound(&self, outcome: &Outcome, code: i32, cage: &Cage) -> Result<(), Failure> {
        let traces = cage.traces();
        let flaws = [
            (outcome.code != Some(code)).then(|| format!("exit {:?}", outcome.code)),
            (outcome.kills > 0).then(|| format!("{} kernel kills", outcome.kills)),
            (outcome.left > 0).then(|| format!("{} survivors", outcome.left)),
            (!traces.is_empty()).then(|| format!("left: {traces}")),
            (outcome.tier != self.called).then(|| format!("tier {:?}", outcome.tier)),
        ];
        let flaws: Vec<String> = flaws.into_iter().flatten().collect();
        if flaws.is_empty() {
            return Ok(());
        }
        let last: String = outcome.last.chars().take(300).collect();
        Err(format!("{} ({last})", flaws.join(", ")).into())
    }
}
