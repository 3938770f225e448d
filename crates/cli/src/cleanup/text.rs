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
    out.line(format_args!("Freed: {}MB", mib(results.freed_bytes())));
    out.line(format_args!("[After] {}", results.after.line()));
}

fn ended(out: &mut Text, gone: &Gone) {
    let killed = match gone.ended.killed {
        0 => String::new(),
        count => format!(", {count} of them by KILL"),
    };
    out.line(format_args!(
        "  {:<11} {} ({}): ended {}{killed}, held {} -> {}",
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
