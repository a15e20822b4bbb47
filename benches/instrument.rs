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
//! which is checked. `arena` and `system` are the program `sqlite-membench`, as a user runs it.
//!
//! Traps: everything runs in a process of its own, so a Criterion iteration returns what the child
//! measured and not the time until it was gone; the insert is sampled flat, 10 times and no more; the
//! group names no memory as its measurement, because a sample of 0 allocations would drop it.

mod support {
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
use sqlite_membench::allocator::SqliteAllocator;
use support::ledgers::{Heap, PAGE_BLOCK_BYTES, SMALL_BLOCK_BYTES};
use support::parts::{self, Insert};
use support::plan::Plan;
use support::statistics::{self, Estimate, Row};
use support::testee;

#[global_allocator]
static ALLOCATOR: sqlite_membench::allocator::global::Switchable =
    sqlite_membench::allocator::global::Switchable::new();

fn main() -> ExitCode {
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
    if plan.bounds && !bounds(&plan) && plan.enforce {
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
    for heap in heaps(plan).into_iter().filter(|heap| heap.half_free) {
        if heap.block_bytes != PAGE_BLOCK_BYTES {
            continue;
        }
        let name = format!("{:?}", heap.allocator).to_lowercase();
        let id = BenchmarkId::new(name, format!("{}MB", heap.megabytes));
        group.bench_function(id, |bencher| {
            bencher.iter_custom(|count| parts::ledgers(heap, count).took.iter().sum());
        });
    }
    group.finish();
}

/// What ledgers are taken of: the bound's 600 MB last.
fn heaps(plan: &Plan) -> Vec<Heap> {
    let sizes: &[u64] = if plan.is_test { &[2] } else { &[50, 200, 600] };
    let largest = sizes[sizes.len() - 1];
    let mut heaps = Vec::new();
    for allocator in [SqliteAllocator::System, SqliteAllocator::Arena] {
        let pages = |megabytes, half_free| Heap {
            allocator,
            megabytes,
            block_bytes: PAGE_BLOCK_BYTES,
            half_free,
        };
        heaps.push(pages(largest, false));
        heaps.extend(sizes.iter().map(|&size| pages(size, true)));
        heaps.push(Heap {
            block_bytes: SMALL_BLOCK_BYTES,
            ..pages(largest, true)
        });
    }
    heaps
}

/// Measures every bound and prints the table; false where one does not hold.
fn bounds(plan: &Plan) -> bool {
    println!(
        "\nBounds: {} rows an insert, {} rounds in turn, {} ledgers inside a fill; load {}",
        plan.rows,
        plan.rounds,
        plan.readings,
        std::fs::read_to_string("/proc/loadavg").unwrap_or_default()
    );
    let mut rows = insert_bounds(plan);
    rows.extend(ledger_bounds(plan));
    rows.extend(harness_bounds(plan));
    let kept = statistics::print(&rows);
    let coverage = rows.iter().map(|row| row.estimate.coverage);
    let least = coverage.fold(1.0, f64::min);
    println!("intervals of the median: {:.0} % or more", least * 100.0);
    kept
}

/// Rounds of raw, rusqlite, arena and system, each round beginning with another.
struct Rounds {
    raw: Vec<parts::Span>,
    rusqlite: Vec<parts::Span>,
    arena: Vec<testee::Span>,
    system: Vec<testee::Span>,
}

fn rounds(plan: &Plan) -> Rounds {
    let through = |sqlite_allocator| testee::Insert {
        rows: plan.rows,
        readings: plan.readings,
        sqlite_allocator,
    };
    let mut rounds = Rounds {
        raw: Vec::new(),
        rusqlite: Vec::new(),
        arena: Vec::new(),
        system: Vec::new(),
    };
    for round in 0..plan.rounds {
        for turn in 0..4 {
            match (round + turn) % 4 {
                0 => rounds.raw.push(Insert::Raw.sample(plan.rows)),
                1 => rounds.rusqlite.push(Insert::Rusqlite.sample(plan.rows)),
                2 => rounds.arena.push(through("arena").sample()),
                _ => rounds.system.push(through("system").sample()),
            }
        }
    }
    rounds
}

fn insert_bounds(plan: &Plan) -> Vec<Row> {
    let Rounds {
        raw,
        rusqlite,
        arena,
        system,
    } = rounds(plan);
    let in_the_floor = raw.iter().map(|span| span.rust_blocks).max();
    assert_eq!(in_the_floor, Some(0), "the floor allocates through Rust");
    let mut rows = Vec::new();
    let mut ratio = |what: &str, bound, walls: Vec<Duration>, cpus: Vec<Duration>| {
        let over = |times: Vec<Duration>, floor: fn(&parts::Span) -> Duration| {
            let pairs = times.into_iter().zip(&raw);
            Estimate::of(pairs.map(|(time, raw)| time.as_secs_f64() / floor(raw).as_secs_f64()))
        };
        let walls = over(walls, |raw| raw.wall);
        let cpus = over(cpus, |raw| raw.cpu);
        for (clock, estimate) in [("wall", walls), ("CPU", cpus)] {
            rows.push(Row {
                what: format!("{what} / raw ffi, {clock} time"),
                unit: "",
                estimate,
                bound,
            });
        }
    };
    ratio(
        "insert: rusqlite, no instruments",
        Some(1.03),
        rusqlite.iter().map(|span| span.wall).collect(),
        rusqlite.iter().map(|span| span.cpu).collect(),
    );
    for (what, alone, bound, spans) in [
        (
            "arena, ledgers, sampling",
            "arena, fill alone",
            Some(1.05),
            arena,
        ),
        (
            "system, ledgers, sampling",
            "system, fill alone",
            None,
            system,
        ),
    ] {
        ratio(
            &format!("insert: {what}"),
            bound,
            spans.iter().map(|span| span.wall).collect(),
            spans.iter().map(|span| span.cpu).collect(),
        );
        ratio(
            &format!("insert: {alone}"),
            None,
            spans.iter().map(|span| span.fill_wall).collect(),
            spans.iter().map(|span| span.fill_cpu).collect(),
        );
    }
    let raw_rate = raw
        .iter()
        .map(|s| plan.rows as f64 / s.wall.as_secs_f64() / 1e6);
    rows.push(Row {
        what: "insert: raw ffi".into(),
        unit: "M rows/s",
        estimate: Estimate::of(raw_rate),
        bound: None,
    });
    rows
}

fn ledger_bounds(plan: &Plan) -> Vec<Row> {
    let count = if plan.is_test { 2 } else { 25 };
    let largest = heaps(plan).iter().map(|heap| heap.megabytes).max();
    let mut rows = Vec::new();
    for heap in heaps(plan) {
        let sample = parts::ledgers(heap, count);
        let state = if heap.half_free {
            "every other freed"
        } else {
            "all live"
        };
        let what = format!(
            "ledger: {} MB resident, {:?}, blocks of {} bytes, {state}",
            sample.rss_bytes >> 20,
            heap.allocator,
            heap.block_bytes
        );
        let bounded = Some(heap.megabytes) == largest && heap.block_bytes == PAGE_BLOCK_BYTES;
        if bounded || sample.counted_allocations > 0 {
            rows.push(Row {
                what: format!("{what}: counted allocations"),
                unit: "blocks",
                estimate: Estimate::of([sample.counted_allocations as f64]),
                bound: Some(0.0),
            });
        }
        rows.push(Row {
            what,
            unit: "ms",
            estimate: Estimate::of(sample.took.iter().map(|took| took.as_secs_f64() * 1e3)),
            bound: bounded.then_some(10.0),
        });
    }
    rows
}

fn harness_bounds(plan: &Plan) -> Vec<Row> {
    let lengths = [plan.rows / 2, plan.rows * 4].map(|rows| rows.max(1));
    let watched = lengths.map(|rows| {
        let insert = testee::Insert {
            rows,
            readings: plan.readings,
            sqlite_allocator: "arena",
        };
        (rows, insert.sample_watched().harness_peak_bytes)
    });
    let row = |(rows, bytes): (u64, u64)| Row {
        what: format!("harness: own peak RSS over {rows} rows"),
        unit: "MB",
        estimate: Estimate::of([bytes as f64 / 1e6]),
        bound: Some(30.0),
    };
    watched.map(row).into()
}
