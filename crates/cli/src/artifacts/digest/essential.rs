//! What must be in a digest before anything else: errors, and the names of changed files.

use super::Digester;
use super::room::{CUT_BYTES, Room, Section, cut};

/// What must be in a digest before anything else.
pub(super) struct Essential {
    /// Errors, then changed files, then what is missing.
    pub(super) sections: Vec<Section>,
    /// What they take.
    pub(super) bytes: u64,
    /// Distinct errors that are not in it, or not whole.
    pub(super) errors_left_out: u64,
    /// Changed files that are not in it.
    pub(super) files_left_out: u64,
}

impl Essential {
    /// Chooses what fits into so many bytes, errors first.
    pub(super) fn choose(found: &Digester, paths: &[&str], size: u64, retrieve: &str) -> Self {
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
