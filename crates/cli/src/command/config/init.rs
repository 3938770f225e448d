//! `saferun config init`: a file that holds every setting as a comment.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::args::ConfigInitArgs;
use crate::error::{CliError, plain_cause};
use crate::settings::{Key, PROJECT_FILE, path, user_file};

const HEAD: &str = "\
# Settings of saferun. Everything here is a comment; what is built in stands after each key where
# there is such a value. Flags win over variables (SAFE_PARALLEL, CONCURRENCY_LIMIT,
# MEMORY_THRESHOLD), these over .env, over the project's saferun.toml, over the user's
# configuration, over a profile. `saferun config show` says what holds and why.
";

const TAIL: &str = "
# A profile of one's own, taken by --profile night or profile = \"night\".
#[profiles.night]
#parallel = true
#concurrency = \"auto\"
";

/// Writes it, and says where.
pub(super) fn init(args: &ConfigInitArgs) -> Result<String, CliError> {
    let file = if args.user {
        let file = user_file().ok_or_else(|| {
            CliError::usage(
                "there is no home directory to put the user's settings in",
                "set HOME or XDG_CONFIG_HOME to an absolute path",
            )
        })?;
        if let Some(directory) = file.parent() {
            fs::create_dir_all(directory).map_err(|error| unwritable(&file, &error))?;
        }
        file
    } else {
        PathBuf::from(PROJECT_FILE)
    };
    let written = if args.force {
        replace(&file)
    } else {
        create(&file)
    };
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => CliError::usage(
            format!("{} is there already", path(&file)),
            "saferun config init --force to replace it",
        ),
        _ => unwritable(&file, &error),
    })?;
    Ok(format!(
        "{} written; everything in it is a comment\n",
        path(&file)
    ))
}

/// The file's text, from the table that reads it.
fn example() -> String {
    let mut text = String::from(HEAD);
    for key in Key::ALL {
        let _ = write!(
            text,
            "\n# {}\n#{} = {}\n",
            key.about(),
            key.name(),
            key.example()
        );
    }
    text + TAIL
}

/// Only where nothing is, not even a link.
fn create(file: &Path) -> io::Result<()> {
    let mut opened = OpenOptions::new().write(true).create_new(true).open(file)?;
    opened.write_all(example().as_bytes())
}

/// In one step, so that nobody ever reads half of it; a link stays one.
fn replace(file: &Path) -> io::Result<()> {
    let target = file.canonicalize().unwrap_or_else(|_| file.to_path_buf());
    if target.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let mut new = target.clone().into_os_string();
    new.push(format!(".{}.new", std::process::id()));
    let new = PathBuf::from(new);
    create(&new)
        .and_then(|()| fs::rename(&new, &target))
        .inspect_err(|_| {
            let _ = fs::remove_file(&new);
        })
}

fn unwritable(file: &Path, error: &io::Error) -> CliError {
    CliError::usage(
        format!("{} can't be written: {}", path(file), plain_cause(error)),
        "a directory that can be written",
    )
}
