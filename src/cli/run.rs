//! `run`: scenarios, one testee after the other.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::watcher::Show;
use super::{Exit, Failure, output, run_dir};
use crate::environment::environment;
use crate::harness::{self, Outcome, RunOptions};
use crate::scenario::{Catalogue, Parameter, Place, Scenario, Selection, Setting, units};

/// What `run` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Scenarios by name; the standard set where none is named
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<String>,
    /// Run every scenario of a set
    #[arg(long, value_name = "NAME")]
    set_of: Vec<String>,
    /// Add every *.toml of a directory to the built-in scenarios
    #[arg(long = "scenarios", value_name = "DIR")]
    directory: Option<PathBuf>,
    /// INSERTs to run: --set rows=N
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    rows: Option<String>,
    /// Cycles of a workload that repeats
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    cycles: Option<String>,
    /// Multiply the rows: 0.1 is a tenth
    #[arg(long, value_name = "X", allow_hyphen_values = true)]
    scale: Option<String>,
    /// Change a key of every scenario; values parted by commas make a matrix
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Stop a testee that has more resident: 600MiB
    #[arg(long, value_name = "SIZE", value_parser = units::size, allow_hyphen_values = true)]
    limit_rss: Option<u64>,
    /// Stop a testee that runs longer: 10m
    #[arg(long, value_name = "TIME", value_parser = units::time, allow_hyphen_values = true)]
    limit_time: Option<Duration>,
    /// Stop a testee that has written more: 5GiB
    #[arg(long, value_name = "SIZE", value_parser = units::size, allow_hyphen_values = true)]
    limit_disk: Option<u64>,
    /// Exit with 1 if a ledger leaves more than 1 % of RSS (and 1 MiB) without an owner
    #[arg(long)]
    strict: bool,
    /// Write the record here: a directory that does not exist yet
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// How standard output is written
    #[arg(long, value_enum, default_value_t = RunFormat::Table)]
    format: RunFormat,
    /// No progress and no messages on standard error
    #[arg(long)]
    quiet: bool,
    /// How often a testee is looked at from outside
    #[arg(long, value_name = "TIME", value_parser = interval, default_value = "100ms",
        allow_hyphen_values = true)]
    sample_interval: Duration,
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

/// At least a millisecond: a harness that looks without pause takes a processor from its testee.
fn interval(text: &str) -> Result<Duration, String> {
    let time = units::time(text).map_err(|error| error.to_string())?;
    match time < Duration::from_millis(1) {
        true => Err(format!("{text:?} is too short; it takes at least 1ms")),
        false => Ok(time),
    }
}

/// Checks everything, then runs it.
pub(super) fn run(arguments: &Arguments, argv: Vec<String>) -> Result<Exit, Failure> {
    let scenarios = scenarios(arguments).map_err(Failure::usage)?;
    let identity = run_dir::Identity::now();
    let out = match &arguments.out {
        Some(out) => run_dir::asked_for(out),
        None => run_dir::default(&identity),
    };
    let options = RunOptions {
        out: out.map_err(Failure::usage)?,
        sample_interval: arguments.sample_interval,
        argv,
        run_id: identity.run_id,
        started_utc: identity.started_utc,
        environment: environment(),
    };
    let mut show = Show::new(arguments.format, arguments.quiet);
    let ran = harness::run(&scenarios, &options, &mut show);
    let record = options.out.join(harness::RECORD_FILE);
    let begun = match &ran {
        Ok(_) => true,
        Err(error) => matches!(error, harness::Error::Record(_)) && !error.is_usage(),
    };
    let (output, over_bound) = show.finish(
        &options.run_id,
        &options.environment,
        begun.then_some(record.as_path()),
    );
    let outcome = ran.map_err(|error| match error.is_usage() {
        true => Failure::usage(error),
        false => Failure::failed(error),
    })?;
    if !arguments.quiet {
        output::complain(format_args!("record: {}", record.display()));
    }
    if crate::allocator::global::has_dhat() && !arguments.quiet {
        for (index, scenario) in scenarios.iter().enumerate() {
            let profile = harness::heap_profile(&options.out, index);
            if profile.exists() {
                output::complain(format_args!(
                    "heap profile of {}: {} (open it in dh_view.html of valgrind)",
                    scenario.name,
                    profile.display()
                ));
            }
        }
    }
    let exit = match outcome {
        Outcome::Interrupted => Exit::Interrupted,
        Outcome::Failed => Exit::Failed,
        Outcome::Done if arguments.strict && !over_bound.is_empty() => {
            let ledgers = over_bound.join("; ");
            output::complain(format_args!("unattributed is over its bound: {ledgers}"));
            Exit::Gate
        }
        Outcome::Done => Exit::Done,
    };
    output.finish(exit)
}

fn scenarios(arguments: &Arguments) -> Result<Vec<Scenario>, crate::scenario::Error> {
    let mut catalogue = Catalogue::built_in()?;
    if let Some(directory) = &arguments.directory {
        catalogue.add_directory(directory)?;
    }
    let mut settings = Vec::new();
    if let Some(cycles) = &arguments.cycles {
        // Known, and of another workload.
        let place = Place::Argument(format!("--cycles {cycles}"));
        Parameter::parse("cycles").map_err(|problem| problem.at(None, &place))?;
    }
    for (parameter, value) in [
        (Parameter::Rows, &arguments.rows),
        (Parameter::Scale, &arguments.scale),
    ] {
        if let Some(value) = value {
            settings.push(Setting::of_option(parameter, value)?);
        }
    }
    for argument in &arguments.set {
        settings.push(Setting::parse(argument)?);
    }
    let (names, sets) = (arguments.scenarios.clone(), arguments.set_of.clone());
    let mut scenarios = catalogue.resolve(&Selection {
        names,
        sets,
        settings,
    })?;
    for scenario in &mut scenarios {
        let limits = &mut scenario.limits;
        limits.rss_bytes = arguments.limit_rss.or(limits.rss_bytes);
        limits.disk_bytes = arguments.limit_disk.or(limits.disk_bytes);
        let time = arguments
            .limit_time
            .and_then(|time| u64::try_from(time.as_nanos()).ok());
        limits.time_ns = time.or(limits.time_ns);
    }
    Ok(scenarios)
}
