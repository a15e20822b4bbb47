//! dhat's allocator below the counting one, in a build with the feature `dhat-heap`: what dhat
//! allocates for itself is told apart, its counters can be read beside a ledger, and its profile can be
//! written while it goes on.
//!
//! dhat writes its profile when its profiler is dropped, and no other way. So that a process that is
//! killed leaves one all the same, a child by `fork` drops its own copy of it. All calls into dhat go
//! through one gate, which the thread that forks holds: no lock of dhat's, nor of what it calls, is
//! then in the hands of a thread that the child does not have. The C library's `malloc` sees to its
//! own locks.
//!
//! Without the feature there is no profiler, and everything here does nothing.

/// Names the file that a testee's profile goes to.
pub const FILE_VARIABLE: &str = "SQLITE_MEMBENCH_DHAT_FILE";

/// What dhat has counted: the blocks that it knows, in bytes asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Live bytes.
    pub current_bytes: u64,
    /// Live blocks.
    pub current_blocks: u64,
    /// Live bytes when they were at their most, which dhat calls t-gmax.
    pub peak_bytes: u64,
    /// Live blocks at that moment.
    pub peak_blocks: u64,
    /// Bytes ever asked for, reallocations with their whole new size.
    pub total_bytes: u64,
    /// Blocks ever handed out, reallocations among them.
    pub total_blocks: u64,
    /// What had gone before, which dhat does not know.
    pub before: Before,
}

/// The counting allocator's word on the moment at which dhat started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Before {
    /// Live bytes.
    pub live_bytes: u64,
    /// Live blocks.
    pub live_blocks: u64,
    /// Bytes asked for until then.
    pub total_bytes: u64,
    /// Blocks handed out until then.
    pub total_blocks: u64,
}

#[cfg(feature = "dhat-heap")]
pub use running::{Profiler, Writing, stats};
#[cfg(feature = "dhat-heap")]
pub(super) use running::{around, is_inside};

#[cfg(not(feature = "dhat-heap"))]
pub use absent::{Profiler, Writing, stats};
#[cfg(not(feature = "dhat-heap"))]
pub(super) use absent::{around, is_inside};

#[cfg(feature = "dhat-heap")]
mod running;

#[cfg(not(feature = "dhat-heap"))]
mod absent {
    use std::convert::Infallible;
    use std::io;
    use std::path::Path;

    use super::Stats;

    /// Runs a call into the backend.
    #[inline(always)]
    pub fn around<T>(call: impl FnOnce() -> T) -> T {
        call()
    }

    /// Never: other backends allocate nothing for themselves here.
    #[inline(always)]
    pub fn is_inside() -> bool {
        false
    }

    /// There is none.
    pub fn stats() -> Option<Stats> {
        None
    }

    /// There is none.
    #[derive(Debug)]
    pub struct Profiler(Infallible);

    impl Profiler {
        /// There is none.
        pub fn start(_: &Path) -> Option<Profiler> {
            None
        }

        /// Never called.
        pub fn write(self) {
            match self.0 {}
        }

        /// Never called.
        pub fn write_in_a_child(&self, _: &Path, _: &Path) -> io::Result<Writing> {
            match self.0 {}
        }
    }

    /// There is none.
    #[derive(Debug)]
    pub struct Writing(Infallible);

    impl Writing {
        /// Never called.
        pub fn goes_on(&mut self) -> bool {
            match self.0 {}
        }

        /// Never called.
        pub fn wait(self) {
            match self.0 {}
        }

        /// Never called.
        pub fn break_off(self) {
            match self.0 {}
        }
    }
}
