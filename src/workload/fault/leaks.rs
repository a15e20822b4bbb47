//! What SQLite hands out and never gets back.
//!
//! How large one piece is was measured, so that a cycle comes to about as many bytes as it should;
//! nothing else depends on it.

use std::ffi::{c_int, c_void};
use std::mem;

use rusqlite::backup::Backup;
use rusqlite::{Connection, ffi};

use super::ground::Ground;
use super::table::{TABLE, run};
use super::{CYCLE_BYTES, Faulty, Progress, ROW_BYTES, doing};
use crate::workload::Error;

/// An INSERT of two columns.
const STATEMENT_BYTES: u64 = 1450;
/// An empty `:memory:` with its lookaside, and the pages below.
const CONNECTION_BYTES: u64 = 180 << 10;
/// What goes into each connection that is leaked.
const PAGES_BYTES: u64 = 100 << 10;
/// A block of `sqlite3_malloc64`.
const BUFFER_BYTES: usize = 1000;
/// A handle with its statement and cursor.
const BLOB_BYTES: u64 = 2000;
/// Each new cursor walks the list of those that a connection has open: fewer bytes than elsewhere,
/// and more connections.
const BLOB_CYCLE_BYTES: u64 = CYCLE_BYTES / 2;
/// Pages that a backup copies before it is forgotten.
const BACKUP_PAGES: c_int = 25;
/// More than it copies.
const BACKUP_SOURCE_BYTES: u64 = 1 << 20;

fn pieces(ground: &Ground<'_>, cycle_bytes: u64, piece_bytes: u64) -> u64 {
    (ground.options.scaled(cycle_bytes) / piece_bytes).max(1)
}

/// [`Fault::LeakedStatement`](super::Fault::LeakedStatement): a literal in its SQL, which a record
/// does not have.
pub(super) struct Statements;

impl Faulty for Statements {
    fn cycle(&mut self, ground: &mut Ground<'_>, progress: &mut Progress<'_>) -> Result<(), Error> {
        let sql = format!(
            "INSERT INTO {} VALUES (?, 'forgotten')",
            ground.table.name()
        );
        let count = pieces(ground, CYCLE_BYTES, STATEMENT_BYTES);
        progress.times(count, || {
            let statement = (ground.first())
                .prepare(&sql)
                .map_err(doing(|| format!("preparing {sql}")))?;
            if !ground.options.mended {
                // The fault: nobody finalizes it.
                mem::forget(statement);
            }
            Ok(())
        })
    }
}

/// [`Fault::LeakedConnection`](super::Fault::LeakedConnection)
pub(super) struct Connections;

impl Faulty for Connections {
    fn cycle(&mut self, ground: &mut Ground<'_>, progress: &mut Progress<'_>) -> Result<(), Error> {
        let count = pieces(ground, CYCLE_BYTES, CONNECTION_BYTES);
        progress.times(count, || {
            let connection = in_memory()?;
            let rows = PAGES_BYTES / ROW_BYTES as u64;
            let sql = format!(
                "CREATE TABLE item (payload BLOB);
                 INSERT INTO item WITH RECURSIVE i(n) AS
                 (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < {rows})
                 SELECT randomblob({ROW_BYTES}) FROM i"
            );
            run(&connection, &sql)?;
            if !ground.options.mended {
                // The fault: nobody closes it.
                mem::forget(connection);
            }
            Ok(())
        })
    }
}

/// [`Fault::LeakedBuffer`](super::Fault::LeakedBuffer)
pub(super) struct Buffers;

impl Faulty for Buffers {
    fn cycle(&mut self, ground: &mut Ground<'_>, progress: &mut Progress<'_>) -> Result<(), Error> {
        let count = pieces(ground, CYCLE_BYTES, BUFFER_BYTES as u64);
        progress.times(count, || {
            let buffer = allocate().ok_or_else(|| {
                Error::Options(format!("sqlite3_malloc64 has no {BUFFER_BYTES} bytes"))
            })?;
            if ground.options.mended {
                // SAFETY: it came from sqlite3_malloc64, and is not used from here on. Where that
                // is not done, it is the fault.
                unsafe { ffi::sqlite3_free(buffer) };
            }
            Ok(())
        })
    }
}

/// A block that is written to, so that it is resident.
fn allocate() -> Option<*mut c_void> {
    // SAFETY: any thread may allocate; SQLite initialises itself.
    let buffer = unsafe { ffi::sqlite3_malloc64(BUFFER_BYTES as u64) };
    if buffer.is_null() {
        return None;
    }
    // SAFETY: the block has so many bytes, and nobody else knows of it.
    unsafe { buffer.cast::<u8>().write_bytes(0x5a, BUFFER_BYTES) };
    Some(std::hint::black_box(buffer))
}

/// [`Fault::LeakedBackup`](super::Fault::LeakedBackup)
pub(super) struct Backups;

impl Faulty for Backups {
    fn fill(&mut self, ground: &mut Ground<'_>, progress: &mut Progress<'_>) -> Result<(), Error> {
        ground.fill(BACKUP_SOURCE_BYTES, ROW_BYTES, progress)
    }

    fn cycle(&mut self, ground: &mut Ground<'_>, progress: &mut Progress<'_>) -> Result<(), Error> {
        let count = pieces(ground, CYCLE_BYTES, CONNECTION_BYTES);
        progress.times(count, || {
            let mut copy = in_memory()?;
            let begun = || doing(|| "beginning a backup".into());
            let schema = ground.table.schema();
            let backup = Backup::new_with_names(ground.first(), schema, &mut copy, "main")
                .map_err(begun())?;
            backup.step(BACKUP_PAGES).map_err(begun())?;
            if !ground.options.mended {
                // The fault: nobody finishes it, and SQLite forbids to use the copy before.
                mem::forget(backup);
                mem::forget(copy);
            }
            Ok(())
        })
    }
}

/// [`Fault::OpenBlob`](super::Fault::OpenBlob)
pub(super) struct Blobs;

impl Faulty for Blobs {
    fn cycle(&mut self, ground: &mut Ground<'_>, progress: &mut Progress<'_>) -> Result<(), Error> {
        let bytes = BLOB_CYCLE_BYTES / ground.connections.len() as u64;
        let count = pieces(ground, bytes, BLOB_BYTES);
        for connection in &ground.connections {
            progress.times(count, || {
                let blob = connection
                    .blob_open(ground.table.schema(), TABLE, "payload", 1, true)
                    .map_err(doing(|| "opening the payload of row 1".into()))?;
                if !ground.options.mended {
                    // The fault: nobody closes it.
                    mem::forget(blob);
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

fn in_memory() -> Result<Connection, Error> {
    Connection::open_in_memory().map_err(doing(|| "opening :memory:".into()))
}
