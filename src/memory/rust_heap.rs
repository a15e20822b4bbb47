//! What Rust has allocated, less what SQLite has through Rust.

use crate::allocator::{SqliteAllocator, global, sqlite};

/// Rust's own live memory, in bytes. Source: the counting global allocator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RustHeap {
    /// Bytes asked for.
    pub live_bytes: i64,
    /// Live blocks.
    pub live_blocks: i64,
    /// What the allocator reserves for them.
    pub reserved_bytes: i64,
    /// What is reserved for dhat's own blocks, in a build with `dhat-heap`.
    pub bookkeeping_bytes: i64,
}

/// Reads the counters; `None` where the process runs under another global allocator.
pub fn read() -> Option<RustHeap> {
    let all = global::counters()?;
    let mut heap = RustHeap {
        live_bytes: all.live_bytes,
        live_blocks: all.live_blocks,
        reserved_bytes: all.reserved_bytes,
        bookkeeping_bytes: all.bookkeeping_bytes,
    };
    if let (Some(SqliteAllocator::Rust), Some(counters)) = (sqlite::installed(), sqlite::counters())
    {
        let header = sqlite::header_bytes(SqliteAllocator::Rust);
        heap.live_bytes -= counters.live_bytes + header * counters.live_blocks;
        heap.live_blocks -= counters.live_blocks;
        heap.reserved_bytes -= counters.reserved_bytes;
    }
    Some(heap)
}
