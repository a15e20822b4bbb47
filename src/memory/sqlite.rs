//! What SQLite says of its own memory.

use libsqlite3_sys as ffi;

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

fn status(operation: i32) -> (i64, i64) {
    let (mut now, mut high) = (0, 0);
    // SAFETY: both out pointers are valid.
    unsafe { ffi::sqlite3_status64(operation, &raw mut now, &raw mut high, 0) };
    (now, high)
}

/// Reads them.
pub fn read() -> Status {
    let (live_bytes, live_highwater_bytes) = status(ffi::SQLITE_STATUS_MEMORY_USED);
    Status {
        live_bytes,
        live_highwater_bytes,
        live_blocks: status(ffi::SQLITE_STATUS_MALLOC_COUNT).0,
        page_cache_bytes: status(ffi::SQLITE_STATUS_PAGECACHE_OVERFLOW).0,
    }
}

/// One connection, in bytes. Source: `sqlite3_db_status64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConnectionStatus {
    /// `CACHE_USED_SHARED`: its share of its page caches. Computed by SQLite in an `int`, so wrong
    /// above 2 GiB, where [`Status::page_cache_bytes`] is right.
    pub page_cache_bytes: i64,
    /// `SCHEMA_USED`, divided among the connections of a shared cache.
    pub schema_bytes: i64,
    /// `STMT_USED`: every prepared statement.
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
}

/// A connection as the ledger needs it.
pub type Connection = *mut ffi::sqlite3;

fn db_status(connection: Connection, operation: i32) -> i64 {
    let (mut now, mut high) = (0, 0);
    // SAFETY: the caller of read_connection holds the connection open.
    unsafe { ffi::sqlite3_db_status64(connection, operation, &raw mut now, &raw mut high, 0) };
    now
}

/// Reads one connection.
///
/// # Safety
/// `connection` is open and, if it was opened with `SQLITE_OPEN_NOMUTEX`, in use by no other thread.
pub unsafe fn read_connection(connection: Connection) -> ConnectionStatus {
    let page_cache_bytes = db_status(connection, ffi::SQLITE_DBSTATUS_CACHE_USED_SHARED);
    let whole_cache = db_status(connection, ffi::SQLITE_DBSTATUS_CACHE_USED);
    let sharers = if page_cache_bytes > 0 {
        (whole_cache as f64 / page_cache_bytes as f64).round() as i64
    } else {
        1
    };
    let mut statement_bytes = 0;
    let on_the_heap = methods::heap_bytes_sized_by(|| {
        statement_bytes = db_status(connection, ffi::SQLITE_DBSTATUS_STMT_USED)
    });
    if on_the_heap.is_none() {
        statement_bytes = db_status(connection, ffi::SQLITE_DBSTATUS_STMT_USED);
    }
    let mut statements = 0;
    // SAFETY: the connection is open and unused; the walk ends at null.
    unsafe {
        let mut statement = ffi::sqlite3_next_stmt(connection, std::ptr::null_mut());
        while !statement.is_null() {
            statements += 1;
            statement = ffi::sqlite3_next_stmt(connection, statement);
        }
    }
    ConnectionStatus {
        page_cache_bytes,
        schema_bytes: db_status(connection, ffi::SQLITE_DBSTATUS_SCHEMA_USED) / sharers.max(1),
        statement_bytes,
        statement_lookaside_bytes: on_the_heap.map(|heap| statement_bytes - heap),
        statements,
        lookaside_slots: db_status(connection, ffi::SQLITE_DBSTATUS_LOOKASIDE_USED),
        cache_spills: db_status(connection, ffi::SQLITE_DBSTATUS_CACHE_SPILL),
    }
}
