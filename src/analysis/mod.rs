//! What kind of growth a series of ledgers shows: trend, verdict, remedy. Pure functions over
//! numbers; nothing here reads a process, a record or a clock.
//!
//! A [`Moment`] is what the rules look at in a ledger. [`Series`] collects moments, the probes after
//! them, and what is known of the settings; [`judge`] says what they show.
//!
//! ```
//! use sqlite_membench::analysis::{Moment, Series, judge};
//! use sqlite_membench::memory::Observer;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut observer = Observer::new()?;
//! let mut series = Series::default();
//! let mut kept = Vec::new();
//! for _request in 0..12 {
//!     kept.push(vec![1u8; 1 << 20]);
//!     // SAFETY: no connection is given.
//!     series.push(Moment::of(unsafe { observer.take(&[]) }?));
//! }
//! for finding in judge(&series).findings {
//!     println!("{}: {} bytes", finding.verdict, finding.bytes);
//! }
//! # Ok(())
//! # }
//! ```

pub mod compare;
mod judge;
pub mod moment;
pub mod remedy;
mod rules;
pub mod series;
pub mod trend;

pub use judge::judge;
pub use moment::{Moment, Terms};
pub use series::{Facts, Per, Probed, Series};
