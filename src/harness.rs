//! A stand-in: the harness is built elsewhere.

use std::path::PathBuf;
use std::time::Duration;

use crate::record::Line;
use crate::scenario::Scenario;

/// What a run needs to know.
#[derive(Debug)]
#[expect(missing_docs, reason = "a stand-in")]
pub struct RunOptions {
    pub out: PathBuf,
    pub sample_interval: Duration,
    pub argv: Vec<String>,
    pub run_id: String,
    pub started_utc: String,
    pub environment: serde_json::Map<String, serde_json::Value>,
}

/// Told of everything while it happens.
pub trait Watcher {
    /// A testee is about to start.
    fn scenario_started(&mut self, scenario: &Scenario);
    /// Every recorded line, and progress.
    fn line(&mut self, line: &Line);
    /// A testee has ended.
    fn scenario_ended(&mut self, scenario: &Scenario, ok: bool);
}

/// How a run ended.
#[derive(Debug)]
#[expect(missing_docs, reason = "a stand-in")]
pub enum Outcome {
    Done,
    Failed,
    Interrupted,
}

/// The record could not be written.
#[derive(Debug, thiserror::Error)]
#[error("stand-in")]
pub struct Error;

impl Error {
    /// Nothing was run and nothing is left behind.
    pub fn is_usage(&self) -> bool {
        true
    }
}

/// Runs nothing.
pub fn run(
    scenarios: &[Scenario],
    _: &RunOptions,
    watcher: &mut dyn Watcher,
) -> Result<Outcome, Error> {
    for scenario in scenarios {
        watcher.scenario_started(scenario);
        watcher.scenario_ended(scenario, true);
    }
    Ok(Outcome::Done)
}
