//! The parent: starts a testee for each scenario, samples it from outside, stops it at its limits,
//! and writes the record. Holds one line of the record at a time, however long the run.
//!
//! Touches the run directory, the testees and their temporary directories, and nothing else.

pub mod drive;
mod ending;
mod heap_dump;
mod limits;
mod program;
mod sample;
mod signals;
mod spawn;
mod supervise;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use crate::memory::process;
use crate::record::{Line, RunRecord, TurnRecord, WriteError, Writer};
use crate::scenario::Scenario;
use crate::testee::ServiceOptions;
use crate::testee::profiling::Asked;

pub use program::Program;
use signals::Listening;
use supervise::{Ended, Run};

/// The file in a run directory.
pub const RECORD_FILE: &str = "record.jsonl";

/// Lines that testee and harness may be apart before the testee has to wait.
const LINES_IN_FLIGHT: usize = 64;

/// What a run needs to know besides its scenarios.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The run directory. It is created, and must not exist.
    pub out: PathBuf,
    /// Between two `sample` lines.
    pub sample_interval: Duration,
    /// How a testee that serves HTTP does so while somebody else asks it for cycles, until it is
    /// stopped: SIGINT, SIGTERM or SIGHUP is then how it ends well. `None`: the harness asks, on any
    /// free port.
    pub serve: Option<ServiceOptions>,
    /// Whether each testee tries what gives memory back, after its last cycle and at a limit.
    pub probes: bool,
    /// Whether SQL is recorded with its literals, and not `?` in their places.
    pub literals: bool,
    /// What each testee samples of itself.
    pub profiling: Asked,
    /// The command line, for the record.
    pub argv: Vec<String>,
    /// For the record.
    pub run_id: String,
    /// RFC 3339, for the record.
    pub started_utc: String,
    /// For the record. A text `git_revision` in it goes into the `run` line as well.
    pub environment: serde_json::Map<String, serde_json::Value>,
    /// Where two programs are compared: both. A scenario that has a `turn` line with a side runs in a
    /// testee of that side's program, every other one in a testee of this executable.
    pub programs: Vec<Program>,
}

/// Looks on while a run goes.
pub trait Watcher {
    /// `scenario` comes next; what is changed in it, it is run with, and what is handed back is
    /// recorded before it.
    fn prepare(&mut self, _scenario: &mut Scenario) -> Option<Line> {
        None
    }
    /// Every scenario has run: the one to run next, or `None` to end the run.
    fn more(&mut self) -> Option<Scenario> {
        None
    }
    /// The testee of `scenario` is about to be started.
    fn scenario_started(&mut self, scenario: &Scenario);
    /// Every line that was recorded, and every `progress` and `listening` line, which was not.
    fn line(&mut self, line: &Line);
    /// The testee of `scenario` is gone, and its lines are recorded: what is recorded after them.
    fn conclude(&mut self, _scenario: &Scenario) -> Option<Line> {
        None
    }
    /// The testee of `scenario` is gone; `ok` says whether it did what it should.
    fn scenario_ended(&mut self, scenario: &Scenario, ok: bool);
}

/// How a run ended, where its record could be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every scenario did what it should.
    Done,
    /// At least one did not; each has an `error` line.
    Failed,
    /// SIGINT, SIGTERM or SIGHUP; scenarios after the interrupted one did not run.
    Interrupted,
}

/// Why a run could not start, or its record not be written on. Each message is whole: no `source`
/// adds to it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A run directory is never written over.
    #[error(
        "the output directory {} exists already: choose another one, or remove it",
        path.display()
    )]
    OutExists {
        /// `--out`
        path: PathBuf,
    },
    /// It could not be created.
    #[error(
        "cannot create the output directory {}: {cause}; choose another one with --out",
        path.display()
    )]
    Out {
        /// `--out`
        path: PathBuf,
        /// The system's words.
        cause: io::Error,
    },
    /// The record could not be created or written on. The testee was stopped and its directory
    /// removed.
    #[error("{0}. Make room there, or choose another directory with --out, and run again")]
    Record(WriteError),
    /// The process cannot listen for Ctrl-C.
    #[error("cannot listen for signals: {0}")]
    Signals(io::Error),
    /// The process does not find its own executable.
    #[error("cannot find this program's own executable to start a testee: {0}")]
    Executable(io::Error),
    /// The databases have nowhere to go.
    #[error(
        "cannot make a directory for a database in {}: {}; set TMPDIR to a directory that can be written",
        path.display(),
        cause.kind()
    )]
    TemporaryDirectory {
        /// `TMPDIR`, or the system's own.
        path: PathBuf,
        /// The system's words.
        cause: io::Error,
    },
    /// A limit was asked for that cannot be watched here.
    #[error(
        "scenario {scenario} has a limit on resident memory, and /proc/PID/smaps_rollup cannot be \
         read here to watch it: {cause}; run without limit_rss"
    )]
    NoRss {
        /// The scenario.
        scenario: String,
        /// The system's words.
        cause: io::Error,
    },
}

impl From<WriteError> for Error {
    fn from(error: WriteError) -> Self {
        Error::Record(error)
    }
}

impl Error {
    /// True where nothing was run and nothing is left behind: the caller asked for what cannot be.
    pub fn is_usage(&self) -> bool {
        match self {
            Error::OutExists { .. }
            | Error::Out { .. }
            | Error::NoRss { .. }
            | Error::TemporaryDirectory { .. } => true,
            Error::Record(error) => matches!(error, WriteError::Create { .. }),
            Error::Signals(_) | Error::Executable(_) => false,
        }
    }
}

/// Runs `scenarios` one after the other, and after them what the watcher asks for, each in a testee
/// of its own, and records them in `options.out`.
///
/// Blocks, and stays on the calling thread: the kernel ends a testee when the thread that started
/// it is gone. A failed scenario does not keep the next one from running.
pub fn run(
    scenarios: &[Scenario],
    options: &RunOptions,
    watcher: &mut dyn Watcher,
) -> Result<Outcome, Error> {
    let executable = std::env::current_exe().map_err(Error::Executable)?;
    check_limits(scenarios)?;
    check_temporary_directory()?;
    let (sender, receiver) = sync_channel(LINES_IN_FLIGHT);
    let _listening = Listening::start(sender.clone()).map_err(Error::Signals)?;
    // Declared after `_listening` and so dropped before it, which ends a thread that still sends.
    let events = receiver;

    let record = create(&options.out)?;
    let mut run = Run {
        executable,
        options,
        record,
        watcher,
        sender,
        events,
    };
    run.write(Line::Run(run_record(options)))?;
    run.write(Line::Environment(options.environment.clone()))?;
    for program in &options.programs {
        run.write(Line::Program(program.record.clone()))?;
    }
    let mut outcome = Outcome::Done;
    let mut waiting = scenarios.iter().cloned();
    let mut index = 0;
    while let Some(mut scenario) = waiting.next().or_else(|| run.watcher.more()) {
        let mut side = None;
        if let Some(line) = run.watcher.prepare(&mut scenario) {
            // What is recorded is what runs.
            if let Line::Turn(TurnRecord { side: of, .. }) = &line {
                side = *of;
            }
            run.write(line)?;
        }
        match run.scenario(index, &scenario, side)? {
            Ended::Well => {}
            Ended::Failed => outcome = Outcome::Failed,
            Ended::Interrupted => return Ok(Outcome::Interrupted),
        }
        index += 1;
    }
    Ok(outcome)
}

/// Where the testee of the scenario with this number leaves dhat's heap profile, in a build with
/// the feature `dhat-heap`. The first one's is `dhat-heap.json`.
pub fn heap_profile(out: &Path, index: usize) -> PathBuf {
    out.join(match index {
        0 => "dhat-heap.json".to_owned(),
        _ => format!("dhat-heap-{index}.json"),
    })
}

fn run_record(options: &RunOptions) -> RunRecord {
    let revision = options
        .environment
        .get("git_revision")
        .and_then(serde_json::Value::as_str);
    RunRecord {
        run_id: options.run_id.clone(),
        started_utc: options.started_utc.clone(),
        suite_version: env!("CARGO_PKG_VERSION").to_owned(),
        git_revision: revision.map(str::to_owned),
        argv: options.argv.clone(),
    }
}

/// The run directory with an empty record in it, or nothing.
fn create(out: &Path) -> Result<Writer, Error> {
    if let Some(parent) = out.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(|cause| Error::Out {
            path: out.to_owned(),
            cause,
        })?;
    }
    fs::create_dir(out).map_err(|cause| match cause.kind() {
        io::ErrorKind::AlreadyExists => Error::OutExists {
            path: out.to_owned(),
        },
        _ => Error::Out {
            path: out.to_owned(),
            cause,
        },
    })?;
    Writer::create(&out.join(RECORD_FILE)).map_err(|error| {
        let _ = fs::remove_dir(out);
        Error::Record(error)
    })
}

/// Each testee gets a directory there for its database.
fn check_temporary_directory() -> Result<(), Error> {
    match tempfile::tempdir() {
        Ok(_) => Ok(()),
        Err(cause) => Err(Error::TemporaryDirectory {
            path: std::env::temp_dir(),
            cause,
        }),
    }
}

/// A limit that cannot be watched is refused before anything is written.
fn check_limits(scenarios: &[Scenario]) -> Result<(), Error> {
    let Some(limited) = scenarios.iter().find(|one| one.limits.rss_bytes.is_some()) else {
        return Ok(());
    };
    match process::rollup(None) {
        Ok(_) => Ok(()),
        Err(cause) => Err(Error::NoRss {
            scenario: limited.name.clone(),
            cause,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_directory_that_exists_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let error = create(directory.path()).unwrap_err();
        assert!(matches!(error, Error::OutExists { .. }) && error.is_usage());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn an_output_directory_is_created_with_its_parents() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("runs/one");
        create(&out).unwrap();
        assert_eq!(fs::read(out.join(RECORD_FILE)).unwrap(), b"");
    }

    #[test]
    fn an_output_directory_under_a_file_is_an_error_that_names_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = create(&file.path().join("x")).unwrap_err();
        assert!(
            error.is_usage() && error.to_string().contains("--out"),
            "{error}"
        );
    }
}
