//! What the insert workload tells its marks: phases in order, readings, progress, and how it ends
//! when it is stopped or fails.
#![cfg(feature = "cli")]

use rusqlite::Connection;
use sqlite_membench::workload::database::DatabaseKind;
use sqlite_membench::workload::insert::{
    InsertOptions, InsertReport, Shrink, Statements, Transaction, run,
};
use sqlite_membench::workload::pragmas::{Pragma, PragmaReadBack};
use sqlite_membench::workload::{Error, Marks, Phase, Stopped};

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

fn run_with(options: &InsertOptions, marks: &mut dyn Marks) -> Result<InsertReport, Error> {
    let directory = tempfile::tempdir().unwrap();
    run(options, directory.path(), marks)
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
    /// The line before each time that it may be probed, and whether it was stopped.
    probed: Vec<(String, bool)>,
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
    fn probe(&mut self, connections: &[&Connection], stopped: bool) {
        // What was stopped has not been rolled back.
        assert_eq!(connections[0].is_autocommit(), !stopped);
        self.probed
            .push((self.lines.last().cloned().unwrap_or_default(), stopped));
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
fn what_became_of_the_pragmas_is_told_when_the_database_is_open() {
    let mut log = Log::default();
    let report = run_with(&memory(10), &mut log).unwrap();
    assert_eq!(log.pragmas.len(), 13);
    assert_eq!(log.pragmas, report.pragmas);
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
fn a_fill_may_be_probed_when_it_is_over_or_stopped_and_nothing_else_may() {
    for kind in [DatabaseKind::Memory, DatabaseKind::File] {
        let options = InsertOptions {
            database: kind.into(),
            ..memory(20_000)
        };
        let probed = |stop_at| {
            let mut log = Log {
                stop_at,
                ..Default::default()
            };
            let _ = run_with(&options, &mut log);
            log.probed
        };
        let over = ("end fill 1".to_owned(), false);
        assert_eq!(probed(None), std::slice::from_ref(&over));
        assert_eq!(probed(Some((Phase::Verify, 1))), [over]);
        let stopped = ("reading fill 1".to_owned(), true);
        assert_eq!(probed(Some((Phase::Fill, 8000))), [stopped]);
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
