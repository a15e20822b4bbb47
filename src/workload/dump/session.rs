//! What a dump holds of SQLite: a connection, a read transaction, and a cursor over one table.

use rusqlite::Connection;

use super::cursor::{Cursor, Encoding};
use super::literal;

/// A step ends early once its text has this many bytes, so that the buffer is bounded by one row more.
const STEP_BYTES: usize = 1 << 20;

/// What a step left to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filled {
    /// Rows in the buffer.
    pub rows: u64,
    /// The table has no more, and its cursor is finalized.
    pub is_done: bool,
}

/// One dump's use of a connection. Dropping it ends it.
#[derive(Debug)]
pub struct Session<'c> {
    pub connection: &'c Connection,
    /// The database's.
    pub encoding: Encoding,
    cursor: Option<Cursor<'c>>,
    /// The transaction is this session's own.
    has_begun: bool,
}

impl<'c> Session<'c> {
    pub fn new(connection: &'c Connection) -> Session<'c> {
        Session {
            connection,
            encoding: Encoding::default(),
            cursor: None,
            has_begun: false,
        }
    }

    /// Begins a transaction, unless one is open.
    pub fn begin(&mut self) -> rusqlite::Result<()> {
        if self.connection.is_autocommit() {
            self.connection.execute_batch("BEGIN")?;
            self.has_begun = true;
        }
        Ok(())
    }

    /// Every row of a short query.
    pub fn rows(
        &self,
        sql: &[u8],
        mut each: impl FnMut(&mut Cursor<'c>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let mut cursor = Cursor::prepare(self.connection, sql, self.encoding)?;
        while cursor.step()? {
            each(&mut cursor)?;
        }
        Ok(())
    }

    /// Prepares the reading of a table.
    pub fn open(&mut self, select: &[u8]) -> rusqlite::Result<()> {
        self.cursor = Some(Cursor::prepare(self.connection, select, self.encoding)?);
        Ok(())
    }

    /// Appends an INSERT for each of up to `rows_max` rows to `buffer`.
    pub fn fill(
        &mut self,
        insert: &[u8],
        rows_max: u64,
        buffer: &mut Vec<u8>,
    ) -> rusqlite::Result<Filled> {
        let encoding = self.encoding;
        let mut rows = 0;
        if let Some(cursor) = &mut self.cursor {
            let columns = cursor.columns();
            let held = cursor.hold();
            while rows < rows_max && buffer.len() < STEP_BYTES {
                if !cursor.step()? {
                    self.cursor = None;
                    break;
                }
                buffer.extend_from_slice(insert);
                for column in 0..columns {
                    if column > 0 {
                        buffer.push(b',');
                    }
                    literal::push(cursor.value(column, &held)?, encoding, buffer);
                }
                buffer.extend_from_slice(b");\n");
                rows += 1;
            }
        }
        Ok(Filled {
            rows,
            is_done: self.cursor.is_none(),
        })
    }

    /// Finalizes the cursor, and ends the transaction that [`begin`](Session::begin) began.
    pub fn end(&mut self) -> rusqlite::Result<()> {
        self.cursor = None;
        if std::mem::take(&mut self.has_begun) && !self.connection.is_autocommit() {
            self.connection.execute_batch("COMMIT")?;
        }
        Ok(())
    }
}

/// Where a step panicked; otherwise all has been ended.
impl Drop for Session<'_> {
    fn drop(&mut self) {
        let _ = self.end();
    }
}
