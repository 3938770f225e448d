//! The programs of a recorded trace: compressors at several levels, sorting, interpreters,
//! compilers on real sources.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::Arguments;
use super::inputs::{Input, files_below, texts};
use crate::Failure;
use saferun_testbed::random::SplitMix64;

/// One command to run.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) template: String,
    pub(super) program: OsString,
    pub(super) arguments: Vec<OsString>,
    pub(super) input_bytes: u64,
}

/// Templates that take one text file as their last argument.
const ON_TEXT: &[(&str, &[&str])] = &[
    ("xz -1", &["xz", "-1", "--stdout", "--keep"]),
    ("xz -6", &["xz", "-6", "--stdout", "--keep"]),
    ("xz -9", &["xz", "-9", "--stdout", "--keep"]),
    ("zstd -3", &["zstd", "-3", "--stdout", "--quiet"]),
    ("zstd -15", &["zstd", "-15", "--stdout", "--quiet"]),
    ("bzip2 -9", &["bzip2", "-9", "--stdout", "--keep"]),
    ("gzip -9", &["gzip", "-9", "--stdout", "--keep"]),
    ("sort", &["sort", "--parallel=1"]),
    ("sort -u 2 threads", &["sort", "-u", "--parallel=2"]),
    (
        "python words",
        &[
            "python3",
            "-c",
            "import collections,sys; collections.Counter(open(sys.argv[1],errors='replace').read().split())",
        ],
    ),
    (
        "python lines",
        &[
            "python3",
            "-c",
            "import sys; d={}\nfor n,l in enumerate(open(sys.argv[1],errors='replace')): d.setdefault(l,[]).append(n)",
        ],
    ),
    (
        "perl pairs",
        &["perl", "-ne", "for (split) { $h{$p.' '.$_}++; $p=$_ }"],
    ),
    (
        "awk",
        &["awk", "{ c[$1]++ } END { for (k in c) n++; print n }"],
    ),
];

/// Crates of the registry that build with nothing else.
const CRATES: &[&str] = &[
    "anstyle-",
    "autocfg-",
    "bitflags-",
    "cfg-if-",
    "colorchoice-",
    "difflib-",
    "encode_unicode-",
    "equivalent-",
    "fastrand-",
    "foldhash-",
    "heck-",
    "humansize-",
    "itoa-",
    "lexopt-",
    "libc-0",
    "libm-",
    "linux-raw-sys-",
    "memchr-",
    "once_cell-",
    "pin-project-lite-",
    "portable-atomic-",
    "strsim-",
    "termtree-",
    "unicode-ident-",
    "unicode-width-",
    "utf8parse-",
    "zmij-",
    "winnow-",
    "num-traits-",
    "hashbrown-",
    "regex-syntax-",
    "similar-",
    "bytes-",
    "winapi-0",
    "smallvec-",
];

/// All jobs of a trace, template by template.
pub(super) fn all(
    scratch: &Path,
    arguments: &Arguments,
    random: &mut SplitMix64,
) -> Result<Vec<Job>, Failure> {
    let registry = registry_sources()?;
    let rust = files_below(&registry, "rs");
    if rust.is_empty() {
        return Err(format!("{} holds no sources", registry.display()).into());
    }
    let largest = arguments.largest << 20;
    let inputs = texts(scratch, &rust, 3 * arguments.each, largest, random)?;
    let mut jobs = Vec::new();
    for (template, words) in ON_TEXT {
        for _ in 0..arguments.each {
            jobs.push(on_file(template, words, any(&inputs, random)));
        }
    }
    // Many short programs on single files, most of them small, as in any build.
    for (template, extension, words) in [
        (
            "rustfmt",
            "rs",
            &[
                "rustfmt",
                "--edition=2024",
                "--check",
                "--config=skip_children=true",
            ][..],
        ),
        (
            "python ast",
            "py",
            &[
                "python3",
                "-c",
                "import ast,sys; ast.parse(open(sys.argv[1],'rb').read())",
            ],
        ),
        (
            "gcc",
            "h",
            &["gcc", "-O2", "-w", "-S", "-o", "/dev/null", "-x", "c"],
        ),
        (
            "g++",
            "",
            &["g++", "-O2", "-w", "-S", "-o", "/dev/null", "-x", "c++"],
        ),
    ] {
        let sources = match extension {
            "rs" => rust.clone(),
            "py" => files_below(&python_library(), extension),
            "h" => files_below(Path::new("/usr/include/linux"), extension),
            // The headers of the C++ library carry no extension.
            _ => files_below(Path::new("/usr/include/c++"), extension),
        };
        if sources.is_empty() {
            continue;
        }
        for _ in 0..arguments.each {
            jobs.push(on_file(template, words, any(&sources, random)));
        }
    }
    jobs.extend(rustc_jobs(&registry, scratch, arguments.each, random));
    Ok(jobs)
}

fn on_file(template: &str, words: &[&str], input: &Input) -> Job {
    let (program, rest) = words.split_first().unwrap_or((&"true", &[]));
    let mut arguments: Vec<OsString> = rest.iter().map(OsString::from).collect();
    arguments.push(input.path.clone().into());
    Job {
        template: template.to_owned(),
        program: program.into(),
        arguments,
        input_bytes: input.bytes,
    }
}

fn rustc_jobs(registry: &Path, scratch: &Path, each: usize, random: &mut SplitMix64) -> Vec<Job> {
    let mut crates = Vec::new();
    let mut directories: Vec<PathBuf> = std::fs::read_dir(registry)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    directories.sort();
    for directory in directories {
        let name = directory
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let library = directory.join("src/lib.rs");
        if CRATES.iter().any(|known| name.starts_with(known)) && library.exists() {
            let bytes = files_below(&directory.join("src"), "rs")
                .iter()
                .map(|f| f.bytes)
                .sum();
            crates.push((library, bytes));
        }
    }
    let mut jobs = Vec::new();
    for (template, extra) in [
        ("rustc metadata", &["--emit=metadata"][..]),
        ("rustc debug", &["--emit=link", "-g"]),
        ("rustc -O", &["--emit=link", "-O"]),
    ] {
        for _ in 0..each {
            let Some((library, bytes)) =
                crates.get(random.next_u64() as usize % crates.len().max(1))
            else {
                continue;
            };
            let mut arguments: Vec<OsString> = [
                "--edition=2021",
                "--crate-type=lib",
                "--cap-lints=allow",
                "--crate-name=x",
            ]
            .iter()
            .chain(extra)
            .map(OsString::from)
            .collect();
            arguments.push("--out-dir".into());
            arguments.push(scratch.into());
            arguments.push(library.into());
            jobs.push(Job {
                template: template.to_owned(),
                program: "rustc".into(),
                arguments,
                input_bytes: *bytes,
            });
        }
    }
    jobs
}

fn any<'a, T>(all: &'a [T], random: &mut SplitMix64) -> &'a T {
    &all[random.next_u64() as usize % all.len()]
}

/// Where cargo has unpacked the sources of what is built here.
fn registry_sources() -> Result<PathBuf, Failure> {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))
        .ok_or("neither CARGO_HOME nor HOME is set")?;
    let sources = home.join("registry/src");
    let first = std::fs::read_dir(&sources)?
        .flatten()
        .map(|entry| entry.path())
        .min();
    Ok(first.ok_or_else(|| format!("{} is empty", sources.display()))?)
}

/// The standard library of the Python that is installed; its tests hold sources in C as well.
fn python_library() -> PathBuf {
    let asked = std::process::Command::new("python3")
        .args([
            "-c",
            "import os; print(os.path.dirname(os.path.dirname(os.path.dirname(os.__file__))))",
        ])
        .output();
    match asked {
        Ok(output) if output.status.success() => {
            PathBuf::from(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        _ => PathBuf::from("/usr/lib/python3"),
    }
}
