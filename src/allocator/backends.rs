//! The places that SQLite's blocks come from: one [`Backend`] for each way to allocate.

use std::alloc::Layout;
use std::ffi::c_int;
use std::ptr;
use std::sync::OnceLock;

use libsqlite3_sys as ffi;
use tikv_jemalloc_sys as je;

use super::arena::{self, SqliteArena};
use super::ranges::{self, Tag};
use super::sampler::for_sqlite;
use super::sqlite::{Backend, config};
use super::{Error, global, region, system_chunk_bytes};

/// SQLite's default allocator writes the block's size into eight bytes in front of it.
const HEADER: usize = 8;

/// Writes the size in front, as SQLite's default allocator does.
///
/// # Safety
/// `base` is null or the start of at least `HEADER` writable bytes, aligned to 8.
unsafe fn with_header(base: *mut u8, bytes: usize) -> *mut u8 {
    if base.is_null() {
        return base;
    }
    // SAFETY: the caller's contract.
    unsafe {
        base.cast::<i64>().write(bytes as i64);
        base.add(HEADER)
    }
}

/// # Safety
/// `block` came from [`with_header`] and is live.
unsafe fn header_size(block: *mut u8) -> usize {
    // SAFETY: the header lies in front of the block.
    unsafe { block.sub(HEADER).cast::<i64>().read() as usize }
}

struct InnerMethods(ffi::sqlite3_mem_methods);
// SAFETY: function pointers, and a pAppData that SQLite's own allocators leave null.
unsafe impl Send for InnerMethods {}
// SAFETY: as above; nothing is written after construction.
unsafe impl Sync for InnerMethods {}

static INNER: OnceLock<InnerMethods> = OnceLock::new();

/// Keeps the methods that [`Inner`] calls.
pub(super) fn keep_inner(methods: ffi::sqlite3_mem_methods) {
    INNER.get_or_init(|| InnerMethods(methods));
}

/// SQLite's own methods, counted: its default over `malloc` (`HEADERED`, whose block is a chunk
/// with a header in front) or memsys5 over its fixed heap.
pub(super) struct Inner<const HEADERED: bool>;

fn inner() -> &'static ffi::sqlite3_mem_methods {
    match INNER.get() {
        Some(methods) => &methods.0,
        // install() keeps them before SQLite can call.
        None => std::process::abort(),
    }
}

// SAFETY: SQLite's own allocators meet SQLite's own contract.
unsafe impl<const HEADERED: bool> Backend for Inner<HEADERED> {
    fn alloc(bytes: usize) -> *mut u8 {
        // SAFETY: the method is called as SQLite would call it.
        inner()
            .xMalloc
            .map_or(ptr::null_mut(), |f| unsafe { f(bytes as c_int) })
            .cast()
    }
    unsafe fn free(block: *mut u8) {
        if let Some(f) = inner().xFree {
            // SAFETY: the caller passes a live block of these methods.
            unsafe { f(block.cast()) }
        }
    }
    unsafe fn realloc(block: *mut u8, bytes: usize) -> *mut u8 {
        // SAFETY: the caller passes a live block of these methods.
        inner()
            .xRealloc
            .map_or(ptr::null_mut(), |f| unsafe {
                f(block.cast(), bytes as c_int)
            })
            .cast()
    }
    unsafe fn size(block: *mut u8) -> usize {
        if HEADERED {
            // SAFETY: SQLite's default allocator writes this header.
            return unsafe { header_size(block) };
        }
        // SAFETY: the caller passes a live block of these methods.
        inner().xSize.map_or(0, |f| unsafe { f(block.cast()) }) as usize
    }
    unsafe fn reserved(block: *mut u8) -> usize {
        // SAFETY: with a header, the malloc block starts at the header.
        unsafe {
            if HEADERED {
                system_chunk_bytes(block.sub(HEADER))
            } else {
                Self::size(block)
            }
        }
    }
    fn round_up(bytes: c_int) -> c_int {
        // SAFETY: a pure function of SQLite's.
        inner().xRoundup.map_or(bytes, |f| unsafe { f(bytes) })
    }
    fn initialise() -> c_int {
        // SAFETY: called when SQLite calls, with SQLite's own argument.
        inner()
            .xInit
            .map_or(ffi::SQLITE_OK, |f| unsafe { f(inner().pAppData) })
    }
    fn shut_down() {
        if let Some(f) = inner().xShutdown {
            // SAFETY: called when SQLite calls, with SQLite's own argument.
            unsafe { f(inner().pAppData) }
        }
    }
}

static ARENA: OnceLock<SqliteArena> = OnceLock::new();

/// Makes SQLite's arena and keeps its flags for [`Arena`].
pub(super) fn keep_arena() -> Result<(), Error> {
    let arena = arena::sqlite_arena()?;
    ARENA.get_or_init(|| arena);
    Ok(())
}

fn flags() -> &'static SqliteArena {
    match ARENA.get() {
        Some(arena) => arena,
        // install() keeps it before SQLite can call.
        None => std::process::abort(),
    }
}

/// SQLite's jemalloc arena; `FAITHFUL` with the header of SQLite's default allocator.
pub(super) struct Arena<const FAITHFUL: bool>;

impl<const FAITHFUL: bool> Arena<FAITHFUL> {
    const HEAD: usize = if FAITHFUL { HEADER } else { 0 };
}

// SAFETY: jemalloc aligns to at least 8, and to 16 from 16 bytes on; a header of 8 keeps 8.
unsafe impl<const FAITHFUL: bool> Backend for Arena<FAITHFUL> {
    fn alloc(bytes: usize) -> *mut u8 {
        // SAFETY: the size is not zero: SQLite never asks for 0, and max(1) holds it.
        unsafe {
            let base = je::mallocx((bytes + Self::HEAD).max(1), flags().alloc_flags).cast();
            if FAITHFUL {
                with_header(base, bytes)
            } else {
                base
            }
        }
    }
    unsafe fn free(block: *mut u8) {
        // SAFETY: the caller passes a live block; its base is HEAD in front.
        unsafe { je::dallocx(block.sub(Self::HEAD).cast(), flags().free_flags) }
    }
    unsafe fn realloc(block: *mut u8, bytes: usize) -> *mut u8 {
        // SAFETY: the caller passes a live block; its base is HEAD in front.
        unsafe {
            let base = block.sub(Self::HEAD).cast();
            let base = je::rallocx(base, (bytes + Self::HEAD).max(1), flags().alloc_flags).cast();
            if FAITHFUL {
                with_header(base, bytes)
            } else {
                base
            }
        }
    }
    unsafe fn size(block: *mut u8) -> usize {
        // SAFETY: the caller passes a live block.
        unsafe {
            if FAITHFUL {
                header_size(block)
            } else {
                je::sallocx(block.cast(), 0)
            }
        }
    }
    unsafe fn reserved(block: *mut u8) -> usize {
        // SAFETY: the caller passes a live block. With the size at hand, nallocx looks up a table
        // where sallocx would walk jemalloc's tree.
        unsafe {
            if FAITHFUL {
                je::nallocx(header_size(block) + HEADER, 0)
            } else {
                je::sallocx(block.cast(), 0)
            }
        }
    }
}

/// Rust's global allocator, with the header of SQLite's default allocator.
pub(super) struct Rust;

fn layout(bytes: usize) -> Option<Layout> {
    Layout::from_size_align(bytes + HEADER, HEADER).ok()
}

// SAFETY: the layout is aligned to 8, and GlobalAlloc implementations do not unwind.
unsafe impl Backend for Rust {
    fn alloc(bytes: usize) -> *mut u8 {
        let Some(layout) = layout(bytes) else {
            return ptr::null_mut();
        };
        // SAFETY: the layout is never of size zero: it holds the header.
        unsafe { with_header(for_sqlite(|| std::alloc::alloc(layout)), bytes) }
    }
    unsafe fn free(block: *mut u8) {
        // SAFETY: the block was allocated with the layout of the size in its header.
        unsafe {
            if let Some(layout) = layout(header_size(block)) {
                for_sqlite(|| std::alloc::dealloc(block.sub(HEADER), layout));
            }
        }
    }
    unsafe fn realloc(block: *mut u8, bytes: usize) -> *mut u8 {
        // SAFETY: the block was allocated with the layout of the size in its header.
        unsafe {
            match (layout(header_size(block)), layout(bytes)) {
                (Some(old), Some(new)) => with_header(
                    for_sqlite(|| std::alloc::realloc(block.sub(HEADER), old, new.size())),
                    bytes,
                ),
                _ => ptr::null_mut(),
            }
        }
    }
    unsafe fn size(block: *mut u8) -> usize {
        // SAFETY: the caller passes a live block.
        unsafe { header_size(block) }
    }
    unsafe fn reserved(block: *mut u8) -> usize {
        // SAFETY: the caller passes a live block, whose base the global allocator handed out.
        unsafe {
            let asked = header_size(block) + HEADER;
            global::reserved_bytes(block.sub(HEADER)).unwrap_or(asked)
        }
    }
}

/// Reserves the fixed heap and hands it to SQLite.
pub(super) fn configure_memsys5(bytes: u64) -> Result<(), Error> {
    let too_large = || Error::Absent("memsys5 takes a heap of 64 KiB to 2 GiB - 1");
    let length = c_int::try_from(bytes).map_err(|_| too_large())?;
    if bytes < 64 * 1024 {
        return Err(too_large());
    }
    let heap = region::map_anonymous(bytes as usize).map_err(Error::Map)?;
    config(|| {
        // SAFETY: HEAP takes a pointer, its length and the smallest block; the mapping is never
        // unmapped.
        unsafe { ffi::sqlite3_config(ffi::SQLITE_CONFIG_HEAP, heap.as_ptr(), length, 64 as c_int) }
    })?;
    ranges::record(
        heap.as_ptr() as usize,
        (bytes as usize).next_multiple_of(region::page_size()),
        Tag::SqliteHeap,
    );
    Ok(())
}
