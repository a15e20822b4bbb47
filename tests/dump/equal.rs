//! The shell, and what two databases are compared by.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use sqlite_membench::workload::dump::{DumpOptions, dump};
use sqlite_membench::workload::steps::Here;

/// The dump of a database.
pub fn dump_text(connection: &Connection, options: &DumpOptions) -> Vec<u8> {
    let mut text = Vec::new();
    dump(connection, options, &mut text, &mut Here).unwrap();
    text
}

/// What the `sqlite3` shell makes of `text`: a file in `directory`, opened.
pub fn load(text: &[u8], directory: &Path) -> Connection {
    let (sql, database) = (directory.join("dump.sql"), directory.join("loaded.db"));
    fs::write(&sql, text).unwrap();
    let output = Command::new("sqlite3")
        .args(["-batch", "-bail"])
        .arg(&database)
        .stdin(Stdio::from(fs::File::open(&sql).unwrap()))
        .output()
        .expect("the `sqlite3` shell, which these tests load dumps with: apt-get install sqlite3");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && words.is_empty(),
        "{words}\n{}",
        String::from_utf8_lossy(&text[..text.len().min(10_000)])
    );
    Connection::open(&database).unwrap()
}

/// The same by the bundled SQLite.
pub fn reload(text: &[u8]) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    (connection.execute_batch(std::str::from_utf8(text).unwrap())).unwrap();
    connection
}

/// A value to the bit; what else SQLite says of it is its type and its bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    Null,
    Integer(i64),
    Real(u64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

/// Type, name, table and SQL.
type Object = (String, Vec<u8>, Vec<u8>, Option<Vec<u8>>);

/// Everything in `sqlite_schema`, and the rows of every table in the order of its key.
#[derive(Debug, PartialEq, Eq)]
pub struct Contents {
    /// None where the database has nothing to encode.
    encoding: Option<String>,
    schema: BTreeSet<Object>,
    rows: BTreeMap<Vec<u8>, Vec<Vec<Cell>>>,
}

/// Everything in `schema` but what ANALYZE samples.
pub fn contents(connection: &Connection, schema: &str) -> Contents {
    let query = format!(
        "SELECT type, CAST(name AS BLOB), CAST(tbl_name AS BLOB), CAST(sql AS BLOB)
         FROM \"{schema}\".sqlite_schema WHERE name NOT IN ('sqlite_stat4', 'sqlite_sequence')"
    );
    let mut statement = connection.prepare(&query).unwrap();
    let objects: BTreeSet<Object> = statement
        .query_map([], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let has_sequence: bool = connection
        .query_row(
            &format!(
                "SELECT count(*) FROM \"{schema}\".sqlite_schema WHERE name = 'sqlite_sequence'"
            ),
            [],
            |row| row.get(0),
        )
        .unwrap();
    let query =
        "SELECT name FROM pragma_table_list WHERE schema = ?1 AND type IN ('table', 'shadow')
                 AND (name NOT LIKE 'sqlite\\_%' ESCAPE '\\' OR name = 'sqlite_stat1')";
    let mut statement = connection.prepare(query).unwrap();
    let mut names: Vec<String> = statement
        .query_map([schema], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    if has_sequence {
        names.push("sqlite_sequence".into());
    }
    let rows = names.into_iter().map(|name| {
        let rows = rows(connection, schema, &name);
        (name.into_bytes(), rows)
    });
    let encoding: Option<String> = connection
        .query_row("PRAGMA encoding", [], |row| row.get(0))
        .unwrap();
    Contents {
        encoding: encoding.filter(|_| !objects.is_empty()),
        schema: objects,
        // An empty sqlite_sequence is as good as none.
        rows: rows
            .filter(|(name, rows)| name != b"sqlite_sequence" || !rows.is_empty())
            .collect(),
    }
}

fn rows(connection: &Connection, schema: &str, table: &str) -> Vec<Vec<Cell>> {
    let quoted = format!("\"{}\"", table.replace('"', "\"\""));
    let all = connection
        .prepare(&format!("SELECT * FROM \"{schema}\".{quoted}"))
        .unwrap();
    let columns: Vec<String> = (all.column_names())
        .map(|name| format!("\"{}\"", name.replace('"', "\"\"")))
        .collect();
    let mut list: Vec<String> = columns
        .iter()
        .map(|c| format!("{c}, CAST({c} AS BLOB)"))
        .collect();
    let is_column = |name: &str| {
        columns
            .iter()
            .any(|c| c.trim_matches('"').eq_ignore_ascii_case(name))
    };
    let free = ["rowid", "_rowid_", "oid"]
        .into_iter()
        .find(|name| !is_column(name));
    let from = format!("FROM \"{schema}\".{quoted} NOT INDEXED");
    if let Some(rowid) = free
        && table != "sqlite_sequence"
        && connection
            .prepare(&format!("SELECT {rowid} {from}"))
            .is_ok()
    {
        list.insert(0, rowid.into());
    }
    let mut statement =
        (connection.prepare(&format!("SELECT {} {from}", list.join(", ")))).unwrap();
    let count = statement.column_count();
    let mut result = Vec::new();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let cell = |index| match row.get_ref(index).unwrap() {
            ValueRef::Null => Cell::Null,
            ValueRef::Integer(integer) => Cell::Integer(integer),
            ValueRef::Real(real) => Cell::Real(real.to_bits()),
            ValueRef::Text(text) => Cell::Text(text.to_vec()),
            ValueRef::Blob(blob) => Cell::Blob(blob.to_vec()),
        };
        result.push((0..count).map(cell).collect());
    }
    result
}
