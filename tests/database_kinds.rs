//! Every fact of SQLite's page on in-memory databases, held: what is distinct, what is shared, and
//! what is a file. What concerns the whole process (memory in use, open files, the working
//! directory) is in `database_kinds_memory.rs`.
#![cfg(feature = "cli")]

use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use sqlite_membench::workload::database::{ATTACHED_AS, Database, DatabaseKind, Place};

/// Opens by SQLite's own rules, URIs and all.
fn open(filename: &str) -> Connection {
    Connection::open(filename).unwrap_or_else(|error| panic!("{filename}: {error}"))
}

/// An empty `:memory:` with `filename` attached as `aux1`.
fn attach(filename: &str) -> Connection {
    let connection = open(":memory:");
    connection
        .execute("ATTACH DATABASE ? AS aux1", [filename])
        .unwrap();
    connection
}

/// Leaves a mark in a schema.
fn mark(connection: &Connection, schema: &str) {
    connection
        .execute_batch(&format!("CREATE TABLE {schema}.mark (x)"))
        .unwrap();
}

fn is_marked(connection: &Connection, schema: &str) -> bool {
    let sql = format!("SELECT count(*) FROM {schema}.sqlite_schema WHERE name = 'mark'");
    connection
        .query_row(&sql, [], |row| row.get::<_, i64>(0))
        .unwrap()
        == 1
}

/// The file behind a schema; empty where there is none.
fn file_of(connection: &Connection, schema: &str) -> String {
    let sql = "SELECT ifnull(file, '') FROM pragma_database_list WHERE name = ?";
    connection
        .query_row(sql, [schema], |row| row.get(0))
        .unwrap()
}

fn entries(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// A name that no other test uses: these databases are the whole process's.
fn shared(name: &str) -> String {
    format!("file:{name}?mode=memory&cache=shared")
}

#[test]
fn the_memory_name_opens_a_database_without_a_file() {
    let connection = open(":memory:");
    mark(&connection, "main");
    assert_eq!(file_of(&connection, "main"), "");
    assert!(!Path::new(":memory:").exists());
}

#[test]
fn a_memory_database_ceases_to_exist_when_its_connection_closes() {
    let connection = open(":memory:");
    mark(&connection, "main");
    connection.close().unwrap();
    assert!(!is_marked(&open(":memory:"), "main"));
}

#[test]
fn two_memory_databases_are_distinct() {
    let (one, two) = (open(":memory:"), open(":memory:"));
    mark(&one, "main");
    assert!(is_marked(&one, "main"));
    assert!(!is_marked(&two, "main"));
}

#[test]
fn the_memory_name_can_be_attached() {
    let connection = attach(":memory:");
    mark(&connection, "aux1");
    assert!(is_marked(&connection, "aux1"));
    assert!(
        !is_marked(&connection, "main"),
        "main and aux1 are distinct, both `:memory:`"
    );
    assert_eq!(file_of(&connection, "aux1"), "");
}

#[test]
fn the_memory_name_can_be_attached_to_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let connection = open(directory.path().join("main.db").to_str().unwrap());
    connection
        .execute_batch("ATTACH DATABASE ':memory:' AS aux1")
        .unwrap();
    mark(&connection, "aux1");
    assert_eq!(file_of(&connection, "aux1"), "");
    assert_eq!(entries(directory.path()), ["main.db"]);
}

#[test]
fn the_memory_name_can_be_vacuumed_into() {
    let connection = open(":memory:");
    mark(&connection, "main");
    connection.execute_batch("VACUUM INTO ':memory:'").unwrap();
    assert!(!Path::new(":memory:").exists());
}

#[test]
fn a_path_in_front_makes_memory_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(":memory:");
    let connection = open(path.to_str().unwrap());
    mark(&connection, "main");
    connection.close().unwrap();
    assert_eq!(entries(directory.path()), [":memory:"]);
    assert!(
        is_marked(&open(path.to_str().unwrap()), "main"),
        "and it outlives its connection"
    );
}

#[test]
fn a_path_in_front_makes_attached_memory_a_file() {
    let directory = tempfile::tempdir().unwrap();
    mark(
        &attach(directory.path().join(":memory:").to_str().unwrap()),
        "aux1",
    );
    assert_eq!(entries(directory.path()), [":memory:"]);
}

#[test]
fn the_memory_name_works_as_a_uri() {
    let (one, two) = (open("file::memory:"), open("file::memory:"));
    mark(&one, "main");
    assert_eq!(file_of(&one, "main"), "");
    assert!(
        !is_marked(&two, "main"),
        "without cache=shared each is its own"
    );
}

#[test]
fn the_memory_uri_can_be_attached() {
    let connection = attach("file::memory:");
    mark(&connection, "aux1");
    assert_eq!(file_of(&connection, "aux1"), "");
    assert!(!is_marked(&attach("file::memory:"), "aux1"));
}

#[test]
fn unadorned_memory_is_private_even_where_shared_cache_is_asked_for() {
    let flags = OpenFlags::default() | OpenFlags::SQLITE_OPEN_SHARED_CACHE;
    let open_shared = || Connection::open_with_flags(":memory:", flags).unwrap();
    let (one, two) = (open_shared(), open_shared());
    mark(&one, "main");
    assert!(!is_marked(&two, "main"));
}

#[test]
fn a_uri_is_shared_where_shared_cache_is_asked_for() {
    let flags = OpenFlags::default() | OpenFlags::SQLITE_OPEN_SHARED_CACHE;
    let open_shared = || Connection::open_with_flags("file:by-flag?mode=memory", flags).unwrap();
    let (one, two) = (open_shared(), open_shared());
    mark(&one, "main");
    assert!(is_marked(&two, "main"));
}

/// All of `file::memory:?cache=shared` in one test: there is one such database in a process.
#[test]
fn a_shared_memory_database_is_one_however_it_is_reached() {
    let uri = "file::memory:?cache=shared";
    let (opened, again, attached) = (open(uri), open(uri), attach(uri));
    mark(&opened, "main");
    assert!(is_marked(&again, "main"));
    assert!(is_marked(&attached, "aux1"));
    assert!(!is_marked(&open(":memory:"), "main"));
    assert!(
        !is_marked(&open("file::memory:"), "main"),
        "without cache=shared it is private"
    );
    assert_eq!(file_of(&opened, "main"), "");

    drop((opened, again));
    assert!(is_marked(&attached, "aux1"), "the last connection keeps it");
    drop(attached);
    assert!(
        !is_marked(&open(uri), "main"),
        "and it is deleted with the last"
    );
}

#[test]
fn a_named_memory_database_is_shared_by_its_name() {
    let uri = shared("by-name");
    let (opened, again, attached) = (open(&uri), open(&uri), attach(&uri));
    mark(&attached, "aux1");
    assert!(is_marked(&opened, "main") && is_marked(&again, "main"));
    assert_eq!(
        file_of(&opened, "main"),
        "",
        "mode=memory has no file whatever its name"
    );
}

#[test]
fn two_names_are_two_memory_databases() {
    let (one, two) = (open(&shared("memdb1")), open(&shared("memdb2")));
    mark(&one, "main");
    assert!(!is_marked(&two, "main"));
    let (one, two) = (attach(&shared("memdb1")), attach(&shared("memdb2")));
    assert!(is_marked(&one, "aux1"));
    assert!(!is_marked(&two, "aux1"));
}

#[test]
fn only_exactly_the_same_name_is_shared() {
    let one = open(&shared("exact"));
    mark(&one, "main");
    for other in ["Exact", "exact1", "exac", "./exact", "%20exact"] {
        assert!(!is_marked(&open(&shared(other)), "main"), "{other}");
    }
    assert!(
        is_marked(&open(&shared("%65xact")), "main"),
        "the name, not its spelling in the URI"
    );
}

#[test]
fn a_name_without_shared_cache_is_private() {
    let uri = "file:unshared?mode=memory";
    let (one, two) = (open(uri), open(uri));
    mark(&one, "main");
    assert!(!is_marked(&two, "main"));
}

#[test]
fn a_named_memory_database_goes_with_its_last_connection() {
    let uri = shared("last");
    let (one, two) = (open(&uri), open(&uri));
    mark(&one, "main");
    one.close().unwrap();
    assert!(is_marked(&two, "main"));
    two.close().unwrap();
    assert!(!is_marked(&open(&uri), "main"));
}

/// Tells a second process, this test run again, which database to look for.
const LOOK_FOR: &str = "MEMBENCH_TEST_LOOK_FOR";

#[test]
fn a_shared_memory_database_is_not_shared_with_another_process() {
    if let Some(uri) = std::env::var_os(LOOK_FOR) {
        println!(
            "the other process sees: {}",
            is_marked(&open(uri.to_str().unwrap()), "main")
        );
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = format!("file:{}/control.db", directory.path().display());
    for (uri, seen) in [(shared("another-process"), false), (file, true)] {
        let connection = open(&uri);
        mark(&connection, "main");
        let name = "a_shared_memory_database_is_not_shared_with_another_process";
        let mut other = std::process::Command::new(std::env::current_exe().unwrap());
        other
            .args(["--exact", name, "--nocapture"])
            .env(LOOK_FOR, &uri);
        let output = String::from_utf8(other.output().unwrap().stdout).unwrap();
        assert!(
            output.contains(&format!("the other process sees: {seen}")),
            "{uri}: {output}"
        );
    }
}

#[test]
fn an_empty_name_opens_a_temporary_database_of_its_own() {
    let (one, two) = (open(""), open(""));
    mark(&one, "main");
    assert!(is_marked(&one, "main"));
    assert!(!is_marked(&two, "main"));
    assert_eq!(file_of(&one, "main"), "");
    one.close().unwrap();
    assert!(
        !is_marked(&open(""), "main"),
        "it is gone with its connection"
    );
}

#[test]
fn an_empty_name_can_be_attached() {
    let (one, two) = (attach(""), attach(""));
    mark(&one, "aux1");
    assert!(is_marked(&one, "aux1"));
    assert!(!is_marked(&one, "main"));
    assert!(!is_marked(&two, "aux1"));
}

#[test]
fn this_build_of_sqlite_leaves_temp_store_to_the_pragma() {
    let connection = open(":memory:");
    let used = |option: &str| -> bool {
        let sql = "SELECT sqlite_compileoption_used(?)";
        connection
            .query_row(sql, [option], |row| row.get(0))
            .unwrap()
    };
    assert!(used("TEMP_STORE=1"), "0 or 3 would overrule the PRAGMA");
    assert!(!used("TEMP_STORE=2"));
}

#[test]
fn memdb_is_shared_by_a_name_that_begins_with_a_slash() {
    let (one, two) = (
        open("file:/slash?vfs=memdb"),
        attach("file:/slash?vfs=memdb"),
    );
    mark(&one, "main");
    assert!(is_marked(&two, "aux1"));
    assert!(!is_marked(&open("file:/Slash?vfs=memdb"), "main"));
    drop((one, two));
    assert!(
        !is_marked(&open("file:/slash?vfs=memdb"), "main"),
        "gone with the last connection"
    );
}

#[test]
fn memdb_is_private_under_a_name_without_a_slash() {
    let (one, two) = (open("file:bare?vfs=memdb"), open("file:bare?vfs=memdb"));
    mark(&one, "main");
    assert!(!is_marked(&two, "main"));
}

/// The process's one `file::memory:?cache=shared` belongs to another test.
fn kinds() -> impl Iterator<Item = Database> {
    Database::all().filter(|database| database.kind != DatabaseKind::MemoryShared)
}

#[test]
fn a_kind_is_shared_between_two_connections_where_it_says_so() {
    for database in kinds() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::unique(directory.path());
        let schema = if database.attached {
            ATTACHED_AS
        } else {
            "main"
        };
        let (one, two) = (
            database.open(&place).unwrap(),
            database.open(&place).unwrap(),
        );
        mark(&one, schema);
        assert_eq!(
            is_marked(&two, schema),
            database.kind.is_shared(),
            "{database}"
        );
        let elsewhere = database.open(&Place::unique(directory.path())).unwrap();
        assert!(
            !is_marked(&elsewhere, schema),
            "{database} at another place"
        );
    }
}

#[test]
fn a_kind_is_a_file_where_it_says_so_and_stays_when_it_is_closed() {
    for database in kinds() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::unique(directory.path());
        let schema = if database.attached {
            ATTACHED_AS
        } else {
            "main"
        };
        let connection = database.open(&place).unwrap();
        mark(&connection, schema);
        let is_file = database.kind.is_file();
        assert_eq!(
            !file_of(&connection, schema).is_empty(),
            is_file,
            "{database}"
        );
        connection.close().unwrap();
        assert_eq!(
            entries(directory.path()).len(),
            usize::from(is_file),
            "{database}"
        );
        let again = database.open(&place).unwrap();
        assert_eq!(is_marked(&again, schema), is_file, "{database}");
    }
}

#[test]
fn an_attached_kind_leaves_the_main_database_empty_and_in_memory() {
    for database in kinds().filter(|database| database.attached) {
        let directory = tempfile::tempdir().unwrap();
        let connection = database.open(&Place::unique(directory.path())).unwrap();
        mark(&connection, ATTACHED_AS);
        assert!(!is_marked(&connection, "main"), "{database}");
        assert_eq!(file_of(&connection, "main"), "", "{database}");
    }
}

#[test]
fn a_database_that_cannot_be_opened_is_named() {
    let place = Place::named(Path::new("/no/such/directory"), "lost").unwrap();
    for name in ["file", "attach:file"] {
        let error = name
            .parse::<Database>()
            .unwrap()
            .open(&place)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("/no/such/directory/lost.db"),
            "{name}: {error}"
        );
    }
}
