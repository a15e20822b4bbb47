//! The counters of both sides since the sampler was started.

use std::sync::OnceLock;

use super::Counted;
use super::tables::Now;
use crate::allocator::{SqliteAllocator, global, sqlite};

/// What Rust had when the sampler was started; SQLite had nothing, its methods were not in place.
static RUST_BEFORE: OnceLock<global::Counters> = OnceLock::new();

pub(super) fn begin() {
    RUST_BEFORE.get_or_init(|| global::counters().unwrap_or_default());
}

/// Live and total, without a peak. Read one after the other: a block that another thread allocates meanwhile
/// may be in one number and not in the next.
pub(super) fn now() -> Now {
    let sqlite = sqlite::counters().unwrap_or_default();
    let rust = global::counters().unwrap_or_default();
    let before = RUST_BEFORE.get().copied().unwrap_or_default();
    let (sqlite_total_bytes, sqlite_total_blocks) = sqlite::totals();
    let mut live_bytes = rust.live_bytes - before.live_bytes;
    let mut live_blocks = rust.live_blocks - before.live_blocks;
    let mut total_bytes = (rust.total_bytes - before.total_bytes) as i64;
    let mut total_blocks = (rust.total_blocks - before.total_blocks) as i64;
    if sqlite::installed() == Some(SqliteAllocator::Rust) {
        let header = sqlite::header_bytes(SqliteAllocator::Rust);
        live_bytes -= sqlite.live_bytes + header * sqlite.live_blocks;
        live_blocks -= sqlite.live_blocks;
        total_bytes -= sqlite_total_bytes + header * sqlite_total_blocks;
        total_blocks -= sqlite_total_blocks;
    }
    Now {
        sqlite: counted(
            [sqlite.live_bytes, sqlite.live_blocks],
            [sqlite_total_bytes, sqlite_total_blocks],
        ),
        rust: counted([live_bytes, live_blocks], [total_bytes, total_blocks]),
    }
}

/// Not below zero, where blocks from before the start are freed.
fn counted(live: [i64; 2], total: [i64; 2]) -> Counted {
    let [now_bytes, now_blocks] = live.map(|value| value.max(0) as u64);
    let [total_bytes, total_blocks] = total.map(|value| value.max(0) as u64);
    Counted {
        now_bytes,
        now_blocks,
        total_bytes,
        total_blocks,
        ..Counted::default()
    }
}
