//! The GNU C library's `malloc`: its counters, and where its memory lies.

#[path = "heaps.rs"]
pub(super) mod heaps;

use crate::allocator::{MallocProvider, malloc_provider};

/// All arenas together, in bytes. Source: `mallinfo2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// `arena`: what the heaps have from the kernel.
    pub heap_bytes: i64,
    /// `uordblks`: chunks in use in the heaps, their size words included; chunks in thread caches
    /// count as in use.
    pub heap_in_use_bytes: i64,
    /// `fordblks`: free chunks, the top of each heap included, resident or not.
    pub heap_free_bytes: i64,
    /// `keepcost`: the top of the main heap.
    pub main_top_bytes: i64,
    /// `hblks`: chunks with a mapping of their own.
    pub mapped_chunks: i64,
    /// `hblkhd`: their bytes.
    pub mapped_bytes: i64,
}

/// Why there are no counters; `None` where there are.
pub fn absent() -> Option<&'static str> {
    if !cfg!(target_env = "gnu") {
        return Some(
            "mallinfo2, malloc_info and malloc_trim are glibc's; this C library is another",
        );
    }
    match malloc_provider() {
        MallocProvider::Other => Some(
            "malloc is not glibc's here, a preloaded library's for instance: what that holds beyond \
             live blocks is unattributed",
        ),
        MallocProvider::Glibc => read()
            .is_none()
            .then_some("this glibc is older than 2.33 and has no mallinfo2"),
    }
}

/// Reads the counters; `None` where `malloc` is not glibc's or `mallinfo2` is older than glibc 2.33.
/// Takes each arena's lock in turn and walks its free lists.
#[cfg(target_env = "gnu")]
pub fn read() -> Option<Counters> {
    if malloc_provider() != MallocProvider::Glibc {
        return None;
    }
    // Looked up and not linked, so that the program starts on an older glibc.
    // SAFETY: dlsym only looks; a symbol of this name has this type in glibc.
    let info = unsafe {
        let address = libc::dlsym(libc::RTLD_DEFAULT, c"mallinfo2".as_ptr());
        if address.is_null() {
            return None;
        }
        let mallinfo2: extern "C" fn() -> libc::mallinfo2 = std::mem::transmute(address);
        mallinfo2()
    };
    Some(Counters {
        heap_bytes: info.arena as i64,
        heap_in_use_bytes: info.uordblks as i64,
        heap_free_bytes: info.fordblks as i64,
        main_top_bytes: info.keepcost as i64,
        mapped_chunks: info.hblks as i64,
        mapped_bytes: info.hblkhd as i64,
    })
}

/// Reads the counters: none on a C library without them.
#[cfg(not(target_env = "gnu"))]
pub fn read() -> Option<Counters> {
    None
}

/// The number of arenas: `<heap nr="...">` in `malloc_info`. Allocates through `malloc`.
#[cfg(target_env = "gnu")]
pub fn arenas() -> Option<usize> {
    if malloc_provider() != MallocProvider::Glibc {
        return None;
    }
    let mut text: *mut libc::c_char = std::ptr::null_mut();
    let mut length = 0;
    // SAFETY: the stream is closed before its text is read, and the text is freed once.
    unsafe {
        let stream = libc::open_memstream(&raw mut text, &raw mut length);
        if stream.is_null() {
            return None;
        }
        let code = libc::malloc_info(0, stream);
        libc::fclose(stream);
        let found = (code == 0 && !text.is_null()).then(|| {
            let bytes = std::slice::from_raw_parts(text.cast::<u8>(), length);
            bytes.windows(10).filter(|w| w == b"<heap nr=\"").count()
        });
        libc::free(text.cast());
        found
    }
}

/// The number of arenas: unknown on a C library without them.
#[cfg(not(target_env = "gnu"))]
pub fn arenas() -> Option<usize> {
    None
}

/// Whether [`trim`] gives anything back: `malloc` is glibc's.
pub fn can_trim() -> bool {
    cfg!(target_env = "gnu") && malloc_provider() == MallocProvider::Glibc
}

/// Gives free pages of every arena back to the kernel: `malloc_trim(0)`. True if any were.
#[cfg(target_env = "gnu")]
pub fn trim() -> bool {
    // SAFETY: malloc_trim has no preconditions.
    unsafe { libc::malloc_trim(0) == 1 }
}

/// Gives free pages back: never, on a C library without `malloc_trim`.
#[cfg(not(target_env = "gnu"))]
pub fn trim() -> bool {
    false
}
