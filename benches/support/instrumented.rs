//! The report's insert in a child, bare or with one instrument of those that the program has.
//!
//! Timed is what a child measures itself, from its first BEGIN to its last COMMIT: not its start, not
//! opening the database, not dhat's summing up at the end.

use std::hint::black_box;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sqlite_membench::allocator::{SqliteAllocator, global, sqlite};
use sqlite_membench::memory::{process, sqlite as status};
use sqlite_membench::workload::NoMarks;
use sqlite_membench::workload::database::Place;
use sqlite_membench::workload::insert::{InsertOptions, Pool, fill};

use super::allocator::DHAT_VARIABLE;
use super::clocks;
use super::parts;
use super::raw_insert::{RawKeys, raw_insert};

/// What the program looks at a testee by, unless `--sample-interval` is given.
pub const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);

/// The harness leaves its testee alone after a look for so many times as long as it took,
const LOOK_REST: u32 = 20;
/// but for no more than so many intervals.
const LOOKS_LEFT_OUT: u32 = 10;

/// What an insert took, from its first BEGIN to its last COMMIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    pub wall: Duration,
    /// User and system.
    pub cpu: Duration,
    /// Blocks of Rust's that were allocated in it, by the counting allocator.
    pub rust_blocks: u64,
}

/// Who inserts, and what is done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Insert {
    /// The floor: raw calls, no instruments.
    Raw,
    /// The program's own workload, no instruments.
    Rusqlite,
    /// The same with these methods installed in SQLite, all of which count. No ledger.
    Methods(SqliteAllocator),
    /// As `Rusqlite`, while this process looks at it so often.
    Sampled(Duration),
    /// SQLite's blocks through Rust and dhat, which profiles them. For comparison only.
    Dhat,
}

impl Insert {
    /// Inserts `rows` rows into a fresh file, in a process of its own.
    pub fn sample(self, rows: u64) -> Span {
        let place = tempfile::tempdir().expect("a temporary directory");
        let directory = place.path().to_str().expect("a UTF-8 temporary directory");
        let asked = parts::json(&self);
        let mut command = parts::command(&["insert", &asked, &rows.to_string(), directory]);
        if self == Insert::Dhat {
            command.env(DHAT_VARIABLE, "1");
        }
        let child = command.spawn().expect("a child of this bench");
        match self {
            Insert::Sampled(interval) => {
                let (ended, has_ended) = channel();
                let pid = child.id();
                thread::scope(|scope| {
                    scope.spawn(move || look(pid, interval, &has_ended));
                    let span = parts::answer(child);
                    drop(ended);
                    span
                })
            }
            _ => parts::answer(child),
        }
    }

    /// In a child.
    pub fn run(self, rows: u64, directory: &Path) -> Span {
        match self {
            Insert::Raw => raw(rows, directory),
            Insert::Rusqlite | Insert::Sampled(_) => rusqlite(rows, directory),
            Insert::Methods(allocator) => {
                sqlite::install(allocator, 0).expect("SQLite's allocator");
                rusqlite(rows, directory)
            }
            Insert::Dhat => {
                assert!(global::counters().is_none(), "dhat serves Rust");
                sqlite::install(SqliteAllocator::Rust, 0).expect("SQLite's allocator");
                // No file is written: it is what a block costs that is asked for.
                let profiler = dhat::Profiler::builder().testing().build();
                let span = rusqlite(rows, directory);
                let seen = dhat::HeapStats::get().max_bytes as i64;
                drop(profiler);
                let held = status::read().live_highwater_bytes;
                assert!(
                    seen >= held,
                    "dhat has seen {seen} bytes of SQLite's {held}"
                );
                span
            }
        }
    }
}

/// Looks at `pid` until it has ended, as the harness does: `smaps_rollup`, for which the kernel walks
/// all resident pages and holds up the process's page faults, and a rest after it. The harness lists
/// the database's directory as well, which the testee does not wait for.
fn look(pid: u32, interval: Duration, has_ended: &Receiver<()>) {
    process::rollup(None).expect("/proc/self/smaps_rollup");
    let mut pause = interval;
    while has_ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        let began = Instant::now();
        // None where it has just ended.
        let _ = black_box(process::rollup(Some(pid)));
        let rest = (began.elapsed() * LOOK_REST).min(interval * LOOKS_LEFT_OUT);
        pause = interval.max(rest);
    }
}

fn raw(rows: u64, directory: &Path) -> Span {
    let batch = InsertOptions::default().batch;
    raw_insert(
        &directory.join("raw.db"),
        rows,
        batch,
        RawKeys::GoRune,
        measure,
    )
}

fn rusqlite(rows: u64, directory: &Path) -> Span {
    let options = InsertOptions {
        rows,
        ..InsertOptions::default()
    };
    let (pool, _) = Pool::open(&options, &Place::unique(directory)).expect("an open database");
    let span = measure(&mut || fill(&pool, &options, &mut NoMarks).expect("rows go in"));
    let left = pool.close();
    assert!(left.is_empty(), "{left:?}");
    span
}

fn measure(work: &mut dyn FnMut()) -> Span {
    let rust_blocks = || global::counters().map_or(0, |counters| counters.total_blocks);
    let blocks_before = rust_blocks();
    let took = clocks::Span::of(work);
    Span {
        wall: took.wall,
        cpu: took.cpu,
        rust_blocks: rust_blocks() - blocks_before,
    }
}
