//! A dump's time and memory by what is in the rows, plain and through gzip.
//!
//! ```sh
//! cargo bench --bench dump                    # the benchmarks
//! cargo bench --bench dump -- text/plain      # some of them
//! cargo bench --bench dump -- bounds          # the table of bounds alone: against the `sqlite3` shell
//! ```
//!
//! `SQLITE_MEMBENCH_BENCH_MB` and `SQLITE_MEMBENCH_BENCH_ROUNDS` set the size of the text and the
//! pairs of the table. A bound that does not hold fails nothing on a noisy machine, unless
//! `SQLITE_MEMBENCH_ENFORCE=1`: exit code 1.
//!
//! `dump/50MB/CLASS/plain` and so on are dumps of a table in `:memory:` whose rows hold one storage
//! class, sized so that its plain dump writes 50 MB of SQL text, to 2 %. A throughput is of that text, before
//! gzip, so plain and gzip compare, and one class with another. Timed is the dump alone: opening and
//! filling are not. It writes to `/dev/null`, as the shell does in the table of bounds: that takes a
//! system call for each MiB, and no disk. A quick run has `gzip-6` of `mixed` rows alone.
//!
//! `dump/50MB/memory/...` are of testees with SQLite's blocks in the counting global allocator, which
//! dump a file through a page cache of SQLite's default 2 MB. A dump's memory is bounded by the largest
//! row and the step, whatever the size of the table: `long-blob` has rows of 1 MiB, 2 MiB as text.

#[allow(dead_code, reason = "the benches share it, and none of them uses all")]
mod support {
    pub mod clocks;
    pub mod dump_bounds;
    pub mod dump_content;
    pub mod made;
    pub mod mixed;
    pub mod plan;
    pub mod profiler;
    pub mod room;
    pub mod shell;
    pub mod statistics;
    pub mod suite;
}

use std::cell::OnceCell;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use criterion::{BenchmarkId, Throughput};
use rusqlite::Connection;
use sqlite_membench::allocator::{SqliteAllocator, sqlite};
use sqlite_membench::measurement::{Taken, take, testee};
use sqlite_membench::workload::dump::DumpFormat;
use support::dump_bounds::measure_and_print;
use support::dump_content::{Class, dumped, plain};
use support::made;
use support::suite::{self, Suite, Testee, spans};

#[global_allocator]
static ALLOCATOR: sqlite_membench::allocator::global::Switchable =
    sqlite_membench::allocator::global::Switchable::new();

/// What `testee::serve` knows a dump by.
const DUMP: &str = "dump";

const FORMATS: [(&str, DumpFormat); 3] = [
    ("plain", DumpFormat::Plain),
    ("gzip-1", DumpFormat::FAST),
    ("gzip-6", DumpFormat::Gzip { level: 6 }),
];

fn main() -> ExitCode {
    testee::serve(made::MAKE, make);
    testee::serve(DUMP, dump_file);
    suite::main(
        |suite| {
            time_group(suite);
            memory_groups(suite);
        },
        Some(measure_and_print),
    )
}

fn time_group(suite: &mut Suite) {
    let plan = suite.plan.clone();
    let size = plan.megabytes();
    let bytes = Throughput::Bytes(size.run * 1_000_000);
    let mut group = suite.time_group(format!("dump/{}MB", size.label()), bytes);
    for class in Class::TIMED {
        // Made by the first benchmark that is run, and gone with the class.
        let table = OnceCell::new();
        for (name, format) in FORMATS {
            let is_slow = name == "gzip-6" && class != Class::Mixed;
            if is_slow && !plan.wants_more(name) {
                continue;
            }
            group.bench_function(BenchmarkId::new(class.name(), name), |bencher| {
                let connection = table.get_or_init(|| in_memory(class, size.run));
                spans(bencher, || {
                    let began = Instant::now();
                    let dumped = dumped(connection, format);
                    let took = began.elapsed();
                    assert!(dumped.rows > 0, "{dumped:?}");
                    took
                });
            });
        }
    }
    group.finish();
}

fn in_memory(class: Class, megabytes: u64) -> Connection {
    let connection = Connection::open_in_memory().expect("a database in memory");
    class.fill(&connection, megabytes);
    let (is, wanted) = (plain(&connection).text_bytes, megabytes * 1_000_000);
    // What the throughput says.
    assert!(
        is.abs_diff(wanted) <= wanted / 50,
        "{class:?}: {is} bytes of text"
    );
    connection
}

fn memory_groups(suite: &mut Suite) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = (directory.path().to_str()).expect("a UTF-8 temporary directory");
    let size = suite.plan.megabytes();
    let testee = |class: Class, format: &str| Testee {
        id: format!("{}/{format}", class.name()),
        name: DUMP,
        arguments: [class.name(), format, &size.run.to_string(), path]
            .map(str::to_owned)
            .into(),
    };
    let testees = [
        testee(Class::Mixed, "plain"),
        testee(Class::Mixed, "gzip-1"),
        testee(Class::Blob, "plain"),
        testee(Class::LongBlob, "plain"),
    ];
    let name = format!("dump/{}MB/memory", size.label());
    suite.memory_groups(&name, Throughput::Bytes(size.run * 1_000_000), &testees);
}

/// In a testee: a table in a file.
fn make(arguments: &[String]) -> Taken {
    let [file, class, megabytes] = arguments else {
        panic!("a file, a class and megabytes, not {arguments:?}")
    };
    let connection = Connection::open(file).expect("a file");
    connection
        .execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")
        .expect("a file that need not last");
    let megabytes = megabytes.parse().expect("a number");
    take(|| Class::named(class).fill(&connection, megabytes)).0
}

/// In a testee: the dump of a file that was made.
fn dump_file(arguments: &[String]) -> Taken {
    let [class, format, megabytes, directory] = arguments else {
        panic!("a class, a format, megabytes and a directory, not {arguments:?}")
    };
    let file = made::file(Path::new(directory), class, &[class, megabytes]);
    sqlite::install(SqliteAllocator::Rust, 0).expect("an allocator for SQLite");
    let connection = Connection::open(file).expect("the table's file");
    let found = FORMATS.iter().find(|(name, _)| name == format);
    let (_, format) = found.unwrap_or_else(|| panic!("no format is called {format}"));
    take(|| dumped(&connection, *format)).0
}
