//! What a ledger costs, by the size and the state of the heap that it is of.
//!
//! A ledger's time is the kernel's (it counts resident pages) and glibc's: `mallinfo2` walks every
//! free chunk. So a heap is made of blocks as SQLite makes them, of which every other one may be
//! freed: none of its pages goes back, and no two free chunks can be joined.

use std::time::{Duration, Instant};

use libsqlite3_sys as ffi;
use serde::{Deserialize, Serialize};
use sqlite_membench::allocator::{SqliteAllocator, global, sqlite};
use sqlite_membench::environment::available_memory;
use sqlite_membench::memory::{Observer, sqlite as status};

use super::plan::{Plan, Set};

/// A page of 4 KiB in SQLite's page cache, with its header.
pub const PAGE_BLOCK_BYTES: u64 = 4376;
/// A small one: a short statement's or a schema's. 600 MB of them, half free, are as many free chunks
/// as no real heap has.
pub const SMALL_BLOCK_BYTES: u64 = 200;

/// A heap of SQLite's, of which ledgers are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heap {
    pub allocator: SqliteAllocator,
    pub megabytes: u64,
    pub block_bytes: u64,
    /// Every other block is freed.
    pub half_free: bool,
}

/// Ledgers of one heap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    pub took: Vec<Duration>,
    pub rss_bytes: u64,
    /// Blocks that Rust or SQLite allocated while all the ledgers were taken.
    pub counted_allocations: u64,
}

/// The sizes of heaps by which a ledger's time is shown; the last one is the bound's.
const MEGABYTES: [u64; 3] = [50, 200, 600];
/// The largest, where there is room and time for it.
const LARGEST_MEGABYTES: u64 = 2000;
/// Of every heap in a test.
const TEST_MEGABYTES: u64 = 2;

/// Heaps by size and allocator, each with the size that it is named by: pages of which every other one
/// is freed. The largest is left out of the quick set, and where it would not fit into memory twice:
/// blocks take more than their bytes, and nobody's memory shall be taken. Says so on standard output.
pub fn by_size(plan: &Plan) -> Vec<(u64, Heap)> {
    let mut sizes = Vec::from(MEGABYTES);
    match room_for_largest(plan) {
        Ok(()) => sizes.push(LARGEST_MEGABYTES),
        Err(why) => println!("left out: instrument/ledger/*/{LARGEST_MEGABYTES}MB, {why}"),
    }
    let heaps = [SqliteAllocator::System, SqliteAllocator::Arena].map(|allocator| {
        sizes.iter().map(move |&named| {
            let megabytes = if plan.is_test { TEST_MEGABYTES } else { named };
            let heap = Heap {
                allocator,
                megabytes,
                block_bytes: PAGE_BLOCK_BYTES,
                half_free: true,
            };
            (named, heap)
        })
    });
    heaps.into_iter().flatten().collect()
}

/// Else why there is none.
fn room_for_largest(plan: &Plan) -> Result<(), String> {
    if plan.is_test || plan.is_list {
        return Ok(());
    }
    if plan.set == Set::Quick {
        return Err("the quick set has none so large".into());
    }
    let available = available_memory().ok_or("nothing here says how much memory there is")?;
    let needed = 2 * LARGEST_MEGABYTES * 1_000_000;
    if available.bytes < needed {
        return Err(format!(
            "which wants {} MB of memory: {} has {}",
            needed / 1_000_000,
            available.source,
            available.bytes / 1_000_000
        ));
    }
    Ok(())
}

/// What the table takes ledgers of. Of the bound's 600 MB all is live, or every other page is freed, or
/// every other small block; under `arena` more is resident, because a page takes 5120 bytes there.
pub fn all(is_test: bool) -> Vec<Heap> {
    let sizes: &[u64] = match is_test {
        true => &[TEST_MEGABYTES],
        false => &MEGABYTES,
    };
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

/// In a child: a heap that was made, of which a first ledger was taken.
pub struct Held {
    observer: Observer,
}

impl Held {
    pub fn make(heap: Heap) -> Held {
        sqlite::install(heap.allocator, 0).expect("SQLite's allocator");
        let mut observer = Observer::new().expect("an observer");
        make(heap);
        take(&mut observer);
        Held { observer }
    }

    /// Takes `count` ledgers. What they are written down in is allocated before the first.
    pub fn ledgers(&mut self, count: u64) -> Sample {
        let mut took = Vec::with_capacity(usize::try_from(count).expect("a count"));
        let mut rss_bytes = 0;
        let before = counted();
        for _ in 0..count {
            let began = Instant::now();
            rss_bytes = take(&mut self.observer);
            took.push(began.elapsed());
        }
        Sample {
            counted_allocations: counted() - before,
            rss_bytes,
            took,
        }
    }
}

fn take(observer: &mut Observer) -> u64 {
    // SAFETY: no connection is given.
    unsafe { observer.take(&[]) }.expect("a ledger").rss_bytes
}

/// Blocks that were ever allocated by Rust, and live ones of SQLite: it has no count of all.
fn counted() -> u64 {
    let rust = global::counters().expect("this bench's own allocator");
    rust.total_blocks + status::read().live_blocks.unsigned_abs()
}

fn make(heap: Heap) {
    let count = heap.megabytes * 1_000_000 / heap.block_bytes;
    let mut every_other = Vec::new();
    for index in 0..count {
        // SAFETY: a plain allocation, written inside its length; the process ends with what is left.
        let block = unsafe { ffi::sqlite3_malloc64(heap.block_bytes) };
        assert!(!block.is_null(), "no memory for {heap:?}");
        // SAFETY: as above.
        unsafe { block.cast::<u8>().write_bytes(1, heap.block_bytes as usize) };
        if heap.half_free && index % 2 == 0 {
            every_other.push(block);
        }
    }
    for block in every_other {
        // SAFETY: allocated above and freed once.
        unsafe { ffi::sqlite3_free(block) };
    }
}
