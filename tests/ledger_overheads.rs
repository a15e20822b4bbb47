//! Allocated is not resident, and freed is not given back: each has its term.
//!
//! Each case runs in a process of its own for each pair of allocators that it is about.

mod support {
    pub mod children;
    pub mod ledgers;
    pub mod small_pages;
}

use libsqlite3_sys as ffi;
use libtest_mimic::{Arguments, Trial};
use sqlite_membench::allocator::{RustAllocator, SqliteAllocator, arena, sqlite};
use sqlite_membench::memory::{Ledger, Observer, Owner, glibc, jemalloc};
use support::children::{self, RUST, SQLITE};
use support::ledgers::{table, take};

#[global_allocator]
static ALLOCATOR: sqlite_membench::allocator::global::Switchable =
    sqlite_membench::allocator::global::Switchable::new();

const BYTES: i64 = 50 << 20;
/// A size class of jemalloc, the header of SQLite's default allocator included.
const BLOCK: u64 = (1 << 20) - 8;
const CLOSE: i64 = BYTES / 50;

#[track_caller]
fn assert_grown(before: &Ledger, after: &Ledger, owner: Owner, term: &str, expected: i64) {
    let of = |ledger: &Ledger| match term {
        // jemalloc counts pages as dirty that it split off and nobody ever touched.
        "untouched" => {
            ledger.term_bytes(owner, term).unwrap_or_default() + unreturned(ledger, owner)
        }
        _ => ledger.term_bytes(owner, term).unwrap_or_default(),
    };
    let grown = of(after) - of(before);
    let tables = || format!("before: {}\nafter: {}", table(before), table(after));
    assert!(
        (grown - expected).abs() <= CLOSE,
        "{owner} {term} grew by {grown}, not {expected}\n{}",
        tables()
    );
    let unattributed = after.unattributed_bytes() - before.unattributed_bytes();
    assert!(
        unattributed.abs() <= CLOSE / 2,
        "unattributed grew by {unattributed}\n{}",
        tables()
    );
}

fn unreturned(ledger: &Ledger, owner: Owner) -> i64 {
    ledger.term_bytes(owner, "unreturned").unwrap_or_default()
}

/// The owner of what the heap that serves SQLite holds beyond live blocks.
fn overhead_owner() -> Owner {
    match sqlite::installed().unwrap() {
        SqliteAllocator::System | SqliteAllocator::Rust => Owner::Allocator,
        _ => Owner::Sqlite,
    }
}

fn untouched_blocks_of_sqlite_are_live_and_untouched(observer: &mut Observer) {
    let before = take(observer);
    for _ in 0..50 {
        // SAFETY: a plain allocation, leaked.
        assert!(!unsafe { ffi::sqlite3_malloc64(BLOCK) }.is_null());
    }
    let after = take(observer);
    assert_grown(&before, &after, Owner::Sqlite, "live", BYTES);
    assert_grown(&before, &after, overhead_owner(), "untouched", -BYTES);
}

/// Below the mmap threshold the block lies inside a heap, where a hole may be free or in use.
fn untouched_blocks_inside_a_heap_are_not_free(observer: &mut Observer) {
    // SAFETY: mallopt sets a number; the blocks are plain allocations, the last one written.
    unsafe {
        assert_eq!(libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20), 1);
        let before = take(observer);
        for _ in 0..5 {
            assert!(!std::hint::black_box(libc::malloc(10 << 20)).is_null());
        }
        libc::memset(std::hint::black_box(libc::malloc(100)), 1, 100);
        let after = take(observer);
        assert_grown(&before, &after, Owner::OtherC, "live", BYTES);
        assert_grown(&before, &after, Owner::Allocator, "untouched", -BYTES);
        assert_grown(&before, &after, Owner::Allocator, "free but resident", 0);
    }
}

fn freed_chunks_are_free_but_resident_until_trimmed(observer: &mut Observer) {
    const SIZE: usize = 4_096;
    let count = BYTES as usize / SIZE;
    let mut blocks = Vec::with_capacity(count);
    let before = take(observer);
    // SAFETY: each block is written inside its length and freed at most once; the last one stays
    // and holds the top of the heap up.
    unsafe {
        for _ in 0..count {
            let block = libc::malloc(SIZE);
            libc::memset(block, 1, SIZE);
            blocks.push(block);
        }
        blocks.pop();
        blocks.into_iter().for_each(|block| libc::free(block));
    }
    let freed = take(observer);
    assert_grown(
        &before,
        &freed,
        Owner::Allocator,
        "free but resident",
        BYTES,
    );
    assert!(glibc::trim());
    let trimmed = take(observer);
    assert_grown(&before, &trimmed, Owner::Allocator, "free but resident", 0);
    assert_grown(&before, &trimmed, Owner::Allocator, "untouched", 0);
}

fn dirty_pages_are_unreturned_until_purged(observer: &mut Observer) {
    let before = take(observer);
    // SAFETY: each block is written inside its length and freed once.
    unsafe {
        let blocks: Vec<_> = (0..50).map(|_| ffi::sqlite3_malloc64(BLOCK)).collect();
        for block in &blocks {
            libc::memset(*block, 1, BLOCK as usize);
        }
        for block in blocks {
            ffi::sqlite3_free(block);
        }
    }
    let freed = take(observer);
    // Decay may have given some of it back already.
    let dirty = unreturned(&freed, Owner::Sqlite) - unreturned(&before, Owner::Sqlite);
    assert!(dirty > BYTES * 8 / 10, "{}", table(&freed));
    assert!(jemalloc::purge(arena::made_sqlite_arena().unwrap().index));
    let purged = take(observer);
    assert_eq!(unreturned(&purged, Owner::Sqlite), 0);
    let net = |ledger: &Ledger| {
        unreturned(ledger, Owner::Sqlite) + ledger.term_bytes(Owner::Sqlite, "untouched").unwrap()
    };
    let fallen = freed.rss_bytes as i64 - purged.rss_bytes as i64;
    assert!(fallen > BYTES / 2, "{}", table(&freed));
    assert!(
        (fallen - (net(&freed) - net(&purged))).abs() < CLOSE,
        "{}{}",
        table(&freed),
        table(&purged)
    );
}

type Case = (
    &'static str,
    fn(&mut Observer),
    &'static [RustAllocator],
    &'static [SqliteAllocator],
);

const SYSTEM: &[SqliteAllocator] = &[SqliteAllocator::System];
const ARENAS: &[SqliteAllocator] = &[SqliteAllocator::Arena, SqliteAllocator::ArenaNative];
const NO_POOL: &[SqliteAllocator] = &[
    SqliteAllocator::System,
    SqliteAllocator::Arena,
    SqliteAllocator::ArenaNative,
    SqliteAllocator::Rust,
];

const CASES: [Case; 4] = [
    (
        "untouched_blocks_of_sqlite_are_live_and_untouched",
        untouched_blocks_of_sqlite_are_live_and_untouched,
        &RUST,
        NO_POOL,
    ),
    (
        "untouched_blocks_inside_a_heap_are_not_free",
        untouched_blocks_inside_a_heap_are_not_free,
        &RUST,
        SYSTEM,
    ),
    (
        "freed_chunks_are_free_but_resident_until_trimmed",
        freed_chunks_are_free_but_resident_until_trimmed,
        &RUST,
        &SQLITE,
    ),
    (
        "dirty_pages_are_unreturned_until_purged",
        dirty_pages_are_unreturned_until_purged,
        &RUST,
        ARENAS,
    ),
];

fn main() {
    support::small_pages::only();
    if let Some(name) = children::case() {
        let mut observer = Observer::new().unwrap();
        take(&mut observer);
        let (_, run, ..) = CASES.iter().find(|c| c.0 == name).unwrap();
        return run(&mut observer);
    }
    let mut trials = Vec::new();
    for (case, _, rusts, sqlites) in CASES {
        for rust in rusts.iter().copied() {
            for sqlite in sqlites.iter().copied() {
                let name = format!("{case}::rust_{rust:?}::sqlite_{sqlite:?}").to_lowercase();
                trials.push(Trial::test(name, move || {
                    children::spawn(case, rust, sqlite, &[])
                }));
            }
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
