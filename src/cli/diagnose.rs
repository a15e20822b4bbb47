//! `diagnose`: one scenario as it is, its verdicts, and then each remedy in turn.

use anyhow::{anyhow, bail};
use clap::{Args, ValueEnum};

use super::common::{Common, Probing};
use super::diagnosis::Diagnosis;
use super::{Exit, Failure, fit, pace};
use crate::harness;
use crate::scenario::{Parameter, Scenario, Selection, Setting};

/// What `diagnose` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// One scenario by name, or NAME[KEY=VALUE] for one cell of a matrix
    #[arg(value_name = "SCENARIO")]
    scenario: String,
    /// How often everything is run; in each round the scenario as it is and every remedy once
    #[arg(long, value_name = "N", default_value_t = 2,
        value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// INSERTs to run: --set rows=N
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    rows: Option<String>,
    /// Cycles of a workload that repeats
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    cycles: Option<String>,
    /// How standard output is written
    #[arg(long, value_enum, default_value_t = DiagnoseFormat::Table)]
    format: DiagnoseFormat,
    #[command(flatten)]
    probing: Probing,
    #[command(flatten)]
    common: Common,
}

/// How `diagnose` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum DiagnoseFormat {
    /// For a person.
    Table,
    /// One object at the end.
    Json,
}

/// Checks everything, then runs it.
pub(super) fn run(arguments: &Arguments, argv: Vec<String>) -> Result<Exit, Failure> {
    let common = &arguments.common;
    let mut scenario = scenario(arguments).map_err(Failure::usage)?;
    if !common.has_scale() {
        pace::for_diagnosis(&mut scenario, arguments.rounds, common.quiet)
            .map_err(Failure::usage)?;
    }
    let scenarios = [scenario];
    fit::check(&scenarios).map_err(Failure::usage)?;
    let options = common.options(argv, None).map_err(Failure::usage)?;
    let options = arguments.probing.apply(options);
    let [scenario] = &scenarios;
    let mut diagnosis = Diagnosis::new(scenario.clone(), arguments.rounds, common.quiet);
    let ran = harness::run(&scenarios, &options, &mut diagnosis);
    let outcome = common.ended(ran, &options, &scenarios)?;
    diagnosis.finish(arguments.format, outcome, &options)
}

/// The one that is named, with its settings.
fn scenario(arguments: &Arguments) -> anyhow::Result<Scenario> {
    let (name, common) = (&arguments.scenario, &arguments.common);
    let mut settings = Vec::new();
    for (parameter, value) in [
        (Parameter::Rows, &arguments.rows),
        (Parameter::Cycles, &arguments.cycles),
    ] {
        if let Some(value) = value {
            settings.push(Setting::of_option(parameter, value)?);
        }
    }
    settings.extend(common.settings()?);
    let scenarios = common.resolve(&Selection {
        names: vec![name.clone()],
        sets: Vec::new(),
        settings,
    })?;
    let mut names = scenarios.iter().map(|one| one.name.clone());
    let first = names.next();
    if let (Some(first), Some(other)) = (&first, names.next()) {
        bail!(
            "{name} is several scenarios, such as {first} and {other}; name one of them, or give \
             --set one value for a key"
        );
    }
    let mut scenarios = scenarios.into_iter();
    scenarios
        .next()
        .ok_or_else(|| anyhow!("{name}: there is no such scenario"))
}
