//! The answer in plain words.

use std::fmt::Write;

use saferun_executor::BudgetBinding;
use saferun_memory::{GroupReading, LimitKind, sanitised, show};

use super::facts::{Facts, Plan};
use super::tiers::rows;
use crate::error::plain;
use crate::printable::printable;

/// All of it; `why` adds where each figure comes from.
pub(super) fn answer(facts: &Facts, why: bool) -> String {
    let mut text = Text {
        out: String::new(),
        why,
    };
    memory(&mut text, facts);
    holders(&mut text, facts);
    settings(&mut text, facts);
    plan(&mut text, facts);
    if why {
        contained(&mut text, facts);
    }
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
    let binding = facts.plan.binding;
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
            binds(BudgetBinding::Machine)
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
                binds(BudgetBinding::Group(place))
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

fn settings(text: &mut Text, facts: &Facts) {
    text.head("What is set");
    match &facts.settings {
        Ok(settings) => {
            for setting in settings {
                let value = printable(setting.value.to_string().as_ref(), 60);
                let _ = writeln!(
                    text.out,
                    "  {} = {value} ({})",
                    setting.name, setting.source
                );
            }
            if settings.is_empty() {
                text.line("nothing", "all is as built in");
            }
        }
        Err(error) => text.line("wrong", error),
    }
    text.why(
        "variables, .env, saferun.toml and the user's configuration; saferun config show tells all",
    );
}

fn plan(text: &mut Text, facts: &Facts) {
    let plan = &facts.plan;
    text.head("What saferun run -j auto would do now");
    text.line(
        "budget",
        &format!("{} for all tasks together", show(plan.budget_bytes)),
    );
    text.why(&derivation(facts));
    if plan.binding == BudgetBinding::Configured {
        text.line("reserve", "what lies beyond the budget is left free");
    } else {
        text.line(
            "reserve",
            &format!("{} left free for everything else", show(plan.reserve_bytes)),
        );
        text.why(reserve(plan));
    }
    text.line(
        "brake",
        &format!(
            "growth is held back from {} on",
            show(plan.budget_bytes.saturating_sub(plan.brake_margin_bytes))
        ),
    );
    text.why(&format!(
        "{} below the budget, more once something has grown in a burst; the task longest at work is held last",
        show(plan.brake_margin_bytes)
    ));
    text.line("contained", &format!("by {}", plan.containment));
    text.why(if plan.hard_limit {
        "growth stops at the budget by itself: the kernel lets it wait there until there is room"
    } else {
        "memory is read every few milliseconds, and what grows too far is stopped by a signal; something that fills several GiB a second can still break through"
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
            0 => String::from("nothing would start now: this is too little to run anything"),
            1 => String::from("1 task of which nothing is known would start at once"),
            count => format!("{count} tasks of which nothing is known would start at once"),
        },
    );
    text.why("the scheduler's own answer for a list of like tasks; more follow as it learns what they need (--task-memory tells it)");
}

fn contained(text: &mut Text, facts: &Facts) {
    text.head("How tasks can be contained, the best first");
    for row in rows(&facts.tiers) {
        text.line(row.name, &plain(&row.text));
        if let Some(more) = row.more {
            text.why(&more);
        }
    }
}

/// How the budget follows from the limit that binds.
fn derivation(facts: &Facts) -> String {
    let plan = &facts.plan;
    let budget = show(plan.budget_bytes);
    if plan.binding == BudgetBinding::Configured {
        return String::from("memory, as set above");
    }
    let group = match plan.binding {
        BudgetBinding::Group(place) => facts.reading.groups.get(place),
        BudgetBinding::Machine | BudgetBinding::Configured => None,
    };
    let Some(group) = group else {
        return format!(
            "{} available, less the reserve",
            show(facts.reading.available_bytes)
        );
    };
    let room = group.room_bytes();
    let kept = room.saturating_sub(plan.budget_bytes);
    if kept < plan.reserve_bytes {
        return format!(
            "{} of room under the limit that binds, less {} of the reserve; the brake keeps the rest of it free, and only what slips past it gets up to {budget}",
            show(room),
            show(kept)
        );
    }
    format!(
        "{} of room under the limit that binds, less the reserve",
        show(room)
    )
}

/// Where the reserve comes from.
fn reserve(plan: &Plan) -> &'static str {
    match (plan.binding, plan.hard_limit) {
        (BudgetBinding::Group(_), true) => {
            "2 % of the limit that binds, at least 12 MiB; --reserve sets it"
        }
        (BudgetBinding::Group(_), false) => {
            "4 % of the limit that binds, at least 24 MiB, since growth can't be stopped by a group's limit; --reserve sets it"
        }
        (BudgetBinding::Machine | BudgetBinding::Configured, _) => {
            "5 % of the machine, at least 64 MiB; --reserve sets it"
        }
    }
}

fn improve(text: &mut Text, facts: &Facts) {
    let mut notes = facts.plan.notes.clone();
    if facts.plan.first_starts == 0 {
        notes.push(String::from(
            "stop what holds most of the memory, or raise the limit that binds",
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

    use saferun_executor::{GroupStanding, Tier};

    use super::super::facts::Setting;
    use super::super::tiers::Tiers;
    use super::*;
    use crate::command::scope::Decision;
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
            settings: Ok(vec![Setting {
                name: "preempt",
                value: "eager".into(),
                source: "saferun.toml:3:11".into(),
            }]),
            plan: Plan {
                containment: "process trees".into(),
                hard_limit: false,
                notes: vec!["no control group can be made here".into()],
                budget_bytes: 536 * MIB,
                reserve_bytes: 24 * MIB,
                binding: BudgetBinding::Group(0),
                brake_margin_bytes: 24 * MIB,
                cores: NonZeroUsize::new(2).unwrap(),
                first_starts: 2,
            },
            tiers: Tiers {
                taken: Tier::Tree,
                group: GroupStanding {
                    v2: Err("no control groups are mounted here".into()),
                    v1: Err("this kernel has no memory groups of cgroup v1 mounted".into()),
                    unified_memory: false,
                    controllers: Vec::new(),
                },
                isolation: Ok(()),
                scope: Decision::Stay,
                scope_if_asked: Decision::Stay,
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
