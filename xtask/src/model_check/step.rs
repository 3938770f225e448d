//! What can happen next.

use saferun_scheduler::Exit;

use super::task::{GROWN, Place, Task};
use super::world::{FOREIGN_READINGS, World};

/// One thing that can happen. Tasks are numbered from 0 in the order of their arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// 20 ms pass; those whose bit is set grow as far as there is room; memory is read, or can't
    /// be.
    Read { grow: u8, readable: bool },
    /// A task's attempt ends.
    Exit { task: u8, exit: Exit },
    /// The checkpoint between two batches is reported.
    Checkpoint,
    /// Others take memory.
    Take,
    /// They give it back.
    GiveBack,
    /// Somebody wants the run to end.
    Stop,
    /// Ctrl-Z, and after half a minute the run goes on: nobody did anything meanwhile.
    Suspend,
}

impl World {
    /// Everything that may happen now.
    pub(super) fn steps(&self) -> Vec<Step> {
        if self.checkpoint {
            return vec![Step::Checkpoint];
        }
        let mut steps = Vec::new();
        for (task, state) in (0..).zip(&self.tasks) {
            let mut exit = |exit| steps.push(Step::Exit { task, exit });
            let ready = state.grown == GROWN;
            match state.place {
                Place::Waiting | Place::Final(_) => continue,
                Place::Running if ready => {
                    exit(Exit::Success);
                    if self.mishaps > 0 {
                        exit(Exit::Failure);
                    }
                }
                // It may be done before the order to end reaches it.
                Place::Ending(_) => {
                    exit(Exit::Ended);
                    if ready {
                        exit(Exit::Success);
                    }
                }
                Place::Running | Place::Frozen => {}
            }
            if self.mishaps > 0 {
                exit(Exit::Victim);
            }
        }
        self.add_readings(&mut steps);
        if self.mishaps > 0 && !self.stopped {
            steps.push(Step::Stop);
        }
        if self.mishaps > 0 && self.tasks.iter().any(Task::is_active) {
            steps.push(Step::Suspend);
        }
        match self.foreign {
            Some(_) => steps.push(Step::GiveBack),
            None if self.mishaps > 0 => steps.push(Step::Take),
            None => {}
        }
        steps
    }

    /// The readings before which each task either grows or pauses, as it may.
    fn add_readings(&self, steps: &mut Vec<Step>) {
        if self.foreign == Some(FOREIGN_READINGS) {
            return;
        }
        let (mut must, mut may) = (0_u8, 0_u8);
        for (number, task) in self.tasks.iter().enumerate() {
            let bit = 1 << number;
            match task.place {
                Place::Ending(0) => return,
                Place::Running if task.grown == GROWN && task.pauses == 0 => return,
                Place::Running if task.grown < GROWN && task.pauses == 0 => must |= bit,
                Place::Running if task.grown < GROWN => may |= bit,
                _ => {}
            }
        }
        // Every subset of those that may, the largest first.
        let mut subset = may;
        loop {
            let grow = must | subset;
            let readable = true;
            steps.push(Step::Read { grow, readable });
            if self.mishaps > 0 {
                let readable = false;
                steps.push(Step::Read { grow, readable });
            }
            if subset == 0 {
                return;
            }
            subset = (subset - 1) & may;
        }
    }
}
