//! One insert: what is done before its span, in it, and after it, in this process or in one of its own.

use std::ffi::c_int;
use std::path::Path;
use std::time::{Duration, Instant};

use libsqlite3_sys as ffi;
use serde::{Deserialize, Serialize};
use sqlite_membench::allocator::{SqliteAllocator, sqlite};
use sqlite_membench::measurement::{Taken, take};
use sqlite_membench::memory::connections::finalize_all;
use sqlite_membench::workload::NoMarks;
use sqlite_membench::workload::database::Place;
use sqlite_membench::workload::insert::{InsertOptions, Pool, fill};
use sqlite_membench::workload::keys::KeyMode;
use sqlite_membench::workload::pragmas::{self, Pragma, PragmaReadBack};

use super::raw_insert::{RawKeys, raw_insert_with};
use super::suite::Testee;

/// What `testee::serve` knows an insert by.
pub const TESTEE: &str = "insert";

/// The fixed block of memsys5: more than any axis needs.
const MEMSYS5_HEAP_BYTES: u64 = 256 << 20;

/// Who talks to SQLite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Through {
    /// `rusqlite`, as the workload does.
    Rusqlite,
    /// `rusqlite::ffi` alone.
    Raw,
}

/// Where SQLite's blocks come from, in a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Blocks {
    /// SQLite's own default, uncounted: what users have.
    Default,
    /// The same, with `SQLITE_CONFIG_MEMSTATUS` off.
    WithoutMemstatus,
    /// Counting methods over an allocator.
    Counted(SqliteAllocator),
}

/// One insert, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Insert {
    pub through: Through,
    pub blocks: Blocks,
    /// The rows are in the table already: each replaces one.
    pub replaces: bool,
    pub options: InsertOptions,
}

impl Insert {
    /// The report's, of `rows` rows, with `changes` in its PRAGMAs.
    pub fn new(rows: u64, changes: &[Pragma]) -> Insert {
        let mut insert = Insert {
            through: Through::Rusqlite,
            blocks: Blocks::Default,
            replaces: false,
            options: InsertOptions {
                rows,
                ..InsertOptions::default()
            },
        };
        for change in changes {
            insert.set(&change.name, &change.value);
        }
        insert
    }

    /// Puts a PRAGMA in the place of the report's of its name, or before its `journal_mode`, which writes
    /// the file: some do nothing after that.
    pub fn set(&mut self, name: &str, value: &str) {
        let pragma = Pragma::new(name, value).expect("a PRAGMA");
        let pragmas = &mut self.options.pragmas;
        let at = |name: &str| pragmas.iter().position(|pragma| pragma.name == name);
        match (at(name), at("journal_mode")) {
            (Some(of_its_name), _) => pragmas[of_its_name] = pragma,
            (None, writes) => pragmas.insert(writes.unwrap_or(pragmas.len()), pragma),
        }
    }

    pub fn with(mut self, name: &str, value: &str) -> Insert {
        self.set(name, value);
        self
    }

    /// The span from the first BEGIN to the last COMMIT, in this process, into a fresh file.
    pub fn span(&self) -> Duration {
        assert_eq!(
            self.blocks,
            Blocks::Default,
            "an allocator is chosen once a process"
        );
        let place = tempfile::tempdir().expect("a temporary directory");
        self.run(place.path(), |work| {
            let began = Instant::now();
            work();
            began.elapsed()
        })
    }

    /// As a testee, named `id`.
    pub fn testee(&self, id: impl Into<String>) -> Testee {
        let arguments = vec![serde_json::to_string(self).expect("plain data")];
        Testee {
            id: id.into(),
            name: TESTEE,
            arguments,
        }
    }

    /// In a testee: what the span took, in time and in memory.
    pub fn serve(arguments: &[String]) -> Taken {
        let insert: Insert = serde_json::from_str(&arguments[0]).expect("an insert");
        match insert.blocks {
            Blocks::Default => {}
            // SAFETY: MEMSTATUS takes one int, and SQLite is not initialised yet.
            Blocks::WithoutMemstatus => unsafe {
                let configured = ffi::sqlite3_config(ffi::SQLITE_CONFIG_MEMSTATUS, 0 as c_int);
                assert_eq!(configured, ffi::SQLITE_OK);
            },
            Blocks::Counted(allocator) => {
                sqlite::install(allocator, MEMSYS5_HEAP_BYTES).expect("SQLite's allocator");
            }
        }
        let place = tempfile::tempdir().expect("a temporary directory");
        insert.run(place.path(), |work| take(work).0)
    }

    fn run<T>(&self, directory: &Path, measure: impl FnOnce(&mut dyn FnMut()) -> T) -> T {
        match self.through {
            Through::Rusqlite => self.through_rusqlite(directory, measure),
            Through::Raw => self.through_raw(directory, measure),
        }
    }

    fn through_rusqlite<T>(
        &self,
        directory: &Path,
        measure: impl FnOnce(&mut dyn FnMut()) -> T,
    ) -> T {
        let place = Place::unique(directory);
        let (pool, read_back) = Pool::open(&self.options, &place).expect("an open database");
        check(&read_back);
        let mut work = || fill(&pool, &self.options, &mut NoMarks).expect("rows go in");
        if self.replaces {
            work();
        }
        let measured = measure(&mut work);
        for (connection, _) in pool.close() {
            // SAFETY: `leak-per-row` has forgotten its statements; nobody uses or drops them.
            unsafe { finalize_all(&connection) };
            connection.close().expect("nothing holds it open");
        }
        measured
    }

    fn through_raw<T>(&self, directory: &Path, measure: impl FnOnce(&mut dyn FnMut()) -> T) -> T {
        let options = &self.options;
        let keys = match options.keys {
            KeyMode::GoRune => RawKeys::GoRune,
            KeyMode::Decimal => RawKeys::Decimal,
            KeyMode::Random => panic!("the floor writes no random keys"),
        };
        let (path, pragmas) = (directory.join("raw.db"), &options.pragmas);
        raw_insert_with(&path, options.rows, options.batch, keys, pragmas, measure)
    }
}

/// A PRAGMA that SQLite did not take would be measured under a name that is not its own.
fn check(read_back: &[PragmaReadBack]) {
    for pragma in read_back {
        // The others of a pool have SQLite's defaults, as the report's have.
        let PragmaReadBack {
            connection: 0,
            name,
            asked: Some(asked),
            read_back: Some(found),
            ..
        } = pragma
        else {
            continue;
        };
        assert!(
            pragmas::took(name, asked, found),
            "PRAGMA {name} = {asked} was not taken: SQLite has {found}"
        );
    }
}
