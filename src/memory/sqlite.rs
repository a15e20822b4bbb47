//! What SQLite says of its own memory.

use libsqlite3_sys as ffi;

use super::databases::{self, Images};
use crate::allocator::sqlite as methods;

/// The whole library, in bytes. Source: `sqlite3_status64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Status {
    /// `SQLITE_STATUS_MEMORY_USED`: 0 after the last close, or something leaked.
    pub live_bytes: i64,
    /// Its high-water mark.
    pub live_highwater_bytes: i64,
    /// `SQLITE_STATUS_MALLOC_COUNT`: live blocks.
    pub live_blocks: i64,
    /// `SQLITE_STATUS_PAGECACHE_OVERFLOW`: pages of all page caches, but for each cache's first
    /// block of pages, which SQLite allocates whole and does not count here.
    pub page_cache_bytes: i64,
}

fn status(operation: i32, resets: bool) -> (i64, i64) {
    let (mut now, mut high) = (0, 0);
    // SAFETY: both out pointers are valid.
    unsafe { ffi::sqlite3_status64(operation, &raw mut now, &raw mut high, resets.into()) };
    (now, high)
}

/// Reads them.
pub fn read() -> Status {
    let (live_bytes, live_highwater_bytes) = status(ffi::SQLITE_STATUS_MEMORY_USED, false);
    Status {
        live_bytes,
        live_highwater_bytes,
        live_blocks: status(ffi::SQLITE_STATUS_MALLOC_COUNT, false).0,
        page_cache_bytes: status(ffi::SQLITE_STATUS_PAGECACHE_OVERFLOW, false).0,
    }
}

/// Whether SQLite counts what it allocates. Without `MEMSTATUS` its counters are 0 and say nothing.
/// Initialises SQLite.
#[cfg(feature = "criterion")]
pub(crate) fn counts() -> bool {
    let before = read().live_bytes;
    // SAFETY: a plain allocation, freed below; SQLite serialises both.
    let block = unsafe { ffi::sqlite3_malloc64(64) };
    let counts = read().live_bytes > before;
    // SAFETY: allocated above, or null, which is nothing to free.
    unsafe { ffi::sqlite3_free(block) };
    counts
}

/// Sets the high-water mark of [`Status::live_highwater_bytes`] back to the live bytes, which it returns.
#[cfg(feature = "criterion")]
pub(crate) fn reset_highwater() -> i64 {
    status(ffi::SQLITE_STATUS_MEMORY_USED, true).0
}

/// One connection, in bytes. Source: `sqlite3_db_status64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConnectionStatus {
    /// `CACHE_USED_SHARED`: its share of its page caches. Computed by SQLite in an `int`, so wrong
    /// above 2 GiB, where [`Status::page_cache_bytes`] is right.
    pub page_cache_bytes: i64,
    /// `SCHEMA_USED`, divided among the connections of a shared cache.
    pub schema_bytes: i64,
    /// `STMT_USED`: every prepared statement. SQLite computes it in an `int`; what went round is put
    /// right.
    pub statement_bytes: i64,
    /// The part of `statement_bytes` inside the connection's lookaside buffer; `None` where the
    /// memory methods of [`crate::allocator::sqlite`] are not installed.
    pub statement_lookaside_bytes: Option<i64>,
    /// Prepared statements that are not finalized: `sqlite3_next_stmt`.
    pub statements: i64,
    /// `LOOKASIDE_USED`: slots in use.
    pub lookaside_slots: i64,
    /// `CACHE_SPILL`: dirty pages written in mid-transaction because the cache was full.
    pub cache_spills: i64,
    /// Its in-memory databases: its page cache, and the images of memdb.
    ///
    /// The page cache counts where every schema has its pages there and nowhere else. Where another
    /// is in a file, or in an image, SQLite does not tell whose pages they are, and none count: so an
    /// empty `:memory:` with a file attached has no memory database.
    pub memory_database_bytes: i64,
    /// Of them, the images of memdb, as long as the databases are; SQLite may have allocated up to
    /// twice that. One that connections share counts at the first of them.
    pub memdb_image_bytes: i64,
}

/// A connection as the ledger needs it.
pub type Connection = *mut ffi::sqlite3;

fn db_status(connection: Connection, operation: i32) -> i64 {
    let (mut now, mut high) = (0, 0);
    // SAFETY: the caller of read_connection holds the connection open.
    unsafe { ffi::sqlite3_db_status64(connection, operation, &raw mut now, &raw mut high, 0) };
    now
}

/// Reads one connection. `images` are those of memdb that others have been read with.
///
/// # Safety
/// `connection` is open and, if it was opened with `SQLITE_OPEN_NOMUTEX`, in use by no other thread.
pub unsafe fn read_connection(connection: Connection, images: &mut Images) -> ConnectionStatus {
    let page_cache_bytes = db_status(connection, ffi::SQLITE_DBSTATUS_CACHE_USED_SHARED);
    let whole_cache = db_status(connection, ffi::SQLITE_DBSTATUS_CACHE_USED);
    let sharers = if page_cache_bytes > 0 {
        (whole_cache as f64 / page_cache_bytes as f64).round() as i64
    } else {
        1
    };
    // SAFETY: the caller's contract.
    let statements = unsafe { read_statements(connection) };
    // SAFETY: the caller's contract.
    let in_memory = unsafe { databases::read(connection, images) };
    let cached = if in_memory.in_page_cache_only {
        page_cache_bytes
    } else {
        0
    };
    ConnectionStatus {
        page_cache_bytes,
        schema_bytes: db_status(connection, ffi::SQLITE_DBSTATUS_SCHEMA_USED) / sharers.max(1),
        statement_bytes: statements.bytes,
        statement_lookaside_bytes: statements.lookaside_bytes,
        statements: statements.count,
        lookaside_slots: db_status(connection, ffi::SQLITE_DBSTATUS_LOOKASIDE_USED),
        cache_spills: db_status(connection, ffi::SQLITE_DBSTATUS_CACHE_SPILL),
        memory_database_bytes: cached + in_memory.image_bytes,
        memdb_image_bytes: in_memory.image_bytes,
    }
}

/// The prepared statements of one connection.
struct Statements {
    count: i64,
    bytes: i64,
    lookaside_bytes: Option<i64>,
}

/// # Safety
/// As [`read_connection`].
unsafe fn read_statements(connection: Connection) -> Statements {
    let mut counted = 0;
    let on_the_heap = methods::heap_bytes_sized_by(|| {
        counted = db_status(connection, ffi::SQLITE_DBSTATUS_STMT_USED)
    });
    if on_the_heap.is_none() {
        counted = db_status(connection, ffi::SQLITE_DBSTATUS_STMT_USED);
    }
    let (mut count, mut summed) = (0, 0);
    // Each statement is sized a second time only where the sum of all may be too large for an `int`.
    let sums = on_the_heap.is_none() && !(0..1 << 30).contains(&counted);
    // SAFETY: the connection is open and unused; the walk ends at null.
    unsafe {
        let mut statement = ffi::sqlite3_next_stmt(connection, std::ptr::null_mut());
        while !statement.is_null() {
            count += 1;
            if sums {
                let used = ffi::SQLITE_STMTSTATUS_MEMUSED;
                summed += i64::from(ffi::sqlite3_stmt_status(statement, used, 0));
            }
            statement = ffi::sqlite3_next_stmt(connection, statement);
        }
    }
    let lookaside_bytes = on_the_heap.map(|heap| lookaside_bytes(counted, heap));
    let bytes = match (on_the_heap, lookaside_bytes) {
        (Some(heap), Some(lookaside)) => heap + lookaside,
        _ if sums => summed,
        _ => counted,
    };
    Statements {
        count,
        bytes,
        lookaside_bytes,
    }
}

/// What of `counted`, a sum that goes round in an `int`, is not the `heap`'s: no lookaside buffer has
/// as much as an `int` can count.
fn lookaside_bytes(counted: i64, heap: i64) -> i64 {
    (counted - heap).rem_euclid(1 << 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_that_went_round_leaves_what_lookaside_has() {
        let as_sqlite_counts = |sum: i64| i64::from(sum as i32);
        for heap in [0, 1 << 20, (1 << 31) - 5, 1 << 31, 3 << 31, 21_474_836_480] {
            for lookaside in [0, 44_900] {
                let counted = as_sqlite_counts(heap + lookaside);
                assert_eq!(lookaside_bytes(counted, heap), lookaside, "{heap}");
            }
        }
    }
}
