//! A scenario: its declaration in TOML, its validation, its expansion into a matrix.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::allocator::{RustAllocator, SqliteAllocator};
use crate::workload::insert::InsertOptions;

/// One scenario, resolved: what a testee is handed on its standard input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scenario {
    /// Unique in a run: `insert-10m[sqlite_allocator=arena]`.
    pub name: String,
    /// What drives SQLite.
    pub workload: Workload,
    /// Rust's side.
    pub rust_allocator: RustAllocator,
    /// SQLite's side.
    pub sqlite_allocator: SqliteAllocator,
    /// Environment variables for the testee, `LD_PRELOAD` not among them.
    pub env: BTreeMap<String, String>,
    /// A library for the testee's `LD_PRELOAD`.
    pub preload: Option<PathBuf>,
    /// What stops the testee.
    pub limits: Limits,
}

/// What a scenario drives SQLite with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "workload", rename_all = "kebab-case")]
pub enum Workload {
    /// The batched insert.
    Insert(InsertOptions),
}

/// Budgets; a testee past one of them is stopped, its record kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Limits {
    /// Of resident memory.
    pub rss_bytes: Option<u64>,
    /// From the testee's start.
    pub time_ns: Option<u64>,
    /// Of the testee's own directory.
    pub disk_bytes: Option<u64>,
}
