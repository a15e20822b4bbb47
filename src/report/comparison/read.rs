//! A record as a comparison needs it: each execution with the times of its phases and their last ledgers.
//! Read line by line; of cycles and readings some hundreds are kept.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::Error;
use crate::record::{
    ErrorRecord, Line, PhaseRecord, ProgramRecord, Reader, ResultRecord, RunRecord, ScenarioRecord,
    TurnRecord,
};
use crate::report::extremes::sqlite_bytes;
use crate::report::{describe, scenario_of};
use crate::verdict::Verdict;

/// More executions than this of one record are left out, and a note says so.
const MOST_EXECUTIONS: usize = 4000;
/// Cycles and readings that are kept of a phase, at most twice.
const MOST: usize = 256;

/// The phases that do the work, whose times are judged.
pub(super) const WORK: [&str; 5] = ["fill", "work", "backup", "dump", "dispose"];

#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) path: PathBuf,
    pub(super) run: Option<RunRecord>,
    pub(super) environment: Map<String, Value>,
    pub(super) programs: Vec<ProgramRecord>,
    pub(super) executions: Vec<Execution>,
    pub(super) notes: Vec<String>,
}

/// One testee from its start to its end.
#[derive(Debug, Default)]
pub(super) struct Execution {
    pub(super) scenario: String,
    pub(super) turn: Option<TurnRecord>,
    pub(super) record: Option<ScenarioRecord>,
    pub(super) result: Option<ResultRecord>,
    pub(super) errors: Vec<ErrorRecord>,
    pub(super) verdicts: Vec<Verdict>,
    pub(super) peak_bytes: u64,
    pub(super) phases: Vec<Phase>,
}

/// A phase, all of its cycles together.
#[derive(Debug, Default)]
pub(super) struct Phase {
    pub(super) name: String,
    /// Of each cycle, nanoseconds.
    pub(super) elapsed: Vec<f64>,
    every: Every,
    /// Of the last.
    pub(super) end: End,
    /// Rows, and nanoseconds until they were in.
    pub(super) readings: Vec<(u64, u64)>,
    readings_every: Every,
}

/// At a phase's end.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct End {
    pub(super) rss_bytes: i64,
    pub(super) sqlite_live_bytes: i64,
    pub(super) sqlite_highwater_bytes: i64,
}

/// Of many, every second, fourth, eighth.
#[derive(Debug, Clone, Copy)]
struct Every {
    seen: u64,
    step: u64,
}

impl Default for Every {
    fn default() -> Self {
        Every { seen: 0, step: 1 }
    }
}

impl Every {
    fn keep<T>(&mut self, all: &mut Vec<T>, one: T) {
        if self.seen.is_multiple_of(self.step) {
            all.push(one);
        }
        self.seen += 1;
        if all.len() == 2 * MOST {
            let mut at = 0;
            all.retain(|_| {
                at += 1;
                at % 2 == 1
            });
            self.step *= 2;
        }
    }
}

/// Reads the record at `path`, compressed or not. What stands before a line that cannot be read is kept.
pub(super) fn read(path: &Path) -> Result<Run, Error> {
    let mut run = Run {
        path: path.to_owned(),
        ..Run::default()
    };
    run.take(Reader::open(path)?)?;
    Ok(run)
}

impl Run {
    pub(super) fn name(&self) -> String {
        match &self.run {
            Some(run) => run.run_id.clone(),
            None => self.path.display().to_string(),
        }
    }

    fn take<R: BufRead>(&mut self, reader: Reader<R>) -> Result<(), Error> {
        let mut left_out = 0_u64;
        let readable = reader.read_readable(|line| left_out += u64::from(!self.line(line)))?;
        let name = self.path.display();
        if readable.lines == 0 {
            return Err(Error::Usage(format!(
                "{name}: there is no line in it: no record"
            )));
        }
        let notes = readable.notes.iter();
        self.notes
            .extend(notes.map(|note| format!("{name}: {note}")));
        if left_out > 0 {
            self.notes.push(format!(
                "{name}: only its first {MOST_EXECUTIONS} executions are compared"
            ));
        }
        Ok(())
    }

    /// False where the line is of an execution too many.
    fn line(&mut self, line: Line) -> bool {
        if let Some(name) = scenario_of(&line) {
            let is_new = |one: &Execution| one.scenario != name;
            if self.executions.last().is_none_or(is_new) {
                if self.executions.len() == MOST_EXECUTIONS {
                    return false;
                }
                self.executions.push(Execution {
                    scenario: name.to_owned(),
                    ..Execution::default()
                });
            }
            if let Some(execution) = self.executions.last_mut() {
                execution.line(line);
            }
            return true;
        }
        match line {
            Line::Run(run) => self.run = Some(run),
            Line::Environment(environment) => self.environment = environment,
            Line::Program(program) if self.programs.len() < 2 => self.programs.push(program),
            _ => {}
        }
        true
    }
}

/// What became of an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    Complete,
    Failed(String),
    /// Its end is not in the record, or somebody stopped it.
    Unknown,
}

impl Execution {
    /// The same for all executions of one scenario.
    pub(super) fn name(&self) -> &str {
        self.turn.as_ref().map_or(&self.scenario, |turn| &turn.of)
    }

    pub(super) fn fate(&self) -> Fate {
        // A profile that could not be written leaves the numbers what they are.
        let mut errors = self.errors.iter().filter(|error| error.what != "profile");
        match (errors.next(), &self.result) {
            (Some(error), _) if error.what == "interrupted" => Fate::Unknown,
            (Some(error), _) => Fate::Failed(describe(error)),
            (None, None) => Fate::Unknown,
            (None, Some(result)) if !result.verified => {
                Fate::Failed("what it left in the database is not what went in".to_owned())
            }
            (None, Some(_)) => Fate::Complete,
        }
    }

    pub(super) fn phase(&self, name: &str) -> Option<&Phase> {
        self.phases.iter().find(|phase| phase.name == name)
    }

    pub(super) fn highwater_bytes(&self) -> Option<f64> {
        let work = self
            .phases
            .iter()
            .filter(|one| WORK.contains(&one.name.as_str()));
        let most = work.map(|phase| phase.end.sqlite_highwater_bytes).max();
        most.map(|bytes| bytes as f64)
    }

    fn line(&mut self, line: Line) {
        match line {
            Line::Turn(turn) => self.turn = Some(turn),
            Line::Scenario(record) => self.record = Some(record),
            Line::Phase(phase) => self.phase_line(&phase),
            Line::Sample(sample) => self.peak_bytes = self.peak_bytes.max(sample.rss_bytes),
            Line::Verdict(verdict) => self.verdicts = verdict.judgement.verdicts().collect(),
            Line::Error(error) => self.errors.push(error),
            Line::Result(result) => {
                self.peak_bytes = self.peak_bytes.max(result.peak_rss_bytes);
                self.result = Some(result);
            }
            _ => {}
        }
    }

    fn phase_line(&mut self, line: &PhaseRecord) {
        self.peak_bytes = self.peak_bytes.max(line.peak_rss_bytes);
        let name = match line.probe {
            Some(probe) => format!("{} {}", line.phase, probe.name()),
            None => line.phase.clone(),
        };
        let at = self.phases.iter().position(|phase| phase.name == name);
        let at = at.unwrap_or_else(|| {
            self.phases.push(Phase {
                name,
                ..Phase::default()
            });
            self.phases.len() - 1
        });
        self.phases[at].line(line);
    }
}

impl Phase {
    fn line(&mut self, line: &PhaseRecord) {
        if let Some(rows) = line.rows {
            // Readings count from the phase's begin; those of cycles are none of it.
            if line.cycle.is_none() {
                let reading = (rows, line.elapsed_ns);
                self.readings_every.keep(&mut self.readings, reading);
            }
        }
        if line.reading.is_some() || line.partial {
            return;
        }
        self.every.keep(&mut self.elapsed, line.elapsed_ns as f64);
        self.end = End {
            rss_bytes: line.ledger.rss_bytes,
            sqlite_live_bytes: sqlite_bytes(&line.ledger, "live"),
            sqlite_highwater_bytes: (line.ledger.beside.sqlite_highwater_bytes)
                .max(self.end.sqlite_highwater_bytes),
        };
    }

    /// Whether it has ended once at least.
    pub(super) fn has_ended(&self) -> bool {
        !self.elapsed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn however_many_cycles_there_are_some_hundred_are_kept_and_their_median_is_that_of_all() {
        let mut execution = Execution::default();
        for cycle in 1..=100_000_u32 {
            let mut phase = samples::phase("dump", 0);
            (phase.cycle, phase.elapsed_ns) = (Some(cycle), u64::from(cycle));
            execution.phase_line(&phase);
        }
        let kept = &execution.phase("dump").unwrap().elapsed;
        assert!((MOST..2 * MOST).contains(&kept.len()), "{}", kept.len());
        let median = crate::analysis::compare::median(kept);
        assert!((median / 50_000.0 - 1.0).abs() < 0.01, "{median}");
        assert!(execution.phase("dump").unwrap().readings.is_empty());
    }

    #[test]
    fn a_phase_that_was_stopped_has_no_time() {
        let mut execution = Execution::default();
        let mut phase = samples::phase("fill", 0);
        phase.partial = true;
        execution.phase_line(&phase);
        assert!(!execution.phase("fill").unwrap().has_ended());
    }
}
