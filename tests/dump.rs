//! A dump, loaded by the `sqlite3` shell, is an equal database: schema, rows, types, bits.
//!
//! The shell is another program and mostly another version, as a user's is. These tests need it and
//! fail without it.

#[path = "dump/equal.rs"]
mod equal;
#[path = "dump/random.rs"]
mod random;

use equal::{contents, dump_text, load, reload};
use proptest::prelude::*;
use rusqlite::Connection;
use sqlite_membench::workload::dump::{DumpOptions, dump};
use sqlite_membench::workload::steps::Here;
use tempfile::TempDir;

fn memory(sql: &str) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(sql).unwrap();
    connection
}

/// Dumps, loads with the shell, and compares; gives the text.
fn round_trip(connection: &Connection) -> String {
    let text = dump_text(connection, &DumpOptions::default());
    let directory = TempDir::new().unwrap();
    let loaded = load(&text, directory.path());
    assert_eq!(contents(&loaded, "main"), contents(connection, "main"));
    String::from_utf8(text).unwrap()
}

#[test]
fn an_empty_database_is_an_empty_transaction() {
    let text = round_trip(&memory(""));
    assert_eq!(
        text,
        "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCOMMIT;\n"
    );
}

#[test]
fn the_text_is_as_a_person_would_write_it() {
    let text = round_trip(&memory(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b REAL);
         CREATE TABLE empty(x);
         INSERT INTO t VALUES (2, 'it''s', 0.5), (1, NULL, 3);
         CREATE INDEX i ON t(a);",
    ));
    let expected = "PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE empty(x);
CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b REAL);
INSERT INTO \"t\" VALUES(1,NULL,3.0);
INSERT INTO \"t\" VALUES(2,'it''s',0.5);
CREATE INDEX i ON t(a);
COMMIT;
";
    assert_eq!(text, expected);
}

#[test]
fn every_storage_class_comes_back_as_it_was() {
    round_trip(&memory(
        "CREATE TABLE t(a, b NUMERIC, c INTEGER, d REAL, e TEXT, f BLOB);
         INSERT INTO t(a) VALUES (NULL), (-9223372036854775808), (9223372036854775807), (0), (-1),
            (1.0), (-0.0), (0.1), (1e15), (123456789012345680.0), (9e999), (-9e999), (5e-324), (1.5e-310),
            (2.2250738585072014e-308), (1.7976931348623157e308), (''), (X''), ('''');
         INSERT INTO t(b) SELECT a FROM t;
         INSERT INTO t(c) SELECT a FROM t;
         INSERT INTO t(d) SELECT a FROM t;
         INSERT INTO t(e) SELECT a FROM t;
         INSERT INTO t(f) SELECT a FROM t;",
    ));
}

#[test]
fn text_is_kept_to_the_byte() {
    let connection = memory("CREATE TABLE t(a, b TEXT)");
    for text in [
        "a\nb",
        "a\r\nb",
        "\r",
        "\\r\r",
        "\0",
        "a\0b'",
        ".quit\n.exit\n",
        "\n.quit\n",
        "x\n/\ngo\n;\n",
        "é😀\u{fffe}\u{ffff}\u{feff}",
        "-- ; /*",
        "'",
        "\n;\r\n'\n",
        "\u{1a}",
        "\x1b",
    ] {
        (connection.execute("INSERT INTO t VALUES (?1, ?1)", [text])).unwrap();
    }
    for bytes in [
        &b"\xff"[..],
        b"\xc3",
        b"a\xed\xa0\x80b",
        b"\xc0\x80",
        b"'\xff'\r\n\0",
    ] {
        let sql = "INSERT INTO t VALUES (CAST(?1 AS TEXT), CAST(?1 AS TEXT))";
        connection.execute(sql, [bytes]).unwrap();
    }
    round_trip(&connection);
}

#[test]
fn a_utf_16_database_comes_back_as_one() {
    for encoding in ["UTF-16le", "UTF-16be"] {
        let connection = memory(&format!(
            "PRAGMA encoding='{encoding}'; CREATE TABLE \"tä\"(a, b)"
        ));
        for text in [
            "",
            "é😀",
            "a\0b",
            "\u{fffe}",
            "\u{ffff}x",
            "\u{feff}",
            "a\r\nb'",
        ] {
            (connection.execute("INSERT INTO \"tä\"(a) VALUES (?1)", [text])).unwrap();
        }
        for bytes in [
            &b"\x3d\xd8"[..],
            b"\xd8\x3d",
            b"\xde\x00\xd8\x3d",
            b"\x00\x00",
            b"a\0b",
        ] {
            let sql = "INSERT INTO \"tä\"(b) VALUES (CAST(?1 AS TEXT))";
            connection.execute(sql, [bytes]).unwrap();
        }
        let text = round_trip(&connection);
        assert!(text.contains(&format!("TRANSACTION;\nPRAGMA encoding='{encoding}';\n")));
    }
}

#[test]
fn odd_names_and_ddl_come_back() {
    round_trip(&memory(
        r#"CREATE TABLE ""("" TEXT, "select" INT DEFAULT (1 + 2), "a b" DEFAULT 'x''y' COLLATE NOCASE);
           INSERT INTO "" VALUES ('a', 1, 'b');
           CREATE TABLE "quo""te'd"("c""1" , "c'2");
           INSERT INTO "quo""te'd" VALUES (1, 2);
           CREATE TABLE "order"([group] PRIMARY KEY, `x` UNIQUE);
           INSERT INTO "order" VALUES ('k', 2);
           CREATE TABLE "line
break"(a /* comment */, b -- another
           );
           INSERT INTO "line
break" VALUES (1, 2);
           CREATE TABLE "größe"(ä);
           CREATE INDEX "i ""x" ON "quo""te'd"("c""1" DESC) WHERE "c'2" > 0;
           CREATE VIEW broken AS SELECT * FROM missing;
           CREATE VIEW "v;" AS SELECT 1 AS "; x";
           CREATE TRIGGER "t r" AFTER INSERT ON "" BEGIN SELECT 1; DELETE FROM "order"; END;
           CREATE TRIGGER "instead" INSTEAD OF INSERT ON "v;" BEGIN SELECT ';'; END;"#,
    ));
}

#[test]
fn ddl_that_ends_with_a_comment_does_not_swallow_its_semicolon() {
    let connection = memory("");
    for ddl in [
        "CREATE VIEW a AS SELECT 1 -- end",
        "CREATE VIEW b AS SELECT 1 /* end",
    ] {
        connection.execute_batch(ddl).unwrap();
    }
    let text = dump_text(&connection, &DumpOptions::default());
    let directory = TempDir::new().unwrap();
    let loaded = load(&text, directory.path());
    let sum: i64 = (loaded.query_row("SELECT (SELECT * FROM a) + (SELECT * FROM b)", [], |row| {
        row.get(0)
    }))
    .unwrap();
    assert_eq!(sum, 2);
}

#[test]
fn rowids_come_back_where_they_have_a_name() {
    let text = round_trip(&memory(
        "CREATE TABLE plain(a); INSERT INTO plain(rowid, a) VALUES (7, 'x'), (-3, 'y');
         CREATE TABLE taken(rowid, _ROWID_); INSERT INTO taken(oid, rowid) VALUES (9, 1), (5, 2);
         CREATE TABLE alias(a, k INTEGER PRIMARY KEY); INSERT INTO alias VALUES (1, 50), (2, -50);
         CREATE TABLE descending(k INTEGER PRIMARY KEY DESC); INSERT INTO descending(rowid, k) VALUES (4, 1), (3, 2);
         CREATE TABLE named(rowid TEXT, k INTEGER PRIMARY KEY); INSERT INTO named VALUES ('z', 8);",
    ));
    assert!(
        text.contains("INSERT INTO \"plain\"(\"rowid\",\"a\") VALUES(-3,'y');"),
        "{text}"
    );
    assert!(
        text.contains("INSERT INTO \"alias\" VALUES(2,-50);"),
        "{text}"
    );
}

#[test]
fn rows_keep_their_order_where_no_name_for_the_rowid_is_left() {
    let connection = memory(
        "CREATE TABLE t(rowid, _rowid_, oid); INSERT INTO t VALUES (3, 3, 3), (1, 1, 1), (2, 2, 2);",
    );
    round_trip(&connection);
}

#[test]
fn without_rowids_a_table_needs_no_column_list() {
    let connection = memory("CREATE TABLE t(a); INSERT INTO t(rowid, a) VALUES (7, 'x');");
    let options = DumpOptions {
        rowids: false,
        ..DumpOptions::default()
    };
    let text = String::from_utf8(dump_text(&connection, &options)).unwrap();
    assert!(text.contains("INSERT INTO \"t\" VALUES('x');"), "{text}");
}

#[test]
fn keys_of_without_rowid_tables_are_in_order_and_nothing_is_sorted() {
    let text = round_trip(&memory(
        "CREATE TABLE t(v, a, b TEXT COLLATE NOCASE, PRIMARY KEY(b DESC, a)) WITHOUT ROWID;
         CREATE INDEX covering ON t(v, a, b);
         INSERT INTO t VALUES (1, 1, 'a'), (2, 1, 'C'), (3, 0, 'b'), (4, 2, 'B');",
    ));
    let order: Vec<&str> = (text
        .lines()
        .filter_map(|line| line.strip_prefix("INSERT INTO \"t\" VALUES(")))
    .map(|line| &line[..1])
    .collect();
    assert_eq!(order, ["2", "3", "4", "1"]);
}

#[test]
fn generated_columns_are_computed_again() {
    round_trip(&memory(
        "CREATE TABLE t(a, s AS (a + 1) STORED, b, v AS (b || 'x'), k INTEGER PRIMARY KEY);
         INSERT INTO t(a, b) VALUES (1, 'y'), (2.5, NULL);
         CREATE TABLE w(g TEXT AS (k || '!') STORED, k TEXT PRIMARY KEY) WITHOUT ROWID;
         INSERT INTO w(k) VALUES ('b'), ('a');",
    ));
}

#[test]
fn strict_tables_hold_what_they_held() {
    round_trip(&memory(
        "CREATE TABLE t(i INT, r REAL, t TEXT, b BLOB, a ANY) STRICT;
         INSERT INTO t VALUES (-9223372036854775808, 1e300, 'x', X'00', 1.0), (NULL, 3, '', X'', -0.0),
            (1, 5e-324, char(0), X'FF', '1');",
    ));
}

#[test]
fn autoincrement_goes_on_where_it_was() {
    round_trip(&memory(
        "CREATE TABLE t(k INTEGER PRIMARY KEY AUTOINCREMENT, a);
         CREATE TABLE never(k INTEGER PRIMARY KEY AUTOINCREMENT);
         INSERT INTO t VALUES (1, 'x'), (99, 'y'); DELETE FROM t WHERE k = 99;",
    ));
    // Its tables are gone: the shell's own dump does not load then.
    round_trip(&memory(
        "CREATE TABLE t(k INTEGER PRIMARY KEY AUTOINCREMENT); DROP TABLE t; CREATE TABLE u(a);
         INSERT INTO sqlite_sequence VALUES ('gone', 3);",
    ));
    round_trip(&memory(
        "CREATE TABLE t(k INTEGER PRIMARY KEY AUTOINCREMENT); DROP TABLE t;",
    ));
}

#[test]
fn statistics_come_back() {
    let connection = memory(
        "CREATE TABLE t(a); CREATE INDEX i ON t(a); INSERT INTO t VALUES (1), (2), (2); ANALYZE;",
    );
    round_trip(&connection);
}

#[test]
fn virtual_tables_come_back_with_what_they_index() {
    let connection = memory(
        "CREATE VIRTUAL TABLE \"f t\" USING fts5(a, b); INSERT INTO \"f t\" VALUES ('one two', 'it''s'), ('three', 'x');
         CREATE TABLE source(a); INSERT INTO source(rowid, a) VALUES (10, 'alpha'), (5, 'beta');
         CREATE VIRTUAL TABLE external USING fts5(a, content='source');
         INSERT INTO external(external) VALUES ('rebuild');
         CREATE VIRTUAL TABLE f4 USING fts4(a); INSERT INTO f4 VALUES ('four');
         CREATE VIRTUAL TABLE r USING rtree(id, x0, x1, +note); INSERT INTO r VALUES (1, 0.5, 1.5, 'n');
         CREATE VIEW v AS SELECT * FROM \"f t\";",
    );
    let directory = TempDir::new().unwrap();
    let text = dump_text(&connection, &DumpOptions::default());
    assert!(text.starts_with(b"/* SQLITE_DBCONFIG_DEFENSIVE"));
    let loaded = load(&text, directory.path());
    assert_eq!(contents(&loaded, "main"), contents(&connection, "main"));
    for (query, expected) in [
        ("SELECT b FROM \"f t\" WHERE \"f t\" MATCH 'two'", "it's"),
        (
            "SELECT rowid || a FROM external WHERE external MATCH 'alpha'",
            "10alpha",
        ),
        ("SELECT a FROM f4 WHERE f4 MATCH 'four'", "four"),
        ("SELECT note FROM r WHERE x0 > 0 AND x1 < 2", "n"),
        ("SELECT a FROM v ORDER BY a LIMIT 1", "one two"),
    ] {
        let found: String = loaded.query_row(query, [], |row| row.get(0)).unwrap();
        assert_eq!(found, expected);
    }
    for table in ["\"f t\"", "external"] {
        let check = format!("INSERT INTO {table}({table}) VALUES ('integrity-check')");
        loaded.execute_batch(&check).unwrap();
    }
    let into_the_same_connection = Connection::open_in_memory().unwrap();
    into_the_same_connection
        .execute_batch(std::str::from_utf8(&text).unwrap())
        .unwrap();
    let note: String =
        (into_the_same_connection.query_row("SELECT note FROM r", [], |row| row.get(0))).unwrap();
    assert_eq!(note, "n");
}

#[test]
fn inserts_alone_fill_a_database_of_the_same_schema() {
    let ddl = "CREATE TABLE t(k INTEGER PRIMARY KEY AUTOINCREMENT, a, g AS (a + 1));
               CREATE VIRTUAL TABLE f USING fts5(a);";
    let connection = memory(ddl);
    connection
        .execute_batch("INSERT INTO t(a) VALUES (1), (2); INSERT INTO f VALUES ('one two');")
        .unwrap();
    let options = DumpOptions {
        schema: false,
        ..DumpOptions::default()
    };
    let text = dump_text(&connection, &options);
    let words = String::from_utf8(text.clone()).unwrap();
    assert!(
        !words.contains("CREATE") && !words.contains("PRAGMA"),
        "{words}"
    );
    let directory = TempDir::new().unwrap();
    let whole = [ddl.as_bytes(), b"\n", &text].concat();
    let loaded = load(&whole, directory.path());
    // The two were made by different versions of FTS5; what they hold is what counts.
    for query in [
        "SELECT group_concat(k || a || g) FROM t",
        "SELECT a FROM f('two')",
        "SELECT seq FROM sqlite_sequence",
    ] {
        let of = |from: &Connection| -> String {
            from.query_row(query, [], |row| row.get_ref(0).map(|v| format!("{v:?}")))
                .unwrap()
        };
        assert_eq!(of(&loaded), of(&connection), "{query}");
    }
}

#[test]
fn an_attached_database_is_dumped_alone() {
    let connection = memory(
        "CREATE TABLE t(a); INSERT INTO t VALUES ('main');
         ATTACH ':memory:' AS \"aux 1\";
         CREATE TABLE \"aux 1\".t(a); CREATE INDEX \"aux 1\".i ON t(a); INSERT INTO \"aux 1\".t VALUES ('aux');",
    );
    let options = DumpOptions {
        of: "aux 1".into(),
        ..DumpOptions::default()
    };
    let directory = TempDir::new().unwrap();
    let loaded = load(&dump_text(&connection, &options), directory.path());
    assert_eq!(contents(&loaded, "main"), contents(&connection, "aux 1"));
    let missing = DumpOptions {
        of: "missing".into(),
        ..DumpOptions::default()
    };
    let error = dump(&connection, &missing, &mut Vec::new(), &mut Here).unwrap_err();
    assert!(error.to_string().contains("missing"), "{error}");
    assert!(connection.is_autocommit());
}

/// Doubles whose decimals old readers are known to find hard, and every magnitude.
fn reals() -> impl Strategy<Value = f64> {
    let bits = any::<u64>().prop_map(f64::from_bits);
    let cents = (any::<i32>(), 0..12_i32).prop_map(|(i, e)| f64::from(i) / 10_f64.powi(e));
    let small = (0..1_u64 << 54).prop_map(f64::from_bits);
    let large = (any::<i64>(), 0..290_i32).prop_map(|(i, e)| i as f64 * 10_f64.powi(e));
    prop_oneof![bits, cents, small, large].prop_filter("NaN is NULL", |real| !real.is_nan())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, max_shrink_iters: 64, ..ProptestConfig::default() })]

    #[test]
    fn reals_come_back_bit_for_bit_from_two_versions(reals in prop::collection::vec(reals(), 20_000)) {
        let connection = memory("CREATE TABLE t(k INTEGER PRIMARY KEY, a, r REAL); BEGIN");
        {
            let mut insert = connection.prepare("INSERT INTO t(a, r) VALUES (?1, ?1)").unwrap();
            for real in &reals {
                insert.execute([real]).unwrap();
            }
        }
        connection.execute_batch("COMMIT").unwrap();
        let text = dump_text(&connection, &DumpOptions::default());
        let expected = contents(&connection, "main");
        let directory = TempDir::new().unwrap();
        prop_assert!(contents(&load(&text, directory.path()), "main") == expected, "the shell's version");
        prop_assert!(contents(&reload(&text), "main") == expected, "the bundled version");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_database_comes_back_equal(database in random::database()) {
        let connection = Connection::open_in_memory().unwrap();
        database.make(&connection);
        let text = dump_text(&connection, &DumpOptions { rows_per_step: 3, ..DumpOptions::default() });
        let directory = TempDir::new().unwrap();
        let expected = contents(&connection, "main");
        prop_assert_eq!(contents(&load(&text, directory.path()), "main"), expected);
    }
}
