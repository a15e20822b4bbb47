//! What a snapshot workload is told.

use serde::{Deserialize, Serialize};

use super::copy::{CopyMethod, CopyOptions};
use super::schema::{Schema, check_scale};
use crate::workload::Error;
use crate::workload::database::{Database, DatabaseKind};
use crate::workload::pragmas::Pragma;

/// Which worker runs what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// The first worker runs everything.
    OneThread,
    /// Each cycle runs on one worker; in each round of cycles every worker has one, in an order
    /// from the seed.
    #[default]
    RotatePerCycle,
    /// Each step of the fill, of a backup and of a dump runs on a worker drawn by the seed: what a
    /// runtime does that moves tasks between threads at every call.
    RotatePerStep,
}

/// What a cycle writes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DumpKind {
    /// SQL text.
    #[default]
    Plain,
    /// SQL text through gzip.
    Gzip,
    /// Nothing.
    None,
}

/// Whether free memory is given back to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trim {
    /// Only when the allocator does so by itself.
    #[default]
    Never,
    /// After each cycle, in a phase of its own: `malloc_trim(0)`, and a purge of every jemalloc arena.
    PerCycle,
}

/// One snapshot workload, whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SnapshotOptions {
    /// The tables.
    pub schema: Schema,
    /// Times the report's rows; above 0.
    pub scale: f64,
    /// Of the rows, and of the order of the workers.
    pub seed: u64,
    /// Cycles before the workload ends by itself; `None`: it goes on until it is told to stop.
    pub cycles: Option<u32>,
    /// Threads that run SQLite, 1 or more. They live as long as the workload.
    pub workers: u32,
    /// Which of them runs what.
    pub placement: Placement,
    /// The database that is filled once and copied in each cycle.
    pub database: Database,
    /// PRAGMAs of its connection, in the order in which they run.
    pub pragmas: Vec<Pragma>,
    /// What it is copied into; `None`: there is no copy, and the database itself is dumped.
    #[serde(with = "none_or_kind")]
    pub snapshot: Option<DatabaseKind>,
    /// How it is copied.
    pub copy: CopyMethod,
    /// Pages a step of [`CopyMethod::Backup`]; -1 for all at once.
    pub backup_pages: i32,
    /// What is written out of the copy.
    pub dump: DumpKind,
    /// Whether free memory is given back after each cycle.
    pub trim: Trim,
}

impl Default for SnapshotOptions {
    /// The report's program.
    fn default() -> Self {
        SnapshotOptions {
            schema: Schema::Nested,
            scale: 1.0,
            seed: 1,
            cycles: Some(20),
            workers: 4,
            placement: Placement::RotatePerCycle,
            database: DatabaseKind::MemoryNamed.into(),
            pragmas: Vec::new(),
            snapshot: Some(DatabaseKind::MemoryNamed),
            copy: CopyMethod::Backup,
            backup_pages: 250,
            dump: DumpKind::Plain,
            trim: Trim::Never,
        }
    }
}

impl SnapshotOptions {
    /// How a copy is made.
    pub fn copy_options(&self) -> CopyOptions {
        CopyOptions {
            method: self.copy,
            backup_pages: self.backup_pages,
            ..CopyOptions::default()
        }
    }

    /// The numbers are in their ranges, and what is asked for can be done together.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |message: String| Err(Error::Options(message));
        check_scale(self.scale)?;
        if self.workers == 0 {
            return wrong("workers is 0: 1 or more".into());
        }
        if self.snapshot.is_none() && self.dump == DumpKind::None {
            return wrong(
                "snapshot and dump are both none, so a cycle has nothing to do; choose one".into(),
            );
        }
        if let Some(kind) = self.snapshot {
            self.copy_options().check(kind)?;
            if kind == DatabaseKind::MemoryShared
                && self.database.kind == DatabaseKind::MemoryShared
            {
                return wrong(
                    "database and snapshot are both memory-shared, of which a process has one; \
                     choose memory-named for one of them"
                        .into(),
                );
            }
        }
        self.pragmas
            .iter()
            .try_for_each(|pragma| Ok(pragma.check()?))
    }
}

/// `none`, or the name of a kind.
mod none_or_kind {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::workload::database::DatabaseKind;

    pub fn serialize<S: Serializer>(
        kind: &Option<DatabaseKind>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(kind.map_or("none", DatabaseKind::name))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<DatabaseKind>, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "none" => Ok(None),
            name => name.parse().map(Some).map_err(D::Error::custom),
        }
    }
}
