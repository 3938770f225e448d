//! What files that are removed bring: space on a disk, which is no memory, or memory.

use std::path::Path;

use saferun_memory::is_in_memory;
use saferun_memory::reclaim::Figure;

/// What the files of a place count as.
pub(super) fn figure(place: Option<&Path>) -> Figure {
    if place.is_some_and(is_in_memory) {
        Figure::Files
    } else {
        Figure::Disk
    }
}
