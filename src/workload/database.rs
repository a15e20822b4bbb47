//! Every kind of database that SQLite opens, in memory and not, directly and through `ATTACH`.
//!
//! Where a database lives is a [`Place`]: a directory for those that are files, and a name for
//! those that have one. Nothing here removes a file; the directory is the caller's.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};

use super::{Error, doing};

/// The schema name of an attached database.
pub const ATTACHED_AS: &str = "aux1";

/// What [`DatabaseKind::FileMmap`] asks for, in bytes.
pub const MMAP_SIZE_BYTES: u64 = 1 << 30;

/// How a database is opened, `seeds` page terms; each can also be reached through `ATTACH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatabaseKind {
    /// A file in the journal mode that the PRAGMAs say.
    #[default]
    File,
    /// A file in WAL mode.
    FileWal,
    /// A file with a rollback journal.
    FileRollback,
    /// A file read through `mmap_size`.
    FileMmap,
    /// `:memory:`
    Memory,
    /// `file::memory:`
    MemoryUri,
    /// `file::memory:?cache=shared`
    MemoryShared,
    /// `file:NAME?mode=memory&cache=shared`
    MemoryNamed,
    /// `file:/NAME?vfs=memdb`
    Memdb,
    /// `""`
    Temporary,
}

impl DatabaseKind {
    /// Every kind.
    pub const ALL: [DatabaseKind; 10] = [
        DatabaseKind::File,
        DatabaseKind::FileWal,
        DatabaseKind::FileRollback,
        DatabaseKind::FileMmap,
        DatabaseKind::Memory,
        DatabaseKind::MemoryUri,
        DatabaseKind::MemoryShared,
        DatabaseKind::MemoryNamed,
        DatabaseKind::Memdb,
        DatabaseKind::Temporary,
    ];

    /// The name in scenarios and records.
    pub const fn name(self) -> &'static str {
        match self {
            DatabaseKind::File => "file",
            DatabaseKind::FileWal => "file-wal",
            DatabaseKind::FileRollback => "file-rollback",
            DatabaseKind::FileMmap => "file-mmap",
            DatabaseKind::Memory => "memory",
            DatabaseKind::MemoryUri => "memory-uri",
            DatabaseKind::MemoryShared => "memory-shared",
            DatabaseKind::MemoryNamed => "memory-named",
            DatabaseKind::Memdb => "memdb",
            DatabaseKind::Temporary => "temporary",
        }
    }

    /// A file that stays when the connection is closed, and that another process can open.
    pub const fn is_file(self) -> bool {
        use DatabaseKind::{File, FileMmap, FileRollback, FileWal};
        matches!(self, File | FileWal | FileRollback | FileMmap)
    }

    /// In memory at all times, and gone with its last connection. [`DatabaseKind::Temporary`] is
    /// gone too, and is not in memory: it may spill to a file.
    pub const fn is_memory(self) -> bool {
        !self.is_file() && !matches!(self, DatabaseKind::Temporary)
    }

    /// A second connection at the same [`Place`] opens the same database.
    pub const fn is_shared(self) -> bool {
        use DatabaseKind::{Memory, MemoryUri, Temporary};
        !matches!(self, Memory | MemoryUri | Temporary)
    }

    /// The journal mode that the kind insists on, whatever the PRAGMAs said.
    pub const fn journal_mode(self) -> Option<&'static str> {
        match self {
            DatabaseKind::FileWal => Some("WAL"),
            DatabaseKind::FileRollback => Some("DELETE"),
            _ => None,
        }
    }

    /// What `sqlite3_open_v2` and `ATTACH` are given.
    pub fn filename(self, place: &Place) -> OsString {
        let name = &place.name;
        match self {
            DatabaseKind::Memory => ":memory:".into(),
            DatabaseKind::MemoryUri => "file::memory:".into(),
            DatabaseKind::MemoryShared => "file::memory:?cache=shared".into(),
            DatabaseKind::MemoryNamed => format!("file:{name}?mode=memory&cache=shared").into(),
            DatabaseKind::Memdb => format!("file:/{name}?vfs=memdb").into(),
            DatabaseKind::Temporary => OsString::new(),
            _ => place.file().into(),
        }
    }
}

impl fmt::Display for DatabaseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for DatabaseKind {
    type Err = UnknownDatabase;

    fn from_str(text: &str) -> Result<Self, UnknownDatabase> {
        (DatabaseKind::ALL
            .into_iter()
            .find(|kind| kind.name() == text))
        .ok_or_else(|| UnknownDatabase(text.to_owned()))
    }
}

/// A database kind, opened directly or attached: `memory`, `attach:memory`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Database {
    /// What is opened.
    pub kind: DatabaseKind,
    /// Through `ATTACH ... AS aux1` on a connection whose main database is an empty `:memory:`.
    pub attached: bool,
}

impl Database {
    /// Every kind, and every kind attached.
    pub fn all() -> impl Iterator<Item = Database> {
        let both = |kind| [false, true].map(|attached| Database { kind, attached });
        DatabaseKind::ALL.into_iter().flat_map(both)
    }

    /// The schema that its tables and PRAGMAs are qualified with; `None` for the main one.
    pub const fn schema(self) -> Option<&'static str> {
        if self.attached {
            Some(ATTACHED_AS)
        } else {
            None
        }
    }

    /// Opens a connection, attached database and all.
    pub fn open(self, place: &Place) -> Result<Connection, Error> {
        let connection = self.connect(place)?;
        self.attach(&connection, place)?;
        Ok(connection)
    }

    /// Opens a connection to it, or, if it is to be attached, to an empty `:memory:`.
    pub fn connect(self, place: &Place) -> Result<Connection, Error> {
        let main = if self.attached {
            DatabaseKind::Memory
        } else {
            self.kind
        };
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let filename = main.filename(place);
        Connection::open_with_flags(&filename, flags).map_err(doing(|| {
            format!("opening the {main} database {}", filename.display())
        }))
    }

    /// Attaches it, if that is how it is reached.
    pub fn attach(self, connection: &Connection, place: &Place) -> Result<(), Error> {
        if !self.attached {
            return Ok(());
        }
        let filename = self.kind.filename(place);
        let text = filename.to_str().ok_or_else(|| {
            Error::Options(format!(
                "ATTACH takes no path that is not UTF-8: {}",
                filename.display()
            ))
        })?;
        (connection.execute(&format!("ATTACH DATABASE ? AS {ATTACHED_AS}"), [text]))
            .map(drop)
            .map_err(doing(|| {
                format!("attaching the {} database `{text}`", self.kind)
            }))
    }
}

impl From<DatabaseKind> for Database {
    fn from(kind: DatabaseKind) -> Self {
        Database {
            kind,
            attached: false,
        }
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&String::from(*self))
    }
}

impl FromStr for Database {
    type Err = UnknownDatabase;

    fn from_str(text: &str) -> Result<Self, UnknownDatabase> {
        let attached = text.strip_prefix("attach:");
        let kind = attached
            .unwrap_or(text)
            .parse()
            .map_err(|_| UnknownDatabase(text.to_owned()))?;
        Ok(Database {
            kind,
            attached: attached.is_some(),
        })
    }
}

impl From<Database> for String {
    fn from(database: Database) -> String {
        let attach = if database.attached { "attach:" } else { "" };
        format!("{attach}{}", database.kind)
    }
}

impl TryFrom<String> for Database {
    type Error = UnknownDatabase;

    fn try_from(text: String) -> Result<Self, UnknownDatabase> {
        text.parse()
    }
}

/// A name that is no database's; the message lists those that are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownDatabase(pub String);

impl fmt::Display for UnknownDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = DatabaseKind::ALL.map(DatabaseKind::name).join(", ");
        write!(
            f,
            "no database `{}`: {names}, each also as `attach:NAME`",
            self.0
        )
    }
}

impl std::error::Error for UnknownDatabase {}

/// Where a database lives, and what it is called there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    directory: PathBuf,
    name: String,
}

impl Place {
    /// A name that no other place of this process has.
    pub fn unique(directory: &Path) -> Place {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("membench-{}-{count}", std::process::id());
        Place {
            directory: directory.to_owned(),
            name,
        }
    }

    /// A name of ASCII letters, digits, `-` and `_`: it goes into URIs as it is.
    pub fn named(directory: &Path, name: &str) -> Result<Place, Error> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if name.is_empty() || !name.bytes().all(plain) {
            return Err(Error::Options(format!(
                "`{name}` is no database name: ASCII letters, digits, `-` and `_`"
            )));
        }
        Ok(Place {
            directory: directory.to_owned(),
            name: name.to_owned(),
        })
    }

    /// The file of the kinds that are files. A relative directory gets a `./`, so that none that
    /// is called `file:` is taken for a URI.
    pub fn file(&self) -> PathBuf {
        Path::new(".")
            .join(&self.directory)
            .join(format!("{}.db", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_database_is_written_as_it_is_read() {
        let mut names = Vec::new();
        for database in Database::all() {
            let name = database.to_string();
            assert_eq!(name.parse(), Ok(database));
            let json = serde_json::to_string(&database).unwrap();
            assert_eq!(json, format!("\"{name}\""));
            assert_eq!(serde_json::from_str::<Database>(&json).unwrap(), database);
            names.push(name);
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 20);
        for kind in DatabaseKind::ALL {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_every_known_one() {
        let message = "attach:memroy".parse::<Database>().unwrap_err().to_string();
        assert!(message.contains("`attach:memroy`"), "{message}");
        for kind in DatabaseKind::ALL {
            assert!(message.contains(kind.name()), "{message}");
        }
        assert!("attach:attach:memory".parse::<Database>().is_err());
        assert!("attach:".parse::<Database>().is_err());
    }

    #[test]
    fn a_name_that_a_uri_would_read_is_refused() {
        for name in ["", "a?b", "a&b", "a/b", "a%20", "é"] {
            assert!(Place::named(Path::new("x"), name).is_err(), "{name}");
        }
        assert!(Place::named(Path::new("x"), "snapshot-1_b").is_ok());
    }

    #[test]
    fn no_directory_makes_a_uri_of_a_file() {
        let place = Place::named(Path::new("file:x"), "a").unwrap();
        assert_eq!(DatabaseKind::File.filename(&place), "./file:x/a.db");
        let place = Place::named(Path::new("/tmp"), "a").unwrap();
        assert_eq!(DatabaseKind::File.filename(&place), "/tmp/a.db");
    }

    #[test]
    fn unique_places_are_unique() {
        assert_ne!(Place::unique(Path::new("x")), Place::unique(Path::new("x")));
    }
}
