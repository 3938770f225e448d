//! What a reading of memory costs beside many processes, where no control group does the counting.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use saferun_memory::{Census, Machine, ProcessTable, Roots};

use super::programs::Programs;
use super::report::{Report, Row};
use crate::Failure;

/// How many processes stand beside; each is one of a tree that is read.
const COUNTS: [usize; 4] = [10, 100, 1000, 2000];

/// How often each reading is repeated.
const ROUNDS: usize = 20;

/// One row for each number of processes.
pub(super) fn run(programs: &Programs) -> Result<Report, Failure> {
    let mut report = Report::new(format!(
        "µs on the CPU a reading, by the number of processes, {ROUNDS} readings each"
    ));
    let roots = Roots::default();
    let group = PidsGroup::new(COUNTS[COUNTS.len() - 1] as u64 + 50);
    if group.is_none() {
        report
            .notes
            .push("no group bounded the number of processes: none could be made".to_owned());
    }
    for count in COUNTS {
        let family = Family::start(count, group.as_ref(), programs)?;
        let root = family.root();
        let mut machine = Machine::open(&roots)?;
        let mut table = ProcessTable::open(&roots, None)?;
        table.add(root, &[])?;
        table.find()?;
        let processes = table.use_of(root)?.processes;
        let row = Row::new(format!("{processes} processes"))
            .spread("the machine", times(|| machine.read().map(drop))?)
            .spread("use of the tree", times(|| table.use_of(root).map(drop))?)
            .spread("who belongs to it", times(|| table.find().map(drop))?)
            .spread("census of all", times(|| Census::take(&roots).map(drop))?);
        report.rows.push(row);
    }
    report.notes.push(
        "with control groups a reading is two small files whatever runs; without, the use of each \
         tree is read every 2 to 20 ms, and who belongs to it now and then"
            .to_owned(),
    );
    Ok(report)
}

/// Microseconds of CPU time of each of many readings: a busy machine makes them wait, and waiting
/// is no cost of theirs.
fn times<E: std::error::Error + 'static>(
    mut reading: impl FnMut() -> Result<(), E>,
) -> Result<Vec<f64>, Failure> {
    reading()?;
    (0..ROUNDS)
        .map(|_| {
            let begun = on_cpu();
            reading()?;
            Ok((on_cpu() - begun).as_secs_f64() * 1e6)
        })
        .collect()
}

/// How long this thread has been on a CPU.
fn on_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// A group of cgroup v1 that holds so many processes and no more.
struct PidsGroup(PathBuf);

impl PidsGroup {
    fn new(most: u64) -> Option<Self> {
        let path = format!("/sys/fs/cgroup/pids/saferun-bench-{}", std::process::id());
        let path = PathBuf::from(path);
        fs::create_dir(&path).ok()?;
        let group = Self(path);
        fs::write(group.0.join("pids.max"), most.to_string()).ok()?;
        Some(group)
    }
}

impl Drop for PidsGroup {
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while fs::remove_dir(&self.0).is_err() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A process with many children that do nothing.
struct Family(Child);

impl Family {
    fn start(
        count: usize,
        group: Option<&PidsGroup>,
        programs: &Programs,
    ) -> Result<Self, Failure> {
        let ready = programs.scratch().join("ready");
        if ready.exists() {
            fs::remove_file(&ready)?;
        }
        let join = group.map_or(PathBuf::from("/dev/null"), |group| {
            group.0.join("cgroup.procs")
        });
        // The shell is one of them. Its end closes the pipe that the others read.
        let script = r#"
            echo $$ > "$1"; i=1
            while [ $i -lt "$2" ]; do cat <&3 & i=$((i + 1)); done
            : > "$3"; wait
        "#;
        let child = Command::new("sh")
            .args(["-c", &format!("exec 3<&0; {script}"), "sh"])
            .arg(join)
            .arg(count.to_string())
            .arg(&ready)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        let family = Self(child);
        let deadline = Instant::now() + Duration::from_secs(120);
        while !ready.exists() {
            if Instant::now() > deadline {
                return Err(format!("{count} processes could not be started").into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(family)
    }

    fn root(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        // At the end of their input the children end, and then the shell that waits for them.
        drop(self.0.stdin.take());
        let _gone = self.0.wait();
    }
}
