//! What a workload that repeats was after each of its cycles: a reading for each, the first of
//! them, cycle 0, after the fill.
//!
//! [`Collector`] makes readings of lines; [`Cycles`] keeps what a person is shown of them in room
//! that does not grow with their number. Whoever needs every one reads the record: [`export`].

pub mod export;
mod kept;
pub mod table;

pub use kept::{Cycles, PhaseKind};

use serde::Serialize;

use super::extremes::sqlite_bytes;
use crate::record::{LedgerRecord, Line, PhaseRecord};

/// A cycle's reading: the last one of its last phase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct CycleReading {
    /// 0 for the fill.
    pub cycle: u32,
    /// True where the cycle was stopped before it was done.
    pub partial: bool,
    /// Resident bytes.
    pub rss_bytes: i64,
    /// Bytes in SQLite's live blocks.
    pub sqlite_live_bytes: i64,
    /// See [`retained_bytes`].
    pub retained_bytes: i64,
    /// Entries of `/proc/self/fd`.
    pub open_files: u64,
    /// glibc's arenas; absent where `malloc` is another library's.
    pub arenas: Option<u64>,
    /// The highest of the cycle's phases.
    pub peak_rss_bytes: u64,
    /// Of the cycle's phases together.
    pub elapsed_ns: u64,
    /// RSS less every term that counts.
    pub unattributed_bytes: i64,
}

/// A column of numbers over the cycles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// [`CycleReading::rss_bytes`]
    Rss,
    /// [`CycleReading::sqlite_live_bytes`]
    SqliteLive,
    /// [`CycleReading::retained_bytes`]
    Retained,
    /// [`CycleReading::open_files`]
    OpenFiles,
    /// [`CycleReading::arenas`]
    Arenas,
}

impl Quantity {
    /// In the order in which they are shown.
    pub const ALL: [Quantity; 5] = [
        Quantity::Rss,
        Quantity::SqliteLive,
        Quantity::Retained,
        Quantity::OpenFiles,
        Quantity::Arenas,
    ];

    /// What it is in `reading`.
    pub fn of(self, reading: &CycleReading) -> Option<i64> {
        let number = |count| i64::try_from(count).unwrap_or(i64::MAX);
        match self {
            Quantity::Rss => Some(reading.rss_bytes),
            Quantity::SqliteLive => Some(reading.sqlite_live_bytes),
            Quantity::Retained => Some(reading.retained_bytes),
            Quantity::OpenFiles => Some(number(reading.open_files)),
            Quantity::Arenas => reading.arenas.map(number),
        }
    }
}

/// Memory that is free and resident: what an allocator keeps, and a purge or a trim could give
/// back. Never negative.
///
/// Of glibc, `free but resident`, which the kernel has confirmed. Of jemalloc's arenas (and the
/// fixed heap), `unreturned` and `retained but resident`, less `untouched`: jemalloc counts freed
/// pages that nobody ever touched as unreturned too. `untouched` also holds the untouched part of
/// live blocks, so that this is the least that is kept, not the most. Free slots among live blocks
/// are `fragmentation` for jemalloc and not in it; for glibc they are free chunks, and are.
pub fn retained_bytes(ledger: &LedgerRecord) -> i64 {
    let mut sum = 0;
    for (at, term) in ledger.terms.iter().enumerate().filter(|(_, t)| t.counts) {
        match (term.owner.as_ref(), term.term.as_ref()) {
            ("allocator", "free but resident") => sum += term.bytes.max(0),
            ("sqlite" | "rust" | "allocator", "unreturned") => {
                // An owner's first after it is the arena's own; glibc's `untouched` comes later.
                let beside = |name| {
                    let mut after = ledger.terms[at..].iter();
                    let found = after.find(|t| t.counts && t.owner == term.owner && t.term == name);
                    found.map_or(0, |found| found.bytes)
                };
                let kept = beside("untouched") + beside("retained but resident");
                sum += (term.bytes + kept).max(0);
            }
            _ => {}
        }
    }
    sum
}

/// A cycle whose end has not been seen yet.
#[derive(Debug, Clone)]
struct Current {
    reading: CycleReading,
    last_phase: String,
    /// Of the phases that have ended.
    ended_ns: u64,
    /// The last line was a reading inside a phase.
    inside: bool,
}

/// Makes readings of the lines of one scenario, in the order of the record. Holds one cycle.
#[derive(Debug, Clone, Default)]
pub struct Collector {
    current: Option<Current>,
    /// The phase that cycles end with.
    usual_end: Option<String>,
    /// The testee had a phase outside of cycles after the last one.
    went_on: bool,
    /// Cycles that the result says were run to their end.
    done: Option<u32>,
}

impl Collector {
    /// The reading of the cycle before, where `line` is the first of the next one.
    pub fn line(&mut self, line: &Line) -> Option<CycleReading> {
        let phase = match line {
            Line::Phase(phase) => phase,
            Line::Result(result) => {
                self.done = result.cycles;
                return None;
            }
            _ => return None,
        };
        let Some(cycle) = phase.cycle else {
            self.went_on = self.current.is_some();
            return None;
        };
        let next = |current: &Current| current.reading.cycle != cycle;
        let before = match self.current.as_ref().is_some_and(next) {
            true => self.finish(true),
            false => None,
        };
        self.see(cycle, phase);
        before
    }

    /// The reading of the last cycle, after the last line.
    pub fn end(&mut self) -> Option<CycleReading> {
        self.finish(false)
    }

    fn see(&mut self, cycle: u32, phase: &PhaseRecord) {
        self.went_on = false;
        let current = self.current.get_or_insert_with(|| Current {
            reading: CycleReading {
                cycle,
                ..CycleReading::default()
            },
            last_phase: String::new(),
            ended_ns: 0,
            inside: false,
        });
        let ledger = &phase.ledger;
        let elapsed_ns = current.ended_ns.saturating_add(phase.elapsed_ns);
        current.inside = phase.reading.is_some();
        if !current.inside {
            current.ended_ns = elapsed_ns;
        }
        current.last_phase.clone_from(&phase.phase);
        current.reading = CycleReading {
            cycle,
            partial: current.reading.partial || phase.partial,
            rss_bytes: ledger.rss_bytes,
            sqlite_live_bytes: sqlite_bytes(ledger, "live"),
            retained_bytes: retained_bytes(ledger),
            open_files: phase.open_files,
            arenas: ledger.beside.glibc_arenas,
            peak_rss_bytes: current.reading.peak_rss_bytes.max(phase.peak_rss_bytes),
            elapsed_ns,
            unattributed_bytes: ledger.unattributed_bytes,
        };
    }

    /// A testee that was killed says nothing of it: a last cycle that ends with another phase than
    /// those before it is not done, nor is a first one that nothing follows.
    fn finish(&mut self, next_began: bool) -> Option<CycleReading> {
        let Current {
            mut reading,
            last_phase,
            inside,
            ..
        } = self.current.take()?;
        let cut_off = match (self.done, &self.usual_end) {
            _ if next_began || reading.cycle == 0 => false,
            (Some(done), _) => reading.cycle > done,
            (None, Some(usual)) => *usual != last_phase,
            (None, None) => !self.went_on,
        };
        reading.partial |= inside || cut_off;
        if reading.cycle > 0 && !reading.partial {
            self.usual_end = Some(last_phase);
        }
        Some(reading)
    }
}

#[cfg(test)]
pub(crate) mod samples {
    //! Cycles as a snapshot workload writes them.

    use super::super::samples::{phase, term};
    use super::*;

    pub(crate) const MIB: i64 = 1 << 20;

    /// A phase of `cycle` after which `rss` MiB are resident, 551 of them live in SQLite.
    pub(crate) fn in_cycle(scenario: &str, name: &str, cycle: u32, rss: i64) -> PhaseRecord {
        let mut phase = phase(name, 0);
        phase.scenario = scenario.into();
        phase.cycle = Some(cycle);
        phase.peak_rss_bytes = ((rss + 524) * MIB) as u64;
        let ledger = &mut phase.ledger;
        ledger.rss_bytes = rss * MIB;
        ledger.terms = vec![
            term("sqlite", "live", 551 * MIB),
            term("allocator", "free but resident", (rss - 560) * MIB),
            term("program", "data", 9 * MIB),
        ];
        ledger.beside.glibc_arenas = Some(1 + u64::from(cycle.min(4)));
        phase
    }

    /// The fill, and a cycle for each of `rss` after the first.
    pub(crate) fn lines(scenario: &str, rss: &[i64]) -> Vec<Line> {
        let mut lines = Vec::new();
        for (cycle, rss) in (0..).zip(rss) {
            let names: &[&str] = match cycle {
                0 => &["fill"],
                _ => &["backup", "dump", "dispose"],
            };
            let phases = names
                .iter()
                .map(|name| in_cycle(scenario, name, cycle, *rss));
            lines.extend(phases.map(Line::Phase));
        }
        let mut close = phase("close", 0);
        close.scenario = scenario.into();
        lines.push(Line::Phase(close));
        lines
    }

    /// The same, one second after the other.
    pub(crate) fn in_time(scenario: &str, rss: &[i64]) -> Vec<Line> {
        let mut lines = lines(scenario, rss);
        for (second, line) in (1..).zip(&mut lines) {
            if let Line::Phase(phase) = line {
                phase.at_ns = second * 1_000_000_000;
            }
        }
        lines
    }

    /// What is kept of `lines`.
    pub(crate) fn kept(lines: &[Line]) -> Cycles {
        let mut cycles = Cycles::default();
        lines.iter().for_each(|line| cycles.line(line));
        cycles.ended();
        cycles
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{report, term};
    use super::samples::{MIB, in_cycle, lines};
    use super::*;

    fn readings(lines: &[Line]) -> Vec<CycleReading> {
        let mut collector = Collector::default();
        let mut readings: Vec<_> = lines.iter().filter_map(|l| collector.line(l)).collect();
        readings.extend(collector.end());
        readings
    }

    #[test]
    fn a_cycle_is_read_after_its_last_phase() {
        let found = readings(&lines("s", &[560, 1000, 1500]));
        assert_eq!(found.len(), 3);
        assert!(found.iter().all(|reading| !reading.partial));
        let last = found[2];
        assert_eq!((last.cycle, last.rss_bytes), (2, 1500 * MIB));
        assert_eq!(last.retained_bytes, 940 * MIB);
        assert_eq!(last.elapsed_ns, 3 * 2_000_000_000);
        assert_eq!(last.arenas, Some(3));
        assert_eq!(found[0].elapsed_ns, 2_000_000_000);
    }

    #[test]
    fn a_workload_without_cycles_has_no_readings() {
        let phases = report().phases;
        let lines: Vec<Line> = phases.into_iter().map(Line::Phase).collect();
        assert_eq!(readings(&lines), []);
    }

    #[test]
    fn a_cycle_that_was_cut_off_says_so() {
        // Killed between two phases.
        let mut killed = lines("s", &[560, 1000, 1500]);
        killed.truncate(killed.len() - 2);
        let partial = |lines: &[Line]| -> Vec<bool> {
            readings(lines).iter().map(|one| one.partial).collect()
        };
        assert_eq!(partial(&killed), [false, false, true]);
        // Killed in its first cycle, after a phase and inside one.
        assert_eq!(partial(&killed[..2]), [false, true]);
        let mut inside = in_cycle("s", "backup", 1, 900);
        (inside.reading, inside.elapsed_ns) = (Some(4), 7);
        let cut = [killed[0].clone(), Line::Phase(inside)];
        assert_eq!(partial(&cut), [false, true]);
        assert_eq!(readings(&cut)[1].elapsed_ns, 7);
        // Stopped as asked, and then closed.
        let mut stopped = lines("s", &[560, 1000]);
        if let Line::Phase(phase) = &mut stopped[3] {
            phase.partial = true;
        }
        assert_eq!(partial(&stopped), [false, true]);
    }

    #[test]
    fn retained_is_what_is_free_and_resident_and_never_negative() {
        let mut ledger = in_cycle("s", "fill", 0, 560).ledger;
        let mut retained = |terms: &[(&'static str, &'static str, i64)]| {
            let terms = terms
                .iter()
                .map(|(owner, name, bytes)| term(owner, name, *bytes));
            ledger.terms = terms.collect();
            retained_bytes(&ledger)
        };
        assert_eq!(retained(&[("allocator", "free but resident", -5)]), 0);
        let arena = [
            ("sqlite", "unreturned", 100),
            ("sqlite", "untouched", -30),
            ("rust", "unreturned", 10),
            ("rust", "untouched", -40),
        ];
        assert_eq!(retained(&arena), 70);
        // An arena that SQLite and Rust share, and glibc's terms behind it.
        let shared = [
            ("allocator", "unreturned", 100),
            ("allocator", "untouched", 0),
            ("allocator", "retained but resident", 4),
            ("allocator", "free but resident", 8),
            ("allocator", "untouched", -60),
        ];
        assert_eq!(retained(&shared), 112);
    }
}
