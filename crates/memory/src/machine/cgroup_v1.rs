//! The limits of a lineage of v1 memory groups.

use crate::bytes::Limit;
use crate::error::ReadError;
use crate::flaw::Flaw;
use crate::group::v1_cache;
use crate::kept::{Kept, keyed};
use crate::own_groups::GroupPath;

use super::{GroupReading, LimitKind};

/// Our group and all its ancestors that can be seen.
#[derive(Debug)]
pub(super) struct LineageV1 {
    levels: Vec<Level>,
}

#[derive(Debug)]
struct Level {
    group: std::path::PathBuf,
    limit: Kept,
    usage: Kept,
    stat: Kept,
}

impl LineageV1 {
    pub(super) fn open(own: &GroupPath) -> Result<Self, ReadError> {
        let mut levels = Vec::new();
        for dir in own.lineage() {
            // Only a root that is not the memory controller's has no such file.
            let Some(limit) = Kept::open_if_there(dir.join("memory.limit_in_bytes"))? else {
                continue;
            };
            levels.push(Level {
                group: dir.to_path_buf(),
                limit,
                usage: Kept::open(dir.join("memory.usage_in_bytes"))?,
                stat: Kept::open(dir.join("memory.stat"))?,
            });
        }
        Ok(Self { levels })
    }

    pub(super) fn read(&self, groups: &mut Vec<GroupReading>) -> Result<(), ReadError> {
        let mut smallest = Limit::Max;
        for level in &self.levels {
            let limit = level.limit.read(|text| {
                Limit::parse(text).ok_or_else(|| Flaw::garbage("a number of bytes", text))
            })?;
            if let Limit::Bytes(bytes) = limit {
                groups.push(level.reading(LimitKind::V1Limit, bytes)?);
            }
            smallest = smallest.min(limit);
        }
        let (Some(own), Some(top)) = (self.levels.first(), self.levels.last()) else {
            return Ok(());
        };
        // A container often sees nothing above its own group. The kernel tells it the smallest
        // limit of all its ancestors nevertheless.
        if let Some(bytes) = own.stat.read(hierarchical_limit)?
            && Limit::Bytes(bytes) < smallest
        {
            groups.push(top.reading(LimitKind::V1Above, bytes)?);
        }
        Ok(())
    }
}

impl Level {
    fn reading(&self, kind: LimitKind, limit_bytes: u64) -> Result<GroupReading, ReadError> {
        // Cache first: what turns from cache into use between the two is then counted as use.
        let cache_bytes = self.stat.read(v1_cache)?;
        Ok(GroupReading {
            path: self.group.clone(),
            kind,
            limit_bytes,
            usage_bytes: self.usage.number()?,
            cache_bytes,
        })
    }
}

fn hierarchical_limit(text: &str) -> Result<Option<u64>, Flaw> {
    let [limit] = keyed(text, ["hierarchical_memory_limit"])?;
    Ok(limit.and_then(|bytes| Limit::parse(&bytes.to_string()).and_then(Limit::bytes)))
}
