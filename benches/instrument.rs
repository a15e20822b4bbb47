//! What measuring costs: an insert under each instrument, a ledger by the size of the process, a block of
//! Rust's, and the bounds that hold for them, each a ratio or a time.
//!
//! ```sh
//! cargo bench --bench instrument               # the benchmarks
//! cargo bench --bench instrument -- ledger     # some of them
//! cargo bench --bench instrument -- bounds     # the table of bounds alone
//! ```
//!
//! `SQLITE_MEMBENCH_BENCH_ROWS`, `_ROUNDS` and `_READINGS` set the table's rows of an insert, rounds,
//! and ledgers inside a fill. A bound that does not hold fails nothing on a noisy machine, unless
//! `SQLITE_MEMBENCH_ENFORCE=1`: exit code 1. `scripts/bounds` runs it with the tables of the other benches.
//!
//! | group | what |
//! |---|---|
//! | `instrument/insert/ROWS` | `raw`: the floor; `rusqlite`: the program's workload, no instruments |
//! | | `counting`, `arena`, `arena-native`, `rust`: with those methods in SQLite, no ledgers |
//! | | `sampled`, `sampled-10x`: looked at from outside each 100 ms, and each 10 ms |
//! | | `program-arena`, `program-system`: the whole program, with its ledgers |
//! | | `dhat`: SQLite's blocks through dhat's profiler, for comparison |
//! | `instrument/wrapper/...` | a pair of `alloc` and `dealloc`, and two `realloc`, counted or not |
//! | `instrument/ledger` | one ledger, by the pages that were made; every other one is freed |
//!
//! Who plays which part: all inserts but the program's are children of this executable, the floor with
//! SQLite on its own default allocator and no memory methods installed. This executable declares the
//! counting global allocator, because a ledger without it has no Rust heap; the floor allocates nothing
//! through it, which is checked. The program is its own main function, harness and testee, in
//! this executable too: two executables with one SQLite in them do not run it equally fast.
//!
//! Traps: everything but the wrapper runs in a process of its own, so a Criterion iteration returns what
//! the child measured and not the time until it was gone; an insert is sampled flat, 10 times and no
//! more, and its benchmarks are minutes apart, so that small ratios are the table's to tell, which runs
//! them in turns; the groups name no memory as their measurement, because a sample of 0 allocations would
//! drop it; all samples of a ledger are of one process, so an unlucky layout is in all of them. dhat's
//! times say what dhat costs, and nothing about SQLite.

#[allow(dead_code, reason = "the benches share it, and none of them uses all")]
mod support {
    pub mod allocator;
    pub mod bounds;
    pub mod clocks;
    pub mod instrumented;
    pub mod ledgers;
    pub mod parts;
    pub mod plan;
    pub mod profiled;
    pub mod profiler;
    pub mod raw_insert;
    pub mod room;
    pub mod statistics;
    pub mod suite;
    pub mod testee;
    pub mod wrapper;
}

use std::process::ExitCode;
use std::time::Duration;

use criterion::{BenchmarkId, Throughput};
use sqlite_membench::allocator::SqliteAllocator::{Arena, ArenaNative, Rust, System};
use support::allocator::CountingOrDhat;
use support::instrumented::{Insert, SAMPLE_INTERVAL};
use support::suite::{self, Suite, spans};
use support::{bounds, ledgers as heaps, parts, testee, wrapper};

#[global_allocator]
static ALLOCATOR: CountingOrDhat = CountingOrDhat;

fn main() -> ExitCode {
    if let Some(code) = testee::run_as_program() {
        return code;
    }
    if parts::run_as_child() {
        return ExitCode::SUCCESS;
    }
    suite::main(
        |suite| {
            inserts(suite);
            wrapper::groups(suite);
            ledgers(suite);
        },
        Some(bounds::measure_and_print),
    )
}

fn inserts(suite: &mut Suite) {
    let rows = suite.plan.rows();
    let readings = suite.plan.readings;
    let bare = |insert: Insert| move || insert.sample(rows.run).wall;
    let program = |sqlite_allocator| {
        let insert = testee::Insert {
            rows: rows.run,
            readings,
            sqlite_allocator,
            keys: "go-rune",
            is_profiled: false,
        };
        move || insert.sample().wall
    };
    let samples: [(&str, &dyn Fn() -> Duration); 11] = [
        ("raw", &bare(Insert::Raw)),
        ("rusqlite", &bare(Insert::Rusqlite)),
        ("counting", &bare(Insert::Methods(System))),
        ("arena", &bare(Insert::Methods(Arena))),
        ("arena-native", &bare(Insert::Methods(ArenaNative))),
        ("rust", &bare(Insert::Methods(Rust))),
        ("sampled", &bare(Insert::Sampled(SAMPLE_INTERVAL))),
        ("sampled-10x", &bare(Insert::Sampled(SAMPLE_INTERVAL / 10))),
        ("program-arena", &program("arena")),
        ("program-system", &program("system")),
        ("dhat", &bare(Insert::Dhat)),
    ];
    let name = format!("instrument/insert/{}", rows.label());
    let mut group = suite.time_group(name, Throughput::Elements(rows.run));
    for (name, sample) in samples {
        group.bench_function(name, |bencher| spans(bencher, sample));
    }
    group.finish();
}

fn ledgers(suite: &mut Suite) {
    let heaps = heaps::by_size(&suite.plan);
    let mut group = suite.time_group("instrument/ledger", Throughput::Elements(1));
    for (megabytes, heap) in heaps {
        let name = format!("{:?}", heap.allocator).to_lowercase();
        let id = BenchmarkId::new(name, format!("{megabytes}MB"));
        // Made where the filter wants it, and gone before the next one.
        let mut child = None;
        group.bench_function(id, |bencher| {
            let child = child.get_or_insert_with(|| parts::Ledgers::of(heap));
            bencher.iter_custom(|count| child.take(count).took.iter().sum());
        });
    }
    group.finish();
}
