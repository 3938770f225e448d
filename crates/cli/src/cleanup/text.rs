//! The answer for people.

use std::fmt::{Arguments, Write as _};

use saferun_memory::show;

use super::answer::{Answer, Results};
use super::ending::Gone;
use super::memory::mib;
use super::report;
use super::steps::{Done, Planned};
use super::words::{figure, outcome, processes, safe};

/// The whole answer; `tree` opens the rows of those who hold memory.
pub(super) fn text(answer: &Answer, tree: bool, acts: bool) -> String {
    let mut out = Text::default();
    out.line(format_args!("Memory Usage:"));
    out.line(format_args!("[Before] {}", answer.before.line()));
    out.line(format_args!("  {}", answer.before.meaning()));
    report::report(&mut out, &answer.facts, tree);
    if let Some(plan) = &answer.plan {
        let title = if acts {
            "What --force would do"
        } else {
            "What could be given back"
        };
        out.title(title);
        for step in plan {
            planned(&mut out, step, acts);
        }
    }
    out.title("Advice");
    out.line(format_args!("  {}", answer.advice.text));
    for why in &answer.facts.unread {
        out.line(format_args!("  note: {why}"));
    }
    for why in &answer.not_done {
        out.line(format_args!("  not done: {why}"));
    }
    if let Some(results) = &answer.results {
        done(&mut out, results);
    }
    out.into_string()
}

/// Lines.
#[derive(Debug, Default)]
pub(super) struct Text(String);

impl Text {
    /// One line.
    pub(super) fn line(&mut self, text: Arguments<'_>) {
        // Writing into a string never fails.
        let _ = writeln!(self.0, "{text}");
    }

    /// All of it.
    pub(super) fn into_string(self) -> String {
        self.0
    }

    /// The title of a part.
    pub(super) fn title(&mut self, text: &str) {
        let _ = write!(self.0, "\n{text}:\n");
    }
}

fn planned(out: &mut Text, step: &Planned, acts: bool) {
    let name = step.name;
    if let Some(hindrance) = &step.prospect.hindrance {
        out.line(format_args!("  {name:<11} {}", outcome(hindrance)));
        return;
    }
    let most = step
        .prospect
        .at_most_bytes
        .map_or_else(String::new, |bytes| format!("at most {}: ", show(bytes)));
    out.line(format_args!(
        "  {name:<11} {most}{}; cost: {}",
        step.about.does, step.about.costs
    ));
    if acts {
        for act in &step.prospect.acts {
            out.line(format_args!("  {:<11}   {act}", ""));
        }
    }
}

fn done(out: &mut Text, results: &Results) {
    out.title("Cleanup Results");
    for gone in &results.gone {
        ended(out, gone);
    }
    for step in &results.steps {
        taken(out, step);
    }
    if let Some((before, after)) = results.room_bytes {
        out.line(format_args!(
            "  can be used: {} -> {}",
            show(before),
            show(after)
        ));
    }
    if results.cache_bytes() > 0 {
        out.line(format_args!(
            "  page cache given back: {} (nobody held it, so it is not counted as freed)",
            show(results.cache_bytes())
        ));
    }
    if results.disk_bytes() > 0 {
        out.line(format_args!(
            "  space on disk given back: {} (no memory, so it is not counted as freed)",
            show(results.disk_bytes())
        ));
    }
    out.line(format_args!("Freed: {}MB", mib(results.freed_bytes())));
    out.line(format_args!("[After] {}", results.after.line()));
}

fn ended(out: &mut Text, gone: &Gone) {
    let killed = match gone.ended.killed {
        0 => String::new(),
        count => format!(", {count} of them by KILL"),
    };
    let chased = match gone.ended.chased {
        0 => String::new(),
        count => format!(", {count} of them started meanwhile"),
    };
    out.line(format_args!(
        "  {:<11} {} ({}): ended {}{killed}{chased}, held {} -> {}",
        "leftover",
        safe(&gone.leftover.program.short()),
        gone.leftover.root.pid,
        processes(gone.ended.ended),
        show(gone.before_bytes),
        show(gone.after_bytes)
    ));
    for (id, why) in &gone.ended.left {
        out.line(format_args!("  {:<11}   {} stays: {why}", "", id.pid));
    }
}

fn taken(out: &mut Text, step: &Done) {
    let taken = &step.measured.taken;
    let figures = match (taken.before_bytes, taken.after_bytes) {
        (Some(before), Some(after)) => format!(
            ", {} {} -> {}",
            figure(step.about.figure),
            show(before),
            show(after)
        ),
        _ => String::new(),
    };
    let room = match (
        step.measured.room_before_bytes,
        step.measured.room_after_bytes,
    ) {
        (Some(before), Some(after)) if !figures.is_empty() => {
            format!(", can be used {} -> {}", show(before), show(after))
        }
        _ => String::new(),
    };
    out.line(format_args!(
        "  {:<11} {}{figures}{room}",
        step.name,
        outcome(&taken.outcome)
    ));
    for act in &taken.acts {
        out.line(format_args!("  {:<11}   {act}", ""));
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use saferun_memory::leftovers::{Ended, Kept, Leftover, Leftovers};
    use saferun_memory::reclaim::{
        Allocator, HeapUse, Measured, Outcome, PageCache, Prospect, Step, Taken,
    };
    use saferun_memory::{
        DeletedFile, DeletedFiles, GroupReading, LimitKind, MachineReading, MemberHeld, ProcessId,
        Program, ProgramUse, Roots, TmpfsFile, TmpfsFiles, TreeHeld,
    };

    use super::*;
    use crate::cleanup::advice::advice;
    use crate::cleanup::facts::{Facts, Zombies};
    use crate::cleanup::memory::{Heap, HeapOf, Memory};

    const MIB: u64 = 1 << 20;

    fn memory(session_mib: u64, heap_mib: u64) -> Memory {
        Memory {
            session_bytes: Some(session_mib * MIB),
            heap: Some(Heap {
                figures: HeapUse {
                    used_bytes: heap_mib * MIB,
                    total_bytes: 2048 * MIB,
                },
                of: HeapOf::Node(2),
            }),
        }
    }

    fn id(pid: u32) -> ProcessId {
        ProcessId {
            pid,
            start_ticks: 1,
        }
    }

    fn program(script: &str) -> Program {
        Program {
            executable: "node".into(),
            script: Some(PathBuf::from(script)),
        }
    }

    fn leftover() -> Leftover {
        Leftover {
            root: id(4100),
            members: vec![id(4100), id(4101)],
            program: program("/x/mcp-server-git"),
            rss_bytes: 412 * MIB,
            age: Duration::from_secs(4 * 3600),
            evidence: vec![
                "orphaned: its parent is 1 (systemd)".to_owned(),
                "carries SAFERUN_RUN=6b05e20b-16b0-7c50b1a0, a run that is over".to_owned(),
                "nobody is connected to it".to_owned(),
            ],
            run: Some("6b05e20b-16b0-7c50b1a0".to_owned()),
            listed: std::sync::Arc::default(),
        }
    }

    fn member(pid: u32, depth: usize, name: &str, mib: u64) -> MemberHeld {
        MemberHeld {
            pid,
            depth,
            name: name.into(),
            bytes: mib * MIB,
            exact: depth > 0,
        }
    }

    fn facts() -> Facts {
        Facts {
            machine: Some(MachineReading {
                total_bytes: 16 << 30,
                available_bytes: 6 << 30,
                cached_bytes: 3 << 30,
                shared_bytes: 120 * MIB,
                groups: vec![GroupReading {
                    path: "/sys/fs/cgroup/box".into(),
                    kind: LimitKind::V2Max,
                    limit_bytes: 8 << 30,
                    usage_bytes: 3 << 30,
                    cache_bytes: 1 << 30,
                }],
                ..MachineReading::default()
            }),
            reclaimable_bytes: Some(2 << 30),
            pressure: None,
            holders: vec![ProgramUse {
                name: "code\n\u{1b}[31m".into(),
                bytes: 900 * MIB,
                exact: false,
                trees: vec![TreeHeld {
                    bytes: 900 * MIB,
                    members: vec![
                        member(100, 0, "code", 600),
                        member(101, 1, "node tsserver.js", 300),
                    ],
                }],
            }],
            leftovers: Leftovers {
                found: vec![leftover()],
                kept: vec![Kept {
                    id: id(4200),
                    program: program("/x/mcp-server-files"),
                    rss_bytes: 80 * MIB,
                    why: "leads its own session, as services do".to_owned(),
                }],
            },
            zombies: vec![Zombies {
                parent: 300,
                name: "app".into(),
                pids: vec![301, 302],
            }],
            deleted: DeletedFiles {
                files: vec![DeletedFile {
                    path: "/memfd:buffer".into(),
                    bytes: 64 * MIB,
                    in_memory: true,
                    pids: vec![100, 101],
                }],
                cut_short: false,
            },
            in_memory: TmpfsFiles {
                files: vec![TmpfsFile {
                    path: "/dev/shm/data".into(),
                    bytes: 32 * MIB,
                    user: 1000,
                }],
                cut_short: false,
            },
            agents: 3,
            unread: vec!["pressure can't be told: no".to_owned()],
            failed: false,
        }
    }

    fn answer() -> Answer {
        let before = memory(5000, 1423);
        Answer {
            advice: advice(before.session_bytes, 3),
            before,
            facts: facts(),
            plan: None,
            results: None,
            not_done: Vec::new(),
        }
    }

    #[test]
    fn the_report_and_the_plan() {
        let mut answer = answer();
        let refused = Outcome::refused("memory.reclaim can't be written", "run it as root");
        answer.plan = Some(vec![
            Planned {
                name: "allocator",
                about: Allocator.about(),
                prospect: Prospect {
                    acts: vec!["return free pages".to_owned()],
                    at_most_bytes: Some(3 * MIB),
                    hindrance: None,
                },
            },
            Planned {
                name: "page-cache",
                about: PageCache::new(&Roots::default()).about(),
                prospect: Prospect::none(refused),
            },
        ]);
        insta::assert_snapshot!("report", text(&answer, false, false));
        insta::assert_snapshot!("report_tree_and_acts", text(&answer, true, true));
    }

    #[test]
    fn the_results() {
        let mut answer = answer();
        let step = |name, about, outcome, before: u64, after: u64| Done {
            name,
            about,
            measured: Measured {
                taken: Taken {
                    outcome,
                    acts: vec!["did it".to_owned()],
                    before_bytes: Some(before * MIB),
                    after_bytes: Some(after * MIB),
                },
                room_before_bytes: Some(4 << 30),
                room_after_bytes: Some(5 << 30),
            },
        };
        let cache = PageCache::new(&Roots::default()).about();
        answer.results = Some(Results {
            steps: vec![
                step("allocator", Allocator.about(), Outcome::Done, 900, 66),
                step("page-cache", cache, Outcome::failed("no"), 1000, 300),
            ],
            gone: vec![Gone {
                leftover: leftover(),
                before_bytes: 400 * MIB,
                after_bytes: 0,
                ended: Ended {
                    ended: 3,
                    killed: 1,
                    chased: 2,
                    left: vec![(id(4101), "belongs to another user".to_owned())],
                },
            }],
            room_bytes: Some((4 << 30, 6 << 30)),
            after: memory(3766, 200),
        });
        let text = text(&answer, false, false);
        assert!(text.contains("\nFreed: 1234MB\n[After] RSS: 3766MB, Heap: 200/2048MB\n"));
        insta::assert_snapshot!("results", text);
    }
}
