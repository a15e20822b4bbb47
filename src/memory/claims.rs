//! Who claims which addresses, and how much of it is resident.
//!
//! Every reader that knows where its owner's memory lies adds claims; the kernel is then asked for
//! the resident pages in each. What nobody claims is what the ledger leaves `unattributed`.

use std::io;

use super::pagemap::Pagemap;
use super::smaps::{Backing, Mapping};
use crate::allocator::ranges::{self, Tag};
use crate::allocator::region::Region;

/// Whose claim it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimant {
    SqliteArena,
    SqliteHeap,
    RustArenas,
    JemallocShared,
    Preloaded,
    GlibcHeap,
    GlibcMapped,
    Stack,
    Program,
    Instrument,
}

impl Claimant {
    pub const COUNT: usize = Claimant::Instrument as usize + 1;
}

impl From<Tag> for Claimant {
    fn from(tag: Tag) -> Self {
        match tag {
            Tag::SqliteArena => Claimant::SqliteArena,
            Tag::SqliteHeap => Claimant::SqliteHeap,
            Tag::RustArena => Claimant::RustArenas,
            Tag::JemallocShared => Claimant::JemallocShared,
            Tag::Preloaded => Claimant::Preloaded,
            Tag::Instrument => Claimant::Instrument,
        }
    }
}

/// A claimed range, page-aligned.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    pub start: usize,
    pub end: usize,
    pub claimant: Claimant,
}

const MOST_CLAIMS: usize = 524_288;

/// All claims of one ledger.
#[derive(Debug)]
pub struct Claims {
    claims: Region<Claim>,
}

impl Claims {
    pub fn new() -> io::Result<Self> {
        Ok(Claims {
            claims: Region::new(MOST_CLAIMS)?,
        })
    }

    pub fn clear(&mut self) {
        self.claims.clear();
    }

    /// Claims that did not fit.
    pub fn lost(&self) -> usize {
        self.claims.lost()
    }

    pub fn add(&mut self, start: usize, end: usize, claimant: Claimant) {
        if start < end {
            self.claims.push(Claim {
                start,
                end,
                claimant,
            });
        }
    }

    /// Adds the ranges that this library mapped itself. Returns how many its table lost.
    pub fn add_recorded(&mut self) -> usize {
        ranges::for_each(|range| self.add(range.start, range.end, range.tag.into()))
    }

    /// Puts the claims in order; where two overlap, the one that starts first keeps the overlap.
    pub fn settle(&mut self) {
        self.claims.sort_unstable_by_key(|c| (c.start, c.end));
        let mut reached = 0;
        for claim in self.claims.iter_mut() {
            claim.start = claim.start.max(reached);
            claim.end = claim.end.max(claim.start);
            reached = claim.end;
        }
    }

    fn overlapping(&self, start: usize, end: usize) -> impl Iterator<Item = Claim> + '_ {
        let first = self.claims.partition_point(|c| c.end <= start);
        self.claims[first..]
            .iter()
            .take_while(move |c| c.start < end)
            .map(move |c| Claim {
                start: c.start.max(start),
                end: c.end.min(end),
                claimant: c.claimant,
            })
            .filter(|c| c.start < c.end)
    }

    /// Calls `each` with the parts of `start..end` that nobody claims. After [`settle`](Self::settle).
    pub fn unclaimed(&self, start: usize, end: usize, mut each: impl FnMut(usize, usize)) {
        let mut from = start;
        for claim in self.overlapping(start, end) {
            if claim.start > from {
                each(from, claim.start);
            }
            from = claim.end;
        }
        if from < end {
            each(from, end);
        }
    }

    /// The claimant of all of a mapping, where it has one.
    fn only_claimant(&self, mapping: &Mapping) -> Option<Claimant> {
        let mut reached = mapping.start;
        let mut only = None;
        for claim in self.overlapping(mapping.start, mapping.end) {
            if claim.start != reached || *only.get_or_insert(claim.claimant) != claim.claimant {
                return None;
            }
            reached = claim.end;
        }
        only.filter(|_| reached == mapping.end)
    }

    /// Resident bytes of each claimant inside the anonymous mappings, by [`Claimant`] as index.
    pub fn resident(
        &self,
        mappings: &[Mapping],
        pagemap: &mut Pagemap,
    ) -> io::Result<[u64; Claimant::COUNT]> {
        let mut resident = [0; Claimant::COUNT];
        for mapping in mappings.iter().filter(|m| m.rss_bytes > 0) {
            if !matches!(mapping.backing, Backing::Anonymous | Backing::Break) {
                continue;
            }
            if mapping.is_whole() {
                for claim in self.overlapping(mapping.start, mapping.end) {
                    resident[claim.claimant as usize] += (claim.end - claim.start) as u64;
                }
                continue;
            }
            if let Some(claimant) = self.only_claimant(mapping) {
                // The kernel has counted it already.
                resident[claimant as usize] += mapping.rss_bytes;
                continue;
            }
            self.share(mapping, pagemap, &mut resident)?;
        }
        Ok(resident)
    }

    /// Adds what each claimant of a mapping has in it. Of all its pages the kernel has said how many
    /// are resident, so that the largest claim need not be looked at: everything else is, what
    /// nobody claims too.
    fn share(
        &self,
        mapping: &Mapping,
        pagemap: &mut Pagemap,
        resident: &mut [u64; Claimant::COUNT],
    ) -> io::Result<()> {
        let claims = || self.overlapping(mapping.start, mapping.end);
        let Some(largest) = claims().max_by_key(|claim| claim.end - claim.start) else {
            return Ok(());
        };
        let mut rest = 0;
        let mut reached = mapping.start;
        for claim in claims() {
            rest += pagemap.resident_bytes(reached, claim.start)?;
            reached = claim.end;
            if claim.start != largest.start {
                let bytes = pagemap.resident_bytes(claim.start, claim.end)?;
                resident[claim.claimant as usize] += bytes;
                rest += bytes;
            }
        }
        rest += pagemap.resident_bytes(reached, mapping.end)?;
        resident[largest.claimant as usize] += mapping.rss_bytes.saturating_sub(rest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_claims_is_found_between_the_claims() {
        let mut claims = Claims::new().unwrap();
        claims.add(30, 40, Claimant::Stack);
        claims.add(10, 20, Claimant::Program);
        claims.add(15, 35, Claimant::Instrument);
        claims.settle();
        let mut gaps = Vec::new();
        claims.unclaimed(0, 50, |a, b| gaps.push((a, b)));
        assert_eq!(gaps, [(0, 10), (40, 50)]);
        let owners: Vec<_> = claims
            .overlapping(12, 38)
            .map(|c| (c.start, c.end))
            .collect();
        assert_eq!(owners, [(12, 20), (20, 35), (35, 38)]);
    }
}
