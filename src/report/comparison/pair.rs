//! Executions of both sides, brought together by scenario and phase.

use std::path::Path;

use serde_json::{Map, Value};

use super::provenance::{Difference, differences};
use super::read::{Execution, Fate, Phase, Run, WORK};
use super::{Collected, Error, NotCompared, Pending, PendingRow, PendingScenario, Subject, What};
use crate::analysis::compare::median;
use crate::record::{ProgramRecord, ScenarioRecord, Side, refuse_instrumented};
use crate::verdict::Verdict;

/// Settings without which it is not the same work.
const WORK_SETTINGS: [&str; 6] = ["workload", "fault", "rows", "cycles", "scale", "keys"];
/// What is a fault wherever it is new.
const LEAKS: [Verdict; 3] = [Verdict::SqliteLeak, Verdict::RustLeak, Verdict::OtherCLeak];

type Executions<'a> = Vec<&'a Execution>;

fn side_of(execution: &Execution) -> Option<Side> {
    execution.turn.as_ref().and_then(|turn| turn.side)
}

/// The two sides of one run.
pub(super) fn sides(run: Run) -> Result<Pending, Error> {
    let of = |side| -> Executions<'_> {
        let all = run.executions.iter();
        all.filter(|one| side_of(one) == Some(side)).collect()
    };
    let (base, new) = (of(Side::Base), of(Side::New));
    if base.is_empty() && new.is_empty() {
        return Err(Error::Usage(format!(
            "{}: it is of one program, so name what it is compared with: compare BASE NEW. Two programs are \
             in what run --pairs 16 --against PROGRAM writes",
            run.path.display()
        )));
    }
    let program = |side| run.programs.iter().find(|one| one.side == side);
    let (base_program, new_program) = (program(Side::Base), program(Side::New));
    let environment = |program: Option<&ProgramRecord>| match program {
        Some(program) if !program.environment.is_empty() => program.environment.clone(),
        _ => run.environment.clone(),
    };
    let environments = (environment(base_program), environment(new_program));
    let subject = |side: Side, program: Option<&ProgramRecord>, environment| {
        let name = program.map_or(side.name(), |one| &one.program);
        subject(name, &run.path, environment)
    };
    let mut pending = begin(
        subject(Side::Base, base_program, &environments.0),
        subject(Side::New, new_program, &environments.1),
        &environments,
    );
    if let (Some(base), Some(new)) = (base_program, new_program) {
        match base.content_hash == new.content_hash {
            true => pending
                .notes
                .push("both sides are the same build".to_owned()),
            false => pending.provenance.push(Difference {
                field: "program".to_owned(),
                base: Some(format!("{} {}", base.program, base.content_hash)),
                new: Some(format!("{} {}", new.program, new.content_hash)),
            }),
        }
    }
    pending.notes.extend(run.notes.iter().cloned());
    pending.pair(&base, &new, true)?;
    Ok(pending)
}

/// Two runs.
pub(super) fn runs(base: Run, new: Run) -> Result<Pending, Error> {
    for run in [&base, &new] {
        if run.executions.iter().any(|one| side_of(one).is_some()) {
            return Err(Error::Usage(format!(
                "{}: it is of two programs already: give it alone, and its two sides are compared",
                run.path.display()
            )));
        }
    }
    let environment = |run: &Run| {
        let mut environment = run.environment.clone();
        if let Some(record) = &run.run {
            let version = Value::from(record.suite_version.clone());
            environment.entry("suite_version").or_insert(version);
            if let Some(revision) = &record.git_revision {
                let revision = Value::from(revision.clone());
                environment.entry("git_revision").or_insert(revision);
            }
        }
        environment
    };
    let environments = (environment(&base), environment(&new));
    let mut pending = begin(
        subject(&base.name(), &base.path, &environments.0),
        subject(&new.name(), &new.path, &environments.1),
        &environments,
    );
    pending.notes = [base.notes.clone(), new.notes.clone()].concat();
    let of_base: Executions<'_> = base.executions.iter().collect();
    let of_new: Executions<'_> = new.executions.iter().collect();
    pending.pair(&of_base, &of_new, false)?;
    Ok(pending)
}

fn subject(name: &str, path: &Path, environment: &Map<String, Value>) -> Subject {
    let key = environment.get("machine_key").and_then(Value::as_str);
    Subject {
        name: name.to_owned(),
        path: path.to_owned(),
        machine_key: key.map(str::to_owned),
    }
}

fn begin(
    base: Subject,
    new: Subject,
    environments: &(Map<String, Value>, Map<String, Value>),
) -> Pending {
    let provenance = differences(&environments.0, &environments.1);
    let times_refused = refused(&base, &new, &provenance);
    Pending {
        base,
        new,
        benchmarks: false,
        times_refused,
        failures: Vec::new(),
        scenarios: Vec::new(),
        not_compared: Vec::new(),
        verdicts: Vec::new(),
        provenance,
        notes: Vec::new(),
    }
}

/// Why times of the two may not be compared.
pub(super) fn refused(base: &Subject, new: &Subject, provenance: &[Difference]) -> Option<String> {
    let bytes = "bytes are, but RSS of another machine need not be the same";
    match (&base.machine_key, &new.machine_key) {
        (Some(base), Some(new)) if base == new => None,
        (Some(_), Some(_)) => {
            let factors = provenance
                .iter()
                .filter(|one| one.field.starts_with("machine."));
            let factors: Vec<String> = factors.map(ToString::to_string).collect();
            Some(format!(
                "times are not compared: machine_key differs ({}); {bytes}",
                factors.join("; ")
            ))
        }
        _ => Some(format!(
            "times are not compared: machine_key is not known on both sides, so that it may be another \
             machine; {bytes}"
        )),
    }
}

fn names<'a>(executions: &[&'a Execution]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for one in executions {
        if !names.contains(&one.name()) {
            names.push(one.name());
        }
    }
    names
}

fn named<'a>(executions: &[&'a Execution], name: &str) -> Executions<'a> {
    let all = executions.iter().copied();
    all.filter(|one| one.name() == name).collect()
}

fn complete<'a>(executions: &[&'a Execution]) -> Executions<'a> {
    let all = executions.iter().copied();
    all.filter(|one| one.fate() == Fate::Complete).collect()
}

impl Pending {
    fn pair(
        &mut self,
        base: &[&Execution],
        new: &[&Execution],
        one_run: bool,
    ) -> Result<(), Error> {
        let records = base.iter().chain(new).filter_map(|one| one.record.as_ref());
        refuse_instrumented(records)?;
        let (base_names, new_names) = (names(base), names(new));
        let only = |name: &str, side: &str| NotCompared {
            name: name.to_owned(),
            why: format!("only in {side}"),
        };
        for name in base_names.iter().copied() {
            let (base, new) = (named(base, name), named(new, name));
            if new.is_empty() {
                self.not_compared.push(only(name, "BASE"));
                continue;
            }
            self.scenario(name, &base, &new, one_run);
        }
        let missing = new_names.iter().filter(|name| !base_names.contains(name));
        self.not_compared
            .extend(missing.map(|name| only(name, "NEW")));
        Ok(())
    }

    fn scenario(&mut self, name: &str, base: &[&Execution], new: &[&Execution], one_run: bool) {
        let mut notes = Vec::new();
        let (base_failed, new_failed) = (failed(base), failed(new));
        if let (0, (count, Some(why))) = (base_failed.0, &new_failed) {
            let of = new.len();
            let failure = format!("{name} failed in NEW, {count} of {of}: {why}");
            self.failures.push(failure);
        } else {
            let failed = [("BASE", &base_failed, base), ("NEW", &new_failed, new)];
            for (side, (count, why), all) in failed {
                if let Some(why) = why {
                    notes.push(format!("failed in {side}, {count} of {}: {why}", all.len()));
                }
            }
        }
        let (mut base, mut new) = (complete(base), complete(new));
        if one_run {
            in_rounds(&mut base, &mut new);
        }
        let refuse = |why: String| NotCompared {
            name: name.to_owned(),
            why,
        };
        if base.is_empty() || new.is_empty() {
            let side = if base.is_empty() { "BASE" } else { "NEW" };
            notes.insert(0, format!("no complete execution in {side}"));
            self.not_compared.push(refuse(notes.join("; ")));
            return;
        }
        let settings = match same_work(&base, &new) {
            Ok(settings) => settings,
            Err(why) => {
                self.not_compared.push(refuse(why));
                return;
            }
        };
        self.verdicts(name, &base, &new);
        let mut rows = Rows {
            base: &base,
            new: &new,
            one_run,
            with_times: self.times_refused.is_none(),
            rows: Vec::new(),
        };
        rows.collect();
        let rows = rows.rows;
        self.scenarios.push(PendingScenario {
            name: name.to_owned(),
            executions: (base.len(), new.len()),
            settings,
            notes,
            rows,
        });
    }

    /// A verdict is a side's where at least half of its executions have it.
    fn verdicts(&mut self, name: &str, base: &[&Execution], new: &[&Execution]) {
        let has = |all: &[&Execution], verdict: &Verdict| {
            let having = all.iter().filter(|one| one.verdicts.contains(verdict));
            2 * having.count() >= all.len()
        };
        for verdict in Verdict::ALL {
            let text = match (has(base, &verdict), has(new, &verdict)) {
                (false, true) if LEAKS.contains(&verdict) => {
                    self.failures
                        .push(format!("{name} has a new verdict: {verdict}"));
                    continue;
                }
                (false, true) => format!("{name}: {verdict} only in NEW"),
                (true, false) => format!("{name}: {verdict} only in BASE"),
                _ => continue,
            };
            self.verdicts.push(text);
        }
    }
}

/// How many, and the first reason.
fn failed(executions: &[&Execution]) -> (usize, Option<String>) {
    let why = executions.iter().filter_map(|one| match one.fate() {
        Fate::Failed(why) => Some(why),
        _ => None,
    });
    let mut all: Vec<String> = why.collect();
    (all.len(), (!all.is_empty()).then(|| all.swap_remove(0)))
}

/// Those of rounds that both have, in the order of rounds.
fn in_rounds<'a>(base: &mut Executions<'a>, new: &mut Executions<'a>) {
    let round = |one: &Execution| one.turn.as_ref().map_or(0, |turn| turn.round);
    for side in [&mut *base, &mut *new] {
        side.sort_by_key(|one| round(one));
        side.dedup_by_key(|one| round(one));
    }
    let rounds =
        |side: &Executions<'_>| -> Vec<u32> { side.iter().map(|one| round(one)).collect() };
    let (of_base, of_new) = (rounds(base), rounds(new));
    base.retain(|one| of_new.contains(&round(one)));
    new.retain(|one| of_base.contains(&round(one)));
}

/// Settings that differ and may; or why it is not the same work.
fn same_work(base: &[&Execution], new: &[&Execution]) -> Result<Vec<Difference>, String> {
    let record = |all: &[&Execution]| -> Map<String, Value> {
        let first = all.iter().find_map(|one| one.record.as_ref());
        first.map(settings).unwrap_or_default()
    };
    let all = differences(&record(base), &record(new));
    let is_work = |one: &&Difference| WORK_SETTINGS.contains(&one.field.as_str());
    let work: Vec<String> = all
        .iter()
        .filter(is_work)
        .map(ToString::to_string)
        .collect();
    if !work.is_empty() {
        return Err(format!("not the same work: {}", work.join("; ")));
    }
    let mut hashes: Vec<&str> = Vec::new();
    for one in base.iter().chain(new) {
        let hash = one
            .result
            .as_ref()
            .map_or("", |result| &result.content_hash);
        if !hashes.contains(&hash) {
            hashes.push(hash);
        }
    }
    match hashes.len() {
        0 | 1 => Ok(all),
        _ => {
            let settings: Vec<String> = all.iter().map(ToString::to_string).collect();
            let settings = match settings.is_empty() {
                true => String::new(),
                false => format!("; settings that differ: {}", settings.join("; ")),
            };
            Err(format!(
                "not the same work: content_hash is {}{settings}",
                hashes.join(" and ")
            ))
        }
    }
}

/// Parameters, and what came of them.
fn settings(record: &ScenarioRecord) -> Map<String, Value> {
    let mut settings = record.parameters.clone();
    for (name, value) in [
        ("rust_allocator", &record.rust_allocator),
        ("sqlite_allocator", &record.sqlite_allocator),
    ] {
        settings.insert(name.to_owned(), Value::from(value.clone()));
    }
    for pragma in &record.pragmas {
        let Some(value) = &pragma.read_back else {
            continue;
        };
        let name = format!(
            "{} of connection {}, read back",
            pragma.name, pragma.connection
        );
        settings.insert(name, Value::from(value.clone()));
    }
    settings
}

/// What a row takes of an execution.
type Number<'a> = &'a dyn Fn(&Execution) -> Option<f64>;

struct Rows<'a> {
    base: &'a [&'a Execution],
    new: &'a [&'a Execution],
    one_run: bool,
    with_times: bool,
    rows: Vec<PendingRow>,
}

impl Rows<'_> {
    fn collect(&mut self) {
        let peak = |one: &Execution| (one.peak_bytes > 0).then_some(one.peak_bytes as f64);
        self.add("", What::PeakRss, &peak);
        self.add("", What::SqliteHighwater, &|one| one.highwater_bytes());
        let ended = |one: &&Execution| -> Vec<String> {
            let ended = one.phases.iter().filter(|phase| phase.has_ended());
            ended.map(|phase| phase.name.clone()).collect()
        };
        let in_base = self.base.first().map(ended).unwrap_or_default();
        let in_new = self.new.first().map(ended).unwrap_or_default();
        for phase in in_base.iter().filter(|phase| in_new.contains(phase)) {
            self.phase(phase);
        }
    }

    fn phase(&mut self, name: &str) {
        let is_work = WORK.contains(&name);
        let of = |one: &Execution, number: &dyn Fn(&Phase) -> f64| {
            let phase = one.phase(name).filter(|phase| phase.has_ended());
            phase.map(number)
        };
        if self.with_times {
            self.add(name, What::Time, &|one| {
                of(one, &|phase| median(&phase.elapsed))
            });
            let inside = self.inside(name);
            if let Some(row) = self.rows.last_mut().filter(|row| row.what == What::Time) {
                row.gates = is_work;
                row.inside = inside;
            }
        }
        if is_work {
            let rss = |phase: &Phase| phase.end.rss_bytes as f64;
            let live = |phase: &Phase| phase.end.sqlite_live_bytes as f64;
            self.add(name, What::Rss, &|one| of(one, &rss));
            self.add(name, What::SqliteLive, &|one| of(one, &live));
        }
    }

    /// A row, where each execution has its number.
    fn add(&mut self, phase: &str, what: What, number: Number<'_>) {
        let all = |side: &[&Execution]| -> Option<Vec<f64>> {
            side.iter().map(|one| number(one)).collect()
        };
        let (Some(base), Some(new)) = (all(self.base), all(self.new)) else {
            return;
        };
        let values = match self.one_run {
            true => Collected::Pairs(base.into_iter().zip(new).collect()),
            false => Collected::Apart(base, new),
        };
        self.rows.push(PendingRow {
            phase: phase.to_owned(),
            what,
            gates: true,
            values,
            inside: None,
        });
    }

    /// Cycles, or parts of equal rows.
    fn inside(&self, name: &str) -> Option<Collected> {
        let cycles = |side: &[&Execution]| -> Vec<f64> {
            let phases = side.iter().filter_map(|one| one.phase(name));
            phases
                .flat_map(|phase| phase.elapsed.iter().copied())
                .collect()
        };
        let repeats = |side: &[&Execution]| {
            let phase = side.first().and_then(|one| one.phase(name));
            phase.is_some_and(|phase| phase.elapsed.len() > 1)
        };
        if repeats(self.base) && repeats(self.new) {
            return Some(Collected::Apart(cycles(self.base), cycles(self.new)));
        }
        let readings = |side: &[&'_ Execution]| -> Option<Vec<(u64, u64)>> {
            Some(side.first()?.phase(name)?.readings.clone())
        };
        let (base, new) = (readings(self.base)?, readings(self.new)?);
        let mut parts = Vec::new();
        let mut before = (0, 0);
        for (rows, base_ns) in base {
            let Some((_, new_ns)) = new.iter().find(|(other, _)| *other == rows) else {
                continue;
            };
            let part = (
                base_ns.saturating_sub(before.0),
                new_ns.saturating_sub(before.1),
            );
            if part.0 > 0 && part.1 > 0 {
                parts.push((part.0 as f64, part.1 as f64));
            }
            before = (base_ns, *new_ns);
        }
        Some(Collected::Pairs(parts))
    }
}
