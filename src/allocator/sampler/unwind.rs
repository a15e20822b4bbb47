//! Stacks, by the unwinder that Rust's panics use: it walks by the tables that every function has, C's and
//! Rust's, and allocates nothing.
//!
//! Frames of the allocator itself say nothing. Those below the sampler's entry are cut by the stack pointer,
//! which holds whatever was inlined; those between the entry and the program (SQLite's methods, the
//! global allocator, what the compiler puts in front of it) by where their functions begin.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Of a deeper stack, the outermost frames are left out.
pub(super) const MOST_FRAMES: usize = 128;

#[repr(C)]
struct Context {
    _opaque: [u8; 0],
}

/// `_URC_NO_REASON`: go on.
const CONTINUE: c_int = 0;
/// `_URC_NORMAL_STOP`.
const STOP: c_int = 4;

type Visit = unsafe extern "C" fn(*mut Context, *mut c_void) -> c_int;

unsafe extern "C" {
    fn _Unwind_Backtrace(visit: Visit, argument: *mut c_void) -> c_int;
    fn _Unwind_GetIPInfo(context: *mut Context, before_instruction: *mut c_int) -> usize;
    /// The stack pointer of the frame, as both of the usual unwinders answer.
    fn _Unwind_GetCFA(context: *mut Context) -> usize;
    /// Where the frame's function begins.
    fn _Unwind_GetRegionStart(context: *mut Context) -> usize;
}

/// Where the allocators' own functions begin: three of each side, and what lies in front of Rust's.
static OWN: [AtomicUsize; 32] = [const { AtomicUsize::new(0) }; 32];

/// Remembers that the function at `start` is an allocator's.
pub(in crate::allocator) fn remember_own_function(start: usize) {
    for slot in &OWN {
        match slot.compare_exchange(0, start, Relaxed, Relaxed) {
            Ok(_) => return,
            Err(known) if known == start => return,
            Err(_) => {}
        }
    }
}

fn is_own(start: usize) -> bool {
    OWN.iter()
        .map(|slot| slot.load(Relaxed))
        .take_while(|&own| own != 0)
        .any(|own| own == start)
}

struct Walk<'a> {
    frames: &'a mut [u64],
    len: usize,
    /// Frames whose stack pointer is not above it are the sampler's.
    below: usize,
    /// Until the first frame that is not the allocator's.
    leading: bool,
}

/// Fills `frames`, leaf first, with the stack of the caller of the function that has `mark` among its
/// variables; returns how many there are. A caller's address is the last byte of its call instruction.
pub(super) fn stack(frames: &mut [u64], mark: *const u8) -> usize {
    let mut walk = Walk {
        frames,
        len: 0,
        below: mark as usize,
        leading: true,
    };
    // SAFETY: `keep` gets the walk that it expects, which outlives the call.
    unsafe { _Unwind_Backtrace(keep, (&raw mut walk).cast()) };
    walk.len
}

unsafe extern "C" fn keep(context: *mut Context, walk: *mut c_void) -> c_int {
    // SAFETY: the unwinder passes a context that is valid in this call, and the walk of `stack`.
    unsafe {
        let walk = &mut *walk.cast::<Walk<'_>>();
        if _Unwind_GetCFA(context) <= walk.below {
            return CONTINUE;
        }
        if walk.leading && is_own(_Unwind_GetRegionStart(context)) {
            return CONTINUE;
        }
        walk.leading = false;
        let mut before = 0;
        let address = _Unwind_GetIPInfo(context, &raw mut before);
        if address == 0 || walk.len == walk.frames.len() {
            return STOP;
        }
        // A return address may lie in the next line, or in the next function.
        walk.frames[walk.len] = address as u64 - u64::from(before == 0);
        walk.len += 1;
        CONTINUE
    }
}

/// Remembers all functions between the one that has `mark` among its variables and the one that has `until`.
pub(super) fn remember_between(mark: *const u8, until: usize) {
    let mut bounds = (mark as usize, until, 0);
    // SAFETY: `learn` gets the bounds that it expects, which outlive the call.
    unsafe { _Unwind_Backtrace(learn, (&raw mut bounds).cast()) };
}

unsafe extern "C" fn learn(context: *mut Context, bounds: *mut c_void) -> c_int {
    // SAFETY: the unwinder passes a context that is valid in this call, and the bounds.
    unsafe {
        let (below, until, last) = &mut *bounds.cast::<(usize, usize, usize)>();
        let pointer = _Unwind_GetCFA(context);
        if pointer <= *below {
            return CONTINUE;
        }
        // The frame before this one did not hold `until` if this one begins below it.
        if *last != 0 && pointer <= *until {
            remember_own_function(*last);
        }
        if pointer > *until {
            return STOP;
        }
        *last = _Unwind_GetRegionStart(context);
        CONTINUE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(never)]
    fn inner(frames: &mut [u64]) -> usize {
        let mark = 0u8;
        std::hint::black_box(stack(frames, std::hint::black_box(&raw const mark)))
    }

    #[inline(never)]
    fn outer(frames: &mut [u64]) -> usize {
        std::hint::black_box(inner(frames))
    }

    /// Functions are laid out one by one: which begins last at or before the address?
    fn is_in(address: u64, function: usize, others: &[usize]) -> bool {
        let begins = others
            .iter()
            .chain([&function])
            .filter(|&&start| start as u64 <= address)
            .max();
        begins == Some(&function)
    }

    #[test]
    fn the_stack_begins_with_the_caller_of_the_marked_function() {
        let mut frames = [0; MOST_FRAMES];
        let len = outer(&mut frames);
        assert!(len > 3);
        let (inner, outer) = (inner as *const () as usize, outer as *const () as usize);
        let own = [
            inner,
            stack as *const () as usize,
            keep as *const () as usize,
        ];
        assert!(
            is_in(frames[0], outer, &own),
            "{:x?} {outer:x}",
            &frames[..len]
        );
        assert!(!is_in(frames[1], outer, &own));
    }

    #[test]
    fn a_deep_stack_keeps_its_inner_frames() {
        let mut all = [0; MOST_FRAMES];
        let mut few = [0; 2];
        // From one place, so that the leaf is the same.
        let mut buffers: [&mut [u64]; 2] = [&mut all, &mut few];
        let len = buffers.each_mut().map(|buffer| outer(buffer));
        assert!(len[0] > 2);
        assert_eq!((len[1], few[0]), (2, all[0]));
    }
}
