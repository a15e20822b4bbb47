//! The databases that are copied: their rows, their size, and that a seed makes them.
#![cfg(feature = "cli")]

use rusqlite::Connection;
use sqlite_membench::workload::snapshot::content::content_hash;
use sqlite_membench::workload::snapshot::fill::fill;
use sqlite_membench::workload::snapshot::schema::{PAGES, Schema, check_scale, heap_bytes};
use sqlite_membench::workload::steps::{Here, Steps};
use sqlite_membench::workload::{Error, Stopped};

/// Every step here; what is told of them goes to the closure.
struct Told<F>(F);

impl<F: FnMut(u64, u64) -> Result<(), Stopped>> Steps for Told<F> {
    fn run(&mut self, work: &mut (dyn FnMut() + Send)) {
        work();
    }

    fn progress(&mut self, done: u64, total: u64) -> Result<(), Stopped> {
        (self.0)(done, total)
    }
}

fn filled(schema: Schema, scale: f64, seed: u64) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    fill(&connection, None, schema, scale, seed, &mut Here).unwrap();
    connection
}

fn number(connection: &Connection, sql: &str) -> u64 {
    let number: i64 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
    number.cast_unsigned()
}

fn counted(connection: &Connection, schema: Schema, scale: f64) -> u64 {
    let mut total = 0;
    for (table, rows) in schema.rows(scale) {
        let count = number(connection, &format!("SELECT count(*) FROM {table}"));
        assert_eq!(count, rows, "{schema:?} {scale}: {table}");
        total += count;
    }
    total
}

#[test]
fn at_scale_1_the_rows_are_the_reports() {
    let rows: Vec<u64> = Schema::Nested.rows(1.0).map(|(_, rows)| rows).collect();
    assert_eq!(rows, [2_500, 5_000, 2_500, 2_500, 4_500_000, 30, 54_000]);
    assert_eq!(Schema::Nested.total_rows(1.0), 4_566_530);
}

#[test]
fn every_scale_fills_every_table_and_every_reference_holds() {
    for schema in Schema::ALL {
        for scale in [1e-9, 0.0003, 0.01] {
            let connection = filled(schema, scale, 5);
            let total = counted(&connection, schema, scale);
            assert_eq!(total, schema.total_rows(scale));
            let broken = "SELECT count(*) FROM pragma_foreign_key_check";
            assert_eq!(number(&connection, broken), 0, "{schema:?} {scale}");
        }
    }
}

#[test]
fn the_nested_schema_is_the_shape_of_the_reports() {
    let connection = filled(Schema::Nested, 1e-9, 0);
    let count = |sql: &str| number(&connection, sql);
    let tables =
        "FROM pragma_table_list AS t WHERE t.schema = 'main' AND t.name NOT LIKE 'sqlite%'";
    assert_eq!(count(&format!("SELECT count(*) {tables} AND wr")), 7);
    let keys = "SELECT count(*) FROM sqlite_schema AS s, pragma_foreign_key_list(s.name)";
    assert_eq!(count(keys), 5);
    let unique = "SELECT count(*) FROM sqlite_schema AS s, pragma_index_list(s.name) AS i \
                  WHERE s.type = 'table' AND i.origin = 'u'";
    assert_eq!(count(unique), 2);
    let wrong = connection.execute_batch("INSERT INTO settings VALUES ('no uuid', 'a', 'b')");
    assert!(wrong.unwrap_err().to_string().contains("CHECK"), "a key");
}

#[test]
fn foreign_keys_may_be_enforced() {
    let connection = Connection::open_in_memory().unwrap();
    connection
        .execute_batch("PRAGMA foreign_keys = ON")
        .unwrap();
    fill(&connection, None, Schema::Nested, 0.001, 1, &mut Here).unwrap();
}

#[test]
fn a_seed_says_every_row() {
    for schema in Schema::ALL {
        let hash = |scale, seed| content_hash(&filled(schema, scale, seed), None).unwrap();
        assert_eq!(hash(0.001, 1), hash(0.001, 1), "{schema:?}");
        assert_ne!(hash(0.001, 1), hash(0.001, 2), "{schema:?}");
        assert_ne!(hash(0.001, 1), hash(0.002, 1), "{schema:?}");
    }
}

#[test]
fn an_attached_database_is_filled_as_the_main_one_is() {
    let connection = Connection::open_in_memory().unwrap();
    connection
        .execute_batch("ATTACH ':memory:' AS aux1")
        .unwrap();
    let schema = Schema::Nested;
    fill(&connection, Some("aux1"), schema, 0.001, 1, &mut Here).unwrap();
    let main = content_hash(&filled(schema, 0.001, 1), None).unwrap();
    assert_eq!(content_hash(&connection, Some("aux1")).unwrap(), main);
    assert_ne!(content_hash(&connection, None).unwrap(), main);
    let broken = "SELECT count(*) FROM pragma_foreign_key_check WHERE schema = 'aux1'";
    assert_eq!(number(&connection, broken), 0);
}

#[test]
fn pages_are_the_reports_pages_in_scale_with_both_schemas() {
    for schema in Schema::ALL {
        let pages = number(&filled(schema, 0.02, 3), "PRAGMA page_count");
        let expected = PAGES as f64 * 0.02;
        let off = pages as f64 / expected - 1.0;
        assert!(off.abs() < 0.01, "{schema:?}: {pages} of {expected}");
        assert_eq!(schema.pages(0.02), expected.round() as u64);
    }
}

#[test]
fn progress_counts_to_the_total_and_can_stop_the_fill() {
    let connection = Connection::open_in_memory().unwrap();
    let (mut seen, scale) = (Vec::new(), 0.01);
    let mut note = Told(|done, total| {
        seen.push((done, total));
        Ok(())
    });
    let rows = fill(&connection, None, Schema::Nested, scale, 1, &mut note).unwrap();
    assert!(seen.len() > 10 && seen.is_sorted(), "{seen:?}");
    assert_eq!(seen.last(), Some(&(rows, rows)));

    let connection = Connection::open_in_memory().unwrap();
    let mut stop = Told(|done, _| if done > 40_000 { Err(Stopped) } else { Ok(()) });
    let stopped = fill(&connection, None, Schema::Nested, scale, 1, &mut stop);
    assert!(matches!(stopped, Err(Error::Stopped)));
    assert!(connection.is_autocommit());
}

#[test]
fn a_scale_that_is_none_is_refused() {
    for scale in [0.0, -1.0, 100.5, f64::NAN, f64::INFINITY] {
        let connection = Connection::open_in_memory().unwrap();
        let refused = fill(&connection, None, Schema::Flat, scale, 1, &mut Here);
        assert!(matches!(refused, Err(Error::Options(_))), "{scale}");
        assert!(check_scale(scale).is_err());
    }
    assert!(check_scale(1e-9).is_ok() && check_scale(100.0).is_ok());
}

#[test]
fn a_hash_tells_storage_classes_rows_and_tables_apart() {
    let databases = [
        "CREATE TABLE a (x); INSERT INTO a VALUES (1)",
        "CREATE TABLE a (x); INSERT INTO a VALUES (1.0)",
        "CREATE TABLE a (x); INSERT INTO a VALUES ('1')",
        "CREATE TABLE a (x); INSERT INTO a VALUES (x'31')",
        "CREATE TABLE a (x); INSERT INTO a VALUES (NULL)",
        "CREATE TABLE a (x); INSERT INTO a VALUES (1), (1)",
        "CREATE TABLE a (x, y); INSERT INTO a VALUES (1, 1)",
        "CREATE TABLE b (x); INSERT INTO b VALUES (1)",
        "CREATE TABLE a (x); CREATE TABLE b (x); INSERT INTO a VALUES (1)",
        "CREATE TABLE a (rowid, oid, _rowid_); INSERT INTO a VALUES (1, 2, 3)",
        "CREATE TABLE a (x, y, PRIMARY KEY (y, x)) WITHOUT ROWID; INSERT INTO a VALUES (2, 1), (1, 2)",
        "CREATE TABLE a (x, y, PRIMARY KEY (x, y)) WITHOUT ROWID; INSERT INTO a VALUES (2, 1), (1, 2)",
    ];
    let mut hashes: Vec<u128> = Vec::new();
    for sql in databases {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(sql).unwrap();
        hashes.push(content_hash(&connection, None).unwrap().hash);
    }
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), databases.len());
}

#[test]
fn new_rowids_in_the_same_order_are_the_same_content() {
    let connection = Connection::open_in_memory().unwrap();
    connection
        .execute_batch(r#"CREATE TABLE "a""b" (x); INSERT INTO "a""b" VALUES (3), (1), (2)"#)
        .unwrap();
    let before = content_hash(&connection, None).unwrap();
    connection
        .execute_batch(r#"UPDATE "a""b" SET rowid = rowid * 10"#)
        .unwrap();
    assert_eq!(content_hash(&connection, None).unwrap(), before);
    connection
        .execute_batch(r#"UPDATE "a""b" SET rowid = -rowid"#)
        .unwrap();
    assert_ne!(content_hash(&connection, None).unwrap(), before);
}

/// `heap_bytes` is about one database in a process that has no other: a test of a global, so the
/// only one of its kind here, and run in a process of its own.
#[test]
fn the_heap_is_as_predicted() {
    const CHILD: &str = "SNAPSHOT_FILL_HEAP_CHILD";
    if std::env::var_os(CHILD).is_none() {
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_heap_is_as_predicted", "--nocapture"])
            .env(CHILD, "1")
            .status();
        assert!(status.unwrap().success());
        return;
    }
    let scale = std::env::var("SNAPSHOT_FILL_SCALE").map_or(0.02, |text| text.parse().unwrap());
    for schema in Schema::ALL {
        let began = std::time::Instant::now();
        let connection = filled(schema, scale, 7);
        let took = began.elapsed();
        // SAFETY: reads a counter.
        let used = unsafe { rusqlite::ffi::sqlite3_memory_used() };
        let pages = number(&connection, "PRAGMA page_count");
        let predicted = heap_bytes(schema, scale);
        println!("{schema:?} {scale}: {pages} pages, {used} bytes of {predicted}, {took:?}");
        let off = used as f64 / predicted as f64 - 1.0;
        assert!(off.abs() < 0.03, "{schema:?}: {used} of {predicted}");
    }
}
