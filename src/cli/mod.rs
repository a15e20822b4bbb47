//! The command line: a file a verb, and what they share.
//!
//! Everything that can be wrong with what was asked is found before anything is written. Results
//! go to standard output, progress and messages to standard error.

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

mod against;
mod common;
mod compare;
mod diagnose;
mod diagnosis;
mod env;
mod fit;
mod generate;
mod list;
mod live;
mod output;
mod pace;
mod pairs;
mod profile;
mod profiling;
mod progress;
mod report;
mod run;
mod run_dir;
mod screen;
mod serve;
mod turns;
mod watcher;

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything was done.
    Done,
    /// A gate failed: under `--strict` the remainder of a ledger is over its bound, or a scenario got
    /// another verdict than it expects; in a comparison the new one is worse.
    Gate,
    /// Bad usage, or a scenario that cannot be used; nothing was written.
    Usage,
    /// A testee failed, or output could not be written.
    Failed,
    /// Ctrl-C.
    Interrupted,
}

impl Exit {
    /// As the shell sees it.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Gate => 1,
            Exit::Usage => 2,
            Exit::Failed => 3,
            Exit::Interrupted => 130,
        }
    }
}

/// A command that cannot go on: the code, and what to say.
#[derive(Debug)]
struct Failure {
    exit: Exit,
    error: anyhow::Error,
}

impl Failure {
    fn usage(error: impl Into<anyhow::Error>) -> Self {
        Failure {
            exit: Exit::Usage,
            error: error.into(),
        }
    }

    fn failed(error: impl Into<anyhow::Error>) -> Self {
        Failure {
            exit: Exit::Failed,
            error: error.into(),
        }
    }
}

/// Criterion benchmarks and a memory ledger for SQLite under Rust: every resident byte, by owner.
///
/// Without a command the standard set runs: the reported 10-million-row insert, under SQLite's
/// default allocator and under an arena of its own, and the reported snapshot service with its
/// variants, at the largest scale that fits into 150 s.
#[derive(Debug, Parser)]
#[command(name = "sqlite-membench", version, about, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 a gate failed (--strict) or the new one is worse (compare, --pairs), \
2 bad usage or bad scenario, 3 a testee failed or output could not be written, 130 interrupted.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run scenarios and show who owns the memory
    Run(Box<run::Arguments>),
    /// Write what a run has left as a page for people, or for other programs
    Report(report::Arguments),
    /// Compare two runs, and exit with 1 where the second is worse
    Compare(compare::Arguments),
    /// Say what kind of growth a scenario shows, and measure which remedy works
    Diagnose(Box<diagnose::Arguments>),
    /// Show the scenarios, built in and from --scenarios DIR
    List(list::Arguments),
    /// Serve the snapshot testee, to ask it for cycles and watch it with your own tools
    Serve(Box<serve::Arguments>),
    /// Show or draw a profile that a run has left, or what grew between two
    Profile(Box<profile::Arguments>),
    /// Show what is recorded about this machine, and what cannot be measured here and why
    Env(env::Arguments),
    /// Write a shell's completions to standard output
    Completions(generate::Completions),
    /// Write the manual page to standard output
    Man(generate::Man),
}

/// How `list`, `env` and `diagnose` write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a person.
    Table,
    /// For a program.
    Json,
}

/// The verb by which the harness starts a testee; it is nobody else's, so no help shows it.
const TESTEE: &str = "testee";

/// The program, whole.
pub fn main() -> ExitCode {
    // Before anything is allocated that a ledger would count, or that a profile would miss.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|verb| verb == TESTEE)
    {
        return crate::testee::main();
    }
    let argv: Vec<_> = std::env::args_os().collect();
    let cli = match argv.len() {
        0 | 1 => Cli::parse_from(["sqlite-membench", "run"]),
        _ => Cli::parse_from(&argv),
    };
    let argv = argv
        .iter()
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let done = match cli.command {
        Some(Command::Run(arguments)) => run::run(&arguments, argv),
        Some(Command::Diagnose(arguments)) => diagnose::run(&arguments, argv),
        Some(Command::Serve(arguments)) => serve::run(&arguments, argv),
        Some(Command::List(arguments)) => list::run(&arguments),
        Some(Command::Profile(arguments)) => profile::run(&arguments),
        Some(Command::Env(arguments)) => env::run(&arguments),
        Some(Command::Report(arguments)) => report::run(&arguments),
        Some(Command::Compare(arguments)) => compare::run(&arguments),
        Some(Command::Completions(arguments)) => generate::completions(&arguments),
        Some(Command::Man(arguments)) => generate::man(&arguments),
        None => Err(Failure::usage(anyhow::anyhow!(
            "a command is missing; see --help"
        ))),
    };
    let exit = done.unwrap_or_else(|Failure { exit, error }| {
        output::complain(format_args!("error: {error:#}"));
        exit
    });
    ExitCode::from(exit.code())
}
