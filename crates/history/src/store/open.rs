//! Opening the file: making it, bringing it up to date, setting a damaged one aside.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::{Store, StoreError};

/// "sfrn": what tells our files from other programs'.
const APPLICATION: i64 = 0x7366_726e;

/// How long to wait for another process that writes.
const PATIENCE: Duration = Duration::from_secs(10);

/// What leads from one schema to the next; the number of the schema is how many were applied.
const MIGRATIONS: [&str; 2] = [
    "
    CREATE TABLE attempts (
        id INTEGER PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        run TEXT NOT NULL,
        task INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        command TEXT NOT NULL,
        template TEXT,
        items TEXT NOT NULL,
        directory TEXT NOT NULL,
        agent TEXT,
        key_command INTEGER,
        key_items INTEGER,
        key_template INTEGER,
        key_program INTEGER,
        key_agent INTEGER,
        peak_bytes INTEGER NOT NULL,
        average_bytes INTEGER,
        curve BLOB,
        seconds REAL NOT NULL,
        cpu_seconds REAL NOT NULL,
        end TEXT NOT NULL,
        tier TEXT NOT NULL,
        input_bytes INTEGER
    ) STRICT;
    CREATE INDEX attempts_command ON attempts (key_command);
    CREATE INDEX attempts_items ON attempts (key_items) WHERE key_items IS NOT NULL;
    CREATE INDEX attempts_template ON attempts (key_template) WHERE key_template IS NOT NULL;
    CREATE INDEX attempts_program ON attempts (key_program);
    CREATE INDEX attempts_agent ON attempts (key_agent) WHERE key_agent IS NOT NULL;
",
    "CREATE INDEX attempts_at ON attempts (at_ms);",
];

pub(super) fn open(path: &Path) -> Result<Store, StoreError> {
    let file_error = |path: &Path| {
        let path = path.to_owned();
        move |cause| StoreError::File { path, cause }
    };
    if let Some(directory) = path.parent() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(file_error(directory))?;
    }
    // One at a time: two processes must neither make the file at once nor set aside what the
    // other has just made.
    let lock_path = beside(path, "lock");
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&lock_path)
        .map_err(file_error(&lock_path))?;
    lock_exclusively(&lock).map_err(file_error(&lock_path))?;
    // Made before SQLite makes it, so that nobody else may read it.
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(file_error(path))?;
    match connect(path) {
        Ok(connection) => Ok(Store {
            connection,
            path: path.to_owned(),
            set_aside: None,
        }),
        Err(StoreError::Database { cause, .. }) if is_damage(&cause) => {
            let aside = set_aside(path).map_err(file_error(path))?;
            Ok(Store {
                connection: connect(path)?,
                path: path.to_owned(),
                set_aside: Some(aside),
            })
        }
        Err(error) => Err(error),
    }
}

pub(super) fn open_existing(path: &Path) -> Result<Option<Store>, StoreError> {
    match fs::metadata(path) {
        Ok(_) => Ok(Some(Store {
            connection: connect(path)?,
            path: path.to_owned(),
            set_aside: None,
        })),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(StoreError::File {
            path: path.to_owned(),
            cause,
        }),
    }
}

/// The advisory lock of the whole file; it ends with the descriptor.
fn lock_exclusively(file: &File) -> std::io::Result<()> {
    Ok(rustix::fs::flock(
        file,
        rustix::fs::FlockOperation::LockExclusive,
    )?)
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let database = |cause| StoreError::Database {
        path: path.to_owned(),
        cause,
    };
    let mut connection = Connection::open(path).map_err(database)?;
    connection.busy_timeout(PATIENCE).map_err(database)?;
    let pragma = |connection: &Connection, name: &str| {
        connection
            .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
            .map_err(database)
    };
    let application = pragma(&connection, "application_id")?;
    if application != APPLICATION {
        let tables: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(database)?;
        if application != 0 || tables != 0 {
            return Err(StoreError::Foreign {
                path: path.to_owned(),
            });
        }
    }
    // Readers and one writer side by side; a commit costs no wait for the disk. A power cut may
    // cost the last rows, never the file.
    connection
        .pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))
        .map_err(database)?;
    connection
        .pragma_update(None, "synchronous", "normal")
        .map_err(database)?;
    // In KiB: little, because 1,000,000 rows a run must cost no memory.
    connection
        .pragma_update(None, "cache_size", -512)
        .map_err(database)?;
    let known = MIGRATIONS.len() as i64;
    let found = pragma(&connection, "user_version")?;
    if found > known {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known,
        });
    }
    if found < known {
        let change = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(database)?;
        for migration in MIGRATIONS.iter().skip(found.max(0) as usize) {
            change.execute_batch(migration).map_err(database)?;
        }
        change
            .pragma_update(None, "application_id", APPLICATION)
            .map_err(database)?;
        change
            .pragma_update(None, "user_version", known)
            .map_err(database)?;
        change.commit().map_err(database)?;
    }
    // A page that can't be read shows here, not in the middle of a run.
    connection
        .query_row(
            "SELECT max(id), (SELECT at_ms FROM attempts ORDER BY id LIMIT 1) FROM attempts",
            [],
            |_| Ok(()),
        )
        .map_err(database)?;
    Ok(connection)
}

/// Whether the file itself is broken.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

/// Gives the file and its companions a name under which nothing looks for them.
fn set_aside(path: &Path) -> std::io::Result<PathBuf> {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let aside = beside(path, &format!("damaged-{seconds}"));
    fs::rename(path, &aside)?;
    // The companions belong to it: beside a new file they would damage that, too.
    for companion in ["wal", "shm"] {
        let mut from = path.as_os_str().to_owned();
        from.push(format!("-{companion}"));
        let mut to = aside.as_os_str().to_owned();
        to.push(format!("-{companion}"));
        match fs::rename(from, to) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(aside)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}
