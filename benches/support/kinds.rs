//! One table of known rows in a database of any kind: where it lives, how it is opened, filled, read.
//!
//! A mistake in any of it ends the bench: what cannot be opened, rows that are not there, a PRAGMA that
//! SQLite did not take.

use std::hint::black_box;

use rusqlite::{Connection, Statement};
use sqlite_membench::workload::database::{Database, DatabaseKind, MMAP_SIZE_BYTES, Place};
use sqlite_membench::workload::pragmas::{Pragma, took};
use tempfile::TempDir;

use super::mixed::mixed;

/// What makes a row 250 bytes: 16 of them are a page.
const PAYLOAD: [u8; 240] = [0x5a; 240];

/// Nothing waits for the disk, which would be nearly all that is seen of a file: here each wait is
/// milliseconds, and one differs from the next by half.
const SYNCHRONOUS: &str = "OFF";

/// Where one database lives. Its directory goes with it: drop the connections first.
pub struct Site {
    pub database: Database,
    place: Place,
    _directory: TempDir,
}

impl Site {
    pub fn new(database: Database) -> Site {
        let directory = tempfile::tempdir().expect("a temporary directory");
        Site {
            database,
            place: Place::unique(directory.path()),
            _directory: directory,
        }
    }

    /// Opens it and reads its schema: SQLite touches no file before that. How many tables there are
    /// comes with it. Of what makes the kind, `mmap_size` is set, which no file remembers.
    pub fn open(&self) -> (Connection, u64) {
        let connection = self.database.open(&self.place).expect("an open database");
        if self.database.kind == DatabaseKind::FileMmap {
            self.set(&connection, &self.pragma("mmap_size", MMAP_SIZE_BYTES));
        }
        let sql = format!("SELECT count(*) FROM {}", self.named("sqlite_schema"));
        let tables: i64 = (connection.query_row(&sql, [], |row| row.get(0))).expect("a schema");
        (connection, tables.cast_unsigned())
    }

    /// Opens it where there is none yet, and makes the table.
    pub fn create(&self) -> Connection {
        let (connection, tables) = self.open();
        assert_eq!(tables, 0, "{}: a fresh one", self.database);
        let synchronous = self.pragma("synchronous", SYNCHRONOUS);
        self.set(&connection, &synchronous);
        self.check(&connection, &synchronous);
        if let Some(mode) = self.database.kind.journal_mode() {
            self.set(&connection, &self.pragma("journal_mode", mode));
        }
        self.check_kind(&connection);
        let item = self.named("item");
        let sql =
            format!("CREATE TABLE {item} (id INTEGER PRIMARY KEY, value INTEGER, payload BLOB)");
        connection.execute_batch(&sql).expect("a table");
        connection
    }

    /// Makes it, with rows from 1 to `rows`.
    pub fn filled(&self, rows: u64) -> Connection {
        let connection = self.create();
        self.insert(&connection, rows);
        connection
    }

    /// The same as somebody finds it who comes later: of a file the page cache is empty and the WAL is in
    /// the file. What is in memory would be gone with its connection and is left as it is.
    pub fn settled(&self, rows: u64) -> Connection {
        let connection = self.filled(rows);
        if !self.database.kind.is_file() {
            return connection;
        }
        close(connection);
        let (connection, _) = self.open();
        self.check_kind(&connection);
        connection
    }

    /// Inserts rows from 1 to `rows`: one transaction, one statement.
    pub fn insert(&self, connection: &Connection, rows: u64) {
        let sql = format!("INSERT INTO {} VALUES (?, ?, ?)", self.named("item"));
        connection.execute_batch("BEGIN").expect("a transaction");
        let mut insert = connection.prepare(&sql).expect("an INSERT");
        for id in 1..=rows.cast_signed() {
            let inserted = insert.execute((id, value(id), &PAYLOAD[..]));
            assert_eq!(inserted, Ok(1), "row {id} goes in");
        }
        drop(insert);
        connection.execute_batch("COMMIT").expect("a commit");
    }

    /// The statement for [`read`].
    pub fn point<'c>(&self, connection: &'c Connection) -> Statement<'c> {
        let sql = format!(
            "SELECT value, payload FROM {} WHERE id = ?",
            self.named("item")
        );
        connection.prepare(&sql).expect("a SELECT")
    }

    /// The statement for [`scan`].
    pub fn whole<'c>(&self, connection: &'c Connection) -> Statement<'c> {
        let sql = format!("SELECT count(*), sum(value) FROM {}", self.named("item"));
        connection.prepare(&sql).expect("a SELECT")
    }

    /// Ends the bench where the table does not hold what [`Site::insert`] put in.
    pub fn verify(&self, connection: &Connection, rows: u64) {
        let found = scan(&mut self.whole(connection));
        assert_eq!(found, Sum::of(rows), "{}", self.database);
    }

    fn named(&self, table: &str) -> String {
        format!("{}.{table}", self.database.schema().unwrap_or("main"))
    }

    fn pragma(&self, name: &str, value: impl ToString) -> Pragma {
        Pragma::new(name, value.to_string()).expect("a PRAGMA")
    }

    fn set(&self, connection: &Connection, pragma: &Pragma) {
        let set = pragma.set(connection, self.database.schema());
        set.expect("a PRAGMA that can be set");
    }

    /// The kind is what its name says.
    fn check_kind(&self, connection: &Connection) {
        let kind = self.database.kind;
        if let Some(mode) = kind.journal_mode() {
            self.check(connection, &self.pragma("journal_mode", mode));
        }
        if kind == DatabaseKind::FileMmap {
            self.check(connection, &self.pragma("mmap_size", MMAP_SIZE_BYTES));
        }
    }

    /// SQLite does not say when it does not take a PRAGMA.
    fn check(&self, connection: &Connection, pragma: &Pragma) {
        let Pragma { name, value } = pragma;
        let read = pragma.read_back(connection, self.database.schema(), 0);
        let read = read.expect("a PRAGMA that can be read").read_back;
        let read = read.expect("a PRAGMA with a value");
        assert!(
            took(name, value, &read),
            "{}: {name} is {read}, not {value}",
            self.database
        );
    }
}

/// What rows were read, as far as that can be told from two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    pub rows: i64,
    pub values: i64,
}

impl Sum {
    /// Of rows from 1 to `rows`.
    pub fn of(rows: u64) -> Sum {
        let rows = rows.cast_signed();
        Sum {
            rows,
            values: (1..=rows).map(value).sum(),
        }
    }
}

/// Reads every row of `ids`, whole, one by one.
pub fn read(point: &mut Statement<'_>, ids: &[i64]) -> Sum {
    let mut sum = Sum { rows: 0, values: 0 };
    for id in ids {
        let value: i64 = point
            .query_row([id], |row| {
                let payload = row.get_ref(1)?.as_blob()?;
                assert_eq!(black_box(payload).len(), PAYLOAD.len(), "row {id}");
                row.get(0)
            })
            .expect("a row");
        sum.rows += 1;
        sum.values += value;
    }
    black_box(sum)
}

/// Reads the whole table.
pub fn scan(whole: &mut Statement<'_>) -> Sum {
    let sum = whole.query_row([], |row| {
        Ok(Sum {
            rows: row.get(0)?,
            values: row.get(1)?,
        })
    });
    black_box(sum.expect("one row"))
}

pub fn close(connection: Connection) {
    (connection.close().map_err(|(_, error)| error)).expect("a connection that can be closed");
}

/// Numbers from 1 to `rows`, in an order that is always the same and has no pattern.
pub fn shuffled(rows: u64) -> Vec<i64> {
    let mut ids: Vec<i64> = (1..=rows.cast_signed()).collect();
    for last in (1..ids.len()).rev() {
        let other = mix(last as u64) % (last as u64 + 1);
        ids.swap(last, other as usize);
    }
    ids
}

/// What row `id` has for a value: 32 bits, whose sum over any table fits into 64.
fn value(id: i64) -> i64 {
    (mix(id.cast_unsigned()) >> 32).cast_signed()
}

fn mix(seed: u64) -> u64 {
    mixed(seed.wrapping_add(1))
}
