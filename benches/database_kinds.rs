//! What a kind of database costs: each of SQLite's ten, directly and through `ATTACH`.
//!
//! ```sh
//! cargo bench --bench database_kinds                      # time, then memory
//! cargo bench --bench database_kinds -- point-read/memdb  # one of them
//! ```
//!
//! | group | what is timed | what is not |
//! |---|---|---|
//! | `open` | opening, `ATTACH`, the kind's `mmap_size`, the first reading of the schema | closing |
//! | `insert` | the INSERT prepared, `BEGIN`, every row, `COMMIT` | a fresh database and its table |
//! | `point-read` | every row once by its rowid, whole, in an order without a pattern | the statement prepared |
//! | `scan` | one column of every row, added up by SQLite | the statement prepared |
//! | `close` | closing the only connection of a database that was just filled | the filling |
//!
//! Rows are a tenth of the insert's. All that is not the kind's is SQLite's default, but for
//! `synchronous`; `SQLITE_MEMBENCH_BENCH_PRAGMAS` does not count here. The groups of memory are of the
//! insert, with the database still open, in processes in which SQLite's blocks are Rust's. The set
//! `quick` has what is attached in `open` only, unless the filter names it: once open it is the same.
//!
//! Traps:
//! * **`synchronous` is OFF**, so that nobody waits for a disk: with NORMAL an insert of 2,000 rows into a
//!   file was seen to take 20 ms and not 1. What a durable commit costs on your disk is not told here.
//! * **SQLite opens nothing until it must**, so an open ends when the schema was read. It is that of the
//!   table where one can be there before: in a file, or in memory where another connection keeps it. Else
//!   it is empty.
//! * **A read is a transaction of its own**, as it is for whoever does not say BEGIN: a file is locked and
//!   let go for each row, which is most of what `point-read` shows of a file. `scan` has one lock.
//! * **The page cache is 2 MB**, which the rows of `quick` fit into; 20,000 are 5 MB, so that the kind is
//!   asked for pages again and again, and `temporary` is partly in a file.
//! * **What is in a file is read by another connection** than wrote it, and once before it is timed: it is in
//!   the kernel's cache, and no row is in the WAL.
//! * **The last one to close a WAL moves it into the file**, which is what `close` shows of it.
//! * **memdb keeps its own image**, beside the page cache: what it takes is both.

#[allow(dead_code, reason = "the benches share it, and none of them uses all")]
mod support {
    pub mod kinds;
    pub mod mixed;
    pub mod plan;
    pub mod profiler;
    pub mod room;
    pub mod suite;
}

use std::process::ExitCode;
use std::time::{Duration, Instant};

use criterion::Throughput;
use sqlite_membench::allocator::{SqliteAllocator, sqlite};
use sqlite_membench::measurement::{Taken, take, testee};
use sqlite_membench::workload::database::Database;
use support::kinds::{Site, Sum, close, read, scan, shuffled};
use support::plan::{Plan, Size};
use support::suite::{self, Suite, Testee, spans};

#[global_allocator]
static ALLOCATOR: sqlite_membench::allocator::global::Switchable =
    sqlite_membench::allocator::global::Switchable::new();

/// The testee: an insert into a database of the kind that it is given.
const INSERT: &str = "database_kinds/insert";

/// Two runs of spans of a few milliseconds and less differ by as much: a process's luck with its caches.
const SHORT_NOISE: f64 = 0.15;
/// One closing is 50 microseconds, after a filling that is cold each time.
const CLOSE_NOISE: f64 = 0.5;

fn main() -> ExitCode {
    testee::serve(INSERT, insert_here);
    suite::main(
        |suite| {
            open(suite);
            insert(suite);
            point_read(suite);
            full_scan(suite);
            close_last(suite);
            insert_memory(suite);
        },
        None,
    )
}

/// What is used once it is open. All there is, but for attached databases in a quick run.
fn used(plan: &Plan) -> impl Iterator<Item = Database> + use<> {
    let with_attached = plan.wants_more("attach:");
    Database::all().filter(move |database| with_attached || !database.attached)
}

/// A tenth of the insert's rows: there are 20 databases.
fn size(plan: &Plan) -> Size {
    plan.rows().divided(10)
}

fn name(rows: Size, what: &str) -> String {
    format!("database_kinds/{}/{what}", rows.label())
}

fn timed<O>(work: impl FnOnce() -> O) -> (Duration, O) {
    let began = Instant::now();
    let output = work();
    (began.elapsed(), output)
}

fn open(suite: &mut Suite) {
    let mut group = suite.time_group("database_kinds/open", Throughput::Elements(1));
    group.noise_threshold(SHORT_NOISE);
    for database in Database::all() {
        let has_table = database.kind.is_shared();
        let mut existing = None;
        group.bench_function(database.to_string(), |bencher| {
            let (_keeper, site) = existing.get_or_insert_with(|| {
                let site = Site::new(database);
                // A file stays; what is in memory stays as long as somebody has it open.
                let keeper = has_table.then(|| site.filled(1));
                (keeper.filter(|_| database.kind.is_memory()), site)
            });
            spans(bencher, || {
                let (span, (connection, tables)) = timed(|| site.open());
                assert_eq!(tables, u64::from(has_table), "{database}");
                close(connection);
                span
            });
        });
    }
    group.finish();
}

fn insert(suite: &mut Suite) {
    let rows = size(&suite.plan);
    let databases = used(&suite.plan);
    let mut group = suite.time_group(name(rows, "insert"), Throughput::Elements(rows.run));
    // Three iterations a sample, or so: one by itself differs much from the next.
    group.measurement_time(Duration::from_millis(300));
    for database in databases {
        group.bench_function(database.to_string(), |bencher| {
            spans(bencher, || {
                let site = Site::new(database);
                let connection = site.create();
                let (span, ()) = timed(|| site.insert(&connection, rows.run));
                site.verify(&connection, rows.run);
                close(connection);
                span
            });
        });
    }
    group.finish();
}

fn point_read(suite: &mut Suite) {
    let rows = size(&suite.plan);
    let ids = shuffled(rows.run);
    let sum = Sum::of(rows.run);
    let databases = used(&suite.plan);
    let mut group = suite.time_group(name(rows, "point-read"), Throughput::Elements(rows.run));
    group.noise_threshold(SHORT_NOISE);
    for database in databases {
        let mut filled = None;
        group.bench_function(database.to_string(), |bencher| {
            let (connection, site) = filled.get_or_insert_with(|| warm(database, rows));
            let mut point = site.point(connection);
            spans(bencher, || {
                let (span, found) = timed(|| read(&mut point, &ids));
                assert_eq!(found, sum, "{database}");
                span
            });
        });
    }
    group.finish();
}

fn full_scan(suite: &mut Suite) {
    let rows = size(&suite.plan);
    let sum = Sum::of(rows.run);
    let databases = used(&suite.plan);
    let mut group = suite.time_group(name(rows, "scan"), Throughput::Elements(rows.run));
    group.noise_threshold(SHORT_NOISE);
    for database in databases {
        let mut filled = None;
        group.bench_function(database.to_string(), |bencher| {
            let (connection, site) = filled.get_or_insert_with(|| warm(database, rows));
            let mut whole = site.whole(connection);
            spans(bencher, || {
                let (span, found) = timed(|| scan(&mut whole));
                assert_eq!(found, sum, "{database}");
                span
            });
        });
    }
    group.finish();
}

/// A filled database, read once.
fn warm(database: Database, rows: Size) -> (rusqlite::Connection, Site) {
    let site = Site::new(database);
    let connection = site.settled(rows.run);
    site.verify(&connection, rows.run);
    (connection, site)
}

fn close_last(suite: &mut Suite) {
    let rows = size(&suite.plan);
    let databases = used(&suite.plan);
    let mut group = suite.time_group(name(rows, "close"), Throughput::Elements(1));
    group.noise_threshold(CLOSE_NOISE);
    // It counts the filling, too, which takes a hundred times what closing does.
    group.measurement_time(Duration::from_millis(500));
    for database in databases {
        group.bench_function(database.to_string(), |bencher| {
            spans(bencher, || {
                let site = Site::new(database);
                let connection = site.filled(rows.run);
                let (span, ()) = timed(|| close(connection));
                let (again, tables) = site.open();
                assert_eq!(tables, u64::from(database.kind.is_file()), "{database}");
                close(again);
                span
            });
        });
    }
    group.finish();
}

fn insert_memory(suite: &mut Suite) {
    let rows = size(&suite.plan);
    let testees: Vec<Testee> = used(&suite.plan)
        .map(|database| Testee {
            id: database.to_string(),
            name: INSERT,
            arguments: vec![database.to_string(), rows.run.to_string()],
        })
        .collect();
    suite.memory_groups(
        &name(rows, "insert"),
        Throughput::Elements(rows.run),
        &testees,
    );
}

/// In a testee: what the insert takes, the database still open at its end.
fn insert_here(arguments: &[String]) -> Taken {
    let [database, rows] = arguments else {
        panic!("a database and its rows, and not {arguments:?}");
    };
    let database: Database = database.parse().expect("a database");
    let rows: u64 = rows.parse().expect("rows");
    sqlite::install(SqliteAllocator::Rust, 0).expect("SQLite's blocks from Rust");
    let site = Site::new(database);
    let connection = site.create();
    let (taken, ()) = take(|| site.insert(&connection, rows));
    site.verify(&connection, rows);
    close(connection);
    taken
}
