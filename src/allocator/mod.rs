//! Who hands out memory, on both sides of the FFI.
//!
//! [`global`] is the Rust side: a counting `GlobalAlloc` whose backend is chosen when the process
//! starts. [`sqlite`] is SQLite's side: the `sqlite3_mem_methods` installed before the first
//! connection. [`arena`] is the jemalloc arena with recorded extents that both can rest on.

use serde::{Deserialize, Serialize};

/// What serves Rust's allocations; chosen once, before the first allocation of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RustAllocator {
    /// The C library's `malloc`.
    #[default]
    System,
    /// jemalloc, in arenas of its own whose extents are recorded.
    Jemalloc,
}

/// What serves SQLite's allocations; chosen once, before SQLite is initialised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SqliteAllocator {
    /// SQLite's own default: `malloc` with an 8-byte size header.
    #[default]
    System,
    /// A jemalloc arena of SQLite's own, with the 8-byte size header that the default writes.
    Arena,
    /// A jemalloc arena of SQLite's own, without a header: sizes come from `sallocx`.
    ArenaNative,
    /// Rust's global allocator, through `std::alloc`, with the 8-byte size header.
    Rust,
    /// SQLite's own buddy allocator over one fixed block.
    Memsys5,
}

impl SqliteAllocator {
    /// Every one of them.
    pub const ALL: [SqliteAllocator; 5] = [
        SqliteAllocator::System,
        SqliteAllocator::Arena,
        SqliteAllocator::ArenaNative,
        SqliteAllocator::Rust,
        SqliteAllocator::Memsys5,
    ];

    /// The name in scenarios and records.
    pub const fn name(self) -> &'static str {
        match self {
            SqliteAllocator::System => "system",
            SqliteAllocator::Arena => "arena",
            SqliteAllocator::ArenaNative => "arena-native",
            SqliteAllocator::Rust => "rust",
            SqliteAllocator::Memsys5 => "memsys5",
        }
    }
}

pub mod arena;
mod backends;
pub mod dhat_heap;
pub mod global;
pub mod preloaded;
pub mod ranges;
pub mod region;
pub mod route;
pub mod sampler;
pub mod sqlite;
mod system;

use system::system_chunk_bytes;
pub use system::{MallocProvider, malloc_provider};

/// Why an allocator could not be put in place or does not serve whom it should.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `sqlite3_config` after `sqlite3_initialize`.
    #[error("SQLite is already initialised: choose its allocator before the first connection")]
    TooLate,
    /// Not in this build.
    #[error("{0}")]
    Absent(&'static str),
    /// jemalloc refused a control.
    #[error("jemalloc refused {control}: {message}")]
    Jemalloc {
        /// The control's name.
        control: &'static str,
        /// jemalloc's errno, in words.
        message: String,
    },
    /// The kernel refused a mapping.
    #[error("no memory for a fixed heap: {0}")]
    Map(std::io::Error),
    /// The start-up self-check did not find the bytes where they should be.
    #[error("the allocator route does not verify: {0}")]
    Route(String),
}

impl Error {
    fn jemalloc(control: &'static str, error: tikv_jemalloc_ctl::Error) -> Self {
        Error::Jemalloc {
            control,
            message: error.to_string(),
        }
    }

    fn jemalloc_code(control: &'static str, code: i32) -> Self {
        Error::Jemalloc {
            control,
            message: std::io::Error::from_raw_os_error(code).to_string(),
        }
    }
}
