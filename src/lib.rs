//! Accounts for every resident byte of a process that runs SQLite, by owner.
//!
//! A process is 4 GB resident and its heap profiler sees 80 MB: whose memory is the rest? SQLite
//! allocates in C, Rust through its global allocator, both mostly from one `malloc`, and none of
//! their counters is what the kernel calls resident. This library reads all of them at one moment
//! and puts them into one [`memory::Ledger`] whose terms add up to RSS, with what nobody accounts
//! for as a term of its own.
//!
//! # The rooms
//! * [`allocator`]: who hands out memory, on both sides of the FFI. A counting global allocator,
//!   SQLite's memory methods, jemalloc arenas whose extents are recorded, and a sampler of both heaps.
//! * [`memory`]: what is resident and who owns it. Reads, never drives.
//! * [`analysis`]: what kind of growth a series of ledgers shows, in the words of [`verdict`]. Pure
//!   functions.
//!
//! With the feature `cli`, which is on by default and which a service that embeds the ledger turns
//! off, also the workloads, the two processes that measure them, and the command line. What samplers
//! wrote is named and drawn by `profile`. What the benches
//! left in Criterion's files is read by `estimates`. With the feature `criterion`, memory as a measurement
//! for benches of one's own: `measurement`.
//!
//! # A ledger in a service
//! ```
//! use sqlite_membench::allocator::{SqliteAllocator, global::Switchable, sqlite};
//! use sqlite_membench::memory::{Observer, Owner};
//!
//! #[global_allocator]
//! static ALLOCATOR: Switchable = Switchable::new();
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // Before the first connection.
//!     sqlite::install(SqliteAllocator::Arena, 0)?;
//!     let mut observer = Observer::new()?;
//!     // SAFETY: no connection is given.
//!     let ledger = unsafe { observer.take(&[]) }?;
//!     println!("SQLite holds {} of {} bytes", ledger.owned_bytes(Owner::Sqlite), ledger.rss_bytes);
//!     assert!(ledger.unattributed_bytes().abs() <= ledger.bound_bytes());
//!     Ok(())
//! }
//! ```

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!(
    "sqlite-membench reads what the Linux kernel says of a 64-bit process, and builds for no other"
);

pub mod allocator;
pub mod analysis;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub mod environment;
#[cfg(feature = "cli")]
pub mod estimates;
#[cfg(feature = "cli")]
pub mod harness;
#[cfg(feature = "criterion")]
pub mod measurement;
pub mod memory;
#[cfg(feature = "cli")]
pub mod profile;
#[cfg(feature = "cli")]
pub mod record;
#[cfg(feature = "cli")]
pub mod report;
#[cfg(feature = "cli")]
pub mod scenario;
#[cfg(feature = "cli")]
pub mod testee;
pub mod verdict;
#[cfg(feature = "cli")]
mod whole_file;
#[cfg(feature = "cli")]
pub mod workload;
