//! What drives SQLite. Knows nothing of measuring but phase marks.
//!
//! A workload is handed a [`Marks`] and tells it where its phases begin and end, how far it is,
//! and asks it whether to go on. What is measured at a mark is not the workload's business.

mod connect;
pub mod content;
pub mod database;
pub mod dump;
pub mod fault;
pub mod insert;
pub mod keys;
pub mod pragmas;
pub mod schema;
pub mod snapshot;
pub mod steps;

use std::fmt;
use std::io;

use pragmas::{PragmaError, PragmaReadBack};

/// A named span of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Before the workload: allocators chosen, nothing of SQLite open.
    Start,
    /// Connections, PRAGMAs, schema.
    Open,
    /// The rows go in.
    Fill,
    /// What a fault does again and again. Repeats with each cycle.
    Work,
    /// A copy of the database is made. Repeats with each cycle, as the three after it do.
    Backup,
    /// The copy, or the database itself, is written out as SQL.
    Dump,
    /// The copy and its dump are closed and removed.
    Dispose,
    /// Free memory is given back to the kernel, where the scenario asks for that.
    Trim,
    /// Something is done that gives memory back if a verdict is right; the marks do it.
    Probe,
    /// Rows counted and hashed.
    Verify,
    /// Every connection closed.
    Close,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Phase::Start => "start",
            Phase::Open => "open",
            Phase::Fill => "fill",
            Phase::Work => "work",
            Phase::Backup => "backup",
            Phase::Dump => "dump",
            Phase::Dispose => "dispose",
            Phase::Trim => "trim",
            Phase::Probe => "probe",
            Phase::Verify => "verify",
            Phase::Close => "close",
        })
    }
}

/// Why a workload was told to stop before it was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped;

/// What a workload reports to, and is steered by.
///
/// `connections` are all connections that the workload has open at the mark, none of them in use.
pub trait Marks {
    /// Every connection is open and set up: its PRAGMAs as SQLite has them. Inside [`Phase::Open`].
    fn opened(&mut self, _pragmas: &[PragmaReadBack]) {}
    /// The phases that end from now on belong to this cycle: 0 is the fill, `None` is outside.
    fn cycle(&mut self, _cycle: Option<u32>) {}
    /// Gives the allocators' free memory back to the kernel. Inside [`Phase::Trim`].
    fn give_back(&mut self) {}
    /// What repeats is over, done or stopped, and every connection is idle. From here on the workload
    /// counts its rows and closes its connections, and uses no statement that it has prepared: the
    /// marks may end transactions, finalize statements and free caches. `stopped` where it was.
    fn probe(&mut self, _connections: &[&rusqlite::Connection], _stopped: bool) {}
    /// `phase` begins now.
    fn begin(&mut self, phase: Phase);
    /// A reading inside `phase`: the workload stands between two of its steps.
    fn reading(&mut self, phase: Phase, connections: &[&rusqlite::Connection]);
    /// Whether a reading is wanted now, beside those that the workload takes by itself. Asked after
    /// [`progress`](Self::progress), where the workload stands between two of its steps.
    fn wants_reading(&mut self) -> bool {
        false
    }
    /// `phase` is over.
    fn end(&mut self, phase: Phase, connections: &[&rusqlite::Connection]);
    /// `done` of `total` rows of `phase`; called at least every few thousand rows.
    fn progress(&mut self, phase: Phase, done: u64, total: u64) -> Result<(), Stopped>;
}

/// A [`Marks`] that records nothing and never stops: for benches and tests.
#[derive(Debug, Default)]
pub struct NoMarks;

impl Marks for NoMarks {
    fn begin(&mut self, _: Phase) {}
    fn reading(&mut self, _: Phase, _: &[&rusqlite::Connection]) {}
    fn end(&mut self, _: Phase, _: &[&rusqlite::Connection]) {}
    fn progress(&mut self, _: Phase, _: u64, _: u64) -> Result<(), Stopped> {
        Ok(())
    }
}

/// What ends a workload early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite said no.
    #[error("{doing}: {source}")]
    Sqlite {
        /// What the workload was doing, for a person: "inserting row 32768".
        doing: String,
        /// SQLite's own words.
        source: rusqlite::Error,
    },
    /// What was asked for cannot be run.
    #[error("{0}")]
    Options(String),
    /// A PRAGMA that was asked for cannot be run.
    #[error(transparent)]
    Pragma(#[from] PragmaError),
    /// The rows in the database are not the rows that went in.
    #[error("the database does not hold what was inserted: {0}")]
    Wrong(String),
    /// What a workload writes could not be written.
    #[error("{doing}: {source}")]
    Write {
        /// What was being written, for a person: "writing row 32768 of the dump".
        doing: String,
        /// The writer's own words.
        source: io::Error,
    },
    /// The marks said stop; the database was closed in order.
    #[error("stopped")]
    Stopped,
}

impl From<Stopped> for Error {
    fn from(Stopped: Stopped) -> Self {
        Error::Stopped
    }
}

/// For `map_err`: says what was being done when SQLite said no.
fn doing(what: impl FnOnce() -> String) -> impl FnOnce(rusqlite::Error) -> Error {
    move |source| Error::Sqlite {
        doing: what(),
        source,
    }
}
