//! What measuring costs: the bounds for an insert and for a ledger, each a ratio or a time.
//!
//! ```sh
//! cargo bench --bench instrument               # the benchmarks, then the table of bounds
//! cargo bench --bench instrument -- bounds     # the table alone
//! cargo bench --bench instrument -- ledger     # some benchmarks, without the table
//! ```
//!
//! `SQLITE_MEMBENCH_BENCH_ROWS`, `_ROUNDS` and `_READINGS` set the table's rows of an insert, rounds,
//! and ledgers inside a fill. A bound that does not hold fails nothing on a noisy machine, unless
//! `SQLITE_MEMBENCH_ENFORCE=1`: exit code 1.
//!
//! Who plays which part: `raw` and `rusqlite` are children of this executable, with SQLite on its own
//! default allocator and no memory methods installed. This executable declares the counting global
//! allocator, because a ledger without it has no Rust heap; the floor allocates nothing through it,
//! which is checked. `arena` and `system` are the program's own main function, harness and testee, in
//! this executable too: two executables with one SQLite in them do not run it equally fast.
//!
//! Traps: everything runs in a process of its own, so a Criterion iteration returns what the child
//! measured and not the time until it was gone; the insert is sampled flat, 10 times and no more; the
//! group names no memory as its measurement, because a sample of 0 allocations would drop it.

#[allow(dead_code, reason = "the benches share it, and none of them uses all")]
mod support {
    pub mod bounds;
    pub mod ledgers;
    pub mod parts;
    pub mod plan;
    pub mod raw_insert;
    pub mod statistics;
    pub mod testee;
}

use std::process::ExitCode;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use support::ledgers::{self as heaps, PAGE_BLOCK_BYTES};
use support::parts::{self, Insert};
use support::plan::Plan;
use support::{bounds, testee};

#[global_allocator]
static ALLOCATOR: sqlite_membench::allocator::global::Switchable =
    sqlite_membench::allocator::global::Switchable::new();

fn main() -> ExitCode {
    if let Some(code) = testee::run_as_program() {
        return code;
    }
    if parts::run_as_child() {
        return ExitCode::SUCCESS;
    }
    let plan = match Plan::read() {
        Ok(plan) => plan,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    let mut criterion = Criterion::default().configure_from_args();
    inserts(&mut criterion, &plan);
    ledgers(&mut criterion, &plan);
    criterion.final_summary();
    if plan.bounds && !bounds::measure_and_print(&plan) && plan.enforce {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// A tenth of the table's rows: these are for baselines and profiles, the table is for the bounds.
fn inserts(criterion: &mut Criterion, plan: &Plan) {
    let rows = (plan.rows / 10).max(1);
    let arena = testee::Insert {
        rows,
        readings: plan.readings,
        sqlite_allocator: "arena",
    };
    let samples: [(&str, &dyn Fn() -> Duration); 3] = [
        ("raw", &|| Insert::Raw.sample(rows).wall),
        ("rusqlite", &|| Insert::Rusqlite.sample(rows).wall),
        ("arena", &|| arena.sample().wall),
    ];
    let mut group = criterion.benchmark_group("instrument/insert");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.warm_up_time(Duration::from_millis(1));
    group.measurement_time(Duration::from_secs(2));
    group.throughput(Throughput::Elements(rows));
    for (name, sample) in samples {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| (0..iterations).map(|_| sample()).sum());
        });
    }
    group.finish();
}

fn ledgers(criterion: &mut Criterion, plan: &Plan) {
    let mut group = criterion.benchmark_group("instrument/ledger");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.warm_up_time(Duration::from_millis(1));
    group.measurement_time(Duration::from_secs(1));
    let pages = |heap: &heaps::Heap| heap.half_free && heap.block_bytes == PAGE_BLOCK_BYTES;
    for heap in heaps::all(plan.is_test).into_iter().filter(pages) {
        let name = format!("{:?}", heap.allocator).to_lowercase();
        let id = BenchmarkId::new(name, format!("{}MB", heap.megabytes));
        group.bench_function(id, |bencher| {
            bencher.iter_custom(|count| parts::ledgers(heap, count).took.iter().sum());
        });
    }
    group.finish();
}
