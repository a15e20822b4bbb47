//! The reported service: a large database, copied again and again, dumped and disposed of.
//!
//! Where it came from and what was found by running it: `profiles/scenarios/snapshot-memory.toml`.
//! [`Cycles`] is the whole of it, phase by phase; [`fill`](fn@fill::fill), [`copy`](fn@copy::copy) and
//! [`dump`](fn@super::dump::dump) are its pieces.

pub mod content;
pub mod copy;
mod cycles;
pub mod fill;
mod options;
pub mod schema;
mod target;
mod workers;

pub use cycles::{CycleReport, Cycles, SnapshotReport};
pub use options::{DumpKind, Placement, SnapshotOptions, Trim};
pub use workers::{Turns, Workers};
