//! Slices that are kept once each and never move: stacks and statements.

use std::io;

use crate::allocator::region::Region;

/// Numbers by the hash of what they stand for, in chains. Compact, unlike a table with free
/// places in it: what is resident is what is used.
pub(super) struct Index {
    /// The newest number of a chain, plus one.
    heads: Region<u32>,
    /// For each number the next older of its chain, plus one.
    next: Region<u32>,
    capacity: usize,
}

impl Index {
    /// `buckets` is a power of two.
    pub(super) fn new(buckets: usize, capacity: usize) -> io::Result<Self> {
        let mut heads = Region::new(buckets)?;
        heads.whole();
        Ok(Index {
            heads,
            next: Region::new(capacity)?,
            capacity,
        })
    }

    pub(super) fn find(&self, hash: u64, is_it: impl Fn(usize) -> bool) -> Option<u32> {
        let mut at = self.heads[self.bucket(hash)];
        while at != 0 {
            let number = at as usize - 1;
            if is_it(number) {
                return Some(number as u32);
            }
            at = self.next[number];
        }
        None
    }

    pub(super) fn has_room_for(&self, more: usize) -> bool {
        self.next.len() + more <= self.capacity
    }

    /// Gives out the next number; there must be room.
    pub(super) fn add(&mut self, hash: u64) -> u32 {
        let number = self.next.len() as u32;
        let bucket = self.bucket(hash);
        self.next.push(self.heads[bucket]);
        self.heads[bucket] = number + 1;
        number
    }

    fn bucket(&self, hash: u64) -> usize {
        hash as usize & (self.heads.len() - 1)
    }
}

/// Spreads over the low bits, which choose the bucket.
pub(super) fn hash(words: impl Iterator<Item = u64>) -> u64 {
    let hash = words.fold(0xcbf2_9ce4_8422_2325, |hash: u64, word| {
        (hash.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    });
    hash ^ (hash >> 32)
}

#[derive(Debug, Clone, Copy)]
struct Span {
    start: u32,
    len: u32,
}

/// Slices by number, from 0, in the order of their coming.
pub(super) struct Pool<T: Copy> {
    items: Region<T>,
    item_capacity: usize,
    spans: Region<Span>,
    index: Index,
}

impl<T: Copy + Eq + Into<u64>> Pool<T> {
    pub(super) fn new(buckets: usize, slices: usize, items: usize) -> io::Result<Self> {
        Ok(Pool {
            items: Region::new(items)?,
            item_capacity: items,
            spans: Region::new(slices)?,
            index: Index::new(buckets, slices)?,
        })
    }

    /// The number of the slice that equals `items`; `None` where there is no room for a new one.
    pub(super) fn intern(&mut self, items: &[T]) -> Option<u32> {
        self.intern_with(items, 0, 0)
    }

    /// As [`intern`](Self::intern), but leaves room for one more slice, of `spared` items.
    pub(super) fn intern_sparing(&mut self, items: &[T], spared: usize) -> Option<u32> {
        self.intern_with(items, 1, spared)
    }

    fn intern_with(&mut self, items: &[T], slices: usize, spared: usize) -> Option<u32> {
        let hash = hash(items.iter().map(|&item| item.into()));
        let known = self.index.find(hash, |number| self.get(number) == items);
        if known.is_some() {
            return known;
        }
        let len = self.items.len() + items.len() + spared;
        if !self.index.has_room_for(slices + 1) || len > self.item_capacity {
            return None;
        }
        self.spans.push(Span {
            start: self.items.len() as u32,
            len: items.len() as u32,
        });
        items.iter().for_each(|&item| self.items.push(item));
        Some(self.index.add(hash))
    }

    fn get(&self, number: usize) -> &[T] {
        let Span { start, len } = self.spans[number];
        &self.items[start as usize..][..len as usize]
    }

    /// What is there now.
    pub(super) fn view(&self) -> View<T> {
        View {
            items: self.items.as_ptr(),
            spans: self.spans.as_ptr(),
            len: self.spans.len(),
        }
    }
}

/// The first slices of a pool.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<T> {
    items: *const T,
    spans: *const Span,
    len: usize,
}

impl<T: Copy> View<T> {
    pub(super) fn len(&self) -> u32 {
        self.len as u32
    }

    /// Empty where there is no such number.
    ///
    /// # Safety
    /// The pool that this is a view of is there, and stays as long as the slice is used.
    pub(super) unsafe fn get<'a>(&self, number: usize) -> &'a [T] {
        if number >= self.len {
            return &[];
        }
        // SAFETY: what was in a pool when the view was made is never moved or changed while the pool
        // lives, for which the caller stands.
        unsafe {
            let Span { start, len } = *self.spans.add(number);
            std::slice::from_raw_parts(self.items.add(start as usize), len as usize)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_slices_have_one_number_and_it_stays() {
        let mut pool = Pool::<u64>::new(2, 100, 1_000).unwrap();
        let numbers: Vec<_> = (0..20).map(|n| pool.intern(&[n, 7]).unwrap()).collect();
        let again: Vec<_> = (0..20).map(|n| pool.intern(&[n, 7]).unwrap()).collect();
        assert_eq!(numbers, (0..20).collect::<Vec<_>>());
        assert_eq!(numbers, again);
        assert_eq!(pool.get(3), [3, 7]);
    }

    #[test]
    fn a_full_pool_knows_what_it_has_and_takes_nothing_new() {
        let mut pool = Pool::<u8>::new(4, 2, 5).unwrap();
        assert_eq!(pool.intern(b"abc"), Some(0));
        assert_eq!(pool.intern(b"def"), None);
        assert_eq!(pool.intern(b"de"), Some(1));
        assert_eq!(pool.intern(b""), None);
        assert_eq!(pool.intern(b"abc"), Some(0));
    }

    #[test]
    fn a_view_shows_what_was_there_when_it_was_made() {
        let mut pool = Pool::<u8>::new(4, 9, 50).unwrap();
        pool.intern(b"abc");
        let view = pool.view();
        pool.intern(b"xy");
        // SAFETY: the pool lives to the end of the test.
        let slices = unsafe { (view.get(0), view.get(1)) };
        assert_eq!((view.len(), slices), (1, (&b"abc"[..], &b""[..])));
    }
}
