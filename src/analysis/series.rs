//! Moments in their order, the probes after them, and what is known of the settings.

use super::moment::Moment;
use crate::memory::statements::Statements;
use crate::verdict::Probe;

/// What is known of the process besides its ledgers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// What `cache_size` allows all known connections to files together, page headers included.
    pub cache_allowance_bytes: Option<i64>,
    /// `cache_spill` is off.
    pub cache_spill_off: Option<bool>,
}

/// One probe, and the moments around it.
#[derive(Debug, Clone, PartialEq)]
pub struct Probed {
    /// What was done.
    pub probe: Probe,
    /// The last ledger before it.
    pub before: Moment,
    /// The first after it.
    pub after: Moment,
    /// For [`Probe::Finalize`]: the statements that were there, largest first.
    pub statements: Vec<Statements>,
}

/// What a series goes along.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Per {
    /// Readings, numbered as they come.
    #[default]
    Reading,
    /// Cycles of a workload; the first moment is cycle 0, before them.
    Cycle,
    /// Rows that went in.
    Row,
}

impl Per {
    /// As in records.
    pub const fn name(self) -> &'static str {
        match self {
            Per::Reading => "reading",
            Per::Cycle => "cycle",
            Per::Row => "row",
        }
    }
}

/// Most moments that are kept: then every second goes, but for the first.
const MOST: usize = 1024;

/// What is judged.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    /// Before the first of `moments`, with nothing in the database yet.
    pub baseline: Option<Moment>,
    moments: Vec<Moment>,
    seen: usize,
    stride: usize,
    /// The last of `moments` is not on the stride.
    last_goes: bool,
    /// In the order in which they ran.
    pub probes: Vec<Probed>,
    /// What is known besides.
    pub facts: Facts,
    /// What [`Moment::at`] counts.
    pub per: Per,
}

impl Series {
    /// Adds the next moment. However many there are, about a thousand are kept, evenly spread, and
    /// the last.
    ///
    /// For [`Per::Reading`] its place is counted here.
    pub fn push(&mut self, mut moment: Moment) {
        if self.per == Per::Reading {
            moment.at = self.seen as f64;
        }
        let stride = self.stride.max(1);
        if self.last_goes {
            self.moments.pop();
        }
        self.moments.push(moment);
        self.last_goes = !self.seen.is_multiple_of(stride);
        self.seen += 1;
        if self.moments.len() > MOST && !self.last_goes {
            let mut at = 0;
            self.moments.retain(|_| {
                at += 1;
                at % 2 == 1
            });
            self.stride = stride * 2;
            if !(self.seen - 1).is_multiple_of(self.stride) {
                self.moments.push(moment);
                self.last_goes = true;
            }
        }
    }

    /// How many moments a verdict needs: ten, or ten cycles and what was before the first.
    pub fn fewest(&self) -> usize {
        super::trend::FEWEST + usize::from(self.per == Per::Cycle)
    }

    /// In their order.
    pub fn moments(&self) -> &[Moment] {
        &self.moments
    }

    /// The same with numbers that rules can reckon with, whatever a record says.
    pub(super) fn sound(&self) -> Series {
        let within = |bytes: i64| bytes.clamp(0, super::moment::MOST_BYTES);
        let probed = |one: &Probed| Probed {
            before: one.before.sound(),
            after: one.after.sound(),
            ..one.clone()
        };
        Series {
            baseline: self.baseline.as_ref().map(Moment::sound),
            moments: self.moments.iter().map(Moment::sound).collect(),
            probes: self.probes.iter().map(probed).collect(),
            facts: Facts {
                cache_allowance_bytes: self.facts.cache_allowance_bytes.map(within),
                ..self.facts
            },
            ..*self
        }
    }

    /// What a probe did, if it ran.
    pub fn probe(&self, probe: Probe) -> Option<&Probed> {
        self.probes.iter().find(|one| one.probe == probe)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_very_many_moments_a_thousand_are_kept_and_the_last() {
        let mut series = Series::default();
        for at in 0..100_000 {
            let at = f64::from(at);
            series.push(Moment {
                at,
                ..Moment::default()
            });
            let kept = series.moments();
            assert!(kept.len() <= MOST + 1 && kept[0].at == 0.0);
            assert_eq!(kept[kept.len() - 1].at, at);
        }
        let kept = series.moments();
        assert!(kept.len() > MOST / 3);
        let step = kept[1].at;
        let even = (kept[..kept.len() - 1].windows(2)).all(|two| two[1].at - two[0].at == step);
        assert!(even && kept.windows(2).all(|two| two[0].at < two[1].at));
    }
}
