//! The insert workload end to end, on few rows: every choice of a scenario against every other,
//! every kind of database, and the facts of the report. Its phases are in `insert_phases.rs`.
#![cfg(feature = "cli")]

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use sqlite_membench::workload::NoMarks;
use sqlite_membench::workload::content::Content;
use sqlite_membench::workload::database::{Database, DatabaseKind, Place};
use sqlite_membench::workload::insert::{
    InsertOptions, InsertReport, Pool, PragmaScope, Shrink, Statements, Transaction, fill, run,
};
use sqlite_membench::workload::keys::KeyMode;
use sqlite_membench::workload::pragmas::{self, Pragma, PragmaReadBack};

const SHRINKS: [Shrink; 3] = [
    Shrink::SameConnection,
    Shrink::OtherConnection,
    Shrink::Never,
];
const STATEMENTS: [Statements; 3] = [
    Statements::Reuse,
    Statements::PreparePerRow,
    Statements::LeakPerRow,
];
const TRANSACTIONS: [Transaction; 2] = [Transaction::Batched, Transaction::Single];

fn memory(rows: u64) -> InsertOptions {
    let database = DatabaseKind::Memory.into();
    InsertOptions {
        rows,
        batch: 100,
        database,
        ..Default::default()
    }
}

/// In a directory of its own; the process's one `file::memory:?cache=shared` to one at a time.
fn run_quietly(options: &InsertOptions) -> InsertReport {
    static SHARED: Mutex<()> = Mutex::new(());
    let _alone = (options.database.kind == DatabaseKind::MemoryShared)
        .then(|| SHARED.lock().unwrap_or_else(PoisonError::into_inner));
    let directory = tempfile::tempdir().unwrap();
    let report = run(options, directory.path(), &mut NoMarks);
    report.unwrap_or_else(|error| panic!("{options:?}: {error}"))
}

fn read_back<'a>(report: &'a InsertReport, connection: u32, name: &str) -> Option<&'a str> {
    let mut pragmas = report.pragmas.iter().rev();
    let found = pragmas.find(|pragma| pragma.connection == connection && pragma.name == name);
    found.and_then(|pragma| pragma.read_back.as_deref())
}

#[test]
fn every_choice_leaves_what_the_keys_say() {
    for keys in KeyMode::ALL {
        let expected = Content::expected(keys, 9, 777);
        for statements in STATEMENTS {
            for shrink in SHRINKS {
                for transaction in TRANSACTIONS {
                    let report = run_quietly(&InsertOptions {
                        keys,
                        seed: 9,
                        statements,
                        shrink,
                        transaction,
                        ..memory(777)
                    });
                    assert!(report.verified);
                    assert_eq!((report.inserted, report.rows), (777, expected.rows));
                    assert_eq!(report.distinct_rows, 777);
                    assert_eq!(report.last_rowid, 777);
                    assert_eq!(report.content_hash, format!("{:032x}", expected.hash));
                    let leaks = statements == Statements::LeakPerRow;
                    assert_eq!(
                        report.not_closed.is_some(),
                        leaks,
                        "{:?}",
                        report.not_closed
                    );
                }
            }
        }
    }
}

#[test]
fn every_kind_of_database_holds_the_same_rows() {
    let expected = format!("{:032x}", Content::expected(KeyMode::GoRune, 0, 500).hash);
    for database in Database::all() {
        for shrink in SHRINKS {
            for pragma_scope in [PragmaScope::FirstConnection, PragmaScope::EveryConnection] {
                let options = InsertOptions {
                    database,
                    shrink,
                    pragma_scope,
                    ..memory(500)
                };
                let report = run_quietly(&options);
                assert_eq!(report.content_hash, expected, "{database}");
                assert_eq!(report.not_closed, None, "{database}");
            }
        }
    }
}

#[test]
fn the_journal_is_what_the_kind_makes_it() {
    let journal = |name: &str| {
        let database = name.parse().unwrap();
        let report = run_quietly(&InsertOptions {
            database,
            ..memory(10)
        });
        read_back(&report, 0, "journal_mode").unwrap().to_owned()
    };
    for prefix in ["", "attach:"] {
        assert_eq!(
            journal(&format!("{prefix}file")),
            "wal",
            "as the PRAGMAs say"
        );
        assert_eq!(journal(&format!("{prefix}file-wal")), "wal");
        assert_eq!(journal(&format!("{prefix}file-rollback")), "delete");
        assert_eq!(journal(&format!("{prefix}memory")), "memory");
        assert_eq!(journal(&format!("{prefix}memory-named")), "memory");
    }
}

#[test]
fn a_file_without_a_journal_pragma_has_the_journal_of_its_kind() {
    for (name, journal) in [("file-wal", "wal"), ("attach:file-rollback", "delete")] {
        let database = name.parse().unwrap();
        let report = run_quietly(&InsertOptions {
            database,
            pragmas: vec![],
            ..memory(10)
        });
        assert_eq!(
            read_back(&report, 0, "journal_mode"),
            Some(journal),
            "{name}"
        );
    }
}

#[test]
fn a_mapped_file_is_mapped_and_a_scenario_may_say_how_much() {
    for prefix in ["", "attach:"] {
        let database = format!("{prefix}file-mmap").parse().unwrap();
        let mut options = InsertOptions {
            database,
            ..memory(10)
        };
        assert_eq!(
            read_back(&run_quietly(&options), 0, "mmap_size"),
            Some("1073741824")
        );
        options
            .pragmas
            .push(Pragma::new("mmap_size", "65536").unwrap());
        assert_eq!(
            read_back(&run_quietly(&options), 0, "mmap_size"),
            Some("65536")
        );
    }
}

#[test]
fn the_pragmas_of_the_report_are_in_force_in_its_order() {
    let expected = [
        ("automatic_index", "1"),
        ("cache_size", "32768"),
        ("cache_spill", "0"),
        ("foreign_keys", "1"),
        ("journal_size_limit", "67110000"),
        ("locking_mode", "normal"),
        ("page_size", "4096"),
        ("recursive_triggers", "1"),
        ("secure_delete", "1"),
        ("synchronous", "1"),
        ("temp_store", "2"),
        ("journal_mode", "wal"),
        ("wal_autocheckpoint", "16384"),
    ];
    for database in ["file", "attach:file"] {
        let database = database.parse().unwrap();
        let report = run_quietly(&InsertOptions {
            database,
            ..memory(10)
        });
        let read = |pragma: &PragmaReadBack| (pragma.name.clone(), pragma.read_back.clone());
        let read: Vec<_> = report.pragmas.iter().map(read).collect();
        let expected = expected.map(|(name, value)| (name.to_owned(), Some(value.to_owned())));
        assert_eq!(read, expected, "{database}");
    }
}

#[test]
fn a_page_size_after_the_first_write_does_nothing_and_is_told_so() {
    let pragma = |name, value| Pragma::new(name, value).unwrap();
    let before = vec![pragma("page_size", "8192"), pragma("journal_mode", "WAL")];
    let after = before.iter().rev().cloned().collect();
    for (pragmas, page_size) in [(before, "8192"), (after, "4096")] {
        let database = DatabaseKind::File.into();
        let report = run_quietly(&InsertOptions {
            database,
            pragmas,
            ..memory(10)
        });
        assert_eq!(read_back(&report, 0, "page_size"), Some(page_size));
        assert!(
            report
                .pragmas
                .iter()
                .any(|p| p.asked.as_deref() == Some("8192"))
        );
    }
}

#[test]
fn pragmas_are_set_on_the_first_connection_or_on_every_one() {
    for name in ["file", "attach:file", "memory", "temporary"] {
        let database = name.parse().unwrap();
        let cache_sizes = |pragma_scope| {
            let shrink = Shrink::OtherConnection;
            let options = InsertOptions {
                database,
                pragma_scope,
                shrink,
                ..memory(10)
            };
            let report = run_quietly(&options);
            [0, 1].map(|connection| read_back(&report, connection, "cache_size").map(str::to_owned))
        };
        let (set, default) = (Some("32768".to_owned()), Some("-2000".to_owned()));
        assert_eq!(
            cache_sizes(PragmaScope::EveryConnection),
            [set.clone(), set.clone()]
        );
        assert_eq!(
            cache_sizes(PragmaScope::FirstConnection),
            [set, default],
            "{name}"
        );
    }
}

#[test]
fn a_database_that_is_there_already_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::named(directory.path(), "mine").unwrap();
    std::fs::write(place.file(), "precious").unwrap();
    let options = InsertOptions {
        database: DatabaseKind::File.into(),
        ..memory(1)
    };
    let error = Pool::open(&options, &place).unwrap_err().to_string();
    assert!(error.contains("mine.db exists"), "{error}");
    assert_eq!(std::fs::read(place.file()).unwrap(), b"precious");
}

#[test]
fn id_0_is_one_nul_byte() {
    let options = memory(3);
    let (pool, _) = Pool::open(&options, &Place::unique(Path::new("."))).unwrap();
    fill(&pool, &options, &mut NoMarks).unwrap();
    let id = |rowid: i64| -> String {
        let sql = "SELECT typeof(id) || ' ' || hex(id) FROM user WHERE rowid = ?";
        pool.first()
            .query_row(sql, [rowid], |row| row.get(0))
            .unwrap()
    };
    assert_eq!([id(1), id(2), id(3)], ["text 00", "text 01", "text 02"]);
}

/// All ranges that begin or end in the surrogates or beyond would be long; these cross each edge.
#[test]
fn go_runes_collapse_to_the_replacement_character_where_the_expectation_says() {
    for (rows, left) in [
        (0xd800, 0xd800),
        (0xd801, 0xd801),
        (0xd900, 0xd801),
        (0xe001, 0xd802),
        (0xfffe, 0xf7fe),
        (0xffff, 0xf7ff),
    ] {
        // Verified in `run`: rows, distinct ids, last rowid and content.
        let report = run_quietly(&InsertOptions {
            batch: 32_768,
            ..memory(rows)
        });
        assert_eq!(
            (report.rows, report.last_rowid),
            (left, rows as i64),
            "{rows:#x}"
        );
    }
}

#[test]
fn the_replacement_character_moves_to_the_last_row_beyond_unicode() {
    let rows = 0x11_0003;
    let options = InsertOptions {
        pragmas: vec![],
        ..memory(rows)
    };
    let options = InsertOptions {
        batch: 1 << 20,
        ..options
    };
    let (pool, _) = Pool::open(&options, &Place::unique(Path::new("."))).unwrap();
    fill(&pool, &options, &mut NoMarks).unwrap();
    let (count, id, rowid): (i64, String, i64) = pool
        .first()
        .query_row("SELECT count(*), id, max(rowid) FROM user", [], |row| {
            row.try_into()
        })
        .unwrap();
    assert_eq!(
        (count, id.as_str(), rowid),
        (1_112_064, "\u{fffd}", rows as i64)
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    /// `run` compares rows, distinct ids, last rowid and content with what needed no database.
    #[test]
    fn whatever_is_asked_for_is_what_is_inserted(
        rows in 1_u64..3000,
        batch in 1_u64..4000,
        seed: u64,
        readings in 0_u32..9,
        keys in select(&KeyMode::ALL[..]),
        statements in select(&STATEMENTS[..]),
        shrink in select(&SHRINKS[..]),
        transaction in select(&TRANSACTIONS[..]),
        pragmas in subsequence(pragmas::seed(), 0..=13).prop_shuffle(),
        database in select(Database::all().collect::<Vec<_>>()),
    ) {
        // What is never closed stays, and `file::memory:?cache=shared` is there once in a process.
        let stays = statements == Statements::LeakPerRow;
        prop_assume!(!(stays && database.kind == DatabaseKind::MemoryShared));
        // A row that is synced is a slow row.
        let rows = if batch < 50 && database.kind.is_file() { rows.min(200) } else { rows };
        let pragma_scope = PragmaScope::EveryConnection;
        let report = run_quietly(&InsertOptions {
            rows, batch, seed, readings, keys, statements, shrink, transaction, pragma_scope,
            pragmas, database,
        });
        prop_assert!(report.verified);
        prop_assert_eq!(report.inserted, rows);
    }
}
