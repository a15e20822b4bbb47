//! The raw profile: one JSON object on one line, appended and flushed while the testee runs.
//!
//! The first line is [`Line::Profile`]. A stack or a statement comes before the first line that refers to
//! it. [`Line::Values`] holds what has changed since the `Values` line before it, as absolute numbers, so the
//! state at any of them is what the lines until there leave behind; a file that ends in the middle of a
//! line is good until there. [`Line::Symbols`] is appended by whoever symbolizes, so that later the
//! executable is not needed.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::record::HeapSource;

/// Of [`Header::schema_version`].
pub const SCHEMA_VERSION: u32 = 1;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Line<'a> {
    /// The first line.
    Profile(Header<'a>),
    /// A stack.
    Stack {
        /// Counts from 0.
        id: u32,
        /// Leaf first: the instruction pointer, or for a caller the last byte of its call instruction,
        /// so that each lies in the line that it is of.
        addresses: Cow<'a, [u64]>,
    },
    /// A statement.
    Statement {
        /// Counts from 1; 0 stands for no statement.
        id: u32,
        /// Literals are replaced unless asked otherwise.
        sql: Cow<'a, str>,
    },
    /// Numbers, at one moment.
    Values(Values<'a>),
    /// Names for addresses.
    Symbols {
        /// Every address of every stack.
        frames: Vec<Symbolized>,
    },
}

/// `kind = profile`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header<'a> {
    /// [`SCHEMA_VERSION`]
    pub schema_version: u32,
    /// See [`crate::record::ScenarioRecord::scenario`]; a benchmark's name where it is one.
    pub scenario: Cow<'a, str>,
    /// What was sampled.
    pub source: Source,
    /// Executable and libraries.
    pub modules: Vec<Module>,
}

/// What was sampled, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Allocations.
    Heap {
        /// Who samples.
        by: HeapSource,
        /// On average, between two samples.
        interval_bytes: u64,
    },
    /// Running threads. In [`SiteValues`] samples are `total_blocks`, and nanoseconds `total_bytes`.
    Cpu {
        /// Between two samples of a running thread.
        interval_ns: u64,
    },
}

/// A file whose code was mapped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// Absolute.
    pub path: String,
    /// What is added to an address in the file: `dlpi_addr`.
    pub bias: u64,
    /// The first executable address.
    pub start: u64,
    /// The first address behind the last executable one.
    pub end: u64,
    /// Where `start` lies in the file.
    pub file_offset: u64,
    /// `NT_GNU_BUILD_ID`, hexadecimal; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_id: Option<String>,
}

/// `kind = values`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Values<'a> {
    /// Since the testee started.
    pub at_ns: u64,
    /// Present where a phase ended or a reading was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moment: Option<Moment<'a>>,
    /// What the counters say that the sampler rests on; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<Exact>,
    /// Samples that did not fit.
    #[serde(default)]
    pub lost: u64,
    /// What has changed.
    pub sites: Cow<'a, [SiteValues]>,
}

/// As in [`crate::record::PhaseRecord`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment<'a> {
    /// The phase.
    pub phase: Cow<'a, str>,
    /// The cycle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycle: Option<u32>,
    /// A reading inside the phase; absent at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<u32>,
}

/// Counted, not sampled: what was allocated since the sampler started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exact {
    /// By the size that SQLite counts: without headers.
    pub sqlite: Counted,
    /// Without what SQLite has through Rust.
    pub rust: Counted,
}

/// Of one side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is what its name says")]
pub struct Counted {
    pub now_bytes: u64,
    pub now_blocks: u64,
    /// When both sides together were at their most.
    pub peak_bytes: u64,
    pub peak_blocks: u64,
    /// Ever allocated.
    pub total_bytes: u64,
    pub total_blocks: u64,
}

/// Whose heap a block is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// SQLite's.
    Sqlite,
    /// Rust's.
    Rust,
    /// Not known from the sample itself: of jemalloc's samples the stack says it. No heap: a CPU profile.
    Unknown,
}

/// Of one stack under one statement on one side: estimates, not scaled to [`Exact`]. On a line it is an
/// array, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(
    into = "(u32, u32, Side, u64, u64, f64, u64, f64, u64, f64, u64)",
    from = "(u32, u32, Side, u64, u64, f64, u64, f64, u64, f64, u64)"
)]
#[expect(missing_docs, reason = "each is what its name says")]
pub struct SiteValues {
    pub stack: u32,
    /// 0 where no statement was running.
    pub statement: u32,
    pub side: Side,
    /// Live samples.
    pub now_samples: u64,
    pub now_bytes: u64,
    pub now_blocks: f64,
    /// When both sides together were at their most.
    pub peak_bytes: u64,
    pub peak_blocks: f64,
    pub total_bytes: u64,
    pub total_blocks: f64,
    /// Samples ever taken.
    pub total_samples: u64,
}

type SiteArray = (u32, u32, Side, u64, u64, f64, u64, f64, u64, f64, u64);

impl From<SiteValues> for SiteArray {
    fn from(v: SiteValues) -> Self {
        (
            v.stack,
            v.statement,
            v.side,
            v.now_samples,
            v.now_bytes,
            v.now_blocks,
            v.peak_bytes,
            v.peak_blocks,
            v.total_bytes,
            v.total_blocks,
            v.total_samples,
        )
    }
}

impl From<SiteArray> for SiteValues {
    fn from(array: SiteArray) -> Self {
        SiteValues {
            stack: array.0,
            statement: array.1,
            side: array.2,
            now_samples: array.3,
            now_bytes: array.4,
            now_blocks: array.5,
            peak_bytes: array.6,
            peak_blocks: array.7,
            total_bytes: array.8,
            total_blocks: array.9,
            total_samples: array.10,
        }
    }
}

/// An address with the functions that it is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Symbolized {
    /// As in a stack.
    pub address: u64,
    /// Innermost inlined function first; empty where nothing is known.
    pub functions: Vec<Function>,
}

/// A function, and the line in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Function {
    /// Demangled, without a hash.
    pub name: String,
    /// Without what is of the machine that built it: `libsqlite3-sys-0.39.1/sqlite3/sqlite3.c`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Counts from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_one_short_array_a_site() {
        let site = SiteValues {
            stack: 3,
            statement: 1,
            side: Side::Sqlite,
            now_samples: 1,
            now_bytes: 524_288,
            now_blocks: 119.5,
            peak_bytes: 524_288,
            peak_blocks: 119.5,
            total_bytes: 1_048_576,
            total_blocks: 239.0,
            total_samples: 2,
        };
        let text = serde_json::to_string(&site).unwrap();
        assert_eq!(
            text,
            r#"[3,1,"sqlite",1,524288,119.5,524288,119.5,1048576,239.0,2]"#
        );
        assert_eq!(serde_json::from_str::<SiteValues>(&text).unwrap(), site);
    }
}
