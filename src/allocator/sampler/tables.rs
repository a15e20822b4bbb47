//! What the samples stand for, by site: all that changes under the sampler's lock.

use std::io;

use super::live::{Live, Sample};
use super::pool::{Index, Pool, hash};
use super::{Counted, Estimate, Side, Site};
use crate::allocator::region::Region;

/// How much there is room for. Reserved, and resident as it is used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub stacks: usize,
    pub frames: usize,
    pub statements: usize,
    pub text_bytes: usize,
    pub sites: usize,
    pub live: usize,
}

/// A live sample for each 512 KiB of 512 GiB.
pub(super) const SIZES: Sizes = Sizes {
    stacks: 128 * 1024,
    frames: 4 << 20,
    statements: 64 * 1024,
    text_bytes: 16 << 20,
    sites: 256 * 1024,
    live: 1 << 20,
};

/// Where a statement does not fit any more, its blocks are shown under this text.
const OTHERS: &[u8] = b"(statements beyond the sampler's table)";

/// 65,536th parts: whole numbers, so that what is added and taken away again leaves nothing.
const UNIT: f64 = 65_536.0;

/// Of a block to be sampled.
pub(super) fn probability(bytes: usize, interval: u64) -> f64 {
    -(-(bytes as f64) / interval as f64).exp_m1()
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    bytes: u64,
    blocks: u64,
    samples: u64,
}

impl Sum {
    fn of(bytes: usize, interval: u64) -> Self {
        let unit = UNIT / probability(bytes, interval);
        Sum {
            bytes: (bytes as f64 * unit).round() as u64,
            blocks: unit.round() as u64,
            samples: 1,
        }
    }

    fn add(&mut self, other: Sum) {
        self.bytes += other.bytes;
        self.blocks += other.blocks;
        self.samples += other.samples;
    }

    fn subtract(&mut self, other: Sum) {
        self.bytes -= other.bytes;
        self.blocks -= other.blocks;
        self.samples -= other.samples;
    }

    fn estimate(self) -> Estimate {
        Estimate {
            bytes: self.bytes as f64 / UNIT,
            blocks: self.blocks as f64 / UNIT,
            samples: self.samples,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    stack: u32,
    statement: u32,
    side: Side,
}

impl Key {
    fn hash(self) -> u64 {
        let words = [self.stack, self.statement, self.side as u32];
        hash(words.into_iter().map(u64::from))
    }
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    key: Key,
    now: Sum,
    total: Sum,
    /// Live at the peak of that number; where a later one is the last, nothing has changed here since before
    /// it, and `now` is what was live at it.
    peak: Sum,
    peak_number: u64,
}

/// Live on both sides, by the counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Now {
    pub sqlite: Counted,
    pub rust: Counted,
}

impl Now {
    fn bytes(&self) -> u64 {
        self.sqlite.now_bytes + self.rust.now_bytes
    }
}

/// A block that is about to be a sample.
pub(super) struct Found<'a> {
    pub address: usize,
    pub bytes: usize,
    pub side: Side,
    pub frames: &'a [u64],
    /// Empty where no statement runs.
    pub statement: &'a [u8],
}

pub(super) struct Tables {
    pub interval: u64,
    pub stacks: Pool<u64>,
    pub statements: Pool<u8>,
    pub lost: u64,
    pub live: Live,
    sites: Region<Slot>,
    index: Index,
    peak: Now,
    /// Counts the peaks, each above all before it.
    peaks: u64,
}

impl Tables {
    pub(super) fn new(interval: u64, sizes: Sizes) -> io::Result<Self> {
        Ok(Tables {
            interval,
            stacks: Pool::new(8 * 1024, sizes.stacks, sizes.frames)?,
            statements: Pool::new(4 * 1024, sizes.statements, sizes.text_bytes)?,
            lost: 0,
            live: Live::new(sizes.live)?,
            sites: Region::new(sizes.sites)?,
            index: Index::new(8 * 1024, sizes.sites)?,
            peak: Now::default(),
            peaks: 0,
        })
    }

    /// The block is allocated, and counted in `now`.
    pub(super) fn allocated(&mut self, found: &Found<'_>, now: Now) {
        // Only if somebody gave it back behind the sampler's back.
        _ = self.take(found.address);
        let added = self
            .site_of(found)
            .is_some_and(|site| self.add(found, site));
        if !added {
            self.lost += 1;
        }
        self.look(now);
    }

    fn add(&mut self, found: &Found<'_>, site: u32) -> bool {
        let sample = Sample {
            address: found.address,
            bytes: found.bytes,
            site,
        };
        if !self.live.insert(sample) {
            return false;
        }
        let sum = Sum::of(found.bytes, self.interval);
        let slot = self.touch(site);
        slot.now.add(sum);
        slot.total.add(sum);
        true
    }

    /// The block is about to go, and still counted in `now`.
    pub(super) fn freed(&mut self, address: usize, now: Now) -> Option<Sample> {
        self.look(now);
        self.take(address)
    }

    fn take(&mut self, address: usize) -> Option<Sample> {
        let sample = self.live.remove(address)?;
        let sum = Sum::of(sample.bytes, self.interval);
        self.touch(sample.site).now.subtract(sum);
        Some(sample)
    }

    /// The block of a sample that was taken out is still there.
    pub(super) fn put_back(&mut self, sample: Sample) {
        // There is room: this place has just become free, or another thread has taken it.
        if !self.live.insert(sample) {
            self.lost += 1;
            return;
        }
        let sum = Sum::of(sample.bytes, self.interval);
        self.touch(sample.site).now.add(sum);
    }

    /// Is this a peak? Sites that have not changed since the last one keep nothing for it.
    pub(super) fn look(&mut self, now: Now) {
        if now.bytes() > self.peak.bytes() {
            self.peak = now;
            self.peaks += 1;
        }
    }

    /// A site that is about to change.
    fn touch(&mut self, site: u32) -> &mut Slot {
        let peaks = self.peaks;
        let slot = &mut self.sites[site as usize];
        if slot.peak_number < peaks {
            slot.peak = slot.now;
            slot.peak_number = peaks;
        }
        slot
    }

    fn site_of(&mut self, found: &Found<'_>) -> Option<u32> {
        let key = Key {
            stack: self.stacks.intern(found.frames)?,
            statement: self.statement_of(found.statement)?,
            side: found.side,
        };
        let known = self
            .index
            .find(key.hash(), |number| self.sites[number].key == key);
        if known.is_some() || !self.index.has_room_for(1) {
            return known;
        }
        self.sites.push(Slot {
            key,
            now: Sum::default(),
            total: Sum::default(),
            peak: Sum::default(),
            peak_number: self.peaks,
        });
        Some(self.index.add(key.hash()))
    }

    fn statement_of(&mut self, text: &[u8]) -> Option<u32> {
        if text.is_empty() {
            return Some(0);
        }
        let number = self.statements.intern_sparing(text, OTHERS.len());
        let number = number.or_else(|| self.statements.intern(OTHERS))?;
        Some(number + 1)
    }

    /// Copies the sites.
    pub(super) fn read(&mut self, now: Now, sites: &mut Region<Site>) -> Now {
        self.look(now);
        sites.clear();
        for slot in self.sites.iter() {
            let unchanged = slot.peak_number < self.peaks;
            let peak = if unchanged { slot.now } else { slot.peak };
            sites.push(Site {
                stack: slot.key.stack,
                statement: slot.key.statement,
                side: slot.key.side,
                now: slot.now.estimate(),
                peak: peak.estimate(),
                total: slot.total.estimate(),
            });
        }
        self.peak
    }
}

#[cfg(test)]
mod tests;
