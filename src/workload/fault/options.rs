//! What a fault workload is told.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::workload::Error;
use crate::workload::database::{Database, DatabaseKind};
use crate::workload::pragmas::Pragma;

/// At which most faults come to some gigabytes.
const MOST_SCALE: f64 = 64.0;

/// What goes wrong in each cycle, or is done by design.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Statements are prepared and never finalized.
    LeakedStatement,
    /// Connections are opened and forgotten.
    LeakedConnection,
    /// Blocks of `sqlite3_malloc64` are never freed.
    LeakedBuffer,
    /// Backups are begun and never finished.
    LeakedBackup,
    /// Handles of `sqlite3_blob_open` are never closed.
    OpenBlob,
    /// One connection reads a database that is larger than its large cache.
    LargeCache,
    /// Many connections read the same file, each into a cache of its own.
    ManyConnections,
    /// An in-memory database that only grows.
    GrowingMemdb,
    /// A transaction that is not committed, and may not spill its pages.
    HugeTransaction,
    /// Rows that are read into a `Vec` which nobody empties.
    GrowingVec,
    /// Every other one of many small Rust blocks is freed.
    RustFragmentation,
    /// A file is read through `mmap_size`.
    MappedDatabase,
    /// A cache of pages of a size that an allocator may not have.
    PageSize,
    /// A sort in memory, which gives all of its memory back.
    LargeSort,
    /// Statements in rusqlite's cache, which gets full and stays so.
    StatementCache,
    /// Threads that stay, each with a deep stack.
    ThreadStacks,
}

/// What kind of database a fault can be shown on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    Anything,
    /// A file whose pages go through the page cache.
    CachedFile,
    MappedFile,
    Memory,
    /// The same database on every connection.
    Shared,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Fault; 16] = [
        Fault::LeakedStatement,
        Fault::LeakedConnection,
        Fault::LeakedBuffer,
        Fault::LeakedBackup,
        Fault::OpenBlob,
        Fault::LargeCache,
        Fault::ManyConnections,
        Fault::GrowingMemdb,
        Fault::HugeTransaction,
        Fault::GrowingVec,
        Fault::RustFragmentation,
        Fault::MappedDatabase,
        Fault::PageSize,
        Fault::LargeSort,
        Fault::StatementCache,
        Fault::ThreadStacks,
    ];

    /// For a message: all names.
    pub const CHOICES: &'static str = "what goes wrong, one of: leaked-statement, leaked-connection, leaked-buffer, \
        leaked-backup, open-blob, large-cache, many-connections, growing-memdb, huge-transaction, \
        growing-vec, rust-fragmentation, mapped-database, page-size, large-sort, statement-cache, \
        thread-stacks";

    /// The name in scenarios and records.
    pub const fn name(self) -> &'static str {
        match self {
            Fault::LeakedStatement => "leaked-statement",
            Fault::LeakedConnection => "leaked-connection",
            Fault::LeakedBuffer => "leaked-buffer",
            Fault::LeakedBackup => "leaked-backup",
            Fault::OpenBlob => "open-blob",
            Fault::LargeCache => "large-cache",
            Fault::ManyConnections => "many-connections",
            Fault::GrowingMemdb => "growing-memdb",
            Fault::HugeTransaction => "huge-transaction",
            Fault::GrowingVec => "growing-vec",
            Fault::RustFragmentation => "rust-fragmentation",
            Fault::MappedDatabase => "mapped-database",
            Fault::PageSize => "page-size",
            Fault::LargeSort => "large-sort",
            Fault::StatementCache => "statement-cache",
            Fault::ThreadStacks => "thread-stacks",
        }
    }

    /// A database that it can be shown on.
    pub const fn database(self) -> DatabaseKind {
        match self.needs() {
            Needs::MappedFile => DatabaseKind::FileMmap,
            Needs::Memory => DatabaseKind::Memdb,
            Needs::Anything | Needs::CachedFile | Needs::Shared => DatabaseKind::File,
        }
    }

    /// Connections that the marks are told of.
    pub(super) const fn connections(self) -> u32 {
        match self {
            Fault::ManyConnections => 16,
            Fault::StatementCache => 8,
            Fault::OpenBlob => 4,
            _ => 1,
        }
    }

    const fn needs(self) -> Needs {
        match self {
            Fault::LargeCache
            | Fault::ManyConnections
            | Fault::HugeTransaction
            | Fault::PageSize => Needs::CachedFile,
            Fault::MappedDatabase => Needs::MappedFile,
            Fault::GrowingMemdb => Needs::Memory,
            Fault::OpenBlob | Fault::StatementCache => Needs::Shared,
            _ => Needs::Anything,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Needs {
    fn met_by(self, kind: DatabaseKind) -> bool {
        match self {
            Needs::Anything => true,
            Needs::CachedFile => kind.is_file() && kind != DatabaseKind::FileMmap,
            Needs::MappedFile => kind == DatabaseKind::FileMmap,
            Needs::Memory => kind.is_memory(),
            Needs::Shared => kind.is_shared(),
        }
    }

    fn choices(self) -> String {
        let fitting = DatabaseKind::ALL
            .into_iter()
            .filter(|one| self.met_by(*one));
        fitting
            .map(DatabaseKind::name)
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// One fault workload, whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultOptions {
    /// What goes wrong.
    pub fault: Fault,
    /// The same work done right: finalized, closed, freed, committed.
    pub mended: bool,
    /// Times the bytes of each cycle; above 0.
    pub scale: f64,
    /// Of the rows.
    pub seed: u64,
    /// 1 or more.
    pub cycles: u32,
    /// What kind of database it is done to.
    pub database: Database,
    /// The PRAGMAs in the order in which they run, on every connection.
    pub pragmas: Vec<Pragma>,
}

impl FaultOptions {
    /// `fault` as it is declared, without PRAGMAs.
    pub fn new(fault: Fault) -> Self {
        FaultOptions {
            fault,
            mended: false,
            scale: 1.0,
            seed: 1,
            cycles: 20,
            database: fault.database().into(),
            pragmas: Vec::new(),
        }
    }

    /// The numbers are in their ranges, the fault can be shown on the database, and the PRAGMAs can
    /// be run.
    pub fn check(&self) -> Result<(), Error> {
        if !(self.scale > 0.0 && self.scale <= MOST_SCALE) {
            return Err(Error::Options(format!(
                "scale is {}: above 0, and {MOST_SCALE} at most",
                self.scale
            )));
        }
        if self.cycles == 0 {
            return Err(Error::Options("cycles is 0: 1 or more".into()));
        }
        let needs = self.fault.needs();
        if !needs.met_by(self.database.kind) {
            return Err(Error::Options(format!(
                "fault {} cannot be shown on a database of kind {}; database takes one of: {}",
                self.fault,
                self.database,
                needs.choices()
            )));
        }
        if self.fault == Fault::ThreadStacks {
            super::rust_side::check_threads(self)?;
        }
        self.pragmas
            .iter()
            .try_for_each(|pragma| Ok(pragma.check()?))
    }

    /// `bytes` at scale 1.
    pub(super) fn scaled(&self, bytes: u64) -> u64 {
        ((bytes as f64 * self.scale) as u64).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_has_every_name_and_serde_writes_the_same() {
        let (_, names) = Fault::CHOICES.split_once(": ").unwrap();
        assert_eq!(Fault::ALL.map(Fault::name).join(", "), names);
        for fault in Fault::ALL {
            let written = serde_json::to_value(fault).unwrap();
            assert_eq!(written, fault.name());
        }
    }

    #[test]
    fn every_fault_can_be_shown_on_its_own_kind_of_database() {
        for fault in Fault::ALL {
            FaultOptions::new(fault).check().unwrap();
        }
    }
}
