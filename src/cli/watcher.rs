//! What `run` shows while the harness runs, and what it keeps for the end.

use super::output::Output;
use super::progress::Progress;
use super::run::RunFormat;
use crate::harness::Watcher;
use crate::record::Line;
use crate::report::{ScenarioReport, csv, json, terminal};
use crate::scenario::Scenario;

/// Writes each scenario when it has ended; for JSON, keeps them all for one object.
#[derive(Debug)]
pub(super) struct Show {
    format: RunFormat,
    progress: Progress,
    pub(super) output: Output,
    current: ScenarioReport,
    kept: Vec<ScenarioReport>,
    over_bound: Vec<String>,
}

impl Show {
    pub(super) fn new(format: RunFormat, quiet: bool) -> Self {
        let mut output = Output::default();
        if format == RunFormat::Csv {
            output.write(csv::write_header);
        }
        Show {
            format,
            progress: Progress::new(quiet),
            output,
            current: ScenarioReport::default(),
            kept: Vec::new(),
            over_bound: Vec::new(),
        }
    }

    /// After the last scenario; hands back the ledgers whose remainder is over its bound.
    pub(super) fn finish(
        mut self,
        run_id: &str,
        environment: &serde_json::Map<String, serde_json::Value>,
    ) -> (Output, Vec<String>) {
        self.progress.clear();
        if self.format == RunFormat::Json {
            self.output
                .write(|out| json::write(out, run_id, environment, &self.kept));
        }
        (self.output, self.over_bound)
    }
}

impl Watcher for Show {
    fn scenario_started(&mut self, scenario: &Scenario) {
        self.current = ScenarioReport::new(scenario);
        self.progress.start(&scenario.name);
    }

    fn line(&mut self, line: &Line) {
        match line {
            Line::Progress(progress) => self.progress.update(progress),
            other => self.current.line(other),
        }
    }

    fn scenario_ended(&mut self, _: &Scenario, _: bool) {
        self.progress.clear();
        let mut report = std::mem::take(&mut self.current);
        report.ended();
        let over = report
            .over_bound()
            .map(|phase| format!("{} after {}", report.name, phase.phase));
        self.over_bound.extend(over);
        match self.format {
            RunFormat::Table => self.output.write(|out| terminal::write(out, &report)),
            RunFormat::Csv => self.output.write(|out| csv::write(out, &report)),
            RunFormat::Json => self.kept.push(report),
        }
    }
}
