//! The record: one JSON object on one line. Read and written by everything else.
//!
//! Sizes in bytes, times in nanoseconds, raw values only: what can be derived is derived again by
//! the reader. A reader skips kinds that it does not know.
//!
//! [`Writer`] puts a line into the file whole or not at all; [`Reader`] gives the lines of a record
//! back, also of one that was cut off. [`encode`] and [`decode`] are the one line between them.

mod decode;
mod instrument;
mod read;
mod readable;
pub mod schema;
mod turn;
mod write;

pub use decode::{DecodeError, Decoded, decode};
pub use instrument::{DhatRecord, HeapSource, Instrument, Instrumented, refuse_instrumented};
pub use read::{Input, Notes, ReadError, Reader};
pub use readable::Readable;
pub use turn::{ProgramRecord, Side, TurnRecord};
pub use write::{Sink, WriteError, Writer, encode};

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::memory::statements::Statements;
use crate::verdict::{Judgement, Probe, Verdict};

/// A record in its directory: as a run writes it, and as a recorded reference is kept.
pub const FILES: [&str; 2] = ["record.jsonl", "record.jsonl.gz"];

/// The version that this build writes.
pub const SCHEMA_VERSION: u32 = 1;

type Text = Cow<'static, str>;

/// One term of a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TermRecord {
    /// `sqlite`, `rust`, `other_c`, `allocator`, `stacks`, `program`, `instrument`, `files`.
    pub owner: Text,
    /// The term's name: `live`, `header`, `rounding`, ...
    pub term: Text,
    /// Signed: `untouched` is negative.
    pub bytes: i64,
    /// Where the number was read.
    pub source: Text,
    /// True for the terms that, with `unattributed_bytes`, add up to `rss_bytes`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub counts: bool,
    /// For a finer split: the term of the same owner that it is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Text>,
}

/// A ledger on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LedgerRecord {
    /// Resident bytes, the kernel's word.
    pub rss_bytes: i64,
    /// RSS less every term that counts.
    pub unattributed_bytes: i64,
    /// The terms.
    pub terms: Vec<TermRecord>,
    /// Numbers that are not part of the identity.
    #[serde(default)]
    pub beside: BesideRecord,
    /// The workload's open connections, one by one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connections: Vec<ConnectionRecord>,
}

/// What stands beside a ledger's identity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BesideRecord {
    /// `Anonymous` of `smaps`: the part of RSS that no file backs.
    pub anonymous_bytes: u64,
    /// `Swap` of `smaps`.
    pub swap_bytes: u64,
    /// `AnonHugePages` of `smaps`.
    pub huge_page_bytes: u64,
    /// `SQLITE_STATUS_MEMORY_USED`'s high-water mark.
    pub sqlite_highwater_bytes: i64,
    /// `SQLITE_STATUS_MALLOC_COUNT`.
    pub sqlite_blocks: i64,
    /// Live blocks of Rust, without those that SQLite has through Rust.
    pub rust_blocks: i64,
    /// The highest live bytes of the global allocator.
    pub rust_peak_bytes: i64,
    /// Bytes that the global allocator ever handed out.
    pub rust_total_bytes: u64,
    /// Blocks that the global allocator ever handed out.
    pub rust_total_blocks: u64,
    /// jemalloc's address space that is kept and not resident.
    pub jemalloc_retained_bytes: i64,
    /// glibc's arenas, the main one included; absent where `malloc` is another library's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glibc_arenas: Option<u64>,
    /// The cgroup's counters; absent outside of a cgroup v2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<CgroupRecord>,
    /// The bundled jemalloc's sums, whoever it serves; absent where it has no statistics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jemalloc: Option<JemallocRecord>,
    /// dhat's counters; absent in a build without `dhat-heap`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dhat: Option<DhatRecord>,
}

/// All arenas of the bundled jemalloc together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JemallocRecord {
    /// `stats.allocated`
    pub allocated_bytes: u64,
    /// `stats.active`
    pub active_bytes: u64,
    /// `stats.resident`: jemalloc's own estimate, an upper bound.
    pub resident_bytes: u64,
}

/// The cgroup of the testee: what a container's limit counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CgroupRecord {
    /// `memory.current`
    pub current_bytes: u64,
    /// `memory.stat`'s `anon`
    pub anon_bytes: u64,
    /// `memory.stat`'s `file`: the page cache, that of database files included
    pub file_bytes: u64,
    /// `memory.stat`'s `shmem`
    pub shmem_bytes: u64,
    /// `memory.stat`'s `kernel`
    pub kernel_bytes: u64,
}

/// One connection, from `sqlite3_db_status64`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConnectionRecord {
    /// `CACHE_USED_SHARED`; wrong above 2 GiB, where SQLite's `int` overflows.
    pub page_cache_bytes: i64,
    /// `SCHEMA_USED`
    pub schema_bytes: i64,
    /// `STMT_USED`, lookaside included
    pub statement_bytes: i64,
    /// Statements that are not finalized.
    pub statements: i64,
    /// `LOOKASIDE_USED`, in slots
    pub lookaside_slots: i64,
    /// `CACHE_SPILL`, in pages
    pub cache_spills: i64,
    /// Pages of its in-memory databases: `page_cache_bytes` where it has no other, and the images
    /// of memdb.
    #[serde(default)]
    pub memory_database_bytes: i64,
    /// Of them, the images of memdb; an image that several connections share counts at the first.
    #[serde(default)]
    pub memdb_image_bytes: i64,
}

/// One line of `record.jsonl`.
///
/// Between testee and harness the same lines travel over the testee's standard output, and
/// [`Line::Progress`] beside them, which is shown and not recorded.
// One is held at a time, and most of them are phases.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Line {
    /// The first line of a record.
    Run(RunRecord),
    /// The machine and the software, once a run. An object: see `environment`.
    Environment(
        #[schemars(with = "schema::EnvironmentRecord")] serde_json::Map<String, serde_json::Value>,
    ),
    /// A testee started its scenario.
    Scenario(ScenarioRecord),
    /// A testee serves HTTP and its database is filled. Not recorded.
    #[schemars(skip)]
    Listening(ListeningRecord),
    /// A phase ended, or a reading was taken inside one.
    Phase(PhaseRecord),
    /// The testee's memory as seen from outside.
    Sample(SampleRecord),
    /// What kind of growth the ledgers of a scenario show.
    Verdict(VerdictRecord),
    /// The next scenario is another one with a remedy.
    Remedy(RemedyRecord),
    /// A program whose testees the next scenarios are.
    Program(ProgramRecord),
    /// The next scenario is one of several executions of the same.
    Turn(TurnRecord),
    /// What the workload left behind, verified.
    Result(ResultRecord),
    /// A scenario ended early, or a probe failed.
    Error(ErrorRecord),
    /// How far a phase is. Not recorded.
    #[schemars(skip)]
    Progress(ProgressRecord),
}

/// `kind = run`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunRecord {
    /// The run directory's name: UTC start and a short random part.
    pub run_id: String,
    /// RFC 3339, UTC.
    pub started_utc: String,
    /// Of this suite.
    pub suite_version: String,
    /// Of this suite; absent outside a checkout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_revision: Option<String>,
    /// The command line as given.
    pub argv: Vec<String>,
}

/// `kind = scenario`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioRecord {
    /// Unique in the run: the name, and the matrix's choices in brackets where there are several.
    pub scenario: String,
    /// Every parameter by the name that `--set` takes.
    pub parameters: serde_json::Map<String, serde_json::Value>,
    /// Each PRAGMA with the value that was asked for and the one read back, in order, by connection.
    pub pragmas: Vec<PragmaRecord>,
    /// The Rust global allocator in force, as the testee itself sees it.
    pub rust_allocator: String,
    /// SQLite's allocator in force.
    pub sqlite_allocator: String,
    /// The start-up self-check found SQLite's and Rust's bytes where they should be.
    pub route_verified: bool,
    /// How the self-check knows.
    pub route_evidence: String,
    /// What else is at work in the testee beside the ledgers: profilers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instruments: Vec<Instrument>,
    /// What the ledgers of this testee lack, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<AbsentRecord>,
    /// The testee.
    pub pid: u32,
}

/// A source that a testee does not have: its terms are missing, and what they would count is
/// unattributed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AbsentRecord {
    /// The terms.
    pub what: String,
    /// In words.
    pub why: String,
}

/// One PRAGMA read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PragmaRecord {
    /// 0 for the first connection of the pool.
    pub connection: u32,
    /// The PRAGMA.
    pub name: String,
    /// What was asked for; absent where the PRAGMA was only read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
    /// What SQLite says it is, after the last PRAGMA; absent where it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_back: Option<String>,
}

/// `kind = phase`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseRecord {
    /// See [`ScenarioRecord::scenario`].
    pub scenario: String,
    /// `start`, `open`, `fill`, `work`, `backup`, `dump`, `dispose`, `trim`, `probe`, `verify`,
    /// `close`.
    pub phase: String,
    /// The cycle that the phase belongs to, for a workload that has cycles: 0 for the fill, then
    /// from 1. The last phase of a cycle carries its reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycle: Option<u32>,
    /// For phase `probe`: which one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,
    /// Before the probe `finalize`: what it is about to finalize, largest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statements: Vec<Statements>,
    /// Readings inside a phase count from 1; absent at a phase's end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reading: Option<u32>,
    /// True where the phase was stopped before it was done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    /// Since the testee started, at the phase's end.
    pub at_ns: u64,
    /// Monotonic, of the phase alone, without the taking of ledgers.
    pub elapsed_ns: u64,
    /// `getrusage(RUSAGE_SELF)`, of the phase.
    pub user_ns: u64,
    /// `getrusage(RUSAGE_SELF)`, of the phase.
    pub system_ns: u64,
    /// Minor and major faults of the phase.
    pub page_faults: u64,
    /// `VmHWM`, reset at the phase's begin where the kernel allows, or the RSS of this ledger where
    /// that is higher.
    pub peak_rss_bytes: u64,
    /// Entries of `/proc/self/fd`.
    pub open_files: u64,
    /// Rows done in this phase so far, for a phase that counts rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// What the taking of this ledger cost.
    pub ledger_ns: u64,
    /// The bytes.
    pub ledger: LedgerRecord,
}

/// `kind = sample`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SampleRecord {
    /// See [`ScenarioRecord::scenario`].
    pub scenario: String,
    /// Since the testee was started.
    pub at_ns: u64,
    /// `Rss` of `smaps_rollup`.
    pub rss_bytes: u64,
    /// `Anonymous` of `smaps_rollup`.
    pub anonymous_bytes: u64,
    /// `Swap` of `smaps_rollup`.
    pub swap_bytes: u64,
    /// Bytes in the testee's own directory: the database and what belongs to it.
    pub disk_bytes: u64,
}

/// `kind = listening`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListeningRecord {
    /// See [`ScenarioRecord::scenario`].
    pub scenario: String,
    /// `127.0.0.1:8890`
    pub address: std::net::SocketAddr,
}

/// `kind = verdict`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VerdictRecord {
    /// See [`ScenarioRecord::scenario`].
    pub scenario: String,
    /// The verdicts that the scenario's declaration says it has; absent where it says nothing, or
    /// where a setting was changed that it may rest on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Vec<Verdict>>,
    /// What the ledgers show.
    #[serde(flatten)]
    pub judgement: Judgement,
}

/// `kind = remedy`, before the `scenario` line that it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RemedyRecord {
    /// See [`ScenarioRecord::scenario`].
    pub scenario: String,
    /// The scenario as it is, which this one is compared with.
    pub of: String,
    /// Rounds count from 1; in each of them every remedy runs once.
    pub round: u32,
    /// What is changed, as `--set` takes it; empty for the scenario as it is.
    pub set: Vec<String>,
}

/// `kind = result`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ResultRecord {
    /// See [`ScenarioRecord::scenario`].
    pub scenario: String,
    /// INSERTs run.
    pub inserted: u64,
    /// Rows in the database.
    pub rows: u64,
    /// Distinct ids in the table, for workload `insert`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distinct_rows: Option<u64>,
    /// The last rowid, for workload `insert`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_rowid: Option<i64>,
    /// XXH3-128 over all rows in key order, hexadecimal.
    pub content_hash: String,
    /// `insert`: rows, distinct rows, last rowid and hash are what the key mode makes them.
    /// `snapshot`: rows and hash are after the last cycle what they were before the first, and each
    /// cycle copied as many pages and dumped the same bytes. `fault`: rows and hash are after the last
    /// cycle what went in.
    pub verified: bool,
    /// Cycles run to their end, for workloads `snapshot` and `fault`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycles: Option<u32>,
    /// Bytes of SQL text of one dump, before compression, for workload `snapshot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dump_bytes: Option<u64>,
    /// Why a connection could not be closed, in SQLite's words; absent where all were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_closed: Option<String>,
    /// INSERTs a second over the fill, ledgers not counted.
    pub rows_per_second: f64,
    /// The testee's own peak: what `wait4` says, or the highest peak of a phase where that is higher,
    /// because `wait4` does not see past the last reset. 0 until the harness has filled it in.
    pub peak_rss_bytes: u64,
    /// `wait4`.
    pub user_ns: u64,
    /// `wait4`.
    pub system_ns: u64,
}

/// `kind = error`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorRecord {
    /// See [`ScenarioRecord::scenario`]; absent for an error of the harness itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    /// `limit_rss`, `limit_time`, `limit_disk`, `killed`, `exited`, `interrupted`, `sqlite`,
    /// `workload`, `route`, `io`, `profile`.
    pub what: String,
    /// For a person: what happened, and what to do.
    pub message: String,
}

/// `kind = progress`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgressRecord {
    /// The phase.
    pub phase: String,
    /// The cycle that the phase belongs to, for a workload that has cycles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycle: Option<u32>,
    /// Rows done; pages in `backup`.
    pub done: u64,
    /// Rows or pages to do.
    pub total: u64,
}
