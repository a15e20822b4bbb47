//! The connections of `rusqlite`, whose types say what SQLite's handles must be promised: ledgers
//! over them, their statements, and giving their memory back.

use std::ptr;

use libsqlite3_sys as ffi;
use rusqlite::Connection;

use super::statements::{self, Statements};
use super::{Error, Ledger, Observer};

/// More than any workload opens.
const MOST_CONNECTIONS: usize = 64;

impl Observer {
    /// [`take`](Self::take), with the handles of `connections`.
    ///
    /// # Errors
    /// As `take`, and [`Error::Overflow`] for more than 64 connections.
    pub fn take_open(&mut self, connections: &[&Connection]) -> Result<&Ledger, Error> {
        let mut handles = [ptr::null_mut(); MOST_CONNECTIONS];
        let Some(handles) = handles.get_mut(..connections.len()) else {
            return Err(Error::Overflow("connections"));
        };
        for (handle, connection) in handles.iter_mut().zip(connections) {
            // SAFETY: the handle is only read from, and not kept beyond this call.
            *handle = unsafe { connection.handle() };
        }
        // SAFETY: each handle is that of a connection which is borrowed, and so open, until this
        // returns; a `Connection` is not `Sync`, so no other thread is in it.
        unsafe { self.take(handles) }
    }
}

/// [`statements::list`] of `connections`.
pub fn statements(connections: &[&Connection], literals: bool) -> Vec<Statements> {
    // SAFETY: the handles are only read from, and not kept beyond this call.
    let handles = connections.iter().map(|one| unsafe { one.handle() });
    let handles: Vec<_> = handles.collect();
    // SAFETY: as in `take_open`.
    unsafe { statements::list(&handles, literals) }
}

/// Empties the cache of `rusqlite` and finalizes every other statement of `connection`; how many
/// these were.
///
/// # Safety
/// No statement of `connection` is used or dropped after this, and no blob of it: those that were
/// forgotten are. And as [`statements::finalize_all`] says of virtual tables.
pub unsafe fn finalize_all(connection: &Connection) -> u64 {
    connection.flush_prepared_statement_cache();
    // SAFETY: open while it is borrowed, and in no other thread, as in `take_open`; the rest is the
    // caller's contract.
    unsafe { statements::finalize_all(connection.handle()) }
}

/// Frees what `connection` can do without, its page cache above all: `sqlite3_db_release_memory`.
pub fn release_memory(connection: &Connection) {
    // SAFETY: as in `take_open`; the call fails in no way.
    unsafe { ffi::sqlite3_db_release_memory(connection.handle()) };
}
