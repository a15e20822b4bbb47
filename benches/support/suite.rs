//! One bench executable's run of Criterion: the same settings for every group, time and memory in groups
//! of their own, and what Criterion's files do not say written beside them.
//!
//! All samples are flat and 10 by default. An iteration is a whole execution and returns the span that it
//! measured, so that what it needs (a fresh database) is made outside of it.

use std::collections::BTreeMap;
use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use criterion::measurement::{Measurement, WallTime};
use criterion::{Bencher, BenchmarkGroup, Criterion, SamplingMode, Throughput};
use sqlite_membench::estimates::{Unit, stamp};
use sqlite_membench::measurement::{
    AllocatedBlocks, AllocatedBytes, Metric, PeakLiveBytes, PeakRssBytes, SqliteHighwaterBytes,
    Taken, testee,
};
use sqlite_membench::workload::pragmas::Pragma;

use super::plan::{Plan, Set};
use super::profiler::InProcess;
use super::room::Room;

/// Two runs differ by this much on a machine that others use too; 5 % less is not told from noise.
const TIME_NOISE: f64 = 0.05;
/// What is counted is counted exactly.
const COUNT_NOISE: f64 = 0.01;
/// The kernel's peak is approximate, by some pages for each CPU.
const RSS_NOISE: f64 = 0.05;

/// A benchmark has 10 samples; of Criterion's 100,000 resamples the plots alone would take 3 s each.
const RESAMPLES: usize = 5_000;

/// Criterion, and what was asked of it.
pub struct Suite {
    pub plan: Plan,
    time: Criterion,
    began: SystemTime,
    /// Of every group.
    units: BTreeMap<String, Unit>,
}

/// Runs a bench: the table of bounds where it is asked for, and else its benchmarks. `bounds` says
/// whether all of them hold. Exit code 2 is bad usage.
pub fn main(benchmarks: impl FnOnce(&mut Suite), bounds: Option<fn(&Plan) -> bool>) -> ExitCode {
    let plan = match Plan::read() {
        Ok(plan) => plan,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    let _room = match enter(&plan) {
        Ok(room) => room,
        Err(error) => {
            eprintln!("no temporary directory: {error}; see whether TMPDIR is there and has room");
            return ExitCode::from(2);
        }
    };
    let time = criterion(WallTime, plan.set);
    let mut suite = Suite {
        began: SystemTime::now(),
        time: match plan.profiles_itself {
            true => time.with_profiler(InProcess::default()),
            false => time,
        },
        plan,
        units: BTreeMap::new(),
    };
    if !suite.plan.only_bounds() {
        benchmarks(&mut suite);
        suite.time.final_summary();
        suite.stamp();
        if suite.plan.is_invented {
            eprintln!(
                "--quick: its second sample is invented, so nothing of this run is kept. For a short run \
                 that is, set SQLITE_MEMBENCH_BENCH_SET=quick"
            );
        }
    }
    let plan = suite.plan;
    match bounds {
        Some(bounds) if plan.wants_bounds() && !bounds(&plan) && plan.enforce => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}

/// A list needs no room, and ends when its reader does.
fn enter(plan: &Plan) -> io::Result<Option<Room>> {
    if plan.is_list {
        // SAFETY: back to what a process begins with; Rust's runtime ignores the signal.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        return Ok(None);
    }
    Room::enter().map(Some)
}

impl Suite {
    /// A group that measures time. Its name holds the size, since runs of two sizes are not compared.
    pub fn time_group(
        &mut self,
        name: impl Into<String>,
        throughput: Throughput,
    ) -> BenchmarkGroup<'_, WallTime> {
        self.stamp();
        let samples = self.plan.samples;
        let name = name.into();
        self.units.insert(name.clone(), Unit::Nanoseconds);
        let mut group = self.time.benchmark_group(name);
        configure(&mut group, samples, TIME_NOISE, throughput);
        group
    }

    /// Groups `NAME/allocated-bytes` and so on, for every measurement of memory: each runs every testee,
    /// and they share their executions: the first sample of each is of the same process.
    pub fn memory_groups(&mut self, name: &str, throughput: Throughput, testees: &[Testee]) {
        let mut group = self.memory_group(name, throughput, testees);
        group.run("allocated-bytes", AllocatedBytes, COUNT_NOISE);
        group.run("allocated-blocks", AllocatedBlocks, COUNT_NOISE);
        group.run("peak-live-bytes", PeakLiveBytes, COUNT_NOISE);
        group.run("sqlite-highwater-bytes", SqliteHighwaterBytes, COUNT_NOISE);
        group.run("peak-rss-bytes", PeakRssBytes, RSS_NOISE);
    }

    /// A group `NAME/peak-rss-bytes` alone: for testees in which SQLite's blocks are not Rust's, or
    /// whose allocator is what matters.
    pub fn rss_group(&mut self, name: &str, throughput: Throughput, testees: &[Testee]) {
        let mut group = self.memory_group(name, throughput, testees);
        group.run("peak-rss-bytes", PeakRssBytes, RSS_NOISE);
    }

    fn memory_group<'a>(
        &'a mut self,
        name: &'a str,
        throughput: Throughput,
        testees: &'a [Testee],
    ) -> MemoryGroup<'a> {
        self.stamp();
        MemoryGroup {
            plan: &self.plan,
            units: &mut self.units,
            name,
            throughput,
            testees,
            runs: testees.iter().map(|_| Vec::new()).collect(),
        }
    }

    /// Says beside Criterion's files what they do not say: unit, settings and machine.
    /// Group by group: a run that is stopped keeps what it has.
    fn stamp(&self) {
        let plan = &self.plan;
        if plan.is_test || plan.is_list || plan.is_profile {
            return;
        }
        let directory = stamp::directory(&target());
        if let Err(error) = stamp::write(&directory, self.began, &self.units, &settings(plan)) {
            eprintln!("warning: results without unit and machine: {error}");
        }
    }
}

/// A benchmark whose every iteration is a process of its own.
#[derive(Debug, Clone)]
pub struct Testee {
    /// The benchmark's name in its group.
    pub id: String,
    /// What `testee::serve` knows it by.
    pub name: &'static str,
    pub arguments: Vec<String>,
}

impl Testee {
    /// Runs it once. A testee that fails ends the bench: its words are on standard error.
    pub fn run(&self) -> Taken {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        testee::run(self.name, &arguments).unwrap_or_else(|error| panic!("{error}"))
    }
}

struct MemoryGroup<'a> {
    plan: &'a Plan,
    units: &'a mut BTreeMap<String, Unit>,
    name: &'a str,
    throughput: Throughput,
    testees: &'a [Testee],
    /// What each testee has taken, execution by execution.
    runs: Vec<Vec<Taken>>,
}

impl MemoryGroup<'_> {
    fn run<M: Metric>(&mut self, metric: &str, measurement: M, noise: f64) {
        if self.plan.is_profile {
            return;
        }
        let unit = match measurement.formatter().scale_for_machines(&mut []) {
            "blocks" => Unit::Blocks,
            _ => Unit::Bytes,
        };
        let name = format!("{}/{metric}", self.name);
        self.units.insert(name.clone(), unit);
        let mut criterion = criterion(measurement, self.plan.set);
        let mut group = criterion.benchmark_group(name);
        configure(
            &mut group,
            self.plan.samples,
            noise,
            self.throughput.clone(),
        );
        // One iteration a sample: an execution that another group has run already takes no time, by
        // which Criterion would plan thousands more.
        group.measurement_time(Duration::from_nanos(1));
        for (testee, runs) in self.testees.iter().zip(self.runs.iter_mut()) {
            let mut next = 0;
            group.bench_function(&testee.id, |bencher| {
                bencher.iter_custom(|iterations| {
                    let sample = |_| {
                        if next == runs.len() {
                            runs.push(testee.run());
                        }
                        next += 1;
                        M::of(&runs[next - 1]).unwrap_or_else(|missing| panic!("{missing}"))
                    };
                    (0..iterations).map(sample).sum()
                });
            });
        }
        group.finish();
        criterion.final_summary();
    }
}

/// Cargo's directory for what it makes: as Criterion finds it, which without Cargo guesses.
fn target() -> PathBuf {
    let of_cargo = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    let of_cargo = of_cargo.filter(|_| env::var_os("CARGO").is_some());
    of_cargo.unwrap_or(Path::new("target")).to_owned()
}

/// What was asked for, for whoever compares two runs.
fn settings(plan: &Plan) -> BTreeMap<String, String> {
    let pragma = |pragma: &Pragma| format!("{}={}", pragma.name, pragma.value);
    let pragmas: Vec<String> = plan.pragmas.iter().map(pragma).collect();
    let settings = [
        ("set", format!("{:?}", plan.set).to_lowercase()),
        ("rows", plan.rows().run.to_string()),
        ("full_rows", plan.full_rows().run.to_string()),
        ("megabytes", plan.megabytes().run.to_string()),
        ("samples", plan.samples.to_string()),
        ("readings", plan.readings.to_string()),
        ("pragmas", pragmas.join(",")),
    ];
    let owned = settings.map(|(name, value)| (name.to_owned(), value));
    BTreeMap::from(owned)
}

fn criterion<M: Measurement>(measurement: M, set: Set) -> Criterion<M> {
    let criterion = Criterion::default()
        .with_measurement(measurement)
        .nresamples(RESAMPLES)
        .configure_from_args();
    match set {
        // Its plots would take longer than all it measures.
        Set::Quick => criterion.without_plots(),
        Set::Default | Set::Full => criterion,
    }
}

fn configure<M: Measurement>(
    group: &mut BenchmarkGroup<'_, M>,
    samples: usize,
    noise: f64,
    throughput: Throughput,
) {
    group
        .sampling_mode(SamplingMode::Flat)
        .sample_size(samples)
        .warm_up_time(Duration::from_nanos(1))
        // One iteration a sample, but for what takes less than a thousandth of this.
        .measurement_time(Duration::from_millis(100))
        .noise_threshold(noise)
        .throughput(throughput);
}

/// Samples of spans that `sample` measures.
pub fn spans(bencher: &mut Bencher<'_, WallTime>, mut sample: impl FnMut() -> Duration) {
    bencher.iter_custom(|iterations| (0..iterations).map(|_| sample()).sum());
}
