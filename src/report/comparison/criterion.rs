//! Two of Criterion's baselines. The values are samples, all of one process: how far two processes of one
//! program lie apart is not among them, and a note says so.

use serde_json::{Map, Value};

use super::provenance::differences;
use super::{
    Collected, Error, NotCompared, Pending, PendingRow, PendingScenario, Source, Subject, What,
};
use crate::estimates::{self, Benchmark, Results, Stamp, Unit};

/// What a bench is asked for that leaves the work what it is.
const BESIDE_THE_WORK: [&str; 3] = ["samples", "set", "full_rows"];

pub(super) fn baselines(base: &Source, new: Option<&Source>) -> Result<Pending, Error> {
    let (
        Source::Criterion {
            directory,
            baseline,
        },
        Some(Source::Criterion {
            directory: new_directory,
            baseline: new_baseline,
        }),
    ) = (base, new)
    else {
        return Err(Error::Usage(format!(
            "{base}: name the baseline that it is compared with, too: compare DIR@before DIR"
        )));
    };
    let base_results = estimates::read(directory, baseline)?;
    let new_results = estimates::read(new_directory, new_baseline)?;
    let subject = |source: &Source, results: &Results| {
        let stamp = results.benchmarks.iter().find_map(|one| one.stamp.as_ref());
        Subject {
            name: source.to_string(),
            path: source.path().to_owned(),
            machine_key: stamp.and_then(|stamp| stamp.machine_key.clone()),
        }
    };
    let (base_subject, new_subject) = (
        subject(base, &base_results),
        subject(new.unwrap_or(base), &new_results),
    );
    let mut pending = Pending {
        base: base_subject,
        new: new_subject,
        benchmarks: true,
        times_refused: None,
        failures: Vec::new(),
        scenarios: Vec::new(),
        not_compared: Vec::new(),
        verdicts: Vec::new(),
        provenance: Vec::new(),
        notes: vec![
            "samples of a time are of one process, and do not show what differs from process to process: a \
             benchmark's time is called beyond 5 %, below 20 ms beyond 15 %, and below 1 ms beyond 50 %"
                .to_owned(),
        ],
    };
    for skipped in base_results.skipped.iter().chain(&new_results.skipped) {
        let note = format!("left out: {}", skipped.reason);
        pending.notes.push(note);
    }
    pending.benchmarks(&base_results.benchmarks, &new_results.benchmarks);
    Ok(pending)
}

impl Pending {
    fn benchmarks(&mut self, base: &[Benchmark], new: &[Benchmark]) {
        for one in base {
            match new.iter().find(|other| other.id == one.id) {
                None => self.leave_out(one, "only in BASE".to_owned()),
                Some(other) => self.benchmark(one, other),
            }
        }
        for one in new {
            if !base.iter().any(|other| other.id == one.id) {
                self.leave_out(one, "only in NEW".to_owned());
            }
        }
    }

    fn leave_out(&mut self, benchmark: &Benchmark, why: String) {
        let name = benchmark.id.clone();
        self.not_compared.push(NotCompared { name, why });
    }

    fn benchmark(&mut self, base: &Benchmark, new: &Benchmark) {
        let stamps = (&base.stamp, &new.stamp);
        let (Some(base_stamp), Some(new_stamp)) = stamps else {
            // It may be a time, and of another machine.
            let note = base.note.or(new.note);
            let why = note.map_or_else(
                || "unit and machine are not known".to_owned(),
                |note| note.to_string(),
            );
            return self.leave_out(base, why);
        };
        if base_stamp.unit != new_stamp.unit {
            let why = format!(
                "not the same unit: {} and {}",
                base_stamp.unit, new_stamp.unit
            );
            return self.leave_out(base, why);
        }
        let settings = differences(&settings(base_stamp), &settings(new_stamp));
        let is_work = |field: &str| !BESIDE_THE_WORK.contains(&field);
        let work: Vec<String> = (settings.iter().filter(|one| is_work(&one.field)))
            .map(ToString::to_string)
            .collect();
        if !work.is_empty() {
            return self.leave_out(base, format!("not the same work: {}", work.join("; ")));
        }
        let what = match base_stamp.unit {
            Unit::Nanoseconds => What::Time,
            Unit::Bytes => What::Bytes,
            Unit::Blocks => What::Blocks,
        };
        let provenance = differences(&environment(base_stamp), &environment(new_stamp));
        let of = |stamp: &Stamp| Subject {
            machine_key: stamp.machine_key.clone(),
            ..self.base.clone()
        };
        let refused = super::pair::refused(&of(base_stamp), &of(new_stamp), &provenance);
        for one in provenance {
            if !self.provenance.contains(&one) {
                self.provenance.push(one);
            }
        }
        if let Some(why) = refused {
            self.times_refused.get_or_insert(why);
            if what == What::Time {
                return self.leave_out(
                    base,
                    "a time, of another machine or an unknown one".to_owned(),
                );
            }
        }
        let values = Collected::Apart(
            base.per_iteration().collect(),
            new.per_iteration().collect(),
        );
        let samples = (base.samples.len(), new.samples.len());
        let row = PendingRow {
            phase: base
                .id
                .strip_prefix(&base.group)
                .unwrap_or(&base.id)
                .trim_start_matches('/')
                .to_owned(),
            what,
            gates: true,
            values,
            inside: None,
        };
        match self.scenarios.iter_mut().find(|one| one.name == base.group) {
            Some(group) => {
                let most = group.executions;
                group.executions = (most.0.max(samples.0), most.1.max(samples.1));
                group.rows.push(row);
            }
            None => self.scenarios.push(PendingScenario {
                name: base.group.clone(),
                executions: samples,
                settings,
                notes: Vec::new(),
                rows: vec![row],
            }),
        }
    }
}

fn settings(stamp: &Stamp) -> Map<String, Value> {
    let settings = stamp.settings.iter();
    settings
        .map(|(name, value)| (name.clone(), Value::from(value.clone())))
        .collect()
}

fn environment(stamp: &Stamp) -> Map<String, Value> {
    let mut environment = stamp.environment.clone();
    environment.insert(
        "suite_version".to_owned(),
        Value::from(stamp.suite_version.clone()),
    );
    if let Some(revision) = &stamp.git_revision {
        environment.insert("git_revision".to_owned(), Value::from(revision.clone()));
    }
    environment
}
