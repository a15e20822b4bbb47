//! How fast a database becomes SQL text, as a ratio to the `sqlite3` shell's `.dump` of the same file.
//!
//! Both open the same file, which is in the system's file cache, with a page cache of their own that is
//! empty, and both write to `/dev/null`: a disk would take its time from both alike and draw the ratio
//! to 1 as it pleases. The pairs that write to a file are shown below, without a bound. The shell's
//! time is its process's, from its start to its end: a few milliseconds more than its dump. It writes
//! less (no column lists, names without quotes), which is its advantage.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use sqlite_membench::workload::dump::{DumpFormat, DumpOptions, dump};
use sqlite_membench::workload::steps::Here;

use super::clocks::Span;
use super::mixed::mixed;
use super::plan::Plan;
use super::shell;
use super::statistics::{self, Bound, Estimate, Row};

/// What the dump must reach: times the shell's throughput.
const BOUND: f64 = 2.5;
/// Text of three uuids, and what SQLite lays around it.
const ROW_BYTES: u64 = 118;

/// False where the bound does not hold.
pub fn measure_and_print(plan: &Plan) -> bool {
    let megabytes = plan.megabytes_of_bounds();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let database = directory.path().join("dumped.db");
    let rows = (megabytes * 1_000_000 / ROW_BYTES).max(1);
    make(&database, rows);
    let bytes = database.metadata().expect("the database").len();
    println!(
        "\nDump: {rows} rows, {} MB, {} pairs; shell {}",
        bytes / 1_000_000,
        plan.rounds,
        shell::version()
    );
    let null = Path::new("/dev/null");
    let file = directory.path().join("dump.sql");
    let mut pairs = Pairs::default();
    let mut into_file = Pairs::default();
    let mut gzip = Vec::new();
    for round in 0..plan.rounds {
        pairs.run(round, &database, null);
        if round < plan.rounds.div_ceil(4) {
            into_file.run(round, &database, &file);
            gzip.push(sample(&database, null, DumpFormat::FAST));
        }
    }
    let per_second = |what: &str, spans: &[Span]| {
        let of = |span: &Span| bytes as f64 / 1e6 / span.wall.as_secs_f64();
        Row {
            what: what.into(),
            unit: "MB/s",
            estimate: Estimate::of(spans.iter().map(of)),
            bound: None,
        }
    };
    let bound = Some(Bound::AtLeast(BOUND));
    let mut rows = Vec::from(pairs.rows("dump / shell's .dump, throughput", bound));
    rows.extend(into_file.rows("the same into a file", None));
    rows.push(per_second("dump", &pairs.dump));
    rows.push(per_second("dump, gzip at its fastest", &gzip));
    rows.push(per_second("shell's .dump", &pairs.shell));
    statistics::print(&rows)
}

/// Spans of the two, one after the other, of which every other pair begins with the shell.
#[derive(Default)]
struct Pairs {
    dump: Vec<Span>,
    shell: Vec<Span>,
}

impl Pairs {
    fn run(&mut self, round: u64, database: &Path, to: &Path) {
        for turn in 0..2 {
            match (round + turn) % 2 {
                0 => (self.dump).push(sample(database, to, DumpFormat::Plain)),
                _ => self.shell.push(shell::dump(database, to)),
            }
        }
    }

    /// A row for each clock: wall time is what a user waits, CPU time what a busy machine disturbs less.
    fn rows(&self, what: &str, bound: Option<Bound>) -> [Row; 2] {
        [
            self.row(format!("{what}, wall time"), |span| span.wall, bound),
            self.row(format!("{what}, CPU time"), |span| span.cpu, bound),
        ]
    }

    fn row(&self, what: String, clock: fn(&Span) -> Duration, bound: Option<Bound>) -> Row {
        let pairs = self.shell.iter().zip(&self.dump);
        let ratio = |(shell, dump)| clock(shell).as_secs_f64() / clock(dump).as_secs_f64();
        Row {
            what,
            unit: "",
            estimate: Estimate::of(pairs.map(ratio)),
            bound,
        }
    }
}

/// From opening the database to closing it.
fn sample(database: &Path, to: &Path, format: DumpFormat) -> Span {
    let mut to = File::create(to).expect("a file to write to");
    let options = DumpOptions {
        format,
        ..DumpOptions::default()
    };
    let mut rows = 0;
    let span = Span::of(|| {
        let connection = Connection::open(database).expect("the database");
        rows = (dump(&connection, &options, &mut to, &mut Here).expect("a dump")).rows;
    });
    assert!(rows > 0);
    span
}

/// The large table of the snapshot report: text uuids, no rowid, in key order.
fn make(database: &Path, rows: u64) {
    let connection = Connection::open(database).expect("a database");
    connection
        .execute_batch(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;
             CREATE TABLE item (
                 id TEXT NOT NULL PRIMARY KEY CHECK (id LIKE '________-____-____-____-____________'),
                 owner TEXT NOT NULL,
                 kind TEXT NOT NULL
             ) WITHOUT ROWID;
             BEGIN;",
        )
        .expect("a table");
    let mut insert = (connection.prepare("INSERT INTO item VALUES (?, ?, ?)")).expect("an INSERT");
    for row in 0..rows {
        let high = (u128::from(row) << 64) / u128::from(rows);
        let ids = [high as u64, mixed(row % 5000), mixed(row)].map(|high| uuid(high, mixed(!row)));
        insert.execute(ids).expect("a row");
    }
    drop(insert);
    connection.execute_batch("COMMIT").expect("a database");
}

fn uuid(high: u64, low: u64) -> String {
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}
