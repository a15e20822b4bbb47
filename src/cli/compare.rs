//! `compare`: two runs, two recorded references, or two of Criterion's baselines.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::output::{self, Output};
use super::{Exit, Failure};
use crate::report::comparison::{
    self, Options, Source, parse_threshold, write_json, write_markdown, write_table,
};

/// What `compare` takes.
#[derive(Debug, Args)]
#[command(after_help = ABOUT)]
pub(super) struct Arguments {
    /// What to compare with: a run's directory, a record, a recorded reference, or
    /// DIR@BASELINE of Criterion's (target/criterion@before); of a run of two programs, that alone
    #[arg(value_name = "BASE")]
    base: PathBuf,
    /// What is judged
    #[arg(value_name = "NEW")]
    new: Option<PathBuf>,
    /// A change that is one: 5% or 0.05
    #[arg(long, value_name = "PART", value_parser = parse_threshold, default_value = "3%",
        allow_hyphen_values = true)]
    threshold: f64,
    /// The same of bytes, where it is another one
    #[arg(long, value_name = "PART", value_parser = parse_threshold, allow_hyphen_values = true)]
    threshold_bytes: Option<f64>,
    /// Show the times of phases that are not judged, too
    #[arg(long)]
    all: bool,
    /// How standard output is written
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

const ABOUT: &str = "Exit codes: 0 nothing is worse, 1 something is, 2 nothing could be compared.

A row is slower, faster, more or less where the change is beyond --threshold, beyond what each side does to \
itself (the A/A floor), and beyond chance in the whole table. It is undecided where a change of twice the \
threshold could hide. Times of different machines are not compared. Times under 20 ms are not judged.

With fewer than 5 executions of a side there is no floor. Then a time is called beyond 25 %, and only where its \
cycles or readings agree; resident bytes beyond 5 % and 1 MiB; what SQLite counts beyond the threshold.

Examples:
  sqlite-membench run insert-10m --pairs 16 --against ../old/sqlite-membench --out RUN
  sqlite-membench compare RUN                                 the two programs of one run
  sqlite-membench compare BEFORE AFTER --format markdown      two runs, for a pull request
  sqlite-membench compare target/criterion@before target/criterion";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a person.
    Table,
    /// For a program: every value, ratio, interval and floor.
    Json,
    /// For a pull request.
    Markdown,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let base = Source::find(&arguments.base).map_err(Failure::usage)?;
    let new = arguments.new.as_deref().map(Source::find);
    let new = new.transpose().map_err(Failure::usage)?;
    let options = Options {
        threshold: arguments.threshold,
        threshold_bytes: arguments.threshold_bytes.unwrap_or(arguments.threshold),
    };
    let compared = comparison::compare(&base, new.as_ref(), &options).map_err(Failure::usage)?;
    let mut output = Output::default();
    output.write(|out| match arguments.format {
        Format::Table => write_table(out, &compared, arguments.all, output::layout()),
        Format::Json => write_json(out, &compared),
        Format::Markdown => write_markdown(out, &compared, arguments.all),
    });
    output.finish(match compared.regressed() {
        true => Exit::Gate,
        false => Exit::Done,
    })
}
