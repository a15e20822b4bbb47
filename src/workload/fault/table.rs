//! The table that faults work on: how it grows, is read, and is verified.

use std::ops::Range;

use rusqlite::Connection;

use super::Progress;
use crate::workload::content::ContentHash;
use crate::workload::keys::{SPLIT_MIX_STEP, mix};
use crate::workload::schema::prefix;
use crate::workload::{Error, doing};

/// The table's name.
pub(super) const TABLE: &str = "item";

/// Rows that go in between two calls of [`Progress::tell`].
const ROWS_AT_ONCE: u64 = 2048;

/// Table `item`, as it must be: its rows are made from the seed, and hashed as they are made.
pub(super) struct Table {
    schema: Option<&'static str>,
    seed: u64,
    rows: u64,
    inserted: u64,
    hash: ContentHash,
    payload: Vec<u8>,
}

/// What was found to be there.
pub(super) struct Verified {
    pub rows: u64,
    pub hash: u128,
}

impl Table {
    pub(super) fn new(schema: Option<&'static str>, seed: u64) -> Self {
        Table {
            schema,
            seed,
            rows: 0,
            inserted: 0,
            hash: ContentHash::default(),
            payload: Vec::new(),
        }
    }

    /// Rows that it should have.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// INSERTs that were run.
    pub(super) fn inserted(&self) -> u64 {
        self.inserted
    }

    /// With the schema before it, for SQL.
    pub(super) fn name(&self) -> String {
        format!("{}{TABLE}", prefix(self.schema))
    }

    /// The schema that it is in.
    pub(super) fn schema(&self) -> &'static str {
        self.schema.unwrap_or("main")
    }

    pub(super) fn create(&self, connection: &Connection) -> Result<(), Error> {
        let sql = format!(
            "CREATE TABLE {} (id INTEGER PRIMARY KEY, payload BLOB NOT NULL)",
            self.name()
        );
        connection.execute_batch(&sql).map_err(doing(|| sql))
    }

    /// Lets a connection read the schema, which another one may have written; `sqlite3_blob_open`
    /// does not look again.
    pub(super) fn look(&self, connection: &Connection) -> Result<(), Error> {
        run(
            connection,
            &format!("SELECT id FROM {} LIMIT 1", self.name()),
        )
    }

    /// Adds `bytes` in rows of `row_bytes`; in a transaction of its own where none is open.
    pub(super) fn insert(
        &mut self,
        connection: &Connection,
        bytes: u64,
        row_bytes: usize,
        progress: &mut Progress<'_>,
    ) -> Result<(), Error> {
        let own = connection.is_autocommit();
        if own {
            run(connection, "BEGIN")?;
        }
        self.payload.resize(row_bytes, 0);
        let rows = bytes.div_ceil(row_bytes as u64);
        let mut done = 0;
        while done < rows {
            let count = ROWS_AT_ONCE.min(rows - done);
            self.insert_rows(connection, count)?;
            done += count;
            progress.tell(done, rows)?;
        }
        if own {
            run(connection, "COMMIT")
        } else {
            Ok(())
        }
    }

    fn insert_rows(&mut self, connection: &Connection, count: u64) -> Result<(), Error> {
        let sql = format!("INSERT INTO {} VALUES (?, ?)", self.name());
        let preparing = doing(|| format!("preparing {sql}"));
        let mut statement = connection.prepare(&sql).map_err(preparing)?;
        for _ in 0..count {
            self.rows += 1;
            let id = self.rows.cast_signed();
            fill_payload(self.seed, self.rows, &mut self.payload);
            (statement.execute((id, &self.payload)))
                .map_err(doing(|| format!("inserting row {id}")))?;
            self.inserted += 1;
            self.hash.row(id, &self.payload, &[], &[]);
        }
        Ok(())
    }

    /// Deletes every row.
    pub(super) fn clear(&mut self, connection: &Connection) -> Result<(), Error> {
        run(connection, &format!("DELETE FROM {}", self.name()))?;
        self.rows = 0;
        self.hash = ContentHash::default();
        Ok(())
    }

    /// Part `part` of `parts`, as ids.
    pub(super) fn part(&self, part: u64, parts: u64) -> Range<u64> {
        let part = part % parts;
        1 + self.rows * part / parts..1 + self.rows * (part + 1) / parts
    }

    /// Reads the payloads of these rows, each of them whole.
    pub(super) fn read(
        &self,
        connection: &Connection,
        ids: Range<u64>,
        progress: &mut Progress<'_>,
        mut see: impl FnMut(i64, &[u8]),
    ) -> Result<u64, Error> {
        let reading = || doing(|| "reading the rows".into());
        let sql = format!(
            "SELECT id, payload FROM {} WHERE id >= ? AND id < ? ORDER BY id",
            self.name()
        );
        let mut statement = connection.prepare(&sql).map_err(reading())?;
        let total = (ids.end - ids.start).min(self.rows);
        let range = (ids.start.cast_signed(), ids.end.cast_signed());
        let mut rows = statement.query(range).map_err(reading())?;
        let mut done = 0_u64;
        while let Some(row) = rows.next().map_err(reading())? {
            let id = row.get(0).map_err(reading())?;
            let payload = row.get_ref(1).map_err(reading())?;
            let payload = payload.as_blob().map_err(|error| {
                Error::Wrong(format!("row {id} holds something that is no blob: {error}"))
            })?;
            see(id, payload);
            done += 1;
            if done.is_multiple_of(ROWS_AT_ONCE) {
                progress.tell(done, total)?;
            }
        }
        progress.tell(done, done)?;
        Ok(done)
    }

    /// Reads all of it and compares it with what went in.
    pub(super) fn verify(
        &self,
        connection: &Connection,
        progress: &mut Progress<'_>,
    ) -> Result<Verified, Error> {
        let mut found = ContentHash::default();
        // Whatever else there may be, too.
        let all = 0..i64::MAX.cast_unsigned();
        let rows = self.read(connection, all, progress, |id, payload| {
            found.row(id, payload, &[], &[]);
        })?;
        let (hash, expected) = (found.finish(), self.hash.finish());
        if (rows, hash) == (self.rows, expected) {
            return Ok(Verified { rows, hash });
        }
        let due = self.rows;
        Err(Error::Wrong(format!(
            "found {rows} rows, hash {hash:032x}; expected {due} rows, hash {expected:032x}"
        )))
    }
}

/// Runs `sql`, which gives no rows.
pub(super) fn run(connection: &Connection, sql: &str) -> Result<(), Error> {
    connection
        .execute_batch(sql)
        .map_err(doing(|| sql.to_owned()))
}

fn fill_payload(seed: u64, row: u64, payload: &mut [u8]) {
    let mut state = mix(seed.wrapping_add(row.wrapping_mul(SPLIT_MIX_STEP)));
    for chunk in payload.chunks_mut(8) {
        state = state.wrapping_add(SPLIT_MIX_STEP);
        chunk.copy_from_slice(&mix(state).to_le_bytes()[..chunk.len()]);
    }
}
