//! What a fault is shown on: a database, the connections that the marks know, and its table.

use std::path::Path;

use rusqlite::Connection;

use super::options::FaultOptions;
use super::table::{Table, Verified, run};
use super::{Progress, doing};
use crate::workload::Error;
use crate::workload::connect::{connect, in_force, read_back};
use crate::workload::database::Place;
use crate::workload::pragmas::PragmaReadBack;

/// A database with its connections, none of them in use between two steps.
pub(super) struct Ground<'a> {
    pub options: &'a FaultOptions,
    pub connections: Vec<Connection>,
    pub table: Table,
    place: Place,
}

impl<'a> Ground<'a> {
    /// Opens every connection, and says what SQLite made of the PRAGMAs.
    pub(super) fn open(
        options: &'a FaultOptions,
        directory: &Path,
    ) -> Result<(Self, Vec<PragmaReadBack>), Error> {
        let place = Place::unique(directory);
        let pragmas = in_force(options.database.kind, &options.pragmas);
        let mut connections = Vec::new();
        let mut read = Vec::new();
        for number in 0..options.fault.connections() {
            let connection = connect(options.database, &place, &pragmas)?;
            read.extend(read_back(&connection, options.database, number, &pragmas)?);
            connections.push(connection);
        }
        let table = Table::new(options.database.schema(), options.seed);
        let ground = Ground {
            options,
            connections,
            table,
            place,
        };
        Ok((ground, read))
    }

    /// The first connection.
    pub(super) fn first(&self) -> &Connection {
        // There is always one: see `Fault::connections`.
        &self.connections[0]
    }

    /// All of them, for the marks.
    pub(super) fn all(&self) -> Vec<&Connection> {
        self.connections.iter().collect()
    }

    /// Makes the table with `bytes` in it, in rows of `row_bytes`. Of a file it is written by a
    /// connection that is closed again, so that the cache of no other one is filled.
    pub(super) fn fill(
        &mut self,
        bytes: u64,
        row_bytes: usize,
        progress: &mut Progress<'_>,
    ) -> Result<(), Error> {
        if self.options.database.kind.is_file() {
            self.fill_aside(bytes, row_bytes, progress)?;
        } else {
            self.table.create(&self.connections[0])?;
            self.insert(bytes, row_bytes, progress)?;
        }
        self.connections
            .iter()
            .try_for_each(|one| self.table.look(one))
    }

    fn fill_aside(
        &mut self,
        bytes: u64,
        row_bytes: usize,
        progress: &mut Progress<'_>,
    ) -> Result<(), Error> {
        let database = self.options.database;
        let pragmas = in_force(database.kind, &self.options.pragmas);
        let writer = connect(database, &self.place, &pragmas)?;
        run(&writer, "PRAGMA synchronous = OFF")?;
        run(&writer, "PRAGMA cache_spill = ON")?;
        let small = format!("PRAGMA {}.cache_size = -2000", self.table.schema());
        run(&writer, &small)?;
        self.table.create(&writer)?;
        (self.table).insert(&writer, bytes, row_bytes, progress)?;
        let closing = doing(|| "closing the connection that filled the table".into());
        writer.close().map_err(|(_, error)| closing(error))
    }

    /// Adds `bytes` through the first connection.
    pub(super) fn insert(
        &mut self,
        bytes: u64,
        row_bytes: usize,
        progress: &mut Progress<'_>,
    ) -> Result<(), Error> {
        let first = &self.connections[0];
        self.table.insert(first, bytes, row_bytes, progress)
    }

    /// Deletes every row through the first connection.
    pub(super) fn clear(&mut self) -> Result<(), Error> {
        self.table.clear(&self.connections[0])
    }

    /// What is in the table is what went in.
    pub(super) fn verify(&self, progress: &mut Progress<'_>) -> Result<Verified, Error> {
        if !self.first().is_autocommit() {
            run(self.first(), "COMMIT")?;
        }
        self.table.verify(self.first(), progress)
    }

    /// Ends the transactions that a failed cycle left open.
    pub(super) fn roll_back(&self) {
        for connection in self.connections.iter().filter(|one| !one.is_autocommit()) {
            // SQLite has said what was wrong already; closing rolls back as well.
            let _ = connection.execute_batch("ROLLBACK");
        }
    }

    /// Closes every connection, the first one last, and gives back those that SQLite did not close.
    pub(super) fn close(self) -> Vec<(Connection, rusqlite::Error)> {
        let backwards = self.connections.into_iter().rev();
        backwards
            .filter_map(|connection| connection.close().err())
            .collect()
    }
}
