//! What is known of the process's `malloc`.

use std::ffi::{CStr, c_void};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// Whose `malloc` the process calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MallocProvider {
    /// The GNU C library's own.
    Glibc,
    /// Another: a preloaded library, or another C library.
    Other,
}

/// Finds out whose `malloc` is in force, by asking the loader which object holds it.
pub fn malloc_provider() -> MallocProvider {
    static PROVIDER: AtomicU8 = AtomicU8::new(0);
    match PROVIDER.load(Relaxed) {
        1 => MallocProvider::Glibc,
        2 => MallocProvider::Other,
        _ => {
            let provider = find_provider();
            PROVIDER.store(
                if provider == MallocProvider::Glibc {
                    1
                } else {
                    2
                },
                Relaxed,
            );
            provider
        }
    }
}

fn object_of(symbol: &CStr) -> Option<*mut c_void> {
    // SAFETY: dlsym and dladdr only look; the out structure is written before it is read.
    unsafe {
        let address = libc::dlsym(libc::RTLD_DEFAULT, symbol.as_ptr());
        let mut info: libc::Dl_info = std::mem::zeroed();
        if address.is_null() || libc::dladdr(address, &raw mut info) == 0 {
            return None;
        }
        Some(info.dli_fbase)
    }
}

/// Whether `symbol` is of the object that `malloc` is of.
pub(super) fn is_of_malloc(symbol: &CStr) -> bool {
    let of = object_of(symbol);
    of.is_some() && of == object_of(c"malloc")
}

fn find_provider() -> MallocProvider {
    match (object_of(c"malloc"), object_of(c"gnu_get_libc_version")) {
        (Some(malloc), Some(libc)) if malloc == libc => MallocProvider::Glibc,
        _ => MallocProvider::Other,
    }
}

/// Bytes that `malloc` reserves for a live block: under glibc the chunk with its size word.
///
/// # Safety
/// `block` is a live, non-null block of `malloc`.
#[inline]
pub(super) unsafe fn system_chunk_bytes(block: *mut u8) -> usize {
    if malloc_provider() == MallocProvider::Other {
        // SAFETY: the caller says that the block is live.
        return unsafe { libc::malloc_usable_size(block.cast()) };
    }
    // The compiler knows that nothing was written yet to a block fresh from an allocation that it can
    // see, and would take any number for what is read there. It must not know where this is from.
    let mut address = block.expose_provenance();
    // SAFETY: no instruction at all.
    unsafe {
        std::arch::asm!("/* {0} */", inout(reg) address, options(pure, nomem, nostack, preserves_flags));
    }
    let block = std::ptr::with_exposed_provenance::<usize>(address);
    // SAFETY: glibc keeps the chunk's size, with three flag bits, in the word before the block.
    unsafe { block.sub(1).read() & !7 }
}
