//! Criterion's results, as they lie in its files.
//!
//! `cargo bench` leaves, for each benchmark and baseline, a directory with `benchmark.json`,
//! `estimates.json` and `sample.json`: `new` is the last run, any other a baseline, `base` where none
//! was named. They are the one source here: the messages that `cargo criterion` prints need another
//! tool, and are gone when it has ended.
//!
//! The files have no version, no unit and no machine, and samples of bytes look like nanoseconds. So
//! the benches put a [`Stamp`] beside them, `membench.json`, that says these things ([`stamp::write`]).
//! [`read()`] gives back both, and refuses what another line of Criterion wrote.
//!
//! What is believed:
//! * A stamp holds a hash of the files that it is of. Where a bench was run again in a way that stamps
//!   nothing, the old stamp is no longer of them, whatever the times of the files are: the benchmark
//!   has no unit then, and a [`Note`] that says so.
//! * Two samples come from `--quick`, whose second is invented: Criterion takes ten and more
//!   otherwise. Such a benchmark is skipped.
//! * Files without a stamp may be of any line of Criterion. Required fields and types are checked
//!   strictly, stamp or not; fields that nobody here knows are passed over, since they change nothing
//!   in what the others say.
//!
//! Reads and writes Criterion's directory; numbers are Criterion's own and are not derived again.

mod error;
mod files;
mod read;
mod shape;
pub mod stamp;

#[cfg(test)]
mod fixture;

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use error::Error;
pub use read::read;
pub use stamp::Stamp;

/// The version of stamps that this build writes.
pub const SCHEMA_VERSION: u32 = 1;

/// The line of Criterion whose files are known here.
pub const CRITERION_VERSION: &str = "0.8";

/// What Criterion writes in the last run's place.
pub const LAST_RUN: &str = "new";

/// What a sample counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Time.
    Nanoseconds,
    /// Memory. Every other sample of memory is larger than what was counted, by 1/1024, and 0 stands
    /// as 1/1024: Criterion cannot take equal samples, nor 0.
    Bytes,
    /// Allocations, in the same way.
    Blocks,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Unit::Nanoseconds => "nanoseconds",
            Unit::Bytes => "bytes",
            Unit::Blocks => "blocks",
        })
    }
}

/// What an iteration goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[expect(missing_docs, reason = "Criterion's words")]
pub enum Throughput {
    Bits(u64),
    Bytes(u64),
    BytesDecimal(u64),
    Elements(u64),
    ElementsAndBytes { elements: u64, bytes: u64 },
}

/// How iterations were spread over samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
pub enum Mode {
    /// As many in each.
    Flat,
    /// More in each than in the one before it: there is a slope.
    Linear,
}

/// Of one statistic, in the benchmark's unit, for one iteration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The point estimate.
    pub value: f64,
    /// The lower end of its confidence interval.
    pub low: f64,
    /// The upper end of its confidence interval.
    pub high: f64,
    /// The interval's level: 0.95.
    pub confidence: f64,
    /// Of the bootstrap.
    pub standard_error: f64,
}

/// What Criterion estimated.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "Criterion's words")]
pub struct Estimates {
    pub mean: Estimate,
    pub median: Estimate,
    pub std_dev: Estimate,
    pub median_abs_dev: Estimate,
    /// Of total over iterations; absent in [`Mode::Flat`].
    pub slope: Option<Estimate>,
}

/// One sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// 1 or more.
    pub iterations: u64,
    /// Of all of them, in the benchmark's unit.
    pub total: f64,
}

/// Why nobody knows a benchmark's unit and machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// There is no stamp.
    NotStamped,
    /// There is one, of files that were written over since.
    StampOfAnotherRun,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Note::NotStamped => {
                "no membench.json: unit and machine are not known; only this suite's benches write it"
            }
            Note::StampOfAnotherRun => {
                "membench.json is of an earlier run: unit and machine are not known; run the bench again"
            }
        })
    }
}

/// One benchmark of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Benchmark {
    /// Criterion's full id, `GROUP/FUNCTION/VALUE`. No two of [`Results`] have the same.
    pub id: String,
    /// The id's first part.
    pub group: String,
    /// The id's second part.
    pub function: Option<String>,
    /// The id's last part: the parameter.
    pub value: Option<String>,
    /// Of one iteration.
    pub throughput: Option<Throughput>,
    /// The stamp's: `None` where nobody knows.
    pub unit: Option<Unit>,
    /// How it was sampled.
    pub mode: Mode,
    /// For one iteration.
    pub estimates: Estimates,
    /// In the order in which they were taken. Never empty.
    pub samples: Vec<Sample>,
    /// `None` where there is none to believe; the note says why.
    pub stamp: Option<Stamp>,
    /// Absent where there is a stamp.
    pub note: Option<Note>,
    /// Where the files are.
    pub directory: PathBuf,
}

impl Benchmark {
    /// Each sample's mean of one iteration, in the benchmark's unit.
    pub fn per_iteration(&self) -> impl Iterator<Item = f64> + '_ {
        let mean = |sample: &Sample| sample.total / sample.iterations as f64;
        self.samples.iter().map(mean)
    }
}

/// A benchmark that could not be read.
#[derive(Debug)]
pub struct Skipped {
    /// Where its files are.
    pub path: PathBuf,
    /// Names the file, and what to do.
    pub reason: Error,
}

/// What a baseline holds.
#[derive(Debug)]
pub struct Results {
    /// Sorted by id. Never empty.
    pub benchmarks: Vec<Benchmark>,
    /// Sorted by path.
    pub skipped: Vec<Skipped>,
}
