//! `diagnose`: one scenario as it is, its verdicts, and then each remedy in turn.

use anyhow::bail;
use clap::Args;

use super::common::{Common, Probing, Size, only};
use super::diagnosis::Diagnosis;
use super::{Exit, Failure, Format, fit, pace};
use crate::allocator::global::has_dhat;
use crate::harness;
use crate::scenario::{Scenario, Selection};

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
    #[command(flatten)]
    size: Size,
    /// How standard output is written
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    probing: Probing,
    #[command(flatten)]
    common: Common,
}

/// Checks everything, then runs it.
pub(super) fn run(arguments: &Arguments, argv: Vec<String>) -> Result<Exit, Failure> {
    refuse_dhat().map_err(Failure::usage)?;
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

/// A remedy is recommended by its peak and its throughput, which would be dhat's.
fn refuse_dhat() -> anyhow::Result<()> {
    match has_dhat() {
        true => bail!(
            "this build has the feature dhat-heap: every peak and every throughput would be \
             instrumented, and remedies are ranked by them; build without --features dhat-heap to \
             diagnose"
        ),
        false => Ok(()),
    }
}

/// The one that is named, with its settings.
fn scenario(arguments: &Arguments) -> anyhow::Result<Scenario> {
    let (name, common) = (&arguments.scenario, &arguments.common);
    let mut settings = arguments.size.settings()?;
    settings.extend(common.settings()?);
    let scenarios = common.resolve(&Selection {
        names: vec![name.clone()],
        sets: Vec::new(),
        settings,
    })?;
    only(scenarios, name)
}
