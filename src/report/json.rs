//! One JSON object for a whole run.

use std::io::{self, Write};

use serde::Serialize;

use super::ScenarioReport;
use crate::record::{PhaseRecord, ResultRecord};

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
    phases: &'a [PhaseRecord],
    /// Null until there are verdicts over a series of ledgers.
    verdict: Option<()>,
    result: Option<&'a ResultRecord>,
    error: Option<Error<'a>>,
}

impl<'a> Scenario<'a> {
    fn of(report: &'a ScenarioReport) -> Self {
        let error = report.errors.first();
        Scenario {
            name: &report.name,
            parameters: &report.parameters,
            phases: &report.phases,
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

/// `{"run_id", "environment", "scenarios": [...]}` and a line's end.
pub fn write(
    out: &mut dyn Write,
    run_id: &str,
    environment: &serde_json::Map<String, serde_json::Value>,
    reports: &[ScenarioReport],
) -> io::Result<()> {
    let run = Run {
        run_id,
        environment,
        scenarios: reports.iter().map(Scenario::of).collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &run)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::super::samples;

    #[test]
    fn the_object_has_the_promised_keys_and_phases_as_recorded() {
        let mut out = Vec::new();
        super::write(
            &mut out,
            "id",
            &serde_json::Map::new(),
            &[samples::report()],
        )
        .unwrap();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let scenario = &value["scenarios"][0];
        for key in ["name", "parameters", "phases", "verdict", "result", "error"] {
            assert!(scenario.get(key).is_some(), "{key}");
        }
        let phase = serde_json::to_value(samples::phase("fill", 500 << 10)).unwrap();
        assert_eq!(scenario["phases"][0], phase);
        assert!(scenario["error"].is_null());
    }
}
