//! Where the memory is, for people.

use saferun_memory::leftovers::{Leftover, Leftovers};
use saferun_memory::{MachineReading, ProgramUse, sanitised, show};

use super::facts::Facts;
use super::text::Text;
use super::words::{age, processes, safe};

/// So many rows of each kind are shown; with `--tree` and JSON all are.
const ROWS: usize = 8;

/// The report.
pub(super) fn report(out: &mut Text, facts: &Facts, tree: bool) {
    if let Some(machine) = &facts.machine {
        self::machine(out, machine, facts);
    }
    holders(out, &facts.holders, tree);
    leftovers(out, &facts.leftovers);
    if !facts.zombies.is_empty() {
        out.title("Ended, but their parents take no note (zombies; they hold no memory)");
        for zombies in facts.zombies.iter().take(ROWS) {
            out.line(format_args!(
                "  {} of {} ({})",
                zombies.pids.len(),
                safe(&zombies.name),
                zombies.parent
            ));
        }
    }
    files(out, facts);
}

/// What was left behind, for the question whether to end it.
pub(super) fn list(found: &[Leftover]) -> String {
    let mut out = Text::default();
    left_behind(&mut out, found);
    out.into_string()
}

fn machine(out: &mut Text, machine: &MachineReading, facts: &Facts) {
    out.title("Machine");
    out.line(format_args!(
        "  {} in all, {} available; {} can be used before the first limit",
        show(machine.total_bytes),
        show(machine.available_bytes),
        show(machine.room_bytes())
    ));
    let reclaimable = facts.reclaimable_bytes.map_or_else(String::new, |bytes| {
        format!(", of it {} reclaimable", show(bytes))
    });
    out.line(format_args!(
        "  cached {}{reclaimable}; shared memory and tmpfs files {}",
        show(machine.cached_bytes),
        show(machine.shared_bytes)
    ));
    let swap = if machine.swap_total_bytes == 0 {
        "no swap".to_owned()
    } else {
        format!(
            "swap {}, {} free",
            show(machine.swap_total_bytes),
            show(machine.swap_free_bytes)
        )
    };
    let pressure = facts.pressure.map_or_else(
        || "pressure is not told".to_owned(),
        |pressure| {
            format!(
                "in the last 10 s some work stood still for memory {:.1} %, all work {:.1} %",
                pressure.some.avg10, pressure.full.avg10
            )
        },
    );
    out.line(format_args!("  {swap}; {pressure}"));
    for group in &machine.groups {
        out.line(format_args!(
            "  {} is limited to {}: {} in use beside {} of page cache",
            safe(group.path.as_os_str()),
            show(group.limit_bytes),
            show(group.used_bytes()),
            show(group.cache_bytes)
        ));
    }
}

fn holders(out: &mut Text, holders: &[ProgramUse], tree: bool) {
    if holders.is_empty() {
        return;
    }
    out.title("Who holds most (~: what is shared counted in full)");
    for program in holders.iter().take(ROWS) {
        let trees = match program.trees.len() {
            1 => String::new(),
            count => format!(" in {count} trees"),
        };
        let about = if program.exact { "" } else { "~" };
        out.line(format_args!(
            "  {:>10}  {:<48} {}{trees}",
            format!("{about}{}", show(program.bytes)),
            safe(&program.name),
            processes(program.processes())
        ));
        if tree {
            for member in program.trees.iter().flat_map(|tree| &tree.members) {
                let about = if member.exact { "" } else { "~" };
                out.line(format_args!(
                    "  {:>10}  {:indent$}{} ({})",
                    format!("{about}{}", show(member.bytes)),
                    "",
                    safe(&member.name),
                    member.pid,
                    indent = 2 + 2 * member.depth.min(20)
                ));
            }
        }
    }
    if let Some(rest) = holders.get(ROWS..).filter(|rest| !rest.is_empty()) {
        let bytes = rest.iter().map(|program| program.bytes).sum();
        out.line(format_args!(
            "  {:>10}  in {} others",
            show(bytes),
            rest.len()
        ));
    }
}

fn leftovers(out: &mut Text, leftovers: &Leftovers) {
    left_behind(out, &leftovers.found);
    if !leftovers.kept.is_empty() {
        out.title("Orphans that are kept");
        for kept in leftovers.kept.iter().take(ROWS) {
            out.line(format_args!(
                "  {:>10}  {} ({}): {}",
                show(kept.rss_bytes),
                safe(&kept.program.short()),
                kept.id.pid,
                kept.why
            ));
        }
        if leftovers.kept.len() > ROWS {
            let more = leftovers.kept.len() - ROWS;
            out.line(format_args!("  {:>10}  {more} more (--json)", ""));
        }
    }
}

fn left_behind(out: &mut Text, found: &[Leftover]) {
    if found.is_empty() {
        return;
    }
    let bytes = found.iter().map(|found| found.rss_bytes).sum();
    out.title(&format!(
        "Left behind: {} with {} (--leftovers ends them)",
        found.len(),
        show(bytes)
    ));
    for found in found {
        out.line(format_args!(
            "  {:>10}  {} ({}), {}, {}",
            show(found.rss_bytes),
            safe(&found.program.short()),
            found.root.pid,
            processes(found.members.len()),
            age(found.age)
        ));
        for evidence in &found.evidence {
            out.line(format_args!("  {:>10}    {evidence}", ""));
        }
    }
}

fn files(out: &mut Text, facts: &Facts) {
    if !facts.deleted.files.is_empty() {
        out.title("Deleted files that are still open");
        for file in facts.deleted.files.iter().take(ROWS) {
            let place = if file.in_memory {
                "in memory"
            } else {
                "on disk"
            };
            let pids: Vec<String> = file.pids.iter().take(5).map(u32::to_string).collect();
            out.line(format_args!(
                "  {:>10}  {} {place}, open in {}",
                show(file.bytes),
                safe(&file.path),
                pids.join(", ")
            ));
        }
    }
    if !facts.in_memory.files.is_empty() {
        out.title("Large files in memory (tmpfs)");
        for file in facts.in_memory.files.iter().take(ROWS) {
            out.line(format_args!(
                "  {:>10}  {}, user {}",
                show(file.bytes),
                sanitised(file.path.as_os_str()),
                file.user
            ));
        }
    }
}
