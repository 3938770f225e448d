//! `cargo xtask eval-digest FILE...`: what digests of real texts keep and what they cost.

use std::error::Error;
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::ExitCode;

use saferun_cli::digest::{Digester, Limit, is_error};

/// `cargo xtask eval-digest`
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The texts
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The largest share of a text that its digest may have, in percent
    #[arg(long, default_value_t = 10)]
    percent: u64,
    /// The most bytes that a digest may have
    #[arg(long, default_value_t = 4096)]
    bytes: u64,
    /// Print each digest as well
    #[arg(long)]
    show: bool,
}

/// Prints, for each file, bytes in and out, the share saved, and which error lines and changed
/// file names are missing. What is missing is looked for in the file anew, line by line.
///
/// # Errors
///
/// A file can't be read.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let limit = Limit {
        percent: arguments.percent,
        most_bytes: arguments.bytes,
    };
    let mut is_complete = true;
    println!(
        "{:>10} {:>7} {:>7}  {:>7} {:>7}  file",
        "in", "out", "saved", "errors", "names"
    );
    for file in &arguments.files {
        let name = file.display();
        let open = || File::open(file).map_err(|error| format!("{name} can't be read: {error}"));
        let mut digester = Digester::default();
        digester.read(&name.to_string(), BufReader::new(open()?))?;
        let digest = digester.finish(limit, "");
        let text = std::fs::read(file).map_err(|error| format!("{name} can't be read: {error}"))?;
        let wanted = Wanted::find(&text);
        let lost = |all: &[String]| -> Vec<String> {
            all.iter()
                .filter(|line| !digest.text.contains(line.as_str()))
                .cloned()
                .collect()
        };
        let (errors, names) = (lost(&wanted.errors), lost(&wanted.names));
        let (bytes, out) = (text.len() as f64, digest.text.len() as f64);
        let saved = if text.is_empty() {
            100.0
        } else {
            100.0 * (1.0 - out / bytes)
        };
        let kept =
            |lost: &[String], all: &[String]| format!("{}/{}", all.len() - lost.len(), all.len());
        println!(
            "{:>10} {:>7} {saved:>6.1}%  {:>7} {:>7}  {name}",
            text.len(),
            digest.text.len(),
            kept(&errors, &wanted.errors),
            kept(&names, &wanted.names),
        );
        for line in &errors {
            println!("    missing error: {line}");
        }
        for line in &names {
            println!("    missing name: {line}");
        }
        if arguments.show {
            digest
                .text
                .lines()
                .for_each(|line| println!("    | {line}"));
        }
        is_complete &= errors.is_empty() && names.is_empty();
    }
    Ok(if is_complete {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What must be in a digest.
#[derive(Default)]
struct Wanted {
    errors: Vec<String>,
    names: Vec<String>,
}

impl Wanted {
    fn find(text: &[u8]) -> Self {
        let mut wanted = Self::default();
        let text = String::from_utf8_lossy(text);
        let is_diff = text.lines().any(|line| line.starts_with("diff --git "));
        for line in text.lines() {
            let line = without_colours(line);
            let line = line.trim();
            let name = line
                .strip_prefix("+++ b/")
                .or_else(|| line.strip_prefix("rename to "));
            if let Some(name) = name {
                push(&mut wanted.names, name);
            } else if let Some(name) = line.strip_prefix("--- a/") {
                push(&mut wanted.names, name);
            } else if !is_diff && is_error(line.as_bytes()) {
                push(&mut wanted.errors, line);
            }
        }
        wanted
    }
}

fn push(all: &mut Vec<String>, line: &str) {
    let line = line.trim_end_matches('\t').to_owned();
    if !all.contains(&line) {
        all.push(line);
    }
}

/// Colours are no part of what a line says.
fn without_colours(line: &str) -> String {
    let mut shown = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        shown.push_str(before);
        let end = after.find(|c: char| c.is_ascii_alphabetic());
        rest = end.and_then(|end| after.get(end + 1..)).unwrap_or_default();
    }
    shown + rest
}
