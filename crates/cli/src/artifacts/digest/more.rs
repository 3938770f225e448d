//! What is good to know as well, where there is room: labels and counts, results, headings, and
//! the ends of the streams.

use super::room::{CUT_BYTES, Room, Section, cut};
use super::{Digester, Heading};

/// Lines of the ends of a stream are shown up to this length.
const END_BYTES: usize = 120;
/// Lines that only speak of trouble, shown at most.
const MOST_MENTIONS: usize = 12;

/// Says what the essential lines are, as far as there is room.
pub(super) fn label(found: &Digester, sections: &mut Vec<Section>, room: &mut Room) {
    let files = found.changes.files();
    let (added, removed) = files.iter().fold((0_u64, 0_u64), |(added, removed), file| {
        (
            added.saturating_add(file.added),
            removed.saturating_add(file.removed),
        )
    });
    let labels = [
        match (found.errors.distinct, found.errors.all) {
            (_, 0) => None,
            (distinct, all) if distinct == all => Some(format!("errors ({all}):")),
            (distinct, all) => Some(format!("errors ({distinct}, {all} times in all):")),
        },
        (!files.is_empty())
            .then(|| format!("changed files ({}, +{added} -{removed}):", files.len())),
    ];
    for (section, label) in sections.iter_mut().zip(labels) {
        if let Some(label) = label.filter(|label| room.takes(label)) {
            section.label = label;
        }
    }
    // How much each file changed, all or none.
    if let Some(section) = sections.get_mut(1) {
        let told: Vec<String> = files
            .iter()
            .map(|file| match (file.added, file.removed) {
                (0, 0) => file.path.clone(),
                (added, removed) => format!("{} +{added} -{removed}", file.path),
            })
            .collect();
        let more: u64 = told.iter().map(|line| line.len() as u64).sum::<u64>()
            - section
                .lines
                .iter()
                .map(|line| line.len() as u64)
                .sum::<u64>();
        if more <= room.0 {
            room.0 -= more;
            section.lines = told;
        }
    }
    let sizes: Vec<String> = found
        .parts
        .iter()
        .filter(|part| part.totals.bytes > 0)
        .map(|part| {
            format!(
                "{}: {} bytes, {} lines",
                part.name, part.totals.bytes, part.totals.lines
            )
        })
        .collect();
    if !sizes.is_empty() {
        let sizes = sizes.join("; ");
        if room.takes(&sizes) {
            sections.insert(0, Section::new(sizes));
        }
    }
}

/// What is good to know as well, as far as there is room.
pub(super) fn add_more(found: &Digester, sections: &mut Vec<Section>, room: &mut Room) {
    let shown = |sections: &[Section], line: &str| {
        sections
            .iter()
            .any(|section| section.lines.iter().any(|shown| shown.contains(line)))
    };
    add_lines(
        "results and places:",
        &found.details.kept,
        usize::MAX,
        sections,
        room,
    );
    add_headings(&found.headings, sections, room);
    for part in &found.parts {
        let first: Vec<String> = part
            .first
            .iter()
            .map(|line| cut(line.trim(), END_BYTES))
            .collect();
        let new: Vec<String> = first
            .into_iter()
            .filter(|line| !shown(sections, line))
            .collect();
        add_lines("first lines:", &new, usize::MAX, sections, room);
        // The very last lines matter most.
        let last = part
            .last
            .iter()
            .rev()
            .map(|line| cut(line.trim(), END_BYTES));
        let new: Vec<String> = last.filter(|line| !shown(sections, line)).collect();
        let before = sections.len();
        add_lines("last lines:", &new, usize::MAX, sections, room);
        if sections.len() > before
            && let Some(section) = sections.last_mut()
        {
            section.lines.reverse();
        }
    }
    let mentions: Vec<String> = found
        .mentions
        .kept
        .iter()
        .map(|line| cut(line, END_BYTES))
        .collect();
    add_lines("also:", &mentions, MOST_MENTIONS, sections, room);
}

/// Adds a section of as many of the lines as fit.
fn add_lines(
    label: &str,
    lines: &[String],
    most: usize,
    sections: &mut Vec<Section>,
    room: &mut Room,
) {
    let shortest = lines.iter().map(|line| line.len() as u64 + 1).min();
    let Some(shortest) = shortest.filter(|bytes| bytes + (label.len() as u64) < room.0) else {
        return;
    };
    room.0 -= label.len() as u64 + 1;
    let mut section = Section::new(label);
    for line in lines.iter().take(most) {
        if room.0 < shortest {
            break;
        }
        let line = cut(line, CUT_BYTES);
        if room.takes(&line) {
            section.lines.push(line);
        }
    }
    if section.lines.is_empty() {
        room.0 += label.len() as u64 + 1;
    } else {
        sections.push(section);
    }
}

/// Adds headings, the highest level first, in the order of the text.
fn add_headings(headings: &[Heading], sections: &mut Vec<Section>, room: &mut Room) {
    const LABEL: &str = "headings:";
    // Something must be left for the ends.
    let mut left = Room((room.0 * 4 / 5).saturating_sub(LABEL.len() as u64 + 1));
    let mut chosen = vec![false; headings.len()];
    for level in 1..=6 {
        for ((_, heading), chosen) in headings
            .iter()
            .zip(&mut chosen)
            .filter(|((its, _), _)| *its == level)
        {
            *chosen = left.takes(&cut(heading, END_BYTES));
        }
    }
    let mut section = Section::new(LABEL);
    for ((_, heading), _) in headings.iter().zip(&chosen).filter(|(_, chosen)| **chosen) {
        section.lines.push(cut(heading, END_BYTES));
    }
    if !section.lines.is_empty() {
        let bytes: u64 = section.lines.iter().map(|line| line.len() as u64 + 1).sum();
        room.0 -= bytes + LABEL.len() as u64 + 1;
        sections.push(section);
    }
}
