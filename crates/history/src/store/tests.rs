use std::ops::ControlFlow;
use std::time::Duration;

use super::*;
use crate::predict::Level;
use crate::row::{End, Ran};

fn most(most_rows: u64) -> Retention {
    Retention {
        most_rows,
        ..Retention::default()
    }
}

/// The same for all rows of a test process, so that a row is itself each time it is made.
fn now_ms() -> i64 {
    static NOW: std::sync::OnceLock<i64> = std::sync::OnceLock::new();
    *NOW.get_or_init(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.unwrap().as_millis() as i64
    })
}

fn row(n: u64) -> Row {
    let command = vec!["xz".to_owned(), format!("file-{n}")];
    let template = vec!["xz".to_owned(), "{}".to_owned()];
    let mut row = Row::of(&Ran {
        command: &command,
        template: Some(&template),
        items: &command[1..],
        directory: "/somewhere",
        agent: None,
    });
    row.at_ms = now_ms() + n as i64;
    row.task = n;
    row.peak_bytes = 100 << 20;
    row.seconds = 1.5;
    row.curve = Some(crate::predict::Curve::FLAT);
    row.input_bytes = Some(n);
    row
}

fn all(store: &Store) -> Vec<Row> {
    let mut rows = Vec::new();
    store
        .for_each(&Filter::default(), |_, row| {
            rows.push(row);
            ControlFlow::Continue(())
        })
        .unwrap();
    rows
}

#[test]
fn rows_come_back_as_they_went() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b/history.sqlite");
    let rows: Vec<Row> = (0..10).map(row).collect();
    Store::open(&path).unwrap().add(&rows, &most(100)).unwrap();
    assert_eq!(all(&Store::open(&path).unwrap()), rows);
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0);
}

#[test]
fn the_oldest_go_first() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(&dir.path().join("h")).unwrap();
    for n in 0..30 {
        store.add(&[row(n)], &most(20)).unwrap();
    }
    let kept: Vec<u64> = all(&store).iter().map(|row| row.task).collect();
    assert_eq!(kept, (10..30).collect::<Vec<u64>>());
    assert_eq!(store.remove_expired(&most(5)).unwrap().rows, 15);
    assert_eq!(store.count().unwrap(), 5);
}

#[test]
fn only_what_is_meant_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(&dir.path().join("h")).unwrap();
    store
        .add(&(0..10).map(row).collect::<Vec<_>>(), &most(100))
        .unwrap();
    let of = |filter: Filter| filter;
    let by_keys = of(Filter {
        keys: Some(row(3).keys),
        ..Filter::default()
    });
    assert_eq!(store.forget(&by_keys).unwrap(), 1);
    let by_text = of(Filter {
        text: Some("file-4".into()),
        ..Filter::default()
    });
    assert_eq!(store.forget(&by_text).unwrap(), 1);
    let by_age = of(Filter {
        before_ms: Some(row(2).at_ms),
        ..Filter::default()
    });
    assert_eq!(store.forget(&by_age).unwrap(), 2);
    let nothing = of(Filter {
        keys: Some(Keys::default()),
        ..Filter::default()
    });
    assert_eq!(store.forget(&nothing).unwrap(), 0);
    assert_eq!(store.count().unwrap(), 6);
}

#[test]
fn a_damaged_file_is_set_aside_and_not_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("h");
    std::fs::write(&path, b"no database at all, whatever its name says").unwrap();
    let mut store = Store::open(&path).unwrap();
    let aside = store.set_aside().unwrap().to_owned();
    assert!(std::fs::read(aside).unwrap().starts_with(b"no database"));
    store.add(&[row(1)], &most(100)).unwrap();
    assert!(Store::open(&path).unwrap().set_aside().is_none());
}

#[test]
fn a_torn_file_is_set_aside_by_the_writer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("h");
    let rows: Vec<Row> = (0..2000).map(row).collect();
    Store::open(&path).unwrap().add(&rows, &most(5000)).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    assert!(bytes.len() > 100_000);
    // The header and the schema stay; everything else is rubbish.
    bytes[8192..].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let mut writer = Writer::start(path.clone(), most(5000)).unwrap();
    writer.add(row(7));
    let warning = writer.finish(Duration::from_secs(20)).unwrap();
    assert!(warning.contains("damaged"), "{warning}");
    assert_eq!(all(&Store::open(&path).unwrap()).len(), 1);
}

#[test]
fn anothers_database_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("h");
    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)")
        .unwrap();
    drop(other);
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(
        Store::open(&path),
        Err(StoreError::Foreign { .. })
    ));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_later_versions_file_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("h");
    let store = Store::open(&path).unwrap();
    store
        .connection
        .pragma_update(None, "user_version", 99)
        .unwrap();
    drop(store);
    assert!(matches!(
        Store::open(&path),
        Err(StoreError::Newer { found: 99, .. })
    ));
}

#[test]
fn what_cannot_be_written_is_one_warning() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let mut writer = Writer::start(file.join("below/history.sqlite"), most(100)).unwrap();
    for n in 0..10_000 {
        writer.add(row(n));
    }
    assert!(writer.finish(Duration::from_secs(20)).is_some());
}

#[test]
fn many_writers_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("h");
    let writers: Vec<_> = (0..12)
        .map(|w| {
            let path = path.clone();
            std::thread::spawn(move || {
                let mut writer = Writer::start(path, most(100_000)).unwrap();
                for n in 0..50 {
                    writer.add(row(1000 * w + n));
                }
                writer.finish(Duration::from_secs(60))
            })
        })
        .collect();
    for writer in writers {
        assert_eq!(writer.join().unwrap(), None);
    }
    let mut tasks: Vec<u64> = all(&Store::open(&path).unwrap())
        .iter()
        .map(|r| r.task)
        .collect();
    tasks.sort_unstable();
    tasks.dedup();
    assert_eq!(tasks.len(), 600);
}

#[test]
fn what_is_stored_teaches() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(&dir.path().join("h")).unwrap();
    let mut rows: Vec<Row> = (0..20).map(row).collect();
    rows[5].end = End::Preempted;
    rows[5].peak_bytes = 1;
    store.add(&rows, &most(100)).unwrap();
    let task = row(500);
    let predictor = store.predictor(&task.keys, Options::default()).unwrap();
    let answer = predictor.predict(&task.question());
    assert_eq!((answer.level, answer.evidence), (Level::Template, 19));
    assert!((100 << 20..110 << 20).contains(&answer.peak_bytes));
}

#[test]
fn what_is_too_old_goes_and_gives_its_space_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("h");
    let mut store = Store::open(&path).unwrap();
    let old = now_ms() - 40 * 86_400_000;
    let rows: Vec<Row> = (0..3000)
        .map(|n| Row {
            at_ms: if n < 2500 { old } else { now_ms() },
            ..row(n)
        })
        .collect();
    store.add(&rows, &Retention::default()).unwrap();
    assert_eq!(store.expired(&Retention::default()).unwrap().rows, 0);
    let month = Retention {
        most_days: 30,
        ..Retention::default()
    };
    let expired = store.expired(&month).unwrap();
    assert_eq!((expired.rows, store.count().unwrap()), (2500, 3000));
    let before = store.file_bytes();
    let gone = store.remove_expired(&month).unwrap();
    assert_eq!((gone.rows, store.count().unwrap()), (2500, 500));
    assert!(gone.bytes > before / 2, "{gone:?} of {before}");
    assert!(store.file_bytes() < before / 2);
    assert!(expired.bytes > gone.bytes / 4 && expired.bytes < 4 * gone.bytes);
    let again = store.remove_expired(&month).unwrap();
    assert_eq!(again.rows, 0);
}

#[test]
fn adding_lets_go_of_what_has_expired() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(&dir.path().join("h")).unwrap();
    let mut old = row(1);
    old.at_ms = now_ms() - 366 * 86_400_000;
    let never = Retention {
        most_days: u32::MAX,
        ..Retention::default()
    };
    store.add(&[old, row(2)], &never).unwrap();
    store.add(&[row(3)], &Retention::default()).unwrap();
    let kept: Vec<u64> = all(&store).iter().map(|row| row.task).collect();
    assert_eq!(kept, [2, 3]);
}

#[test]
fn however_long_commands_are_the_file_stays_small() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("h");
    let mut store = Store::open(&path).unwrap();
    let small = Retention {
        most_bytes: 1 << 20,
        ..Retention::default()
    };
    for n in 0..40 {
        let rows: Vec<Row> = (0..50)
            .map(|m| Row {
                command: vec!["x".repeat(2000)],
                ..row(50 * n + m)
            })
            .collect();
        store.add(&rows, &small).unwrap();
        let used = store
            .expired(&Retention {
                most_bytes: 0,
                ..small
            })
            .unwrap()
            .bytes;
        assert!(used <= 1 << 20, "{used}");
    }
    let kept = all(&store);
    assert_eq!(kept.last().map(|row| row.task), Some(1999));
    assert!(kept.len() > 200, "{}", kept.len());
}

#[test]
fn an_earlier_versions_file_is_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("h");
    let mut store = Store::open(&path).unwrap();
    store.add(&[row(1)], &most(9)).unwrap();
    store
        .connection
        .execute_batch("DROP INDEX attempts_at; PRAGMA user_version = 1")
        .unwrap();
    drop(store);
    let mut store = Store::open(&path).unwrap();
    store.add(&[row(2)], &most(9)).unwrap();
    assert_eq!(all(&store), [row(1), row(2)]);
    let indexes: i64 = store
        .connection
        .query_row(
            "SELECT count(*) FROM sqlite_schema WHERE name = 'attempts_at'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(indexes, 1);
}

#[test]
fn looking_makes_no_file_and_sets_nothing_aside() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("h");
    assert!(Store::open_existing(&path).unwrap().is_none());
    assert!(!path.exists());
    std::fs::write(&path, b"no database at all, whatever its name says").unwrap();
    assert!(Store::open_existing(&path).is_err());
    assert!(path.exists());
    std::fs::remove_file(&path).unwrap();
    Store::open(&path)
        .unwrap()
        .add(&[row(1)], &most(9))
        .unwrap();
    let store = Store::open_existing(&path).unwrap().unwrap();
    assert_eq!(store.count().unwrap(), 1);
}
