//! Each kind of containment: whether it is taken, why a better one isn't, and what would help.

use saferun_executor::{GroupStanding, Tier};

use crate::command::scope::Decision;

/// What there is to tell by.
#[derive(Debug, Clone)]
pub(super) struct Tiers {
    /// The one that would be used.
    pub(super) taken: Tier,
    /// Our own group.
    pub(super) group: GroupStanding,
    /// Why tasks can't be isolated, if so.
    pub(super) isolation: Result<(), String>,
    /// What would be done about a scope of our own.
    pub(super) scope: Decision,
    /// What would be done about it if somebody asked.
    pub(super) scope_if_asked: Decision,
}

/// One line, and where there is more to know, another.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) text: String,
    pub(super) more: Option<String>,
}

impl Row {
    fn new(name: &'static str, text: impl Into<String>, more: Option<&str>) -> Self {
        Self {
            name,
            text: text.into(),
            more: more.map(str::to_owned),
        }
    }
}

/// All of them, the best first.
pub(super) fn rows(tiers: &Tiers) -> Vec<Row> {
    vec![
        v2(tiers),
        v1(tiers),
        trees(tiers),
        isolation(tiers),
        scope(tiers),
    ]
}

fn v2(tiers: &Tiers) -> Row {
    let name = "cgroup v2";
    if tiers.taken == Tier::CgroupV2 {
        return Row::new(
            name,
            "taken, the best there is",
            Some(
                "memory.high slows growth down below the budget, memory.max and pids.max are the last lines; nothing better can be had",
            ),
        );
    }
    let why = match &tiers.group.v2 {
        Err(why) => format!("no: {why}"),
        Ok(()) => String::from("no: our own group seems to be ours, but none can be used in it"),
    };
    let more = match (&tiers.scope_if_asked, tiers.group.unified_memory) {
        (_, false) => {
            "a kernel started with cgroup_no_v1=all or systemd.unified_cgroup_hierarchy=1 has it there: growth is slowed down then instead of failing, and a task is killed in one write"
        }
        (Decision::Ask(..), true) => {
            "--scope auto asks systemd for a group of our own, which would do"
        }
        (_, true) => {
            "with a group of our own that has the memory controller it could be had: as root, or delegated to us, as by systemd-run --user --scope -p Delegate=yes"
        }
    };
    Row::new(name, why, Some(more))
}

fn v1(tiers: &Tiers) -> Row {
    let name = "cgroup v1";
    match (tiers.taken, &tiers.group.v1) {
        (Tier::CgroupV2, _) => Row::new(name, "not needed", None),
        (Tier::CgroupV1, _) => Row::new(
            name,
            "taken",
            Some(
                "growth waits at the limit in the kernel, and is stopped before it; while the limit is reached, system calls of tasks may fail, and such tasks are run again",
            ),
        ),
        (Tier::Tree, _) if tiers.group.unified_memory => {
            Row::new(name, "no: the memory controller is that of cgroup v2", None)
        }
        (Tier::Tree, Ok(())) => Row::new(
            name,
            "no: our own memory group seems to be ours, but none can be used in it",
            None,
        ),
        (Tier::Tree, Err(why)) => Row::new(
            name,
            format!("no: {why}"),
            Some(
                "with a memory group that we may write to it could be had: as root, or in one that root has made and given to us",
            ),
        ),
    }
}

fn trees(tiers: &Tiers) -> Row {
    let name = "trees";
    if tiers.taken != Tier::Tree {
        return Row::new(name, "process trees: not needed", None);
    }
    Row::new(
        name,
        "process trees: taken, as they can be had everywhere",
        Some(
            "memory is read every few milliseconds and growth stopped by signals, so that what fills several GiB a second can break through; nothing bounds the number of processes",
        ),
    )
}

fn isolation(tiers: &Tiers) -> Row {
    let name = "isolation";
    match &tiers.isolation {
        Ok(()) => Row::new(
            name,
            "a PID namespace can be had (--isolate pid)",
            Some(
                "in it nothing outlives the guard, even when saferun and the guard are killed at once; tasks see only each other",
            ),
        ),
        Err(why) => Row::new(name, why.as_str(), None),
    }
}

fn scope(tiers: &Tiers) -> Row {
    let name = "scope";
    match (&tiers.scope, &tiers.scope_if_asked) {
        (Decision::Ask(..), _) => Row::new(
            name,
            "one of our own will be asked for (scope is auto)",
            Some("what the manager grants is read back there"),
        ),
        (Decision::Settled, _) => Row::new(
            name,
            "we are in one of our own, and memory and pids are handed down to it",
            None,
        ),
        (Decision::Lacking(what), _) => Row::new(
            name,
            format!("we are in one of our own, but {what}"),
            Some(
                "a user manager has them to hand down where its own service is delegated them: Delegate=yes for user@.service",
            ),
        ),
        (Decision::StayBecause(why), _) => Row::new(name, format!("none of our own: {why}"), None),
        (Decision::Stay, Decision::Ask(..)) => Row::new(
            name,
            "--scope auto would ask for one of our own",
            Some(
                "it also takes us out of the terminal's, so that a killer of whole groups doesn't take the terminal along",
            ),
        ),
        (Decision::Stay, _) => {
            Row::new(name, "none of our own is needed, or would be of use", None)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    fn text(tiers: &Tiers) -> String {
        let mut out = String::new();
        for row in rows(tiers) {
            let _ = writeln!(out, "{:11} {}", row.name, row.text);
            if let Some(more) = row.more {
                let _ = writeln!(out, "{:11} = {more}", "");
            }
        }
        out
    }

    fn v2(why: Result<(), &str>) -> GroupStanding {
        GroupStanding {
            v2: why.map_err(str::to_owned),
            v1: Err("this kernel has no memory groups of cgroup v1 mounted".into()),
            unified_memory: true,
            controllers: vec!["memory".into(), "pids".into()],
        }
    }

    fn v1(why: Result<(), &str>) -> GroupStanding {
        GroupStanding {
            v2: Err("the memory controller is in a tree of its own, that of cgroup v1".into()),
            v1: why.map_err(str::to_owned),
            unified_memory: false,
            controllers: Vec::new(),
        }
    }

    #[test]
    fn where_v2_is_taken() {
        insta::assert_snapshot!(text(&Tiers {
            taken: Tier::CgroupV2,
            group: v2(Ok(())),
            isolation: Ok(()),
            scope: Decision::Stay,
            scope_if_asked: Decision::Stay,
        }));
    }

    #[test]
    fn where_v2_is_taken_in_a_scope() {
        insta::assert_snapshot!(text(&Tiers {
            taken: Tier::CgroupV2,
            group: v2(Ok(())),
            isolation: Ok(()),
            scope: Decision::Settled,
            scope_if_asked: Decision::Settled,
        }));
    }

    #[test]
    fn where_a_terminal_shares_our_group() {
        insta::assert_snapshot!(text(&Tiers {
            taken: Tier::Tree,
            group: v2(Err(
                "others live in our own control group /sys/fs/cgroup/user.slice/term.scope too (3 processes)"
            )),
            isolation: Err("no PID namespace can be had: user.max_user_namespaces is 0 here; root is not bound by it, and a larger number would permit it".into()),
            scope: Decision::Stay,
            scope_if_asked: Decision::Ask("/usr/bin/systemd-run".into(), false),
        }));
    }

    #[test]
    fn where_the_manager_granted_nothing() {
        let mut group = v2(Err(
            "the memory controller of cgroup v2 isn't handed down to our own group /sys/fs/cgroup/run.scope",
        ));
        group.controllers = vec!["pids".into()];
        let lacking = Decision::Lacking("the manager has handed down no memory controller".into());
        insta::assert_snapshot!(text(&Tiers {
            taken: Tier::Tree,
            group,
            isolation: Ok(()),
            scope: lacking.clone(),
            scope_if_asked: lacking,
        }));
    }

    #[test]
    fn where_v1_is_taken() {
        let none = Decision::StayBecause(
            "it is of use only with cgroup v2, which has no memory controller here".into(),
        );
        insta::assert_snapshot!(text(&Tiers {
            taken: Tier::CgroupV1,
            group: v1(Ok(())),
            isolation: Ok(()),
            scope: Decision::Stay,
            scope_if_asked: none,
        }));
    }

    #[test]
    fn where_there_are_process_trees_only() {
        let none = Decision::StayBecause("there is no systemd-run to ask for it".into());
        insta::assert_snapshot!(text(&Tiers {
            taken: Tier::Tree,
            group: v1(Err(
                "our own memory group /sys/fs/cgroup/memory isn't writable (Permission denied)"
            )),
            isolation: Ok(()),
            scope: none.clone(),
            scope_if_asked: none,
        }));
    }
}
