//! One JSON object for a whole run.
//!
//! Phases are copied from the record, line by line, readings and all: a run of any length is held
//! in memory nowhere.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::Path;

use serde::ser::{Error as _, SerializeSeq};
use serde::{Serialize, Serializer};

use super::ScenarioReport;
use crate::record::{Line, Reader, ResultRecord};

#[derive(Serialize)]
struct Run<'a> {
    run_id: &'a str,
    environment: &'a serde_json::Map<String, serde_json::Value>,
    scenarios: Vec<Scenario<'a>>,
}

#[derive(Serialize)]
struct Scenario<'a> {
    name: &'a str,
    parameters: &'a serde_json::Map<String, serde_json::Value>,
    /// As in the record.
    phases: Phases<'a>,
    /// Null until there are verdicts over a series of ledgers.
    verdict: Option<()>,
    result: Option<&'a ResultRecord>,
    error: Option<Error<'a>>,
}

impl<'a> Scenario<'a> {
    fn of(report: &'a ScenarioReport, lines: &'a RefCell<Lines>) -> Self {
        let error = report.errors.first();
        Scenario {
            name: &report.name,
            parameters: &report.parameters,
            phases: Phases {
                scenario: &report.name,
                lines,
            },
            verdict: None,
            result: report.result.as_ref(),
            error: error.map(|error| Error {
                what: &error.what,
                message: &error.message,
            }),
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
    reader: Reader<BufReader<File>>,
    /// Read already, and of the next scenario.
    ahead: Option<Line>,
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
            let line = line.map_err(S::Error::custom)?;
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

fn scenario_of(line: &Line) -> Option<&str> {
    match line {
        Line::Scenario(record) => Some(&record.scenario),
        Line::Phase(record) => Some(&record.scenario),
        Line::Sample(record) => Some(&record.scenario),
        Line::Result(record) => Some(&record.scenario),
        Line::Error(record) => record.scenario.as_deref(),
        Line::Run(_) | Line::Environment(_) | Line::Listening(_) | Line::Progress(_) => None,
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
    let lines = RefCell::new(Lines {
        reader: Reader::open(record).map_err(io::Error::other)?,
        ahead: None,
    });
    let run = Run {
        run_id,
        environment,
        scenarios: reports
            .iter()
            .map(|report| Scenario::of(report, &lines))
            .collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &run)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
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
        for key in ["name", "parameters", "phases", "verdict", "result", "error"] {
            assert!(scenario.get(key).is_some(), "{key}");
        }
        assert!(scenario["error"].is_null());
        let phases = |index: usize| value["scenarios"][index]["phases"].clone();
        assert_eq!(phases(0), serde_json::to_value([reading, end]).unwrap());
        assert_eq!(phases(1), serde_json::json!([]));
        assert_eq!(phases(2), serde_json::to_value([other]).unwrap());
    }
}
