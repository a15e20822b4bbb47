//! A copy of a database, made by each of the ways that SQLite has for it.
//!
//! Everything that allocates or frees in SQLite runs as a step of [`Steps`]: the target is opened in
//! one, the pages are copied in as many as there are, and closing and removing it is the last.

use std::ffi::{CStr, CString, c_int};
use std::os::unix::ffi::OsStrExt;
use std::ptr::{self, NonNull};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::serialize::OwnedData;
use rusqlite::{Connection, ErrorCode, ffi};
use serde::{Deserialize, Serialize};

use crate::workload::database::{DatabaseKind, Place};
use crate::workload::schema::prefix;
use crate::workload::steps::{Lent, Steps, in_step};
use crate::workload::{Error, doing};

pub use super::target::Snapshot;

/// The first pause after a lock was in the way; each one is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(1);

/// The longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Bytes that `sqlite3_serialize` can have at once.
const SERIALIZE_BYTES: u64 = 2_147_483_391;

/// How a copy is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CopyMethod {
    /// `sqlite3_backup_step`, so many pages at a time: into every kind of database.
    #[default]
    Backup,
    /// `VACUUM INTO`, in one step: into a file, or a database in memory that other connections see.
    /// The source connection must know URIs, as those of
    /// [`Database`](crate::workload::database::Database) do.
    VacuumInto,
    /// `sqlite3_serialize` and `sqlite3_deserialize`, in one step: into `:memory:`, up to 2 GB.
    Serialize,
}

/// How a copy is made, in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyOptions {
    /// By which means.
    pub method: CopyMethod,
    /// Pages a step of [`CopyMethod::Backup`]: 1 or more, or -1 for all in one step.
    pub backup_pages: i32,
    /// For how long, in all, SQLITE_BUSY and SQLITE_LOCKED are answered by trying again. Where the
    /// source connection has a `busy_timeout`, a try may take that long.
    pub retry_for: Duration,
    /// How often a backup may begin anew because another connection wrote to the source.
    pub restarts: u32,
}

impl Default for CopyOptions {
    /// The report's.
    fn default() -> Self {
        CopyOptions {
            method: CopyMethod::Backup,
            backup_pages: 250,
            retry_for: Duration::from_secs(5),
            restarts: 100,
        }
    }
}

impl CopyOptions {
    /// The numbers are in their ranges, and the method can make a database of `kind`.
    pub fn check(&self, kind: DatabaseKind) -> Result<(), Error> {
        let wrong = match self.method {
            CopyMethod::Backup if self.backup_pages != -1 && self.backup_pages < 1 => {
                format!(
                    "backup_pages is {}: 1 or more, or -1 for all in one step",
                    self.backup_pages
                )
            }
            CopyMethod::VacuumInto if !kind.is_shared() => format!(
                "VACUUM INTO cannot make a {kind} database, which no other connection sees: a file, memory-shared, memory-named or memdb"
            ),
            CopyMethod::Serialize if kind != DatabaseKind::Memory => format!(
                "a serialized database cannot become a {kind} database: `memory` is what sqlite3_deserialize makes"
            ),
            _ => return Ok(()),
        };
        Err(Error::Options(wrong))
    }
}

/// What a copy took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// Pages of the copy.
    pub pages: u64,
    /// The same in bytes.
    pub bytes: u64,
    /// Steps in which pages were copied.
    pub steps: u64,
    /// Steps that were tried again because of a lock.
    pub retries: u64,
    /// How often the backup began anew because another connection wrote to the source.
    pub restarts: u64,
}

/// Copies `source`, its main or its attached database `schema`, into a new database of `kind` at
/// `place`. Progress is told in pages, after every step.
///
/// A file keeps the source's journal mode, unless its kind insists on one.
///
/// # Errors
/// [`Error::Options`] for what [`CopyOptions::check`] refuses, for a target that is there already and
/// for a source that is written again and again. A lock that stays is SQLite's error, with how often
/// and how long it was tried. After any error, and when it is stopped, nothing of the copy is left.
pub fn copy(
    source: &Connection,
    schema: Option<&str>,
    kind: DatabaseKind,
    place: &Place,
    options: &CopyOptions,
    steps: &mut dyn Steps,
) -> Result<(Snapshot, Copied), Error> {
    options.check(kind)?;
    let mut snapshot = Snapshot::open(kind, place, steps)?;
    let mut copying = Copying {
        source,
        schema,
        options,
        steps,
        waited: Duration::ZERO,
        at: (0, 1),
        copied: Copied::default(),
    };
    match copying.whole(&mut snapshot) {
        Ok(()) => Ok((snapshot, copying.copied)),
        Err(error) => {
            // The first error is the one to tell.
            let _ = snapshot.dispose(steps);
            Err(error)
        }
    }
}

/// A copy under way.
struct Copying<'a> {
    source: &'a Connection,
    schema: Option<&'a str>,
    options: &'a CopyOptions,
    steps: &'a mut dyn Steps,
    /// For locks, by steps that went through in the end.
    waited: Duration,
    /// Pages done, of how many.
    at: (u64, u64),
    copied: Copied,
}

impl Copying<'_> {
    fn whole(&mut self, snapshot: &mut Snapshot) -> Result<(), Error> {
        let waiting = || doing(|| "setting the busy timeout".into());
        snapshot.wait_for_locks(false).map_err(waiting())?;
        match self.options.method {
            CopyMethod::Backup => self.backup(snapshot)?,
            CopyMethod::VacuumInto => self.vacuum_into(snapshot)?,
            CopyMethod::Serialize => self.serialize(snapshot)?,
        }
        self.finish(snapshot)?;
        snapshot.wait_for_locks(true).map_err(waiting())
    }

    fn backup(&mut self, snapshot: &mut Snapshot) -> Result<(), Error> {
        if snapshot.kind() == DatabaseKind::FileWal {
            self.begin_wal(snapshot)?;
        }
        let (mut source, schema) = (self.source, self.schema.unwrap_or("main"));
        let mut from = Lent::new(&mut source);
        let mut target = Some(snapshot.connection_mut());
        let mut backup = None;
        let mut slot = Lent::new(&mut backup);
        let begun = in_step(self.steps, || {
            let made = target
                .take()
                .map(|to| Backup::new_with_names(from.get(), schema, to, "main"));
            *slot.get() = made.transpose()?;
            Ok(())
        })?;
        begun.map_err(doing(|| "beginning the backup".into()))?;
        let Some(mut backup) = backup else {
            return Err(Error::Options("the backup was not begun".into()));
        };
        let result = self.backup_pages(&mut backup);
        // What it frees is freed in a step too, whatever came of it.
        let mut backup = Some(backup);
        let mut lent = Lent::new(&mut backup);
        in_step(self.steps, || drop(lent.get().take()))?;
        result
    }

    fn backup_pages(&mut self, backup: &mut Backup<'_, '_>) -> Result<(), Error> {
        let pages: c_int = self.options.backup_pages;
        loop {
            let mut lent = Lent::new(backup);
            let (result, progress) = self.step("copying pages", || {
                let backup = lent.get();
                match backup.step(pages)? {
                    StepResult::Busy => Err(refusal(ffi::SQLITE_BUSY)),
                    StepResult::Locked => Err(refusal(ffi::SQLITE_LOCKED)),
                    result => Ok((result, backup.progress())),
                }
            })?;
            self.copied.steps += 1;
            let total = u64::try_from(progress.pagecount).unwrap_or(0);
            let left = u64::try_from(progress.remaining).unwrap_or(0);
            let done = total.saturating_sub(left);
            if done <= self.at.0 && left > 0 {
                self.restarted()?;
            }
            self.at = (done, total);
            self.steps.progress(done, total)?;
            if result == StepResult::Done {
                return Ok(());
            }
        }
    }

    fn restarted(&mut self) -> Result<(), Error> {
        self.copied.restarts += 1;
        if self.copied.restarts <= u64::from(self.options.restarts) {
            return Ok(());
        }
        Err(Error::Options(format!(
            "another connection wrote to the source {} times while it was copied, and each time the backup began anew: more pages a step, or -1",
            self.copied.restarts
        )))
    }

    /// A target in WAL mode takes no other page size than its own, so it gets the source's first.
    fn begin_wal(&mut self, snapshot: &Snapshot) -> Result<(), Error> {
        let bytes = self.size()?.1;
        let sql = format!("PRAGMA page_size = {bytes}; PRAGMA journal_mode = WAL");
        let mut target = snapshot.connection();
        let mut lent = Lent::new(&mut target);
        self.step("setting up the target", || lent.get().execute_batch(&sql))
    }

    fn vacuum_into(&mut self, snapshot: &Snapshot) -> Result<(), Error> {
        let name = uri(snapshot)?;
        let sql = format!("VACUUM {} INTO ?", self.schema.unwrap_or("main"));
        let mut source = self.source;
        let mut lent = Lent::new(&mut source);
        self.step(&sql, || lent.get().execute(&sql, [&name]))?;
        self.copied.steps += 1;
        Ok(())
    }

    fn serialize(&mut self, snapshot: &mut Snapshot) -> Result<(), Error> {
        let (pages, page_bytes) = self.size()?;
        if pages.saturating_mul(page_bytes) > SERIALIZE_BYTES {
            return Err(Error::Options(format!(
                "a database of {pages} pages of {page_bytes} bytes cannot be serialized: {SERIALIZE_BYTES} bytes at most"
            )));
        }
        let schema = CString::new(self.schema.unwrap_or("main"))
            .map_err(|_| Error::Options("a schema name with a NUL in it".into()))?;
        let mut source = self.source;
        let mut lent = Lent::new(&mut source);
        let target = snapshot.connection_mut();
        self.step("serializing", || {
            let mut image = serialize(lent.get(), &schema)?;
            // Nothing in memory can be in WAL mode: bytes 18 and 19 are the file format's versions,
            // of which 2 means WAL.
            if let Some(versions) = image.get_mut(18..20) {
                versions.fill(1);
            }
            target.deserialize("main", image, false)
        })?;
        self.copied.steps += 1;
        Ok(())
    }

    /// Pages of the source, and the bytes of one.
    fn size(&mut self) -> Result<(u64, u64), Error> {
        let dot = prefix(self.schema);
        let mut source = self.source;
        let mut lent = Lent::new(&mut source);
        self.step("reading the source", || {
            // In this order: the page size is that of the file when the file has been read.
            let pages = pragma(lent.get(), &format!("PRAGMA {dot}page_count"))?;
            Ok((
                pages,
                pragma(lent.get(), &format!("PRAGMA {dot}page_size"))?,
            ))
        })
    }

    /// Sees to the target's journal mode, and reads how large it has become.
    fn finish(&mut self, snapshot: &Snapshot) -> Result<(), Error> {
        let kind = snapshot.kind();
        let mode = match kind {
            // memdb can be in WAL mode no more than any other memory, but takes the source's word.
            DatabaseKind::Memdb => Some("DELETE"),
            kind => kind.journal_mode(),
        };
        let mut target = snapshot.connection();
        let mut lent = Lent::new(&mut target);
        let (pages, page_bytes) = self.step("reading the copy", || {
            let target = lent.get();
            if let Some(mode) = mode {
                set_journal_mode(target, kind, mode)?;
            }
            if kind == DatabaseKind::FileMmap {
                let bytes = crate::workload::database::MMAP_SIZE_BYTES;
                target.execute_batch(&format!("PRAGMA mmap_size = {bytes}"))?;
            }
            let pages = pragma(target, "PRAGMA page_count")?;
            Ok((pages, pragma(target, "PRAGMA page_size")?))
        })?;
        if pages == 0 {
            let text = "nothing arrived in the copy: VACUUM INTO takes a source that knows URIs";
            return Err(Error::Options(text.into()));
        }
        self.copied.pages = pages;
        self.copied.bytes = pages * page_bytes;
        Ok(self.steps.progress(pages, pages)?)
    }

    /// Runs `work` as a step, again and again while a lock is in its way and there is time.
    fn step<T: Send>(
        &mut self,
        what: &str,
        mut work: impl FnMut() -> rusqlite::Result<T> + Send,
    ) -> Result<T, Error> {
        let (began, mut pause, mut tries) = (Instant::now(), FIRST_PAUSE, 1_u64);
        loop {
            let error = match in_step(self.steps, &mut work)? {
                Ok(done) => {
                    if tries > 1 {
                        self.waited += began.elapsed();
                    }
                    return Ok(done);
                }
                Err(error) => error,
            };
            if !is_lock(&error) {
                return Err(doing(|| what.to_owned())(error));
            }
            let waited = self.waited + began.elapsed();
            if waited + pause > self.options.retry_for {
                let waited = waited.as_secs_f64();
                return Err(Error::Sqlite {
                    doing: format!("{what}, tried {tries} times and {waited:.1} s for a lock"),
                    source: error,
                });
            }
            self.copied.retries += 1;
            tries += 1;
            thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
            self.steps.progress(self.at.0, self.at.1)?;
        }
    }
}

fn is_lock(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(
        code,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

/// What SQLite answers, as an error.
fn refusal(code: c_int) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
}

fn pragma(connection: &Connection, sql: &str) -> rusqlite::Result<u64> {
    let number: i64 = connection.query_row(sql, [], |row| row.get(0))?;
    Ok(number.cast_unsigned())
}

/// A memdb database that says it is in WAL mode can be opened by a connection only that needs no
/// shared memory for it, because it shuts out all others; until it says otherwise.
fn set_journal_mode(target: &Connection, kind: DatabaseKind, mode: &str) -> rusqlite::Result<()> {
    let set = format!("PRAGMA journal_mode = {mode}");
    let sql = match kind {
        DatabaseKind::Memdb => format!(
            "PRAGMA locking_mode = EXCLUSIVE; {set}; PRAGMA locking_mode = NORMAL; SELECT 1 FROM sqlite_schema"
        ),
        _ => set,
    };
    target.execute_batch(&sql)
}

/// The target as `VACUUM INTO` is told of it. A database that it attaches has the VFS of the source's
/// main one unless it is told otherwise, and under memdb even a file would be none.
fn uri(snapshot: &Snapshot) -> Result<String, Error> {
    let (kind, name) = (snapshot.kind(), snapshot.kind().filename(snapshot.place()));
    if kind.is_file() {
        let mut uri = String::from("file:");
        for &byte in name.as_bytes() {
            match byte {
                b'/' | b'-' | b'_' | b'.' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                    uri.push(char::from(byte));
                }
                _ => uri += &format!("%{byte:02x}"),
            }
        }
        return Ok(uri + "?vfs=" + default_vfs()?);
    }
    let name = name.to_string_lossy().into_owned();
    match kind {
        DatabaseKind::Memdb => Ok(name),
        _ => Ok(name + "&vfs=" + default_vfs()?),
    }
}

/// The name of the VFS that a database has when it is not told of one.
fn default_vfs() -> Result<&'static str, Error> {
    // SAFETY: a null name asks for the default VFS. One that is registered has a name that ends in
    // NUL, and nothing here takes it away.
    let name = unsafe {
        let vfs = ffi::sqlite3_vfs_find(ptr::null());
        (!vfs.is_null()).then(|| CStr::from_ptr((*vfs).zName))
    };
    name.and_then(|name| name.to_str().ok())
        .ok_or_else(|| Error::Options("SQLite has no VFS to write with".into()))
}

/// The database image in memory of SQLite's own, which `sqlite3_deserialize` takes over.
fn serialize(source: &Connection, schema: &CString) -> rusqlite::Result<OwnedData> {
    let mut bytes: ffi::sqlite3_int64 = 0;
    // SAFETY: the connection is open, and used by this thread only while it is lent to it; the name
    // ends in NUL; the size is written before it is read.
    let (image, code) = unsafe {
        let db = source.handle();
        let image = ffi::sqlite3_serialize(db, schema.as_ptr(), &raw mut bytes, 0);
        (image, ffi::sqlite3_errcode(db))
    };
    let failed = match code {
        ffi::SQLITE_OK | ffi::SQLITE_ROW | ffi::SQLITE_DONE => ffi::SQLITE_NOMEM,
        code => code,
    };
    let image = NonNull::new(image).ok_or_else(|| refusal(failed))?;
    // SAFETY: without SQLITE_SERIALIZE_NOCOPY the image is from sqlite3_malloc64, and the caller's.
    Ok(unsafe { OwnedData::from_raw_nonnull(image, bytes as usize) })
}
