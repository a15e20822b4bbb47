//! What the scenarios of a run were measured to be, as a list of numbers with a unit and a direction:
//! what every export is made of.
//!
//! Executions of one scenario stand together, those of each side by themselves. Nothing stands for what
//! was not measured; an execution that failed counts only where none went well.

use crate::record::{LedgerRecord, PhaseRecord, Side};
use crate::report::cycles::{Quantity, retained_bytes};
use crate::report::gathered::{Course, Gathered};
use crate::report::repeats;
use crate::verdict::{Confidence, Verdict};

/// What is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// INSERTs a second over the fill.
    RowsPerSecond,
    /// Of a workload with cycles, by the median cycle.
    CyclesPerSecond,
    /// A whole cycle, the median.
    Cycle,
    /// A phase: the median where it repeats.
    Phase(String),
    /// The most that was ever resident.
    PeakRss,
    /// After the last whole cycle, or after the fill of a workload without cycles.
    EndRss,
    /// RSS at the end less RSS after the fill, or less that of the first reading inside the fill.
    Growth,
    /// SQLite's live bytes at the end.
    SqliteLive,
    /// Free and resident at the end.
    Retained,
    /// What no term accounts for at the end.
    Unattributed,
    /// All terms of an owner that count, at the end.
    Owner(String),
    /// A term that counts, at the end.
    Term(String, String),
    /// A finer split of a term at the end: owner, name, and what it is a part of.
    Part(String, String, String),
}

impl What {
    /// Of its values.
    pub const fn unit(&self) -> Unit {
        match self {
            What::RowsPerSecond | What::CyclesPerSecond => Unit::PerSecond,
            What::Cycle | What::Phase(_) => Unit::Nanoseconds,
            _ => Unit::Bytes,
        }
    }

    /// All else is better where it is smaller.
    pub const fn bigger_is_better(&self) -> bool {
        matches!(self.unit(), Unit::PerSecond)
    }

    /// Whether it is of the workload, and not of what stands before and behind it.
    pub fn is_work(&self) -> bool {
        !matches!(self, What::Phase(phase) if ["open", "verify", "close"].contains(&phase.as_str()))
    }
}

/// What a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Nanoseconds.
    Nanoseconds,
    /// Rows or cycles a second.
    PerSecond,
}

/// One number, of each execution that has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    /// What it is the number of.
    pub what: What,
    /// Ascending; never empty, and all finite.
    values: Vec<f64>,
}

impl Measure {
    /// The middle one, or the mean of the two in the middle.
    pub fn median(&self) -> f64 {
        let half = self.values.len() / 2;
        if self.values.len().is_multiple_of(2) {
            f64::midpoint(self.values[half - 1], self.values[half])
        } else {
            self.values[half]
        }
    }

    /// The least and the most, where there are several.
    pub fn range(&self) -> Option<(f64, f64)> {
        match self.values.as_slice() {
            [least, .., most] => Some((*least, *most)),
            _ => None,
        }
    }
}

/// A verdict of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// What kind of growth.
    pub verdict: Verdict,
    /// How sure it is.
    pub confidence: Confidence,
    /// How many bytes it is about.
    pub bytes: i64,
}

/// All executions of one scenario on one side.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// The scenario's, without the number of a turn or a round.
    pub of: String,
    /// Which of two programs.
    pub side: Option<Side>,
    /// `insert`, `snapshot`, `fault`; absent where no testee got so far.
    pub workload: Option<String>,
    /// The Rust global allocator in force; absent where no testee got so far.
    pub rust_allocator: Option<String>,
    /// SQLite's allocator in force; absent where no testee got so far.
    pub sqlite_allocator: Option<String>,
    /// What makes its times and RSS other than they were without it.
    pub distorted_by: Option<String>,
    /// How often it ran.
    pub executions: usize,
    /// Of all executions.
    pub errors: usize,
    /// Whether what every execution left behind was verified; absent where none came so far.
    pub verified: Option<bool>,
    /// Of the last execution that was judged, largest first.
    pub verdicts: Vec<Found>,
    /// Whether those are what the scenario's declaration says; absent where it says nothing.
    pub as_expected: Option<bool>,
    /// In a fixed order.
    pub measures: Vec<Measure>,
    went_well: usize,
}

impl Measured {
    /// The same in every run of the scenario: `insert-10m`, `insert-10m new`.
    pub fn name(&self) -> String {
        match self.side {
            Some(side) => format!("{} {}", self.of, side.name()),
            None => self.of.clone(),
        }
    }

    /// Why its numbers may not be compared with those of other runs.
    pub fn incomparable(&self) -> Option<String> {
        if let Some(by) = &self.distorted_by {
            return Some(format!(
                "instrumented by {by}: not the times and RSS of a run without it"
            ));
        }
        let failed = format!("failed in each of {} executions", self.executions);
        (self.went_well == 0).then_some(failed)
    }

    /// Of what was measured.
    pub fn find(&self, what: &What) -> Option<&Measure> {
        self.measures.iter().find(|one| one.what == *what)
    }
}

/// Of every scenario, in the order of the record.
pub fn of(run: &Gathered) -> Vec<Measured> {
    let mut all: Vec<Measured> = Vec::new();
    for course in &run.scenarios {
        let (of, side) = identity(course);
        let same = |one: &Measured| one.of == of && one.side == side;
        let at = all.iter().position(same).unwrap_or_else(|| {
            all.push(Measured {
                of,
                side,
                ..Measured::default()
            });
            all.len() - 1
        });
        all[at].add(course);
    }
    for measure in all.iter_mut().flat_map(|one| &mut one.measures) {
        measure.values.sort_by(f64::total_cmp);
    }
    all
}

/// Whose execution it is.
fn identity(course: &Course) -> (String, Option<Side>) {
    if let Some(turn) = &course.turn {
        return (turn.of.clone(), turn.side);
    }
    let of = match &course.remedy {
        Some(remedy) if remedy.set.is_empty() => remedy.of.clone(),
        Some(remedy) => format!("{} + {}", remedy.of, remedy.set.join(" ")),
        None => course.report.name.clone(),
    };
    (of, None)
}

impl Measured {
    fn add(&mut self, course: &Course) {
        let report = &course.report;
        self.executions += 1;
        self.errors += report.errors.len();
        if let Some(scenario) = &report.scenario {
            let workload = scenario.parameters.get("workload");
            self.workload = workload.and_then(|name| name.as_str()).map(str::to_owned);
            self.rust_allocator = Some(scenario.rust_allocator.clone());
            self.sqlite_allocator = Some(scenario.sqlite_allocator.clone());
        }
        self.distorted_by = self.distorted_by.take().or_else(|| report.distorted_by());
        let verified = report.result.as_ref().map(|result| result.verified);
        self.verified = match (self.verified, verified) {
            (Some(before), Some(now)) => Some(before && now),
            (before, now) => before.or(now),
        };
        if let Some(verdict) = &report.verdict {
            let judgement = &verdict.judgement;
            let found = judgement.findings.iter().map(|finding| Found {
                verdict: finding.verdict,
                confidence: finding.confidence,
                bytes: finding.bytes,
            });
            self.verdicts = found.collect();
            let expected = verdict.expected.as_deref();
            let comparable = expected.filter(|_| judgement.none.is_none());
            self.as_expected = comparable.map(|expected| judgement.is(expected));
        }
        let well = report.errors.is_empty() && verified != Some(false);
        if well && self.went_well == 0 {
            self.measures.clear();
        }
        self.went_well += usize::from(well);
        if well || self.went_well == 0 {
            each(course, &mut |what, value| self.put(what, value));
        }
    }

    fn put(&mut self, what: What, value: f64) {
        if !value.is_finite() {
            return;
        }
        match self.measures.iter_mut().find(|one| one.what == what) {
            Some(known) => known.values.push(value),
            None => self.measures.push(Measure {
                what,
                values: vec![value],
            }),
        }
    }
}

/// Every number of one execution, once each.
fn each(course: &Course, put: &mut dyn FnMut(What, f64)) {
    times(course, put);
    let report = &course.report;
    match report.peak_bytes() {
        0 => {}
        peak => put(What::PeakRss, peak as f64),
    }
    let Some(end) = End::of(course) else { return };
    put(What::EndRss, end.rss_bytes as f64);
    if let Some(growth) = growth(course) {
        put(What::Growth, growth as f64);
    }
    put(What::SqliteLive, end.sqlite_live_bytes as f64);
    put(What::Retained, end.retained_bytes as f64);
    put(What::Unattributed, end.unattributed_bytes as f64);
    if let Some(ledger) = end.ledger {
        terms(ledger, put);
    }
}

fn times(course: &Course, put: &mut dyn FnMut(What, f64)) {
    let report = &course.report;
    let rate = report.result.as_ref().map(|result| result.rows_per_second);
    if let Some(rate) = rate.filter(|rate| *rate > 0.0) {
        put(What::RowsPerSecond, rate);
    }
    match report.cycles.elapsed_ns() {
        None | Some(0) => {}
        Some(elapsed) => {
            put(What::CyclesPerSecond, 1e9 / elapsed as f64);
            put(What::Cycle, elapsed as f64);
        }
    }
    let kinds = report.cycles.kinds();
    let once = |phase: &&PhaseRecord| {
        let measured = phase.phase != "start" && phase.phase != "probe" && !phase.partial;
        measured && !repeats(phase) && kinds.iter().all(|kind| kind.phase != phase.phase)
    };
    let mut phases: Vec<(&str, u64)> = Vec::new();
    for phase in report.phases.iter().filter(once) {
        match phases.iter_mut().find(|(name, _)| *name == phase.phase) {
            Some((_, sum)) => *sum = sum.saturating_add(phase.elapsed_ns),
            None => phases.push((&phase.phase, phase.elapsed_ns)),
        }
    }
    for kind in kinds {
        phases.push((&kind.phase, kind.elapsed_ns()));
    }
    for (name, elapsed) in phases {
        put(What::Phase(name.to_owned()), elapsed as f64);
    }
}

fn growth(course: &Course) -> Option<i64> {
    match course.report.cycles.count() {
        0 => Some(course.growth()?.rss_bytes),
        _ => course.report.cycles.growth(Quantity::Rss),
    }
}

/// After the last whole cycle, or after the fill.
struct End<'a> {
    rss_bytes: i64,
    sqlite_live_bytes: i64,
    retained_bytes: i64,
    unattributed_bytes: i64,
    /// Absent where a cycle that was cut off followed.
    ledger: Option<&'a LedgerRecord>,
}

impl<'a> End<'a> {
    fn of(course: &'a Course) -> Option<Self> {
        let report = &course.report;
        let ended = |phase: &&PhaseRecord| phase.reading.is_none() && !phase.partial;
        let mut phases = report.phases.iter().rev().filter(ended);
        if report.cycles.count() == 0 {
            let ledger = &phases.find(|phase| phase.phase == "fill")?.ledger;
            return Some(End {
                rss_bytes: ledger.rss_bytes,
                sqlite_live_bytes: crate::report::extremes::sqlite_bytes(ledger, "live"),
                retained_bytes: retained_bytes(ledger),
                unattributed_bytes: ledger.unattributed_bytes,
                ledger: Some(ledger),
            });
        }
        let last = report.cycles.last_complete()?;
        let phase = phases.find(|phase| phase.cycle == Some(last.cycle));
        Some(End {
            rss_bytes: last.rss_bytes,
            sqlite_live_bytes: last.sqlite_live_bytes,
            retained_bytes: last.retained_bytes,
            unattributed_bytes: last.unattributed_bytes,
            ledger: phase.map(|phase| &phase.ledger),
        })
    }
}

/// By owner, by term and by part; an owner's terms of one name are one.
fn terms(ledger: &LedgerRecord, put: &mut dyn FnMut(What, f64)) {
    let mut sums: Vec<(What, i64)> = Vec::new();
    let mut add = |what: What, bytes: i64| match sums.iter_mut().find(|(one, _)| *one == what) {
        Some((_, sum)) => *sum = sum.saturating_add(bytes),
        None => sums.push((what, bytes)),
    };
    for term in &ledger.terms {
        let (owner, name) = (term.owner.to_string(), term.term.to_string());
        match &term.within {
            _ if term.counts => {
                add(What::Owner(owner.clone()), term.bytes);
                add(What::Term(owner, name), term.bytes);
            }
            Some(within) => add(What::Part(owner, name, within.to_string()), term.bytes),
            None => {}
        }
    }
    for (what, sum) in sums {
        put(what, sum as f64);
    }
}

#[cfg(test)]
mod tests;
