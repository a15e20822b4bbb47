//! Which live blocks are samples, by address.
//!
//! A free has to ask whether its block is one, and the answer is nearly always no: one load, of the head of
//! the chain that the block would be in, without the lock.

use std::io;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::allocator::region::Region;

/// Twenty times as many as there are samples in 800 MB at 512 KiB: one free in twenty takes the lock for nothing.
const BUCKETS_LOG2: u32 = 15;
const BUCKETS: usize = 1 << BUCKETS_LOG2;

/// A sampled block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::allocator) struct Sample {
    pub(super) address: usize,
    pub(super) bytes: usize,
    pub(super) site: u32,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    sample: Sample,
    /// Of its chain, or of the free ones; plus one.
    next: u32,
}

/// The heads of the chains; they stay for the process's life.
pub(super) type Heads = [AtomicU32; BUCKETS];

/// The chain of a block, whose head is zero where it is empty.
#[inline]
pub(super) fn bucket(address: usize) -> usize {
    ((address as u64 >> 3).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - BUCKETS_LOG2)) as usize
}

/// The table. Whoever writes holds the sampler's lock.
pub(super) struct Live {
    pub(super) heads: &'static Heads,
    entries: Region<Entry>,
    capacity: usize,
    /// Of the free entries, plus one.
    free: u32,
}

impl Live {
    pub(super) fn new(capacity: usize) -> io::Result<Self> {
        let mut heads = ManuallyDrop::new(Region::<u32>::new(BUCKETS)?);
        let heads = heads.whole().as_mut_ptr().cast::<Heads>();
        Ok(Live {
            // SAFETY: so many zeroed values, aligned as they must be, which are never unmapped.
            heads: unsafe { &*heads },
            entries: Region::new(capacity)?,
            capacity,
            free: 0,
        })
    }

    /// False where the table is full.
    pub(super) fn insert(&mut self, sample: Sample) -> bool {
        let head = &self.heads[bucket(sample.address)];
        let entry = Entry {
            sample,
            next: head.load(Relaxed),
        };
        let place = match self.free {
            0 if self.entries.len() == self.capacity => return false,
            0 => {
                self.entries.push(entry);
                self.entries.len()
            }
            free => {
                self.free = self.entries[free as usize - 1].next;
                self.entries[free as usize - 1] = entry;
                free as usize
            }
        };
        head.store(place as u32, Relaxed);
        true
    }

    pub(super) fn remove(&mut self, address: usize) -> Option<Sample> {
        let head = &self.heads[bucket(address)];
        let (mut before, mut at) = (None::<usize>, head.load(Relaxed));
        while at != 0 {
            let index = at as usize - 1;
            let Entry { sample, next } = self.entries[index];
            if sample.address == address {
                match before {
                    None => head.store(next, Relaxed),
                    Some(before) => self.entries[before].next = next,
                }
                self.entries[index].next = self.free;
                self.free = at;
                return Some(sample);
            }
            before = Some(index);
            at = next;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(address: usize) -> Sample {
        Sample {
            address,
            bytes: address / 2,
            site: 7,
        }
    }

    #[test]
    fn samples_in_one_chain_are_found_and_removed_in_any_order() {
        let mut live = Live::new(1_000).unwrap();
        let same: Vec<usize> = (1..)
            .map(|n| n * 8)
            .filter(|&address| bucket(address) == 5)
            .take(6)
            .collect();
        for turn in 0..same.len() {
            same.iter().for_each(|&a| assert!(live.insert(sample(a))));
            for n in 0..same.len() {
                let address = same[(turn + n * 5) % same.len()];
                assert_eq!(live.remove(address), Some(sample(address)));
                assert_eq!(live.remove(address), None);
            }
            assert_eq!(live.heads[5].load(Relaxed), 0);
        }
        assert_eq!(live.entries.len(), same.len());
    }

    #[test]
    fn a_full_table_takes_one_again_when_one_is_gone() {
        let mut live = Live::new(2).unwrap();
        assert!(live.insert(sample(8)) && live.insert(sample(16)));
        assert!(!live.insert(sample(24)));
        assert_eq!(live.remove(24), None);
        assert!(live.remove(8).is_some() && live.insert(sample(24)));
        assert_eq!(live.remove(24), Some(sample(24)));
    }
}
