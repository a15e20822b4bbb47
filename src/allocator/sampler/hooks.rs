//! What the allocators of both sides call: before a block goes and after one has come.
//!
//! Where the sampler is off, each is one load. Where it is on, a block that is not sampled costs some
//! arithmetic in the thread's own memory, and one that is freed the load of a chain's head.

use std::alloc::Layout;
use std::hint::black_box;
use std::sync::atomic::Ordering::Relaxed;

use super::live::{Sample, bucket};
use super::tables::Found;
use super::thread::{THREAD, Thread};
use super::{Side, counted, heads, statement, tables, unwind};

/// A block has come, and is counted.
#[inline]
pub(in crate::allocator) fn allocated(block: *mut u8, bytes: usize, side: Side) {
    if heads().is_none() {
        return;
    }
    THREAD.with(|thread| {
        if thread.is_due(bytes) {
            sample(thread, block, bytes, side);
        }
    });
}

/// A block is about to go; it is still counted. Before it is given back: behind that, another thread may have
/// its address. The sample that it was, for [`stayed`].
#[inline]
pub(in crate::allocator) fn freed(block: *mut u8) -> Option<Sample> {
    let heads = heads()?;
    if heads[bucket(block as usize)].load(Relaxed) == 0 {
        return None;
    }
    take(block as usize)
}

/// The block did not go after all: it could not be reallocated.
#[inline]
pub(in crate::allocator) fn stayed(sample: Option<Sample>) {
    if let Some(sample) = sample {
        put_back(sample);
    }
}

/// Runs a call into Rust's allocator for a block of SQLite's, which is sampled as such.
#[inline]
pub(in crate::allocator) fn for_sqlite<T>(call: impl FnOnce() -> T) -> T {
    if heads().is_none() {
        return call();
    }
    THREAD.with(|thread| thread.at_work(call))
}

#[cold]
#[inline(never)]
fn take(address: usize) -> Option<Sample> {
    THREAD.with(|thread| {
        if thread.busy.get() {
            return None;
        }
        thread.at_work(|| tables().as_mut()?.freed(address, counted::now()))
    })
}

#[cold]
#[inline(never)]
fn put_back(sample: Sample) {
    THREAD.with(|thread| {
        thread.at_work(|| {
            if let Some(tables) = tables().as_mut() {
                tables.put_back(sample);
            }
        });
    });
}

#[cold]
#[inline(never)]
fn sample(thread: &Thread, block: *mut u8, bytes: usize, side: Side) {
    let mut frames = [0; unwind::MOST_FRAMES];
    let mark = frames.as_ptr().cast();
    if thread.probe.get() != 0 {
        return unwind::remember_between(mark, thread.probe.get());
    }
    if !thread.draw(bytes) {
        return;
    }
    thread.at_work(|| {
        let len = unwind::stack(&mut frames, mark);
        let mut text = [0; statement::MOST_TEXT_BYTES];
        // SAFETY: the call that put the statement in place is not over.
        let text_len = unsafe { statement::text(thread.statement.get(), &mut text) };
        let found = Found {
            address: block as usize,
            bytes,
            side,
            frames: &frames[..len],
            statement: &text[..text_len],
        };
        if let Some(tables) = tables().as_mut() {
            tables.allocated(&found, counted::now());
        }
    });
}

/// Finds the frames between a caller of Rust's global allocator and the sampler: the allocator's own, which
/// no stack should show.
#[inline(never)]
pub(super) fn learn_own_frames() {
    let here = black_box(0u8);
    let Ok(layout) = Layout::from_size_align(64, 8) else {
        return;
    };
    THREAD.with(|thread| {
        thread.probe.set(&raw const here as usize);
        // SAFETY: the layout is not of size zero; each block is live until it is freed, with the layout that it
        // then has.
        unsafe {
            thread.provoke();
            let block = black_box(std::alloc::alloc_zeroed(layout));
            if !block.is_null() {
                std::alloc::dealloc(block, layout);
            }
            thread.provoke();
            let block = black_box(std::alloc::alloc(layout));
            if !block.is_null() {
                thread.provoke();
                let moved = black_box(std::alloc::realloc(block, layout, 4_096));
                match (moved.is_null(), Layout::from_size_align(4_096, 8)) {
                    (false, Ok(layout)) => std::alloc::dealloc(moved, layout),
                    _ => std::alloc::dealloc(block, layout),
                }
            }
        }
        thread.probe.set(0);
    });
    black_box(&here);
}
