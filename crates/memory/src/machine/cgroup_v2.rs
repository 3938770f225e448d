//! The limits of a lineage of v2 groups.

use std::path::PathBuf;

use crate::bytes::Limit;
use crate::error::ReadError;
use crate::flaw::Flaw;
use crate::group::v2_cache;
use crate::kept::Kept;
use crate::own_groups::GroupPath;

use super::{GroupReading, LimitKind};

/// Our group and all its ancestors that can be seen and have the memory controller. The root of
/// the hierarchy never has these files; on a hybrid system whose memory controller is v1 no
/// group has them.
#[derive(Debug)]
pub(super) struct LineageV2 {
    levels: Vec<Level>,
}

#[derive(Debug)]
struct Level {
    group: PathBuf,
    high: Kept,
    max: Kept,
    usage: Kept,
    stat: Kept,
}

impl LineageV2 {
    pub(super) fn open(own: &GroupPath) -> Result<Self, ReadError> {
        let mut levels = Vec::new();
        for dir in own.lineage() {
            let Some(max) = Kept::open_if_there(dir.join("memory.max"))? else {
                continue;
            };
            levels.push(Level {
                group: dir.to_path_buf(),
                high: Kept::open(dir.join("memory.high"))?,
                max,
                usage: Kept::open(dir.join("memory.current"))?,
                stat: Kept::open(dir.join("memory.stat"))?,
            });
        }
        Ok(Self { levels })
    }

    pub(super) fn read(&self, groups: &mut Vec<GroupReading>) -> Result<(), ReadError> {
        for level in &self.levels {
            let high = level.high.read(limit)?;
            let max = level.max.read(limit)?;
            if high == Limit::Max && max == Limit::Max {
                continue;
            }
            // Cache first: what turns from cache into use between the two is then counted as use.
            let cache_bytes = level.stat.read(v2_cache)?;
            let usage_bytes = level.usage.number()?;
            for (kind, limit) in [(LimitKind::V2High, high), (LimitKind::V2Max, max)] {
                if let Limit::Bytes(limit_bytes) = limit {
                    groups.push(GroupReading {
                        path: level.group.clone(),
                        kind,
                        limit_bytes,
                        usage_bytes,
                        cache_bytes,
                    });
                }
            }
        }
        Ok(())
    }
}

fn limit(text: &str) -> Result<Limit, Flaw> {
    Limit::parse(text).ok_or_else(|| Flaw::garbage("a number of bytes, or max", text))
}
