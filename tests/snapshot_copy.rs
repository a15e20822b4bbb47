//! A copy holds what its source holds, whichever way it is made, and leaves nothing when it fails.
#![cfg(feature = "cli")]

use std::path::Path;
use std::sync::mpsc;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use sqlite_membench::workload::database::{Database, DatabaseKind, Place};
use sqlite_membench::workload::snapshot::content::content_hash;
use sqlite_membench::workload::snapshot::copy::{CopyMethod, CopyOptions, copy};
use sqlite_membench::workload::snapshot::fill::fill;
use sqlite_membench::workload::snapshot::schema::Schema;
use sqlite_membench::workload::steps::{Here, Steps};
use sqlite_membench::workload::{Error, Stopped};

const SCALE: f64 = 0.0005;

fn options(method: CopyMethod) -> CopyOptions {
    CopyOptions {
        method,
        backup_pages: 25,
        retry_for: Duration::from_millis(200),
        ..CopyOptions::default()
    }
}

/// A filled database, in the journal mode of its kind.
fn source(database: Database, place: &Place) -> Connection {
    let connection = database.open(place).unwrap();
    if let Some(mode) = database.kind.journal_mode() {
        let dot = database.schema().map_or(String::new(), |s| format!("{s}."));
        let set = format!("PRAGMA {dot}journal_mode = {mode}");
        connection.execute_batch(&set).unwrap();
    }
    fill(
        &connection,
        database.schema(),
        Schema::Nested,
        SCALE,
        1,
        &mut Here,
    )
    .unwrap();
    connection
}

fn files(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}

/// `file::memory:?cache=shared` is one database in a process, so it is copied into itself by nobody.
fn is_itself(source: DatabaseKind, target: DatabaseKind) -> bool {
    source == DatabaseKind::MemoryShared && target == DatabaseKind::MemoryShared
}

/// One test, because all of these share one `file::memory:?cache=shared`.
#[test]
fn every_method_copies_every_database_into_every_kind_that_it_can_make() {
    let directory = tempfile::tempdir().unwrap();
    let mut pairs = 0;
    for database in Database::all() {
        let place = Place::unique(directory.path());
        let from = source(database, &place);
        let schema = database.schema();
        let expected = content_hash(&from, schema).unwrap();
        let before = files(directory.path());
        for kind in DatabaseKind::ALL {
            for method in [
                CopyMethod::Backup,
                CopyMethod::VacuumInto,
                CopyMethod::Serialize,
            ] {
                let how = options(method);
                if is_itself(database.kind, kind) || how.check(kind).is_err() {
                    continue;
                }
                let what = format!("{database} to {kind} by {method:?}");
                let place = Place::unique(directory.path());
                let (snapshot, copied) = copy(&from, schema, kind, &place, &how, &mut Here)
                    .unwrap_or_else(|error| panic!("{what}: {error}"));
                assert_eq!(
                    content_hash(snapshot.connection(), None).unwrap(),
                    expected,
                    "{what}"
                );
                assert!(
                    copied.pages > 60 && copied.bytes == copied.pages * 4096,
                    "{what}: {copied:?}"
                );
                assert_eq!(copied.steps > 1, method == CopyMethod::Backup, "{what}");
                // It is a database of its own, which can be written.
                let write = snapshot.connection().execute_batch("DELETE FROM settings");
                write.unwrap_or_else(|error| panic!("{what}: {error}"));
                if kind.is_shared() {
                    let other = Database::from(kind).open(&place).unwrap();
                    let count = "SELECT count(*) FROM readings";
                    let rows: i64 = other.query_row(count, [], |row| row.get(0)).unwrap();
                    assert_eq!(rows, 2250, "{what}");
                }
                if let Some(mode) = kind.journal_mode() {
                    let found: String = snapshot
                        .connection()
                        .query_row("PRAGMA journal_mode", [], |row| row.get(0))
                        .unwrap();
                    assert_eq!(found, mode.to_lowercase(), "{what}");
                }
                snapshot.dispose(&mut Here).unwrap();
                assert_eq!(files(directory.path()), before, "{what}");
                pairs += 1;
            }
        }
        assert_eq!(content_hash(&from, schema).unwrap(), expected, "{database}");
    }
    // 10 kinds by backup, 7 by VACUUM INTO, 1 by serializing; less what is the same database.
    assert_eq!(pairs, 20 * 18 - 2 * 2);
    // A shared database that holds something is no target.
    let place = Place::unique(directory.path());
    let shared = source(DatabaseKind::MemoryShared.into(), &place);
    for method in [CopyMethod::Backup, CopyMethod::VacuumInto] {
        let kind = DatabaseKind::MemoryShared;
        let refused = copy(&shared, None, kind, &place, &options(method), &mut Here).unwrap_err();
        assert!(refused.to_string().contains("already"), "{refused}");
    }
}

#[test]
fn a_page_size_that_is_not_the_default_is_copied_too() {
    let directory = tempfile::tempdir().unwrap();
    let from = Connection::open_in_memory().unwrap();
    from.execute_batch("PRAGMA page_size = 1024").unwrap();
    fill(&from, None, Schema::Flat, SCALE, 1, &mut Here).unwrap();
    let expected = content_hash(&from, None).unwrap();
    for kind in DatabaseKind::ALL {
        let kind = if kind == DatabaseKind::MemoryShared {
            DatabaseKind::MemoryNamed
        } else {
            kind
        };
        let place = Place::unique(directory.path());
        let how = options(CopyMethod::Backup);
        let (snapshot, copied) = copy(&from, None, kind, &place, &how, &mut Here).unwrap();
        assert_eq!(copied.bytes, copied.pages * 1024, "{kind}");
        assert_eq!(
            content_hash(snapshot.connection(), None).unwrap(),
            expected,
            "{kind}"
        );
    }
    assert!(files(directory.path()).is_empty());
}

#[test]
fn an_empty_database_is_copied_as_one_page() {
    let directory = tempfile::tempdir().unwrap();
    for method in [
        CopyMethod::Backup,
        CopyMethod::VacuumInto,
        CopyMethod::Serialize,
    ] {
        let from = Database::from(DatabaseKind::Memory).open(&Place::unique(directory.path()));
        let how = options(method);
        let kind = match method {
            CopyMethod::VacuumInto => DatabaseKind::MemoryNamed,
            _ => DatabaseKind::Memory,
        };
        let place = Place::unique(directory.path());
        let (snapshot, copied) = copy(&from.unwrap(), None, kind, &place, &how, &mut Here).unwrap();
        assert_eq!(copied.pages, 1, "{copied:?}");
        snapshot
            .connection()
            .execute_batch("CREATE TABLE t (x)")
            .unwrap();
    }
}

#[test]
fn what_a_method_cannot_make_is_refused_before_anything_is_opened() {
    let directory = tempfile::tempdir().unwrap();
    let from = Connection::open_in_memory().unwrap();
    let place = Place::unique(directory.path());
    let refused = |how: &CopyOptions, kind| {
        let refused = copy(&from, None, kind, &place, how, &mut Here).unwrap_err();
        assert!(matches!(refused, Error::Options(_)), "{refused}");
        refused.to_string()
    };
    for kind in [
        DatabaseKind::Memory,
        DatabaseKind::MemoryUri,
        DatabaseKind::Temporary,
    ] {
        let message = refused(&options(CopyMethod::VacuumInto), kind);
        assert!(
            message.contains(kind.name()) && message.contains("memory-named"),
            "{message}"
        );
    }
    refused(&options(CopyMethod::Serialize), DatabaseKind::File);
    for backup_pages in [0, -2] {
        let how = CopyOptions {
            backup_pages,
            ..CopyOptions::default()
        };
        refused(&how, DatabaseKind::File);
    }
    for suffix in ["", "-wal"] {
        let mut stale = place.file().into_os_string();
        stale.push(suffix);
        std::fs::write(&stale, "not ours").unwrap();
        refused(&options(CopyMethod::Backup), DatabaseKind::File);
        assert_eq!(std::fs::read(&stale).unwrap(), b"not ours");
        std::fs::remove_file(&stale).unwrap();
    }
}

#[test]
fn a_directory_may_have_any_name() {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::unique(directory.path());
    let from = source(DatabaseKind::Memdb.into(), &place);
    let expected = content_hash(&from, None).unwrap();
    for name in ["with space", "a?b=c&d#e", "100%41", "\u{e9}"] {
        let directory = directory.path().join(name);
        std::fs::create_dir(&directory).unwrap();
        for method in [CopyMethod::Backup, CopyMethod::VacuumInto] {
            let (place, kind) = (Place::unique(&directory), DatabaseKind::File);
            let (snapshot, _) =
                copy(&from, None, kind, &place, &options(method), &mut Here).unwrap();
            let hash = content_hash(snapshot.connection(), None).unwrap();
            assert_eq!(hash, expected, "{name}");
            assert!(place.file().exists(), "{name}");
        }
    }
}

/// Asks for a stop after so many steps.
struct StopAfter(u32);

impl Steps for StopAfter {
    fn run(&mut self, work: &mut (dyn FnMut() + Send)) {
        work();
    }

    fn progress(&mut self, _: u64, _: u64) -> Result<(), Stopped> {
        self.0 = self.0.checked_sub(1).ok_or(Stopped)?;
        Ok(())
    }
}

#[test]
fn a_copy_that_is_stopped_leaves_nothing_and_its_source_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::unique(directory.path());
    let from = source(DatabaseKind::File.into(), &place);
    let (expected, before) = (content_hash(&from, None).unwrap(), files(directory.path()));
    for kind in DatabaseKind::ALL {
        for after in [0, 1, 2] {
            let place = Place::unique(directory.path());
            let how = options(CopyMethod::Backup);
            let stopped = copy(&from, None, kind, &place, &how, &mut StopAfter(after));
            assert!(matches!(stopped, Err(Error::Stopped)), "{kind}");
            assert_eq!(files(directory.path()), before, "{kind}");
        }
    }
    assert_eq!(content_hash(&from, None).unwrap(), expected);
    from.execute_batch("DELETE FROM settings").unwrap();
}

#[test]
fn a_snapshot_that_is_dropped_removes_its_files() {
    let directory = tempfile::tempdir().unwrap();
    let from = source(
        DatabaseKind::Memory.into(),
        &Place::unique(directory.path()),
    );
    let place = Place::unique(directory.path());
    let how = options(CopyMethod::Backup);
    let (snapshot, _) = copy(&from, None, DatabaseKind::FileWal, &place, &how, &mut Here).unwrap();
    snapshot
        .connection()
        .execute_batch("DELETE FROM settings")
        .unwrap();
    assert_eq!(
        files(directory.path()).len(),
        3,
        "database, WAL and its index"
    );
    drop(snapshot);
    assert!(files(directory.path()).is_empty());
}

#[test]
fn a_lock_that_stays_ends_the_copy_in_time_and_is_told_of() {
    let directory = tempfile::tempdir().unwrap();
    let locked_place = Place::unique(directory.path());
    let from = source(DatabaseKind::File.into(), &locked_place);
    from.busy_timeout(Duration::ZERO).unwrap();
    let locking = Database::from(DatabaseKind::File)
        .open(&locked_place)
        .unwrap();
    locking.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let before = files(directory.path());
    for (method, kind) in [
        (CopyMethod::Backup, DatabaseKind::File),
        (CopyMethod::Backup, DatabaseKind::FileWal),
        (CopyMethod::VacuumInto, DatabaseKind::File),
        (CopyMethod::Serialize, DatabaseKind::Memory),
    ] {
        let (place, began) = (Place::unique(directory.path()), Instant::now());
        let locked = copy(&from, None, kind, &place, &options(method), &mut Here);
        let Err(Error::Sqlite { doing, source }) = locked else {
            panic!("{method:?}: {locked:?}");
        };
        assert!(doing.contains("for a lock"), "{doing}");
        assert!(source.to_string().contains("locked"), "{source}");
        assert!(
            began.elapsed() < Duration::from_secs(3),
            "{:?}",
            began.elapsed()
        );
        assert_eq!(files(directory.path()), before);
    }
}

#[test]
fn a_target_that_is_locked_is_answered_with_its_lock() {
    let directory = tempfile::tempdir().unwrap();
    let from = source(
        DatabaseKind::Memory.into(),
        &Place::unique(directory.path()),
    );
    let place = Place::unique(directory.path());
    let mut steps = LockTarget {
        place: place.clone(),
        steps: 0,
        locking: None,
    };
    let how = options(CopyMethod::Backup);
    let locked = copy(&from, None, DatabaseKind::File, &place, &how, &mut steps).unwrap_err();
    assert!(locked.to_string().contains("for a lock"), "{locked}");
    drop(steps);
    assert!(files(directory.path()).is_empty());
}

/// Locks the target when it has been opened.
struct LockTarget {
    place: Place,
    steps: u32,
    locking: Option<Connection>,
}

impl Steps for LockTarget {
    fn run(&mut self, work: &mut (dyn FnMut() + Send)) {
        work();
        self.steps += 1;
        // Opened, and seen to be empty.
        if self.steps == 2 {
            let locking = Database::from(DatabaseKind::File)
                .open(&self.place)
                .unwrap();
            locking.execute_batch("BEGIN EXCLUSIVE").unwrap();
            self.locking = Some(locking);
        }
    }

    fn progress(&mut self, _: u64, _: u64) -> Result<(), Stopped> {
        Ok(())
    }
}

#[test]
fn a_lock_that_goes_away_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::unique(directory.path());
    let from = source(DatabaseKind::File.into(), &place);
    from.busy_timeout(Duration::ZERO).unwrap();
    let locking = Database::from(DatabaseKind::File).open(&place).unwrap();
    locking.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let unlock = thread::spawn(move || {
        thread::sleep(Duration::from_millis(60));
        locking.execute_batch("COMMIT").unwrap();
    });
    let how = CopyOptions {
        retry_for: Duration::from_secs(30),
        ..options(CopyMethod::Backup)
    };
    let place = Place::unique(directory.path());
    let (snapshot, copied) =
        copy(&from, None, DatabaseKind::Memory, &place, &how, &mut Here).unwrap();
    unlock.join().unwrap();
    assert!(copied.retries > 0, "{copied:?}");
    let expected = content_hash(&from, None).unwrap();
    assert_eq!(content_hash(snapshot.connection(), None).unwrap(), expected);
}

/// Writes to the source through another connection after so many steps that copy pages.
struct WriteBetween {
    writer: Connection,
    times: u32,
}

impl Steps for WriteBetween {
    fn run(&mut self, work: &mut (dyn FnMut() + Send)) {
        work();
    }

    fn progress(&mut self, done: u64, total: u64) -> Result<(), Stopped> {
        if self.times > 0 && done < total {
            self.times -= 1;
            let write = "UPDATE settings SET value = value || 'x'";
            self.writer.execute_batch(write).unwrap();
        }
        Ok(())
    }
}

#[test]
fn a_source_that_another_connection_writes_is_copied_anew_so_many_times_and_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::unique(directory.path());
    let from = source(DatabaseKind::File.into(), &place);
    let copied = |times, restarts| {
        let writer = Database::from(DatabaseKind::File).open(&place).unwrap();
        let mut steps = WriteBetween { writer, times };
        let how = CopyOptions {
            restarts,
            ..options(CopyMethod::Backup)
        };
        let to = Place::unique(directory.path());
        copy(&from, None, DatabaseKind::Memory, &to, &how, &mut steps)
    };
    let (snapshot, twice) = copied(2, 2).unwrap();
    assert_eq!(twice.restarts, 2);
    let expected = content_hash(&from, None).unwrap();
    assert_eq!(content_hash(snapshot.connection(), None).unwrap(), expected);
    let too_often = copied(u32::MAX, 3).unwrap_err();
    assert!(too_often.to_string().contains("4 times"), "{too_often}");
}

/// Every step on another thread, which lives on.
struct Elsewhere {
    send: mpsc::Sender<Box<dyn FnOnce() + Send>>,
    ran_on: mpsc::Receiver<ThreadId>,
    steps: u32,
}

impl Steps for Elsewhere {
    fn run(&mut self, work: &mut (dyn FnMut() + Send)) {
        // SAFETY: a longer lifetime; the work is done before this function returns.
        let work: &'static mut (dyn FnMut() + Send) = unsafe { std::mem::transmute(work) };
        self.send.send(Box::new(work)).unwrap();
        assert_ne!(self.ran_on.recv().unwrap(), thread::current().id());
        self.steps += 1;
    }

    fn progress(&mut self, _: u64, _: u64) -> Result<(), Stopped> {
        Ok(())
    }
}

#[test]
fn all_of_a_copy_can_run_on_another_thread() {
    let directory = tempfile::tempdir().unwrap();
    let from = source(
        DatabaseKind::Memory.into(),
        &Place::unique(directory.path()),
    );
    let expected = content_hash(&from, None).unwrap();
    let (send, receive) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
    let (done, ran_on) = mpsc::channel();
    let worker = thread::spawn(move || {
        for work in receive {
            work();
            done.send(thread::current().id()).unwrap();
        }
    });
    let mut steps = Elsewhere {
        send,
        ran_on,
        steps: 0,
    };
    let methods = [
        CopyMethod::Backup,
        CopyMethod::VacuumInto,
        CopyMethod::Serialize,
    ];
    let kinds = [
        DatabaseKind::FileWal,
        DatabaseKind::Memdb,
        DatabaseKind::Memory,
    ];
    for (method, kind) in methods.into_iter().zip(kinds) {
        let place = Place::unique(directory.path());
        let before = steps.steps;
        let how = options(method);
        let (snapshot, copied) = copy(&from, None, kind, &place, &how, &mut steps).unwrap();
        assert_eq!(
            content_hash(snapshot.connection(), None).unwrap(),
            expected,
            "{kind}"
        );
        snapshot.dispose(&mut steps).unwrap();
        assert!(
            u64::from(steps.steps - before) >= copied.steps + 3,
            "{method:?}"
        );
    }
    drop(steps);
    worker.join().unwrap();
}
