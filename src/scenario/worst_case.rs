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
        let most = match (self.sqlite_allocator, self.rust_allocator, &self.preload) {
            _ if options.trim == Trim::PerCycle => 1,
            // Of a preloaded library nothing is known; jemalloc gives threads arenas in turn.
            (SqliteAllocator::System, _, Some(_))
            | (SqliteAllocator::Rust, RustAllocator::Jemalloc, _) => threads,
            // glibc has eight for each CPU at most.
            (SqliteAllocator::System | SqliteAllocator::Rust, ..) => {
                self.arena_max().unwrap_or(8 * cpus)
            }
            (SqliteAllocator::Arena | SqliteAllocator::ArenaNative, ..)
            | (SqliteAllocator::Memsys5, ..) => 1,
        };
        threads.min(most).max(1)
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

#[cfg(test)]
mod tests {
    use crate::scenario::{Catalogue, Selection, Setting};

    fn arenas(name: &str, settings: &[&str]) -> u64 {
        let settings = settings.iter().map(|text| Setting::parse(text).unwrap());
        let selection = Selection {
            names: vec![name.to_owned()],
            settings: settings.collect(),
            ..Selection::default()
        };
        let resolved = Catalogue::built_in().unwrap().resolve(&selection).unwrap();
        resolved.scenarios[0].worst_case(2).unwrap().arenas
    }

    #[test]
    fn arenas_are_bounded_by_threads_allocator_and_environment() {
        let memory = "snapshot-memory";
        assert_eq!(arenas(memory, &[]), 4);
        assert_eq!(arenas(memory, &["workers=64"]), 16);
        assert_eq!(arenas(memory, &["env.MALLOC_ARENA_MAX=3"]), 3);
        let tunable = "env.GLIBC_TUNABLES=glibc.malloc.arena_max=2:glibc.malloc.mxfast=0";
        assert_eq!(arenas(memory, &[tunable, "env.MALLOC_ARENA_MAX=3"]), 2);
        assert_eq!(arenas(memory, &["sqlite_allocator=arena"]), 1);
        let through_rust = ["sqlite_allocator=rust", "rust_allocator=jemalloc"];
        assert_eq!(arenas(memory, &through_rust), 4);
        for name in ["snapshot-one-thread", "snapshot-trim", "snapshot-arena"] {
            assert_eq!(arenas(name, &[]), 1, "{name}");
        }
    }

    #[test]
    fn a_copy_counts_where_it_is_in_memory() {
        let of = |name: &str| {
            let selection = Selection {
                names: vec![name.to_owned()],
                ..Selection::default()
            };
            let resolved = Catalogue::built_in().unwrap().resolve(&selection).unwrap();
            resolved.scenarios[0].worst_case(2)
        };
        let memory = of("snapshot-memory").unwrap();
        assert_eq!(memory.copy_bytes, memory.source_bytes);
        assert!(memory.bytes() > 5 * memory.source_bytes);
        for name in ["snapshot-file", "snapshot-no-snapshot"] {
            assert_eq!(of(name).unwrap().copy_bytes, 0, "{name}");
        }
        assert_eq!(of("insert-decimal"), None);
    }
}
