//! No ledger closes by construction: memory that appears in one place shows in one term.
//!
//! Each case runs in a process of its own for each pair of allocators.

mod support {
    pub mod children;
    pub mod ledgers;
    pub mod small_pages;
}

use std::hint::black_box;

use libsqlite3_sys as ffi;
use libtest_mimic::{Arguments, Trial};
use sqlite_membench::memory::{Ledger, Observer, Owner, ledger};
use support::children::{self, RUST, SQLITE};
use support::ledgers::{table, take};

#[global_allocator]
static ALLOCATOR: sqlite_membench::allocator::global::Switchable =
    sqlite_membench::allocator::global::Switchable::new();

const BYTES: usize = 50 << 20;
/// Size classes of every allocator, so that none counts rounding as live.
const LARGE: usize = 1 << 20;
const SMALL: usize = 4 << 10;

struct Case {
    name: &'static str,
    /// `None` is unattributed.
    owner: Option<Owner>,
    bytes: usize,
    threads: bool,
    run: fn(&mut Observer) -> (Ledger, Ledger),
}

const CASES: [Case; 10] = [
    Case {
        name: "a_mapping_behind_the_ledgers_back_is_unattributed",
        owner: None,
        bytes: BYTES,
        threads: false,
        run: hidden_mapping,
    },
    Case {
        name: "large_malloc_by_other_c_code_is_other_c",
        owner: Some(Owner::OtherC),
        bytes: BYTES,
        threads: false,
        run: |o| c_malloc(o, LARGE),
    },
    Case {
        name: "small_malloc_by_other_c_code_is_other_c",
        owner: Some(Owner::OtherC),
        bytes: BYTES,
        threads: false,
        run: |o| c_malloc(o, SMALL),
    },
    Case {
        name: "large_blocks_of_rust_are_rust",
        owner: Some(Owner::Rust),
        bytes: BYTES,
        threads: false,
        run: |o| rust(o, LARGE),
    },
    Case {
        name: "small_blocks_of_rust_are_rust",
        owner: Some(Owner::Rust),
        bytes: BYTES,
        threads: false,
        run: |o| rust(o, SMALL),
    },
    Case {
        name: "large_blocks_of_sqlite_are_sqlite",
        owner: Some(Owner::Sqlite),
        bytes: BYTES,
        threads: false,
        run: |o| sqlite(o, LARGE),
    },
    Case {
        name: "small_blocks_of_sqlite_are_sqlite",
        owner: Some(Owner::Sqlite),
        bytes: BYTES,
        threads: false,
        run: |o| sqlite(o, SMALL),
    },
    Case {
        name: "a_touched_file_mapping_is_files",
        owner: Some(Owner::Files),
        bytes: BYTES,
        threads: false,
        run: file_mapping,
    },
    Case {
        name: "touched_stacks_of_16_threads_are_stacks",
        owner: Some(Owner::Stacks),
        bytes: 16 << 20,
        threads: true,
        run: stacks,
    },
    Case {
        name: "memory_of_c_threads_in_arenas_of_their_own_is_other_c",
        owner: Some(Owner::OtherC),
        bytes: 16 * 3_000_000,
        threads: true,
        run: c_threads,
    },
];

fn hidden_mapping(observer: &mut Observer) -> (Ledger, Ledger) {
    let before = take(observer);
    // SAFETY: a fresh mapping, written inside its length.
    unsafe {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let start = libc::mmap(std::ptr::null_mut(), BYTES, protection, flags, -1, 0);
        assert_ne!(start, libc::MAP_FAILED);
        libc::memset(start, 0x22, BYTES);
    }
    (before, take(observer))
}

fn c_malloc(observer: &mut Observer, size: usize) -> (Ledger, Ledger) {
    let before = take(observer);
    for _ in 0..BYTES / size {
        // SAFETY: written inside its length, and leaked.
        unsafe {
            let block = libc::malloc(size);
            assert!(!block.is_null());
            libc::memset(black_box(block), 1, size);
        }
    }
    (before, take(observer))
}

fn rust(observer: &mut Observer, size: usize) -> (Ledger, Ledger) {
    let mut blocks: Vec<Vec<u8>> = Vec::with_capacity(BYTES / size);
    let before = take(observer);
    blocks.extend((0..BYTES / size).map(|_| vec![1; size]));
    let after = take(observer);
    black_box(blocks);
    (before, after)
}

fn sqlite(observer: &mut Observer, size: usize) -> (Ledger, Ledger) {
    let before = take(observer);
    for _ in 0..BYTES / size {
        // SAFETY: written inside its length, and leaked.
        unsafe {
            let block = ffi::sqlite3_malloc64(size as u64);
            assert!(!block.is_null());
            libc::memset(block, 1, size);
        }
    }
    (before, take(observer))
}

fn file_mapping(observer: &mut Observer) -> (Ledger, Ledger) {
    use std::os::fd::AsRawFd;
    let file = tempfile::tempfile().unwrap();
    file.set_len(BYTES as u64).unwrap();
    let before = take(observer);
    // SAFETY: a fresh mapping of a file of this length, written inside it.
    unsafe {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let start = libc::mmap(
            std::ptr::null_mut(),
            BYTES,
            protection,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        );
        assert_ne!(start, libc::MAP_FAILED);
        libc::memset(start, 1, BYTES);
    }
    (before, take(observer))
}

fn stacks(observer: &mut Observer) -> (Ledger, Ledger) {
    fn touch() {
        let mut bytes = [0u8; 1 << 20];
        for index in (0..bytes.len()).step_by(512) {
            bytes[index] = 1;
        }
        black_box(&mut bytes);
    }
    let before = take(observer);
    let barrier = std::sync::Barrier::new(17);
    let mut after = None;
    std::thread::scope(|scope| {
        for _ in 0..16 {
            std::thread::Builder::new()
                .stack_size(4 << 20)
                .spawn_scoped(scope, || {
                    touch();
                    barrier.wait();
                    barrier.wait();
                })
                .unwrap();
        }
        barrier.wait();
        after = Some(take(observer));
        barrier.wait();
    });
    (before, after.unwrap())
}

/// Threads that only C knows of, each with blocks in an arena of its own.
fn c_threads(observer: &mut Observer) -> (Ledger, Ledger) {
    static DONE: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    extern "C" fn fill(_: *mut libc::c_void) -> *mut libc::c_void {
        for _ in 0..3_000_000 / SMALL {
            // SAFETY: written inside its length, and leaked.
            unsafe { libc::memset(black_box(libc::malloc(SMALL)), 1, SMALL) };
        }
        DONE.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        // SAFETY: waits for the end of the process.
        unsafe { libc::pause() };
        std::ptr::null_mut()
    }
    let before = take(observer);
    for _ in 0..16 {
        // SAFETY: the thread takes no argument.
        unsafe {
            let mut thread = std::mem::zeroed();
            assert_eq!(
                libc::pthread_create(
                    &raw mut thread,
                    std::ptr::null(),
                    fill,
                    std::ptr::null_mut()
                ),
                0
            );
        }
    }
    while DONE.load(std::sync::atomic::Ordering::SeqCst) < 16 {
        std::thread::yield_now();
    }
    (before, take(observer))
}

/// Neither in Rust nor in C nor in SQLite.
fn a_ledger_allocates_nothing() {
    use sqlite_membench::allocator::global;
    use sqlite_membench::memory::{glibc, sqlite};
    let mut observer = Observer::new().unwrap();
    take(&mut observer);
    // SAFETY: no connection is given.
    let mut measure = || unsafe { observer.take(&[]) }.unwrap().rss_bytes;
    let before = (
        global::counters().unwrap(),
        glibc::read().unwrap(),
        sqlite::read(),
    );
    let first = measure();
    let after = (
        global::counters().unwrap(),
        glibc::read().unwrap(),
        sqlite::read(),
    );
    assert_eq!(before, after);
    let again = (0..50).map(|_| measure()).max().unwrap();
    assert!(
        again.abs_diff(first) <= 64 * 1024,
        "50 ledgers changed RSS from {first} to {again}"
    );
}

const ALLOCATES_NOTHING: &str = "a_ledger_allocates_nothing";

fn run_child(name: &str) {
    if name == ALLOCATES_NOTHING {
        return a_ledger_allocates_nothing();
    }
    let case = CASES.iter().find(|c| c.name == name).unwrap();
    let mut observer = Observer::new().unwrap();
    take(&mut observer);
    let (before, after) = (case.run)(&mut observer);
    let tables = || format!("before: {}\nafter: {}", table(&before), table(&after));
    if std::env::var_os("LEDGER_TEST_SHOW").is_some() {
        println!("{}", tables());
        println!("{:x?}", observer.unclaimed());
        println!("{}", std::fs::read_to_string("/proc/self/maps").unwrap());
    }
    let bound = ledger::bound_bytes(before.rss_bytes);
    assert!(before.unattributed_bytes().abs() <= bound, "{}", tables());
    let close = case.bytes as i64 / 100;
    // A new thread brings its allocator's cache and, under jemalloc, maybe an arena.
    let threads = if case.threads { 16 * 128 * 1024 } else { 0 };
    for (owner, grown) in growth(&before, &after) {
        let name = owner.map_or("unattributed", Owner::name);
        if owner != case.owner {
            // jemalloc describes each block of a page in 128 bytes, which are nobody's where the
            // heap is shared.
            let most = match owner {
                None => close,
                Some(Owner::Allocator) => (5 * close).max(threads),
                Some(_) => close.max(threads),
            };
            assert!(grown.abs() <= most, "{name} grew by {grown}\n{}", tables());
            continue;
        }
        // What the allocator adds around live bytes is its owner's too.
        let term = if matches!(owner, Some(Owner::Stacks)) {
            "threads"
        } else {
            "live"
        };
        let of = |ledger: &Ledger| owner.and_then(|o| ledger.term_bytes(o, term));
        let grown = of(&after)
            .zip(of(&before))
            .map_or(grown, |(after, before)| after - before);
        assert!(
            (grown - case.bytes as i64).abs() <= close,
            "{name} {term} grew by {grown}\n{}",
            tables()
        );
    }
}

/// Growth of each owner, and of what is unattributed as `None`.
fn growth(before: &Ledger, after: &Ledger) -> Vec<(Option<Owner>, i64)> {
    let mut growth: Vec<_> = Owner::ALL
        .iter()
        .map(|o| (Some(*o), after.owned_bytes(*o) - before.owned_bytes(*o)))
        .collect();
    growth.push((
        None,
        after.unattributed_bytes() - before.unattributed_bytes(),
    ));
    growth
}

fn main() {
    support::small_pages::only();
    if let Some(name) = children::case() {
        return run_child(&name);
    }
    let mut trials = Vec::new();
    let names = CASES.iter().map(|c| c.name).chain([ALLOCATES_NOTHING]);
    for case in names {
        for rust in RUST {
            for sqlite in SQLITE {
                let name = format!("{case}::rust_{rust:?}::sqlite_{sqlite:?}").to_lowercase();
                trials.push(Trial::test(name, move || {
                    children::spawn(case, rust, sqlite, &[])
                }));
            }
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
