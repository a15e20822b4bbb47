//! Memory as a [`Measurement`](criterion::measurement::Measurement) of Criterion's, for benches of
//! your own: what a routine allocates, what it holds at its peak, what SQLite holds, what is resident.
//!
//! ```
//! use criterion::Criterion;
//! use sqlite_membench::allocator::global::Switchable;
//! use sqlite_membench::measurement::{IterMemory, PeakLiveBytes};
//!
//! #[global_allocator] // 1. the counters
//! static ALLOCATOR: Switchable = Switchable::new();
//!
//! # fn parse() -> Vec<u64> { (0..1000).collect() }
//! let mut criterion = Criterion::default().with_measurement(PeakLiveBytes); // 2. what is measured
//! # criterion = criterion.without_plots().sample_size(10).warm_up_time(std::time::Duration::from_millis(1));
//! criterion.bench_function("parse", |bencher| bencher.iter_memory(parse)); // 3. what is run
//! ```
//!
//! | measurement | value of one iteration | source |
//! |---|---|---|
//! | [`AllocatedBytes`] | bytes asked for, reallocations with their whole new size | the counting global allocator |
//! | [`AllocatedBlocks`] | blocks handed out | the counting global allocator |
//! | [`PeakLiveBytes`] | the most live bytes, above those before it | the counting global allocator |
//! | [`SqliteHighwaterBytes`] | the most live bytes of SQLite, above those before it | `sqlite3_status64(MEMORY_USED)` |
//! | [`PeakRssBytes`] | the highest RSS of a process of its own, whole | `VmHWM` |
//!
//! Values are shown in B, KiB, MiB and GiB; Criterion's files, which machines read, have plain bytes
//! and blocks. A throughput is what an element takes, or a byte of input: bytes, not bytes a second.
//!
//! # Traps
//! * **SQLite allocates in C.** The global allocator serves its blocks only after
//!   `sqlite::install(SqliteAllocator::Rust, 0)` of [`allocator`](crate::allocator), before the first
//!   connection: its bytes are then in all of the above, with eight for each block's header. Without it
//!   the first three are Rust's alone, and [`SqliteHighwaterBytes`] is what shows SQLite.
//! * **A peak is no sum.** Criterion divides a sample by its iterations, and a plain `iter` has only the
//!   peak of all of them together. So peaks refuse `iter` and `iter_batched` by a panic;
//!   [`iter_memory`](IterMemory::iter_memory) takes each iteration's own. The sums take `iter` too.
//! * **A benchmark with a sample of exactly 0 is dropped** by Criterion. A routine that allocates nothing
//!   gets [`NOTHING`] in the place of 0 and is shown as `0 B`.
//! * **Everything in the process counts**, other threads and the first use of a lazy static too: a value
//!   is as deterministic as the routine is. [`iter_testee`](IterMemory::iter_testee) runs each iteration
//!   in a fresh process, where nothing is warm and nothing is left over.
//! * **RSS is the process's**, its program and its libraries with it, and the kernel's peak is approximate:
//!   by a quarter of a MiB, three percent of a process that does nothing. Criterion runs all benchmarks in
//!   one, whose peak never falls, so [`PeakRssBytes`] is taken in testees only.
//! * **A group is of one measurement.** Samples of another in the same directory would be compared with
//!   them: give memory groups names of their own.
//! * **Zero noise is no error.** All samples of a deterministic routine are equal, and Criterion then
//!   finds any change significant; what it asks is whether the change is above `noise_threshold`, 1 %
//!   unless you set it. (Samples are told apart by a thousandth of a byte, because Criterion 0.8.2 fails
//!   to plot equal ones. A build that checks arithmetic still panics in the plot of such a change:
//!   `cargo bench` is none, and `--noplot` helps.)
//! * **The testee is a release build without the profilers**: under the feature `dhat-heap` dhat's
//!   own memory is resident, and [`PeakRssBytes`] refuses.

mod format;
mod metrics;
mod taken;
pub mod testee;

use std::hint::black_box;

use criterion::Bencher;

pub use metrics::{
    AllocatedBlocks, AllocatedBytes, InProcess, Metric, NOTHING, PeakLiveBytes, PeakRssBytes,
    SqliteHighwaterBytes,
};
pub use taken::{Allocated, Missing, Taken, take};

/// How a [`Bencher`] of any of these measurements is driven.
///
/// All panic where the measurement is not to be had, and say what is missing: without its counter a
/// benchmark has nothing to show.
pub trait IterMemory<M: Metric> {
    /// Measures each call of `routine`. What it returns is live until the measurement is taken, and
    /// dropped outside of it.
    fn iter_memory<O>(&mut self, routine: impl FnMut() -> O)
    where
        M: InProcess;

    /// The same, with an input that `setup` makes outside of the measurement, which is dropped outside
    /// of it too: a fresh database.
    fn iter_memory_with<I, O>(
        &mut self,
        setup: impl FnMut() -> I,
        routine: impl FnMut(&mut I) -> O,
    ) where
        M: InProcess;

    /// Runs each iteration in a process of its own: this executable again, whose `main` hands
    /// `name` to [`testee::serve`].
    fn iter_testee(&mut self, name: &str, arguments: &[&str]);
}

impl<M: Metric> IterMemory<M> for Bencher<'_, M> {
    fn iter_memory<O>(&mut self, mut routine: impl FnMut() -> O)
    where
        M: InProcess,
    {
        self.iter_memory_with(|| (), |()| routine());
    }

    fn iter_memory_with<I, O>(
        &mut self,
        mut setup: impl FnMut() -> I,
        mut routine: impl FnMut(&mut I) -> O,
    ) where
        M: InProcess,
    {
        self.iter_custom(|iterations| {
            (0..iterations)
                .map(|_| {
                    let mut input = black_box(setup());
                    let (taken, output) = take(|| routine(&mut input));
                    drop(black_box(output));
                    value::<M>(&taken)
                })
                .sum()
        });
    }

    fn iter_testee(&mut self, name: &str, arguments: &[&str]) {
        self.iter_custom(|iterations| {
            let sample = |_| match testee::run(name, arguments) {
                Ok(taken) => value::<M>(&taken),
                Err(error) => panic!("{error}"),
            };
            (0..iterations).map(sample).sum()
        });
    }
}

fn value<M: Metric>(taken: &Taken) -> u64 {
    M::of(taken).unwrap_or_else(|missing| panic!("{missing}"))
}
