//! What is kept by design: pages in caches, pages of mapped files, prepared statements.

use std::hint::black_box;

use rusqlite::Connection;

use super::ground::Ground;
use super::table::run;
use super::{CYCLE_BYTES, Faulty, Progress, ROW_BYTES, doing};
use crate::workload::Error;

/// Of a database that is read part by part, one in each cycle.
const PARTS: u64 = 12;
const PART_BYTES: u64 = 11 << 20;

/// Reads part `part` of the table into the cache of `connection`.
fn read(
    ground: &Ground<'_>,
    connection: &Connection,
    part: u64,
    progress: &mut Progress<'_>,
) -> Result<(), Error> {
    let ids = ground.table.part(part, PARTS);
    (ground.table)
        .read(connection, ids, progress, |_, payload| {
            black_box(payload);
        })
        .map(drop)
}

/// [`Fault::LargeCache`](super::Fault::LargeCache) and [`Fault::PageSize`](super::Fault::PageSize)
pub(super) struct ReadAll {
    row_bytes: usize,
}

impl ReadAll {
    pub(super) fn large_cache() -> Self {
        ReadAll {
            row_bytes: ROW_BYTES,
        }
    }

    /// A row fits into the smallest page: SQLite reads overflow pages past its cache.
    pub(super) fn page_size() -> Self {
        ReadAll { row_bytes: 440 }
    }
}

impl Faulty for ReadAll {
    fn fill(&mut self, ground: &mut Ground<'_>, progress: &mut Progress<'_>) -> Result<(), Error> {
        let bytes = ground.options.scaled(PARTS * PART_BYTES);
        ground.fill(bytes, self.row_bytes, progress)
    }

    fn cycle(&mut self, ground: &mut Ground<'_>, progress: &mut Progress<'_>) -> Result<(), Error> {
        let cycle = progress.cycle;
        read(ground, ground.first(), u64::from(cycle), progress)?;
        shrink_if_mended(ground)
    }
}

/// [`Fault::ManyConnections`](super::Fault::ManyConnections)
pub(super) struct ManyConnections;

impl ManyConnections {
    /// For each of the connections.
    const PART_BYTES: u64 = 1 << 20;
}

impl Faulty for ManyConnections {
    fn fill(&mut self, ground: &mut Ground<'_>, progress: &mut Progress<'_>) -> Result<(), Error> {
        let bytes = ground.options.scaled(PARTS * Self::PART_BYTES);
        ground.fill(bytes, ROW_BYTES, progress)
    }

    fn cycle(&mut self, ground: &mut Ground<'_>, progress: &mut Progress<'_>) -> Result<(), Error> {
        let cycle = progress.cycle;
        for connection in &ground.connections {
            read(ground, connection, u64::from(cycle), progress)?;
        }
        shrink_if_mended(ground)
    }
}

fn shrink_if_mended(ground: &Ground<'_>) -> Result<(), Error> {
    if !ground.options.mended {
        return Ok(());
    }
    (ground.connections.iter()).try_for_each(|connection| run(connection, "PRAGMA shrink_memory"))
}

/// [`Fault::MappedDatabase`](super::Fault::MappedDatabase)
pub(super) struct Mapped;

impl Faulty for Mapped {
    fn fill(&mut self, ground: &mut Ground<'_>, progress: &mut Progress<'_>) -> Result<(), Error> {
        let parts = u64::from(ground.options.cycles);
        let bytes = ground.options.scaled(parts * CYCLE_BYTES);
        ground.fill(bytes, ROW_BYTES, progress)
    }

    /// Mended it reads the same part again and again.
    fn cycle(&mut self, ground: &mut Ground<'_>, progress: &mut Progress<'_>) -> Result<(), Error> {
        let cycle = progress.cycle;
        let part = if ground.options.mended { 1 } else { cycle };
        let parts = u64::from(ground.options.cycles);
        let ids = ground.table.part(u64::from(part - 1), parts);
        let first = ground.first();
        (ground.table)
            .read(first, ids, progress, |_, payload| {
                black_box(payload.iter().fold(0_u8, |all, byte| all ^ byte));
            })
            .map(drop)
    }
}

/// [`Fault::StatementCache`](super::Fault::StatementCache)
pub(super) struct StatementCache;

impl StatementCache {
    /// In which every statement is used once.
    const ROUND_CYCLES: u64 = 6;
    /// A SELECT, with what rusqlite has beside it.
    const STATEMENT_BYTES: u64 = 1800;

    /// Statements that each connection uses in one cycle.
    fn in_a_cycle(ground: &Ground<'_>) -> u64 {
        let connections = ground.connections.len() as u64;
        (ground.options.scaled(CYCLE_BYTES) / connections / Self::STATEMENT_BYTES).max(1)
    }
}

impl Faulty for StatementCache {
    fn fill(&mut self, ground: &mut Ground<'_>, progress: &mut Progress<'_>) -> Result<(), Error> {
        ground.fill(64 << 10, ROW_BYTES, progress)?;
        let all = Self::ROUND_CYCLES * Self::in_a_cycle(ground);
        for connection in &ground.connections {
            connection.set_prepared_statement_cache_capacity(all as usize);
        }
        Ok(())
    }

    fn cycle(&mut self, ground: &mut Ground<'_>, progress: &mut Progress<'_>) -> Result<(), Error> {
        let cycle = progress.cycle;
        let count = Self::in_a_cycle(ground);
        let round = u64::from(cycle - 1) % Self::ROUND_CYCLES;
        let name = ground.table.name();
        for connection in &ground.connections {
            let mut number = round * count;
            progress.times(count, || {
                number += 1;
                let sql = format!("SELECT payload FROM {name} WHERE id = ? AND id < {number}");
                let preparing = doing(|| format!("preparing {sql}"));
                // Without a cache a statement is finalized when it is dropped.
                match ground.options.mended {
                    false => connection.prepare_cached(&sql).map(drop),
                    true => connection.prepare(&sql).map(drop),
                }
                .map_err(preparing)
            })?;
        }
        Ok(())
    }
}
