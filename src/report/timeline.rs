//! The ledgers of one scenario over time, for a picture: who owned how much when, in which phase, and
//! what was resident between them. Of a long run the peaks are kept, in room that does not grow.

use crate::memory::ledger::Owner;
use crate::record::{LedgerRecord, Line, PhaseRecord, SampleRecord};

/// What a ledger is divided into, in the order in which it is stacked: its owners, owners that only a
/// later version knows, and what has none. Together they are RSS.
pub const OWNERS: [&str; 10] = [
    Owner::Sqlite.name(),
    Owner::Rust.name(),
    Owner::OtherC.name(),
    Owner::Allocator.name(),
    Owner::Stacks.name(),
    Owner::Program.name(),
    Owner::Instrument.name(),
    Owner::Files.name(),
    "others",
    "unattributed",
];

/// Index of what has no owner.
const UNATTRIBUTED: usize = OWNERS.len() - 1;

/// Most points, samples and spans that are kept, each.
pub const MOST: usize = 400;

/// Bytes by owner, in the order of [`OWNERS`]. They add up to RSS.
pub fn by_owner(ledger: &LedgerRecord) -> [i64; OWNERS.len()] {
    let mut bytes = [0_i64; OWNERS.len()];
    for term in ledger.terms.iter().filter(|term| term.counts) {
        let known = OWNERS[..UNATTRIBUTED - 1].iter();
        let at = known.clone().position(|owner| *owner == term.owner);
        let at = at.unwrap_or(UNATTRIBUTED - 1);
        bytes[at] = bytes[at].saturating_add(term.bytes);
    }
    bytes[UNATTRIBUTED] = ledger.unattributed_bytes;
    bytes
}

/// One ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// Since the testee started.
    pub at_ns: u64,
    /// The phase that it is the end of, or inside of.
    pub phase: String,
    /// Which probe, for phase `probe`.
    pub probe: Option<&'static str>,
    /// Its cycle.
    pub cycle: Option<u32>,
    /// Inside the phase, from 1; `None` at its end.
    pub reading: Option<u32>,
    /// Resident bytes.
    pub rss_bytes: i64,
    /// See [`by_owner`].
    pub owners: [i64; OWNERS.len()],
    /// Bytes in SQLite's live blocks.
    pub sqlite_live_bytes: i64,
}

/// One look from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Since the testee was started.
    pub at_ns: u64,
    /// Resident bytes.
    pub rss_bytes: i64,
}

/// A phase, from its begin to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Its name.
    pub phase: String,
    /// Its cycle.
    pub cycle: Option<u32>,
    /// Since the testee started.
    pub from_ns: u64,
    /// Since the testee started.
    pub to_ns: u64,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    points: Vec<Point>,
    looks: Vec<Look>,
    spans: Vec<Span>,
    seen: Seen,
}

/// How many there were.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    points: u64,
    looks: u64,
    spans: u64,
}

impl Timeline {
    /// Takes from `line`, the next of one scenario, what is to be shown.
    pub fn line(&mut self, line: &Line) {
        match line {
            Line::Phase(phase) => self.phase(phase),
            Line::Sample(sample) => self.sample(sample),
            _ => {}
        }
    }

    fn phase(&mut self, phase: &PhaseRecord) {
        let ledger = &phase.ledger;
        self.seen.points += 1;
        self.points.push(Point {
            at_ns: phase.at_ns,
            phase: phase.phase.clone(),
            probe: phase.probe.map(|probe| probe.name()),
            cycle: phase.cycle,
            reading: phase.reading,
            rss_bytes: ledger.rss_bytes,
            owners: by_owner(ledger),
            sqlite_live_bytes: super::extremes::sqlite_bytes(ledger, "live"),
        });
        thin(&mut self.points, |point| point.rss_bytes);
        if phase.reading.is_some() && !phase.partial {
            return;
        }
        let before = self.spans.last().map_or(0, |span| span.to_ns);
        let from_ns = phase.at_ns.saturating_sub(phase.elapsed_ns).max(before);
        self.seen.spans += 1;
        self.spans.push(Span {
            phase: phase.phase.clone(),
            cycle: phase.cycle,
            from_ns: from_ns.min(phase.at_ns),
            to_ns: phase.at_ns,
        });
        let long = |span: &Span| i64::try_from(span.to_ns - span.from_ns).unwrap_or(i64::MAX);
        thin(&mut self.spans, long);
    }

    fn sample(&mut self, sample: &SampleRecord) {
        self.seen.looks += 1;
        self.looks.push(Look {
            at_ns: sample.at_ns,
            rss_bytes: i64::try_from(sample.rss_bytes).unwrap_or(i64::MAX),
        });
        thin(&mut self.looks, |look| look.rss_bytes);
    }

    /// Ledgers in the order of time.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Looks from outside in the order of time.
    pub fn looks(&self) -> &[Look] {
        &self.looks
    }

    /// Phases in the order of time; the longest, where there were very many.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// How many ledgers there were, of which the points are those that stand out.
    pub fn ledgers(&self) -> u64 {
        self.seen.points
    }

    /// Whether something was left out.
    pub fn is_thinned(&self) -> bool {
        let Seen {
            points,
            looks,
            spans,
        } = self.seen;
        let kept = [self.points.len(), self.looks.len(), self.spans.len()];
        kept.map(|kept| kept as u64) != [points, looks, spans]
    }
}

/// Of each two neighbours the one with more goes on, when there are twice [`MOST`]; the first and the
/// last always do.
fn thin<T>(all: &mut Vec<T>, weight: impl Fn(&T) -> i64) {
    if all.len() < 2 * MOST {
        return;
    }
    let last = all.pop();
    let mut rest = std::mem::take(all).into_iter();
    all.extend(rest.next());
    while let Some(one) = rest.next() {
        all.push(match rest.next() {
            Some(other) if weight(&other) > weight(&one) => other,
            _ => one,
        });
    }
    all.extend(last);
}

#[cfg(test)]
mod tests {
    use super::super::cycles::samples::{MIB, lines};
    use super::super::samples;
    use super::*;

    #[test]
    fn owners_add_up_to_rss_and_unknown_ones_stand_together() {
        let mut ledger = samples::phase("fill", 7 << 10).ledger;
        ledger.terms.push(samples::term("martian", "eggs", 5));
        ledger.rss_bytes += 5;
        let owners = by_owner(&ledger);
        assert_eq!(owners.iter().sum::<i64>(), ledger.rss_bytes);
        assert_eq!((owners[8], owners[9]), (5, 7 << 10));
        assert_eq!(owners[0], (80 << 20) - (1 << 20));
    }

    #[test]
    fn spans_stand_side_by_side_and_end_where_their_phase_does() {
        let mut timeline = Timeline::default();
        let mut at = 0;
        for mut line in lines("s", &[560, 1000]) {
            if let Line::Phase(phase) = &mut line {
                at += 3_000_000_000;
                phase.at_ns = at;
            }
            timeline.line(&line);
        }
        let names: Vec<&str> = timeline.spans().iter().map(|s| s.phase.as_str()).collect();
        assert_eq!(names, ["fill", "backup", "dump", "dispose", "close"]);
        let fill = &timeline.spans()[0];
        assert_eq!((fill.from_ns, fill.to_ns), (1_000_000_000, 3_000_000_000));
        assert!(!timeline.is_thinned());
    }

    #[test]
    fn a_long_run_keeps_its_begin_its_end_and_its_peak_in_the_same_room() {
        let mut timeline = Timeline::default();
        for n in 0..100_000_u64 {
            let sample = SampleRecord {
                scenario: "s".into(),
                at_ns: n,
                rss_bytes: if n == 61_803 { 9 * MIB as u64 } else { n },
                anonymous_bytes: 0,
                swap_bytes: 0,
                disk_bytes: 0,
            };
            timeline.line(&Line::Sample(sample));
        }
        let looks = timeline.looks();
        assert!(looks.len() < 2 * MOST && looks.len() >= MOST);
        assert_eq!((looks[0].at_ns, looks[looks.len() - 1].at_ns), (0, 99_999));
        assert!(looks.iter().any(|look| look.rss_bytes == 9 * MIB));
        assert!(looks.is_sorted_by_key(|look| look.at_ns));
        assert!(timeline.is_thinned());
    }
}
