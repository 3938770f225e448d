use std::ops::ControlFlow;
use std::time::Duration;

use super::*;
use crate::predict::Level;
use crate::row::{End, Ran};

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
    row.at_ms = n as i64;
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
    Store::open(&path).unwrap().add(&rows, 100).unwrap();
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
        store.add(&[row(n)], 20).unwrap();
    }
    let kept: Vec<u64> = all(&store).iter().map(|row| row.task).collect();
    assert_eq!(kept, (10..30).collect::<Vec<u64>>());
    assert_eq!(store.prune(5).unwrap(), 15);
    assert_eq!(store.count().unwrap(), 5);
}

#[test]
fn only_what_is_meant_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(&dir.path().join("h")).unwrap();
    store
        .add(&(0..10).map(row).collect::<Vec<_>>(), 100)
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
        before_ms: Some(2),
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
    store.add(&[row(1)], 100).unwrap();
    assert!(Store::open(&path).unwrap().set_aside().is_none());
}

#[test]
fn a_torn_file_is_set_aside_by_the_writer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("h");
    let rows: Vec<Row> = (0..2000).map(row).collect();
    Store::open(&path).unwrap().add(&rows, 5000).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    assert!(bytes.len() > 100_000);
    // The header and the schema stay; everything else is rubbish.
    bytes[8192..].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let mut writer = Writer::start(path.clone(), 5000).unwrap();
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
    let mut writer = Writer::start(file.join("below/history.sqlite"), 100).unwrap();
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
                let mut writer = Writer::start(path, 100_000).unwrap();
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
    store.add(&rows, 100).unwrap();
    let task = row(500);
    let predictor = store.predictor(&task.keys, Options::default()).unwrap();
    let answer = predictor.predict(&task.question());
    assert_eq!((answer.level, answer.evidence), (Level::Template, 19));
    assert!((100 << 20..110 << 20).contains(&answer.peak_bytes));
}
