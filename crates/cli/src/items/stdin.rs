//! What standard input is, without reading it.

use std::io::IsTerminal;

use rustix::fs::{FileType, fstat};
use rustix::io::ioctl_fionread;

/// Whether a person types it.
pub(super) fn is_terminal() -> bool {
    std::io::stdin().is_terminal()
}

/// Whether it is a pipe, a socket or a file. A terminal or `/dev/null` in place of a list of
/// commands means that the command was forgotten.
pub(super) fn may_hold_lines() -> bool {
    let Ok(about) = fstat(std::io::stdin()) else {
        return false;
    };
    !matches!(
        FileType::from_raw_mode(about.st_mode),
        FileType::CharacterDevice
    )
}

/// Standard input of a run that doesn't read it.
#[derive(Debug, Default)]
pub(crate) struct Unread {
    said: bool,
}

impl Unread {
    /// Nothing said yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A line for the user, once, if something was sent that nobody reads. Asked before the run
    /// and after it, since the sender may be slower than we are.
    pub(crate) fn line(&mut self) -> Option<&'static str> {
        if self.said || !holds_data() {
            return None;
        }
        self.said = true;
        Some(
            "standard input was not read: to make items of its lines, write {} where the item belongs, or add -a -",
        )
    }
}

fn holds_data() -> bool {
    let stdin = std::io::stdin();
    let Ok(about) = fstat(&stdin) else {
        return false;
    };
    match FileType::from_raw_mode(about.st_mode) {
        FileType::Fifo | FileType::Socket => ioctl_fionread(&stdin).is_ok_and(|bytes| bytes > 0),
        FileType::RegularFile => {
            let at = rustix::fs::tell(&stdin).unwrap_or(0);
            u64::try_from(about.st_size).is_ok_and(|size| size > at)
        }
        _ => false,
    }
}
