//! The steps of a run by batches or under a threshold of session memory, in the same words as
//! those of futures within a program.

use std::time::Duration;

use saferun_executor::{Observer, RunEvent, Say};

use crate::error::plain;

/// So often a run that nobody asked about each step says that it changed its way.
const CHANGES: u32 = 20;

/// Says steps, one a line and nothing else in it.
#[derive(Debug)]
pub(crate) struct Steps {
    all: bool,
    changes: u32,
}

impl Steps {
    /// Each of them, or only that the run goes on in another way than was asked for.
    pub(crate) fn new(all: bool) -> Self {
        Self { all, changes: 0 }
    }
}

impl Observer for Steps {
    fn on(&mut self, event: &RunEvent, _: Duration, say: &mut dyn Say) {
        let RunEvent::Session(notice) = event else {
            return;
        };
        if !self.all {
            if !notice.is_notable() || self.changes >= CHANGES {
                return;
            }
            self.changes += 1;
        }
        say.say(format!("{}\n", plain(&notice.to_string())).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::said;
    use super::super::{Json, Plain, Verbose};
    use super::*;
    use saferun_executor::Notice;

    const MIB: u64 = 1 << 20;

    /// One of each.
    fn steps() -> Vec<RunEvent> {
        let bytes = 4500 * MIB;
        let steps = [
            Notice::Starting {
                tasks: 6,
                concurrency: 2,
            },
            Notice::InitialMemory { bytes: 1423 * MIB },
            Notice::Batch {
                number: 1,
                tasks: 4,
            },
            Notice::BatchComplete {
                number: 1,
                freed_bytes: Some(850 * MIB),
            },
            Notice::BatchComplete {
                number: 2,
                freed_bytes: None,
            },
            Notice::High { bytes },
            Notice::HighBeforeBatch { bytes },
            Notice::Unknown {
                reason: "refused (os error 13)".into(),
            },
            Notice::Sequential {
                number: 1,
                tasks: 3,
            },
            Notice::BackToParallel { bytes: 3500 * MIB },
            Notice::Complete {
                initial_bytes: Some(1423 * MIB),
                final_bytes: Some(1680 * MIB),
            },
        ];
        steps.map(RunEvent::Session).into()
    }

    #[test]
    fn each_step_in_its_words() {
        insta::assert_snapshot!(said(&mut Steps::new(true), &steps()));
    }

    #[test]
    fn a_change_of_the_way_is_said_without_being_asked() {
        let lines = said(&mut Steps::new(false), &steps());
        assert_eq!(
            lines.lines().collect::<Vec<_>>(),
            [
                "[SafeParallel] Memory high (4500MB), falling back to sequential",
                "[SafeParallel] Memory high before batch (4500MB), switching to sequential",
                "[SafeParallel] Memory unknown (refused), falling back to sequential",
                "[SafeParallel] Memory down (3500MB), back to parallel",
            ]
        );
        let endless: Vec<RunEvent> = steps().into_iter().cycle().take(10_000).collect();
        let lines = said(&mut Steps::new(false), &endless);
        assert_eq!(lines.lines().count(), CHANGES as usize);
    }

    #[test]
    fn nobody_else_says_them_again() {
        assert_eq!(said(&mut Verbose::default(), &steps()), "");
        assert_eq!(said(&mut Plain::new(), &steps()), "");
    }

    #[test]
    fn each_step_as_json() {
        insta::assert_snapshot!(said(&mut Json::to_stderr(), &steps()));
    }
}
