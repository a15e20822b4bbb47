//! `report`: a run for people, for other programs, and for dashboards, from its record.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::{Args, ValueEnum};

use super::output::{Output, complain};
use super::{Exit, Failure};
use crate::harness::RECORD_FILE;
use crate::record::FILES;
use crate::report::gathered::Gathered;
use crate::report::{csv, export, json, markdown, page};
use crate::whole_file;

/// What `report` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A run's directory, or a record
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// What to write
    #[arg(long, value_enum, default_value_t = Format::Html)]
    format: Format,
    /// Write into this file, over what is there; - is standard output. Without it HTML goes to
    /// report.html beside the record, and everything else to standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What `report` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One page with everything in it.
    Html,
    /// For a pull request.
    Markdown,
    /// A row for each scenario, phase and term.
    Csv,
    /// One object.
    Json,
    /// Bencher Metric Format.
    Bmf,
    /// The custom JSON of github-action-benchmark, smaller is better.
    GithubActionBenchmark,
    /// Prometheus's text format, which is valid OpenMetrics too.
    Prometheus,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let record = record_of(&arguments.run).map_err(Failure::usage)?;
    let target = target(arguments, &record).map_err(Failure::usage)?;
    let gathered = Gathered::read(&record).map_err(Failure::usage)?;
    if is_empty(&gathered) {
        let notes = gathered.notes.join("; ");
        let why = if notes.is_empty() {
            "it is empty"
        } else {
            &notes
        };
        let name = record.display();
        return Err(Failure::usage(anyhow!(
            "{name} has nothing to report: {why}"
        )));
    }
    let services = [Format::Bmf, Format::GithubActionBenchmark];
    let left_out = match services.contains(&arguments.format) {
        true => export::left_out(&gathered),
        false => Vec::new(),
    };
    for note in gathered.notes.iter().chain(&left_out) {
        complain(format_args!("{}: {note}", record.display()));
    }
    let write = |out: &mut dyn Write| write(out, arguments.format, &gathered, &record);
    let Some(path) = target else {
        let mut output = Output::default();
        output.write(write);
        return output.finish(Exit::Done);
    };
    whole_file::write(&path, write)
        .with_context(|| format!("cannot write {}", path.display()))
        .map_err(Failure::failed)?;
    complain(format_args!("written: {}", path.display()));
    Ok(Exit::Done)
}

/// The file to write; `None` for standard output.
fn target(arguments: &Arguments, record: &Path) -> anyhow::Result<Option<PathBuf>> {
    let path = match (&arguments.output, arguments.format) {
        (Some(path), _) if path.as_os_str() == "-" => return Ok(None),
        (Some(path), _) => path.clone(),
        (None, Format::Html) if arguments.run.is_dir() => record.with_file_name("report.html"),
        (None, Format::Html) => record.with_extension("html"),
        (None, _) => return Ok(None),
    };
    if path.is_dir() {
        bail!("{} is a directory; --output takes a file", path.display());
    }
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent.filter(|parent| !parent.is_dir()) {
        bail!(
            "cannot write {}: there is no directory {}",
            path.display(),
            parent.display()
        );
    }
    // By whichever name: a link to it too.
    let same = |one: &Path| fs::metadata(one).map(|file| (file.dev(), file.ino())).ok();
    let is_record = path == record || same(&path).is_some_and(|file| Some(file) == same(record));
    if is_record {
        bail!(
            "{} is the record itself; give --output another name",
            path.display()
        );
    }
    Ok(Some(path))
}

/// Nothing in it is of a run.
fn is_empty(gathered: &Gathered) -> bool {
    gathered.run.is_none()
        && gathered.scenarios.is_empty()
        && gathered.environment.is_empty()
        && gathered.errors.is_empty()
        && gathered.programs.is_empty()
}

fn write(
    out: &mut dyn Write,
    format: Format,
    gathered: &Gathered,
    record: &Path,
) -> io::Result<()> {
    match format {
        Format::Html => page::write(out, gathered, record.parent()),
        Format::Markdown => markdown::write(out, gathered),
        Format::Csv => csv::write_record(out, record),
        Format::Json => {
            let reports = gathered
                .scenarios
                .iter()
                .map(|course| course.report.clone());
            let reports: Vec<_> = reports.collect();
            let environment = &gathered.environment;
            json::write_readable(out, &gathered.name(), environment, &reports, record)
        }
        Format::Bmf => export::bmf::write(out, gathered),
        Format::GithubActionBenchmark => export::github::write(out, gathered),
        Format::Prometheus => export::prometheus::write(out, gathered),
    }
}

/// The record of a run, by its directory or by itself.
pub(super) fn record_of(run: &Path) -> anyhow::Result<PathBuf> {
    let kind = fs::metadata(run).with_context(|| format!("cannot read {}", run.display()))?;
    if kind.is_file() {
        return Ok(run.to_owned());
    }
    let records = FILES.map(|name| run.join(name));
    match records.into_iter().find(|record| record.is_file()) {
        Some(record) => Ok(record),
        None => bail!(
            "{} is no run: it has no {RECORD_FILE}; give the directory that `run --out` wrote",
            run.display()
        ),
    }
}
