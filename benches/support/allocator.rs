//! This bench's global allocator: the counting one, or dhat's in a child that was started for it.
//!
//! dhat's cost is measured beside the others', and a process has one global allocator. In the one child
//! whose environment has [`DHAT_VARIABLE`] every block goes to `dhat::Alloc`, which profiles once there
//! is a `dhat::Profiler`, and nothing is counted: `global::counters()` is then `None`. Everywhere
//! else it is [`Switchable`], after a load and a branch that a user's program does not have.

use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use sqlite_membench::allocator::global::Switchable;

/// Set where dhat's allocator is wanted, to anything.
pub const DHAT_VARIABLE: &str = "SQLITE_MEMBENCH_INSTRUMENT_DHAT";
const DHAT_VARIABLE_C: &std::ffi::CStr = c"SQLITE_MEMBENCH_INSTRUMENT_DHAT";

const UNREAD: u8 = 0;
const COUNTING: u8 = 1;
const DHAT: u8 = 2;

static CHOICE: AtomicU8 = AtomicU8::new(UNREAD);
static SWITCHABLE: Switchable = Switchable::new();

/// The global allocator. Which one it is, is decided before the first block.
#[derive(Debug)]
pub struct CountingOrDhat;

fn has_dhat() -> bool {
    match CHOICE.load(Relaxed) {
        UNREAD => read_choice() == DHAT,
        choice => choice == DHAT,
    }
}

#[cold]
fn read_choice() -> u8 {
    // SAFETY: getenv of a constant C string, before any thread is started; only null is asked for.
    let is_unset = unsafe { libc::getenv(DHAT_VARIABLE_C.as_ptr()).is_null() };
    let choice = if is_unset { COUNTING } else { DHAT };
    CHOICE.store(choice, Relaxed);
    choice
}

// SAFETY: every call of a process goes to one allocator, chosen once.
unsafe impl GlobalAlloc for CountingOrDhat {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract is passed on.
        unsafe {
            match has_dhat() {
                true => dhat::Alloc.alloc(layout),
                false => SWITCHABLE.alloc(layout),
            }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract is passed on.
        unsafe {
            match has_dhat() {
                true => dhat::Alloc.alloc_zeroed(layout),
                false => SWITCHABLE.alloc_zeroed(layout),
            }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is passed on; the allocator is the one that allocated.
        unsafe {
            match has_dhat() {
                true => dhat::Alloc.dealloc(block, layout),
                false => SWITCHABLE.dealloc(block, layout),
            }
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's contract is passed on; the allocator is the one that allocated.
        unsafe {
            match has_dhat() {
                true => dhat::Alloc.realloc(block, layout, new_size),
                false => SWITCHABLE.realloc(block, layout, new_size),
            }
        }
    }
}
