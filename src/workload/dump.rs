//! A whole database as SQL text, streamed.
//!
//! [`dump`] writes what `sqlite3 new.db < dump.sql` makes an equal database of: DDL, rows in key
//! order, then `sqlite_sequence`, indexes, virtual tables, views and triggers. Memory is bounded by
//! the largest row and the schema, not by a table: a step takes some rows into a buffer that is used
//! again, on the thread where [`Steps`] runs it, and the caller's thread compresses and writes them.
//!
//! What is exact: every storage class, reals to the bit (`dump/real.rs` says how, and for which readers),
//! text whatever its bytes, rowids that have a name. What is not, or not everywhere:
//! * The reader must know the syntax and the modules of the DDL: the text is the database's own. STRICT
//!   tables need 3.37, and so on for what came later.
//! * Virtual tables are rows in `sqlite_schema`, as in the shell's own dump, which
//!   SQLITE_DBCONFIG_DEFENSIVE forbids; the dump then begins with a comment that says so. Shells that
//!   set it take it back for an empty database by the dump's first two statements, which are therefore
//!   the shell's; other readers must do it themselves.
//! * The shell drops a carriage return before a newline. In rows that is spelt differently; inside DDL
//!   it is lost. `sqlite3_exec` keeps it.
//! * `user_version`, `application_id`, page size and the like are not content, here as in the shell's
//!   `.dump`; nor are the samples of `sqlite_stat4`.
//! * A literal is at most as long as the reader's SQL may be, 1,000,000,000 bytes: half of that for a
//!   blob, and for text that is spelt by its bytes.
//! * Without the DDL, a database in UTF-16 must be loaded into one of the same encoding: text that is
//!   not valid is spelt by its bytes.
//! * A rowid table whose columns take all of `rowid`, `_rowid_` and `oid` keeps its order, not its rowids.

mod cursor;
mod literal;
mod objects;
mod real;
mod session;
mod sink;

use std::io::Write;

use rusqlite::Connection;

use super::steps::{Lent, Steps, in_step};
use super::{Error, doing};
use cursor::Encoding;
use objects::{Objects, Table};
pub(super) use session::Session;
use sink::Sink;

/// How the text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DumpFormat {
    /// As it is.
    #[default]
    Plain,
    /// Compressed by gzip.
    Gzip {
        /// 0 (stored) to 9; [`FAST`](DumpFormat::FAST) where speed counts.
        level: u32,
    },
}

impl DumpFormat {
    /// gzip at its fastest.
    pub const FAST: DumpFormat = DumpFormat::Gzip { level: 1 };
}

/// One dump, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpOptions {
    /// Which database of the connection: `main`, or the name that one was attached by.
    pub of: String,
    /// With the DDL; without it the INSERTs alone, for a database that has the same schema and no
    /// rows. Tables that SQLite fills by itself (`sqlite_sequence`, shadow tables) are emptied first.
    pub schema: bool,
    /// The rowids of tables that have them in no column are content, as with the shell's
    /// `--preserve-rowids`: a full-text index over such a table refers to them.
    pub rowids: bool,
    /// Rows of a step, 1 or more. A step ends sooner at 1 MiB of text.
    pub rows_per_step: u64,
    /// Plain or compressed.
    pub format: DumpFormat,
    /// What [`Steps::progress`] gets as the total. Counting would read every table; 0 is unknown.
    pub expected_rows: u64,
}

impl Default for DumpOptions {
    fn default() -> Self {
        DumpOptions {
            of: "main".to_owned(),
            schema: true,
            rowids: true,
            rows_per_step: 4096,
            format: DumpFormat::Plain,
            expected_rows: 0,
        }
    }
}

impl DumpOptions {
    /// The numbers are in their ranges.
    pub fn check(&self) -> Result<(), Error> {
        if self.rows_per_step == 0 {
            return Err(Error::Options("rows per step is 0: 1 or more".into()));
        }
        match self.format {
            DumpFormat::Gzip { level: 10.. } => {
                Err(Error::Options("gzip has levels from 0 to 9".into()))
            }
            _ => Ok(()),
        }
    }
}

/// What a dump wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dumped {
    /// That the writer took: after compression.
    pub bytes: u64,
    /// Of SQL.
    pub text_bytes: u64,
    /// INSERTed, `sqlite_sequence` and `sqlite_stat1` not counted.
    pub rows: u64,
    /// With their rows, shadow tables too; counted as rows are.
    pub tables: u64,
}

/// Writes one database of `connection` to `to`, within one read transaction: the open one, or one of
/// its own. Every step is told to `steps`; all of SQLite's work is done in [`Steps::run`].
///
/// # Errors
/// What SQLite or the writer says, and [`Error::Stopped`] when `steps` says stop. Nothing is then left
/// open, and what was written stands: with no COMMIT, and where compressed without gzip's end.
pub fn dump(
    connection: &Connection,
    options: &DumpOptions,
    to: &mut dyn Write,
    steps: &mut dyn Steps,
) -> Result<Dumped, Error> {
    options.check()?;
    let mut dump = Dump {
        options,
        steps,
        session: Session::new(connection),
        sink: Sink::new(options.format, to),
        buffer: Vec::new(),
        dumped: Dumped::default(),
    };
    let result = dump.whole();
    let end = dump.step("ending the read", |session, _| session.end());
    result.and(end)?;
    dump.dumped.bytes = dump.sink.finish().map_err(writing("the end of the dump"))?;
    Ok(dump.dumped)
}

struct Dump<'a, 'c> {
    options: &'a DumpOptions,
    steps: &'a mut dyn Steps,
    session: Session<'c>,
    sink: Sink<'a>,
    /// The text of a step.
    buffer: Vec<u8>,
    dumped: Dumped,
}

impl<'c> Dump<'_, 'c> {
    fn whole(&mut self) -> Result<(), Error> {
        let options = self.options;
        let objects: Objects = self.step("reading the schema", |session, _| {
            session.begin()?;
            session.encoding = objects::encoding(session)?;
            objects::read(session, options)
        })?;
        self.put(self.head(&objects).as_bytes())?;
        for table in &objects.tables {
            self.table(table)?;
        }
        self.put(&objects.after)?;
        self.put(b"COMMIT;\n")
    }

    /// What comes before the first table.
    fn head(&self, objects: &Objects) -> String {
        let mut head = String::new();
        if objects.needs_undefended {
            head.push_str(
                "/* SQLITE_DBCONFIG_DEFENSIVE must be off: `.dbconfig defensive off` */\n",
            );
        }
        if self.options.schema {
            head.push_str("PRAGMA foreign_keys=OFF;\n");
        }
        head.push_str("BEGIN TRANSACTION;\n");
        if self.options.schema {
            // Of no effect where the database is not empty.
            match self.session.encoding {
                Encoding::Utf8 => {}
                Encoding::Utf16le => head.push_str("PRAGMA encoding='UTF-16le';\n"),
                Encoding::Utf16be => head.push_str("PRAGMA encoding='UTF-16be';\n"),
            }
        }
        head
    }

    fn table(&mut self, table: &Table) -> Result<(), Error> {
        self.put(&table.before)?;
        let what = format!("reading the table `{}`", table.name);
        self.step(&what, |session, _| session.open(&table.select))?;
        let rows_max = self.options.rows_per_step;
        loop {
            let filled = self.step(&what, |session, buffer| {
                session.fill(&table.insert, rows_max, buffer)
            })?;
            let text = std::mem::take(&mut self.buffer);
            let put = self.put(&text);
            self.buffer = text;
            self.buffer.clear();
            put?;
            if !table.is_internal {
                self.dumped.rows += filled.rows;
            }
            self.steps
                .progress(self.dumped.rows, self.options.expected_rows)?;
            if filled.is_done {
                self.dumped.tables += u64::from(!table.is_internal);
                return Ok(());
            }
        }
    }

    /// Does `work` where `steps` runs it, and waits for it.
    fn step<R: Send>(
        &mut self,
        what: &str,
        work: impl FnOnce(&mut Session<'c>, &mut Vec<u8>) -> rusqlite::Result<R> + Send,
    ) -> Result<R, Error> {
        let mut session = Lent::new(&mut self.session);
        let buffer = &mut self.buffer;
        let done = in_step(self.steps, || work(session.get(), buffer))?;
        done.map_err(doing(|| what.to_owned()))
    }

    fn put(&mut self, text: &[u8]) -> Result<(), Error> {
        self.dumped.text_bytes += text.len() as u64;
        let rows = self.dumped.rows;
        (self.sink.write(text))
            .map_err(|source| writing(&format!("the dump after {rows} rows"))(source))
    }
}

/// For `map_err`: says what was being written.
fn writing(what: &str) -> impl FnOnce(std::io::Error) -> Error {
    let doing = format!("writing {what}");
    move |source| Error::Write { doing, source }
}
