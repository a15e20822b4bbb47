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

/// PRAGMAs that are read even where nobody asks for a value: what a page cache may take.
const ALWAYS_READ: [&str; 2] = ["cache_size", "page_size"];

/// What SQLite says of each of `pragmas` now, and then of those that are always read, on the
/// connection with this number.
pub(super) fn read_back(
    connection: &Connection,
    database: Database,
    number: u32,
    pragmas: &[Pragma],
) -> Result<Vec<PragmaReadBack>, Error> {
    let read = |pragma: &Pragma| pragma.read_back(connection, database.schema(), number);
    let mut all = Vec::new();
    for pragma in pragmas {
        all.push(read(pragma)?);
    }
    let is_set = |name: &&str| pragmas.iter().any(|pragma| pragma.name == *name);
    for name in ALWAYS_READ.into_iter().filter(|name| !is_set(name)) {
        all.push(PragmaReadBack {
            asked: None,
            ..read(&Pragma::new(name, "0")?)?
        });
    }
    Ok(all)
}
