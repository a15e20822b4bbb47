//! What SQLite holds for as long as it works: databases in memory, dirty pages, sorts.

use std::hint::black_box;

use super::ground::Ground;
use super::table::run;
use super::{CYCLE_BYTES, Faulty, Progress, ROW_BYTES, doing};
use crate::workload::Error;

/// [`Fault::GrowingMemdb`](super::Fault::GrowingMemdb)
pub(super) struct GrowingMemdb;

impl Faulty for GrowingMemdb {
    /// Mended, what the cycle before inserted is deleted, and its pages are used again.
    fn cycle(&mut self, ground: &mut Ground<'_>, progress: &mut Progress<'_>) -> Result<(), Error> {
        if ground.options.mended {
            ground.clear()?;
        }
        ground.insert(ground.options.scaled(CYCLE_BYTES), ROW_BYTES, progress)
    }
}

/// [`Fault::HugeTransaction`](super::Fault::HugeTransaction)
pub(super) struct HugeTransaction;

impl Faulty for HugeTransaction {
    /// Mended, each cycle is a transaction of its own.
    fn cycle(&mut self, ground: &mut Ground<'_>, progress: &mut Progress<'_>) -> Result<(), Error> {
        if !ground.options.mended && ground.first().is_autocommit() {
            run(ground.first(), "BEGIN")?;
        }
        ground.insert(ground.options.scaled(CYCLE_BYTES), ROW_BYTES, progress)
    }
}

/// [`Fault::LargeSort`](super::Fault::LargeSort)
pub(super) struct LargeSort;

impl LargeSort {
    const TABLE_BYTES: u64 = 40 << 20;
}

impl Faulty for LargeSort {
    fn fill(&mut self, ground: &mut Ground<'_>, progress: &mut Progress<'_>) -> Result<(), Error> {
        let bytes = ground.options.scaled(Self::TABLE_BYTES);
        ground.fill(bytes, ROW_BYTES, progress)
    }

    /// Mended, in the order in which the rows lie, which needs no sort.
    fn cycle(&mut self, ground: &mut Ground<'_>, progress: &mut Progress<'_>) -> Result<(), Error> {
        let order = if ground.options.mended {
            "id"
        } else {
            "payload"
        };
        let sql = format!(
            "SELECT payload FROM {} ORDER BY {order}",
            ground.table.name()
        );
        let sorting = || doing(|| sql.clone());
        let total = ground.table.rows();
        let mut statement = ground.first().prepare(&sql).map_err(sorting())?;
        let mut rows = statement.query([]).map_err(sorting())?;
        let mut done = 0_u64;
        while let Some(row) = rows.next().map_err(sorting())? {
            black_box(row.get_ref(0).map_err(sorting())?);
            done += 1;
            if done.is_multiple_of(1024) {
                progress.tell(done, total)?;
            }
        }
        progress.tell(done, total)
    }
}
