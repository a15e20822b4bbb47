//! The series that is judged, from the lines of a record: the ends of cycles, or the readings inside
//! the fill of a workload that has none.

use super::extremes;
use crate::analysis::{Facts, Moment, Per, Probed, Series, Terms};
use crate::record::{LedgerRecord, Line, PhaseRecord, ScenarioRecord};
use crate::verdict::Probe;

impl Terms for LedgerRecord {
    fn each(&self, see: &mut dyn FnMut(&str, &str, i64)) {
        for term in &self.terms {
            see(&term.owner, &term.term, term.bytes);
        }
    }
}

/// What the rules see of a phase.
fn moment(phase: &PhaseRecord, at: f64) -> Moment {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let ledger = &phase.ledger;
    let beside = &ledger.beside;
    let sum = |field: fn(&crate::record::ConnectionRecord) -> i64| {
        let numbers = ledger.connections.iter().map(field);
        numbers.fold(0, i64::saturating_add)
    };
    Moment {
        at,
        rss: ledger.rss_bytes,
        anonymous: number(beside.anonymous_bytes),
        unattributed: ledger.unattributed_bytes,
        sqlite_blocks: beside.sqlite_blocks,
        rust_blocks: beside.rust_blocks,
        glibc_arenas: beside.glibc_arenas,
        connections: ledger.connections.len() as i64,
        known_page_cache: sum(|one| one.page_cache_bytes),
        memory_database: sum(|one| one.memory_database_bytes),
        memdb_image: sum(|one| one.memdb_image_bytes),
        statement_count: sum(|one| one.statements),
        cache_spills: sum(|one| one.cache_spills),
        open_files: number(phase.open_files),
        ..Moment::of_terms(ledger)
    }
}

/// The last moment of a cycle that goes on.
#[derive(Debug, Clone)]
struct Cycle {
    number: u32,
    moment: Moment,
    phase: String,
    /// Stopped, or the last line was inside a phase.
    cut_off: bool,
}

/// Makes a [`Series`] of the lines of one scenario, in the order of the record.
#[derive(Debug, Clone, Default)]
pub struct Collector {
    series: Series,
    /// Readings inside the fill, for a workload without cycles.
    fill: Series,
    cycle: Option<Cycle>,
    /// The phase that cycles end with.
    usual_end: Option<String>,
    before: Moment,
}

impl Collector {
    /// Takes from `line` what is to be judged.
    pub fn line(&mut self, line: &Line) {
        match line {
            Line::Scenario(scenario) => self.series.facts = facts(scenario),
            Line::Phase(phase) => self.phase(phase),
            _ => {}
        }
    }

    fn phase(&mut self, phase: &PhaseRecord) {
        let at = phase.cycle.map_or(0.0, f64::from);
        let now = moment(phase, at);
        let probe = match phase.phase.as_str() {
            "close" => Some(Probe::Close),
            _ => phase.probe,
        };
        if let Some(probe) = probe
            && self.series.probes.len() < super::MOST
        {
            self.series.probes.push(Probed {
                probe,
                before: self.before,
                after: now,
                statements: phase.statements.clone(),
            });
        }
        self.before = now;
        match (phase.cycle, phase.phase.as_str()) {
            (Some(number), _) => self.see_cycle(number, phase, now),
            (None, "open") => self.series.baseline = Some(now),
            (None, "fill") if phase.reading.is_some() || phase.partial => {
                let at = phase.rows.unwrap_or(0) as f64;
                self.fill.per = Per::Row;
                self.fill.push(Moment { at, ..now });
            }
            _ => {}
        }
    }

    fn see_cycle(&mut self, number: u32, phase: &PhaseRecord, now: Moment) {
        if self
            .cycle
            .as_ref()
            .is_some_and(|cycle| cycle.number != number)
        {
            self.end_cycle();
        }
        self.cycle = Some(Cycle {
            number,
            moment: now,
            phase: phase.phase.clone(),
            cut_off: phase.partial || phase.reading.is_some(),
        });
    }

    /// A cycle that ends with another phase than those before it was cut off.
    fn end_cycle(&mut self) {
        let Some(cycle) = self.cycle.take() else {
            return;
        };
        let usual = self.usual_end.as_ref();
        if cycle.cut_off || usual.is_some_and(|usual| *usual != cycle.phase) {
            return;
        }
        if cycle.number > 0 {
            self.usual_end = Some(cycle.phase);
        }
        self.series.per = Per::Cycle;
        self.series.push(cycle.moment);
    }

    /// After the last line.
    pub fn series(mut self) -> Series {
        self.end_cycle();
        if self.series.per == Per::Cycle {
            return self.series;
        }
        let Series {
            baseline,
            probes,
            facts,
            ..
        } = self.series;
        (self.fill.baseline, self.fill.probes, self.fill.facts) = (baseline, probes, facts);
        self.fill
    }
}

fn facts(scenario: &ScenarioRecord) -> Facts {
    let mut spill = scenario
        .pragmas
        .iter()
        .filter(|one| one.name == "cache_spill");
    let off = spill
        .find_map(|one| one.read_back.as_deref())
        .map(|value| value == "0");
    Facts {
        cache_allowance_bytes: extremes::allowance(scenario).map(|one| one.with_headers_bytes),
        cache_spill_off: off,
    }
}

#[cfg(test)]
mod tests {
    use super::super::cycles::samples::{MIB, lines};
    use super::*;

    fn series(lines: &[Line]) -> Series {
        let mut collector = Collector::default();
        lines.iter().for_each(|line| collector.line(line));
        collector.series()
    }

    #[test]
    fn a_series_has_the_ends_of_whole_cycles_and_the_close_as_a_probe() {
        let whole = series(&lines("s", &[560, 1000, 1500]));
        let rss: Vec<i64> = whole.moments().iter().map(|one| one.rss / MIB).collect();
        assert_eq!((rss, whole.per), (vec![560, 1000, 1500], Per::Cycle));
        assert_eq!(whole.moments()[2].glibc_free, 940 * MIB);
        assert_eq!(whole.probe(Probe::Close).unwrap().before.rss, 1500 * MIB);
        // Killed between the phases of its last cycle.
        let mut killed = lines("s", &[560, 1000, 1500]);
        killed.truncate(killed.len() - 2);
        assert_eq!(series(&killed).moments().len(), 2);
    }
}
