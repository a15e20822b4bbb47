//! The sampled heap profile stands for what the counters count, on both sides, and costs the heaps nothing.

mod support {
    pub mod ledgers;
    pub mod sampled;
}

use std::alloc::Layout;
use std::ffi::{CStr, CString};
use std::hint::black_box;
use std::ptr;
use std::sync::mpsc;

use libsqlite3_sys as ffi;
use sqlite_membench::allocator::sampler::{self, Estimate, Reader, Side};
use sqlite_membench::allocator::{Error, SqliteAllocator, global, sqlite};
use sqlite_membench::memory::{Observer, Owner};
use support::ledgers::{table, take};
use support::sampled::{self, Case, sum};

#[global_allocator]
static ALLOCATOR: global::Switchable = global::Switchable::new();

/// A database in memory; never closed.
struct Database(*mut ffi::sqlite3);

impl Database {
    fn open() -> Self {
        let mut db = ptr::null_mut();
        // SAFETY: the name is a C string, the place valid.
        let code = unsafe { ffi::sqlite3_open(c":memory:".as_ptr(), &raw mut db) };
        assert_eq!(code, ffi::SQLITE_OK);
        Database(db)
    }

    fn run(&self, sql: &str) {
        let text = CString::new(sql).unwrap();
        let none = ptr::null_mut();
        // SAFETY: the database is open and the text a C string.
        let code = sampler::with_statement(sql, || unsafe {
            ffi::sqlite3_exec(self.0, text.as_ptr(), None, none, ptr::null_mut())
        });
        // SAFETY: the database is open.
        let message = unsafe { CStr::from_ptr(ffi::sqlite3_errmsg(self.0)) };
        assert_eq!(code, ffi::SQLITE_OK, "{message:?}");
    }

    /// Rows of many sizes.
    fn fill(&self, rows: u32) {
        self.run("CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c BLOB)");
        self.run(&format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) \
             INSERT INTO t SELECT i, hex(randomblob(i % 500)), zeroblob(i % 3000) FROM n"
        ));
    }
}

fn memory_used() -> f64 {
    // SAFETY: a plain call.
    unsafe { ffi::sqlite3_memory_used() as f64 }
}

#[track_caller]
fn assert_close(what: &str, estimate: f64, exact: f64, standard_error: f64) {
    let off = (estimate - exact).abs();
    assert!(
        off < 4.0 * standard_error && off < 0.05 * exact,
        "{what}: {estimate:.0}, exactly {exact:.0} +- {standard_error:.0}"
    );
}

fn the_estimates_are_what_the_counters_count() {
    let mut reader = Reader::new().unwrap();
    let db = Database::open();
    let mut blocks = Vec::new();
    for n in 0..300_000usize {
        blocks.push(vec![1u8; n % 700 + 1]);
    }
    db.fill(65_000);
    let used = memory_used();
    assert!(used > 100e6, "{used}");
    let profile = reader.read().unwrap();
    assert_eq!(profile.sqlite.now_bytes as f64, used);
    assert_eq!(profile.lost, 0);
    let interval = profile.interval_bytes as f64;
    for (side, exact) in [(Side::Sqlite, profile.sqlite), (Side::Rust, profile.rust)] {
        let now = sum(&profile, side, |site| site.now);
        let total = sum(&profile, side, |site| site.total);
        // Of a block of s bytes s^2 (1 - p) / p, which is below s times the interval.
        let error = |bytes: u64| (interval * bytes as f64).sqrt();
        let of = |what| format!("{side:?} {what}");
        assert_close(
            &of("now"),
            now.bytes,
            exact.now_bytes as f64,
            error(exact.now_bytes),
        );
        assert_close(
            &of("total"),
            total.bytes,
            exact.total_bytes as f64,
            error(exact.total_bytes),
        );
        let blocks = exact.now_blocks as f64;
        assert!(
            (now.blocks - blocks).abs() < 0.05 * blocks,
            "{side:?} {} of {blocks}",
            now.blocks
        );
    }
    drop(blocks);
    let profile = reader.read().unwrap();
    let rust = sum(&profile, Side::Rust, |site| site.now);
    assert!(
        rust.bytes < 2e6 && profile.rust.now_bytes < 2_000_000,
        "{rust:?}"
    );
    let sqlite = sum(&profile, Side::Sqlite, |site| site.now).bytes;
    assert_close(
        "SQLite's after Rust's are gone",
        sqlite,
        used,
        (interval * used).sqrt(),
    );
}

fn blocks_that_threads_hand_to_each_other_leave_nothing_behind() {
    const THREADS: usize = 4;
    let mut reader = Reader::new().unwrap();
    let before: u64 = live_samples(&mut reader);
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..THREADS).map(|_| mpsc::channel::<Vec<u8>>()).unzip();
    std::thread::scope(|scope| {
        for (me, receiver) in receivers.into_iter().enumerate() {
            let senders = senders.clone();
            scope.spawn(move || {
                for n in 0..40_000usize {
                    let mut block = vec![me as u8; n % 3_000 + 1];
                    if n % 3 == 0 {
                        block.reserve_exact(n % 9_000);
                    }
                    _ = senders[(me + n) % THREADS].send(block);
                    receiver
                        .try_iter()
                        .take(3)
                        .for_each(|mut block| block.shrink_to_fit());
                }
                drop(senders);
                receiver.into_iter().for_each(drop);
            });
        }
        drop(senders);
    });
    assert_eq!(live_samples(&mut reader), before);
    let profile = reader.read().unwrap();
    assert!(
        profile
            .sites
            .iter()
            .map(|site| site.total.samples)
            .sum::<u64>()
            > 10_000
    );
    assert!(
        profile
            .sites
            .iter()
            .all(|site| site.now.samples > 0 || site.now == Estimate::default())
    );
}

fn live_samples(reader: &mut Reader) -> u64 {
    let profile = reader.read().unwrap();
    profile.sites.iter().map(|site| site.now.samples).sum()
}

/// Blocks of nothing but SQLite's, as large as the interval many times: each is sampled, once.
fn what_sqlite_has_through_rust_is_sampled_as_its_own_alone() {
    const BYTES: u64 = 1 << 20;
    let mut reader = Reader::new().unwrap();
    let before = reader.read().map(|p| (p.sqlite, p.rust)).unwrap();
    let rust_before = sum(&reader.read().unwrap(), Side::Rust, |site| site.total).samples;
    // SAFETY: plain allocations; each is live until it is freed.
    let blocks: Vec<_> = (0..10)
        .map(|_| unsafe { ffi::sqlite3_malloc64(BYTES) })
        .collect();
    // SAFETY: live, and not used by its old name any more.
    let grown = unsafe { ffi::sqlite3_realloc64(blocks[0], 2 * BYTES) };
    let profile = reader.read().unwrap();
    let sqlite = sum(&profile, Side::Sqlite, |site| site.now);
    assert_eq!((sqlite.samples, sqlite.blocks.round()), (10, 10.0));
    let exact = profile.sqlite.now_bytes - before.0.now_bytes;
    assert_eq!((sqlite.bytes.round() as u64, exact >> 20), (exact, 11));
    assert_eq!(
        sum(&profile, Side::Rust, |site| site.total).samples,
        rust_before
    );
    // The vector, and nothing of SQLite's.
    assert!(
        profile.rust.now_bytes - before.1.now_bytes < 1_000,
        "{:?}",
        profile.rust
    );
    assert!(
        profile.rust.total_bytes - before.1.total_bytes < 1_000,
        "{:?}",
        profile.rust
    );
    // SAFETY: live since above.
    blocks[1..]
        .iter()
        .chain([&grown])
        .for_each(|&block| unsafe { ffi::sqlite3_free(block) });
    let profile = reader.read().unwrap();
    assert_eq!(
        sum(&profile, Side::Sqlite, |site| site.now),
        Estimate::default()
    );
    assert_eq!(sum(&profile, Side::Sqlite, |site| site.total).samples, 11);
}

fn a_ledger_with_the_sampler_on_closes() {
    let mut observer = Observer::new().unwrap();
    let mut reader = Reader::new().unwrap();
    Database::open().fill(30_000);
    let blocks: Vec<_> = (0..2_000).map(|n| vec![1u8; n * 10]).collect();
    let ledger = take(&mut observer);
    let unattributed = ledger.unattributed_bytes();
    assert!(
        unattributed.abs() <= ledger.bound_bytes(),
        "{}",
        table(&ledger)
    );
    let instrument = ledger.owned_bytes(Owner::Instrument);
    let samples: u64 = reader
        .read()
        .unwrap()
        .sites
        .iter()
        .map(|site| site.total.samples)
        .sum();
    assert!(samples > 0);
    assert!(
        instrument < 1 << 20,
        "{instrument} of instruments with {samples} samples"
    );
    let counted = || (global::counters().unwrap(), sqlite::counters().unwrap());
    let before = counted();
    let sites = reader.read().unwrap().sites.len();
    assert_eq!((counted(), sites > 0), (before, true));
    drop(blocks);
}

fn what_the_sampler_keeps_is_an_instruments_and_nobody_elses() {
    const SAMPLES: usize = 100_000;
    let mut observer = Observer::new().unwrap();
    let mut blocks = Vec::with_capacity(SAMPLES);
    let before = take(&mut observer);
    blocks.extend((0..SAMPLES).map(|_| Box::new([1u8; 600])));
    let after = take(&mut observer);
    let grown = |owner| after.owned_bytes(owner) - before.owned_bytes(owner);
    // A live sample is some 32 bytes.
    let instrument = grown(Owner::Instrument);
    let tables = || format!("{}\n{}", table(&before), table(&after));
    assert!(
        (3_000_000..5_000_000).contains(&instrument),
        "{instrument}\n{}",
        tables()
    );
    let unattributed = after.unattributed_bytes() - before.unattributed_bytes();
    assert!(unattributed.abs() < 200_000, "{unattributed}\n{}", tables());
    drop(blocks);
}

fn the_peak_is_what_was_live_at_the_top() {
    let mut reader = Reader::new().unwrap();
    let grow = |mib: usize| -> Vec<Vec<u8>> { (0..mib).map(|_| vec![1u8; 1 << 20]).collect() };
    let top = grow(50);
    let profile = reader.read().unwrap();
    let (now, exact) = (sum(&profile, Side::Rust, |site| site.now), profile.rust);
    assert!(now.bytes >= 50.0 * (1 << 20) as f64);
    drop(top);
    let less = grow(20);
    let profile = reader.read().unwrap();
    assert_eq!(sum(&profile, Side::Rust, |site| site.peak), now);
    assert_eq!(profile.rust.peak_bytes, exact.now_bytes);
    assert_eq!(profile.rust.peak_blocks, exact.now_blocks);
    assert!(profile.rust.now_bytes < exact.now_bytes / 2);
    drop(less);
}

/// Larger than SQLite's fixed heap, and than any address space.
fn a_block_that_cannot_grow_stays_a_sample() {
    let mut reader = Reader::new().unwrap();
    let layout = Layout::from_size_align(1 << 20, 8).unwrap();
    // SAFETY: plain allocations; neither can be reallocated, so both stay live until they are freed.
    unsafe {
        let of_sqlite = ffi::sqlite3_malloc64(1 << 20);
        let of_rust = black_box(std::alloc::alloc(layout));
        let before = reader.read().unwrap();
        let live = [Side::Sqlite, Side::Rust].map(|side| sum(&before, side, |site| site.now));
        assert!(
            live.iter().all(|side| side.bytes >= (1 << 20) as f64),
            "{live:?}"
        );
        assert!(ffi::sqlite3_realloc64(of_sqlite, 3 << 29).is_null());
        assert!(black_box(std::alloc::realloc(of_rust, layout, 1 << 60)).is_null());
        let after = reader.read().unwrap();
        let still = [Side::Sqlite, Side::Rust].map(|side| sum(&after, side, |site| site.now));
        assert_eq!(still, live);
        std::alloc::dealloc(of_rust, layout);
        ffi::sqlite3_free(of_sqlite);
        let after = reader.read().unwrap();
        let left = [Side::Sqlite, Side::Rust].map(|side| sum(&after, side, |site| site.now));
        assert!(
            left.iter().all(|side| side.bytes < (1 << 20) as f64),
            "{left:?}"
        );
    }
}

#[inline(never)]
fn allocate_in_three_ways() -> [*mut u8; 3] {
    let layout = Layout::from_size_align(5 << 20, 8).unwrap();
    let small = Layout::from_size_align(8, 8).unwrap();
    // SAFETY: no layout is of size zero; the blocks are leaked.
    unsafe {
        let small_block = black_box(std::alloc::alloc(small));
        black_box([
            std::alloc::alloc(layout),
            std::alloc::alloc_zeroed(layout),
            std::alloc::realloc(small_block, small, layout.size()),
        ])
    }
}

#[inline(never)]
fn allocate_of_sqlite() -> [*mut std::ffi::c_void; 2] {
    // SAFETY: plain allocations, leaked.
    unsafe {
        let small = black_box(ffi::sqlite3_malloc64(8));
        black_box([
            ffi::sqlite3_malloc64(5 << 20),
            ffi::sqlite3_realloc64(small, 5 << 20),
        ])
    }
}

fn a_stack_begins_with_who_asked() {
    let mut reader = Reader::new().unwrap();
    // In the function, whose code is shorter than this.
    let is_in =
        |address: u64, function: usize| (function as u64..function as u64 + 600).contains(&address);
    allocate_in_three_ways();
    allocate_of_sqlite();
    let profile = reader.read().unwrap();
    let large = || profile.sites.iter().filter(|site| site.now.bytes > 4e6);
    let leaf_of = |side| {
        large()
            .filter(move |site| site.side == side)
            .map(|site| profile.stack(site.stack))
    };
    let asked = allocate_in_three_ways as *const () as usize;
    assert_eq!(leaf_of(Side::Rust).count(), 3);
    for stack in leaf_of(Side::Rust) {
        assert!(is_in(stack[0], asked), "{asked:x}: {stack:x?}");
    }
    let asked = allocate_of_sqlite as *const () as usize;
    assert_eq!(leaf_of(Side::Sqlite).count(), 2);
    for stack in leaf_of(Side::Sqlite) {
        let place = stack.iter().position(|&address| is_in(address, asked));
        assert!(
            place.is_some_and(|place| (1..=4).contains(&place)),
            "{asked:x}: {stack:x?}"
        );
    }
}

fn it_is_started_once_and_before_sqlite() {
    assert!(matches!(sampler::start(4_096), Err(Error::TooLate)));
    assert_eq!(sampler::interval_bytes(), Some(8_192));
}

fn main() {
    let case = |name, run| Case {
        name,
        rust: "system",
        sqlite: SqliteAllocator::System,
        interval_bytes: 8_192,
        run,
    };
    let mut cases: Vec<_> = SqliteAllocator::ALL
        .into_iter()
        .flat_map(|sqlite| {
            ["system", "jemalloc"].map(|rust| Case {
                rust,
                sqlite,
                ..case(
                    "the_estimates_are_what_the_counters_count",
                    the_estimates_are_what_the_counters_count,
                )
            })
        })
        .collect();
    let through_rust = "what_sqlite_has_through_rust_is_sampled_as_its_own_alone";
    let ledger = "a_ledger_with_the_sampler_on_closes";
    cases.extend(["system", "jemalloc"].map(|rust| Case {
        rust,
        sqlite: SqliteAllocator::Rust,
        ..case(
            through_rust,
            what_sqlite_has_through_rust_is_sampled_as_its_own_alone,
        )
    }));
    cases.extend(["system", "jemalloc"].map(|rust| Case {
        rust,
        interval_bytes: sampler::DEFAULT_INTERVAL_BYTES,
        ..case(ledger, a_ledger_with_the_sampler_on_closes)
    }));
    cases.extend([
        Case {
            sqlite: SqliteAllocator::Memsys5,
            ..case(
                "a_block_that_cannot_grow_stays_a_sample",
                a_block_that_cannot_grow_stays_a_sample,
            )
        },
        Case {
            interval_bytes: 1,
            ..case(
                "what_the_sampler_keeps_is_an_instruments_and_nobody_elses",
                what_the_sampler_keeps_is_an_instruments_and_nobody_elses,
            )
        },
        case(
            "blocks_that_threads_hand_to_each_other_leave_nothing_behind",
            blocks_that_threads_hand_to_each_other_leave_nothing_behind,
        ),
        case(
            "the_peak_is_what_was_live_at_the_top",
            the_peak_is_what_was_live_at_the_top,
        ),
        case(
            "a_stack_begins_with_who_asked",
            a_stack_begins_with_who_asked,
        ),
        case(
            "it_is_started_once_and_before_sqlite",
            it_is_started_once_and_before_sqlite,
        ),
    ]);
    sampled::main(cases);
}
