//! What Criterion writes, the real one, is what the reader gives back.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use criterion::measurement::{Measurement, WallTime};
use criterion::{Criterion, SamplingMode};
use sqlite_membench::allocator::global::Switchable;
use sqlite_membench::estimates::{
    self, Benchmark, CRITERION_VERSION, LAST_RUN, Mode, Note, Throughput, Unit, stamp,
};
use sqlite_membench::measurement::{AllocatedBytes, IterMemory, NOTHING};

#[global_allocator]
static ALLOCATOR: Switchable = Switchable::new();

const TIME: &str = "estimates/time";
const MEMORY: &str = "estimates/time/allocated-bytes";

fn criterion<M: Measurement>(directory: &Path, measurement: M) -> Criterion<M> {
    Criterion::default()
        .with_measurement(measurement)
        .output_directory(directory)
        .without_plots()
        .sample_size(10)
        .nresamples(1000)
        .warm_up_time(Duration::from_nanos(1))
        .measurement_time(Duration::from_millis(100))
}

/// Runs a benchmark whose execution `n` takes `from + n` microseconds, and says what it returned.
fn time(criterion: &mut Criterion<WallTime>, from: u64, mode: SamplingMode) -> Vec<(u64, f64)> {
    let returned = RefCell::new(Vec::new());
    let mut group = criterion.benchmark_group(TIME);
    group.sampling_mode(mode);
    group.throughput(criterion::Throughput::Elements(3));
    group.bench_function("spans", |bencher| {
        bencher.iter_custom(|iterations| {
            let mut returned = returned.borrow_mut();
            let each = Duration::from_micros(from + returned.len() as u64);
            let total = each * u32::try_from(iterations).unwrap();
            returned.push((iterations, total.as_nanos() as f64));
            total
        });
    });
    group.finish();
    returned.into_inner()
}

fn memory(directory: &Path) {
    let mut criterion = criterion(directory, AllocatedBytes);
    let mut group = criterion.benchmark_group(MEMORY);
    group.sampling_mode(SamplingMode::Flat);
    group.bench_function("page", |bencher| bencher.iter_memory(|| vec![1_u8; 4096]));
    group.finish();
}

fn read(directory: &Path, baseline: &str) -> Vec<Benchmark> {
    let results = estimates::read(directory, baseline).unwrap();
    assert!(results.skipped.is_empty(), "{:?}", results.skipped);
    results.benchmarks
}

/// The samples are the last executions, after the warm-up's.
fn assert_samples(benchmark: &Benchmark, returned: &[(u64, f64)]) {
    let samples = benchmark.samples.iter();
    let samples: Vec<_> = samples.map(|one| (one.iterations, one.total)).collect();
    assert_eq!(samples, returned[returned.len() - 10..]);
}

#[test]
fn what_criterion_measured_is_what_is_read_with_unit_and_settings() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let began = SystemTime::now();
    let mut saving = criterion(directory, WallTime).save_baseline("before".into());
    let returned = time(&mut saving, 5000, SamplingMode::Flat);
    memory(directory);
    let units = BTreeMap::from([
        (TIME.to_owned(), Unit::Nanoseconds),
        (MEMORY.to_owned(), Unit::Bytes),
    ]);
    let settings = BTreeMap::from([("rows".to_owned(), "3".to_owned())]);
    let stamped = stamp::write(directory, began, &units, &settings).unwrap();
    assert_eq!(stamped, 4, "two benchmarks, each with a baseline");

    let last = read(directory, LAST_RUN);
    let ids: Vec<_> = last.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "estimates/time/allocated-bytes/page",
            "estimates/time/spans"
        ]
    );
    let (bytes, spans) = (&last[0], &last[1]);
    assert_samples(spans, &returned);
    let means: Vec<f64> = spans.per_iteration().collect();
    let mean = means.iter().sum::<f64>() / 10.0;
    let estimate = spans.estimates.mean;
    assert!((estimate.value / mean - 1.0).abs() < 1e-9, "{estimate:?}");
    assert!(
        estimate.low <= mean && mean <= estimate.high,
        "{estimate:?}"
    );
    assert_eq!((spans.mode, spans.estimates.slope), (Mode::Flat, None));
    assert_eq!(spans.throughput, Some(Throughput::Elements(3)));
    assert_eq!((spans.unit, spans.note), (Some(Unit::Nanoseconds), None));
    assert_eq!(
        (spans.group.as_str(), spans.function.as_deref()),
        (TIME, Some("spans"))
    );
    assert_eq!(spans.stamp.as_ref().unwrap().settings, settings);

    assert_eq!((bytes.unit, bytes.throughput), (Some(Unit::Bytes), None));
    // The test's other threads may allocate beside one sample, not beside all.
    let least = bytes.per_iteration().fold(f64::INFINITY, f64::min);
    assert!((4096.0..=4096.0 + NOTHING).contains(&least), "{least}");

    let before = read(directory, "before");
    assert_eq!(before.len(), 1);
    assert_eq!(
        (&before[0].samples, &before[0].stamp),
        (&spans.samples, &spans.stamp)
    );

    // Somebody runs it again and stamps nothing: the baseline keeps its stamp, the last run has none.
    let returned = time(
        &mut criterion(directory, WallTime),
        7000,
        SamplingMode::Linear,
    );
    let last = read(directory, LAST_RUN);
    let spans = &last[1];
    assert_samples(spans, &returned);
    assert_eq!(spans.mode, Mode::Linear);
    let slope = spans.estimates.slope.unwrap().value;
    assert!((7e6..7.1e6).contains(&slope), "{slope}");
    assert_eq!(
        (spans.unit, spans.note),
        (None, Some(Note::StampOfAnotherRun))
    );
    assert_eq!(last[0].unit, Some(Unit::Bytes));
    assert_eq!(read(directory, "before"), before);
}

#[test]
fn the_criterion_that_is_compiled_in_is_the_one_whose_files_are_known() {
    let lock = include_str!("../Cargo.lock");
    let (_, after) = lock
        .split_once("name = \"criterion\"\nversion = \"")
        .unwrap();
    let (version, _) = after.split_once('"').unwrap();
    assert!(
        version.starts_with(&format!("{CRITERION_VERSION}.")),
        "Cargo.lock has criterion {version}: read what changed in its files, then CRITERION_VERSION"
    );
}
