//! The child: runs one scenario and takes a ledger at each mark.
//!
//! The scenario comes as one line of JSON on standard input, the record's lines go to standard
//! output. It ends when it is asked to, and by itself when the harness is gone; then it removes its
//! directory, which is otherwise the harness's to remove. It starts no thread but the one of a
//! [`service`] and the workers of `snapshot`: a thread has a stack and, under glibc, an arena, and
//! both show in every ledger.

pub mod heap_dump;
mod marks;
mod probes;
pub mod profiling;
pub mod service;
mod serving;
mod stop;
mod wire;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::allocator::{self, RustAllocator, global};
use crate::memory;
use crate::memory::Observer;
use crate::record::{AbsentRecord, Instrument, Line, ResultRecord, ScenarioRecord};
use crate::scenario::{Scenario, Workload};
use crate::workload::fault::{self, FaultReport};
use crate::workload::insert::{self, InsertReport};
use crate::workload::snapshot::SnapshotReport;
use crate::workload::{self, Marks, Phase};

use heap_dump::HeapDump;
use marks::Recording;
use probes::Probing;
use profiling::{Profilers, Wish};
pub use service::ServiceOptions;

/// Exit code of a testee that was told to stop, and did.
pub const STOPPED_AS_ASKED: u8 = 4;
/// Exit code after an `error` line.
const FAILED: u8 = 1;
/// Exit code of a testee that nobody handed a scenario.
const MISUSED: u8 = 2;

/// What a testee is handed: one line on its standard input. After it, `stop REASON` ends it in
/// order, and the end of the input says that the harness is gone. A change that another build would not
/// understand is one of [`TESTEE_PROTOCOL`](crate::environment::TESTEE_PROTOCOL).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// What to run.
    pub scenario: Scenario,
    /// Where its database goes. Exists and is empty.
    pub directory: PathBuf,
    /// The parent that this testee belongs to.
    pub harness_pid: u32,
    /// For a workload that is asked for its cycles over HTTP; no other looks at it.
    #[serde(default)]
    pub service: ServiceOptions,
    /// Whether to try what gives memory back, when the workload has done what repeats.
    #[serde(default)]
    pub probes: bool,
    /// Whether SQL is told with its literals.
    #[serde(default)]
    pub literals: bool,
    /// What to sample, and where to.
    #[serde(default)]
    pub profiling: Wish,
}

/// Why a scenario ended early.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(
        "rust_allocator={wanted:?} cannot be had in a build with dhat-heap, where it is dhat's"
    )]
    DhatInstead { wanted: RustAllocator },
    #[error(
        "Rust's allocator is {found:?} and should be {wanted:?}: the testee must be started by the \
         harness, which says so in {}",
        global::CHOICE_VARIABLE
    )]
    WrongRustAllocator {
        found: RustAllocator,
        wanted: RustAllocator,
    },
    #[error(transparent)]
    Allocator(#[from] allocator::Error),
    #[error("cannot take ledgers: {0}")]
    Memory(#[from] memory::Error),
    #[error(transparent)]
    Profiling(#[from] profiling::Error),
    #[error(transparent)]
    Service(#[from] service::Error),
    #[error("the HTTP service has ended by itself")]
    ServiceEnded,
    #[error(transparent)]
    Workload(#[from] workload::Error),
}

impl Error {
    /// For [`ErrorRecord::what`].
    fn what(&self) -> &'static str {
        match self {
            Error::DhatInstead { .. } | Error::WrongRustAllocator { .. } | Error::Allocator(_) => {
                "route"
            }
            Error::Memory(_) | Error::Service(_) | Error::ServiceEnded => "io",
            Error::Profiling(_) => "profile",
            Error::Workload(workload::Error::Write { .. }) => "io",
            Error::Workload(workload::Error::Sqlite { .. }) => "sqlite",
            Error::Workload(_) => "workload",
        }
    }
}

/// The process, from its input to its exit code.
pub fn main() -> ExitCode {
    let started = Instant::now();
    // Before anything that it should see. Written when it is dropped, at the end of this function.
    let dump = HeapDump::start();
    let (input, stop) = match stop::listen() {
        Ok(heard) => heard,
        Err(error) => {
            eprintln!("sqlite-membench testee: {error}");
            return ExitCode::from(MISUSED);
        }
    };
    let probing = Probing {
        on: input.probes,
        literals: input.literals,
    };
    let mut recording = Recording::new(&input.scenario.name, probing, stop, started, dump);
    let code = match scenario(&input, &mut recording) {
        Ok(()) => {
            recording.finish_profiles(false);
            0
        }
        Err(Error::Workload(workload::Error::Stopped)) => {
            let code = recording.stopped();
            recording.finish_profiles(false);
            code
        }
        Err(error) => {
            recording.finish_profiles(true);
            recording.tell(&error);
            FAILED
        }
    };
    if recording.harness_is_gone() {
        let _ = fs::remove_dir_all(&input.directory);
        return ExitCode::from(STOPPED_AS_ASKED);
    }
    ExitCode::from(code)
}

fn scenario(input: &Input, recording: &mut Recording) -> Result<(), Error> {
    let scenario = &input.scenario;
    recording.profilers = Profilers::start(&input.profiling, &scenario.name, input.literals)?;
    let mut described = prepare(scenario)?;
    (described.instruments).extend(input.profiling.asked.instruments());
    let observer = Observer::new()?;
    described.absent = observer.absent().iter().map(absent).collect();
    recording.observe(observer, described);
    recording.begin(Phase::Start);
    recording.end(Phase::Start, &[]);
    let mut result = match &scenario.workload {
        Workload::Insert(options) => {
            let report = insert::run(options, &input.directory, recording);
            // A ledger that could not be taken is why the workload was stopped, then.
            recording.check()?;
            insert_result(report?)
        }
        Workload::Snapshot(options) => {
            let report = serving::run(options, input, recording);
            recording.check()?;
            snapshot_result(report?)
        }
        Workload::Fault(options) => {
            let report = fault::run(options, &input.directory, recording);
            recording.check()?;
            fault_result(report?)
        }
    };
    result.scenario.clone_from(&scenario.name);
    result.rows_per_second = recording.rows_per_second(result.inserted);
    recording.write(&Line::Result(result));
    Ok(())
}

/// Puts the allocators in place and proves that they serve whom they should.
fn prepare(scenario: &Scenario) -> Result<ScenarioRecord, Error> {
    let (found, wanted) = (global::chosen(), scenario.rust_allocator);
    if global::has_dhat() && wanted != RustAllocator::System {
        return Err(Error::DhatInstead { wanted });
    }
    if found != wanted {
        return Err(Error::WrongRustAllocator { found, wanted });
    }
    let sqlite = scenario.sqlite_allocator;
    allocator::sqlite::install(sqlite, scenario.memsys5_heap_bytes)?;
    let route_evidence = allocator::route::verify(found, sqlite)?;
    let parameters = scenario.parameters();
    let named = |name: &str| {
        let value = parameters.get(name).and_then(serde_json::Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    Ok(ScenarioRecord {
        scenario: scenario.name.clone(),
        pragmas: Vec::new(),
        rust_allocator: match global::has_dhat() {
            true => "dhat".to_owned(),
            false => named("rust_allocator"),
        },
        sqlite_allocator: named("sqlite_allocator"),
        route_verified: true,
        route_evidence,
        instruments: match global::has_dhat() {
            true => vec![Instrument::Dhat],
            false => Vec::new(),
        },
        absent: Vec::new(),
        pid: std::process::id(),
        parameters,
    })
}

fn absent(absent: &memory::Absent) -> AbsentRecord {
    AbsentRecord {
        what: absent.what.to_owned(),
        why: absent.why.clone(),
    }
}

/// Peak and CPU time are left to the harness, which knows them from `wait4`.
fn insert_result(report: InsertReport) -> ResultRecord {
    ResultRecord {
        inserted: report.inserted,
        rows: report.rows,
        distinct_rows: Some(report.distinct_rows),
        last_rowid: Some(report.last_rowid),
        content_hash: report.content_hash,
        verified: report.verified,
        not_closed: report.not_closed,
        ..ResultRecord::default()
    }
}

/// The same of a fault workload; one that did not find what went in is an error.
fn fault_result(report: FaultReport) -> ResultRecord {
    ResultRecord {
        inserted: report.inserted,
        rows: report.rows,
        content_hash: report.content_hash,
        verified: true,
        cycles: Some(report.cycles),
        not_closed: report.not_closed,
        ..ResultRecord::default()
    }
}

/// The same of a snapshot workload; one that found anything else than it should is an error.
fn snapshot_result(report: SnapshotReport) -> ResultRecord {
    ResultRecord {
        inserted: report.inserted,
        rows: report.rows,
        content_hash: report.content_hash,
        verified: true,
        cycles: Some(report.cycles),
        dump_bytes: report.dump_bytes,
        not_closed: report.not_closed,
        ..ResultRecord::default()
    }
}
