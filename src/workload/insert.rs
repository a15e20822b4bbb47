//! The reported 10-million-row `INSERT OR REPLACE`, with its PRAGMAs, commits and faults.
//!
//! Where it came from and what was found by running it: `profiles/scenarios/insert-10m.toml`.

use serde::{Deserialize, Serialize};

use super::database::DatabaseKind;
use super::keys::KeyMode;
use super::pragmas::Pragma;

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
    pub database: DatabaseKind,
    /// Readings inside the fill, spread evenly, at the first commit (or row) past each mark.
    pub readings: u32,
}
