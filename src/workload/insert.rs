//! The reported 10-million-row `INSERT OR REPLACE`, with its PRAGMAs, commits and faults.
//!
//! Where it came from and what was found by running it: `profiles/scenarios/insert-10m.toml`.
//! [`run`] is the whole of it, phase by phase; [`Pool::open`], [`fill`](fn@fill) and [`verify`](fn@verify) are its
//! pieces, for whoever wants one without the others.

mod fill;
mod pool;
mod verify;

use std::path::Path;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::database::{Database, DatabaseKind, Place};
use super::keys::KeyMode;
use super::pragmas::{self, Pragma, PragmaReadBack};
use super::{Error, Marks, Phase};

pub use fill::fill;
pub use pool::Pool;
pub use verify::verify;

/// Where transactions end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transaction {
    /// `COMMIT` whenever `i % batch == 0` (the first time at 0), and once at the end.
    #[default]
    Batched,
    /// One `COMMIT`, at the end.
    Single,
}

/// What happens to the INSERT statement from row to row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Statements {
    /// Prepared once.
    #[default]
    Reuse,
    /// Prepared and finalized for each row.
    PreparePerRow,
    /// Prepared for each row and not finalized before the connection closes: the report's fault.
    LeakPerRow,
}

/// Where `PRAGMA shrink_memory` runs after a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shrink {
    /// On the connection that inserts.
    #[default]
    SameConnection,
    /// On another connection of the pool, where it frees nothing of the first one's.
    OtherConnection,
    /// Nowhere.
    Never,
}

/// Which connections of the pool get the PRAGMAs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PragmaScope {
    /// Only the first: what `db.Exec(ddl)` on a pool does.
    #[default]
    FirstConnection,
    /// All.
    EveryConnection,
}

/// One insert workload, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InsertOptions {
    /// INSERTs to run, 1 or more.
    pub rows: u64,
    /// What the ids are.
    pub keys: KeyMode,
    /// For `keys = random`.
    pub seed: u64,
    /// Rows between commits, 1 or more.
    pub batch: u64,
    /// Where transactions end.
    pub transaction: Transaction,
    /// What happens to the statement.
    pub statements: Statements,
    /// Where `shrink_memory` runs.
    pub shrink: Shrink,
    /// Which connections get `pragmas`.
    pub pragma_scope: PragmaScope,
    /// The PRAGMAs in the order in which they run.
    pub pragmas: Vec<Pragma>,
    /// What kind of database the rows go into.
    pub database: Database,
    /// Readings inside the fill, spread evenly, at the first commit (or row) past each mark, and
    /// between them those that the marks want; 0 for none at all.
    pub readings: u32,
}

impl Default for InsertOptions {
    /// The report's program.
    fn default() -> Self {
        InsertOptions {
            rows: 10_000_000,
            keys: KeyMode::GoRune,
            seed: 0,
            batch: 32_768,
            transaction: Transaction::Batched,
            statements: Statements::Reuse,
            shrink: Shrink::SameConnection,
            pragma_scope: PragmaScope::FirstConnection,
            pragmas: pragmas::seed(),
            database: DatabaseKind::File.into(),
            readings: 0,
        }
    }
}

impl InsertOptions {
    /// The numbers are in their ranges and the PRAGMAs can be run.
    pub fn check(&self) -> Result<(), Error> {
        if self.rows == 0 || i64::try_from(self.rows).is_err() {
            return Err(Error::Options(format!(
                "rows is {}: 1 to {}",
                self.rows,
                i64::MAX
            )));
        }
        if self.batch == 0 {
            return Err(Error::Options("batch is 0: 1 or more rows".into()));
        }
        self.pragmas
            .iter()
            .try_for_each(|pragma| Ok(pragma.check()?))
    }
}

/// What an insert workload left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InsertReport {
    /// Every PRAGMA of every connection, in order, as SQLite has it.
    pub pragmas: Vec<PragmaReadBack>,
    /// INSERTs run.
    pub inserted: u64,
    /// Rows in the table.
    pub rows: u64,
    /// Distinct ids in the table.
    pub distinct_rows: u64,
    /// The last rowid.
    pub last_rowid: i64,
    /// XXH3-128 over all rows in rowid order, 32 hexadecimal digits.
    pub content_hash: String,
    /// The four figures are those of [`Content::expected`](super::content::Content::expected); where they are not, [`run`] fails.
    pub verified: bool,
    /// Why a connection could not be closed: SQLite's words, and absent where all were. With
    /// [`Statements::LeakPerRow`] that is how it must end.
    pub not_closed: Option<String>,
}

/// Runs the workload in `directory`, which must exist, and verifies what it left.
///
/// Phases: `open`, `fill`, then `verify`, `close` where the database goes with its connection, and
/// `close`, `verify` on a fresh connection where it is a file, so that verifying does not touch
/// what close shows. A phase that fails ends with a reading of what stands, and no end. The marks
/// may probe after the fill, also where it was stopped. Files stay.
pub fn run(
    options: &InsertOptions,
    directory: &Path,
    marks: &mut dyn Marks,
) -> Result<InsertReport, Error> {
    options.check()?;
    let place = Place::unique(directory);
    marks.begin(Phase::Open);
    let (pool, pragmas) = Pool::open(options, &place)?;
    marks.opened(&pragmas);
    pool.show(|connections| marks.end(Phase::Open, connections));
    phase(Phase::Fill, &pool, marks, |marks| {
        fill(&pool, options, marks)
    })?;
    pool.show(|connections| marks.probe(connections, false));
    let inspect = |pool: &Pool, marks: &mut dyn Marks| {
        phase(Phase::Verify, pool, marks, |marks| {
            verify(pool.first(), options, marks)
        })
    };
    let (content, not_closed) = if options.database.kind.is_file() {
        let not_closed = close(pool, marks);
        (inspect(&Pool::reopen(options, &place)?, marks)?, not_closed)
    } else {
        (inspect(&pool, marks)?, close(pool, marks))
    };
    Ok(InsertReport {
        pragmas,
        inserted: options.rows,
        rows: content.rows,
        distinct_rows: content.distinct_rows,
        last_rowid: content.last_rowid,
        content_hash: format!("{:032x}", content.hash),
        verified: true,
        not_closed,
    })
}

/// One phase on open connections. Where it fails, what stands is read before it is rolled back.
fn phase<T>(
    phase: Phase,
    pool: &Pool,
    marks: &mut dyn Marks,
    work: impl FnOnce(&mut dyn Marks) -> Result<T, Error>,
) -> Result<T, Error> {
    marks.begin(phase);
    let result = work(marks);
    match &result {
        Ok(_) => pool.show(|connections| marks.end(phase, connections)),
        Err(error) => {
            pool.show(|connections| marks.reading(phase, connections));
            if phase == Phase::Fill && matches!(error, Error::Stopped) {
                pool.show(|connections| marks.probe(connections, true));
            }
            pool.roll_back();
        }
    }
    result
}

/// Closes every connection; one that SQLite does not close is told of and left as it is.
fn close(pool: Pool, marks: &mut dyn Marks) -> Option<String> {
    marks.begin(Phase::Close);
    let left = pool.close();
    let connections: Vec<&Connection> = left.iter().map(|(connection, _)| connection).collect();
    marks.end(Phase::Close, &connections);
    let words = left.iter().map(|(_, error)| error.to_string());
    words.reduce(|all, next| format!("{all}; {next}"))
}
