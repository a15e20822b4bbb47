//! Where glibc's memory lies.
//!
//! `mallinfo2` says how much, never where. Three places hold it: the program break (the main
//! arena), heaps aligned to 64 MiB (every other arena; a header says which arena and how much is
//! used), and mappings of single large chunks (known by their first words, and checked against
//! the count and the sum that `mallinfo2` gives). Nothing here follows a pointer by itself: memory
//! is looked at through the kernel, which refuses where it is gone.

use std::io;

use super::super::claims::{Claimant, Claims};
use super::super::pagemap::Pagemap;
use super::super::peek::{peek, words};
use super::super::smaps::{Backing, Mapping};
use super::Counters;
use crate::allocator::region::{Region, page_size};

/// `HEAP_MAX_SIZE`: twice the largest mmap threshold, on 64-bit systems.
const HEAP_ALIGNMENT: usize = 64 << 20;
/// `offsetof(struct malloc_state, top)` since glibc 2.26.
const TOP_OFFSET: usize = 96;
/// `IS_MMAPPED` among the three flag bits of a chunk's size.
const IS_MMAPPED: usize = 2;
const FLAGS: usize = 7;
const PREV_INUSE: usize = 1;

/// One heap of an arena.
#[derive(Debug, Clone, Copy)]
pub struct Heap {
    pub start: usize,
    pub end: usize,
    /// First address behind what the heap may grow into without asking the kernel: it has shrunk
    /// from there, or a huge page reaches into it.
    pub limit: usize,
    /// The arena's top chunk, where this heap holds it; everything from there on is free.
    pub top: usize,
    /// An arena lies in it: its first heap, and each arena has one. The main arena has none, and
    /// may have several pieces of the program break.
    pub first: bool,
    /// Bytes of it that are not resident, up to its limit, where the kernel has counted them.
    pub missing: Option<usize>,
}

impl Heap {
    /// Bytes in the whole pages of the top chunk that are not resident, where nothing else of the heap
    /// is missing but `behind` bytes behind its end.
    fn missing_above_top_alone(
        &self,
        behind: usize,
        pagemap: &mut Pagemap,
    ) -> io::Result<Option<usize>> {
        let Some(missing) = self.missing else {
            return Ok(None);
        };
        let top = self.top.next_multiple_of(page_size()).min(self.end);
        let above = self.end - top - pagemap.resident_bytes(top, self.end)? as usize;
        Ok((missing == above + behind).then_some(above))
    }
}

const MOST_HEAPS: usize = 65_536;

/// Pages looked at on each side of a hole for the chunk that spans it.
const SEARCH_PAGES: usize = 8;

/// Finds glibc's memory.
#[derive(Debug)]
pub struct Heaps {
    heaps: Region<Heap>,
    window: Region<u8>,
    gaps: Region<(usize, usize)>,
    /// Chunks with a mapping of their own that were found, and their bytes.
    pub mapped_chunks: i64,
    pub mapped_bytes: i64,
}

/// The part of glibc's memory that is not resident, by what it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NotResident {
    /// In free chunks: given back, or never touched.
    pub free_bytes: i64,
    /// In chunks in use: allocated and never touched, or swapped out.
    pub in_use_bytes: i64,
    /// The other way round: resident behind the heaps' ends, where glibc counts nothing.
    pub behind_bytes: i64,
}

impl Heaps {
    pub fn new() -> io::Result<Self> {
        Ok(Heaps {
            heaps: Region::new(MOST_HEAPS)?,
            window: Region::new(SEARCH_PAGES * page_size())?,
            gaps: Region::new(MOST_HEAPS)?,
            mapped_chunks: 0,
            mapped_bytes: 0,
        })
    }

    /// Finds the heaps and claims them.
    pub fn find(&mut self, mappings: &[Mapping], counters: &Counters, claims: &mut Claims) {
        self.heaps.clear();
        let last_break = mappings.iter().rposition(|m| m.backing == Backing::Break);
        for (index, mapping) in mappings.iter().enumerate() {
            match mapping.backing {
                Backing::Break if mapping.writable => {
                    let is_last = Some(index) == last_break;
                    let top = if is_last {
                        mapping.end - counters.main_top_bytes.max(0) as usize
                    } else {
                        mapping.end
                    };
                    self.heaps.push(Heap {
                        start: mapping.start,
                        end: mapping.end,
                        limit: mapping.end,
                        top,
                        first: false,
                        missing: Some(mapping.missing_bytes()),
                    });
                }
                Backing::Anonymous if mapping.writable => self.find_in(mapping, mappings),
                _ => {}
            }
        }
        for heap in self.heaps.iter() {
            claims.add(heap.start, heap.limit, Claimant::GlibcHeap);
        }
    }

    fn find_in(&mut self, mapping: &Mapping, mappings: &[Mapping]) {
        let mut start = mapping.start.next_multiple_of(HEAP_ALIGNMENT);
        while start < mapping.end {
            if let Some(mut heap) = heap_at(start, mapping.end, mappings) {
                let is_all = (heap.start, heap.limit) == (mapping.start, mapping.end);
                heap.missing = match mapping.missing_bytes() {
                    0 => Some(0),
                    bytes => is_all.then_some(bytes),
                };
                self.heaps.push(heap);
            }
            start += HEAP_ALIGNMENT;
        }
    }

    /// The arenas of the heaps that were found, and the main one.
    pub fn arenas(&self) -> u64 {
        1 + self.heaps.iter().filter(|heap| heap.first).count() as u64
    }

    /// Finds the chunks with a mapping of their own among what nobody claims, and claims them.
    ///
    /// A first pass looks where mappings start, and from there along neighbouring chunks. Where
    /// that finds less than glibc counts (the kernel joins neighbouring mappings into one), a
    /// second pass looks at every resident page.
    pub fn find_mapped(
        &mut self,
        mappings: &[Mapping],
        counters: &Counters,
        claims: &mut Claims,
        pagemap: &mut Pagemap,
    ) -> io::Result<()> {
        (self.mapped_chunks, self.mapped_bytes) = (0, 0);
        if counters.mapped_chunks == 0 {
            return Ok(());
        }
        self.gaps.clear();
        let anonymous =
            |m: &&Mapping| m.backing == Backing::Anonymous && m.writable && m.rss_bytes > 0;
        for mapping in mappings.iter().filter(anonymous) {
            claims.unclaimed(mapping.start, mapping.end, |start, end| {
                self.gaps.push((start, end))
            });
        }
        for index in 0..self.gaps.len() {
            let (start, end) = self.gaps[index];
            let reached = self.follow(start, end, counters, claims);
            self.gaps[index] = (reached, end);
        }
        if self.found_all(counters) {
            return Ok(());
        }
        for index in 0..self.gaps.len() {
            let (start, end) = self.gaps[index];
            let mut next = start;
            pagemap.resident_runs(start, end, &mut |from, to| {
                next = next.max(from);
                while next < to && !self.found_all(counters) {
                    let reached = self.follow(next, end, counters, claims);
                    next = if reached > next {
                        reached
                    } else {
                        next + page_size()
                    };
                }
            })?;
        }
        Ok(())
    }

    fn found_all(&self, counters: &Counters) -> bool {
        self.mapped_bytes >= counters.mapped_bytes
    }

    /// Claims the chunks that follow each other from `start`; returns where they end.
    fn follow(
        &mut self,
        start: usize,
        end: usize,
        counters: &Counters,
        claims: &mut Claims,
    ) -> usize {
        let mut at = start;
        while at < end && !self.found_all(counters) {
            let room = (end - at).min((counters.mapped_bytes - self.mapped_bytes) as usize);
            let Some(bytes) = mapped_chunk(at, room) else {
                break;
            };
            claims.add(at, at + bytes, Claimant::GlibcMapped);
            self.mapped_chunks += 1;
            self.mapped_bytes += bytes as i64;
            at += bytes;
        }
        at
    }

    /// Tells the heaps' pages that are not resident apart.
    pub fn not_resident(&mut self, pagemap: &mut Pagemap) -> io::Result<NotResident> {
        let mut result = NotResident::default();
        for index in 0..self.heaps.len() {
            let heap = self.heaps[index];
            let resident_behind = pagemap.resident_bytes(heap.end, heap.limit)?;
            result.behind_bytes += resident_behind as i64;
            let missing_behind = heap.limit - heap.end - resident_behind as usize;
            if let Some(above) = heap.missing_above_top_alone(missing_behind, pagemap)? {
                result.free_bytes += above as i64;
                continue;
            }
            let mut reached = heap.start;
            let mut last_free = (0, 0);
            let mut hole = |heaps: &mut Self, start: usize, end: usize| {
                let top = heap.top.clamp(start, end);
                result.free_bytes += (end - top) as i64;
                let below = (top - start) as i64;
                if below > 0 && heaps.is_free(&heap, start, top, &mut last_free) {
                    result.free_bytes += below;
                } else {
                    result.in_use_bytes += below;
                }
            };
            pagemap.resident_runs(heap.start, heap.end, &mut |from, to| {
                if from > reached {
                    hole(self, reached, from);
                }
                reached = to;
            })?;
            if reached < heap.end {
                hole(self, reached, heap.end);
            }
        }
        Ok(result)
    }

    /// Whether the hole lies in a free chunk: one whose two ends, in the resident pages around the
    /// hole, agree on its size and say that it is free.
    fn is_free(
        &mut self,
        heap: &Heap,
        start: usize,
        end: usize,
        last_free: &mut (usize, usize),
    ) -> bool {
        if last_free.0 <= start && end <= last_free.1 {
            return true;
        }
        let page = page_size();
        for step in 1..=SEARCH_PAGES {
            let Some(window) = start.checked_sub(step * page).filter(|w| *w >= heap.start) else {
                break;
            };
            let buffer = &mut self.window.whole()[..page];
            if !peek(window, buffer) {
                break;
            }
            for (index, pair) in buffer.as_chunks::<16>().0.iter().enumerate() {
                let size = usize::from_ne_bytes([
                    pair[8], pair[9], pair[10], pair[11], pair[12], pair[13], pair[14], pair[15],
                ]);
                let chunk = window + index * 16;
                let Some(next) = chunk.checked_add(size & !FLAGS) else {
                    continue;
                };
                if next < end || next >= heap.end || next % 16 != 0 {
                    continue;
                }
                if let Some([before, after]) = words::<2>(next)
                    && before == size & !FLAGS
                    && after & PREV_INUSE == 0
                {
                    *last_free = (chunk, next);
                    return true;
                }
            }
        }
        false
    }
}

/// The heap with a header at `start`, inside a mapping that ends at `end`.
fn heap_at(start: usize, end: usize, mappings: &[Mapping]) -> Option<Heap> {
    // struct heap_info: ar_ptr, prev, size, mprotect_size.
    let [arena, previous, size, protected] = words::<4>(start)?;
    let page = page_size();
    let plausible = size % page == 0
        && size > 0
        && size <= protected
        && protected <= HEAP_ALIGNMENT
        && start + size <= end
        && previous % HEAP_ALIGNMENT == 0;
    let arena_heap = arena & !(HEAP_ALIGNMENT - 1);
    // The arena lies behind the header of its first heap.
    let in_first_heap =
        matches!(arena - arena_heap, 32..=64) && (previous == 0) == (arena_heap == start);
    let mapped = mappings
        .iter()
        .any(|m| m.start <= arena && arena < m.end && m.writable);
    if !(plausible && in_first_heap && mapped) {
        return None;
    }
    let [top] = words::<1>(arena + TOP_OFFSET)?;
    let heap_end = start + size;
    let top = if (start..heap_end).contains(&top) {
        top
    } else {
        heap_end
    };
    Some(Heap {
        start,
        end: heap_end,
        limit: end.min(start + protected),
        top,
        first: previous == 0,
        missing: None,
    })
}

/// The length of the chunk whose mapping starts at `start`, at most `room` bytes long.
fn mapped_chunk(start: usize, room: usize) -> Option<usize> {
    let page = page_size();
    // An aligned chunk starts some bytes into its mapping, and says how many.
    const LEADS: [usize; 9] = [0, 16, 48, 112, 240, 496, 1008, 2032, 4080];
    LEADS.iter().find_map(|lead| {
        let [before, size] = words::<2>(start + lead)?;
        let bytes = (size & !FLAGS).checked_add(*lead)?;
        let is_chunk = size & FLAGS == IS_MMAPPED && before == *lead && bytes % page == 0;
        (is_chunk && bytes > page && bytes <= room).then_some(bytes)
    })
}
