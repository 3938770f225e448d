//! What is tested, the same in every tier.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use saferun_testbed::mix::Mix;
use saferun_testbed::random::SplitMix64;
use saferun_testbed::size::MIB;
use saferun_testbed::survivors::Marker;

use crate::Failure;
use crate::cage::{Cage, ROOT, groups_below};
use crate::trial::{Outcome, Trial, program};

/// The cage that most tests run in.
const LIMIT: u64 = 600 * MIB;

/// An ordinary user.
const USER: u32 = 1000;

/// How often the runner is killed.
const KILLED: u32 = 4;

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

    /// A cage as a service manager would hand it over.
    fn cage(&self, limit: u64) -> Result<Cage, Failure> {
        fs::write(
            Path::new(ROOT).join("cgroup.subtree_control"),
            "+memory +pids",
        )?;
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

    /// How fast this machine is at what hogs do, for whoever reads the other figures: emulated
    /// on a busy one, a task takes longer than it lives.
    fn speed(&self) -> Found {
        let start = Instant::now();
        let status = std::process::Command::new("/bin/vm-tests")
            .args(["work", "hog", "--peak", "240M", "--seconds", "1"])
            .stdin(Stdio::null())
            .status()?;
        if !status.success() {
            return Err("a hog failed".into());
        }
        let took = start.elapsed().as_secs_f64();
        Ok(format!(
            "a hog of 240 MiB that lives for 1 s takes {took:.2} s"
        ))
    }

    /// `status --why` names the tier.
    fn is_named(&self) -> Found {
        let cage = self.cage(LIMIT)?;
        let output = program(cage.path(), self.user)
            .args(["status", "--why"])
            .stdin(Stdio::null())
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = format!("by {}", self.called);
        if !text.contains(&line) {
            return Err(format!("status doesn't say `{line}`: {text}").into());
        }
        if !self.braked() && !text.contains("isn't ours") {
            return Err(format!("status doesn't say what is missing: {text}").into());
        }
        let traces = cage.traces();
        if !traces.is_empty() {
            return Err(format!("left: {traces}").into());
        }
        Ok(line)
    }

    /// At the root, whose group holds others too, nothing needs to move; and what was handed down
    /// is taken back.
    fn root_group(&self) -> Found {
        let handed = Path::new(ROOT).join("cgroup.subtree_control");
        fs::write(&handed, "-memory -pids")?;
        let outcome = Trial {
            group: Path::new(ROOT),
            user: self.user,
            arguments: &["-j", "auto", "--json", "--", "true"],
            input: "",
            scratch: &self.scratch,
        }
        .run()?;
        let after = fs::read_to_string(&handed)?;
        let left = groups_below(Path::new(ROOT));
        if outcome.code != Some(0) || outcome.tier != self.called {
            return Err(format!(
                "exit {:?}, tier {:?}: {}",
                outcome.code, outcome.tier, outcome.last
            )
            .into());
        }
        if !after.trim().is_empty() || !left.is_empty() {
            return Err(format!("left: hands down {:?}, {left:?}", after.trim()).into());
        }
        Ok("nothing left".into())
    }

    fn hogs(&self, seed: u64) -> Found {
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
    fn greedy(&self) -> Found {
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
    fn writers(&self) -> Found {
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
    fn neighbour(&self) -> Found {
        let mix = Mix::hogs(2);
        // More than there is, so that the machine itself binds.
        let cage = self.cage(64 * LIMIT)?;
        let (input, done) = self.lines(&mix)?;
        let neighbour = std::thread::spawn(|| {
            std::thread::sleep(Duration::from_secs(2));
            std::process::Command::new("/bin/vm-tests")
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

    /// Nothing survives a runner that is killed, and its groups go.
    fn killed_runner(&self) -> Found {
        let work = "/bin/vm-tests work";
        let input = format!(
            "{work} stay\n{work} setsid\n{work} daemon && {work} stay\n{work} storm 4\n{work} escape\n"
        );
        let mut random = SplitMix64::new(1);
        let mut worst = Duration::ZERO;
        let mut reached = 0;
        for _ in 0..KILLED {
            let cage = self.cage(LIMIT)?;
            let marker = Marker::unique();
            let mut runner = self
                .trial(&cage, &["-j8", "--progress", "none"], &input)
                .start(&marker)?;
            let moment = random.uniform(0.05, 0.8);
            std::thread::sleep(Duration::from_secs_f64(moment));
            reached = reached.max(marker.alive().len());
            // Without groups the runner is the guard's child; who was started is then the guard.
            let victim = self.runner_of(runner.id());
            kill(victim)?;
            let killed = Instant::now();
            let left = marker.wait_gone(Duration::from_secs(5));
            worst = worst.max(killed.elapsed());
            marker.kill_all();
            runner.wait()?;
            if let Some(one) = left.first() {
                return Err(format!("{} survivors, one is {}", left.len(), one.command).into());
            }
            // The guard puts the cage back as it was, before which nothing can be started in it.
            // What was killed before it had a guard has left an empty group to the next start.
            let _ = cage.traces();
            let next = self.trial(&cage, &["--json", "--", "true"], "").run()?;
            self.sound(&next, 0, &cage)?;
        }
        Ok(format!(
            "{KILLED} runners killed with up to {reached} processes: 0 survivors, gone within {} ms, no group left",
            worst.as_millis()
        ))
    }

    /// The runner of what was started: itself, or its only child where the guard is above it.
    fn runner_of(&self, started: u32) -> u32 {
        if self.braked() {
            return started;
        }
        let children = format!("/proc/{started}/task/{started}/children");
        fs::read_to_string(children)
            .ok()
            .and_then(|text| text.split_whitespace().next()?.parse().ok())
            .unwrap_or(started)
    }

    /// What containment and capture cost for tasks that do nothing.
    fn overhead(&self) -> Found {
        const TASKS: usize = 200;
        let cage = self.cage(LIMIT)?;
        let input = "true\n".repeat(TASKS);
        let ours = self.trial(&cage, &["-j2", "--json"], &input).run()?;
        self.sound(&ours, 0, &cage)?;
        let start = Instant::now();
        let file = self.scratch.join("input");
        let status = std::process::Command::new("/bin/xargs")
            .args(["-P2", "-I{}", "sh", "-c", "{}"])
            .stdin(fs::File::open(file)?)
            .stdout(Stdio::null())
            .status()?;
        let theirs = start.elapsed();
        if !status.success() {
            return Err("xargs failed".into());
        }
        Ok(format!(
            "{TASKS} x true: {:.1} ms each, {:.2} x xargs -P2 of busybox",
            ours.wall.as_secs_f64() * 1e3 / TASKS as f64,
            ours.wall.as_secs_f64() / theirs.as_secs_f64()
        ))
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

fn kill(pid: u32) -> Result<(), Failure> {
    use rustix::process::{Pid, Signal, kill_process};
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    kill_process(pid.ok_or("a process id out of range")?, Signal::KILL)?;
    Ok(())
}
