//! sqlite-membench.
pub mod allocator;
pub mod memory;
#[cfg(feature = "cli")]
pub mod harness;
pub mod memory;
#[cfg(feature = "cli")]
pub mod record;
#[cfg(feature = "cli")]
pub mod scenario;
#[cfg(feature = "cli")]
pub mod testee;
#[cfg(feature = "cli")]
pub mod workload;
