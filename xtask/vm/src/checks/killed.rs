//! What a runner that is killed leaves behind.

use std::fs;
use std::time::{Duration, Instant};

use saferun_testbed::random::SplitMix64;
use saferun_testbed::survivors::Marker;

use super::{Bed, Found, LIMIT};
use crate::Failure;

/// How often the runner is killed.
const KILLED: u32 = 4;

impl Bed {
    /// Nothing survives a runner that is killed, and its groups go.
    pub(super) fn killed_runner(&self) -> Found {
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
}

fn kill(pid: u32) -> Result<(), Failure> {
    use rustix::process::{Pid, Signal, kill_process};
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    kill_process(pid.ok_or("a process id out of range")?, Signal::KILL)?;
    Ok(())
}
