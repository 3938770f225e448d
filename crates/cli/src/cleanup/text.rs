//! The answer for people.

use std::fmt::Write as _;

use saferun_memory::reclaim::{Figure, Outcome};
use saferun_memory::{MachineReading, show};

use super::answer::Answer;
use super::memory::mib;
use super::steps::{Done, Planned};

/// The whole answer.
pub(super) fn text(answer: &Answer) -> String {
    let mut out = String::from("Memory Usage:\n");
    line(&mut out, format_args!("[Before] {}", answer.before.line()));
    line(&mut out, format_args!("  {}", answer.before.meaning()));
    machine(&mut out, &answer.machine);
    if let Some(plan) = &answer.plan {
        out.push_str("\nWhat could be given back (--force does it):\n");
        plan.iter().for_each(|step| planned(&mut out, step));
    }
    if let Some(results) = &answer.results {
        out.push_str("\nCleanup Results:\n");
        results.steps.iter().for_each(|step| done(&mut out, step));
        line(
            &mut out,
            format_args!("Freed: {}MB", mib(results.freed_bytes())),
        );
        line(&mut out, format_args!("[After] {}", results.after.line()));
    }
    out
}

fn machine(out: &mut String, reading: &MachineReading) {
    line(
        out,
        format_args!(
            "Machine: {} available of {}, {} can be used",
            show(reading.available_bytes),
            show(reading.total_bytes),
            show(reading.room_bytes())
        ),
    );
}

fn planned(out: &mut String, step: &Planned) {
    match &step.prospect.hindrance {
        Some(hindrance) => line(
            out,
            format_args!("  {:<11} {}", step.name, outcome(hindrance)),
        ),
        None => {
            let gain = step
                .prospect
                .at_most_bytes
                .map_or_else(String::new, |bytes| format!(", at most {}", show(bytes)));
            line(
                out,
                format_args!("  {:<11} {}{gain}", step.name, step.about.does),
            );
        }
    }
}

fn done(out: &mut String, step: &Done) {
    let taken = &step.measured.taken;
    let what = match step.about.figure {
        Figure::Held => "held",
        Figure::Cache => "page cache",
        Figure::Files => "files",
    };
    let figures = match (taken.before_bytes, taken.after_bytes) {
        (Some(before), Some(after)) => {
            format!(", {what} {} -> {}", show(before), show(after))
        }
        _ => String::new(),
    };
    line(
        out,
        format_args!("  {:<11} {}{figures}", step.name, outcome(&taken.outcome)),
    );
}

/// An outcome in words.
pub(super) fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done => "done".to_owned(),
        Outcome::NothingToGain { why } => format!("nothing to gain: {why}"),
        Outcome::NotPermitted { why, permit } => format!("not permitted: {why}; {permit}"),
        Outcome::NotHere { why } => format!("not on this system: {why}"),
        Outcome::Failed { why } => format!("failed: {why}"),
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into a string never fails.
    let _ = writeln!(out, "{text}");
}
