//! A scenario: its declaration in TOML, its validation, its expansion into a matrix.
//!
//! A [`Declaration`] is a file of `profiles/scenarios`: prose, and for each key one value or
//! several. The [`Catalogue`] holds those that are built in and those of a directory of one's own.
//! [`Setting`]s from a command line replace what a file says; [`Catalogue::resolve`] multiplies
//! the values out and hands back [`Scenario`]s, each of them checked. Nothing is written and no
//! SQLite is touched on the way, so whatever is wrong is said before anything has happened.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::allocator::{RustAllocator, SqliteAllocator};
use crate::verdict::Verdict;
use crate::workload::fault::FaultOptions;
use crate::workload::insert::InsertOptions;
use crate::workload::pragmas::Pragma;
use crate::workload::snapshot::SnapshotOptions;

mod catalogue;
mod change;
mod choice;
mod declaration;
mod error;
mod expect;
mod key;
mod library;
mod matrix;
mod resolve;
mod setting;
pub mod units;
mod worst_case;

pub use catalogue::{Catalogue, Resolved, STANDARD_SET, Selection};
pub use declaration::Declaration;
pub use error::{Error, Place, Problem};
pub use expect::Expectation;
pub use key::{Key, Parameter, WorkloadKind};
pub use setting::{Kind, Setting, Value};
pub use worst_case::WorstCase;

/// One scenario, resolved: what a testee is handed on its standard input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scenario {
    /// Unique in a run: `insert-10m[sqlite_allocator=arena]`.
    pub name: String,
    /// What drives SQLite.
    pub workload: Workload,
    /// Rust's side.
    pub rust_allocator: RustAllocator,
    /// SQLite's side.
    pub sqlite_allocator: SqliteAllocator,
    /// The fixed block of `memsys5`; the other allocators take no notice of it.
    #[serde(default = "default_memsys5_heap_bytes")]
    pub memsys5_heap_bytes: u64,
    /// Environment variables for the testee, `LD_PRELOAD` not among them.
    pub env: BTreeMap<String, String>,
    /// A library for the testee's `LD_PRELOAD`.
    pub preload: Option<PathBuf>,
    /// What stops the testee.
    pub limits: Limits,
    /// The verdicts that its declaration expects; `None` where it expects none, or where a setting
    /// was changed that they may rest on.
    #[serde(default)]
    pub expect: Option<Vec<Verdict>>,
}

/// What a scenario drives SQLite with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "workload", rename_all = "kebab-case")]
pub enum Workload {
    /// The batched insert.
    Insert(InsertOptions),
    /// The backup, dump and dispose cycle, served over HTTP.
    Snapshot(SnapshotOptions),
    /// One thing done wrong, or by design, again and again.
    Fault(FaultOptions),
}

impl Workload {
    /// Which of them it is.
    pub const fn kind(&self) -> WorkloadKind {
        match self {
            Workload::Insert(_) => WorkloadKind::Insert,
            Workload::Snapshot(_) => WorkloadKind::Snapshot,
            Workload::Fault(_) => WorkloadKind::Fault,
        }
    }

    /// The PRAGMAs, in the order in which they run.
    pub fn pragmas(&self) -> &[Pragma] {
        match self {
            Workload::Insert(options) => &options.pragmas,
            Workload::Snapshot(options) => &options.pragmas,
            Workload::Fault(options) => &options.pragmas,
        }
    }
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

/// 256 MiB: twice what the page cache of the report's 13 PRAGMAs comes to.
pub const fn default_memsys5_heap_bytes() -> u64 {
    256 << 20
}

impl Scenario {
    /// Every parameter by the name that `--set` takes, as the record writes them.
    ///
    /// PRAGMAs are `pragma.NAME` and environment variables `env.NAME`; sizes are in bytes.
    pub fn parameters(&self) -> serde_json::Map<String, serde_json::Value> {
        let mut map = serde_json::Map::new();
        // Tagged: `workload` comes first.
        if let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(&self.workload) {
            map.extend(fields.into_iter().filter(|(name, _)| name != "pragmas"));
        }
        for (name, value) in [
            ("rust_allocator", serde_json::to_value(self.rust_allocator)),
            (
                "sqlite_allocator",
                serde_json::to_value(self.sqlite_allocator),
            ),
        ] {
            map.insert(name.into(), value.unwrap_or_default());
        }
        if self.sqlite_allocator == SqliteAllocator::Memsys5 {
            map.insert("memsys5_heap".into(), self.memsys5_heap_bytes.into());
        }
        if let Some(preload) = &self.preload {
            map.insert("preload".into(), preload.to_string_lossy().into());
        }
        for pragma in self.workload.pragmas() {
            map.insert(
                format!("pragma.{}", pragma.name),
                pragma.value.clone().into(),
            );
        }
        for (name, value) in &self.env {
            map.insert(format!("env.{name}"), value.clone().into());
        }
        map
    }
}
