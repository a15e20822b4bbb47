//! sqlite-membench.
pub mod allocator;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub mod environment;
#[cfg(feature = "cli")]
pub mod harness;
#[cfg(feature = "cli")]
pub mod record;
#[cfg(feature = "cli")]
pub mod report;
#[cfg(feature = "cli")]
pub mod scenario;
#[cfg(feature = "cli")]
pub mod testee;
#[cfg(feature = "cli")]
pub mod workload;
