//! What a ledger says of databases in memory, kind by kind.
#![cfg(feature = "cli")]

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, ffi};
use sqlite_membench::allocator::global::{Switchable, counters};
use sqlite_membench::memory::databases::Images;
use sqlite_membench::memory::sqlite::{ConnectionStatus, read_connection};
use sqlite_membench::workload::database::{Database, DatabaseKind, Place};

#[global_allocator]
static ALLOCATOR: Switchable = Switchable::new();

/// Held by every test: allocations are counted for the process.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As a ledger reads its connections.
fn read(connections: &[&Connection]) -> Vec<ConnectionStatus> {
    let mut images = Images::new();
    let mut read = Vec::with_capacity(connections.len());
    for connection in connections {
        // SAFETY: the connection is borrowed, and so open, and no other thread has it.
        read.push(unsafe { read_connection(connection.handle(), &mut images) });
    }
    read
}

fn bytes(connections: &[&Connection]) -> i64 {
    let read = read(connections);
    read.iter().map(|one| one.memory_database_bytes).sum()
}

fn schema(database: Database) -> &'static str {
    database.schema().unwrap_or("main")
}

/// About 2 MiB; the database's size then.
fn fill(connection: &Connection, schema: &str) -> i64 {
    let sql = format!(
        "CREATE TABLE {schema}.big (x); INSERT INTO {schema}.big
         WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 2048)
         SELECT randomblob(1000) FROM i"
    );
    connection.execute_batch(&sql).unwrap();
    let pragma = |name: &str| -> i64 {
        let sql = format!("PRAGMA {schema}.{name}");
        connection.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    pragma("page_count") * pragma("page_size")
}

/// A page in the cache has some hundred bytes beside it; a pager has some kilobytes.
#[track_caller]
fn assert_about(bytes: i64, expected: i64, what: impl std::fmt::Display) {
    let most = expected + expected / 8 + (32 << 10);
    assert!(
        (expected..most).contains(&bytes),
        "{what}: {bytes}, {expected}"
    );
}

#[test]
fn a_database_in_memory_counts_and_a_file_does_not() {
    let _alone = alone();
    for database in Database::all() {
        let directory = tempfile::tempdir().unwrap();
        let connection = database.open(&Place::unique(directory.path())).unwrap();
        let small = bytes(&[&connection]);
        assert!(small < 32 << 10, "{database}: {small}");
        // What spilled is in a file.
        let cache = format!("PRAGMA {}.cache_size = 10000", schema(database));
        connection.execute_batch(&cache).unwrap();
        let size = fill(&connection, schema(database));
        assert!(size > 2 << 20);
        let found = read(&[&connection])[0];
        let (all, images) = (found.memory_database_bytes, found.memdb_image_bytes);
        match database.kind {
            kind if kind.is_file() => assert_eq!((all, images), (0, 0), "{database}"),
            // Its page cache has copies of the image's pages.
            DatabaseKind::Memdb => assert_eq!((all, images), (size, size), "{database}"),
            _ => {
                assert_about(all, size, database);
                assert_eq!(images, 0, "{database}");
            }
        }
    }
}

#[test]
fn connections_that_share_a_database_count_it_once() {
    let _alone = alone();
    let shared = |one: &Database| one.kind.is_memory() && one.kind.is_shared();
    for database in Database::all().filter(shared) {
        let place = Place::unique(Path::new("."));
        let open = || database.open(&place).unwrap();
        let (one, two, three) = (open(), open(), open());
        let size = fill(&one, schema(database));
        let connections = [&one, &two, &three];
        assert_about(bytes(&connections), size, database);
        let other = Database::from(database.kind)
            .open(&Place::unique(Path::new(".")))
            .unwrap();
        let shares_all = database.kind == DatabaseKind::MemoryShared;
        if !shares_all {
            let more = fill(&other, "main");
            let all = [&one, &two, &three, &other];
            assert_about(bytes(&all), size + more, database);
        }
    }
}

#[test]
fn memdb_files_with_names_of_their_own_are_images_of_their_own() {
    let _alone = alone();
    // Without the slash a name is shared with nobody.
    let open = |name: &str| Connection::open(format!("file:{name}?vfs=memdb")).unwrap();
    let (one, two) = (open("same"), open("same"));
    let size = fill(&one, "main") + fill(&two, "main");
    assert_eq!(bytes(&[&one, &two]), size);
    assert_eq!(bytes(&[&one, &one]), size / 2);
}

#[test]
fn a_deserialized_database_is_an_image() {
    let _alone = alone();
    let mut from = Connection::open_in_memory().unwrap();
    let size = fill(&from, "main");
    let mut to = Connection::open_in_memory().unwrap();
    let image = from.serialize("main").unwrap();
    to.deserialize_read_exact("main", &image[..], image.len(), false)
        .unwrap();
    assert_eq!(read(&[&to])[0].memdb_image_bytes, size);
}

#[test]
fn a_temporary_database_that_has_spilled_is_in_a_file() {
    let _alone = alone();
    let temporary = Database::from(DatabaseKind::Temporary);
    let connection = temporary.open(&Place::unique(Path::new("."))).unwrap();
    connection.execute_batch("PRAGMA cache_size = 100").unwrap();
    fill(&connection, "main");
    assert_eq!(bytes(&[&connection]), 0);
}

#[test]
fn a_file_beside_a_memory_database_hides_it() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let connection = Connection::open_in_memory().unwrap();
    let size = fill(&connection, "main");
    assert_about(bytes(&[&connection]), size, "alone");
    connection
        .execute_batch("CREATE TEMP TABLE t AS SELECT 1")
        .unwrap();
    assert_about(bytes(&[&connection]), size, "with temporary tables");
    let file = directory.path().join("file.db");
    let attach = "ATTACH ? AS aux1";
    connection
        .execute(attach, [file.to_str().unwrap()])
        .unwrap();
    assert_eq!(bytes(&[&connection]), 0);
    connection.execute_batch("DETACH aux1").unwrap();
    assert_about(bytes(&[&connection]), size, "alone again");
}

#[test]
fn a_transaction_in_its_middle_is_read_and_goes_on() {
    let _alone = alone();
    for database in Database::all() {
        let directory = tempfile::tempdir().unwrap();
        let connection = database.open(&Place::unique(directory.path())).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        fill(&connection, schema(database));
        read(&[&connection]);
        let insert = format!("INSERT INTO {}.big VALUES (1); COMMIT", schema(database));
        connection.execute_batch(&insert).unwrap();
    }
}

/// `sqlite3_status64(MEMORY_USED)`, now and the highest since it was asked for last.
fn sqlite_memory() -> (i64, i64) {
    let (mut now, mut high) = (0, 0);
    // SAFETY: writes two integers that live on this stack.
    unsafe {
        ffi::sqlite3_status64(
            ffi::SQLITE_STATUS_MEMORY_USED,
            &raw mut now,
            &raw mut high,
            1,
        );
    }
    (now, high)
}

#[test]
fn reading_connections_allocates_nothing() {
    let _alone = alone();
    for database in Database::all() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::unique(directory.path());
        let connections = [
            database.open(&place).unwrap(),
            database.open(&place).unwrap(),
        ];
        fill(&connections[0], schema(database));
        let mut images = Images::new();
        sqlite_memory();
        let before = (sqlite_memory().0, counters().unwrap().total_blocks);
        for connection in &connections {
            // SAFETY: the connection is borrowed, and so open, and no other thread has it.
            unsafe { read_connection(connection.handle(), &mut images) };
        }
        let after = counters().unwrap().total_blocks;
        let (now, high) = sqlite_memory();
        assert_eq!((now, after), before, "{database}");
        assert_eq!(high, now, "{database}: SQLite allocated and freed");
    }
}
