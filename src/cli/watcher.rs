//! What `run` shows while the harness runs, and what it keeps for the end.

use std::path::Path;

use super::output::{Output, complain, layout};
use super::progress::Progress;
use super::run::RunFormat;
use crate::harness::Watcher;
use crate::record::Line;
use crate::report::layout::Layout;
use crate::report::summary::{self, Summary};
use crate::report::{ScenarioReport, csv, describe, json, terminal};
use crate::scenario::Scenario;

/// Writes each scenario when it has ended; for JSON, keeps them all for one object.
#[derive(Debug)]
pub(super) struct Show {
    format: RunFormat,
    progress: Progress,
    output: Output,
    current: Option<ScenarioReport>,
    kept: Vec<ScenarioReport>,
    layout: Layout,
    summaries: Vec<Summary>,
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
            current: None,
            kept: Vec::new(),
            layout: layout(),
            summaries: Vec::new(),
            over_bound: Vec::new(),
        }
    }

    /// After the last scenario; hands back the ledgers whose remainder is over its bound.
    pub(super) fn finish(
        mut self,
        run_id: &str,
        environment: &serde_json::Map<String, serde_json::Value>,
        record: Option<&Path>,
    ) -> (Output, Vec<String>) {
        self.end_scenario();
        match (self.format, record) {
            (RunFormat::Json, Some(record)) => self
                .output
                .write(|out| json::write(out, run_id, environment, &self.kept, record)),
            (RunFormat::Table, _) => self
                .output
                .write(|out| summary::write(out, &self.summaries, self.layout)),
            (RunFormat::Json | RunFormat::Csv, _) => {}
        }
        (self.output, self.over_bound)
    }

    fn end_scenario(&mut self) {
        self.progress.clear();
        let Some(mut report) = self.current.take() else {
            return;
        };
        report.ended();
        let over = report
            .over_bound()
            .iter()
            .map(|moment| format!("{} {moment}", report.name));
        self.over_bound.extend(over);
        // The table has them where they belong; elsewhere a person must still see them.
        if self.format != RunFormat::Table {
            for error in &report.errors {
                complain(format_args!("{}: {}", report.name, describe(error)));
            }
        }
        match self.format {
            RunFormat::Table => {
                self.summaries.push(Summary::of(&report));
                self.output
                    .write(|out| terminal::write(out, &report, self.layout));
            }
            RunFormat::Csv => self.output.write(|out| csv::write(out, &report)),
            // Its phases are in the record.
            RunFormat::Json => {
                report.phases = Vec::new();
                self.kept.push(report);
            }
        }
    }
}

impl Watcher for Show {
    fn scenario_started(&mut self, scenario: &Scenario) {
        self.end_scenario();
        self.current = Some(ScenarioReport::new(scenario));
        self.progress.start(&scenario.name);
    }

    fn line(&mut self, line: &Line) {
        match (line, &mut self.current) {
            (Line::Progress(progress), _) => self.progress.update(progress),
            (_, Some(report)) => report.line(line),
            (Line::Error(error), None) => {
                complain(format_args!("{}", describe(error)));
            }
            (_, None) => {}
        }
    }

    fn scenario_ended(&mut self, _: &Scenario, _: bool) {
        self.end_scenario();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Catalogue, Selection};

    #[test]
    fn a_long_run_keeps_no_samples_and_one_reading() {
        let scenario = &Catalogue::built_in()
            .unwrap()
            .resolve(&Selection::default())
            .unwrap()[0];
        let mut show = Show::new(RunFormat::Json, true);
        show.scenario_started(scenario);
        let name = &scenario.name;
        for n in 0..10_000u64 {
            let sample = format!(
                r#"{{"kind":"sample","scenario":{name:?},"at_ns":{n},"rss_bytes":{n},
                    "anonymous_bytes":0,"swap_bytes":0,"disk_bytes":0}}"#
            );
            show.line(&serde_json::from_str(&sample).unwrap());
        }
        show.scenario_ended(scenario, false);
        assert_eq!(show.kept[0].peak_bytes(), 9_999);
        assert!(show.kept[0].phases.is_empty());
    }
}
