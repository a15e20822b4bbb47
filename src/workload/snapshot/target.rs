//! The database that a copy is made into: opened, closed and removed on the thread that runs a step.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Connection;

use crate::workload::database::{Database, DatabaseKind, Place};
use crate::workload::steps::{Steps, in_step, one_step};
use crate::workload::{Error, doing};

/// What rusqlite waits for a lock unless it is told otherwise.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A copy of a database, and whatever it is kept in. Dropping it closes it and removes its files.
#[derive(Debug)]
pub struct Snapshot {
    // Dropped in this order: closed first, and its files removed after that.
    connection: Connection,
    files: Files,
    kind: DatabaseKind,
    place: Place,
}

impl Snapshot {
    /// Opens an empty database of `kind` in a step of its own. No file of it may be there yet, and
    /// no shared database of its name may hold anything.
    pub(super) fn open(
        kind: DatabaseKind,
        place: &Place,
        steps: &mut dyn Steps,
    ) -> Result<Snapshot, Error> {
        let files = Files::of(kind, place)?;
        let connection = in_step(steps, || Database::from(kind).connect(place))??;
        let snapshot = Snapshot {
            connection,
            files,
            kind,
            place: place.clone(),
        };
        if let Err(error) = snapshot.check_empty(steps) {
            // The first error is the one to tell.
            let _ = snapshot.dispose(steps);
            return Err(error);
        }
        Ok(snapshot)
    }

    /// The connection to the copy, which every shared kind of database lives by.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn connection_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// What kind of database it is.
    pub fn kind(&self) -> DatabaseKind {
        self.kind
    }

    /// Where it is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Closes it and removes its files, in a step. An error says what is still there; a connection
    /// that SQLite does not close is closed when its last statement is.
    pub fn dispose(self, steps: &mut dyn Steps) -> Result<(), Error> {
        let Snapshot {
            connection,
            mut files,
            kind,
            ..
        } = self;
        in_step(steps, || {
            let closed = connection.close().map_err(|(_, error)| error);
            let removed = files.remove();
            closed.map_err(doing(|| format!("closing the {kind} snapshot")))?;
            removed
        })?
    }

    /// Whether a lock is waited for inside of SQLite, or answered to whoever tries again.
    pub(super) fn wait_for_locks(&self, wait: bool) -> rusqlite::Result<()> {
        let time = if wait { BUSY_TIMEOUT } else { Duration::ZERO };
        self.connection.busy_timeout(time)
    }

    fn check_empty(&self, steps: &mut dyn Steps) -> Result<(), Error> {
        let kind = self.kind;
        let pages = one_step(steps, &self.connection, |connection| {
            (connection.query_row("PRAGMA page_count", [], |row| row.get::<_, i64>(0)))
                .map_err(doing(|| format!("reading the new {kind} database")))
        })?;
        if pages > 0 {
            return Err(Error::Options(format!(
                "there is a {kind} database of that name already, of {pages} pages; it is left as it is"
            )));
        }
        Ok(())
    }
}

/// The files that a database may have, which go with it. None for a database that is no file.
#[derive(Debug)]
struct Files(Vec<PathBuf>);

impl Files {
    /// Refuses a place where any of them is.
    fn of(kind: DatabaseKind, place: &Place) -> Result<Files, Error> {
        let suffixes: &[&str] = match kind.is_file() {
            true => &["", "-journal", "-wal", "-shm"],
            false => &[],
        };
        let mut files = Vec::new();
        for suffix in suffixes {
            let mut name = place.file().into_os_string();
            name.push(suffix);
            let file = PathBuf::from(name);
            if file.exists() {
                let text = format!("{} exists; it is left as it is", file.display());
                return Err(Error::Options(text));
            }
            files.push(file);
        }
        // Complete or not at all: dropping it removes what it lists.
        Ok(Files(files))
    }

    /// Removes them, and tells of the first that cannot be.
    fn remove(&mut self) -> Result<(), Error> {
        let mut result = Ok(());
        for file in self.0.drain(..) {
            match std::fs::remove_file(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    let text = format!("cannot remove {}: {error}", file.display());
                    result = result.and(Err(Error::Options(text)));
                }
                _ => {}
            }
        }
        result
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = self.remove();
    }
}
