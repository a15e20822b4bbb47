//! The facts of SQLite's page on in-memory databases that concern the whole process: how much
//! memory SQLite holds, which files it has open, and the working directory. One test at a time.
#![cfg(feature = "cli")]

use std::collections::BTreeSet;
use std::ffi::{CStr, c_int, c_void};
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, ffi};
use sqlite_membench::workload::database::{Database, DatabaseKind, Place};

/// Held by every test: what is counted here is counted for the process.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `sqlite3_status64(MEMORY_USED)`.
fn memory_used_bytes() -> i64 {
    let (mut used, mut peak) = (0, 0);
    // SAFETY: writes two integers that live on this stack.
    let result = unsafe {
        let op = ffi::SQLITE_STATUS_MEMORY_USED;
        ffi::sqlite3_status64(op, &raw mut used, &raw mut peak, 0)
    };
    assert_eq!(result, ffi::SQLITE_OK);
    used
}

/// `sqlite3_db_status(CACHE_USED)`.
fn page_cache_bytes(connection: &Connection) -> i64 {
    let (mut used, mut peak) = (0, 0);
    // SAFETY: the handle is open as long as `connection` is; the integers live on this stack.
    let result = unsafe {
        let op = ffi::SQLITE_DBSTATUS_CACHE_USED;
        ffi::sqlite3_db_status(connection.handle(), op, &raw mut used, &raw mut peak, 0)
    };
    assert_eq!(result, ffi::SQLITE_OK);
    used.into()
}

/// The regular files that the process has open; a deleted one ends in ` (deleted)`.
fn open_files() -> BTreeSet<PathBuf> {
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
    let files = descriptors.filter_map(|entry| {
        let link = entry.unwrap().path();
        let is_file = link.metadata().is_ok_and(|file| file.is_file());
        is_file.then(|| std::fs::read_link(link).unwrap())
    });
    files.collect()
}

/// The temporary files of SQLite that the process has open. They have no name: it opens them with
/// `O_TMPFILE`, or removes their `etilqs_...` at once.
fn spilled() -> Vec<PathBuf> {
    let nameless = |file: &PathBuf| {
        let text = file.to_string_lossy();
        text.ends_with(" (deleted)") && (text.contains("/#") || text.contains("/etilqs_"))
    };
    open_files().into_iter().filter(nameless).collect()
}

/// 4 MiB, in one transaction.
fn fill(connection: &Connection, schema: &str) {
    let sql = format!(
        "CREATE TABLE {schema}.big (x); INSERT INTO {schema}.big
         WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 4096)
         SELECT randomblob(1000) FROM i"
    );
    connection.execute_batch(&sql).unwrap();
}

/// A small page cache, which 4 MiB do not fit into.
fn small_cache(connection: &Connection, schema: &str) {
    connection
        .execute_batch(&format!("PRAGMA {schema}.cache_size = 100"))
        .unwrap();
}

fn attach_empty(connection: &Connection) {
    connection
        .execute_batch("ATTACH DATABASE '' AS aux2")
        .unwrap();
}

fn memory_kinds() -> impl Iterator<Item = Database> {
    Database::all().filter(|database| database.kind.is_memory())
}

#[test]
fn memory_is_reclaimed_when_the_last_shared_connection_closes() {
    let _alone = alone();
    for database in memory_kinds().filter(|database| database.kind.is_shared()) {
        let before = memory_used_bytes();
        let place = Place::unique(Path::new("."));
        let (one, two) = (
            database.open(&place).unwrap(),
            database.open(&place).unwrap(),
        );
        fill(&one, database.schema().unwrap_or("main"));
        one.close().unwrap();
        let kept = memory_used_bytes() - before;
        assert!(
            kept > 4 << 20,
            "{database}: the other connection keeps it, {kept} bytes"
        );
        two.close().unwrap();
        assert_eq!(memory_used_bytes(), before, "{database}");
    }
}

#[test]
fn memory_is_reclaimed_to_the_last_byte_when_a_database_closes() {
    let _alone = alone();
    for database in Database::all() {
        let directory = tempfile::tempdir().unwrap();
        let connection = database.open(&Place::unique(directory.path())).unwrap();
        fill(&connection, database.schema().unwrap_or("main"));
        assert!(memory_used_bytes() > 0, "{database}");
        connection.close().unwrap();
        assert_eq!(memory_used_bytes(), 0, "{database}");
    }
}

#[test]
fn a_memory_database_opens_no_file_and_stays_in_memory_whatever_its_cache_size() {
    let _alone = alone();
    for database in memory_kinds() {
        let before = open_files();
        let place = Place::unique(Path::new("."));
        let schema = database.schema().unwrap_or("main");
        let used_before = memory_used_bytes();
        let connection = database.open(&place).unwrap();
        small_cache(&connection, schema);
        fill(&connection, schema);
        assert_eq!(open_files(), before, "{database}");
        let used = memory_used_bytes() - used_before;
        assert!(used > 4 << 20, "{database}: {used} bytes");
    }
}

#[test]
fn a_temporary_database_may_spill_to_disk_and_memory_may_not() {
    let _alone = alone();
    for (kind, spills) in [
        (DatabaseKind::Temporary, true),
        (DatabaseKind::Memory, false),
    ] {
        for attached in [false, true] {
            let database = Database { kind, attached };
            let schema = database.schema().unwrap_or("main");
            let connection = database.open(&Place::unique(Path::new("."))).unwrap();
            small_cache(&connection, schema);
            fill(&connection, schema);
            assert_eq!(
                spilled().len(),
                usize::from(spills),
                "{database}: {:?}",
                spilled()
            );
            let used = memory_used_bytes();
            assert_eq!(used < 2 << 20, spills, "{database}: {used} bytes");
        }
    }
}

#[test]
fn a_temporary_database_that_fits_its_cache_opens_no_file() {
    let _alone = alone();
    for attached in [false, true] {
        let before = open_files();
        let database = Database {
            kind: DatabaseKind::Temporary,
            attached,
        };
        let schema = database.schema().unwrap_or("main");
        let connection = database.open(&Place::unique(Path::new("."))).unwrap();
        connection
            .execute_batch(&format!("PRAGMA {schema}.cache_size = 10000"))
            .unwrap();
        fill(&connection, schema);
        assert_eq!(open_files(), before, "{database}");
    }
}

#[test]
fn each_temporary_database_has_a_file_of_its_own_which_goes_when_it_is_closed() {
    let _alone = alone();
    let temporary = || {
        let connection = Connection::open("").unwrap();
        small_cache(&connection, "main");
        fill(&connection, "main");
        connection
    };
    let (one, two) = (temporary(), temporary());
    let files = spilled();
    assert_eq!(files.len(), 2, "{files:?}");
    for file in &files {
        let text = file.to_str().unwrap();
        let path = text
            .strip_suffix(" (deleted)")
            .expect("it has no name while it is open");
        assert!(!Path::new(path).exists());
    }
    one.close().unwrap();
    assert_eq!(spilled().len(), 1);
    two.close().unwrap();
    assert_eq!(spilled().len(), 0);
}

#[test]
fn a_temporary_database_spills_under_memory_pressure() {
    let _alone = alone();
    let limit = |bytes: i64| {
        // SAFETY: sets a number; no memory is handed over.
        unsafe { ffi::sqlite3_soft_heap_limit64(bytes) };
    };
    for (limit_bytes, spills) in [(0, false), (1 << 20, true)] {
        let connection = Connection::open("").unwrap();
        connection
            .execute_batch("PRAGMA cache_size = 100000")
            .unwrap();
        limit(limit_bytes);
        fill(&connection, "main");
        limit(0);
        assert_eq!(
            !spilled().is_empty(),
            spills,
            "soft heap limit {limit_bytes}"
        );
    }
}

#[test]
fn temp_store_memory_makes_a_temporary_database_pure_memory() {
    let _alone = alone();
    for (temp_store, spills) in [("FILE", true), ("MEMORY", false), ("DEFAULT", true)] {
        let connection = Connection::open(":memory:").unwrap();
        connection
            .execute_batch(&format!("PRAGMA temp_store = {temp_store}"))
            .unwrap();
        attach_empty(&connection);
        small_cache(&connection, "aux2");
        fill(&connection, "aux2");
        assert_eq!(!spilled().is_empty(), spills, "temp_store = {temp_store}");
    }
}

#[test]
fn temp_store_is_heeded_when_a_temporary_database_is_opened_and_not_later() {
    let _alone = alone();
    let main = Connection::open("").unwrap();
    let attached = Connection::open(":memory:").unwrap();
    attach_empty(&attached);
    for (connection, schema) in [(main, "main"), (attached, "aux2")] {
        connection
            .execute_batch("PRAGMA temp_store = MEMORY")
            .unwrap();
        small_cache(&connection, schema);
        fill(&connection, schema);
        assert_eq!(spilled().len(), 1, "{schema}");
    }
}

#[test]
fn the_image_of_memdb_is_no_page_cache() {
    let _alone = alone();
    let measure = |kind: DatabaseKind| {
        let database = Database::from(kind);
        let connection = database.open(&Place::unique(Path::new("."))).unwrap();
        small_cache(&connection, "main");
        fill(&connection, "main");
        (page_cache_bytes(&connection), memory_used_bytes())
    };
    let (memory_cache, memory) = measure(DatabaseKind::Memory);
    assert!(
        memory_cache > 4 << 20,
        "`:memory:` is its page cache: {memory_cache} of {memory}"
    );
    let (memdb_cache, memdb) = measure(DatabaseKind::Memdb);
    assert!(
        memdb_cache < 1 << 20 && memdb > 4 << 20,
        "memdb: {memdb_cache} of {memdb}"
    );
}

#[test]
fn the_memory_name_takes_no_additional_text() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let back = std::env::current_dir().unwrap();
    std::env::set_current_dir(directory.path()).unwrap();
    let left = |filename: &str| {
        let connection = Connection::open(filename).unwrap();
        connection.execute_batch("CREATE TABLE x (x)").unwrap();
        drop(connection);
        let entries = std::fs::read_dir(".")
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        let entries: Vec<_> = entries.collect();
        entries
            .iter()
            .for_each(|entry| std::fs::remove_file(entry).unwrap());
        entries
    };
    let names = [
        "./:memory:",
        ":memory: ",
        " :memory:",
        ":memory:2",
        ":MEMORY:",
        "memory",
        ":memory:",
    ];
    let files = names.map(left);
    std::env::set_current_dir(back).unwrap();
    let expected = [
        vec![":memory:"],
        vec![":memory: "],
        vec![" :memory:"],
        vec![":memory:2"],
        vec![":MEMORY:"],
        vec!["memory"],
        vec![],
    ];
    assert_eq!(files, expected);
}

#[test]
fn every_open_function_takes_the_special_names() {
    let _alone = alone();
    for name in [c":memory:", c""] {
        let before = open_files();
        for open in [open_8, open_16, open_v2] {
            let mut db = ptr::null_mut();
            assert_eq!(open(name, &mut db), ffi::SQLITE_OK, "{name:?}");
            // SAFETY: `db` was opened just now and is closed once.
            let results = unsafe {
                let sql = c"CREATE TABLE x (x); INSERT INTO x VALUES (1)".as_ptr();
                let wrote = ffi::sqlite3_exec(db, sql, None, ptr::null_mut(), ptr::null_mut());
                let opened = open_files();
                assert_eq!(opened, before, "{name:?}");
                (wrote, ffi::sqlite3_close(db))
            };
            assert_eq!(results, (ffi::SQLITE_OK, ffi::SQLITE_OK), "{name:?}");
        }
    }
}

fn open_8(name: &CStr, db: &mut *mut ffi::sqlite3) -> c_int {
    // SAFETY: the name ends in NUL and the handle has a place.
    unsafe { ffi::sqlite3_open(name.as_ptr(), db) }
}

unsafe extern "C" {
    /// In the library, and not in the bindings.
    fn sqlite3_open16(filename: *const c_void, db: *mut *mut ffi::sqlite3) -> c_int;
}

fn open_16(name: &CStr, db: &mut *mut ffi::sqlite3) -> c_int {
    let utf16: Vec<u16> = name.to_str().unwrap().encode_utf16().chain([0]).collect();
    // SAFETY: the name ends in a 16-bit NUL and the handle has a place.
    unsafe { sqlite3_open16(utf16.as_ptr().cast::<c_void>(), db) }
}

fn open_v2(name: &CStr, db: &mut *mut ffi::sqlite3) -> c_int {
    let flags = ffi::SQLITE_OPEN_READWRITE | ffi::SQLITE_OPEN_CREATE;
    // SAFETY: the name ends in NUL and the handle has a place.
    unsafe { ffi::sqlite3_open_v2(name.as_ptr(), db, flags, ptr::null()) }
}
