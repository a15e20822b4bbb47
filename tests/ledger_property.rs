//! Whatever a process does, its ledger adds up to RSS, and what is left over stays in its bound.
//!
//! Small scenarios are made at random: an insert workload on some kind of database, and blocks of
//! every owner that are allocated, written or not, and freed or not, on one thread or several. Each
//! runs in a process of its own under a random pair of allocators, with a ledger after each step.

mod support {
    pub mod children;
    pub mod ledgers;
}

use libsqlite3_sys as ffi;
use libtest_mimic::{Arguments, Failed, Trial};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use serde::{Deserialize, Serialize};
use sqlite_membench::allocator::preloaded;
use sqlite_membench::memory::{Ledger, Observer, Owner};
use sqlite_membench::workload::database::Database;
use sqlite_membench::workload::insert::{self, InsertOptions, Shrink, Statements, Transaction};
use sqlite_membench::workload::keys::KeyMode;
use sqlite_membench::workload::{Marks, Phase, Stopped};
use support::children::{self, RUST, SQLITE};
use support::ledgers::{table, take};

#[global_allocator]
static ALLOCATOR: sqlite_membench::allocator::global::Switchable =
    sqlite_membench::allocator::global::Switchable::new();

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum By {
    Rust,
    Sqlite,
    OtherC,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Blocks {
    by: By,
    bytes: usize,
    count: usize,
    threads: usize,
    /// Every block is written if 1, every second if 2, ...
    write_each: usize,
    /// Every block is freed if 1, every second if 2, ...; none if 0.
    free_each: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Plan {
    insert: InsertOptions,
    blocks: Vec<Blocks>,
}

impl Blocks {
    fn run(&self) {
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..self.threads)
                .map(|_| scope.spawn(|| self.run_here()))
                .collect();
            self.run_here();
            // A scope waits for its closures, a join for the thread, whose caches go at its end.
            others.into_iter().for_each(|other| other.join().unwrap());
        });
    }

    fn run_here(&self) {
        let blocks: Vec<_> = (0..self.count).map(|n| (n, self.allocate())).collect();
        for (n, block) in blocks {
            if n % self.write_each == 0 {
                // SAFETY: the block has this length.
                unsafe { std::ptr::write_bytes(block, 1, self.bytes) };
            }
            if self.free_each > 0 && n % self.free_each == 0 {
                self.free(block);
            }
        }
    }

    fn layout(&self) -> std::alloc::Layout {
        std::alloc::Layout::from_size_align(self.bytes, 8).unwrap()
    }

    fn allocate(&self) -> *mut u8 {
        // SAFETY: no size is zero.
        let block = unsafe {
            match self.by {
                By::Rust => std::alloc::alloc(self.layout()),
                By::Sqlite => ffi::sqlite3_malloc64(self.bytes as u64).cast(),
                By::OtherC => libc::malloc(self.bytes).cast(),
            }
        };
        assert!(!block.is_null());
        block
    }

    fn free(&self, block: *mut u8) {
        // SAFETY: allocated above by the same, freed once.
        unsafe {
            match self.by {
                By::Rust => std::alloc::dealloc(block, self.layout()),
                By::Sqlite => ffi::sqlite3_free(block.cast()),
                By::OtherC => libc::free(block.cast()),
            }
        }
    }
}

#[track_caller]
fn check(ledger: &Ledger) {
    let sum: i64 = ledger
        .terms
        .iter()
        .filter(|t| t.counts)
        .map(|t| t.bytes)
        .sum();
    assert_eq!(sum + ledger.unattributed_bytes(), ledger.rss_bytes as i64);
    assert!(
        ledger.unattributed_bytes().abs() <= ledger.bound_bytes(),
        "{}",
        table(ledger)
    );
    let parts = ledger
        .terms
        .iter()
        .filter(|t| t.within == Some("live"))
        .map(|t| t.bytes);
    let live = ledger.term_bytes(Owner::Sqlite, "live").unwrap();
    assert_eq!(parts.sum::<i64>(), live, "{}", table(ledger));
    let negative = |t: &&sqlite_membench::memory::Term| t.bytes < 0 && t.term != "untouched";
    assert_eq!(
        ledger.terms.iter().find(negative),
        None,
        "{}",
        table(ledger)
    );
}

/// Takes a ledger at each mark.
struct Checked<'a>(&'a mut Observer);

impl Marks for Checked<'_> {
    fn begin(&mut self, _: Phase) {}
    fn reading(&mut self, _: Phase, connections: &[&rusqlite::Connection]) {
        check(self.0.take_open(connections).unwrap());
    }
    fn end(&mut self, phase: Phase, connections: &[&rusqlite::Connection]) {
        self.reading(phase, connections);
    }
    fn progress(&mut self, _: Phase, _: u64, _: u64) -> Result<(), Stopped> {
        Ok(())
    }
}

fn run_child(plan: &str) {
    let plan: Plan = serde_json::from_str(plan).unwrap();
    let is_preloaded = std::env::var_os("LD_PRELOAD").is_some();
    assert!(
        !is_preloaded || preloaded::jemalloc().is_some(),
        "no jemalloc was preloaded: apt-get install libjemalloc2"
    );
    let mut observer = Observer::new().unwrap();
    check(&take(&mut observer));
    let directory = tempfile::tempdir().unwrap();
    insert::run(&plan.insert, directory.path(), &mut Checked(&mut observer)).unwrap();
    for blocks in &plan.blocks {
        blocks.run();
        let ledger = take(&mut observer);
        if ledger.unattributed_bytes().abs() > ledger.bound_bytes() {
            println!("unclaimed: {:x?}", observer.unclaimed());
        }
        check(&ledger);
    }
}

fn blocks() -> impl Strategy<Value = Blocks> {
    let by = prop::sample::select(vec![By::Rust, By::Sqlite, By::OtherC]);
    let bytes = prop_oneof![1usize..200, 200usize..10_000, 10_000usize..2_000_000];
    (by, bytes, 1usize..400, 1usize..5, 1usize..4, 0usize..4).prop_map(
        |(by, bytes, count, threads, write_each, free_each)| {
            // At most 16 MiB a step, so that memsys5's fixed heap holds all of them.
            let count = count.min((16 << 20) / bytes / threads).max(1);
            Blocks {
                by,
                bytes,
                count,
                threads,
                write_each,
                free_each,
            }
        },
    )
}

fn insert() -> impl Strategy<Value = InsertOptions> {
    let keys = prop::sample::select(vec![KeyMode::GoRune, KeyMode::Decimal, KeyMode::Random]);
    let statements = prop::sample::select(vec![
        Statements::Reuse,
        Statements::PreparePerRow,
        Statements::LeakPerRow,
    ]);
    let shrink = prop::sample::select(vec![
        Shrink::SameConnection,
        Shrink::OtherConnection,
        Shrink::Never,
    ]);
    let transaction = prop::sample::select(vec![Transaction::Batched, Transaction::Single]);
    let database = prop::sample::select(Database::all().collect::<Vec<_>>());
    (
        1u64..6_000,
        keys,
        statements,
        shrink,
        transaction,
        database,
        100u64..5_000,
    )
        .prop_map(
            |(rows, keys, statements, shrink, transaction, database, batch)| InsertOptions {
                rows,
                keys,
                statements,
                shrink,
                transaction,
                database,
                batch,
                readings: 3,
                ..InsertOptions::default()
            },
        )
}

/// Both allocators ask for transparent huge pages, which make resident what nobody touched.
const HUGE_PAGES: [(&str, &str); 2] = [
    ("_RJEM_MALLOC_CONF", "thp:always,metadata_thp:always"),
    ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"),
];

/// A jemalloc in the place of `malloc`: Debian has it in libjemalloc2.
const PRELOADED: [(&str, &str); 1] = [("LD_PRELOAD", "libjemalloc.so.2")];
const PRELOADED_HUGE_PAGES: [(&str, &str); 2] = [
    ("LD_PRELOAD", "libjemalloc.so.2"),
    ("MALLOC_CONF", "thp:always,metadata_thp:always"),
];

/// What a child has in its environment.
const VARIABLES: [&[(&str, &str)]; 4] = [&[], &HUGE_PAGES, &PRELOADED, &PRELOADED_HUGE_PAGES];

fn every_ledger_adds_up() -> Result<(), Failed> {
    let plans = (insert(), prop::collection::vec(blocks(), 0..6))
        .prop_map(|(insert, blocks)| Plan { insert, blocks });
    let strategy = (
        plans,
        prop::sample::select(RUST.to_vec()),
        prop::sample::select(SQLITE.to_vec()),
        prop::sample::select(VARIABLES.to_vec()),
    );
    let mut runner = TestRunner::new(Config {
        cases: 100,
        max_shrink_iters: 60,
        failure_persistence: None,
        ..Config::default()
    });
    runner
        .run(&strategy, |(plan, rust, sqlite, variables)| {
            let plan =
                serde_json::to_string(&plan).map_err(|e| TestCaseError::fail(e.to_string()))?;
            children::spawn(&plan, rust, sqlite, variables).map_err(|failed| {
                TestCaseError::fail(failed.message().unwrap_or_default().to_owned())
            })
        })
        .map_err(|error| match error {
            TestError::Fail(why, plan) => format!("{plan:?}\n{why}").into(),
            TestError::Abort(why) => why.to_string().into(),
        })
}

fn main() {
    if let Some(plan) = children::case() {
        return run_child(&plan);
    }
    let trials = vec![Trial::test("every_ledger_adds_up", every_ledger_adds_up)];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
