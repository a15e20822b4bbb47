//! Rust's side: a `GlobalAlloc` that counts, with a backend chosen when the process starts.
//!
//! A binary or a bench declares it; this library never does:
//!
//! ```
//! use sqlite_membench::allocator::global::{Switchable, counters};
//!
//! #[global_allocator]
//! static ALLOCATOR: Switchable = Switchable::new();
//!
//! let before = counters().unwrap();
//! let block = vec![0u8; 1000];
//! assert_eq!(counters().unwrap().live_bytes - before.live_bytes, 1000);
//! # drop(block);
//! ```
//!
//! The environment variable [`CHOICE_VARIABLE`] is read once, before the first allocation. Every
//! block is counted with what was asked for and with what the backend reserved for it, so that
//! size-class rounding is a number that was added up and not estimated.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering::Relaxed};

use super::sampler::{self, Side};
use super::{RustAllocator, arena, dhat_heap as bookkeeping};

/// `system` (also when unset) or `jemalloc`; anything else counts as `system` and is reported by
/// [`unknown_choice`].
pub const CHOICE_VARIABLE: &str = "SQLITE_MEMBENCH_RUST_ALLOCATOR";
const CHOICE_VARIABLE_C: &std::ffi::CStr = c"SQLITE_MEMBENCH_RUST_ALLOCATOR";

const UNREAD: u8 = 0;
const SYSTEM: u8 = 1;
const JEMALLOC: u8 = 2;

static CHOICE: AtomicU8 = AtomicU8::new(UNREAD);
static UNKNOWN: AtomicBool = AtomicBool::new(false);
static DECLARED: AtomicBool = AtomicBool::new(false);

static LIVE_BYTES: AtomicI64 = AtomicI64::new(0);
static LIVE_BLOCKS: AtomicI64 = AtomicI64::new(0);
static RESERVED_BYTES: AtomicI64 = AtomicI64::new(0);
static PEAK_BYTES: AtomicI64 = AtomicI64::new(0);
static TOTAL_BYTES: AtomicU64 = AtomicU64::new(0);
static TOTAL_BLOCKS: AtomicU64 = AtomicU64::new(0);
static BOOKKEEPING_BYTES: AtomicI64 = AtomicI64::new(0);

thread_local! {
    /// Whether this thread was given its jemalloc arena. Without a destructor, so that it can be
    /// used inside the allocator.
    static HAS_ARENA: Cell<bool> = const { Cell::new(false) };
}

/// What the counting allocator has counted since the process started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Bytes that were asked for and are not freed.
    pub live_bytes: i64,
    /// Blocks that are not freed.
    pub live_blocks: i64,
    /// What the backend reserves for the live blocks: chunk sizes under glibc, size classes under
    /// jemalloc. At least `live_bytes`.
    pub reserved_bytes: i64,
    /// The highest `live_bytes`.
    pub peak_bytes: i64,
    /// Bytes ever asked for, reallocations with their whole new size.
    pub total_bytes: u64,
    /// Blocks ever handed out.
    pub total_blocks: u64,
    /// In a build with `dhat-heap`, what is reserved for dhat's own blocks, which are in none of
    /// the other numbers; else 0.
    pub bookkeeping_bytes: i64,
}

/// The counters, or `None` where the process runs under another global allocator.
pub fn counters() -> Option<Counters> {
    DECLARED.load(Relaxed).then(|| Counters {
        live_bytes: LIVE_BYTES.load(Relaxed),
        live_blocks: LIVE_BLOCKS.load(Relaxed),
        reserved_bytes: RESERVED_BYTES.load(Relaxed),
        peak_bytes: PEAK_BYTES.load(Relaxed),
        total_bytes: TOTAL_BYTES.load(Relaxed),
        total_blocks: TOTAL_BLOCKS.load(Relaxed),
        bookkeeping_bytes: BOOKKEEPING_BYTES.load(Relaxed),
    })
}

/// Sets [`Counters::peak_bytes`] back to the live bytes, which it returns. Another thread that allocates
/// meanwhile may be missed by as much as it allocates.
#[cfg(feature = "criterion")]
pub(crate) fn reset_peak() -> i64 {
    let live = LIVE_BYTES.load(Relaxed);
    PEAK_BYTES.store(live, Relaxed);
    live
}

/// The backend in force. Reads the environment if nothing was allocated yet.
pub fn chosen() -> RustAllocator {
    if has_dhat() {
        return RustAllocator::System;
    }
    match backend() {
        JEMALLOC => RustAllocator::Jemalloc,
        _ => RustAllocator::System,
    }
}

/// True in a build with the feature `dhat-heap`: dhat's allocator serves Rust, over the C library's.
pub fn has_dhat() -> bool {
    cfg!(feature = "dhat-heap")
}

/// True when [`CHOICE_VARIABLE`] held something that names no backend.
pub fn unknown_choice() -> bool {
    backend();
    UNKNOWN.load(Relaxed)
}

#[inline]
fn backend() -> u8 {
    match CHOICE.load(Relaxed) {
        UNREAD => read_choice(),
        choice => choice,
    }
}

#[cold]
fn read_choice() -> u8 {
    // SAFETY: getenv of a constant C string; the value is only read, before any thread is started.
    let value = unsafe {
        let value = libc::getenv(CHOICE_VARIABLE_C.as_ptr());
        if value.is_null() {
            b""
        } else {
            std::ffi::CStr::from_ptr(value).to_bytes()
        }
    };
    let choice = match value {
        b"jemalloc" => JEMALLOC,
        b"" | b"system" => SYSTEM,
        _ => {
            UNKNOWN.store(true, Relaxed);
            SYSTEM
        }
    };
    CHOICE.store(choice, Relaxed);
    choice
}

/// The counting global allocator.
#[derive(Debug, Default)]
pub struct Switchable(());

impl Switchable {
    /// For the `static` that carries `#[global_allocator]`.
    pub const fn new() -> Self {
        Switchable(())
    }
}

#[cfg(feature = "dhat-heap")]
static DHAT: dhat::Alloc = dhat::Alloc;

/// The memory functions of the backend in force, with the bytes it reserves for a block.
mod raw {
    use super::*;

    #[cfg(feature = "dhat-heap")]
    fn system() -> &'static impl GlobalAlloc {
        &DHAT
    }
    #[cfg(not(feature = "dhat-heap"))]
    fn system() -> &'static impl GlobalAlloc {
        static SYSTEM_ALLOCATOR: std::alloc::System = std::alloc::System;
        &SYSTEM_ALLOCATOR
    }

    fn uses_jemalloc() -> bool {
        if cfg!(feature = "dhat-heap") || backend() != JEMALLOC {
            return false;
        }
        if !HAS_ARENA.get() {
            HAS_ARENA.set(true);
            arena::adopt_thread();
        }
        true
    }

    /// # Safety
    /// As `GlobalAlloc::alloc`.
    #[inline]
    pub unsafe fn alloc(layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract is passed on.
        unsafe {
            if uses_jemalloc() {
                jemallocator::Jemalloc.alloc(layout)
            } else {
                system().alloc(layout)
            }
        }
    }

    /// # Safety
    /// As `GlobalAlloc::alloc_zeroed`.
    #[inline]
    pub unsafe fn alloc_zeroed(layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract is passed on.
        unsafe {
            if uses_jemalloc() {
                jemallocator::Jemalloc.alloc_zeroed(layout)
            } else {
                system().alloc_zeroed(layout)
            }
        }
    }

    /// # Safety
    /// As `GlobalAlloc::dealloc`.
    #[inline]
    pub unsafe fn dealloc(block: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is passed on; the backend is the one that allocated.
        unsafe {
            if uses_jemalloc() {
                jemallocator::Jemalloc.dealloc(block, layout)
            } else {
                system().dealloc(block, layout)
            }
        }
    }

    /// # Safety
    /// As `GlobalAlloc::realloc`.
    #[inline]
    pub unsafe fn realloc(block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's contract is passed on; the backend is the one that allocated.
        unsafe {
            if uses_jemalloc() {
                jemallocator::Jemalloc.realloc(block, layout, new_size)
            } else {
                system().realloc(block, layout, new_size)
            }
        }
    }

    /// Bytes that the backend reserves for the live, non-null `block`.
    ///
    /// # Safety
    /// `block` must be a live block of the backend in force.
    #[inline]
    pub unsafe fn reserved(block: *mut u8) -> i64 {
        // SAFETY: the caller says that the block is live and of this backend.
        unsafe {
            if !cfg!(feature = "dhat-heap") && backend() == JEMALLOC {
                tikv_jemalloc_sys::sallocx(block.cast(), 0) as i64
            } else {
                super::super::system_chunk_bytes(block) as i64
            }
        }
    }
}

/// Bytes that the global allocator reserves for `block`, or `None` where it is not [`Switchable`].
///
/// # Safety
/// `block` is a live, non-null block of the process's global allocator.
pub(super) unsafe fn reserved_bytes(block: *mut u8) -> Option<usize> {
    // SAFETY: the caller's contract; DECLARED says that the global allocator is this one.
    DECLARED
        .load(Relaxed)
        .then(|| unsafe { raw::reserved(block) } as usize)
}

#[inline]
fn count_in(bytes: usize, reserved: i64) {
    if bookkeeping::is_inside() {
        BOOKKEEPING_BYTES.fetch_add(reserved, Relaxed);
        return;
    }
    let live = LIVE_BYTES.fetch_add(bytes as i64, Relaxed) + bytes as i64;
    if live > PEAK_BYTES.load(Relaxed) {
        PEAK_BYTES.fetch_max(live, Relaxed);
    }
    LIVE_BLOCKS.fetch_add(1, Relaxed);
    RESERVED_BYTES.fetch_add(reserved, Relaxed);
    TOTAL_BYTES.fetch_add(bytes as u64, Relaxed);
    TOTAL_BLOCKS.fetch_add(1, Relaxed);
}

#[inline]
fn count_out(bytes: usize, reserved: i64) {
    if bookkeeping::is_inside() {
        BOOKKEEPING_BYTES.fetch_sub(reserved, Relaxed);
        return;
    }
    LIVE_BYTES.fetch_sub(bytes as i64, Relaxed);
    LIVE_BLOCKS.fetch_sub(1, Relaxed);
    RESERVED_BYTES.fetch_sub(reserved, Relaxed);
}

#[inline(always)]
fn sample(block: *mut u8, bytes: usize) {
    if !bookkeeping::is_inside() {
        sampler::allocated(block, bytes, Side::Rust);
    }
}

// SAFETY: every call goes to one backend, chosen once; the counters do not touch the blocks.
unsafe impl GlobalAlloc for Switchable {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract is passed on; a non-null block is live.
        unsafe {
            let block = bookkeeping::around(|| raw::alloc(layout));
            if !block.is_null() {
                if !DECLARED.load(Relaxed) {
                    DECLARED.store(true, Relaxed);
                }
                count_in(layout.size(), raw::reserved(block));
                sample(block, layout.size());
            }
            block
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract is passed on; a non-null block is live.
        unsafe {
            let block = bookkeeping::around(|| raw::alloc_zeroed(layout));
            if !block.is_null() {
                count_in(layout.size(), raw::reserved(block));
                sample(block, layout.size());
            }
            block
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is passed on; the block is live until raw::dealloc.
        unsafe {
            sampler::freed(block);
            count_out(layout.size(), raw::reserved(block));
            bookkeeping::around(|| raw::dealloc(block, layout));
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's contract is passed on; the new block is live when non-null, and the
        // old one is measured before it may go.
        unsafe {
            let old_reserved = raw::reserved(block);
            let old_sample = sampler::freed(block);
            let new = bookkeeping::around(|| raw::realloc(block, layout, new_size));
            if !new.is_null() {
                count_out(layout.size(), old_reserved);
                count_in(new_size, raw::reserved(new));
                sample(new, new_size);
            } else {
                sampler::stayed(old_sample);
            }
            new
        }
    }
}
