//! What is kept of the cycles of one scenario, in the room of a thousand of them.

use super::super::instrumented::distorting;
use super::super::{bound_bytes, within_bound};
use super::{Collector, CycleReading, Quantity};
use crate::record::{Line, PhaseRecord};

/// Readings kept, and times of each kind of phase.
const MOST: usize = 1024;
/// Cycles from 0 that are always kept.
pub(super) const FIRST: usize = 10;
/// Cycles before the end that are always kept.
pub(super) const LAST: usize = 5;

/// The readings of a scenario: each while there are about a thousand; of more every second, every
/// fourth and so on, with the first ten and the last five.
#[derive(Debug, Clone)]
pub struct Cycles {
    collector: Collector,
    readings: Vec<CycleReading>,
    stride: u32,
    count: u64,
    ranges: [Option<(i64, i64)>; Quantity::ALL.len()],
    peak_rss_bytes: u64,
    kinds: Vec<PhaseKind>,
    distorted_by: Option<String>,
}

/// The phases of one name in all cycles, at their end.
#[derive(Debug, Clone)]
pub struct PhaseKind {
    /// `backup`, `dump`, ...
    pub phase: String,
    /// How often it ended.
    pub count: u32,
    /// The highest of all.
    pub peak_rss_bytes: u64,
    /// After the last.
    pub rss_bytes: i64,
    /// After the last.
    pub sqlite_live_bytes: i64,
    /// The worst of all, against its bound.
    pub unattributed_bytes: i64,
    /// Whether every one was within its bound.
    pub within_bound: bool,
    excess: f64,
    elapsed: Vec<u64>,
    stride: u32,
}

/// 0 where there are none.
fn median(mut numbers: Vec<u64>) -> u64 {
    numbers.sort_unstable();
    numbers.get(numbers.len() / 2).copied().unwrap_or(0)
}

impl PhaseKind {
    fn new(phase: &str) -> Self {
        PhaseKind {
            phase: phase.to_owned(),
            count: 0,
            peak_rss_bytes: 0,
            rss_bytes: 0,
            sqlite_live_bytes: 0,
            unattributed_bytes: 0,
            within_bound: true,
            excess: -1.0,
            elapsed: Vec::new(),
            stride: 1,
        }
    }

    /// The median; of very many every second, every fourth, ...
    pub fn elapsed_ns(&self) -> u64 {
        median(self.elapsed.clone())
    }

    fn see(&mut self, phase: &PhaseRecord) {
        let ledger = &phase.ledger;
        if self.count.is_multiple_of(self.stride) {
            self.elapsed.push(phase.elapsed_ns);
        }
        if self.elapsed.len() > MOST {
            let mut index = 0;
            self.elapsed.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.stride *= 2;
        }
        self.count += 1;
        self.peak_rss_bytes = self.peak_rss_bytes.max(phase.peak_rss_bytes);
        self.rss_bytes = ledger.rss_bytes;
        self.sqlite_live_bytes = super::sqlite_bytes(ledger, "live");
        self.within_bound &= within_bound(ledger);
        let unattributed = ledger.unattributed_bytes;
        let excess = unattributed.unsigned_abs() as f64 / bound_bytes(ledger.rss_bytes) as f64;
        if excess > self.excess {
            (self.excess, self.unattributed_bytes) = (excess, unattributed);
        }
    }
}

impl Default for Cycles {
    fn default() -> Self {
        Cycles {
            collector: Collector::default(),
            readings: Vec::new(),
            stride: 1,
            count: 0,
            ranges: [None; Quantity::ALL.len()],
            peak_rss_bytes: 0,
            kinds: Vec::new(),
            distorted_by: None,
        }
    }
}

impl Cycles {
    /// Takes from `line` what is to be kept.
    pub fn line(&mut self, line: &Line) {
        if let Some(reading) = self.collector.line(line) {
            self.keep(reading);
        }
        if let Line::Scenario(scenario) = line {
            self.distorted_by = distorting(scenario);
        }
        let Line::Phase(phase) = line else { return };
        let repeats = phase.cycle.is_some_and(|cycle| cycle > 0);
        if !repeats || phase.reading.is_some() || phase.partial {
            return;
        }
        let known = self.kinds.iter().position(|k| k.phase == phase.phase);
        let at = known.unwrap_or_else(|| {
            self.kinds.push(PhaseKind::new(&phase.phase));
            self.kinds.len() - 1
        });
        self.kinds[at].see(phase);
    }

    /// After the last line.
    pub fn ended(&mut self) {
        if let Some(reading) = self.collector.end() {
            self.keep(reading);
        }
    }

    fn keep(&mut self, reading: CycleReading) {
        self.count += 1;
        self.peak_rss_bytes = self.peak_rss_bytes.max(reading.peak_rss_bytes);
        if !reading.partial {
            for (range, quantity) in self.ranges.iter_mut().zip(Quantity::ALL) {
                if let Some(value) = quantity.of(&reading) {
                    let (least, most) = range.unwrap_or((value, value));
                    *range = Some((least.min(value), most.max(value)));
                }
            }
        }
        // What leaves the last few must lie on the stride, or among the first, to stay.
        if let Some(at) = self.readings.len().checked_sub(LAST)
            && !on(self.stride, &self.readings[at])
        {
            self.readings.remove(at);
        }
        self.readings.push(reading);
        if self.readings.len() > MOST {
            self.stride = self.stride.saturating_mul(2);
            let last = self.readings.split_off(MOST + 1 - LAST);
            let stride = self.stride;
            self.readings.retain(|reading| on(stride, reading));
            self.readings.extend(last);
        }
    }

    /// In the order of cycles; all where there are at most about a thousand.
    pub fn readings(&self) -> &[CycleReading] {
        &self.readings
    }

    /// Between the first and the last few, each cycle that this divides is kept.
    pub fn stride(&self) -> u32 {
        self.stride
    }

    /// How many readings there were, cycle 0 and a partial one included.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// What makes its times and RSS other than they were without it.
    pub fn distorted_by(&self) -> Option<&str> {
        self.distorted_by.as_deref()
    }

    /// The least and the most of a quantity over every complete cycle.
    pub fn range(&self, quantity: Quantity) -> Option<(i64, i64)> {
        let mut ranges = Quantity::ALL.iter().zip(self.ranges);
        ranges.find(|(one, _)| **one == quantity)?.1
    }

    /// The highest of all cycles, cycle 0 included.
    pub fn peak_rss_bytes(&self) -> u64 {
        self.peak_rss_bytes
    }

    /// The last complete cycle less cycle 0; `None` where one of them is missing.
    pub fn growth(&self, quantity: Quantity) -> Option<i64> {
        let last = self.last_complete()?;
        let first = self.readings.first().filter(|one| one.cycle == 0)?;
        if last.cycle == 0 || first.partial {
            return None;
        }
        Some(quantity.of(last)? - quantity.of(first)?)
    }

    /// The reading of the last cycle that was done.
    pub fn last_complete(&self) -> Option<&CycleReading> {
        self.readings.iter().rev().find(|one| !one.partial)
    }

    /// The median time of a cycle; `None` where none is complete.
    pub fn elapsed_ns(&self) -> Option<u64> {
        let complete = |one: &&CycleReading| one.cycle > 0 && !one.partial;
        let times: Vec<u64> = (self.readings.iter().filter(complete))
            .map(|one| one.elapsed_ns)
            .collect();
        (!times.is_empty()).then(|| median(times))
    }

    /// In the order in which they first ended.
    pub fn kinds(&self) -> &[PhaseKind] {
        &self.kinds
    }
}

fn on(stride: u32, reading: &CycleReading) -> bool {
    (reading.cycle as usize) < FIRST || reading.cycle.is_multiple_of(stride)
}

#[cfg(test)]
mod tests {
    use super::super::samples::{MIB, kept, lines};
    use super::*;

    #[test]
    fn a_hundred_thousand_cycles_are_kept_in_the_room_of_a_thousand() {
        let mut cycles = Cycles::default();
        for cycle in 0..=100_000 {
            cycles.keep(CycleReading {
                cycle,
                rss_bytes: i64::from(cycle),
                elapsed_ns: u64::from(cycle),
                ..CycleReading::default()
            });
            assert!(cycles.readings.len() <= MOST, "{cycle}");
        }
        assert!(cycles.readings.len() > MOST / 3);
        let numbers: Vec<u32> = cycles.readings().iter().map(|one| one.cycle).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b));
        assert_eq!(numbers[..FIRST], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        let (middle, last) = numbers[FIRST..].split_at(numbers.len() - FIRST - LAST);
        assert_eq!(last, [99_996, 99_997, 99_998, 99_999, 100_000]);
        let every = (1..).map(|n| n * cycles.stride());
        let every = every.skip_while(|cycle| (*cycle as usize) < FIRST);
        assert!(middle.iter().zip(every).all(|(found, one)| *found == one));
        assert_eq!(cycles.count(), 100_001);
        assert_eq!(cycles.range(Quantity::Rss), Some((0, 100_000)));
        assert_eq!(cycles.growth(Quantity::Rss), Some(100_000));
    }

    #[test]
    fn kinds_of_phases_are_summed_up() {
        let mut lines = lines("s", &[560, 1000, 1500, 1400]);
        let mut elapsed = [5, 90, 7].iter();
        for line in &mut lines {
            if let Line::Phase(phase) = line
                && phase.phase == "dump"
            {
                phase.elapsed_ns = *elapsed.next().unwrap();
            }
        }
        let cycles = kept(&lines);
        let names: Vec<&str> = cycles.kinds().iter().map(|k| k.phase.as_str()).collect();
        assert_eq!(names, ["backup", "dump", "dispose"]);
        let dump = &cycles.kinds()[1];
        assert_eq!((dump.count, dump.elapsed_ns()), (3, 7));
        assert_eq!(dump.rss_bytes, 1400 * MIB);
        assert_eq!(dump.peak_rss_bytes, 2024 << 20);
    }

    #[test]
    fn growth_needs_a_cycle_that_is_done() {
        assert_eq!(kept(&lines("s", &[560])).growth(Quantity::Rss), None);
        let mut cut = lines("s", &[560, 1000, 1500]);
        cut.truncate(5);
        let cycles = kept(&cut);
        assert_eq!(cycles.growth(Quantity::Rss), Some(440 * MIB));
        assert_eq!(cycles.elapsed_ns(), Some(6_000_000_000));
        assert_eq!(kept(&[]).peak_rss_bytes(), 0);
    }
}
