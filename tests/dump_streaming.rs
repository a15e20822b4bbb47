//! How a dump gets to its writer: in steps, compressed or not, stopped, refused, and within bounds.

use std::io::{self, Read, Write};

use flate2::read::GzDecoder;
use rusqlite::Connection;
use sqlite_membench::workload::dump::{DumpFormat, DumpOptions, Dumped, dump};
use sqlite_membench::workload::steps::{Here, Steps};
use sqlite_membench::workload::{Error, Stopped};
use tempfile::TempDir;

fn memory(sql: &str) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(sql).unwrap();
    connection
}

fn dump_text(connection: &Connection, options: &DumpOptions) -> Vec<u8> {
    let mut text = Vec::new();
    dump(connection, options, &mut text, &mut Here).unwrap();
    text
}

#[test]
fn gzip_holds_the_same_text_at_every_level() {
    let connection = numbers(10_000);
    let plain = dump_text(&connection, &DumpOptions::default());
    for level in [0, 1, 9] {
        let options = DumpOptions {
            format: DumpFormat::Gzip { level },
            ..DumpOptions::default()
        };
        let mut compressed = Vec::new();
        let dumped = dump(&connection, &options, &mut compressed, &mut Here).unwrap();
        assert_eq!(dumped.bytes, compressed.len() as u64);
        assert_eq!(dumped.text_bytes, plain.len() as u64);
        let mut text = Vec::new();
        GzDecoder::new(&compressed[..])
            .read_to_end(&mut text)
            .unwrap();
        assert!(text == plain);
    }
    let options = DumpOptions {
        format: DumpFormat::Gzip { level: 10 },
        ..DumpOptions::default()
    };
    assert!(dump(&connection, &options, &mut Vec::new(), &mut Here).is_err());
}

/// One table `t` of that many rows.
fn numbers(rows: u32) -> Connection {
    memory(&format!(
        "CREATE TABLE t(k INTEGER PRIMARY KEY, a TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         INSERT INTO t SELECT i, hex(randomblob(20)) FROM n;"
    ))
}

/// Each step on a thread of its own; stops after so many.
#[derive(Default)]
struct Elsewhere {
    progress: Vec<(u64, u64)>,
    stop_after: Option<usize>,
}

impl Steps for Elsewhere {
    fn run(&mut self, work: &mut (dyn FnMut() + Send)) {
        std::thread::scope(|scope| {
            scope.spawn(work);
        });
    }

    fn progress(&mut self, done: u64, total: u64) -> Result<(), Stopped> {
        self.progress.push((done, total));
        match self.stop_after {
            Some(steps) if self.progress.len() >= steps => Err(Stopped),
            _ => Ok(()),
        }
    }
}

#[test]
fn steps_may_run_on_any_thread_and_are_told_of() {
    let connection = numbers(2500);
    let options = DumpOptions {
        rows_per_step: 1000,
        expected_rows: 2500,
        ..DumpOptions::default()
    };
    let mut steps = Elsewhere::default();
    let mut text = Vec::new();
    let dumped = dump(&connection, &options, &mut text, &mut steps).unwrap();
    assert_eq!(steps.progress, [(1000, 2500), (2000, 2500), (2500, 2500)]);
    assert_eq!(text, dump_text(&connection, &DumpOptions::default()));
    let bytes = text.len() as u64;
    let expected = Dumped {
        bytes,
        text_bytes: bytes,
        rows: 2500,
        tables: 1,
    };
    assert_eq!(dumped, expected);
}

#[test]
fn a_dump_that_is_stopped_leaves_nothing_open() {
    for format in [DumpFormat::Plain, DumpFormat::FAST] {
        let connection = numbers(2500);
        let options = DumpOptions {
            rows_per_step: 1000,
            format,
            ..DumpOptions::default()
        };
        let mut steps = Elsewhere {
            stop_after: Some(2),
            ..Elsewhere::default()
        };
        let mut text = Vec::new();
        let error = dump(&connection, &options, &mut text, &mut steps).unwrap_err();
        assert!(matches!(error, Error::Stopped));
        assert!(connection.is_autocommit());
        if format == DumpFormat::Plain {
            assert_eq!(text.iter().filter(|&&byte| byte == b'\n').count(), 3 + 2000);
        } else {
            assert!(
                GzDecoder::new(&text[..])
                    .read_to_end(&mut Vec::new())
                    .is_err()
            );
        }
        assert!(connection.close().is_ok(), "a statement is left");
    }
}

#[test]
fn a_transaction_that_is_open_stays_open() {
    let connection = memory("CREATE TABLE t(a); BEGIN; INSERT INTO t VALUES (1);");
    let text = String::from_utf8(dump_text(&connection, &DumpOptions::default())).unwrap();
    assert!(text.contains("VALUES(1,1)"), "{text}");
    assert!(!connection.is_autocommit());
}

#[test]
fn one_state_of_the_database_is_dumped() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("wal.db");
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch("PRAGMA journal_mode=WAL; CREATE TABLE a(x); CREATE TABLE b(x); INSERT INTO a VALUES (1); INSERT INTO b VALUES (1);")
        .unwrap();
    struct WriteBetween(Connection);
    impl Steps for WriteBetween {
        fn run(&mut self, work: &mut (dyn FnMut() + Send)) {
            work();
        }
        fn progress(&mut self, _: u64, _: u64) -> Result<(), Stopped> {
            self.0
                .execute_batch("INSERT INTO a VALUES (2); INSERT INTO b VALUES (2);")
                .unwrap();
            Ok(())
        }
    }
    let mut steps = WriteBetween(Connection::open(&path).unwrap());
    let dumped = dump(
        &connection,
        &DumpOptions::default(),
        &mut io::sink(),
        &mut steps,
    )
    .unwrap();
    assert_eq!(dumped.rows, 2);
}

/// Takes some bytes, then is full, and says how often it was asked after that.
struct Full {
    room: usize,
    asked: u32,
}

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.room == 0 {
            self.asked += 1;
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        let taken = bytes.len().min(self.room);
        self.room -= taken;
        Ok(taken)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_ends_the_dump_with_its_own_words() {
    for format in [DumpFormat::Plain, DumpFormat::FAST] {
        for room in [0, 5, 10_000] {
            let connection = numbers(20_000);
            let options = DumpOptions {
                format,
                ..DumpOptions::default()
            };
            let mut full = Full { room, asked: 0 };
            let error = dump(&connection, &options, &mut full, &mut Here).unwrap_err();
            let Error::Write { source, .. } = &error else {
                panic!("{error}");
            };
            assert_eq!(source.kind(), io::ErrorKind::StorageFull);
            assert_eq!(full.asked, 1);
            assert!(connection.is_autocommit() && connection.close().is_ok());
        }
    }
}

/// Looks at the largest piece that is written at once: the buffer's size.
#[derive(Default)]
struct Largest {
    piece: usize,
    total: usize,
}

impl Write for Largest {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece = self.piece.max(bytes.len());
        self.total += bytes.len();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_buffer_is_bounded_whatever_the_steps_and_the_table() {
    let connection = memory(
        "CREATE TABLE t(a);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
         INSERT INTO t SELECT hex(randomblob(5000)) FROM n;
         INSERT INTO t VALUES (zeroblob(2000000));",
    );
    let options = DumpOptions {
        rows_per_step: u64::MAX,
        ..DumpOptions::default()
    };
    let mut largest = Largest::default();
    dump(&connection, &options, &mut largest, &mut Here).unwrap();
    assert!(largest.total > 20_000_000);
    assert!(largest.piece < (1 << 20) + 4_000_100, "{}", largest.piece);
}

/// SQLite's page cache and one row: a table ten times as large takes no more.
#[test]
fn memory_does_not_grow_with_the_table() {
    let directory = TempDir::new().unwrap();
    let [small, large] = [3_000, 30_000].map(|rows| {
        let path = directory.path().join(format!("{rows}.db"));
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(&format!(
                "PRAGMA cache_size=100;
                 CREATE TABLE t(a TEXT PRIMARY KEY, b, c) WITHOUT ROWID;
                 CREATE INDEX covering ON t(c, b, a);
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
                 INSERT INTO t SELECT hex(randomblob(40)), randomblob(100), random() FROM n;"
            ))
            .unwrap();
        struct Peak<'c>(&'c Connection, i64);
        impl Steps for Peak<'_> {
            fn run(&mut self, work: &mut (dyn FnMut() + Send)) {
                work();
            }
            fn progress(&mut self, _: u64, _: u64) -> Result<(), Stopped> {
                self.1 = self.1.max(cache_bytes(self.0));
                Ok(())
            }
        }
        let mut peak = Peak(&connection, 0);
        dump(
            &connection,
            &DumpOptions::default(),
            &mut io::sink(),
            &mut peak,
        )
        .unwrap();
        peak.1
    });
    assert!(small > 0 && large <= small + 65_536, "{small} {large}");
}

/// SQLITE_DBSTATUS_CACHE_USED with schema and statements: of this connection alone, since tests of
/// other connections run beside it.
fn cache_bytes(connection: &Connection) -> i64 {
    use rusqlite::ffi;
    let of = |what| {
        let (mut current, mut highest) = (0, 0);
        // SAFETY: the connection is open, and both pointers are to integers that live here.
        let code = unsafe {
            ffi::sqlite3_db_status(
                connection.handle(),
                what,
                &raw mut current,
                &raw mut highest,
                0,
            )
        };
        assert_eq!(code, ffi::SQLITE_OK);
        i64::from(current)
    };
    of(ffi::SQLITE_DBSTATUS_CACHE_USED) + of(ffi::SQLITE_DBSTATUS_STMT_USED)
}
