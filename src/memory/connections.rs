//! Ledgers over the connections of `rusqlite`, whose types say what [`Observer::take`] must be
//! promised.

use std::ptr;

use rusqlite::Connection;

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
