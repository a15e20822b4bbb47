//! Every kind of database that SQLite opens, in memory and not.

use serde::{Deserialize, Serialize};

/// How a database is opened, `seeds` page terms; each can also be reached through `ATTACH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatabaseKind {
    /// A file in the journal mode that the PRAGMAs say.
    #[default]
    File,
    /// A file in WAL mode.
    FileWal,
    /// A file with a rollback journal.
    FileRollback,
    /// A file read through `mmap_size`.
    FileMmap,
    /// `:memory:`
    Memory,
    /// `file::memory:`
    MemoryUri,
    /// `file::memory:?cache=shared`
    MemoryShared,
    /// `file:NAME?mode=memory&cache=shared`
    MemoryNamed,
    /// `file:/NAME?vfs=memdb`
    Memdb,
    /// `""`
    Temporary,
}
