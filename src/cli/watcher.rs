//! What `run` shows while the harness runs, and what it keeps for the end.

use std::fs::File;
use std::io::{self, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::output::{Output, complain, layout};
use super::pace::Pace;
use super::progress::Progress;
use super::run::RunFormat;
use super::turns::Turns;
use crate::harness::Watcher;
use crate::record::{Line, Reader, TurnRecord};
use crate::report::cycles::table::{self, Series};
use crate::report::layout::Layout;
use crate::report::repeats::{self, Repeated};
use crate::report::summary::{self, Summary};
use crate::report::{ScenarioReport, csv, describe, json, terminal, verdicts};
use crate::scenario::Scenario;

/// What `--strict` asks for and does not hold, in words.
#[derive(Debug)]
pub(super) struct Broken {
    /// The ledgers whose remainder is over its bound.
    pub over_bound: Vec<String>,
    /// The scenarios that got another verdict than their declaration expects.
    pub verdicts: Vec<String>,
}

/// Writes each scenario when it has ended; for JSON, keeps them all for one object.
#[derive(Debug)]
pub(super) struct Show {
    format: RunFormat,
    progress: Progress,
    output: Output,
    /// The record, and where in it the current scenario begins.
    record: PathBuf,
    begin: u64,
    current: Option<ScenarioReport>,
    kept: Vec<ScenarioReport>,
    layout: Layout,
    summaries: Vec<Summary>,
    series: Vec<Series>,
    over_bound: Vec<String>,
    verdicts: Vec<verdicts::Row>,
    /// Of a set whose snapshots get the scale that fits.
    pub(super) pace: Option<Pace>,
    /// Of a run that executes everything several times.
    pub(super) turns: Option<Turns>,
    /// What its executions came to, by scenario.
    repeated: Vec<Repeated>,
    turn: Option<TurnRecord>,
}

impl Show {
    /// `record` is where the harness will write.
    pub(super) fn new(format: RunFormat, quiet: bool, record: PathBuf) -> Self {
        let mut output = Output::default();
        if format == RunFormat::Csv {
            output.write(csv::write_header);
        }
        Show {
            format,
            progress: Progress::live(quiet),
            output,
            record,
            begin: 0,
            current: None,
            kept: Vec::new(),
            layout: layout(),
            summaries: Vec::new(),
            series: Vec::new(),
            over_bound: Vec::new(),
            verdicts: Vec::new(),
            pace: None,
            turns: None,
            repeated: Vec::new(),
            turn: None,
        }
    }

    /// After the last scenario; hands back what does not hold.
    pub(super) fn finish(
        mut self,
        run_id: &str,
        environment: &serde_json::Map<String, serde_json::Value>,
        record: Option<&Path>,
    ) -> (Output, Broken) {
        self.end_scenario();
        match (self.format, record) {
            (RunFormat::Json, Some(record)) => self
                .output
                .write(|out| json::write(out, run_id, environment, &self.kept, record)),
            (RunFormat::Table, _) => self.output.write(|out| {
                table::write(out, &self.series, self.layout)?;
                match self.turns {
                    Some(_) => repeats::write(out, &self.repeated, self.layout)?,
                    None => summary::write(out, &self.summaries, self.layout)?,
                }
                verdicts::write_table(out, &self.verdicts, self.layout)
            }),
            (RunFormat::Json | RunFormat::Csv, _) => {}
        }
        let differ = self.verdicts.iter().filter(|row| row.differs());
        let broken = Broken {
            over_bound: self.over_bound,
            verdicts: differ.map(verdicts::Row::difference).collect(),
        };
        (self.output, broken)
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
        let has_table = self.format == RunFormat::Table && self.has_tables();
        let verdict = report.verdict.as_ref().map(verdicts::Row::of);
        self.verdicts
            .extend(verdict.filter(|row| has_table || row.differs()));
        // The table has them where they belong; elsewhere a person must still see them.
        if !has_table {
            for error in &report.errors {
                complain(format_args!("{}: {}", report.name, describe(error)));
            }
        }
        self.count(&report);
        match self.format {
            RunFormat::Table if !has_table => {}
            RunFormat::Table => {
                self.summaries.push(Summary::of(&report));
                self.output
                    .write(|out| terminal::write(out, &report, self.layout));
                let (name, cycles) = (report.name, report.cycles);
                self.series.push(Series { name, cycles });
            }
            RunFormat::Csv => {
                let (record, begin) = (&self.record, self.begin);
                self.output.write(|out| write_csv(out, record, begin));
            }
            // Its phases are in the record.
            RunFormat::Json => {
                report.slim();
                self.kept.push(report);
            }
        }
    }

    /// Whether the scenario that runs is shown by a table of its own: of several executions the first
    /// one is, and of two programs none.
    fn has_tables(&self) -> bool {
        let Some(turns) = &self.turns else {
            return true;
        };
        turns.now().is_none_or(|turn| turn.round == 1) && !turns.is_paired()
    }

    /// Takes into account what an execution of several came to.
    fn count(&mut self, report: &ScenarioReport) {
        let Some(turns) = self.turns.as_ref().filter(|turns| !turns.is_paired()) else {
            return;
        };
        if self.repeated.is_empty() {
            let named = turns.names().map(|name| Repeated {
                name: name.to_owned(),
                ..Repeated::default()
            });
            self.repeated = named.collect();
        }
        if let Some(turn) = turns.now() {
            self.repeated[turn.of].add(report);
        }
    }
}

/// The rows of the scenario whose lines begin at byte `begin` of `record` and go to its end.
fn write_csv(out: &mut dyn Write, record: &Path, begin: u64) -> io::Result<()> {
    let mut file = match File::open(record) {
        // Nothing was ever recorded.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    file.seek(SeekFrom::Start(begin))?;
    let name = record.display().to_string();
    csv::write(out, Reader::over(BufReader::new(file), &name))
}

impl Watcher for Show {
    fn more(&mut self) -> Option<Scenario> {
        self.turns.as_mut()?.more()
    }

    fn prepare(&mut self, scenario: &mut Scenario) -> Option<Line> {
        self.progress.clear();
        if let Some(turns) = &mut self.turns {
            let (next, record) = turns.begin(self.pace.as_mut())?;
            *scenario = next;
            self.turn = Some(record.clone());
            return Some(Line::Turn(record));
        }
        if let Some(pace) = &mut self.pace {
            pace.prepare(scenario);
        }
        None
    }

    fn scenario_started(&mut self, scenario: &Scenario) {
        self.end_scenario();
        self.begin = self.record.metadata().map_or(0, |file| file.len());
        let mut report = ScenarioReport::new(scenario);
        report.turn = self.turn.take();
        self.current = Some(report);
        let label = self.turns.as_ref().and_then(Turns::label);
        self.progress
            .start(label.as_deref().unwrap_or(&scenario.name));
    }

    fn line(&mut self, line: &Line) {
        self.progress.line(line);
        match (line, &mut self.current) {
            (Line::Progress(_), _) => {}
            (_, Some(report)) => report.line(line),
            (Line::Error(error), None) => {
                complain(format_args!("{}", describe(error)));
            }
            (_, None) => {}
        }
    }

    fn conclude(&mut self, scenario: &Scenario) -> Option<Line> {
        let verdict = self.current.as_ref()?.judge(scenario.expect.clone());
        Some(Line::Verdict(verdict))
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
            .unwrap()
            .scenarios[0];
        let mut show = Show::new(RunFormat::Json, true, PathBuf::new());
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
