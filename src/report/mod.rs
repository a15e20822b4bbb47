//! What a person or a program reads after a run: a table, one JSON object, CSV.
//!
//! Built from the lines of the record and from nothing else. A [`ScenarioReport`] keeps the ends
//! of phases, the result and the errors; of phases that repeat it keeps those of the last cycle and
//! sums, of the samples the peak and of the readings the last one and the fullest, so that it does
//! not grow with the length of a run.

use crate::analysis::{Series, judge};
use crate::memory::statements::Statements;
use crate::record::{
    ErrorRecord, LedgerRecord, Line, PhaseRecord, ResultRecord, ScenarioRecord, TurnRecord,
    VerdictRecord,
};
use crate::scenario::Scenario;
use crate::verdict::Verdict;
use cycles::Cycles;
use extremes::Extremes;

pub mod comparison;
pub mod csv;
pub mod cycles;
pub mod export;
pub mod extremes;
pub mod format;
pub mod gathered;
mod heap_counters;
pub mod instrumented;
pub mod json;
pub mod layout;
pub mod markdown;
pub mod page;
mod phases;
pub mod plot;
mod profiled;
pub mod remedies;
pub mod repeats;
pub mod series;
mod style;
pub mod summary;
pub mod terminal;
pub mod timeline;
mod tree;
pub mod verdicts;

/// A scenario has some ten phases that do not repeat. Of a record that has more than this of anything,
/// what stands in the middle is left out, so that nothing grows with it.
const MOST: usize = 200;

/// What a run had to say about one scenario.
#[derive(Debug, Clone, Default)]
pub struct ScenarioReport {
    /// Unique in the run.
    pub name: String,
    /// By the name that `--set` takes.
    pub parameters: serde_json::Map<String, serde_json::Value>,
    /// What the testee said of itself; absent where it never got so far.
    pub scenario: Option<ScenarioRecord>,
    /// The ends of phases, of the cycles' those of the last one; the last reading too, where its
    /// phase never ended.
    pub phases: Vec<PhaseRecord>,
    /// What the workload left behind.
    pub result: Option<ResultRecord>,
    /// In the order in which they happened; the first is the cause.
    pub errors: Vec<ErrorRecord>,
    /// What its ledgers came to at most.
    pub extremes: Extremes,
    /// The largest sample taken from outside.
    pub peak_sample_bytes: u64,
    /// Its cycles, where it has any.
    pub cycles: Cycles,
    /// What its ledgers show; absent until it was judged.
    pub verdict: Option<VerdictRecord>,
    /// Of several executions: which one it is.
    pub turn: Option<TurnRecord>,
    /// What the probe `finalize` found, largest first.
    pub not_finalized: Vec<Statements>,
    series: series::Collector,
    elapsed_ns: u64,
    last_reading: Option<PhaseRecord>,
    over_bound: Vec<String>,
    left_out: u64,
}

/// An error for a person: messages are whole, and some begin with what they are about.
pub fn describe(error: &ErrorRecord) -> String {
    let ErrorRecord { what, message, .. } = error;
    if message.starts_with(what.as_str()) {
        message.clone()
    } else {
        format!("{what}: {message}")
    }
}

/// Whether a phase belongs to a cycle that is not the fill's.
fn repeats(phase: &PhaseRecord) -> bool {
    phase.cycle.is_some_and(|cycle| cycle > 0)
}

/// Whose line it is; `None` for one of the run.
fn scenario_of(line: &Line) -> Option<&str> {
    match line {
        Line::Scenario(record) => Some(&record.scenario),
        Line::Phase(record) => Some(&record.scenario),
        Line::Sample(record) => Some(&record.scenario),
        Line::Verdict(record) => Some(&record.scenario),
        Line::Remedy(record) => Some(&record.scenario),
        Line::Turn(record) => Some(&record.scenario),
        Line::Result(record) => Some(&record.scenario),
        Line::Error(record) => record.scenario.as_deref(),
        Line::Run(_)
        | Line::Environment(_)
        | Line::Program(_)
        | Line::Listening(_)
        | Line::Progress(_) => None,
    }
}

/// What `unattributed` may come to, by the ledger's own rule.
pub fn bound_bytes(rss_bytes: i64) -> i64 {
    crate::memory::ledger::bound_bytes(rss_bytes.unsigned_abs())
}

/// Whether a ledger's remainder is within its bound, on either side of zero.
pub fn within_bound(ledger: &LedgerRecord) -> bool {
    ledger.unattributed_bytes.unsigned_abs() <= bound_bytes(ledger.rss_bytes).unsigned_abs()
}

impl ScenarioReport {
    /// Before the first line.
    pub fn new(scenario: &Scenario) -> Self {
        ScenarioReport {
            name: scenario.name.clone(),
            parameters: scenario.parameters(),
            ..ScenarioReport::default()
        }
    }

    /// Takes from `line` what is to be kept.
    pub fn line(&mut self, line: &Line) {
        if let Line::Phase(phase) = line {
            self.extremes.see(phase);
            self.see_bound(phase);
        }
        self.cycles.line(line);
        self.series.line(line);
        match line {
            Line::Scenario(record) => {
                self.parameters = record.parameters.clone();
                self.scenario = Some(record.clone());
            }
            Line::Phase(phase) if phase.reading.is_some() => {
                self.last_reading = Some(phase.clone());
            }
            Line::Phase(phase) => {
                self.last_reading = None;
                let room = MOST.saturating_sub(self.not_finalized.len());
                let statements = phase.statements.iter().take(room);
                self.not_finalized.extend(statements.cloned());
                self.end_phase(phase.clone());
            }
            Line::Sample(sample) => {
                self.peak_sample_bytes = self.peak_sample_bytes.max(sample.rss_bytes);
            }
            Line::Result(result) => self.result = Some(result.clone()),
            Line::Error(error) if self.errors.len() < MOST => self.errors.push(error.clone()),
            Line::Error(_) => self.left_out += 1,
            Line::Run(_)
            | Line::Environment(_)
            | Line::Listening(_)
            | Line::Progress(_)
            | Line::Program(_)
            | Line::Remedy(_) => {}
            Line::Turn(turn) => self.turn = Some(turn.clone()),
            Line::Verdict(verdict) => self.verdict = Some(verdict.clone()),
        }
    }

    /// After the last line: a phase that never ended is shown by its last reading.
    pub fn ended(&mut self) {
        self.cycles.ended();
        if let Some(mut reading) = self.last_reading.take() {
            reading.partial = true;
            self.end_phase(reading);
        }
    }

    /// Without what can be read again in the record: for very many that are kept until the end.
    pub fn slim(&mut self) {
        self.phases = Vec::new();
        self.cycles = Cycles::default();
        self.series = series::Collector::default();
        self.last_reading = None;
    }

    /// What the ledgers seen so far show. `expected` is what the scenario's declaration says.
    pub fn judge(&self, expected: Option<Vec<Verdict>>) -> VerdictRecord {
        VerdictRecord {
            scenario: self.name.clone(),
            expected,
            judgement: judge(&self.series()),
        }
    }

    /// What is judged, as far as it was seen.
    pub fn series(&self) -> Series {
        self.series.clone().series()
    }

    fn end_phase(&mut self, phase: PhaseRecord) {
        self.elapsed_ns = self.elapsed_ns.saturating_add(phase.elapsed_ns);
        if repeats(&phase) {
            let other = |one: &PhaseRecord| repeats(one) && one.cycle != phase.cycle;
            self.phases.retain(|one| !other(one));
        }
        if self.phases.len() == MOST {
            self.phases.remove(MOST / 2);
            self.left_out += 1;
        }
        self.phases.push(phase);
    }

    /// Phases that do not repeat, and errors, of which there were too many to keep.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Of all phases together.
    pub fn elapsed_ns(&self) -> u64 {
        self.elapsed_ns
    }

    /// The most that was ever resident, by whoever saw most; 0 where nobody looked.
    pub fn peak_bytes(&self) -> u64 {
        let phases = self.phases.iter().map(|phase| phase.peak_rss_bytes);
        let result = self.result.as_ref().map(|result| result.peak_rss_bytes);
        phases
            .chain(result)
            .chain([self.peak_sample_bytes, self.cycles.peak_rss_bytes()])
            .max()
            .unwrap_or(0)
    }

    /// The moments at which the remainder was over its bound: ends of phases, and of the readings
    /// inside a phase the first.
    pub fn over_bound(&self) -> &[String] {
        &self.over_bound
    }

    fn see_bound(&mut self, phase: &PhaseRecord) {
        if within_bound(&phase.ledger) {
            return;
        }
        let name = &phase.phase;
        let moment = match phase.reading {
            None => format!("after {name}"),
            Some(_) => format!("inside {name}"),
        };
        if self.over_bound.len() < MOST && !self.over_bound.contains(&moment) {
            self.over_bound.push(moment);
        }
    }
}

#[cfg(test)]
pub(crate) mod samples {
    //! Lines as a testee writes them.

    use super::*;
    use crate::record::TermRecord;

    pub(crate) fn term(owner: &'static str, term: &'static str, bytes: i64) -> TermRecord {
        TermRecord {
            owner: owner.into(),
            term: term.into(),
            bytes,
            source: "a \"test\", no more".into(),
            counts: true,
            within: None,
        }
    }

    fn split(within: &'static str, name: &'static str, bytes: i64) -> TermRecord {
        TermRecord {
            counts: false,
            within: Some(within.into()),
            ..term("sqlite", name, bytes)
        }
    }

    /// A phase whose terms add up, with `unattributed` left over.
    pub(crate) fn phase(name: &str, unattributed: i64) -> PhaseRecord {
        let terms = vec![
            term("sqlite", "live", 80 << 20),
            split("live", "page cache", 70 << 20),
            split("page cache", "dirty", 10 << 20),
            split("live", "statements", 6 << 10),
            term("sqlite", "untouched", -(1 << 20)),
            term("program", "data", 3 << 20),
        ];
        let counted: i64 = terms.iter().filter(|t| t.counts).map(|t| t.bytes).sum();
        PhaseRecord {
            scenario: "s[a=1,b=2]".into(),
            phase: name.into(),
            cycle: None,
            probe: None,
            statements: Vec::new(),
            reading: None,
            partial: false,
            at_ns: 2_500_000_000,
            elapsed_ns: 2_000_000_000,
            user_ns: 1,
            system_ns: 2,
            page_faults: 3,
            peak_rss_bytes: 90 << 20,
            open_files: 4,
            rows: Some(1000),
            ledger_ns: 5,
            ledger: LedgerRecord {
                rss_bytes: counted + unattributed,
                unattributed_bytes: unattributed,
                terms,
                ..LedgerRecord::default()
            },
        }
    }

    /// What a testee says of itself.
    pub(crate) fn scenario() -> ScenarioRecord {
        ScenarioRecord {
            scenario: "s[a=1,b=2]".into(),
            parameters: serde_json::Map::new(),
            pragmas: Vec::new(),
            rust_allocator: "system".into(),
            sqlite_allocator: "arena".into(),
            route_verified: true,
            route_evidence: "seen".into(),
            instruments: Vec::new(),
            absent: Vec::new(),
            pid: 1,
        }
    }

    /// A scenario that went well.
    pub(crate) fn report() -> ScenarioReport {
        let mut report = ScenarioReport {
            name: "s[a=1,b=2]".into(),
            ..Default::default()
        };
        report.line(&Line::Phase(phase("fill", 500 << 10)));
        report.line(&Line::Phase(phase("close", 0)));
        report.line(&Line::Result(ResultRecord {
            scenario: report.name.clone(),
            inserted: 10_000_000,
            rows: 1_112_064,
            distinct_rows: Some(1_112_064),
            last_rowid: Some(10_000_000),
            content_hash: "00".into(),
            verified: true,
            cycles: None,
            dump_bytes: None,
            not_closed: None,
            rows_per_second: 512_345.6,
            peak_rss_bytes: 91 << 20,
            user_ns: 1_000_000_000,
            system_ns: 500_000_000,
        }));
        report.ended();
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_one_percent_but_at_least_a_mebibyte_on_both_sides_of_zero() {
        let mut ledger = samples::phase("fill", 0).ledger;
        for (rss, unattributed, within) in [
            (10 << 20, 1 << 20, true),
            (10 << 20, (1 << 20) + 1, false),
            (10 << 20, -(1 << 20) - 1, false),
            (1000 << 20, 10 << 20, true),
            (1000 << 20, (10 << 20) + 1, false),
        ] {
            (ledger.rss_bytes, ledger.unattributed_bytes) = (rss, unattributed);
            assert_eq!(within_bound(&ledger), within, "{rss} {unattributed}");
        }
    }

    #[test]
    fn an_error_says_what_it_is_about_once() {
        let error = |message: &str| ErrorRecord {
            scenario: None,
            what: "limit_rss".into(),
            message: message.into(),
        };
        assert_eq!(
            describe(&error("limit_rss: too much")),
            "limit_rss: too much"
        );
        assert_eq!(describe(&error("too much")), "limit_rss: too much");
    }

    #[test]
    fn a_reading_over_its_bound_counts_as_the_end_of_a_phase_does() {
        let mut report = ScenarioReport::default();
        for reading in [Some(1), Some(2), None] {
            let unattributed = if reading.is_some() { 20 << 20 } else { 0 };
            let phase = PhaseRecord {
                reading,
                ..samples::phase("fill", unattributed)
            };
            report.line(&Line::Phase(phase));
        }
        report.ended();
        assert_eq!(report.over_bound(), ["inside fill"]);
        report.line(&Line::Phase(samples::phase("close", 20 << 20)));
        assert_eq!(report.over_bound(), ["inside fill", "after close"]);
    }

    #[test]
    fn of_many_cycles_the_phases_of_the_last_one_are_kept() {
        let mut report = ScenarioReport::default();
        let rss: Vec<i64> = (560..860).collect();
        for line in cycles::samples::lines("s", &rss) {
            report.line(&line);
        }
        report.ended();
        let kept = report.phases.iter().map(|p| (p.phase.as_str(), p.cycle));
        let last = Some(299);
        assert_eq!(
            kept.collect::<Vec<_>>(),
            [
                ("fill", Some(0)),
                ("backup", last),
                ("dump", last),
                ("dispose", last),
                ("close", None)
            ]
        );
        assert_eq!(report.elapsed_ns(), 2_000_000_000 * (2 + 3 * 299));
        assert_eq!(report.peak_bytes(), (859 + 524) << 20);
        assert_eq!(report.cycles.count(), 300);
    }

    #[test]
    fn of_very_many_phases_the_first_and_the_last_are_kept_and_the_others_counted() {
        let mut report = ScenarioReport::default();
        for at_ns in 0..10_000 {
            let phase = PhaseRecord {
                at_ns,
                ..samples::phase("fill", 0)
            };
            report.line(&Line::Phase(phase));
        }
        report.ended();
        let phases = &report.phases;
        assert_eq!(
            (phases.len(), report.left_out()),
            (MOST, 10_000 - MOST as u64)
        );
        assert_eq!((phases[0].at_ns, phases[MOST - 1].at_ns), (0, 9_999));
    }

    #[test]
    fn a_phase_that_never_ended_is_shown_by_its_last_reading() {
        let mut report = ScenarioReport::default();
        for reading in 1..=3 {
            let phase = PhaseRecord {
                reading: Some(reading),
                ..samples::phase("fill", 0)
            };
            report.line(&Line::Phase(phase));
        }
        report.ended();
        assert_eq!(report.phases.len(), 1);
        assert_eq!(
            (report.phases[0].reading, report.phases[0].partial),
            (Some(3), true)
        );
    }
}
