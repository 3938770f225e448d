//! Files of settings, read whole and with care.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::problem;
use crate::error::CliError;

/// Nobody writes more settings than this; what is larger is another file by mistake.
const MOST_BYTES: u64 = 256 << 10;

/// All of a file.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, CliError> {
    let unreadable = |error| problem::unreadable_for(file, &error);
    // Before it is opened: opening a named pipe waits for its writer.
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(problem::unreadable(file, "it is a directory"));
    }
    if !metadata.is_file() {
        return Err(problem::unreadable(file, "it is no regular file"));
    }
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|opened| opened.take(MOST_BYTES + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(problem::unreadable(file, "it is larger than 256 KiB"));
    }
    Ok(bytes)
}
