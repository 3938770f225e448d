//! The answer in plain words.

use std::fmt::Write;

use saferun_memory::{Binding, GroupReading, LimitKind, sanitised, show};

use super::facts::Facts;

/// All of it; `why` adds where each figure comes from.
pub(super) fn answer(facts: &Facts, why: bool) -> String {
    let mut text = Text {
        out: String::new(),
        why,
    };
    memory(&mut text, facts);
    holders(&mut text, facts);
    plan(&mut text, facts);
    improve(&mut text, facts);
    text.out
}

struct Text {
    out: String,
    why: bool,
}

impl Text {
    fn head(&mut self, title: &str) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        let _ = writeln!(self.out, "{title}");
    }

    fn line(&mut self, what: &str, text: &str) {
        let _ = writeln!(self.out, "  {what:11} {text}");
    }

    fn why(&mut self, text: &str) {
        if self.why {
            let _ = writeln!(self.out, "  {:11} = {text}", "");
        }
    }
}

fn memory(text: &mut Text, facts: &Facts) {
    let reading = &facts.reading;
    let binding = reading.binding();
    let binds = |this| {
        if binding == this {
            "  <- this binds"
        } else {
            ""
        }
    };
    text.head("What memory there is");
    text.line(
        "machine",
        &format!(
            "{}, {} available{}",
            show(reading.total_bytes),
            show(reading.available_bytes),
            binds(Binding::Machine)
        ),
    );
    text.why(&format!(
        "MemTotal and MemAvailable of /proc/meminfo: {} free, and what can be reclaimed of {} of file cache ({} of that is shared memory and stays)",
        show(reading.free_bytes),
        show(reading.cached_bytes),
        show(reading.shared_bytes)
    ));
    if reading.groups.is_empty() {
        text.line("container", "no limit from a container or control group");
        text.why(
            "no memory.max, memory.high or memory.limit_in_bytes of our group or one above it",
        );
    }
    for (place, group) in reading.groups.iter().enumerate() {
        text.line(
            if place == 0 { "container" } else { "above it" },
            &format!(
                "limit {}, {} used, {} room{}",
                show(group.limit_bytes),
                show(group.used_bytes()),
                show(group.room_bytes()),
                binds(Binding::Group(place))
            ),
        );
        text.why(&limit_file(group));
        text.why(&format!(
            "used: {} charged, less {} of file cache",
            show(group.usage_bytes),
            show(group.cache_bytes)
        ));
    }
    let swap = match reading.swap_total_bytes {
        0 => String::from("none"),
        total => format!(
            "{}, {} of it free",
            show(total),
            show(reading.swap_free_bytes)
        ),
    };
    text.line("swap", &swap);
    text.why("SwapTotal and SwapFree of /proc/meminfo; it is never counted as room");
    match &facts.pressure {
        Some(pressure) => {
            let calm = pressure.some.avg10 < 1.0;
            text.line(
                "pressure",
                &format!(
                    "{}: in the last 10 s something waited for memory {:.1}% of the time, everything {:.1}%",
                    if calm { "calm" } else { "felt" },
                    pressure.some.avg10,
                    pressure.full.avg10
                ),
            );
            text.why("avg10 of some and full in /proc/pressure/memory");
        }
        None => text.line("pressure", "this kernel doesn't say"),
    }
}

fn limit_file(group: &GroupReading) -> String {
    let path = group.path.display();
    match group.kind {
        LimitKind::V1Limit => format!("{path}/memory.limit_in_bytes; beyond it the kernel kills"),
        LimitKind::V1Above => format!(
            "hierarchical_memory_limit in {path}/memory.stat: a limit above all groups that can be seen here"
        ),
        LimitKind::V2High => {
            format!("{path}/memory.high; beyond it the kernel slows down and reclaims")
        }
        LimitKind::V2Max => format!("{path}/memory.max; beyond it the kernel kills"),
    }
}

fn holders(text: &mut Text, facts: &Facts) {
    text.head("Who holds it");
    match &facts.holders {
        Ok(holders) => {
            for holder in holders {
                text.line(
                    &show(holder.rss_bytes),
                    &format!("{} (process {})", sanitised(&holder.name), holder.pid),
                );
            }
            text.why("resident memory of each process, what it shares with others included");
        }
        Err(error) => text.line("unknown", error),
    }
    match &facts.session {
        Ok(session) => {
            let processes = match session.processes {
                1 => String::from("process"),
                count => format!("{count} processes"),
            };
            text.line(
                &show(session.bytes),
                &format!("this session's {processes} together"),
            );
            text.why("Pss of /proc/PID/smaps_rollup of each process with our session id, and of their children");
        }
        Err(error) => text.line("unknown", &format!("this session's processes: {error}")),
    }
}

fn plan(text: &mut Text, facts: &Facts) {
    let plan = &facts.plan;
    text.head("What saferun run -j auto would do now");
    text.line(
        "budget",
        &format!("{} for all tasks together", show(plan.budget_bytes)),
    );
    text.why(&format!(
        "the least room under any of the limits above, less the reserve; {} if nobody else used memory",
        show(plan.undisturbed_bytes)
    ));
    text.line(
        "reserve",
        &format!("{} left free for everything else", show(plan.reserve_bytes)),
    );
    text.why("of the machine 5 %, at least 64 MiB; under a container's limit 2 %, at least 12 MiB (4 % and 24 MiB where growth can't be stopped by a group's limit); --reserve sets it");
    text.line("contained", &format!("by {}", plan.containment));
    text.why(if plan.brake {
        "growth stops at the budget by itself, so tasks are started without knowing what they need"
    } else {
        "memory is read every few milliseconds, and what grows too far is stopped by a signal"
    });
    text.line(
        "cores",
        &format!(
            "{}: so many tasks may be busy on the CPU; tasks that wait cost none",
            plan.cores
        ),
    );
    text.line(
        "first",
        &match plan.first_starts {
            0 => String::from("none of the tasks of which nothing is known would start now"),
            1 => String::from("1 task of which nothing is known would start at once"),
            count => format!("{count} tasks of which nothing is known would start at once"),
        },
    );
    text.why("the scheduler's own answer for a list of like tasks; more follow as it learns what they need (--task-memory tells it)");
}

fn improve(text: &mut Text, facts: &Facts) {
    let mut notes = facts.plan.notes.clone();
    if facts.plan.first_starts == 0 {
        notes.push(String::from(
            "free memory, or stop what holds most of it (see above)",
        ));
    }
    if notes.is_empty() {
        return;
    }
    text.head("Worth knowing");
    for note in notes {
        let _ = writeln!(text.out, "  - {note}");
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::super::facts::Plan;
    use super::*;
    use saferun_memory::{Holder, MachineReading, Pressure, SessionUse};

    pub(in super::super) fn facts() -> Facts {
        const MIB: u64 = 1 << 20;
        Facts {
            reading: MachineReading {
                total_bytes: 4096 * MIB,
                available_bytes: 3000 * MIB,
                free_bytes: 2000 * MIB,
                cached_bytes: 1100 * MIB,
                groups: vec![GroupReading {
                    path: "/sys/fs/cgroup/memory/cage".into(),
                    kind: LimitKind::V1Limit,
                    limit_bytes: 600 * MIB,
                    usage_bytes: 120 * MIB,
                    cache_bytes: 80 * MIB,
                }],
                ..MachineReading::default()
            },
            holders: Ok(vec![Holder {
                pid: 4711,
                parent: Some(1),
                name: "rustc\u{1b}[31m".into(),
                rss_bytes: 700 * MIB,
            }]),
            session: Ok(SessionUse {
                bytes: 40 * MIB,
                processes: 3,
                by_resident: 0,
            }),
            pressure: Some(Pressure::default()),
            plan: Plan {
                containment: "process trees".into(),
                brake: false,
                notes: vec!["no control group can be made here".into()],
                budget_bytes: 536 * MIB,
                reserve_bytes: 24 * MIB,
                undisturbed_bytes: 576 * MIB,
                cores: NonZeroUsize::new(2).unwrap(),
                first_starts: 2,
            },
        }
    }

    #[test]
    fn in_plain_words() {
        insta::assert_snapshot!(answer(&facts(), false));
    }

    #[test]
    fn with_the_derivations() {
        insta::assert_snapshot!(answer(&facts(), true));
    }

    #[test]
    fn as_json() {
        insta::assert_snapshot!(super::super::json::answer(&facts()));
    }
}
