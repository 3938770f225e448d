//! Tasks in batches: order, errors, panics, cancels, and the lines word for word.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use saferun_executor::{
    MeasureError, Notice, Options, SafeParallel, TaskError, ZeroConcurrency, boxed,
    execute_safe_parallel, optimal_concurrency, wait_until_memory_below,
};
use saferun_memory::WaitError;
use tokio::time::{Instant, sleep};

const MIB: u64 = 1 << 20;

/// Readings one after another, in MiB; the last one stays. `None` can't be read.
fn script(
    readings: impl IntoIterator<Item = Option<u64>>,
) -> impl Fn() -> Result<u64, MeasureError> + Send + Sync + 'static {
    let readings: Mutex<VecDeque<_>> = Mutex::new(readings.into_iter().collect());
    move || {
        let mut readings = readings.lock().expect("whole");
        let reading = match readings.len() {
            1 => readings[0],
            _ => readings.pop_front().expect("one stays"),
        };
        reading
            .map(|mib| mib * MIB)
            .ok_or_else(|| "no /proc".into())
    }
}

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Page {
    fn lines(&self) -> Vec<String> {
        let bytes = self.0.lock().expect("whole").clone();
        let text = String::from_utf8(bytes).expect("text");
        text.lines().map(str::to_owned).collect()
    }
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("whole").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn verbose(options: Options) -> (SafeParallel, Page) {
    let page = Page::default();
    let parallel = SafeParallel::new(Options {
        verbose: true,
        ..options
    });
    (parallel.expect("not 0").writing_to(page.clone()), page)
}

async fn run_numbers(parallel: &SafeParallel, count: usize) {
    let tasks = (0..count).map(|number| async move || Ok::<_, io::Error>(number));
    let results = parallel.execute(tasks).await;
    let values: Vec<usize> = results
        .into_iter()
        .map(|result| result.expect("ran"))
        .collect();
    assert_eq!(values, (0..count).collect::<Vec<_>>());
}

#[test]
fn defaults() {
    let expected = Options {
        concurrency: 2,
        memory_threshold: 4096 * 1024 * 1024,
        force_gc: true,
        verbose: false,
    };
    assert_eq!(Options::default(), expected);
}

#[tokio::test]
async fn six_tasks_are_told_line_by_line() {
    let (parallel, page) = verbose(Options::default());
    // Start; the first cleanup; the second batch; the second cleanup; the end.
    let readings = [1423, 2350, 1500, 1600, 1700, 1690, 1680].map(Some);
    let parallel = parallel.measured_by(script(readings));
    run_numbers(&parallel, 6).await;
    assert_eq!(
        page.lines(),
        [
            "[SafeParallel] Starting with 6 tasks, concurrency: 2",
            "[SafeParallel] Initial memory: 1423MB",
            "[SafeParallel] Processing batch 1, tasks: 4",
            "[SafeParallel] Batch complete, freed 850MB",
            "[SafeParallel] Processing batch 2, tasks: 2",
            "[SafeParallel] Batch complete, freed 10MB",
            "[SafeParallel] Complete. Final memory: 1680MB (delta: 257MB)",
        ]
    );
}

#[tokio::test]
async fn above_the_threshold_at_the_start_all_run_one_by_one() {
    let (parallel, page) = verbose(Options::default());
    let parallel = parallel.measured_by(script([Some(4500)]));
    run_numbers(&parallel, 3).await;
    assert_eq!(
        page.lines(),
        [
            "[SafeParallel] Starting with 3 tasks, concurrency: 2",
            "[SafeParallel] Initial memory: 4500MB",
            "[SafeParallel] Memory high (4500MB), falling back to sequential",
            "[Sequential] Executing task 1/3",
            "[Sequential] Executing task 2/3",
            "[Sequential] Executing task 3/3",
            "[SafeParallel] Complete. Final memory: 4500MB (delta: 0MB)",
        ]
    );
}

#[tokio::test]
async fn above_the_threshold_before_a_batch_the_rest_runs_one_by_one() {
    let (parallel, page) = verbose(Options {
        force_gc: false,
        ..Options::default()
    });
    let parallel = parallel.measured_by(script([Some(1500), Some(4500), Some(1000)]));
    run_numbers(&parallel, 7).await;
    assert_eq!(
        page.lines()[2..],
        [
            "[SafeParallel] Processing batch 1, tasks: 4",
            "[SafeParallel] Memory high before batch (4500MB), switching to sequential",
            "[Sequential] Executing task 1/3",
            "[Sequential] Executing task 2/3",
            "[Sequential] Executing task 3/3",
            "[SafeParallel] Complete. Final memory: 1000MB (delta: -500MB)",
        ]
    );
}

#[tokio::test]
async fn memory_that_is_unknown_is_not_taken_for_little() {
    let (parallel, page) = verbose(Options::default());
    run_numbers(&parallel.measured_by(script([None])), 1).await;
    assert_eq!(
        page.lines()[1..],
        [
            "[SafeParallel] Memory unknown (no /proc), falling back to sequential",
            "[Sequential] Executing task 1/1",
            "[SafeParallel] Complete. Final memory: unknown",
        ]
    );
}

#[tokio::test]
async fn without_verbose_nothing_is_written_and_an_observer_still_hears_all() {
    let (page, heard) = (Page::default(), Arc::new(Mutex::new(Vec::new())));
    let notices = Arc::clone(&heard);
    let parallel = SafeParallel::new(Options::default())
        .expect("not 0")
        .writing_to(page.clone())
        .measured_by(script([Some(5000)]))
        .observed_by(move |notice| notices.lock().expect("whole").push(notice.clone()));
    run_numbers(&parallel, 1).await;
    assert!(page.lines().is_empty());
    let high = Notice::High { bytes: 5000 * MIB };
    assert!(heard.lock().expect("whole").contains(&high));
}

#[tokio::test(start_paused = true)]
async fn errors_and_panics_stay_with_their_tasks() {
    let tasks = vec![
        boxed(async || {
            sleep(Duration::from_secs(3)).await;
            Ok(1)
        }),
        boxed(async || Err("two")),
        boxed(async || -> Result<i32, &str> { panic!("three") }),
        boxed(|| -> std::future::Ready<Result<i32, &str>> { panic!("four") }),
        boxed(async || Ok(5)),
    ];
    let results = execute_safe_parallel(tasks, Options::default()).await;
    let texts: Vec<String> = results
        .expect("not 0")
        .into_iter()
        .map(|result| match result {
            Ok(value) => value.to_string(),
            Err(TaskError::Failed(error)) => format!("failed: {error}"),
            Err(TaskError::Panicked(panicked)) => panicked.message().to_owned(),
        })
        .collect();
    assert_eq!(texts, ["1", "failed: two", "three", "four", "5"]);
}

#[tokio::test]
async fn a_concurrency_of_0_begins_nothing() {
    let options = Options {
        concurrency: 0,
        ..Options::default()
    };
    let tasks = [async || -> Result<(), ()> { unreachable!("never begun") }];
    let refused = execute_safe_parallel(tasks, options).await;
    assert_eq!(refused.map(drop), Err(ZeroConcurrency));
    assert!(SafeParallel::new(options).is_err());
}

#[tokio::test(start_paused = true)]
async fn batches_have_a_barrier_and_no_more_than_the_optimal_run_at_once() {
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let tasks = (0..12_u64).map(|number| {
        let (running, most) = (Arc::clone(&running), Arc::clone(&most));
        async move || {
            let now = running.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
            sleep(Duration::from_secs(if number == 0 { 10 } else { 1 })).await;
            running.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, ()>(())
        }
    });
    let parallel = SafeParallel::new(Options {
        concurrency: 8,
        ..Options::default()
    });
    let parallel = parallel.expect("not 0").measured_by(script([Some(100)]));
    let begin = Instant::now();
    assert_eq!(parallel.execute(tasks).await.len(), 12);
    assert_eq!(most.load(Ordering::SeqCst), 3);
    // Six in the first batch, of which one takes long; the others wait for it.
    assert_eq!(begin.elapsed(), Duration::from_secs(10 + 2));
}

#[tokio::test]
async fn cleanup_runs_after_each_batch_and_each_lone_task_but_only_if_wanted() {
    for (force_gc, expected) in [(true, 1 + 3), (false, 0)] {
        let cleaned = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&cleaned);
        let mut readings = vec![Some(1500)];
        readings.extend(force_gc.then_some([Some(1500); 2]).into_iter().flatten());
        readings.push(Some(9000));
        let parallel = SafeParallel::new(Options {
            force_gc,
            ..Options::default()
        });
        let parallel = parallel
            .expect("not 0")
            .measured_by(script(readings))
            .on_clean_up(move || {
                counter.fetch_add(1, Ordering::SeqCst);
            });
        run_numbers(&parallel, 7).await;
        assert_eq!(cleaned.load(Ordering::SeqCst), expected);
    }
}

/// What this process holds, by its own account: what other programs do is not seen.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn own_bytes() -> Result<u64, MeasureError> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages = statm.split(' ').nth(1).ok_or("no second field")?;
    Ok(pages.parse::<u64>()? * rustix::param::page_size() as u64)
}

/// Fills 160 MB with pieces that are too small to be mapped each by itself, and keeps the last:
/// it pins the end of the heap, so that the allocator alone gives nothing back.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
async fn leave_free_pages() -> Result<Box<[u8]>, io::Error> {
    let mut pieces: Vec<Box<[u8]>> = (0..40_000)
        .map(|_| vec![1_u8; 4000].into_boxed_slice())
        .collect();
    pieces
        .pop()
        .ok_or_else(|| io::Error::other("there are 40000"))
}

#[tokio::test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
async fn what_tasks_left_with_the_allocator_goes_back_to_the_system() {
    // In a batch, then alone since any use is above a threshold of 0.
    for memory_threshold in [Options::default().memory_threshold, 0] {
        let heard: Arc<Mutex<Vec<u64>>> = Arc::default();
        let freed = Arc::clone(&heard);
        let (parallel, page) = verbose(Options {
            memory_threshold,
            ..Options::default()
        });
        let parallel = parallel
            .measured_by(own_bytes)
            .on_cleaned_up(move |brought| freed.lock().expect("whole").push(brought.freed_bytes()));
        let results = parallel.execute([leave_free_pages]).await;
        assert!(results.iter().all(Result::is_ok));
        let freed = heard.lock().expect("whole").clone();
        let lines = page.lines();
        assert!(
            matches!(freed[..], [bytes] if bytes > 100 * MIB),
            "{freed:?}"
        );
        if memory_threshold > 0 {
            let said = lines.iter().find_map(|line| line.split("freed ").nth(1));
            let said = said.and_then(|text| text.strip_suffix("MB")?.parse::<u64>().ok());
            assert_eq!(said, Some((freed[0] + MIB / 2) / MIB), "{lines:?}");
        }
    }
}

#[tokio::test]
async fn memory_that_is_unknown_is_given_back_all_the_same() {
    let cleaned = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&cleaned);
    let parallel = SafeParallel::new(Options::default())
        .expect("not 0")
        .measured_by(script([None]))
        .on_cleaned_up(|_| panic!("nothing was measured"))
        .on_clean_up(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        });
    run_numbers(&parallel, 3).await;
    assert_eq!(cleaned.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn dropped_it_drops_what_runs_and_begins_no_more() {
    let (began, alive) = (Arc::new(AtomicUsize::new(0)), Arc::new(()));
    let tasks = (0..10).map(|_| {
        let (began, alive) = (Arc::clone(&began), Arc::clone(&alive));
        async move || -> Result<(), ()> {
            began.fetch_add(1, Ordering::SeqCst);
            sleep(Duration::from_secs(100)).await;
            drop(alive);
            Ok(())
        }
    });
    let parallel = SafeParallel::new(Options::default()).expect("not 0");
    let parallel = parallel.measured_by(script([Some(100)]));
    let run = parallel.execute(tasks);
    assert!(
        tokio::time::timeout(Duration::from_secs(1), run)
            .await
            .is_err()
    );
    assert_eq!(began.load(Ordering::SeqCst), 2);
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[tokio::test]
async fn it_can_be_spawned_and_shared() {
    let parallel = SafeParallel::new(Options::default()).expect("not 0");
    let other = parallel.clone();
    let one = tokio::spawn(async move { run_numbers(&other, 5).await });
    run_numbers(&parallel, 5).await;
    one.await.expect("joined");
}

#[tokio::test]
async fn on_the_real_session() {
    assert!((1..=3).contains(&optimal_concurrency()));
    let short = Duration::from_millis(30);
    assert!(wait_until_memory_below(u64::MAX, short).await.is_ok());
    let late = wait_until_memory_below(0, short).await;
    assert!(matches!(late, Err(WaitError::Late { .. })));
    run_numbers(&SafeParallel::new(Options::default()).expect("not 0"), 9).await;
}
