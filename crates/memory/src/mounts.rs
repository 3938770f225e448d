//! Where hierarchies of control groups are mounted.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::flaw::Flaw;

/// One mounted hierarchy of control groups, from a line of `/proc/self/mountinfo` (proc(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CgroupMount {
    /// Which group of the hierarchy the mount shows at its top, as seen from our cgroup
    /// namespace: `/`, `/docker/12ab` in a bind mount, `/../..` above the namespace's root.
    pub(crate) root: PathBuf,
    /// Where.
    pub(crate) mount_point: PathBuf,
    /// The v1 controllers (and other options), or `None` for the unified hierarchy of v2.
    pub(crate) v1_options: Option<Vec<String>>,
}

impl CgroupMount {
    /// Whether this is the v1 hierarchy with that controller.
    pub(crate) fn has_v1(&self, controller: &str) -> bool {
        self.v1_options
            .as_ref()
            .is_some_and(|options| options.iter().any(|o| o == controller))
    }
}

/// All mounts of control groups, in the order of the file: of two at one place the later hides
/// the earlier.
pub(crate) fn parse(mountinfo: &[u8]) -> Result<Vec<CgroupMount>, Flaw> {
    let mut mounts = Vec::new();
    for line in mountinfo.split(|&b| b == b'\n').filter(|l| !l.is_empty()) {
        if let Some(mount) = mount(line)? {
            mounts.push(mount);
        }
    }
    Ok(mounts)
}

/// `36 35 98:0 /root /mount/point rw,noatime master:1 - cgroup cgroup rw,memory`
fn mount(line: &[u8]) -> Result<Option<CgroupMount>, Flaw> {
    let flaw = || Flaw::garbage("a line of mountinfo", line);
    let words: Vec<&[u8]> = line.split(|&b| b == b' ').collect();
    // Any number of optional fields stands between the sixth and the dash.
    let dash = words
        .iter()
        .skip(6)
        .position(|w| *w == b"-")
        .ok_or_else(flaw)?
        + 6;
    let kind = *words.get(dash + 1).ok_or_else(flaw)?;
    if kind != b"cgroup" && kind != b"cgroup2" {
        return Ok(None);
    }
    let options = *words.get(dash + 3).ok_or_else(flaw)?;
    let v1_options = (kind == b"cgroup").then(|| {
        options
            .split(|&b| b == b',')
            .map(|o| String::from_utf8_lossy(o).into_owned())
            .collect()
    });
    Ok(Some(CgroupMount {
        root: unescape(words[3]),
        mount_point: unescape(words[4]),
        v1_options,
    }))
}

/// Blank, tab, newline and backslash stand as a backslash and three octal digits.
pub(crate) fn unescape(text: &[u8]) -> PathBuf {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        match after {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..] if first == b'\\' => {
                plain.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                rest = tail;
            }
            _ => {
                plain.push(first);
                rest = after;
            }
        }
    }
    OsString::from_vec(plain).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_of_both_kinds_are_found_among_others() {
        let text = b"22 27 0:21 / /proc rw,relatime - proc proc rw\n\
            35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 master:1 - cgroup cgroup rw,memory\n\
            33 31 0:30 /docker/a\\040b /cg/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n\
            41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n";
        let mounts = parse(text).expect("fine");
        assert_eq!(mounts.len(), 3);
        assert!(mounts[0].has_v1("memory"));
        assert!(!mounts[0].has_v1("cpu"));
        assert_eq!(mounts[1].root, PathBuf::from("/docker/a b"));
        assert!(mounts[1].has_v1("cpuacct"));
        assert_eq!(mounts[2].v1_options, None);
        assert_eq!(
            mounts[2].mount_point,
            PathBuf::from("/sys/fs/cgroup/unified")
        );
    }

    #[test]
    fn garbage_is_said() {
        for text in [
            &b"nonsense"[..],
            b"1 2 0:1 / /m rw cgroup",
            b"1 2 0:1 / /m rw - cgroup",
        ] {
            assert!(matches!(parse(text), Err(Flaw::Garbage { .. })));
        }
        assert_eq!(parse(b""), Ok(Vec::new()));
    }

    #[test]
    fn a_backslash_that_escapes_nothing_stays() {
        assert_eq!(unescape(b"/a\\134\\9\\04"), PathBuf::from("/a\\\\9\\04"));
    }
}
