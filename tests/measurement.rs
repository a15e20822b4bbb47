//! Memory as a measurement of Criterion's: what its samples hold, in this process and in testees.
//!
//! It is its own testee, so it has a `main` of its own.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use criterion::{Bencher, Criterion, SamplingMode};
use libtest_mimic::{Arguments, Failed, Trial};
use rusqlite::Connection;
use sqlite_membench::allocator::global::Switchable;
use sqlite_membench::allocator::{SqliteAllocator, sqlite};
use sqlite_membench::measurement::{
    AllocatedBlocks, AllocatedBytes, IterMemory, Metric, NOTHING, PeakLiveBytes, PeakRssBytes,
    SqliteHighwaterBytes, take, testee,
};

#[global_allocator]
static ALLOCATOR: Switchable = Switchable::new();

/// Large enough that no other thread of Criterion's is seen beside it.
const BLOCK_BYTES: usize = 8 << 20;

fn main() {
    testee::serve("block", |arguments| {
        let bytes = arguments.first().map_or(0, |bytes| bytes.parse().unwrap());
        take(|| vec![1_u8; bytes]).0
    });
    testee::serve("rows", |_| {
        let connection = open();
        take(|| fill(&connection, 20_000)).0
    });
    testee::serve("mute", |_| std::process::exit(0));
    testee::serve("broken", |_| std::process::exit(3));
    sqlite::install(SqliteAllocator::Rust, 0).unwrap();
    let mut arguments = Arguments::from_args();
    // The counters are the process's: one at a time.
    arguments.test_threads = Some(1);
    let trials = TRIALS.map(|(name, trial)| Trial::test(name, trial));
    libtest_mimic::run(&arguments, trials.into()).exit();
}

type Run = fn() -> Result<(), Failed>;

const TRIALS: [(&str, Run); 9] = [
    (
        "what_is_allocated_is_counted_by_iter_and_by_iter_memory",
        what_is_allocated_is_counted,
    ),
    (
        "a_peak_is_each_iterations_own_and_starts_from_what_was_live",
        a_peak_is_each_iterations_own,
    ),
    (
        "a_peak_refuses_plain_iter_and_says_what_to_do",
        a_peak_refuses_plain_iter,
    ),
    (
        "a_routine_that_allocates_nothing_is_not_dropped",
        nothing_is_not_dropped,
    ),
    (
        "equal_samples_are_compared_and_plotted_without_a_panic",
        equal_samples_are_compared,
    ),
    (
        "sqlite_is_counted_where_its_blocks_are_rusts",
        sqlite_is_counted,
    ),
    (
        "setup_is_outside_and_what_is_returned_is_live_at_the_end",
        setup_is_outside,
    ),
    (
        "a_testee_gives_its_own_rss_whatever_this_process_holds",
        a_testee_gives_its_own_rss,
    ),
    (
        "a_testee_that_fails_or_says_nothing_is_an_error_that_names_it",
        a_testee_that_fails_is_an_error,
    ),
];

/// Runs one benchmark of Criterion's and gives its samples, each for one iteration.
fn samples<M: Metric>(
    directory: &Path,
    measurement: M,
    mut bench: impl FnMut(&mut Bencher<'_, M>),
) -> Vec<f64> {
    let mut criterion = Criterion::default()
        .with_measurement(measurement)
        .output_directory(directory);
    if directory.join("without-plots").exists() {
        criterion = criterion.without_plots();
    }
    let mut group = criterion.benchmark_group("memory");
    group
        .sampling_mode(SamplingMode::Flat)
        .sample_size(10)
        .nresamples(1001)
        .warm_up_time(Duration::from_nanos(1))
        .measurement_time(Duration::from_millis(20));
    group.bench_function("one", |bencher| bench(bencher));
    group.finish();
    let text = fs::read_to_string(directory.join("memory/one/new/sample.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let numbers = |key: &str| {
        let list = json[key].as_array().unwrap();
        list.iter().map(|number| number.as_f64().unwrap())
    };
    let divided = |(total, iterations)| total / iterations;
    numbers("times")
        .zip(numbers("iters"))
        .map(divided)
        .collect()
}

fn of<M: Metric>(measurement: M, bench: impl FnMut(&mut Bencher<'_, M>)) -> Vec<f64> {
    let directory = tempfile::tempdir().unwrap();
    samples(directory.path(), measurement, bench)
}

fn assert_all(samples: &[f64], expected: usize, within: f64) {
    assert_eq!(samples.len(), 10);
    for sample in samples {
        let off = (sample / expected as f64 - 1.0).abs();
        assert!(off <= within, "{samples:?}, and not {expected}");
    }
}

fn open() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    (connection.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)")).unwrap();
    connection
}

fn fill(connection: &Connection, rows: u32) {
    connection.execute_batch("BEGIN").unwrap();
    let mut insert = connection.prepare("INSERT INTO t VALUES (?, ?)").unwrap();
    for row in 0..rows {
        insert
            .execute((row, "a text of some length, so that pages fill"))
            .unwrap();
    }
    drop(insert);
    connection.execute_batch("COMMIT").unwrap();
}

fn what_is_allocated_is_counted() -> Result<(), Failed> {
    let block = || vec![1_u8; BLOCK_BYTES];
    assert_all(&of(AllocatedBytes, |b| b.iter(block)), BLOCK_BYTES, 0.01);
    assert_all(
        &of(AllocatedBytes, |b| b.iter_memory(block)),
        BLOCK_BYTES,
        0.01,
    );
    let blocks = || (0..5000).map(|_| Box::new([1_u64; 4])).collect::<Vec<_>>();
    assert_all(&of(AllocatedBlocks, |b| b.iter_memory(blocks)), 5001, 0.01);
    Ok(())
}

fn a_peak_is_each_iterations_own() -> Result<(), Failed> {
    let held = vec![1_u8; 3 * BLOCK_BYTES];
    // Twice as much is allocated as is ever live.
    let two = || {
        drop(std::hint::black_box(vec![1_u8; BLOCK_BYTES]));
        vec![1_u8; BLOCK_BYTES]
    };
    assert_all(
        &of(PeakLiveBytes, |b| b.iter_memory(two)),
        BLOCK_BYTES,
        0.01,
    );
    assert_all(
        &of(AllocatedBytes, |b| b.iter_memory(two)),
        2 * BLOCK_BYTES,
        0.01,
    );
    drop(held);
    Ok(())
}

fn a_peak_refuses_plain_iter() -> Result<(), Failed> {
    let refused = catch_unwind(AssertUnwindSafe(|| of(PeakLiveBytes, |b| b.iter(|| 1))));
    let words = refused.unwrap_err();
    let words = words.downcast_ref::<&str>().copied().unwrap_or_default();
    assert!(
        words.contains("a peak is no sum") && words.contains("iter_memory"),
        "{words}"
    );
    Ok(())
}

fn nothing_is_not_dropped() -> Result<(), Failed> {
    for sample in of(PeakLiveBytes, |b| b.iter_memory(|| 1)) {
        assert!(sample > 0.0 && sample < 2.0 * NOTHING, "{sample}");
    }
    Ok(())
}

fn equal_samples_are_compared() -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let mut mean = Vec::new();
    for bytes in [BLOCK_BYTES, BLOCK_BYTES, BLOCK_BYTES + BLOCK_BYTES / 10] {
        if bytes > BLOCK_BYTES {
            // Ten percent are a million times the nudge, further than plotters can draw a line to: it
            // says so where arithmetic is checked, as in a test.
            fs::write(directory.path().join("without-plots"), "")?;
        }
        let bytes = bytes.to_string();
        let testee = |b: &mut Bencher<'_, AllocatedBytes>| b.iter_testee("block", &[&bytes]);
        samples(directory.path(), AllocatedBytes, testee);
        let change = directory.path().join("memory/one/change/estimates.json");
        let Ok(text) = fs::read_to_string(change) else {
            continue;
        };
        let json: serde_json::Value = serde_json::from_str(&text)?;
        mean.push(json["mean"]["point_estimate"].as_f64().unwrap());
    }
    assert_eq!(mean.len(), 2);
    assert!(
        mean[0].abs() < 1e-9 && (mean[1] - 0.1).abs() < 1e-6,
        "{mean:?}"
    );
    Ok(())
}

fn sqlite_is_counted() -> Result<(), Failed> {
    let rows = |connection: &mut Connection| fill(connection, 20_000);
    let highwater = of(SqliteHighwaterBytes, |b| b.iter_memory_with(open, rows));
    let peak = of(PeakLiveBytes, |b| b.iter_memory_with(open, rows));
    assert!(highwater[0] > (1 << 20) as f64, "{highwater:?}");
    assert_all(&highwater, highwater[0] as usize, 0.01);
    // With eight bytes in front of each block, and what rusqlite has beside it.
    assert_all(&peak, highwater[0] as usize, 0.01);
    assert!(peak[0] > highwater[0]);
    Ok(())
}

fn setup_is_outside() -> Result<(), Failed> {
    let setup = || vec![1_u8; 2 * BLOCK_BYTES];
    let half = |whole: &mut Vec<u8>| whole[..BLOCK_BYTES].to_vec();
    assert_all(
        &of(AllocatedBytes, |b| b.iter_memory_with(setup, half)),
        BLOCK_BYTES,
        0.01,
    );
    let (taken, block) = take(|| vec![1_u8; BLOCK_BYTES]);
    let allocated = taken.allocated().unwrap();
    assert_eq!(allocated.peak_live_bytes, BLOCK_BYTES as u64);
    assert_eq!(block.len(), BLOCK_BYTES);
    Ok(())
}

fn a_testee_gives_its_own_rss() -> Result<(), Failed> {
    let (small, large) = (64 << 20, 256 << 20);
    let held = vec![1_u8; large];
    let bytes = small.to_string();
    for sample in of(PeakRssBytes, |b| b.iter_testee("block", &[&bytes])) {
        assert!(
            sample > small as f64 && sample < (small + (32 << 20)) as f64,
            "{sample}"
        );
    }
    drop(held);
    Ok(())
}

fn a_testee_that_fails_is_an_error() -> Result<(), Failed> {
    let words = |name: &str| testee::run(name, &["x"]).unwrap_err().to_string();
    assert!(words("mute").contains("`mute`") && words("mute").contains("testee::serve"));
    assert!(words("broken").contains("`broken x`") && words("broken").contains('3'));
    let taken = testee::run("rows", &[])?;
    assert!(taken.sqlite_highwater_bytes > Some(1 << 20), "{taken:?}");
    // Its SQLite is on `malloc`: Rust's allocator saw next to nothing.
    assert!(
        taken.allocated().unwrap().peak_live_bytes < 1 << 20,
        "{taken:?}"
    );
    Ok(())
}
