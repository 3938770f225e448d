//! What people and the outside ask of a run: to end, to end at once, to stand still.

use std::time::Duration;

use rustix::process::Signal;
use saferun_scheduler::Event;

use super::attempt::Ending;
use super::state::Run;
use crate::event::RunEvent;

/// The same signal within this time is one signal.
const ONE_SIGNAL: Duration = Duration::from_millis(100);

impl Run<'_> {
    /// A signal, or a closed output, asks the run to end; the second time at once.
    pub(crate) fn stop(&mut self, signal: Option<i32>) {
        let at = self.clock.now();
        if let Some(signal) = signal {
            // A signal to the whole process group reaches us twice where the guard is our parent
            // and hands it on.
            let same = |&(last, when): &(i32, Duration)| {
                last == signal && at.saturating_sub(when) < ONE_SIGNAL
            };
            if self.last_signal.as_ref().is_some_and(same) {
                return;
            }
            self.last_signal = Some((signal, at));
        }
        self.stop_count += 1;
        if let Some(signal) = signal {
            self.tally.stopped_by(signal);
            self.emit(&RunEvent::Stopping { signal });
        }
        if self.stop_count == 1 {
            // A list with dependencies is read to its end, so that each task has its outcome.
            if !self.drained && self.dependencies.is_none() {
                self.source_ended();
            }
            self.decide(Event::StopRequested);
            return;
        }
        if !self.drained {
            self.source_ended();
        }
        let now = self.clock.now();
        for attempt in self.active.values_mut() {
            let cause = attempt.ending.map_or(Ending::Stopped, |(cause, _)| cause);
            attempt.ending = Some((cause, now));
            let _ = self.slots.kill(attempt.slot);
        }
    }

    /// Stops every task in place, then this process; lets them go on after.
    pub(crate) fn suspend(&mut self) {
        // As with other signals, one to the whole process group may reach us twice. The clock
        // stands still meanwhile, so the second is near however long we were stopped.
        let now = self.clock.now();
        let same = |&at: &Duration| now.saturating_sub(at) < ONE_SIGNAL;
        if self.last_suspend.as_ref().is_some_and(same) {
            return;
        }
        for attempt in self.active.values() {
            let _ = self.slots.freeze(attempt.slot);
        }
        self.clock.pause_during(|| {
            // Ours to be sent always; returns when somebody continues us.
            let _ = rustix::process::kill_process(rustix::process::getpid(), Signal::STOP);
        });
        self.last_suspend = Some(self.clock.now());
        for attempt in self.active.values_mut() {
            if !attempt.frozen && !attempt.held {
                attempt.must_thaw = self.slots.thaw(attempt.slot).is_err();
            }
        }
    }
}
