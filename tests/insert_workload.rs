//! The insert workload end to end, on few rows: every choice of a scenario against every other,
//! every kind of database, the phases that it marks, and the facts of the report.
#![cfg(feature = "cli")]

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;
use sqlite_membench::workload::content::Content;
use sqlite_membench::workload::database::{Database, DatabaseKind, Place};
use sqlite_membench::workload::insert::{
    InsertOptions, InsertReport, Pool, PragmaScope, Shrink, Statements, Transaction, fill, run,
};
use sqlite_membench::workload::keys::KeyMode;
use sqlite_membench::workload::pragmas::{Pragma, PragmaReadBack};
use sqlite_membench::workload::{Error, Marks, NoMarks, Phase, Stopped};

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
fn run_with(options: &InsertOptions, marks: &mut dyn Marks) -> Result<InsertReport, Error> {
    static SHARED: Mutex<()> = Mutex::new(());
    let _alone = (options.database.kind == DatabaseKind::MemoryShared)
        .then(|| SHARED.lock().unwrap_or_else(PoisonError::into_inner));
    let directory = tempfile::tempdir().unwrap();
    run(options, directory.path(), marks)
}

fn run_quietly(options: &InsertOptions) -> InsertReport {
    run_with(options, &mut NoMarks).unwrap_or_else(|error| panic!("{options:?}: {error}"))
}

fn read_back<'a>(report: &'a InsertReport, connection: u32, name: &str) -> Option<&'a str> {
    let mut pragmas = report.pragmas.iter().rev();
    let found = pragmas.find(|pragma| pragma.connection == connection && pragma.name == name);
    found.and_then(|pragma| pragma.read_back.as_deref())
}

/// Writes down all that a workload says, and may stop it.
#[derive(Default)]
struct Log {
    lines: Vec<String>,
    progress: Vec<(Phase, u64, u64)>,
    pragmas: Vec<PragmaReadBack>,
    stop_at: Option<(Phase, u64)>,
    /// Rows in the table at each reading, as the first connection sees them.
    rows: Vec<i64>,
}

impl Marks for Log {
    fn opened(&mut self, pragmas: &[PragmaReadBack]) {
        self.lines.push("opened".into());
        self.pragmas = pragmas.to_vec();
    }
    fn begin(&mut self, phase: Phase) {
        self.lines.push(format!("begin {phase}"));
    }
    fn reading(&mut self, phase: Phase, connections: &[&Connection]) {
        self.lines
            .push(format!("reading {phase} {}", connections.len()));
        let count = "SELECT count(*) FROM user";
        self.rows.push(
            connections[0]
                .query_row(count, [], |row| row.get(0))
                .unwrap(),
        );
    }
    fn end(&mut self, phase: Phase, connections: &[&Connection]) {
        self.lines
            .push(format!("end {phase} {}", connections.len()));
    }
    fn progress(&mut self, phase: Phase, done: u64, total: u64) -> Result<(), Stopped> {
        self.progress.push((phase, done, total));
        match self.stop_at {
            Some((at, rows)) if at == phase && rows <= done => Err(Stopped),
            _ => Ok(()),
        }
    }
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
        let mut log = Log::default();
        let report = run_with(
            &InsertOptions {
                database,
                ..memory(10)
            },
            &mut log,
        )
        .unwrap();
        let read = |pragma: &PragmaReadBack| (pragma.name.clone(), pragma.read_back.clone());
        let read: Vec<_> = report.pragmas.iter().map(read).collect();
        let expected = expected.map(|(name, value)| (name.to_owned(), Some(value.to_owned())));
        assert_eq!(read, expected, "{database}");
        assert_eq!(
            log.pragmas, report.pragmas,
            "they are told when the database is open"
        );
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
fn what_goes_with_its_connection_is_verified_before_it_is_closed() {
    let mut log = Log::default();
    run_with(&memory(10), &mut log).unwrap();
    let expected = [
        "begin open",
        "opened",
        "end open 1",
        "begin fill",
        "end fill 1",
        "begin verify",
        "end verify 1",
        "begin close",
        "end close 0",
    ];
    assert_eq!(log.lines, expected);
}

#[test]
fn a_file_is_closed_before_it_is_verified() {
    let mut log = Log::default();
    let database = DatabaseKind::FileWal.into();
    let shrink = Shrink::OtherConnection;
    run_with(
        &InsertOptions {
            database,
            shrink,
            ..memory(10)
        },
        &mut log,
    )
    .unwrap();
    let expected = [
        "begin open",
        "opened",
        "end open 2",
        "begin fill",
        "end fill 2",
        "begin close",
        "end close 0",
        "begin verify",
        "end verify 1",
    ];
    assert_eq!(log.lines, expected);
}

#[test]
fn a_connection_with_leaked_statements_stays_open_and_is_shown() {
    for name in ["memory", "file", "attach:temporary"] {
        let mut log = Log::default();
        let (database, statements) = (name.parse().unwrap(), Statements::LeakPerRow);
        let options = InsertOptions {
            database,
            statements,
            ..memory(10)
        };
        let report = run_with(&options, &mut log).unwrap();
        assert!(
            log.lines.contains(&"end close 1".to_owned()),
            "{name}: {:?}",
            log.lines
        );
        let reason = report.not_closed.unwrap();
        assert!(
            reason.contains("unfinalized statements"),
            "{name}: {reason}"
        );
    }
}

#[test]
fn readings_come_after_the_commit_past_each_mark() {
    let mut log = Log::default();
    run_with(
        &InsertOptions {
            readings: 3,
            ..memory(1000)
        },
        &mut log,
    )
    .unwrap();
    assert_eq!(log.rows, [301, 501, 801], "commits are at 1, 101, 201, ...");
    assert_eq!(
        log.lines
            .iter()
            .filter(|line| *line == "reading fill 1")
            .count(),
        3
    );
}

#[test]
fn readings_of_a_single_transaction_come_at_the_row() {
    let mut log = Log::default();
    let transaction = Transaction::Single;
    run_with(
        &InsertOptions {
            readings: 3,
            transaction,
            ..memory(1000)
        },
        &mut log,
    )
    .unwrap();
    assert_eq!(log.rows, [250, 500, 750]);
}

#[test]
fn progress_comes_every_4096_rows_or_sooner_and_reaches_the_end() {
    for transaction in TRANSACTIONS {
        for (batch, readings) in [(32_768, 0), (1000, 5)] {
            let mut log = Log::default();
            let options = InsertOptions {
                transaction,
                batch,
                readings,
                ..memory(20_000)
            };
            run_with(&options, &mut log).unwrap();
            let fill = log
                .progress
                .iter()
                .filter(|(phase, ..)| *phase == Phase::Fill);
            let done: Vec<u64> = [0]
                .into_iter()
                .chain(fill.map(|(_, done, _)| *done))
                .collect();
            assert!(
                done.is_sorted_by(|a, b| a < b && b - a <= 4096 + 1000),
                "{done:?}"
            );
            assert_eq!(done.last(), Some(&20_000));
            assert!(done.len() < 30, "{done:?}");
        }
    }
}

#[test]
fn a_stopped_fill_is_read_before_it_is_closed() {
    for transaction in TRANSACTIONS {
        let mut log = Log {
            stop_at: Some((Phase::Fill, 8000)),
            ..Default::default()
        };
        let options = InsertOptions {
            transaction,
            ..memory(20_000)
        };
        let error = run_with(&options, &mut log).unwrap_err();
        assert!(matches!(error, Error::Stopped), "{error}");
        assert_eq!(log.lines.last().unwrap(), "reading fill 1");
        assert!((8000..8193).contains(&log.rows[0]), "{:?}", log.rows);
    }
}

#[test]
fn a_stopped_fill_leaves_its_commits_in_the_file_and_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = Log {
        stop_at: Some((Phase::Fill, 8000)),
        ..Default::default()
    };
    let database = DatabaseKind::FileWal.into();
    let options = InsertOptions {
        database,
        batch: 3000,
        ..memory(20_000)
    };
    run(&options, directory.path(), &mut log).unwrap_err();
    let files: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(
        files.len(),
        1,
        "the log is checkpointed and removed: {files:?}"
    );
    let connection = Connection::open(files[0].as_ref().unwrap().path()).unwrap();
    let count = "SELECT count(*) FROM user";
    assert_eq!(
        connection
            .query_row(count, [], |row| row.get::<_, i64>(0))
            .unwrap(),
        6001
    );
}

#[test]
fn a_stopped_verification_stops() {
    let mut log = Log {
        stop_at: Some((Phase::Verify, 4096)),
        ..Default::default()
    };
    let error = run_with(&memory(10_000), &mut log).unwrap_err();
    assert!(matches!(error, Error::Stopped), "{error}");
    assert_eq!(log.lines.last().unwrap(), "reading verify 1");
}

#[test]
fn what_cannot_be_run_opens_nothing() {
    let with_pragma = |name: &str, value: &str| InsertOptions {
        pragmas: vec![Pragma {
            name: name.into(),
            value: value.into(),
        }],
        ..memory(1)
    };
    let bad = [
        (memory(0), "rows is 0"),
        (memory(1 << 63), "rows is 9223372036854775808"),
        (
            InsertOptions {
                batch: 0,
                ..memory(1)
            },
            "batch is 0",
        ),
        (
            with_pragma("cache_size", "1; DROP TABLE user"),
            "`1; DROP TABLE user` is no value",
        ),
        (with_pragma("Cache", "1"), "`Cache` is no PRAGMA name"),
    ];
    for (options, message) in bad {
        let mut log = Log::default();
        let error = run_with(&options, &mut log).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
        assert!(log.lines.is_empty(), "{:?}", log.lines);
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
fn an_error_says_which_row_it_was() {
    let mut options = memory(100_000);
    options
        .pragmas
        .push(Pragma::new("max_page_count", "20").unwrap());
    let mut log = Log::default();
    let error = run_with(&options, &mut log).unwrap_err().to_string();
    assert!(error.starts_with("inserting row "), "{error}");
    assert!(error.contains("full"), "{error}");
    assert_eq!(log.lines.last().unwrap(), "reading fill 1");
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
