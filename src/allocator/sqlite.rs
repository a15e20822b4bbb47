//! SQLite's side: the `sqlite3_mem_methods` installed before the first connection.
//!
//! Every method counts what the allocator behind it reserves for each block, so that headers and
//! rounding are sums and not estimates. SQLite calls them under its memory mutex, so the counters
//! need no atomic read-modify-write; see [`install`].

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering::Relaxed};

use libsqlite3_sys as ffi;

use super::sampler::{self, Side};
use super::{Error, SqliteAllocator, backends};

/// What the installed methods have counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Live bytes by the size that the methods report to SQLite; equals `SQLITE_STATUS_MEMORY_USED`.
    pub live_bytes: i64,
    /// What the allocator behind reserves for the live blocks, headers included.
    pub reserved_bytes: i64,
    /// Live blocks.
    pub live_blocks: i64,
}

static LIVE_BYTES: AtomicI64 = AtomicI64::new(0);
static RESERVED_BYTES: AtomicI64 = AtomicI64::new(0);
static LIVE_BLOCKS: AtomicI64 = AtomicI64::new(0);
static TOTAL_BYTES: AtomicI64 = AtomicI64::new(0);
static TOTAL_BLOCKS: AtomicI64 = AtomicI64::new(0);
static INSTALLED: AtomicU8 = AtomicU8::new(0);

thread_local! {
    /// While `Some`, adds up what this thread is told by `xSize`: see [`heap_bytes_sized_by`].
    static SIZED: Cell<Option<i64>> = const { Cell::new(None) };
}

/// The counters, or `None` where [`install`] was not called.
pub fn counters() -> Option<Counters> {
    installed().map(|_| Counters {
        live_bytes: LIVE_BYTES.load(Relaxed),
        reserved_bytes: RESERVED_BYTES.load(Relaxed),
        live_blocks: LIVE_BLOCKS.load(Relaxed),
    })
}

/// Bytes and blocks ever allocated, reallocations with their whole new size.
pub(super) fn totals() -> (i64, i64) {
    (TOTAL_BYTES.load(Relaxed), TOTAL_BLOCKS.load(Relaxed))
}

/// What [`install`] put in place.
pub fn installed() -> Option<SqliteAllocator> {
    Some(match INSTALLED.load(Relaxed) {
        1 => SqliteAllocator::System,
        2 => SqliteAllocator::Arena,
        3 => SqliteAllocator::ArenaNative,
        4 => SqliteAllocator::Rust,
        5 => SqliteAllocator::Memsys5,
        _ => return None,
    })
}

/// Bytes that each block's size header takes outside of what SQLite counts.
pub fn header_bytes(allocator: SqliteAllocator) -> i64 {
    match allocator {
        SqliteAllocator::System | SqliteAllocator::Arena | SqliteAllocator::Rust => 8,
        SqliteAllocator::ArenaNative | SqliteAllocator::Memsys5 => 0,
    }
}

/// Runs `call` and returns the bytes of heap blocks whose size SQLite asked for in it, on this
/// thread. `sqlite3_db_status(STMT_USED)` sizes every block of every statement, but only those
/// outside the lookaside buffer through `xSize`: this tells the two apart.
pub fn heap_bytes_sized_by(call: impl FnOnce()) -> Option<i64> {
    installed()?;
    SIZED.set(Some(0));
    call();
    SIZED.take()
}

/// Installs the methods of `allocator`. Must run before SQLite is initialised, once a process.
///
/// `memsys5_heap_bytes` is the fixed heap of `memsys5`, reserved whole and never grown.
///
/// Also turns `SQLITE_CONFIG_MEMSTATUS` on: without it `MEMORY_USED` reads zero, and SQLite calls
/// its allocator without the mutex that the counters and the arena's cache rest on.
///
/// # Errors
/// [`Error::TooLate`] after `sqlite3_initialize`, [`Error::Absent`] for a `memsys5` that is not
/// compiled in, and the allocators' own refusals.
pub fn install(allocator: SqliteAllocator, memsys5_heap_bytes: u64) -> Result<(), Error> {
    if installed().is_some() {
        return Err(Error::TooLate);
    }
    config(|| {
        // SAFETY: MEMSTATUS takes one int.
        unsafe { ffi::sqlite3_config(ffi::SQLITE_CONFIG_MEMSTATUS, 1 as c_int) }
    })?;
    let (number, methods) = match allocator {
        SqliteAllocator::System => {
            backends::keep_inner(current_methods()?);
            (1, methods_of::<backends::Inner<true>>())
        }
        SqliteAllocator::Arena => {
            backends::keep_arena()?;
            (2, methods_of::<backends::Arena<true>>())
        }
        SqliteAllocator::ArenaNative => {
            backends::keep_arena()?;
            (3, methods_of::<backends::Arena<false>>())
        }
        SqliteAllocator::Rust => (4, methods_of::<backends::Rust>()),
        SqliteAllocator::Memsys5 => {
            backends::configure_memsys5(memsys5_heap_bytes)?;
            backends::keep_inner(current_methods()?);
            (5, methods_of::<backends::Inner<false>>())
        }
    };
    config(|| {
        // SAFETY: SQLite copies the table; the functions live as long as the process.
        unsafe {
            ffi::sqlite3_config(
                ffi::SQLITE_CONFIG_MALLOC,
                ptr::from_ref(&methods).cast_mut(),
            )
        }
    })?;
    INSTALLED.store(number, Relaxed);
    Ok(())
}

pub(super) fn config(call: impl FnOnce() -> c_int) -> Result<(), Error> {
    match call() {
        ffi::SQLITE_OK => Ok(()),
        ffi::SQLITE_MISUSE => Err(Error::TooLate),
        _ => Err(Error::Absent(
            "this allocator is not compiled into this SQLite",
        )),
    }
}

fn current_methods() -> Result<ffi::sqlite3_mem_methods, Error> {
    // SAFETY: all-zero is a valid table of absent functions.
    let mut methods: ffi::sqlite3_mem_methods = unsafe { std::mem::zeroed() };
    config(|| {
        // SAFETY: GETMALLOC writes one table.
        unsafe { ffi::sqlite3_config(ffi::SQLITE_CONFIG_GETMALLOC, &raw mut methods) }
    })?;
    Ok(methods)
}

/// A place that SQLite's blocks come from.
///
/// # Safety
/// `alloc` and `realloc` return null or a block of at least the bytes asked for, aligned to 8, that
/// stays valid until `free` or a successful `realloc`; none of them unwinds.
pub(super) unsafe trait Backend {
    /// A block, or null when out of memory.
    fn alloc(bytes: usize) -> *mut u8;
    /// # Safety
    /// `block` is live.
    unsafe fn free(block: *mut u8);
    /// Null leaves `block` as it is.
    /// # Safety
    /// `block` is live.
    unsafe fn realloc(block: *mut u8, bytes: usize) -> *mut u8;
    /// The size that SQLite counts.
    /// # Safety
    /// `block` is live.
    unsafe fn size(block: *mut u8) -> usize;
    /// The bytes that the allocator reserves, header included.
    /// # Safety
    /// `block` is live.
    unsafe fn reserved(block: *mut u8) -> usize;
    /// As `xRoundup`.
    fn round_up(bytes: c_int) -> c_int {
        (bytes + 7) & !7
    }
    /// As `xInit`.
    fn initialise() -> c_int {
        ffi::SQLITE_OK
    }
    /// As `xShutdown`.
    fn shut_down() {}
}

struct Counting<B: Backend>(PhantomData<B>);

/// Not a read-modify-write: SQLite's memory mutex is held.
fn add(counter: &AtomicI64, bytes: i64) {
    counter.store(counter.load(Relaxed) + bytes, Relaxed);
}

impl<B: Backend> Counting<B> {
    /// Returns the size that SQLite counts.
    /// # Safety
    /// `block` is live.
    unsafe fn count(block: *mut u8, sign: i64) -> usize {
        // SAFETY: the caller says that the block is live.
        let (live, reserved) = unsafe { (B::size(block), B::reserved(block)) };
        add(&LIVE_BYTES, sign * live as i64);
        add(&RESERVED_BYTES, sign * reserved as i64);
        add(&LIVE_BLOCKS, sign);
        live
    }

    /// # Safety
    /// `block` is live, and was just allocated.
    #[inline(always)]
    unsafe fn count_new(block: *mut u8) {
        // SAFETY: the caller's contract.
        let bytes = unsafe { Self::count(block, 1) };
        add(&TOTAL_BYTES, bytes as i64);
        add(&TOTAL_BLOCKS, 1);
        sampler::allocated(block, bytes, Side::Sqlite);
    }

    unsafe extern "C" fn malloc(bytes: c_int) -> *mut c_void {
        let block = B::alloc(bytes.max(0) as usize);
        if !block.is_null() {
            // SAFETY: just allocated.
            unsafe { Self::count_new(block) };
        }
        block.cast()
    }

    unsafe extern "C" fn free(block: *mut c_void) {
        // SAFETY: SQLite frees a live block of these methods, never null.
        unsafe {
            sampler::freed(block.cast());
            Self::count(block.cast(), -1);
            B::free(block.cast());
        }
    }

    unsafe extern "C" fn realloc(block: *mut c_void, bytes: c_int) -> *mut c_void {
        // SAFETY: SQLite passes a live block of these methods; it stays live when null comes back.
        unsafe {
            let sample = sampler::freed(block.cast());
            Self::count(block.cast(), -1);
            let new = B::realloc(block.cast(), bytes.max(0) as usize);
            if new.is_null() {
                Self::count(block.cast(), 1);
                sampler::stayed(sample);
            } else {
                Self::count_new(new);
            }
            new.cast()
        }
    }

    unsafe extern "C" fn size(block: *mut c_void) -> c_int {
        // SAFETY: SQLite passes a live block of these methods.
        let size = unsafe { B::size(block.cast()) };
        if let Some(sum) = SIZED.get() {
            SIZED.set(Some(sum + size as i64));
        }
        size as c_int
    }

    unsafe extern "C" fn round_up(bytes: c_int) -> c_int {
        B::round_up(bytes)
    }

    unsafe extern "C" fn initialise(_: *mut c_void) -> c_int {
        B::initialise()
    }

    unsafe extern "C" fn shut_down(_: *mut c_void) {
        B::shut_down();
    }
}

fn methods_of<B: Backend>() -> ffi::sqlite3_mem_methods {
    sampler::remember_own_function(Counting::<B>::malloc as *const () as usize);
    sampler::remember_own_function(Counting::<B>::realloc as *const () as usize);
    ffi::sqlite3_mem_methods {
        xMalloc: Some(Counting::<B>::malloc),
        xFree: Some(Counting::<B>::free),
        xRealloc: Some(Counting::<B>::realloc),
        xSize: Some(Counting::<B>::size),
        xRoundup: Some(Counting::<B>::round_up),
        xInit: Some(Counting::<B>::initialise),
        xShutdown: Some(Counting::<B>::shut_down),
        pAppData: ptr::null_mut(),
    }
}
