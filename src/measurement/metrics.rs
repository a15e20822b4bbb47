//! The measurements themselves. All are projections of one [`Taken`].

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use criterion::measurement::{Measurement, ValueFormatter};

use super::format::Unit;
use super::taken::{Allocated, Missing, Taken};
use crate::allocator::global;

/// What stands for 0 in Criterion's samples, in bytes or blocks: it drops a benchmark that has a sample
/// of exactly 0. Far below one byte, and shown as 0.
pub const NOTHING: f64 = 1.0 / 1024.0;

/// A measurement of memory.
pub trait Metric: Measurement<Value = u64> {
    /// Its value, in bytes or blocks.
    ///
    /// # Errors
    /// [`Missing`] where its counter was not there.
    fn of(taken: &Taken) -> Result<u64, Missing>;
}

/// A [`Metric`] that can be taken in Criterion's own process.
pub trait InProcess: Metric {}

/// Bytes that were asked for in an iteration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AllocatedBytes;

/// Blocks that were handed out in an iteration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AllocatedBlocks;

/// The most live bytes in an iteration, above those that were live before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PeakLiveBytes;

/// The most live bytes of SQLite's in an iteration, above those that were live before it. Resets
/// SQLite's own high-water mark.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SqliteHighwaterBytes;

/// The highest RSS in an iteration, of a whole process that runs nothing else. The kernel counts its peak
/// approximately: one and the same process differs by a quarter of a MiB from run to run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PeakRssBytes;

impl Metric for AllocatedBytes {
    fn of(taken: &Taken) -> Result<u64, Missing> {
        taken.allocated().map(|allocated| allocated.bytes)
    }
}

impl Metric for AllocatedBlocks {
    fn of(taken: &Taken) -> Result<u64, Missing> {
        taken.allocated().map(|allocated| allocated.blocks)
    }
}

impl Metric for PeakLiveBytes {
    fn of(taken: &Taken) -> Result<u64, Missing> {
        taken.allocated().map(|allocated| allocated.peak_live_bytes)
    }
}

impl Metric for SqliteHighwaterBytes {
    fn of(taken: &Taken) -> Result<u64, Missing> {
        taken.sqlite_highwater_bytes.ok_or(Missing::SqliteStatus)
    }
}

impl Metric for PeakRssBytes {
    fn of(taken: &Taken) -> Result<u64, Missing> {
        if global::has_dhat() {
            return Err(Missing::CleanBuild);
        }
        taken.peak_rss_bytes.ok_or(Missing::PeakRss)
    }
}

impl InProcess for AllocatedBytes {}
impl InProcess for AllocatedBlocks {}
impl InProcess for PeakLiveBytes {}
impl InProcess for SqliteHighwaterBytes {}

/// A sum over iterations may be taken around all of them: `Bencher::iter` is as good as any.
fn sum_until_now(read: fn(&Allocated) -> u64) -> u64 {
    match Allocated::until_now() {
        Some(allocated) => read(&allocated),
        None => panic!("{}", Missing::GlobalAllocator),
    }
}

/// Criterion 0.8.2 plots how two samples differ from the spread that both have, and panics where neither
/// has any. So every other sample is [`NOTHING`] larger than it is.
fn nudged(value: u64) -> f64 {
    static SAMPLES: AtomicU64 = AtomicU64::new(0);
    let nudge = (SAMPLES.fetch_add(1, Relaxed) % 2) as f64 * NOTHING;
    match value {
        0 => NOTHING * (1.0 + nudge),
        value => value as f64 + nudge,
    }
}

fn refuse() -> ! {
    panic!(
        "a peak is no sum: drive it by `iter_memory`, `iter_memory_with` or `iter_testee` of \
         `sqlite_membench::measurement::IterMemory`, and not by Criterion's `iter`"
    )
}

macro_rules! measurement {
    ($name:ident, $unit:expr, $start:expr, $end:expr) => {
        impl Measurement for $name {
            type Intermediate = u64;
            type Value = u64;

            fn start(&self) -> u64 {
                $start
            }

            fn end(&self, before: u64) -> u64 {
                let end: fn(u64) -> u64 = $end;
                end(before)
            }

            fn add(&self, one: &u64, other: &u64) -> u64 {
                one + other
            }

            fn zero(&self) -> u64 {
                0
            }

            fn to_f64(&self, value: &u64) -> f64 {
                nudged(*value)
            }

            fn formatter(&self) -> &dyn ValueFormatter {
                &$unit
            }
        }
    };
}

measurement!(
    AllocatedBytes,
    Unit::Bytes,
    sum_until_now(|all| all.bytes),
    |before| sum_until_now(|all| all.bytes) - before
);
measurement!(
    AllocatedBlocks,
    Unit::Blocks,
    sum_until_now(|all| all.blocks),
    |before| sum_until_now(|all| all.blocks) - before
);
measurement!(PeakLiveBytes, Unit::Bytes, refuse(), |_| refuse());
measurement!(SqliteHighwaterBytes, Unit::Bytes, refuse(), |_| refuse());
measurement!(PeakRssBytes, Unit::Bytes, refuse(), |_| refuse());
