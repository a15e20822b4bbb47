//! What a scenario may come to, before it is run.

use crate::allocator::{RustAllocator, SqliteAllocator};
use crate::workload::database::DatabaseKind;
use crate::workload::snapshot::copy::CopyMethod;
use crate::workload::snapshot::schema::heap_bytes;
use crate::workload::snapshot::{Placement, SnapshotOptions, Trim};

use super::{Scenario, Workload};

/// The program, its stacks, the page cache of files.
const BASE_BYTES: u64 = 64 << 20;

/// The resident memory of a snapshot workload at most, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorstCase {
    /// The database; 0 where it is a file.
    pub source_bytes: u64,
    /// One copy of it; 0 where that is a file, or where there is none.
    pub copy_bytes: u64,
    /// Arenas that may each keep one copy's memory after it is freed.
    pub arenas: u64,
}

impl WorstCase {
    /// All together.
    pub fn bytes(&self) -> u64 {
        self.arenas
            .saturating_mul(self.copy_bytes)
            .saturating_add(self.source_bytes)
            .saturating_add(BASE_BYTES)
    }

    /// The part of the scenario's own scale at which it comes to `available_bytes`, two digits of
    /// it; `None` where no scale does.
    pub fn fitting(&self, scale: f64, available_bytes: u64) -> Option<f64> {
        let grows = (self.bytes() - BASE_BYTES) as f64;
        let fits = scale * available_bytes.saturating_sub(BASE_BYTES) as f64 / grows;
        let digit = 10f64.powf(fits.log10().floor() - 1.0);
        let fits = (fits / digit).floor() * digit;
        (fits.is_finite() && fits >= 0.001).then_some(fits)
    }
}

impl Scenario {
    /// What its testee may come to on a machine with so many CPUs; `None` for a workload whose
    /// memory does not grow with its rows.
    pub fn worst_case(&self, cpus: u64) -> Option<WorstCase> {
        let Workload::Snapshot(options) = &self.workload else {
            return None;
        };
        let heap = heap_bytes(options.schema, options.scale);
        let source_bytes = in_memory(options.database.kind, heap);
        let copy_bytes = match (options.snapshot, options.copy) {
            (None, _) => 0,
            // The serialized image, and the copy that it becomes.
            (Some(_), CopyMethod::Serialize) => 2 * heap,
            (Some(kind), _) => in_memory(kind, heap),
        };
        Some(WorstCase {
            source_bytes,
            copy_bytes,
            arenas: self.arenas(options, cpus),
        })
    }

    /// Arenas in which copies are freed.
    fn arenas(&self, options: &SnapshotOptions, cpus: u64) -> u64 {
        let threads = match options.placement {
            Placement::OneThread => 1,
            Placement::RotatePerCycle | Placement::RotatePerStep => u64::from(options.workers),
        };
        let one_heap = match self.sqlite_allocator {
            SqliteAllocator::System => false,
            SqliteAllocator::Rust => self.rust_allocator == RustAllocator::Jemalloc,
            _ => true,
        };
        if one_heap || options.trim == Trim::PerCycle {
            return 1;
        }
        // glibc has eight arenas for each CPU at most; of a preloaded library nothing is known.
        threads.min(self.arena_max().unwrap_or(8 * cpus)).max(1)
    }

    /// What the environment sets for glibc.
    fn arena_max(&self) -> Option<u64> {
        let variable = self.env.get("MALLOC_ARENA_MAX").cloned();
        let tunables = self.env.get("GLIBC_TUNABLES").cloned().unwrap_or_default();
        let tunable = tunables
            .split(':')
            .find_map(|one| one.strip_prefix("glibc.malloc.arena_max="))
            .map(str::to_owned);
        let most = tunable.or(variable)?.parse().ok()?;
        (most > 0).then_some(most)
    }
}

/// Of a database whose page cache would come to `heap_bytes`.
fn in_memory(kind: DatabaseKind, heap_bytes: u64) -> u64 {
    match kind {
        // Grows by doubling.
        DatabaseKind::Memdb => 2 * heap_bytes,
        kind if kind.is_memory() => heap_bytes,
        _ => 0,
    }
}
