//! The machine's memory where there is no `/proc`: what sysinfo says.

use crate::error::ReadError;
use crate::roots::Roots;

use super::MachineReading;

/// Knows no limits but the machine's: no other system has control groups.
#[derive(Debug)]
pub(super) struct System {
    system: sysinfo::System,
}

impl System {
    pub(super) fn open(_roots: &Roots) -> Result<Self, ReadError> {
        match sysinfo::System::new() {
            Ok(system) => Ok(Self { system }),
            Err(cause) => Err(ReadError::Portable {
                what: "the machine's memory",
                cause: cause.into(),
            }),
        }
    }

    pub(super) fn read(&mut self) -> Result<MachineReading, ReadError> {
        self.system.refresh_memory();
        let total_bytes = self.system.total_memory();
        if total_bytes == 0 {
            return Err(ReadError::Unknown {
                what: "the machine's memory",
            });
        }
        let free_bytes = self.system.free_memory();
        let available_bytes = self.system.available_memory().min(total_bytes);
        Ok(MachineReading {
            total_bytes,
            available_bytes,
            free_bytes,
            cached_bytes: available_bytes.saturating_sub(free_bytes),
            swap_total_bytes: self.system.total_swap(),
            swap_free_bytes: self.system.free_swap(),
            // Not told apart there.
            shared_bytes: 0,
            groups: Vec::new(),
        })
    }
}
