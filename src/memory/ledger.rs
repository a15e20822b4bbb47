//! The ledger: all resident bytes of a process at one moment, by owner and term.
//!
//! ```text
//! Rss = sqlite heap + rust heap + other C heap + allocator shared overhead
//!     + thread stacks + program data + instrument + mapped files + unattributed
//! ```
//! Every term has a source of its own. Only `unattributed` is what is left of RSS: memory mapped
//! behind the ledger's back shows there and nowhere else.

use std::fmt;

use super::jemalloc::GlobalCounters;
use super::sqlite::ConnectionStatus;
use crate::allocator::dhat_heap;

/// Whose bytes they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Owner {
    /// SQLite's C heap.
    Sqlite,
    /// Memory managed by Rust.
    Rust,
    /// Other users of the C library's `malloc`.
    OtherC,
    /// What allocators hold for nobody, or for several owners at once.
    Allocator,
    /// Stacks of all threads.
    Stacks,
    /// The program's and its libraries' private data.
    Program,
    /// The ledger's own buffers.
    Instrument,
    /// Pages of files.
    Files,
}

impl Owner {
    /// All owners in the order of reports.
    pub const ALL: [Owner; 8] = [
        Owner::Sqlite,
        Owner::Rust,
        Owner::OtherC,
        Owner::Allocator,
        Owner::Stacks,
        Owner::Program,
        Owner::Instrument,
        Owner::Files,
    ];

    /// As in the record.
    pub const fn name(self) -> &'static str {
        match self {
            Owner::Sqlite => "sqlite",
            Owner::Rust => "rust",
            Owner::OtherC => "other_c",
            Owner::Allocator => "allocator",
            Owner::Stacks => "stacks",
            Owner::Program => "program",
            Owner::Instrument => "instrument",
            Owner::Files => "files",
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One number with its owner and its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// Whose.
    pub owner: Owner,
    /// What: `live`, `header`, `rounding`, `untouched`, ...
    pub term: &'static str,
    /// Signed: `untouched` is what allocated memory is not resident, and negative.
    pub bytes: i64,
    /// Where the number was read.
    pub source: &'static str,
    /// Whether the term is one of those that add up to RSS.
    pub counts: bool,
    /// For a finer split: the term of the same owner that it is a part of.
    pub within: Option<&'static str>,
}

/// Numbers beside the identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Beside {
    /// `Anonymous` of `smaps`: the part of RSS that no file backs.
    pub anonymous_bytes: u64,
    /// `Swap` of `smaps`.
    pub swap_bytes: u64,
    /// `AnonHugePages` of `smaps`.
    pub huge_page_bytes: u64,
    /// `SQLITE_STATUS_MEMORY_USED`'s high-water mark.
    pub sqlite_highwater_bytes: i64,
    /// Live blocks of SQLite.
    pub sqlite_blocks: i64,
    /// Live blocks of Rust, without those that SQLite has through Rust.
    pub rust_blocks: i64,
    /// The highest live bytes of the global allocator, whoever asked.
    pub rust_peak_bytes: i64,
    /// Bytes that the global allocator ever handed out.
    pub rust_total_bytes: u64,
    /// Blocks that the global allocator ever handed out.
    pub rust_total_blocks: u64,
    /// The cgroup's counters, which a container's limit is about; its file cache counts there.
    pub cgroup: Option<CgroupBytes>,
    /// jemalloc's address space that is kept and not resident.
    pub jemalloc_retained_bytes: i64,
    /// glibc's arenas, the main one included: those whose heaps were found. `None` where `malloc`
    /// is another library's.
    pub glibc_arenas: Option<u64>,
    /// The bundled jemalloc's own sums, whoever it serves. `None` where it has no statistics.
    pub jemalloc: Option<GlobalCounters>,
    /// dhat's counters, in a build with `dhat-heap` whose profiler runs.
    pub dhat: Option<dhat_heap::Stats>,
}

/// The cgroup that the process is in, in bytes. Source: `memory.current` and `memory.stat` of
/// cgroup v2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CgroupBytes {
    /// `memory.current`.
    pub current_bytes: u64,
    /// `anon`.
    pub anon_bytes: u64,
    /// `file`: page cache, shared memory included.
    pub file_bytes: u64,
    /// `shmem`.
    pub shmem_bytes: u64,
    /// `kernel`.
    pub kernel_bytes: u64,
}

/// All resident bytes of this process at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ledger {
    /// The kernel's word: `Rss` of every mapping in `smaps`, which is what `smaps_rollup` adds up.
    pub rss_bytes: u64,
    /// The terms; those that count come first within their owner.
    pub terms: Vec<Term>,
    /// What is not part of the identity.
    pub beside: Beside,
    /// Each connection that the ledger was given, in that order; the first 64.
    pub connections: Vec<ConnectionStatus>,
}

impl Ledger {
    /// What no term accounts for. The sum of the counting terms and this is `rss_bytes`.
    pub fn unattributed_bytes(&self) -> i64 {
        let sum: i64 = self
            .terms
            .iter()
            .filter(|t| t.counts)
            .map(|t| t.bytes)
            .sum();
        self.rss_bytes as i64 - sum
    }

    /// The bound on [`unattributed_bytes`](Self::unattributed_bytes), either way: 1 % of RSS, or 1 MiB.
    pub fn bound_bytes(&self) -> i64 {
        bound_bytes(self.rss_bytes)
    }

    /// The counting bytes of `owner`.
    pub fn owned_bytes(&self, owner: Owner) -> i64 {
        self.terms
            .iter()
            .filter(|t| t.counts && t.owner == owner)
            .map(|t| t.bytes)
            .sum()
    }

    /// The bytes of one term; `None` where it is absent.
    pub fn term_bytes(&self, owner: Owner, term: &str) -> Option<i64> {
        self.terms
            .iter()
            .find(|t| t.owner == owner && t.term == term)
            .map(|t| t.bytes)
    }
}

/// The most that may be unattributed of `rss_bytes`: 1 %, or 1 MiB.
pub fn bound_bytes(rss_bytes: u64) -> i64 {
    (rss_bytes as i64 / 100).max(1 << 20)
}
