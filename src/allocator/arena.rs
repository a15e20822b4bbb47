//! jemalloc arenas with recorded extents.
//!
//! jemalloc says how many bytes of an arena are active, dirty or retained, never where they are.
//! An arena made here runs jemalloc's own default extent hooks, and three of them also write down
//! which address ranges were mapped, so that a ledger can ask the kernel what is resident.
//!
//! SQLite has one arena. Rust has as many as jemalloc would make (four for each CPU), handed to
//! threads in turn at their first allocation, with jemalloc's automatic thread caches.

use std::ffi::{c_int, c_uint, c_void};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError};

use tikv_jemalloc_ctl::raw;
use tikv_jemalloc_sys::{MALLOCX_ARENA, MALLOCX_TCACHE, extent_hooks_t};

use super::Error;
use super::ranges::{self, Tag};

/// jemalloc's default hooks with recording ones in front of `alloc`, `dalloc` and `destroy`.
#[repr(C)]
pub(super) struct Hooks {
    /// First, so that the pointer jemalloc hands to a hook is the pointer to all of it.
    table: extent_hooks_t,
    default: *mut extent_hooks_t,
    tag: Tag,
}

// SAFETY: the pointers lead to jemalloc's constant table of functions.
unsafe impl Send for Hooks {}
// SAFETY: as above; nothing is written after construction.
unsafe impl Sync for Hooks {}

static DEFAULT: OnceLock<usize> = OnceLock::new();
static SQLITE: OnceLock<Hooks> = OnceLock::new();
static RUST: OnceLock<Hooks> = OnceLock::new();
static SHARED: OnceLock<Hooks> = OnceLock::new();

unsafe extern "C" fn alloc(
    hooks: *mut extent_hooks_t,
    new_address: *mut c_void,
    size: usize,
    alignment: usize,
    zero: *mut bool,
    commit: *mut bool,
    arena: c_uint,
) -> *mut c_void {
    // SAFETY: jemalloc passes the table it was given, which is the first field of a static Hooks.
    let ours = unsafe { &*hooks.cast::<Hooks>() };
    // SAFETY: the default table is jemalloc's own and its alloc is never absent.
    let address = unsafe {
        let Some(default) = (*ours.default).alloc else {
            return std::ptr::null_mut();
        };
        default(
            ours.default,
            new_address,
            size,
            alignment,
            zero,
            commit,
            arena,
        )
    };
    if !address.is_null() {
        ranges::record(address as usize, size, ours.tag);
    }
    address
}

unsafe extern "C" fn dalloc(
    hooks: *mut extent_hooks_t,
    address: *mut c_void,
    size: usize,
    committed: bool,
    arena: c_uint,
) -> bool {
    // SAFETY: as in alloc.
    let ours = unsafe { &*hooks.cast::<Hooks>() };
    // What arena 0 mapped before it was recorded stays unrecorded as a whole, not in parts.
    let recorded = ranges::tag_of(address as usize).is_some();
    // Forgotten first: once unmapped, another thread may map the same addresses.
    ranges::forget(address as usize, size);
    // SAFETY: as in alloc; an absent hook means "not deallocated".
    let kept = unsafe {
        match (*ours.default).dalloc {
            Some(default) => default(ours.default, address, size, committed, arena),
            None => true,
        }
    };
    if kept && recorded {
        ranges::record(address as usize, size, ours.tag);
    }
    kept
}

unsafe extern "C" fn destroy(
    hooks: *mut extent_hooks_t,
    address: *mut c_void,
    size: usize,
    committed: bool,
    arena: c_uint,
) {
    // SAFETY: as in alloc.
    let ours = unsafe { &*hooks.cast::<Hooks>() };
    ranges::forget(address as usize, size);
    // SAFETY: as in alloc.
    if let Some(default) = unsafe { (*ours.default).destroy } {
        // SAFETY: jemalloc's own hook with jemalloc's own arguments.
        unsafe { default(ours.default, address, size, committed, arena) };
    }
}

fn default_hooks() -> Result<*mut extent_hooks_t, Error> {
    if let Some(address) = DEFAULT.get() {
        return Ok(*address as *mut extent_hooks_t);
    }
    // SAFETY: the control's type is extent_hooks_t *.
    let hooks: *mut extent_hooks_t = unsafe { raw::read(b"arena.0.extent_hooks\0") }
        .map_err(|e| Error::jemalloc("arena.0.extent_hooks", e))?;
    Ok(*DEFAULT.get_or_init(|| hooks as usize) as *mut extent_hooks_t)
}

fn hooks(slot: &'static OnceLock<Hooks>, tag: Tag) -> Result<*mut extent_hooks_t, Error> {
    Ok(recording(slot, default_hooks()?, tag))
}

/// Hooks that record for `tag` and otherwise do what `default` does, which is jemalloc's own table.
pub(super) fn recording(
    slot: &'static OnceLock<Hooks>,
    default: *mut extent_hooks_t,
    tag: Tag,
) -> *mut extent_hooks_t {
    let ours = slot.get_or_init(|| {
        // SAFETY: jemalloc's default table is a static of its own.
        let mut table = unsafe { *default };
        table.alloc = Some(alloc);
        table.dalloc = Some(dalloc);
        table.destroy = Some(destroy);
        Hooks {
            table,
            default,
            tag,
        }
    });
    std::ptr::from_ref(ours).cast_mut().cast()
}

fn create(slot: &'static OnceLock<Hooks>, tag: Tag) -> Result<u32, Error> {
    let hooks = hooks(slot, tag)?;
    // SAFETY: arenas.create takes an extent_hooks_t * and gives an unsigned.
    unsafe {
        let mut index: c_uint = 0;
        let mut length = size_of::<c_uint>();
        let mut argument = hooks;
        let code = tikv_jemalloc_sys::mallctl(
            c"arenas.create".as_ptr(),
            (&raw mut index).cast(),
            &raw mut length,
            (&raw mut argument).cast(),
            size_of::<*mut extent_hooks_t>(),
        );
        if code == 0 {
            Ok(index)
        } else {
            Err(Error::jemalloc_code("arenas.create", code))
        }
    }
}

/// The arena that serves SQLite, and the flags for `mallocx`.
#[derive(Debug, Clone, Copy)]
pub struct SqliteArena {
    /// jemalloc's index of it.
    pub index: u32,
    /// `MALLOCX_ARENA` and `MALLOCX_TCACHE` for allocating.
    pub alloc_flags: c_int,
    /// `MALLOCX_TCACHE` for freeing.
    pub free_flags: c_int,
}

static SQLITE_ARENA: OnceLock<SqliteArena> = OnceLock::new();

/// Makes SQLite's arena, once.
///
/// It has one explicit thread cache for all threads: SQLite calls its allocator under its own
/// memory mutex (as long as `SQLITE_CONFIG_MEMSTATUS` is on, which the route check holds), so the
/// cache is never used by two threads at once. Without a cache the arena's bin locks are taken for
/// each block: the insert then takes 1.02 times as long, and the arena holds 1.3 MB more.
pub fn sqlite_arena() -> Result<SqliteArena, Error> {
    static MAKING: Mutex<()> = Mutex::new(());
    let _one = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(arena) = SQLITE_ARENA.get() {
        return Ok(*arena);
    }
    let index = create(&SQLITE, Tag::SqliteArena)?;
    // SAFETY: the control's type is unsigned.
    let cache: c_uint = unsafe { raw::read(b"tcache.create\0") }
        .map_err(|e| Error::jemalloc("tcache.create", e))?;
    let free_flags = MALLOCX_TCACHE(cache as usize);
    let arena = SqliteArena {
        index,
        alloc_flags: MALLOCX_ARENA(index as usize) | free_flags,
        free_flags,
    };
    Ok(*SQLITE_ARENA.get_or_init(|| arena))
}

/// SQLite's arena, if [`sqlite_arena`] made it.
pub fn made_sqlite_arena() -> Option<SqliteArena> {
    SQLITE_ARENA.get().copied()
}

const MOST_RUST_ARENAS: usize = 1024;
static RUST_ARENAS: [AtomicU32; MOST_RUST_ARENAS] = [const { AtomicU32::new(0) }; MOST_RUST_ARENAS];
static NEXT_THREAD: AtomicUsize = AtomicUsize::new(0);
static MADE: Mutex<usize> = Mutex::new(0);

/// Gives the calling thread its arena. Called inside the allocator: allocates nothing through Rust.
/// Where jemalloc refuses, the thread stays in jemalloc's arena 0, which the route check finds.
#[cold]
pub(super) fn adopt_thread() {
    let turn = NEXT_THREAD.fetch_add(1, Relaxed);
    let slot = turn % most_arenas();
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if slot >= *made {
        match create(&RUST, Tag::RustArena) {
            Ok(index) => {
                RUST_ARENAS[*made].store(index, Relaxed);
                *made += 1;
            }
            Err(_) => return,
        }
    }
    let index: c_uint = RUST_ARENAS[slot.min(*made - 1)].load(Relaxed);
    drop(made);
    // SAFETY: the control's type is unsigned. A refusal leaves the thread where it was.
    let _ = unsafe { raw::write(b"thread.arena\0", index) };
}

/// As many as jemalloc's own `opt.narenas`.
fn most_arenas() -> usize {
    static MOST: AtomicUsize = AtomicUsize::new(0);
    match MOST.load(Relaxed) {
        0 => {
            // SAFETY: the control's type is unsigned.
            let most: c_uint = unsafe { raw::read(b"opt.narenas\0") }.unwrap_or(1);
            let most = (most as usize).clamp(1, MOST_RUST_ARENAS);
            MOST.store(most, Relaxed);
            most
        }
        most => most,
    }
}

/// Calls `each` with the index of every arena that serves Rust.
pub fn for_each_rust_arena(mut each: impl FnMut(u32)) {
    let made = *MADE.lock().unwrap_or_else(PoisonError::into_inner);
    RUST_ARENAS[..made]
        .iter()
        .for_each(|a| each(a.load(Relaxed)));
}

/// Records what jemalloc's arena 0 (its own needs, and threads without an arena) maps from now on.
pub fn record_shared_arena() -> Result<(), Error> {
    let hooks = hooks(&SHARED, Tag::JemallocShared)?;
    // SAFETY: the control's type is extent_hooks_t *, and the table lives as long as the process.
    unsafe { raw::write(b"arena.0.extent_hooks\0", hooks) }
        .map_err(|e| Error::jemalloc("arena.0.extent_hooks", e))
}
