//! `run`: scenarios, one testee after the other.

use clap::{Args, ValueEnum};

use super::common::{Common, Probing, Size};
use super::pace::Pace;
use super::pairs::{self, Repeating};
use super::profiling::{self, Profiling};
use super::turns::Turns;
use super::watcher::{Broken, Show};
use super::{Exit, Failure, fit, output};
use crate::harness::{self, Outcome};
use crate::scenario::{STANDARD_SET, Scenario, Selection};

/// What `run` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Scenarios by name; the standard set where none is named
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<String>,
    /// Run every scenario of a set
    #[arg(long, value_name = "NAME")]
    set_of: Vec<String>,
    #[command(flatten)]
    size: Size,
    /// Exit with 1 if a ledger leaves more than 1 % of RSS (and 1 MiB) without an owner, or a
    /// scenario gets another verdict than it expects
    #[arg(long)]
    strict: bool,
    /// How standard output is written
    #[arg(long, value_enum, default_value_t = RunFormat::Table)]
    format: RunFormat,
    #[command(flatten)]
    repeating: Repeating,
    #[command(flatten)]
    probing: Probing,
    #[command(flatten)]
    profiling: Profiling,
    #[command(flatten)]
    common: Common,
}

/// How `run` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum RunFormat {
    /// For a person: a table and a tree of owners for each scenario.
    Table,
    /// One object at the end.
    Json,
    /// A row for each scenario, phase and term.
    Csv,
}

/// Checks everything, then runs it.
pub(super) fn run(arguments: &Arguments, argv: Vec<String>) -> Result<Exit, Failure> {
    let scenarios = scenarios(arguments).map_err(Failure::usage)?;
    let (common, rounds) = (&arguments.common, arguments.repeating.rounds());
    if rounds.is_some() {
        arguments
            .profiling
            .refuse_several()
            .map_err(Failure::usage)?;
    }
    let programs = arguments
        .repeating
        .programs(common.quiet)
        .map_err(Failure::usage)?;
    let pace = match arguments.is_standard_set() {
        true => Pace::of(&scenarios, common.quiet).map_err(Failure::usage)?,
        false => None,
    };
    if pace.is_none() {
        fit::check(&scenarios).map_err(Failure::usage)?;
    }
    let asked = arguments.profiling.asked(&scenarios);
    let asked = asked.map_err(Failure::usage)?;
    let options = common.options(argv, None).map_err(Failure::usage)?;
    let mut options = arguments.probing.apply(options);
    options.profiling = asked;
    options.programs = (programs.as_ref()).map_or_else(Vec::new, |both| both.programs.clone());
    let turns = rounds.map(|rounds| Turns::new(scenarios.clone(), rounds));
    let is_paired = turns.as_ref().is_some_and(Turns::is_paired);
    let scenarios = turns.as_ref().map_or(scenarios, Turns::first_round);
    let record = options.out.join(harness::RECORD_FILE);
    let mut show = Show::new(arguments.format, common.quiet, record.clone());
    show.pace = match is_paired {
        true => pace.map(Pace::for_pairs),
        false => pace,
    };
    show.turns = turns;
    let ran = harness::run(&scenarios, &options, &mut show);
    let begun = match &ran {
        Ok(_) => true,
        Err(error) => matches!(error, harness::Error::Record(_)) && !error.is_usage(),
    };
    let (mut output, broken) = show.finish(
        &options.run_id,
        &options.environment,
        begun.then_some(record.as_path()),
    );
    let tables = (arguments.format == RunFormat::Table).then_some(&mut output);
    let has_profiles = profiling::finish(&options, &scenarios, tables, common.quiet);
    let outcome = common.ended(ran, &options, &scenarios)?;
    let compared = match is_paired {
        true => pairs::conclude_pairs(&record, &arguments.repeating, arguments.format, &mut output),
        false => Exit::Done,
    };
    let exit = match outcome {
        Outcome::Interrupted => Exit::Interrupted,
        Outcome::Failed => Exit::Failed,
        Outcome::Done if !has_profiles => Exit::Failed,
        Outcome::Done if arguments.strict && gate(&broken) == Exit::Gate => Exit::Gate,
        Outcome::Done => compared,
    };
    output.finish(exit)
}

/// Says what does not hold.
fn gate(broken: &Broken) -> Exit {
    let Broken {
        over_bound,
        verdicts,
    } = broken;
    if !over_bound.is_empty() {
        let ledgers = over_bound.join("; ");
        output::complain(format_args!("unattributed is over its bound: {ledgers}"));
    }
    for verdict in verdicts {
        output::complain(format_args!("another verdict: {verdict}"));
    }
    match over_bound.is_empty() && verdicts.is_empty() {
        true => Exit::Done,
        false => Exit::Gate,
    }
}

impl Arguments {
    /// The standard set at whatever scale.
    fn is_standard_set(&self) -> bool {
        let sets = &self.set_of[..];
        self.scenarios.is_empty()
            && (sets.is_empty() || sets == [STANDARD_SET])
            && !self.common.has_scale()
    }
}

fn scenarios(arguments: &Arguments) -> Result<Vec<Scenario>, crate::scenario::Error> {
    let mut settings = arguments.size.settings()?;
    settings.extend(arguments.common.settings()?);
    let (names, sets) = (arguments.scenarios.clone(), arguments.set_of.clone());
    arguments.common.resolve(&Selection {
        names,
        sets,
        settings,
    })
}
