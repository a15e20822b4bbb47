//! The connections of an insert workload: the one that inserts, and perhaps another.

use rusqlite::Connection;

use super::{InsertOptions, PragmaScope, Shrink};
use crate::workload::connect::{connect, in_force, read_back};
use crate::workload::database::Place;
use crate::workload::pragmas::PragmaReadBack;
use crate::workload::{Error, doing, schema};

/// One connection, or two where `shrink_memory` is to run on another one.
///
/// Of a kind that cannot be shared the other connection has a database of its own.
#[derive(Debug)]
pub struct Pool {
    first: Connection,
    other: Option<Connection>,
}

impl Pool {
    /// Opens the connections, sets the PRAGMAs, creates the table on the first, and says what
    /// SQLite made of the PRAGMAs when all that was done. A file must not be there yet.
    pub fn open(
        options: &InsertOptions,
        place: &Place,
    ) -> Result<(Pool, Vec<PragmaReadBack>), Error> {
        if options.database.kind.is_file() && place.file().exists() {
            let file = place.file();
            return Err(Error::Options(format!(
                "{} exists; it is left as it is",
                file.display()
            )));
        }
        let database = options.database;
        let pragmas = in_force(database.kind, &options.pragmas);
        let first = connect(database, place, &pragmas)?;
        let ddl = schema::create_user(database.schema());
        first
            .execute_batch(&ddl)
            .map_err(doing(|| "creating the table \"user\"".into()))?;
        let other = match (options.shrink, options.pragma_scope) {
            (Shrink::SameConnection | Shrink::Never, _) => None,
            (Shrink::OtherConnection, PragmaScope::FirstConnection) => Some(database.open(place)?),
            (Shrink::OtherConnection, PragmaScope::EveryConnection) => {
                Some(connect(database, place, &pragmas)?)
            }
        };
        let mut read = Vec::new();
        let pool = Pool { first, other };
        for (number, connection) in (0..).zip(pool.iter()) {
            read.extend(read_back(connection, database, number, &pragmas)?);
        }
        Ok((pool, read))
    }

    /// One fresh connection to a file that [`Pool::open`] made, without PRAGMAs.
    pub fn reopen(options: &InsertOptions, place: &Place) -> Result<Pool, Error> {
        Ok(Pool {
            first: options.database.open(place)?,
            other: None,
        })
    }

    /// The connection that inserts.
    pub fn first(&self) -> &Connection {
        &self.first
    }

    /// The connection of [`Shrink::OtherConnection`].
    pub fn other(&self) -> Option<&Connection> {
        self.other.as_ref()
    }

    /// Hands over all connections, without an allocation.
    pub fn show<T>(&self, see: impl FnOnce(&[&Connection]) -> T) -> T {
        match &self.other {
            None => see(&[&self.first]),
            Some(other) => see(&[&self.first, other]),
        }
    }

    /// Ends the transaction that a failed fill left open, if it did.
    pub(super) fn roll_back(&self) {
        if !self.first.is_autocommit() {
            // SQLite has said what was wrong already; closing rolls back as well.
            let _ = self.first.execute_batch("ROLLBACK");
        }
    }

    /// Closes all, and gives back those that SQLite did not close, with its reason.
    pub fn close(self) -> Vec<(Connection, rusqlite::Error)> {
        let in_order = self.other.into_iter().chain([self.first]);
        in_order
            .filter_map(|connection| connection.close().err())
            .collect()
    }

    fn iter(&self) -> impl Iterator<Item = &Connection> {
        [&self.first].into_iter().chain(&self.other)
    }
}
