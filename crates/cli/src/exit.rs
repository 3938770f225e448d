//! The exit codes of `saferun`, all in one place.

use std::process::ExitCode;

use saferun_executor::RunReport;

/// What a `saferun` process says by its exit status.
///
/// Where several apply, the one with the higher precedence wins: a signal, then usage, then a
/// task that does not fit, then a failed task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: everything succeeded (an empty list too).
    Success,
    /// 1: some task failed: its own exit status, a signal, a timeout, a program that could not be
    /// started. Also: nobody reads the output any more, so the rest was not run.
    TaskFailed,
    /// 2: the command line, the input or the surroundings are wrong, so that the run could not be
    /// begun or carried on.
    Usage,
    /// 3: a task can't fit the budget even alone, or was given up under pressure.
    DoesNotFit,
    /// 129: a hang-up (SIGHUP) ended the run.
    HungUp,
    /// 130: Ctrl-C (SIGINT) ended the run.
    Interrupted,
    /// 143: a termination request (SIGTERM) ended the run.
    Terminated,
    /// This process watched over another one of itself, which ended with this code: one of the
    /// above, or 128 and a signal's number if it was killed.
    Relayed(u8),
}

impl Exit {
    /// The code of a run that ended by itself or by a signal.
    pub fn of_report(report: &RunReport) -> Self {
        if let Some(signal) = report.signal {
            return Self::of_signal(signal);
        }
        if report.given_up > 0 {
            return Exit::DoesNotFit;
        }
        // A closed output ends a run early: what was skipped for it has not succeeded.
        if report.failed > 0 || report.skipped > 0 {
            return Exit::TaskFailed;
        }
        Exit::Success
    }

    /// The code of a run that this signal has ended.
    pub fn of_signal(signal: i32) -> Self {
        match signal {
            1 => Exit::HungUp,
            15 => Exit::Terminated,
            _ => Exit::Interrupted,
        }
    }

    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::TaskFailed => 1,
            Exit::Usage => 2,
            Exit::DoesNotFit => 3,
            Exit::HungUp => 129,
            Exit::Interrupted => 130,
            Exit::Terminated => 143,
            Exit::Relayed(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(failed: u64, given_up: u64, skipped: u64, signal: Option<i32>) -> RunReport {
        RunReport {
            failed,
            given_up,
            skipped,
            signal,
            ..RunReport::default()
        }
    }

    #[test]
    fn precedence() {
        let code = |failed, given_up, skipped, signal| {
            Exit::of_report(&report(failed, given_up, skipped, signal)).code()
        };
        assert_eq!(code(0, 0, 0, None), 0);
        assert_eq!(code(2, 0, 0, None), 1);
        assert_eq!(code(0, 0, 1, None), 1);
        assert_eq!(code(2, 1, 0, None), 3);
        assert_eq!(code(2, 1, 3, Some(2)), 130);
        assert_eq!(code(0, 0, 0, Some(15)), 143);
        assert_eq!(code(0, 1, 0, Some(1)), 129);
    }
}
