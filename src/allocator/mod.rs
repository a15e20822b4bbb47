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
