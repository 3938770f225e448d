//! How long a command line may be on this system.

use std::os::unix::ffi::OsStrExt;

use rustix::process::{Resource, getrlimit};
use saferun_executor::CommandSpec;

/// The longest single argument that Linux takes, its closing NUL included (32 pages of 4 KiB).
pub(super) const ONE_ARGUMENT: usize = 128 * 1024;

/// Room kept for the variables that every task gets on top of our environment.
const OWN_VARIABLES: usize = 4096;

/// The system's limits on arguments and environment, less what our environment takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct ArgumentLimits {
    /// For the arguments together, in bytes, pointers included.
    pub total: usize,
}

impl ArgumentLimits {
    /// The limits of this process's children.
    pub(super) fn of_this_process() -> Self {
        // A quarter of the stack's limit, at least 128 KiB and at most 6 MiB: execve(2).
        let stack = getrlimit(Resource::Stack).current.unwrap_or(u64::MAX);
        let space = usize::try_from(stack / 4)
            .unwrap_or(usize::MAX)
            .clamp(128 << 10, 6 << 20);
        let environment: usize = std::env::vars_os()
            .map(|(name, value)| cost(name.len() + 1 + value.len()))
            .sum();
        Self {
            total: space.saturating_sub(environment + OWN_VARIABLES),
        }
    }

    /// Why `command` can't be started, if it is too long.
    pub(super) fn refuses(&self, command: &CommandSpec) -> Option<TooLong> {
        let words = std::iter::once(&command.program).chain(&command.args);
        let mut total = 0;
        for word in words {
            let length = word.as_bytes().len();
            if length + 1 > ONE_ARGUMENT {
                return Some(TooLong {
                    bytes: length,
                    limit: ONE_ARGUMENT - 1,
                });
            }
            total += cost(length);
        }
        for (name, value) in &command.env {
            total += cost(name.len() + 1 + value.len());
        }
        // The program's path is copied once more.
        total += cost(command.program.len());
        (total > self.total).then_some(TooLong {
            bytes: total,
            limit: self.total,
        })
    }
}

/// By how much something is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong {
    /// Its length in bytes.
    pub bytes: usize,
    /// The longest that is taken.
    pub limit: usize,
}

/// What one string costs: its bytes, its NUL, its pointer.
fn cost(length: usize) -> usize {
    length + 1 + size_of::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_argument_and_the_sum_are_bounded() {
        let limits = ArgumentLimits { total: 300_000 };
        let long = |n: usize| "x".repeat(n);
        assert_eq!(
            limits.refuses(&CommandSpec::new("p", [long(131_071)])),
            None
        );
        let refused = limits.refuses(&CommandSpec::new("p", [long(131_072)]));
        assert_eq!(
            refused,
            Some(TooLong {
                bytes: 131_072,
                limit: 131_071
            })
        );
        let three = CommandSpec::new("p", [long(100_000), long(100_000), long(100_000)]);
        assert!(limits.refuses(&three).is_some());
    }
}
