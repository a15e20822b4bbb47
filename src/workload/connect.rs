//! Connections with their PRAGMAs, and what SQLite made of these.

use rusqlite::Connection;

use super::Error;
use super::database::{Database, DatabaseKind, MMAP_SIZE_BYTES, Place};
use super::pragmas::{Pragma, PragmaReadBack};

/// The PRAGMAs of a scenario between those that make the kind what it is. A file kind's journal
/// mode comes last and wins; `mmap_size` comes first, so that a scenario may say another size.
pub(super) fn in_force(kind: DatabaseKind, pragmas: &[Pragma]) -> Vec<Pragma> {
    let pragma = |name: &str, value: String| Pragma {
        name: name.into(),
        value,
    };
    let mmap = kind == DatabaseKind::FileMmap;
    let before = mmap.then(|| pragma("mmap_size", MMAP_SIZE_BYTES.to_string()));
    let after = kind
        .journal_mode()
        .map(|mode| pragma("journal_mode", mode.into()));
    before
        .into_iter()
        .chain(pragmas.iter().cloned())
        .chain(after)
        .collect()
}

/// Opens one connection and sets its PRAGMAs in order, on the attached database where there is one.
///
/// `temp_store` is set before `ATTACH` too: SQLite heeds it when a temporary database is opened.
pub(super) fn connect(
    database: Database,
    place: &Place,
    pragmas: &[Pragma],
) -> Result<Connection, Error> {
    let connection = database.connect(place)?;
    if database.attached {
        for pragma in pragmas.iter().filter(|pragma| pragma.name == "temp_store") {
            pragma.set(&connection, None)?;
        }
    }
    database.attach(&connection, place)?;
    for pragma in pragmas {
        pragma.set(&connection, database.schema())?;
    }
    Ok(connection)
}

/// What SQLite says of each of `pragmas` now, on the connection with this number.
pub(super) fn read_back(
    connection: &Connection,
    database: Database,
    number: u32,
    pragmas: &[Pragma],
) -> Result<Vec<PragmaReadBack>, Error> {
    pragmas
        .iter()
        .map(|pragma| pragma.read_back(connection, database.schema(), number))
        .collect()
}
