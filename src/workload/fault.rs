//! One thing done wrong, or done by design, again and again: what a verdict is checked against.
//!
//! Each [`Fault`] is a scenario of the set `faults` and says there what it does and which verdict it
//! should get. [`run`] is the whole of it, phase by phase; the faults themselves are in the files
//! below, by who owns the memory.

mod caches;
mod ground;
mod leaks;
mod memory;
mod options;
mod rust_side;
mod table;

use std::path::Path;

use rusqlite::Connection;

use super::pragmas::PragmaReadBack;
use super::{Error, Marks, Phase, doing};
use ground::Ground;

pub use options::{Fault, FaultOptions};

/// What most faults do in a cycle, at scale 1.
const CYCLE_BYTES: u64 = 4 << 20;

/// What a fault workload left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultReport {
    /// Every PRAGMA of every connection, in order, as SQLite has it.
    pub pragmas: Vec<PragmaReadBack>,
    /// INSERTs run into the table.
    pub inserted: u64,
    /// Rows in the table.
    pub rows: u64,
    /// XXH3-128 over all rows in rowid order, 32 hexadecimal digits.
    pub content_hash: String,
    /// Cycles that were run to their end.
    pub cycles: u32,
    /// Why a connection could not be closed: SQLite's words, and absent where all were. With a
    /// fault that leaves something open on it, that is how it must end.
    pub not_closed: Option<String>,
}

/// One fault. Dropping it ends what it still holds: blocks, threads.
trait Faulty {
    /// What is there before the first cycle.
    fn fill(&mut self, ground: &mut Ground<'_>, progress: &mut Progress<'_>) -> Result<(), Error> {
        ground.fill(64 << 10, ROW_BYTES, progress)
    }

    /// One cycle. Between two of them every connection is idle, and no statement is held but
    /// those that are leaked.
    fn cycle(&mut self, ground: &mut Ground<'_>, progress: &mut Progress<'_>) -> Result<(), Error>;
}

/// Of a row, where its size does not matter.
const ROW_BYTES: usize = 1000;

/// How far a phase is.
struct Progress<'a> {
    marks: &'a mut dyn Marks,
    phase: Phase,
    /// From 1; 0 for the fill, and where there is none.
    cycle: u32,
}

impl Progress<'_> {
    fn tell(&mut self, done: u64, total: u64) -> Result<(), Error> {
        Ok(self.marks.progress(self.phase, done, total)?)
    }

    /// Does `each` so many times, and tells now and then.
    fn times(
        &mut self,
        count: u64,
        mut each: impl FnMut() -> Result<(), Error>,
    ) -> Result<(), Error> {
        for done in 1..=count {
            each()?;
            if done.is_multiple_of(64) || done == count {
                self.tell(done, count)?;
            }
        }
        Ok(())
    }
}

/// The fault by its name.
fn make(options: &FaultOptions) -> Box<dyn Faulty> {
    match options.fault {
        Fault::LeakedStatement => Box::new(leaks::Statements),
        Fault::LeakedConnection => Box::new(leaks::Connections),
        Fault::LeakedBuffer => Box::new(leaks::Buffers),
        Fault::LeakedBackup => Box::new(leaks::Backups),
        Fault::OpenBlob => Box::new(leaks::Blobs),
        Fault::LargeCache => Box::new(caches::ReadAll::large_cache()),
        Fault::PageSize => Box::new(caches::ReadAll::page_size()),
        Fault::ManyConnections => Box::new(caches::ManyConnections),
        Fault::MappedDatabase => Box::new(caches::Mapped),
        Fault::StatementCache => Box::new(caches::StatementCache),
        Fault::GrowingMemdb => Box::new(memory::GrowingMemdb),
        Fault::HugeTransaction => Box::new(memory::HugeTransaction),
        Fault::LargeSort => Box::new(memory::LargeSort),
        Fault::GrowingVec => Box::new(rust_side::GrowingVec::default()),
        Fault::RustFragmentation => Box::new(rust_side::Fragments::default()),
        Fault::ThreadStacks => Box::new(rust_side::Threads::default()),
    }
}

/// Runs the workload in `directory`, which must exist, and verifies what it left.
///
/// Phases: `open`; `fill`, which is cycle 0; `work` for each cycle from 1; then the probe, `verify`
/// and `close`. A phase that fails ends with a reading of what stands, and no end. Files stay.
pub fn run(
    options: &FaultOptions,
    directory: &Path,
    marks: &mut dyn Marks,
) -> Result<FaultReport, Error> {
    options.check()?;
    marks.begin(Phase::Open);
    let (mut ground, pragmas) = Ground::open(options, directory)?;
    marks.opened(&pragmas);
    marks.end(Phase::Open, &ground.all());
    let mut fault = make(options);
    phase(
        Phase::Fill,
        Some(0),
        &mut ground,
        marks,
        |ground, progress| fault.fill(ground, progress),
    )?;
    for cycle in 1..=options.cycles {
        let done = phase(
            Phase::Work,
            Some(cycle),
            &mut ground,
            marks,
            |ground, progress| fault.cycle(ground, progress),
        );
        if let Err(error) = done {
            if matches!(error, Error::Stopped) {
                marks.probe(&ground.all(), true);
            }
            ground.roll_back();
            return Err(error);
        }
    }
    marks.probe(&ground.all(), false);
    let verified = phase(
        Phase::Verify,
        None,
        &mut ground,
        marks,
        |ground, progress| ground.verify(progress),
    )?;
    let inserted = ground.table.inserted();
    let not_closed = close(fault, ground, marks);
    Ok(FaultReport {
        pragmas,
        inserted,
        rows: verified.rows,
        content_hash: format!("{:032x}", verified.hash),
        cycles: options.cycles,
        not_closed,
    })
}

/// One phase on open connections. Where it fails, what stands is read.
fn phase<T>(
    phase: Phase,
    cycle: Option<u32>,
    ground: &mut Ground<'_>,
    marks: &mut dyn Marks,
    work: impl FnOnce(&mut Ground<'_>, &mut Progress<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    marks.cycle(cycle);
    marks.begin(phase);
    let mut progress = Progress {
        marks,
        phase,
        cycle: cycle.unwrap_or(0),
    };
    let result = work(ground, &mut progress);
    match &result {
        Ok(_) => marks.end(phase, &ground.all()),
        Err(_) => marks.reading(phase, &ground.all()),
    }
    marks.cycle(None);
    result
}

/// Closes every connection and ends the fault; one that SQLite does not close is told of and left
/// as it is.
fn close(fault: Box<dyn Faulty>, ground: Ground<'_>, marks: &mut dyn Marks) -> Option<String> {
    marks.begin(Phase::Close);
    let left = ground.close();
    let connections: Vec<&Connection> = left.iter().map(|(connection, _)| connection).collect();
    marks.end(Phase::Close, &connections);
    // Behind the ledger: closing connections frees none of it.
    drop(fault);
    let mut words: Vec<String> = left.iter().map(|(_, error)| error.to_string()).collect();
    words.dedup();
    (!words.is_empty()).then(|| words.join("; "))
}
