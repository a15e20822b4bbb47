//! What is resident, and who owns it. Reads, never drives.
//!
//! Each reader takes its numbers from one source and says which. [`Observer`] puts them together
//! into a [`Ledger`]. All buffers are mapped when the observer is made, outside every heap that it
//! counts, and show as `instrument`.

mod cgroup;
mod claims;
#[cfg(feature = "cli")]
pub mod connections;
pub mod databases;
pub mod glibc;
pub mod jemalloc;
pub mod ledger;
#[cfg(feature = "cli")]
pub mod modules;
mod observer;
mod pagemap;
mod peek;
pub mod process;
mod program;
pub mod rust_heap;
mod smaps;
pub mod sqlite;
mod stacks;
pub mod statements;
mod terms;
mod text;
#[cfg(any(feature = "cli", feature = "criterion"))]
pub mod wait;

pub use ledger::{Ledger, Owner, Term};
pub use observer::{Absent, Observer, Unclaimed, absent_here};

/// Why memory could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused one of its files.
    #[error("cannot read {what}: {source}")]
    Kernel {
        /// The file or the call.
        what: &'static str,
        /// The kernel's word.
        source: std::io::Error,
    },
    /// A fixed buffer was too small; the ledger would miss something.
    #[error("more {0} than the ledger has room for")]
    Overflow(&'static str),
}

impl Error {
    fn kernel(what: &'static str) -> impl FnOnce(std::io::Error) -> Error {
        move |source| Error::Kernel { what, source }
    }
}
