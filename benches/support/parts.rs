//! The parts of this bench that need a process of their own, and how they are asked for.
//!
//! SQLite's allocator and Rust's are chosen once in a process, and RSS is the whole process's, so
//! every sample starts this executable again with [`CHILD`] as its first argument. A child prints
//! one line of JSON.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sqlite_membench::allocator::global;
use sqlite_membench::memory::wait::own_usage;
use sqlite_membench::workload::NoMarks;
use sqlite_membench::workload::database::Place;
use sqlite_membench::workload::insert::{InsertOptions, Pool, fill};

use super::ledgers::{self, Heap};
use super::raw_insert::{RawKeys, raw_insert};

const CHILD: &str = "instrument-child";

/// What an insert took, from its first BEGIN to its last COMMIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    pub wall: Duration,
    /// User and system.
    pub cpu: Duration,
    /// Blocks of Rust's that were allocated in it.
    pub rust_blocks: u64,
}

/// The insert in a child: `raw` or `rusqlite`, without instruments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Insert {
    Raw,
    Rusqlite,
}

impl Insert {
    fn name(self) -> &'static str {
        match self {
            Insert::Raw => "raw",
            Insert::Rusqlite => "rusqlite",
        }
    }

    /// Inserts `rows` rows into a fresh file, in a process of its own.
    pub fn sample(self, rows: u64) -> Span {
        let place = tempfile::tempdir().expect("a temporary directory");
        let directory = place.path().to_str().expect("a UTF-8 temporary directory");
        child(&[self.name(), &rows.to_string(), directory])
    }
}

/// Ledgers of a process that holds `heap`, in a process of its own.
pub fn ledgers(heap: Heap, count: u64) -> ledgers::Sample {
    let heap = serde_json::to_string(&heap).expect("a heap is plain data");
    child(&["ledgers", &heap, &count.to_string()])
}

/// Runs this executable as a child and reads what it says. The benches' own misuse, or a machine
/// without room, is all that can go wrong: the message says which child and shows its words.
fn child<T: DeserializeOwned>(arguments: &[&str]) -> T {
    let executable = env::current_exe().expect("this bench's own executable");
    let output = Command::new(executable)
        .arg(CHILD)
        .args(arguments)
        // Plain glibc for Rust, and for SQLite where a part does not say otherwise.
        .env(global::CHOICE_VARIABLE, "system")
        .stderr(Stdio::inherit())
        .output()
        .expect("a child of this bench");
    assert!(
        output.status.success(),
        "{arguments:?}: {}; see above, and whether TMPDIR has room",
        output.status
    );
    serde_json::from_slice(&output.stdout).expect("a line of JSON from a child")
}

/// In a child: does its part. False in the bench itself.
pub fn run_as_child() -> bool {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let said = match arguments[..] {
        [CHILD, "raw", rows, directory] => json(&raw(number(rows), Path::new(directory))),
        [CHILD, "rusqlite", rows, directory] => json(&rusqlite(number(rows), Path::new(directory))),
        [CHILD, "ledgers", heap, count] => {
            let heap = serde_json::from_str(heap).expect("a heap");
            json(&ledgers::measure(heap, number(count)))
        }
        _ => return false,
    };
    println!("{said}");
    true
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data")
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
    let cpu = || {
        let usage = own_usage().expect("getrusage");
        Duration::from_nanos(usage.user_ns + usage.system_ns)
    };
    let rust_blocks = || global::counters().map_or(0, |counters| counters.total_blocks);
    let (blocks_before, cpu_before, began) = (rust_blocks(), cpu(), Instant::now());
    work();
    Span {
        wall: began.elapsed(),
        cpu: cpu() - cpu_before,
        rust_blocks: rust_blocks() - blocks_before,
    }
}
