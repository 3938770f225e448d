//! Where settings are looked for.

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The project's file.
pub(crate) const PROJECT_FILE: &str = "saferun.toml";

/// What was found of a project above a directory.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The nearest `saferun.toml`.
    pub(super) project: Option<PathBuf>,
    /// The nearest `.env` up to the root of the repository.
    pub(super) dotenv: Option<PathBuf>,
    /// Files that nobody whom we trust may have put there.
    pub(super) passed_over: Vec<PathBuf>,
}

/// Looks from this directory upward. Above the repository (or above the directory itself, where
/// there is no repository) lie places like `/tmp`, where anybody may put a file: what belongs to
/// neither this user nor root is passed over there.
pub(super) fn find(here: &Path) -> Found {
    let mut found = Found::default();
    let root = here.ancestors().find(|dir| dir.join(".git").exists());
    let ours = root.unwrap_or(here);
    for dir in here.ancestors() {
        let is_ours = dir.starts_with(ours);
        if is_ours && found.dotenv.is_none() {
            let file = dir.join(".env");
            // A directory of this name is a virtual environment of Python.
            found.dotenv = (is_there(&file) && !file.is_dir()).then_some(file);
        }
        let file = dir.join(PROJECT_FILE);
        if found.project.is_none() && is_there(&file) {
            if is_ours || is_trusted(&file) {
                found.project = Some(file);
            } else {
                found.passed_over.push(file);
            }
        }
    }
    found
}

/// Whether there is anything of this name, be it a link that leads nowhere.
fn is_there(file: &Path) -> bool {
    file.symlink_metadata().is_ok()
}

fn is_trusted(file: &Path) -> bool {
    let this_user = rustix::process::geteuid().as_raw();
    file.symlink_metadata()
        .is_ok_and(|metadata| metadata.uid() == 0 || metadata.uid() == this_user)
}

/// The user's file, whether it is there or not; `None` where no home is known.
pub(crate) fn user_file() -> Option<PathBuf> {
    let directory = user_directory(
        std::env::var_os("XDG_CONFIG_HOME").as_deref(),
        std::env::var_os("HOME").as_deref(),
    )?;
    Some(directory.join("saferun").join("config.toml"))
}

/// The base directory specification says that relative paths are to be ignored.
fn user_directory(xdg: Option<&OsStr>, home: Option<&OsStr>) -> Option<PathBuf> {
    let absolute = |path: &OsStr| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
    xdg.and_then(absolute)
        .or_else(|| Some(home.and_then(absolute)?.join(".config")))
}

/// The user's file, if it is there.
pub(super) fn existing_user_file() -> Option<PathBuf> {
    user_file().filter(|file| is_there(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(file: &Path) {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, "").unwrap();
    }

    #[test]
    fn the_nearest_file_up_to_the_repository() {
        let dir = tempfile::tempdir().unwrap();
        let (root, deep) = (dir.path(), dir.path().join("a/b/c"));
        std::fs::create_dir_all(&deep).unwrap();
        touch(&root.join(".env"));
        touch(&root.join(PROJECT_FILE));
        // Without a repository only the directory itself may hold a .env.
        let found = find(&deep);
        assert_eq!(found.dotenv, None);
        assert_eq!(found.project, Some(root.join(PROJECT_FILE)));
        // A file as a mark: so it is in worktrees.
        touch(&root.join(".git"));
        assert_eq!(find(&deep).dotenv, Some(root.join(".env")));
        touch(&root.join("a/.env"));
        assert_eq!(find(&deep).dotenv, Some(root.join("a/.env")));
        std::fs::create_dir(deep.join(".env")).unwrap();
        assert_eq!(find(&deep).dotenv, Some(root.join("a/.env")));
        std::fs::create_dir(root.join("a/b/.git")).unwrap();
        assert_eq!(find(&deep).dotenv, None);
    }

    #[test]
    fn what_strangers_put_above_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b");
        std::fs::create_dir_all(&deep).unwrap();
        let file = dir.path().join(PROJECT_FILE);
        touch(&file);
        if std::os::unix::fs::chown(&file, Some(65_534), None).is_err() {
            eprintln!("skipped: this user can't give files away");
            return;
        }
        let found = find(&deep);
        assert_eq!(found.project, None);
        assert_eq!(found.passed_over, std::slice::from_ref(&file));
        std::fs::create_dir(dir.path().join(".git")).unwrap();
        assert_eq!(find(&deep).project, Some(file));
    }

    #[test]
    fn the_users_directory() {
        let of = |xdg: Option<&str>, home: Option<&str>| {
            user_directory(xdg.map(OsStr::new), home.map(OsStr::new))
        };
        assert_eq!(of(Some("/x"), Some("/h")), Some("/x".into()));
        assert_eq!(of(Some("x"), Some("/h")), Some("/h/.config".into()));
        assert_eq!(of(Some(""), Some("/h")), Some("/h/.config".into()));
        assert_eq!(of(None, Some("")), None);
        assert_eq!(of(None, None), None);
    }
}
