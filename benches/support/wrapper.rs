//! What counting costs a block of Rust's: the counting allocator against the one that it counts.
//!
//! Both are called through `GlobalAlloc`, in this process and on one thread. Counting is some atomic
//! additions and a look at the chunk's size, whatever the size of the block, so it weighs most where
//! the allocator itself is fastest: in glibc's cache of the thread. Blocks are not written to. An
//! iteration of `alloc-dealloc` is a pair; one of `realloc` is two calls, by a quarter up and down
//! again, in place mostly. Other threads that count at once would pay for the shared counters as well.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, SamplingMode, Throughput};
use sqlite_membench::allocator::RustAllocator;
use sqlite_membench::allocator::global::{self, Switchable};

use super::suite::Suite;

/// A small one, a usual one, SQLite's page with its header, and half of what glibc maps by itself.
const SIZES: [usize; 4] = [16, 256, 4376, 65536];

static SWITCHABLE: Switchable = Switchable::new();

/// The groups `instrument/wrapper/alloc-dealloc` and `instrument/wrapper/realloc`.
pub fn groups(suite: &mut Suite) {
    if global::chosen() != RustAllocator::System {
        // What is counted would not be what it is compared with.
        println!(
            "left out: instrument/wrapper, because {} is set",
            global::CHOICE_VARIABLE
        );
        return;
    }
    let mut group = group(suite, "alloc-dealloc");
    for bytes in SIZES {
        bench(&mut group, "system", bytes, || pair(&System, bytes));
        bench(&mut group, "switchable", bytes, || pair(&SWITCHABLE, bytes));
    }
    group.finish();
    realloc(suite);
}

fn realloc(suite: &mut Suite) {
    let mut group = group(suite, "realloc");
    for bytes in SIZES {
        let mut block = Block::of(&System, bytes);
        bench(&mut group, "system", bytes, || block.grow_and_shrink());
        let mut block = Block::of(&SWITCHABLE, bytes);
        bench(&mut group, "switchable", bytes, || block.grow_and_shrink());
    }
    group.finish();
}

/// Nanoseconds take many iterations a sample, unlike all else here.
fn group<'a>(suite: &'a mut Suite, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let name = format!("instrument/wrapper/{name}");
    let mut group = suite.time_group(name, Throughput::Elements(1));
    group
        .sampling_mode(SamplingMode::Linear)
        .warm_up_time(Duration::from_millis(50))
        .measurement_time(Duration::from_millis(250));
    group
}

fn bench(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    bytes: usize,
    mut work: impl FnMut(),
) {
    group.bench_function(BenchmarkId::new(name, bytes), |bencher| {
        bencher.iter(&mut work);
    });
}

fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes, 8).expect("a layout")
}

fn pair(allocator: &impl GlobalAlloc, bytes: usize) {
    let layout = layout(black_box(bytes));
    // SAFETY: the layout has bytes; the block is freed once, by the allocator that it is of.
    unsafe {
        let block = black_box(allocator.alloc(layout));
        assert!(!block.is_null(), "no memory");
        allocator.dealloc(block, layout);
    }
}

/// A live block that is reallocated.
struct Block<'a, A: GlobalAlloc> {
    allocator: &'a A,
    block: *mut u8,
    bytes: usize,
}

impl<'a, A: GlobalAlloc> Block<'a, A> {
    fn of(allocator: &'a A, bytes: usize) -> Self {
        // SAFETY: the layout has bytes.
        let block = unsafe { allocator.alloc(layout(bytes)) };
        assert!(!block.is_null(), "no memory");
        Block {
            allocator,
            block,
            bytes,
        }
    }

    fn grow_and_shrink(&mut self) {
        let bytes = black_box(self.bytes);
        let more = bytes + bytes / 4;
        self.realloc(bytes, more);
        self.realloc(more, bytes);
    }

    fn realloc(&mut self, from: usize, to: usize) {
        // SAFETY: the block is live, of this allocator, and of the layout of `from` bytes.
        let block = unsafe { self.allocator.realloc(self.block, layout(from), to) };
        assert!(!block.is_null(), "no memory");
        self.block = black_box(block);
    }
}

impl<A: GlobalAlloc> Drop for Block<'_, A> {
    fn drop(&mut self) {
        // SAFETY: live, of this allocator, and of this layout between two calls; freed once.
        unsafe { self.allocator.dealloc(self.block, layout(self.bytes)) };
    }
}
