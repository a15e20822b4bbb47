//! sqlite-membench.
pub mod allocator;
pub mod record;
#[cfg(feature = "cli")]
pub mod workload;
