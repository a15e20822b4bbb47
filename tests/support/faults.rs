//! What tests of the fault workload share: marks that write down what stands at each of them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, ffi};
use sqlite_membench::allocator::global;
use sqlite_membench::workload::fault::{self, Fault, FaultOptions, FaultReport};
use sqlite_membench::workload::pragmas::{Pragma, PragmaReadBack};
use sqlite_membench::workload::{Marks, Phase, Stopped};
use tempfile::TempDir;

/// Held by every test.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn small(fault: Fault) -> FaultOptions {
    FaultOptions {
        scale: 0.05,
        cycles: 3,
        ..FaultOptions::new(fault)
    }
}

pub fn mended(fault: Fault) -> FaultOptions {
    FaultOptions {
        mended: true,
        ..small(fault)
    }
}

pub fn pragma(name: &str, value: &str) -> Pragma {
    Pragma::new(name, value).unwrap()
}

pub fn run(options: &FaultOptions, marks: &mut dyn Marks) -> FaultReport {
    let directory = TempDir::new().unwrap();
    fault::run(options, directory.path(), marks)
        .unwrap_or_else(|error| panic!("{options:?}: {error}"))
}

/// `sqlite3_status64`: what is in use, and the most that was.
pub fn status(op: i32) -> (i64, i64) {
    let (mut used, mut most) = (0, 0);
    // SAFETY: writes two integers that live on this stack.
    let result = unsafe { ffi::sqlite3_status64(op, &raw mut used, &raw mut most, 1) };
    assert_eq!(result, ffi::SQLITE_OK);
    (used, most)
}

fn db_status(connection: &Connection, op: i32) -> i64 {
    let (mut used, mut most) = (0, 0);
    // SAFETY: the handle is open as long as `connection` is; the integers live on this stack.
    let result =
        unsafe { ffi::sqlite3_db_status(connection.handle(), op, &raw mut used, &raw mut most, 0) };
    assert_eq!(result, ffi::SQLITE_OK);
    used.into()
}

/// What stands at the end of a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    pub phase: Phase,
    pub cycle: Option<u32>,
    pub connections: usize,
    pub open_transactions: usize,
    pub sqlite_bytes: i64,
    /// The most since the phase before.
    pub most_sqlite_bytes: i64,
    pub cache_bytes: i64,
    pub statement_bytes: i64,
    pub rust_bytes: i64,
    pub mapped_bytes: u64,
    pub parked_threads: usize,
}

/// Writes down what it is told, gives back what a probe does, and stops where it is asked to.
#[derive(Default)]
pub struct Notes {
    pub cycle: Option<u32>,
    pub ends: Vec<End>,
    pub readings: Vec<Phase>,
    pub probes: Vec<(usize, bool)>,
    pub opened: Vec<PragmaReadBack>,
    pub stop_in_cycle: Option<u32>,
    pub gives_back: bool,
}

impl Marks for Notes {
    fn opened(&mut self, pragmas: &[PragmaReadBack]) {
        self.opened = pragmas.to_vec();
    }
    fn cycle(&mut self, cycle: Option<u32>) {
        self.cycle = cycle;
    }
    fn probe(&mut self, connections: &[&Connection], stopped: bool) {
        self.probes.push((connections.len(), stopped));
        if self.gives_back {
            connections.iter().for_each(|one| give_back(one));
        }
    }
    fn begin(&mut self, _: Phase) {}
    fn reading(&mut self, phase: Phase, _: &[&Connection]) {
        self.readings.push(phase);
    }
    fn end(&mut self, phase: Phase, connections: &[&Connection]) {
        let all = |op| connections.iter().map(|one| db_status(one, op)).sum();
        let open = connections.iter().filter(|one| !one.is_autocommit());
        let (sqlite_bytes, most_sqlite_bytes) = status(ffi::SQLITE_STATUS_MEMORY_USED);
        self.ends.push(End {
            phase,
            cycle: self.cycle,
            connections: connections.len(),
            open_transactions: open.count(),
            sqlite_bytes,
            most_sqlite_bytes,
            cache_bytes: all(ffi::SQLITE_DBSTATUS_CACHE_USED),
            statement_bytes: all(ffi::SQLITE_DBSTATUS_STMT_USED),
            rust_bytes: global::counters().unwrap().live_bytes,
            mapped_bytes: mapped_bytes(),
            parked_threads: parked_threads(),
        });
    }
    fn progress(&mut self, _: Phase, _: u64, _: u64) -> Result<(), Stopped> {
        match self.stop_in_cycle.is_some() && self.stop_in_cycle == self.cycle {
            true => Err(Stopped),
            false => Ok(()),
        }
    }
}

/// What the marks of a testee may do at a probe.
fn give_back(connection: &Connection) {
    if !connection.is_autocommit() {
        connection.execute_batch("COMMIT").unwrap();
    }
    connection.flush_prepared_statement_cache();
    // SAFETY: the workload uses no statement from here on, so each is finalized once.
    unsafe {
        let handle = connection.handle();
        loop {
            let statement = ffi::sqlite3_next_stmt(handle, std::ptr::null_mut());
            if statement.is_null() {
                break;
            }
            ffi::sqlite3_finalize(statement);
        }
    }
}

fn mapped_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssFile:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse::<u64>().unwrap() << 10
}

pub fn parked_threads() -> usize {
    let names = std::fs::read_dir("/proc/self/task").unwrap().map(|entry| {
        std::fs::read_to_string(entry.unwrap().path().join("comm")).unwrap_or_default()
    });
    names.filter(|name| name.trim() == "parked").count()
}
