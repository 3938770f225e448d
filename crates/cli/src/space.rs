//! How much space files take.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What all that lies in a directory takes, in bytes: its blocks on the disk, or in memory where
/// the file system lies there. Never through links; what can't be read counts nothing, and
/// directories themselves don't count.
///
/// Blocks, not lengths: a file with holes takes less than it is long, and many small ones more.
pub(crate) fn space_taken(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else {
        return 0;
    };
    entries
        .flatten()
        .filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)))
        .map(|(path, metadata)| {
            if metadata.is_dir() {
                space_taken(&path)
            } else {
                // The unit of this field, whatever the file system's blocks are.
                metadata.blocks().saturating_mul(512)
            }
        })
        .fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_take_nothing_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let below = dir.path().join("below");
        fs::create_dir(&below).unwrap();
        fs::write(below.join("full"), vec![1; 1 << 20]).unwrap();
        let holes = fs::File::create(below.join("holes")).unwrap();
        holes.set_len(1 << 30).unwrap();
        std::os::unix::fs::symlink("/", dir.path().join("root")).unwrap();
        let taken = space_taken(dir.path());
        assert!((1 << 20..2 << 20).contains(&taken), "{taken}");
        assert_eq!(space_taken(&dir.path().join("missing")), 0);
    }
}
