//! Inputs of many sizes, cut from real source text.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use saferun_testbed::random::SplitMix64;

/// A file and its size.
#[derive(Debug, Clone)]
pub(super) struct Input {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
}

/// A source file that is smaller says nothing.
const SMALLEST: u64 = 512;
/// One that is larger was put together by a program, and one such file would outweigh all else.
const LARGEST: u64 = 2 << 20;

/// Files below `directory` that end like this, in a fixed order.
pub(super) fn files_below(directory: &Path, extension: &str) -> Vec<Input> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        let Ok(entries) = fs::read_dir(&directory) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            match entry.metadata() {
                Ok(about) if about.is_dir() => open.push(path),
                Ok(about)
                    if about.is_file()
                        && (SMALLEST..=LARGEST).contains(&about.len())
                        && path.extension().unwrap_or_default() == extension =>
                {
                    found.push(Input {
                        path,
                        bytes: about.len(),
                    });
                }
                _ => {}
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Texts whose sizes lie evenly on a logarithmic scale, each made of whole source files.
pub(super) fn texts(
    scratch: &Path,
    sources: &[Input],
    count: usize,
    largest: u64,
    random: &mut SplitMix64,
) -> io::Result<Vec<Input>> {
    let smallest = 64.0 * 1024.0;
    let mut made = Vec::new();
    for number in 0..count {
        let wanted = random
            .uniform(f64::ln(smallest), (largest as f64).ln())
            .exp() as u64;
        let path = scratch.join(format!("text-{number}"));
        let mut out = File::create(&path)?;
        let mut bytes = 0;
        let start = random.next_u64() as usize % sources.len().max(1);
        for source in sources.iter().cycle().skip(start).take(sources.len()) {
            if bytes >= wanted {
                break;
            }
            let text = fs::read(&source.path)?;
            out.write_all(&text)?;
            bytes += text.len() as u64;
        }
        made.push(Input { path, bytes });
    }
    Ok(made)
}
