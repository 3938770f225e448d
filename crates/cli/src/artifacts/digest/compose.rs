//! From what was found to a text of at most so many bytes.

use super::{Digester, Heading};

/// How large a digest may be: the smaller of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// This share of the source, in percent.
    pub percent: u64,
    /// So many bytes.
    pub most_bytes: u64,
}

impl Default for Limit {
    /// A tenth, and 4 KiB.
    fn default() -> Self {
        Self {
            percent: 10,
            most_bytes: 4096,
        }
    }
}

impl Limit {
    /// What a digest of so large a source may have.
    pub fn of(self, source_bytes: u64) -> u64 {
        let share = u128::from(source_bytes) * u128::from(self.percent.min(100)) / 100;
        u64::try_from(share)
            .unwrap_or(u64::MAX)
            .min(self.most_bytes)
    }
}

/// A digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// The text; each line ends with a line end.
    pub text: String,
    /// The size of what it is made of.
    pub source_bytes: u64,
    /// Distinct errors that are not in it, or not whole.
    pub errors_left_out: u64,
    /// Changed files that are not in it.
    pub files_left_out: u64,
}

/// A line that has to be cut keeps so many bytes.
const CUT_BYTES: usize = 160;
/// Lines of the ends of a stream are shown up to this length.
const END_BYTES: usize = 120;
/// Lines that only speak of trouble, shown at most.
const MOST_MENTIONS: usize = 12;

/// A group of lines below a label. The label is left out where that makes room.
struct Section {
    label: String,
    lines: Vec<String>,
}

impl Section {
    fn new(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            lines: Vec::new(),
        }
    }
}

/// Bytes that are left, line by line.
struct Room(u64);

impl Room {
    fn takes(&mut self, line: &str) -> bool {
        let bytes = line.len() as u64 + 1;
        let fits = bytes <= self.0;
        if fits {
            self.0 -= bytes;
        }
        fits
    }
}

pub(super) fn compose(found: &Digester, limit: Limit, retrieve: &str) -> Digest {
    let source_bytes = found.bytes();
    let size = limit.of(source_bytes);
    let paths: Vec<&str> = found
        .changes
        .files()
        .iter()
        .map(|file| file.path.as_str())
        .collect();
    let essential = Essential::choose(found, &paths, size, retrieve);
    let mut room = Room(size.saturating_sub(essential.bytes));
    let mut sections = essential.sections;
    let has_all = essential.errors_left_out == 0 && essential.files_left_out == 0;
    if has_all {
        label(found, &mut sections, &mut room);
        add_more(found, &mut sections, &mut room);
    }
    let mut text = String::new();
    for line in sections.iter().flat_map(|section| {
        let label = (!section.label.is_empty()).then_some(&section.label);
        label.into_iter().chain(&section.lines)
    }) {
        text.push_str(line);
        text.push('\n');
    }
    Digest {
        text,
        source_bytes,
        errors_left_out: essential.errors_left_out,
        files_left_out: essential.files_left_out,
    }
}

/// What must be in a digest before anything else.
struct Essential {
    sections: Vec<Section>,
    bytes: u64,
    errors_left_out: u64,
    files_left_out: u64,
}

impl Essential {
    fn choose(found: &Digester, paths: &[&str], size: u64, retrieve: &str) -> Self {
        let errors = &found.errors;
        let paths_bytes: u64 = paths.iter().map(|path| path.len() as u64 + 1).sum();
        let mut kept: Vec<String> = errors.kept.clone();
        if bytes_of(&kept) + paths_bytes > size {
            kept.iter_mut().for_each(|line| *line = shortened(line));
        }
        let whole: Vec<&str> = without_contained(&kept);
        let all_bytes: u64 = whole
            .iter()
            .chain(paths)
            .map(|line| line.len() as u64 + 1)
            .sum();
        let mut sections = vec![Section::new(""), Section::new("")];
        let unkept = errors.distinct - errors.kept.len() as u64;
        if all_bytes <= size && unkept == 0 && found.changes.uncounted == 0 {
            fill(
                &mut sections,
                0,
                whole.iter().map(|line| (*line).to_owned()),
            );
            fill(
                &mut sections,
                1,
                paths.iter().map(|path| (*path).to_owned()),
            );
            return Self {
                sections,
                bytes: all_bytes,
                errors_left_out: 0,
                files_left_out: 0,
            };
        }
        // Room for the word on what is missing, where it would not take all there is.
        let notice = |errors: u64, files: u64| {
            let mut parts = Vec::new();
            if errors > 0 {
                parts.push(format!("{errors} more errors"));
            }
            if files > 0 {
                parts.push(format!("{files} more changed files"));
            }
            match retrieve {
                "" => format!("[{}]", parts.join(", ")),
                how => format!("[{}: {how}]", parts.join(", ")),
            }
        };
        let files = paths.len() as u64 + found.changes.uncounted;
        let longest = notice(errors.distinct, files);
        let reserved = longest.len() as u64 + 1;
        let has_notice = reserved <= size / 2;
        let mut room = Room(if has_notice { size - reserved } else { size });
        let (mut told, mut shown_files) = (0_u64, 0_u64);
        let (mut error_lines, mut file_lines) = (Vec::new(), Vec::new());
        let is_long = |line: &str| line.len() > CUT_BYTES;
        let would_fit: u64 = whole.iter().map(|line| line.len() as u64 + 1).sum();
        let cuts = would_fit > room.0;
        for line in &whole {
            let is_cut = cuts && is_long(line);
            let line = if is_cut {
                cut(line, CUT_BYTES)
            } else {
                (*line).to_owned()
            };
            if room.takes(&line) {
                told += u64::from(!is_cut);
                error_lines.push(line);
            }
        }
        for path in paths {
            if room.takes(path) {
                shown_files += 1;
                file_lines.push((*path).to_owned());
            }
        }
        let contained = (kept.len() - whole.len()) as u64;
        let errors_left_out = errors.distinct.saturating_sub(told + contained);
        let files_left_out = files.saturating_sub(shown_files);
        fill(&mut sections, 0, error_lines);
        fill(&mut sections, 1, file_lines);
        if has_notice {
            let mut last = Section::new("");
            last.lines.push(notice(errors_left_out, files_left_out));
            sections.push(last);
        }
        let bytes = sections
            .iter()
            .flat_map(|section| &section.lines)
            .map(|line| line.len() as u64 + 1)
            .sum();
        Self {
            sections,
            bytes,
            errors_left_out,
            files_left_out,
        }
    }
}

fn fill(sections: &mut [Section], place: usize, lines: impl IntoIterator<Item = String>) {
    if let Some(section) = sections.get_mut(place) {
        section.lines.extend(lines);
    }
}

fn bytes_of(lines: &[String]) -> u64 {
    lines.iter().map(|line| line.len() as u64 + 1).sum()
}

/// The same words in less room: without the mark of pytest's lines, and single blanks.
fn shortened(line: &str) -> String {
    let text = match line.strip_prefix('E') {
        Some(rest) if rest.starts_with("  ") => rest,
        _ => line,
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Without the lines that stand within another one: who reads that has read them.
fn without_contained(lines: &[String]) -> Vec<&str> {
    // Beyond so many it would take long; they would not fit anyway.
    if lines.len() > 400 {
        return lines.iter().map(String::as_str).collect();
    }
    let is_alone = |place: usize, line: &str| {
        !lines.iter().enumerate().any(|(other, text)| {
            // Of two that became the same the first stays.
            let is_longer = text.len() > line.len() || (text.len() == line.len() && other < place);
            other != place && is_longer && text.contains(line)
        })
    };
    let alone = lines
        .iter()
        .enumerate()
        .filter(|(place, line)| is_alone(*place, line));
    alone.map(|(_, line)| line.as_str()).collect()
}

/// Says what the essential lines are, as far as there is room.
fn label(found: &Digester, sections: &mut Vec<Section>, room: &mut Room) {
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
fn add_more(found: &Digester, sections: &mut Vec<Section>, room: &mut Room) {
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

/// The start of a text of at most so many bytes, with a mark where something is missing.
fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    const MARK: &str = "…";
    let end = most.saturating_sub(MARK.len());
    let end = (0..=end)
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(0);
    format!("{}{MARK}", text.get(..end).unwrap_or_default())
}
