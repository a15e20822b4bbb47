//! The address ranges that this library asked the kernel for, and for whom.
//!
//! Written by the jemalloc extent hooks, the fixed heaps and the instruments' own regions; read by
//! the ledger, which asks the kernel which of their pages are resident. The table lies in the
//! program's zeroed data, so that recording allocates nothing and can run inside an allocator.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Whose memory a range is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// SQLite's jemalloc arena.
    SqliteArena,
    /// One of the jemalloc arenas that serve Rust.
    RustArena,
    /// jemalloc's arena 0: what it allocates for itself.
    JemallocShared,
    /// SQLite's fixed heap for memsys5.
    SqliteHeap,
    /// An arena of a jemalloc that was preloaded in the place of `malloc`.
    Preloaded,
    /// Buffers of the ledger.
    Instrument,
}

/// A tagged range of addresses, page-aligned.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    /// First address.
    pub start: usize,
    /// First address behind it.
    pub end: usize,
    /// Whose.
    pub tag: Tag,
}

/// Ranges are coalesced and jemalloc grows geometrically; a process of many GiB has some hundreds.
const CAPACITY: usize = 16 * 1024;

struct Table {
    len: usize,
    /// Ranges that did not fit: more than zero makes every ledger an error.
    lost: usize,
    /// Sorted by start, disjoint.
    ranges: [Range; CAPACITY],
}

static TABLE: Mutex<Table> = Mutex::new(Table {
    len: 0,
    lost: 0,
    ranges: [Range {
        start: 0,
        end: 0,
        tag: Tag::SqliteArena,
    }; CAPACITY],
});

fn table() -> MutexGuard<'static, Table> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Table {
    fn insert(&mut self, range: Range) {
        let at = self.ranges[..self.len].partition_point(|r| r.start < range.start);
        let joins_left = at > 0 && self.joins(at - 1, range.start, range.tag);
        if joins_left {
            self.ranges[at - 1].end = range.end;
        } else if at < self.len
            && self.ranges[at].start == range.end
            && self.ranges[at].tag == range.tag
        {
            self.ranges[at].start = range.start;
            return;
        } else if self.len == CAPACITY {
            self.lost += 1;
            return;
        } else {
            self.ranges.copy_within(at..self.len, at + 1);
            self.ranges[at] = range;
            self.len += 1;
            return;
        }
        if at < self.len && self.ranges[at].start == range.end && self.ranges[at].tag == range.tag {
            self.ranges[at - 1].end = self.ranges[at].end;
            self.remove(at);
        }
    }

    fn joins(&self, index: usize, start: usize, tag: Tag) -> bool {
        self.ranges[index].end == start && self.ranges[index].tag == tag
    }

    fn remove(&mut self, at: usize) {
        self.ranges.copy_within(at + 1..self.len, at);
        self.len -= 1;
    }

    fn subtract(&mut self, start: usize, end: usize) {
        let mut at = self.ranges[..self.len].partition_point(|r| r.end <= start);
        while at < self.len && self.ranges[at].start < end {
            let old = self.ranges[at];
            self.remove(at);
            if old.start < start {
                self.insert(Range { end: start, ..old });
                at += 1;
            }
            if old.end > end {
                self.insert(Range { start: end, ..old });
                at += 1;
            }
        }
    }
}

/// Records that `bytes` from `start` belong to `tag`.
pub fn record(start: usize, bytes: usize, tag: Tag) {
    table().insert(Range {
        start,
        end: start + bytes,
        tag,
    });
}

/// Records that `bytes` from `start` were given back to the kernel.
pub fn forget(start: usize, bytes: usize) {
    table().subtract(start, start + bytes);
}

/// Whose `address` is, if it is in a recorded range.
pub fn tag_of(address: usize) -> Option<Tag> {
    let table = table();
    let at = table.ranges[..table.len].partition_point(|r| r.end <= address);
    table.ranges[..table.len]
        .get(at)
        .filter(|r| r.start <= address)
        .map(|r| r.tag)
}

/// Calls `each` with every range, in order of address. `each` must not map or unmap memory through
/// this table. Returns the number of ranges that were lost because the table was full.
pub fn for_each(mut each: impl FnMut(Range)) -> usize {
    let table = table();
    table.ranges[..table.len]
        .iter()
        .copied()
        .for_each(&mut each);
    table.lost
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(table: &Table) -> Vec<(usize, usize)> {
        table.ranges[..table.len]
            .iter()
            .map(|r| (r.start, r.end))
            .collect()
    }

    fn empty() -> Box<Table> {
        let ranges = [Range {
            start: 0,
            end: 0,
            tag: Tag::SqliteArena,
        }; CAPACITY];
        Box::new(Table {
            len: 0,
            lost: 0,
            ranges,
        })
    }

    fn add(table: &mut Table, start: usize, end: usize, tag: Tag) {
        table.insert(Range { start, end, tag });
    }

    #[test]
    fn neighbours_of_one_owner_become_one_range() {
        let mut table = empty();
        add(&mut table, 10, 20, Tag::RustArena);
        add(&mut table, 30, 40, Tag::RustArena);
        add(&mut table, 20, 30, Tag::RustArena);
        assert_eq!(collect(&table), [(10, 40)]);
        add(&mut table, 5, 10, Tag::RustArena);
        assert_eq!(collect(&table), [(5, 40)]);
    }

    #[test]
    fn neighbours_of_two_owners_stay_apart() {
        let mut table = empty();
        add(&mut table, 10, 20, Tag::RustArena);
        add(&mut table, 20, 30, Tag::SqliteArena);
        assert_eq!(collect(&table), [(10, 20), (20, 30)]);
    }

    #[test]
    fn giving_back_the_middle_leaves_both_ends() {
        let mut table = empty();
        add(&mut table, 10, 40, Tag::RustArena);
        add(&mut table, 50, 60, Tag::SqliteArena);
        table.subtract(20, 30);
        assert_eq!(collect(&table), [(10, 20), (30, 40), (50, 60)]);
        table.subtract(0, 55);
        assert_eq!(collect(&table), [(55, 60)]);
    }
}
