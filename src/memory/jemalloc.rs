//! jemalloc's own counters, and where it keeps its bookkeeping.

use tikv_jemalloc_ctl::raw;

use super::peek;
use crate::allocator::preloaded::{self, Preloaded};

/// One arena, in bytes. Source: `stats.arenas.<i>.*`, as of the last [`refresh`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ArenaCounters {
    /// `small.allocated + large.allocated`: live blocks by size class, thread caches included.
    pub allocated_bytes: i64,
    /// `pactive`: pages that hold live blocks.
    pub active_bytes: i64,
    /// `pdirty`: pages freed and not yet given back.
    pub dirty_bytes: i64,
    /// `pmuzzy`: pages given back lazily.
    pub muzzy_bytes: i64,
    /// `retained`: address space kept, not resident.
    pub retained_bytes: i64,
    /// `base`: bookkeeping.
    pub base_bytes: i64,
}

/// All arenas of a preloaded jemalloc together. Its bookkeeping is not in it: what it mapped before it
/// was recorded is found by its headers.
pub(super) fn preloaded(jemalloc: Preloaded) -> Option<ArenaCounters> {
    // SAFETY: uint64_t, and size_t for the others, by the manual. 4096 is MALLCTL_ARENAS_ALL.
    unsafe {
        jemalloc.write(c"epoch", 1u64);
        let size = |name| jemalloc.read::<usize>(name).map(|bytes| bytes as i64);
        let page_bytes = size(c"arenas.page")?;
        let pages = |name| size(name).map(|pages| pages * page_bytes);
        Some(ArenaCounters {
            allocated_bytes: size(c"stats.arenas.4096.small.allocated")?
                + size(c"stats.arenas.4096.large.allocated")?,
            active_bytes: pages(c"stats.arenas.4096.pactive")?,
            dirty_bytes: pages(c"stats.arenas.4096.pdirty")?,
            muzzy_bytes: pages(c"stats.arenas.4096.pmuzzy")?,
            retained_bytes: size(c"stats.arenas.4096.retained")?,
            base_bytes: 0,
        })
    }
}

/// All arenas together, in bytes. Source: `stats.*`, as of the last [`refresh`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GlobalCounters {
    /// `stats.allocated`
    pub allocated_bytes: u64,
    /// `stats.active`
    pub active_bytes: u64,
    /// `stats.metadata`
    pub metadata_bytes: u64,
    /// `stats.resident`: jemalloc's own estimate, an upper bound.
    pub resident_bytes: u64,
    /// `stats.mapped`
    pub mapped_bytes: u64,
    /// `stats.retained`
    pub retained_bytes: u64,
}

const DEPTH: usize = 5;
type Path = ([usize; DEPTH], usize);

fn path(name: &[u8]) -> Option<Path> {
    let depth = name.split(|b| *b == b'.').count();
    let mut path = [0; DEPTH];
    raw::name_to_mib(name, &mut path[..depth]).ok()?;
    Some((path, depth))
}

fn read<T: Copy>((mut path, depth): Path, arena: u32) -> Option<T> {
    path[2] = arena as usize;
    // SAFETY: each path below is read as the type that jemalloc's manual gives it.
    unsafe { raw::read_mib(&path[..depth]) }.ok()
}

/// The controls' paths, looked up once.
#[derive(Debug)]
pub struct Jemalloc {
    small: Path,
    large: Path,
    active: Path,
    dirty: Path,
    muzzy: Path,
    retained: Path,
    base: Path,
    page_bytes: i64,
}

impl Jemalloc {
    /// `None` where jemalloc was built without statistics.
    pub fn new() -> Option<Self> {
        // SAFETY: bool and size_t, by the manual.
        let (stats, page): (bool, usize) = unsafe {
            (
                raw::read(b"config.stats\0").ok()?,
                raw::read(b"arenas.page\0").ok()?,
            )
        };
        if !stats {
            return None;
        }
        Some(Jemalloc {
            small: path(b"stats.arenas.0.small.allocated\0")?,
            large: path(b"stats.arenas.0.large.allocated\0")?,
            active: path(b"stats.arenas.0.pactive\0")?,
            dirty: path(b"stats.arenas.0.pdirty\0")?,
            muzzy: path(b"stats.arenas.0.pmuzzy\0")?,
            retained: path(b"stats.arenas.0.retained\0")?,
            base: path(b"stats.arenas.0.base\0")?,
            page_bytes: page as i64,
        })
    }

    /// One arena; `None` where it does not exist.
    pub fn arena(&self, index: u32) -> Option<ArenaCounters> {
        let size = |path| read::<usize>(path, index).map(|n| n as i64);
        let pages = |path| size(path).map(|n| n * self.page_bytes);
        Some(ArenaCounters {
            allocated_bytes: size(self.small)? + size(self.large)?,
            active_bytes: pages(self.active)?,
            dirty_bytes: pages(self.dirty)?,
            muzzy_bytes: pages(self.muzzy)?,
            retained_bytes: size(self.retained)?,
            base_bytes: size(self.base)?,
        })
    }
}

/// Makes jemalloc add its counters up anew, by writing `epoch`.
pub fn refresh() -> bool {
    tikv_jemalloc_ctl::epoch::advance().is_ok()
}

/// All arenas together; `None` without statistics.
pub fn global() -> Option<GlobalCounters> {
    use tikv_jemalloc_ctl::stats;
    Some(GlobalCounters {
        allocated_bytes: stats::allocated::read().ok()? as u64,
        active_bytes: stats::active::read().ok()? as u64,
        metadata_bytes: stats::metadata::read().ok()? as u64,
        resident_bytes: stats::resident::read().ok()? as u64,
        mapped_bytes: stats::mapped::read().ok()? as u64,
        retained_bytes: stats::retained::read().ok()? as u64,
    })
}

/// Gives every dirty and muzzy page of `arena` back to the kernel: `arena.<i>.purge`.
pub fn purge(arena: u32) -> bool {
    let mut path = [0; 3];
    if raw::name_to_mib(b"arena.0.purge\0", &mut path).is_err() {
        return false;
    }
    path[1] = arena as usize;
    // SAFETY: the control takes and gives nothing, and refuses to be given room for it.
    let code = unsafe {
        tikv_jemalloc_sys::mallctlbymib(
            path.as_ptr(),
            path.len(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            0,
        )
    };
    code == 0
}

/// [`purge`] of every arena: `MALLCTL_ARENAS_ALL` stands for all of them.
pub fn purge_all() -> bool {
    const MALLCTL_ARENAS_ALL: u32 = 4096;
    purge(MALLCTL_ARENAS_ALL)
}

/// The same for a jemalloc in the place of `malloc`; false where there is none.
pub fn purge_preloaded() -> bool {
    // SAFETY: the control takes nothing and gives nothing.
    preloaded::jemalloc().is_some_and(|found| unsafe { found.write(c"arena.4096.purge", ()) })
}

/// Blocks of jemalloc's bookkeeping are aligned to this, on every system with pages of 4 KiB.
pub const BASE_ALIGNMENT: usize = 2 << 20;

/// The length of the block of jemalloc's bookkeeping that starts at `address`, if one does.
///
/// Arena 0's blocks were mapped before anybody could record them. They are known by their header
/// (`base_block_t`): the length, the next block, and an extent that describes the unused rest and
/// ends where the block ends.
pub fn base_block_bytes(address: usize) -> Option<usize> {
    let [bytes, next, _bits, unused, unused_bytes] = peek::words::<5>(address)?;
    let aligned = bytes > 0 && bytes % BASE_ALIGNMENT == 0 && next % BASE_ALIGNMENT == 0;
    let end = address.checked_add(bytes)?;
    let closes = unused.checked_add(unused_bytes)? == end && (address..=end).contains(&unused);
    (aligned && closes).then_some(bytes)
}

/// The arena that jemalloc says holds `address`; `None` for an address that it does not know.
/// Safe for any address: `arenas.lookup` searches jemalloc's own tree.
pub fn arena_of(address: usize) -> Option<u32> {
    let mut pointer = address as *const u8;
    let mut arena: std::ffi::c_uint = 0;
    let mut length = size_of::<std::ffi::c_uint>();
    // SAFETY: the control takes a pointer, which it looks up and does not follow, and gives an unsigned.
    let code = unsafe {
        tikv_jemalloc_sys::mallctl(
            c"arenas.lookup".as_ptr(),
            (&raw mut arena).cast(),
            &raw mut length,
            (&raw mut pointer).cast(),
            size_of::<*const u8>(),
        )
    };
    (code == 0).then_some(arena)
}

/// Whether the aligned block of [`BASE_ALIGNMENT`] bytes at `address` is one that arena 0 mapped
/// before it was recorded: jemalloc maps its first extents in such blocks, and knows the block's
/// first page or its last.
pub fn is_arena_0_block(address: usize) -> bool {
    let last_page = address + BASE_ALIGNMENT - crate::allocator::region::page_size();
    arena_of(address) == Some(0) || arena_of(last_page) == Some(0)
}
