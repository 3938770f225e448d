//! What happened, in words.

use std::ffi::OsString;
use std::time::Duration;

use saferun_executor::AttemptEnd;
use saferun_memory::show;
use saferun_scheduler::{GiveUpReason, Hold, SkipReason};

use crate::error::plain;
use crate::printable;

/// A length of time as people read it.
pub(crate) fn length(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds >= 3600 {
        format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60)
    } else if seconds >= 60 {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}

/// How an attempt ended, to follow "it".
pub(crate) fn end(end: &AttemptEnd) -> String {
    match end {
        AttemptEnd::Exited(0) => String::from("succeeded"),
        AttemptEnd::Exited(status) => format!("exit status {status}"),
        AttemptEnd::Signaled(number) => format!("killed by {}", signal(*number)),
        AttemptEnd::TimedOut => String::from("timed out"),
        AttemptEnd::NotStarted(why) => format!("not started: {}", plain(why)),
        AttemptEnd::Victim(why) => format!("victim of pressure: {}", plain(why)),
        AttemptEnd::Preempted => String::from("ended to make room"),
        AttemptEnd::Stopped => String::from("stopped with the run"),
        AttemptEnd::GivenUp(reason) => format!("given up: {}", give_up(reason)),
    }
}

/// Why a task can't be finished.
pub(crate) fn give_up(reason: &GiveUpReason) -> String {
    match *reason {
        GiveUpReason::DeclaredAboveBudget {
            declared_bytes,
            budget_bytes,
        } => format!(
            "it is said to need {}, and the budget is {}",
            show(declared_bytes),
            show(budget_bytes)
        ),
        GiveUpReason::ExceedsBudgetAlone {
            reached_bytes,
            budget_bytes,
        } => format!(
            "alone it reached {} of a budget of {} and wanted more",
            show(reached_bytes),
            show(budget_bytes)
        ),
        GiveUpReason::ForeignMemory {
            reached_bytes,
            foreign_bytes,
            waited_seconds,
        } => format!(
            "it held {} and waited {waited_seconds} s for more, while other programs held {}",
            show(reached_bytes),
            show(foreign_bytes)
        ),
        GiveUpReason::Pressure {
            reached_bytes,
            needed_bytes,
            free_bytes,
        } => format!(
            "it held {}, {} more were needed and {} were free, and nothing may be restarted",
            show(reached_bytes),
            show(needed_bytes),
            show(free_bytes)
        ),
    }
}

/// Why nothing more is started.
pub(crate) fn hold(hold: &Hold) -> String {
    String::from(match *hold {
        Hold::Concurrency => "as many run as may",
        Hold::Cores => "the cores are busy",
        Hold::Memory {
            needed_bytes,
            headroom_bytes,
        } => {
            return format!(
                "the next task may need {}, and {} can be given",
                show(needed_bytes),
                show(headroom_bytes)
            );
        }
        Hold::Stalled => "what runs needs more memory than is free",
        Hold::Alone => "a task runs alone",
        Hold::Ended => "what was ended to make room waits for another to finish",
        Hold::Batch => "the next batch waits for the end of this one and for memory to be measured",
        Hold::Refused => "the system can start no further process now",
        Hold::Unread => "memory is being read",
        Hold::Stopped => "the run ends",
    })
}

/// Why a task was not run; `culprit` is the name of the one that it was skipped for.
pub(crate) fn skip(reason: SkipReason, culprit: Option<&OsString>) -> String {
    String::from(match (reason, culprit) {
        (SkipReason::Stopped, _) => "the run was stopped",
        (SkipReason::Halted, _) => "the run was halted",
        (SkipReason::Dependency { .. }, Some(name)) => {
            return format!(
                "it depends on {}, which did not succeed",
                printable::name(name)
            );
        }
        (SkipReason::Dependency { .. }, None) => "what it depends on did not succeed",
    })
}

/// What a signal does to the run; `again` if it is not the first.
pub(crate) fn stopping(number: i32, again: bool) -> String {
    let name = signal(number);
    if again {
        format!("{name} again: killing the tasks")
    } else {
        format!("{name}: ending the tasks; once more kills them")
    }
}

/// A signal by name.
pub(crate) fn signal(number: i32) -> String {
    let name = match number {
        1 => "HUP",
        2 => "INT",
        3 => "QUIT",
        4 => "ILL",
        6 => "ABRT",
        7 => "BUS",
        8 => "FPE",
        9 => "KILL",
        11 => "SEGV",
        13 => "PIPE",
        14 => "ALRM",
        15 => "TERM",
        _ => return format!("signal {number}"),
    };
    format!("SIG{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        let text = |ms| length(Duration::from_millis(ms));
        assert_eq!(text(1234), "1.2 s");
        assert_eq!(text(83_000), "1 min 23 s");
        assert_eq!(text(7_380_000), "2 h 03 min");
    }
}
