//! What our session holds, as one figure to compare with a threshold.

use crate::error::ReadError;
use crate::machine::{LimitKind, Machine, MachineReading};
use crate::roots::Roots;

/// What the session that we were called from holds, and what the machine says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryUsage {
    /// What the processes of the session and all of their descendants hold together. Inside a
    /// limited container: the container's working set, if that is larger.
    pub session_bytes: u64,
    /// What memory there is besides.
    pub machine: MachineReading,
}

/// Reads what our session holds. It looks at every process of the system: about 1 ms for every
/// 100 of them.
///
/// ```no_run
/// use saferun_memory::{memory_usage, show};
///
/// let usage = memory_usage()?;
/// println!("{} in use, {} left", show(usage.session_bytes), show(usage.machine.room_bytes()));
/// # Ok::<(), saferun_memory::ReadError>(())
/// ```
///
/// # Errors
/// When it can't be read, or on a system that has no way to say it.
pub fn memory_usage() -> Result<MemoryUsage, ReadError> {
    MemoryUsage::read(&Roots::default())
}

/// Whether our session holds more than the threshold; exactly the threshold is not high.
///
/// # Errors
/// As [`memory_usage`]. Memory that can't be read is neither high nor low.
pub fn is_memory_high(threshold_bytes: u64) -> Result<bool, ReadError> {
    Ok(memory_usage()?.is_high(threshold_bytes))
}

impl MemoryUsage {
    /// Reads it from the given places.
    ///
    /// # Errors
    /// As [`memory_usage`].
    pub fn read(roots: &Roots) -> Result<Self, ReadError> {
        let machine = Machine::open(roots)?.read()?;
        let processes = processes_bytes(roots)?;
        // Of a limit above all that can be seen the group's figures are no working set of ours.
        let container = machine
            .groups
            .first()
            .filter(|group| group.kind != LimitKind::V1Above)
            .map_or(0, |group| group.used_bytes());
        Ok(Self {
            session_bytes: processes.max(container),
            machine,
        })
    }

    /// Whether it is more than the threshold; exactly the threshold is not high.
    pub fn is_high(&self, threshold_bytes: u64) -> bool {
        self.session_bytes > threshold_bytes
    }
}

#[cfg(target_os = "linux")]
fn processes_bytes(roots: &Roots) -> Result<u64, ReadError> {
    crate::session::session_use_bytes(roots)
}

#[cfg(not(target_os = "linux"))]
fn processes_bytes(_: &Roots) -> Result<u64, ReadError> {
    Err(ReadError::Unknown {
        what: "the memory of a session",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_threshold_is_not_high() {
        let usage = MemoryUsage {
            session_bytes: 100,
            machine: MachineReading::default(),
        };
        assert!(usage.is_high(99));
        assert!(!usage.is_high(100));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_real_session_holds_something() {
        let usage = memory_usage().expect("readable");
        assert!(usage.session_bytes > 0);
        assert!(is_memory_high(0).expect("readable"));
        assert!(!is_memory_high(u64::MAX).expect("readable"));
    }
}
