//! One JSON object for a whole run.
//!
//! Phases are copied from the record, line by line, readings and all, and the readings of cycles
//! made of it: a run of any length is held in memory nowhere.

use std::cell::RefCell;
use std::io::{self, Write};
use std::iter::Peekable;
use std::path::Path;

use serde::ser::{Error as _, SerializeSeq};
use serde::{Serialize, Serializer};

use super::cycles::CycleReading;
use super::cycles::export::{Readings, Whose};
use super::{ScenarioReport, scenario_of};
use crate::record::{Input, Instrument, Line, Reader, ResultRecord, TurnRecord, VerdictRecord};
use crate::verdict::Judgement;

#[derive(Serialize)]
struct Run<'a> {
    run_id: &'a str,
    environment: &'a serde_json::Map<String, serde_json::Value>,
    scenarios: Vec<Scenario<'a>>,
}

#[derive(Serialize)]
struct Scenario<'a> {
    name: &'a str,
    /// Absent where everything ran once.
    #[serde(skip_serializing_if = "Option::is_none")]
    turn: Option<&'a TurnRecord>,
    parameters: &'a serde_json::Map<String, serde_json::Value>,
    /// What else was at work in the testee: where one of them is dhat or the CPU profile, times and RSS
    /// are not those of a run without it.
    instruments: &'a [Instrument],
    /// As in the record.
    phases: Phases<'a>,
    /// One for each cycle; empty where the workload has none.
    cycles: Cycles<'a>,
    /// Null where the scenario never ran.
    verdict: Option<Verdict<'a>>,
    result: Option<&'a ResultRecord>,
    error: Option<Error<'a>>,
}

impl<'a> Scenario<'a> {
    fn of(
        report: &'a ScenarioReport,
        lines: &'a RefCell<Lines>,
        readings: &'a RefCell<Ahead>,
    ) -> Self {
        let error = report.errors.first();
        Scenario {
            name: &report.name,
            turn: report.turn.as_ref(),
            parameters: &report.parameters,
            instruments: (report.scenario.as_ref()).map_or(&[], |one| one.instruments.as_slice()),
            phases: Phases {
                scenario: &report.name,
                lines,
            },
            cycles: Cycles {
                scenario: &report.name,
                readings,
                as_far_as_readable: lines.borrow().as_far_as_readable,
            },
            verdict: report.verdict.as_ref().map(Verdict::of),
            result: report.result.as_ref(),
            error: error.map(|error| Error {
                what: &error.what,
                message: &error.message,
            }),
        }
    }
}

/// What the ledgers show, against what the declaration expects.
#[derive(Serialize)]
pub(super) struct Verdict<'a> {
    expected: Option<&'a [crate::verdict::Verdict]>,
    /// Null where nothing was expected, or the series is too short.
    as_expected: Option<bool>,
    #[serde(flatten)]
    judgement: &'a Judgement,
}

impl<'a> Verdict<'a> {
    pub(super) fn of(record: &'a VerdictRecord) -> Self {
        let judgement = &record.judgement;
        let expected = record.expected.as_deref();
        let comparable = expected.filter(|_| judgement.none.is_none());
        Verdict {
            expected,
            as_expected: comparable.map(|expected| judgement.is(expected)),
            judgement,
        }
    }
}

#[derive(Serialize)]
struct Error<'a> {
    what: &'a str,
    message: &'a str,
}

/// A record, read once from its begin to its end.
struct Lines {
    reader: Reader<Input>,
    /// Read already, and of the next scenario.
    ahead: Option<Line>,
    /// What cannot be read is where it ends.
    as_far_as_readable: bool,
}

/// The phases of one scenario, which stand together in a record.
struct Phases<'a> {
    scenario: &'a str,
    lines: &'a RefCell<Lines>,
}

impl Serialize for Phases<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut phases = serializer.serialize_seq(None)?;
        let mut lines = self.lines.borrow_mut();
        while let Some(line) = lines.ahead.take().map(Ok).or_else(|| lines.reader.next()) {
            let line = match line {
                Err(_) if lines.as_far_as_readable => break,
                line => line.map_err(S::Error::custom)?,
            };
            match scenario_of(&line) {
                Some(scenario) if scenario != self.scenario => {
                    lines.ahead = Some(line);
                    break;
                }
                _ => {}
            }
            if let Line::Phase(phase) = line {
                phases.serialize_element(&phase)?;
            }
        }
        phases.end()
    }
}

/// The readings of a record, which is read a second time for them: they stand behind the phases.
type Ahead = Peekable<Readings<Input>>;

/// The readings of one scenario, which stand together in a record.
struct Cycles<'a> {
    scenario: &'a str,
    readings: &'a RefCell<Ahead>,
    as_far_as_readable: bool,
}

/// Says whose it is, so that the readings of all scenarios can be laid together.
#[derive(Serialize)]
struct Cycle<'a> {
    scenario: &'a str,
    #[serde(flatten)]
    reading: CycleReading,
}

impl Serialize for Cycles<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut cycles = serializer.serialize_seq(None)?;
        let mut readings = self.readings.borrow_mut();
        let ours = |item: &Result<(Whose, _), _>| {
            item.as_ref()
                .map_or(true, |(whose, _)| whose.scenario == self.scenario)
        };
        while let Some(item) = readings.next_if(ours) {
            let (_, reading) = match item {
                Err(_) if self.as_far_as_readable => break,
                item => item.map_err(S::Error::custom)?,
            };
            let scenario = self.scenario;
            cycles.serialize_element(&Cycle { scenario, reading })?;
        }
        cycles.end()
    }
}

/// `{"run_id", "environment", "scenarios": [...]}` and a line's end. `record` is the file that holds
/// the lines of `reports`, in their order.
pub fn write(
    out: &mut dyn Write,
    run_id: &str,
    environment: &serde_json::Map<String, serde_json::Value>,
    reports: &[ScenarioReport],
    record: &Path,
) -> io::Result<()> {
    write_run(out, run_id, environment, reports, record, false)
}

/// The same of a record that may not be readable to its end: of what stands before.
pub fn write_readable(
    out: &mut dyn Write,
    run_id: &str,
    environment: &serde_json::Map<String, serde_json::Value>,
    reports: &[ScenarioReport],
    record: &Path,
) -> io::Result<()> {
    write_run(out, run_id, environment, reports, record, true)
}

fn write_run(
    out: &mut dyn Write,
    run_id: &str,
    environment: &serde_json::Map<String, serde_json::Value>,
    reports: &[ScenarioReport],
    record: &Path,
    as_far_as_readable: bool,
) -> io::Result<()> {
    let lines = RefCell::new(Lines {
        reader: Reader::open(record).map_err(io::Error::other)?,
        ahead: None,
        as_far_as_readable,
    });
    let readings = Readings::open(record).map_err(io::Error::other)?;
    let readings = RefCell::new(readings.peekable());
    let run = Run {
        run_id,
        environment,
        scenarios: reports
            .iter()
            .map(|report| Scenario::of(report, &lines, &readings))
            .collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &run)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::super::cycles::samples::lines as samples_of_cycles;
    use super::super::samples;
    use super::*;
    use crate::record::{ErrorRecord, Writer};

    #[test]
    fn the_object_has_the_promised_keys_and_each_phase_and_reading_as_recorded() {
        let directory = tempfile::tempdir().unwrap();
        let record = directory.path().join("record.jsonl");
        let mut writer = Writer::create(&record).unwrap();
        let mut reading = samples::phase("fill", 1 << 10);
        reading.reading = Some(1);
        let end = samples::phase("fill", 500 << 10);
        let mut other = end.clone();
        other.scenario = "t".into();
        let error = ErrorRecord {
            scenario: Some("never began".into()),
            what: "io".into(),
            message: "m".into(),
        };
        for line in [
            Line::Environment(serde_json::Map::new()),
            Line::Phase(reading.clone()),
            Line::Phase(end.clone()),
            Line::Error(error),
            Line::Phase(other.clone()),
        ] {
            writer.append(&line).unwrap();
        }
        let named = |name: &str| ScenarioReport {
            name: name.into(),
            ..ScenarioReport::default()
        };
        let reports = [samples::report(), named("never began"), named("t")];
        let mut out = Vec::new();
        write(&mut out, "id", &serde_json::Map::new(), &reports, &record).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let scenario = &value["scenarios"][0];
        for key in [
            "name",
            "parameters",
            "phases",
            "cycles",
            "verdict",
            "result",
            "error",
        ] {
            assert!(scenario.get(key).is_some(), "{key}");
        }
        assert_eq!(scenario["cycles"], serde_json::json!([]));
        assert!(scenario["error"].is_null());
        let phases = |index: usize| value["scenarios"][index]["phases"].clone();
        assert_eq!(phases(0), serde_json::to_value([reading, end]).unwrap());
        assert_eq!(phases(1), serde_json::json!([]));
        assert_eq!(phases(2), serde_json::to_value([other]).unwrap());
    }
    #[test]
    fn every_cycle_of_a_scenario_has_its_reading() {
        let directory = tempfile::tempdir().unwrap();
        let record = directory.path().join("record.jsonl");
        let mut writer = Writer::create(&record).unwrap();
        let lines = [("a", &[560, 1000, 1500][..]), ("none", &[]), ("b", &[570])];
        for (scenario, rss) in lines {
            for line in samples_of_cycles(scenario, rss) {
                writer.append(&line).unwrap();
            }
        }
        let reports = ["a", "none", "never began", "b"].map(|name| ScenarioReport {
            name: name.into(),
            ..ScenarioReport::default()
        });
        let mut out = Vec::new();
        write(&mut out, "id", &serde_json::Map::new(), &reports, &record).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let cycles = |index: usize| value["scenarios"][index]["cycles"].as_array().unwrap();
        let counts: Vec<usize> = (0..4).map(|index| cycles(index).len()).collect();
        assert_eq!(counts, [3, 0, 0, 1]);
        let expected = serde_json::json!({
            "scenario": "a", "cycle": 2, "partial": false, "rss_bytes": 1500_i64 << 20,
            "sqlite_live_bytes": 551 << 20, "retained_bytes": 940 << 20, "open_files": 4,
            "arenas": 3, "peak_rss_bytes": 2024_i64 << 20, "elapsed_ns": 6_000_000_000_i64,
            "unattributed_bytes": 0,
        });
        assert_eq!(cycles(0)[2], expected);
        assert_eq!(value["scenarios"][0]["phases"].as_array().unwrap().len(), 8);
    }
}
