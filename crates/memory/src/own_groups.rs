//! In which control groups we live, and where their directories are.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use crate::error::ReadError;
use crate::flaw::Flaw;
use crate::kept::{slurp, slurp_if_there};
use crate::mounts::{self, CgroupMount};
use crate::roots::Roots;

/// Our own group in each hierarchy that is mounted. `None` where the kernel lacks the
/// controller or nothing mounts it.
///
/// On a hybrid system both a v1 hierarchy and the unified one are there at once; a controller
/// is then in one of them only.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnGroups {
    /// In the v1 hierarchy that has the memory controller.
    pub memory_v1: Option<GroupPath>,
    /// In the v1 hierarchy that has the pids controller.
    pub pids_v1: Option<GroupPath>,
    /// In the v1 hierarchy that has the freezer.
    pub freezer_v1: Option<GroupPath>,
    /// In the unified hierarchy of v2.
    pub unified: Option<GroupPath>,
}

/// Where a group lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPath {
    /// The group's directory.
    pub dir: PathBuf,
    /// Where its hierarchy is mounted: the topmost group that can be seen.
    pub mount_point: PathBuf,
    /// Whether `dir` is the group itself. In some containers our own group can't be seen, and
    /// `dir` is then its nearest ancestor that can. Its limits bind us all the same, so it is
    /// good for reading; but it isn't ours, and nothing may be made in it: what is moved there
    /// would escape from our group's limits.
    pub exact: bool,
    /// The controllers that this hierarchy offers here: for v1 what it is mounted with, for v2
    /// what the group's `cgroup.controllers` names.
    pub controllers: Vec<String>,
}

impl GroupPath {
    /// The group's directory and those of all its ancestors that can be seen, the group first.
    pub fn lineage(&self) -> impl Iterator<Item = &Path> {
        self.dir
            .ancestors()
            .take_while(|dir| dir.starts_with(&self.mount_point))
    }

    /// Whether this controller is offered here.
    pub fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|c| c == controller)
    }
}

impl OwnGroups {
    /// Finds our groups. A kernel without control groups gives none.
    ///
    /// # Errors
    /// When `/proc/self/cgroup` or `/proc/self/mountinfo` can't be read or understood.
    pub fn read(roots: &Roots) -> Result<Self, ReadError> {
        let membership = roots.proc.join("self/cgroup");
        let Some(text) = slurp_if_there(&membership)? else {
            return Ok(Self::default());
        };
        let groups = parse_membership(&text).map_err(|flaw| flaw.at(&membership))?;
        let mountinfo = roots.proc.join("self/mountinfo");
        let mounts = mounts::parse(&slurp(&mountinfo)?).map_err(|flaw| flaw.at(&mountinfo))?;

        let v1 = |controller: &str| -> Option<GroupPath> {
            let group = groups.iter().find(|g| g.has(controller))?;
            let mounts = mounts.iter().filter(|m| m.has_v1(controller));
            let mut found = locate(roots, &group.path, mounts)?;
            found.controllers.clone_from(&group.controllers);
            Some(found)
        };
        let unified = groups
            .iter()
            .find(|g| g.unified)
            .and_then(|group| {
                let mounts = mounts.iter().filter(|m| m.v1_options.is_none());
                locate(roots, &group.path, mounts)
            })
            .map(with_controllers)
            .transpose()?;
        Ok(Self {
            memory_v1: v1("memory"),
            pids_v1: v1("pids"),
            freezer_v1: v1("freezer"),
            unified,
        })
    }
}

fn with_controllers(mut group: GroupPath) -> Result<GroupPath, ReadError> {
    // The file is missing on kernels before 4.5 alone.
    let text = slurp_if_there(&group.dir.join("cgroup.controllers"))?.unwrap_or_default();
    group.controllers = String::from_utf8_lossy(&text)
        .split_ascii_whitespace()
        .map(str::to_owned)
        .collect();
    Ok(group)
}

/// A line of `/proc/self/cgroup`: `4:memory:/docker/12ab`, for v2 `0::/user.slice`.
#[derive(Debug, PartialEq, Eq)]
struct Membership {
    unified: bool,
    controllers: Vec<String>,
    path: PathBuf,
}

impl Membership {
    fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|c| c == controller)
    }
}

fn parse_membership(text: &[u8]) -> Result<Vec<Membership>, Flaw> {
    text.split(|&b| b == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| {
            // A group's name may hold colons, so only the first two divide.
            let mut parts = line.splitn(3, |&b| b == b':');
            match (parts.next(), parts.next(), parts.next()) {
                (Some(id), Some(controllers), Some(path)) if path.starts_with(b"/") => {
                    let controllers = String::from_utf8_lossy(controllers);
                    Ok(Membership {
                        unified: id == b"0" && controllers.is_empty(),
                        controllers: controllers
                            .split(',')
                            .filter(|c| !c.is_empty())
                            .map(str::to_owned)
                            .collect(),
                        path: OsString::from_vec(path.to_vec()).into(),
                    })
                }
                _ => Err(Flaw::garbage("id:controllers:path", line)),
            }
        })
        .collect()
}

/// The group's directory in the mount that shows it and most of its ancestors.
fn locate<'m>(
    roots: &Roots,
    group: &Path,
    mounts: impl Iterator<Item = &'m CgroupMount>,
) -> Option<GroupPath> {
    let mut best: Option<GroupPath> = None;
    for mount in mounts {
        let Some(found) = locate_in(roots, group, mount) else {
            continue;
        };
        let better = best.as_ref().is_none_or(|best| {
            (found.exact, found.lineage().count()) >= (best.exact, best.lineage().count())
        });
        if better {
            best = Some(found);
        }
    }
    best
}

fn locate_in(roots: &Roots, group: &Path, mount: &CgroupMount) -> Option<GroupPath> {
    let place = mount.mount_point.strip_prefix("/").ok()?;
    let mount_point = roots.cgroup_base.join(place);
    if !mount_point.is_dir() {
        return None;
    }
    let found = |dir: PathBuf, exact| {
        Some(GroupPath {
            dir,
            mount_point: mount_point.clone(),
            exact,
            controllers: Vec::new(),
        })
    };

    let (group_up, group_down) = split_ups(group);
    let (root_up, root_down) = split_ups(&mount.root);
    if root_up > group_up && root_down.as_os_str().is_empty() {
        // The mount was made outside of our cgroup namespace and shows more than it. How the
        // groups between the two are called isn't told to us, but they can be searched for us.
        return match search(&mount_point, root_up - group_up, &group_down) {
            Some(dir) => found(dir, true),
            None => found(mount_point.clone(), false),
        };
    }
    match group_down.strip_prefix(&root_down) {
        Ok(below) if root_up == group_up => {
            let dir = mount_point.join(below);
            if dir.is_dir() {
                return found(dir, true);
            }
            // Removed, or hidden by whoever made the container: what is left of its lineage.
            let nearest = dir
                .ancestors()
                .take_while(|dir| dir.starts_with(&mount_point))
                .find(|dir| dir.is_dir())?;
            found(nearest.to_path_buf(), false)
        }
        // A mount of another branch. Some container engines without cgroup namespaces show
        // only their container's group and name it by the host's path; nothing of it is ours
        // for certain, yet its limits are the best that is known.
        _ => found(mount_point.clone(), false),
    }
}

/// `/../../a/b` -> `(2, a/b)`: how far a path leads above our cgroup namespace's root.
fn split_ups(path: &Path) -> (usize, PathBuf) {
    let mut ups = 0;
    let mut down = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => ups += 1,
            Component::Normal(name) => down.push(name),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    (ups, down)
}

/// Searches the groups `depth` levels below `top` for the one that has us in its `below`.
fn search(top: &Path, depth: usize, below: &Path) -> Option<PathBuf> {
    if depth == 0 {
        let dir = top.join(below);
        let procs = std::fs::read_to_string(dir.join("cgroup.procs")).ok()?;
        let own = std::process::id().to_string();
        return procs.lines().any(|pid| pid == own).then_some(dir);
    }
    let entries = std::fs::read_dir(top).ok()?;
    entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .find_map(|entry| search(&entry.path(), depth - 1, below))
}
