//! Whether two databases hold the same rows, whatever tables they have and however they were made.

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use xxhash_rust::xxh3::Xxh3;

use crate::workload::schema::prefix;
use crate::workload::{Error, doing};

/// What a database holds, in two figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contents {
    /// Rows of all tables.
    pub rows: u64,
    /// See [`content_hash`].
    pub hash: u128,
}

/// Bytes that are hashed together.
const BUFFER_BYTES: usize = 64 << 10;

/// XXH3-128 over all rows of all tables, by the tables' names; in the attached database `schema_name`
/// or in main.
///
/// A table counts with its name and its number of columns, a row with its values and their storage
/// classes, in the order of the rowid or of the primary key. A rowid that is no column counts only as
/// that order: `VACUUM` and a dump give new ones. SQLite's own tables (`sqlite_...`) and virtual ones
/// do not count, nor do indexes, views and triggers.
pub fn content_hash(connection: &Connection, schema_name: Option<&str>) -> Result<Contents, Error> {
    let mut hash = Hash::default();
    for (name, is_without_rowid) in tables(connection, schema_name)? {
        table(connection, schema_name, &name, is_without_rowid, &mut hash)
            .map_err(doing(|| format!("hashing the table {name}")))?;
    }
    Ok(Contents {
        rows: hash.rows,
        hash: hash.finish(),
    })
}

/// The names of the tables, in order, and whether they are `WITHOUT ROWID`.
fn tables(
    connection: &Connection,
    schema_name: Option<&str>,
) -> Result<Vec<(String, bool)>, Error> {
    let sql = "SELECT name, wr FROM pragma_table_list \
               WHERE schema = ? AND type IN ('table', 'shadow') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
               ORDER BY name";
    let list = || {
        let mut statement = connection.prepare(sql)?;
        let rows = statement.query_map([schema_name.unwrap_or("main")], |row| row.try_into())?;
        rows.collect::<rusqlite::Result<_>>()
    };
    list().map_err(doing(|| "listing the tables".into()))
}

fn table(
    connection: &Connection,
    schema_name: Option<&str>,
    name: &str,
    is_without_rowid: bool,
    hash: &mut Hash,
) -> rusqlite::Result<()> {
    let order = order(connection, schema_name, name, is_without_rowid)?;
    let (dot, quoted) = (prefix(schema_name), quote(name));
    let mut statement = connection.prepare(&format!("SELECT * FROM {dot}{quoted}{order}"))?;
    let columns = statement.column_count();
    hash.begin_table(name, columns);
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        hash.begin_row();
        for column in 0..columns {
            hash.value(row.get_ref(column)?);
        }
    }
    Ok(())
}

/// ` ORDER BY` the rowid under a name that is no column's, or the primary key. A rowid table whose
/// columns have all three of those names is read as it stands, which is the same order.
fn order(
    connection: &Connection,
    schema_name: Option<&str>,
    name: &str,
    is_without_rowid: bool,
) -> rusqlite::Result<String> {
    let sql = "SELECT name, pk FROM pragma_table_xinfo(?, ?) ORDER BY pk";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([name, schema_name.unwrap_or("main")], |row| row.try_into())?;
    let columns: Vec<(String, i64)> = rows.collect::<rusqlite::Result<_>>()?;
    if !is_without_rowid {
        let is_free = |name: &&str| !columns.iter().any(|(c, _)| c.eq_ignore_ascii_case(name));
        let rowid = ["rowid", "_rowid_", "oid"].into_iter().find(is_free);
        return Ok(rowid.map_or(String::new(), |name| format!(" ORDER BY {name}")));
    }
    let key = columns.iter().filter(|(_, pk)| *pk > 0);
    let key: Vec<String> = key.map(|(name, _)| quote(name)).collect();
    Ok(format!(" ORDER BY {}", key.join(", ")))
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Every value after a tag, every length after its tag, all little-endian: no two databases run
/// together into the same bytes.
#[derive(Default)]
struct Hash {
    rows: u64,
    hash: Xxh3,
    buffer: Vec<u8>,
}

impl Hash {
    fn begin_table(&mut self, name: &str, columns: usize) {
        self.buffer.push(b'T');
        self.bytes(name.as_bytes());
        self.buffer.extend((columns as u64).to_le_bytes());
    }

    fn begin_row(&mut self) {
        self.rows += 1;
        self.buffer.push(b'R');
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush();
        }
    }

    fn value(&mut self, value: ValueRef<'_>) {
        let tag = match value {
            ValueRef::Null => b'n',
            ValueRef::Integer(_) => b'i',
            ValueRef::Real(_) => b'r',
            ValueRef::Text(_) => b't',
            ValueRef::Blob(_) => b'b',
        };
        self.buffer.push(tag);
        match value {
            ValueRef::Null => {}
            ValueRef::Integer(integer) => self.buffer.extend(integer.to_le_bytes()),
            ValueRef::Real(real) => self.buffer.extend(real.to_bits().to_le_bytes()),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => self.bytes(bytes),
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.buffer.extend((bytes.len() as u64).to_le_bytes());
        self.buffer.extend_from_slice(bytes);
    }

    fn flush(&mut self) {
        self.hash.update(&self.buffer);
        self.buffer.clear();
    }

    fn finish(mut self) -> u128 {
        self.flush();
        self.hash.digest128()
    }
}
