//! What a snapshot's bench times: a fill, a copy, a dump, a disposal, and memcpy beside them.
//!
//! Everything runs through a function that measures it: by a clock in the bench itself, and by all
//! counters in a testee. What a part needs is made before, and goes after it, outside of the measurement.

use std::fs::File;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use sqlite_membench::measurement::{Taken, take};
use sqlite_membench::workload::database::{Database, DatabaseKind, MMAP_SIZE_BYTES, Place};
use sqlite_membench::workload::dump::{DumpOptions, dump};
use sqlite_membench::workload::snapshot::copy::{CopyMethod, CopyOptions, Snapshot, copy};
use sqlite_membench::workload::snapshot::fill::fill;
use sqlite_membench::workload::snapshot::schema::{PAGE_BYTES, PAGES, Schema};
use sqlite_membench::workload::steps::Here;

use super::clocks::Span;

/// A page with SQLite's headers.
const PAGE_BLOCK_BYTES: usize = 4376;

pub const SEED: u64 = 1;

/// The scale at which a database has so many megabytes.
pub fn scale(megabytes: u64) -> f64 {
    megabytes as f64 * 1e6 / (PAGES * PAGE_BYTES) as f64
}

/// One database and what is done with it. The default is the report's, with both in `:memory:`.
#[derive(Debug, Clone)]
pub struct Case {
    pub schema: Schema,
    /// Of the database that is filled, or of the one that is copied into.
    pub kind: DatabaseKind,
    pub copy: CopyOptions,
    pub dump: DumpOptions,
}

impl Default for Case {
    fn default() -> Self {
        Case {
            schema: Schema::Nested,
            kind: DatabaseKind::Memory,
            copy: CopyOptions::default(),
            dump: DumpOptions::default(),
        }
    }
}

/// Runs its argument once and says what it took.
pub type Measure<T> = fn(&mut dyn FnMut()) -> T;

/// Its wall time.
pub fn wall(work: &mut dyn FnMut()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

/// All counters: for a testee.
pub fn taken(work: &mut dyn FnMut()) -> Taken {
    take(work).0
}

fn span(work: &mut dyn FnMut()) -> Span {
    Span::of(work)
}

/// Fills a new database of a case's kind: from the first CREATE TABLE to the last COMMIT.
pub fn filled<T>(case: &Case, megabytes: u64, directory: &Path, measure: Measure<T>) -> T {
    let own = tempfile::tempdir_in(directory).expect("a temporary directory");
    let connection = Database::from(case.kind)
        .connect(&Place::unique(own.path()))
        .expect("a database");
    let mode = case.kind.journal_mode().map(|mode| ("journal_mode", mode));
    let mmap = MMAP_SIZE_BYTES.to_string();
    let mmap = (case.kind == DatabaseKind::FileMmap).then_some(("mmap_size", mmap.as_str()));
    for (name, value) in mode.into_iter().chain(mmap) {
        let sql = format!("PRAGMA {name} = {value}");
        connection.execute_batch(&sql).expect("a PRAGMA");
    }
    give_back();
    let measured = measure(&mut || {
        let scale = scale(megabytes);
        fill(&connection, None, case.schema, scale, SEED, &mut Here).expect("rows go in");
    });
    connection.close().expect("a database that closes");
    measured
}

/// What is done with a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// From the opening of the target to its last page.
    Backup,
    /// From its BEGIN to its COMMIT.
    Dump,
    /// Closing it, and removing its files.
    Dispose,
    /// All three.
    Cycle,
}

impl Phase {
    pub const ALL: [Phase; 4] = [Phase::Backup, Phase::Dump, Phase::Dispose, Phase::Cycle];

    pub fn name(self) -> &'static str {
        match self {
            Phase::Backup => "backup",
            Phase::Dump => "dump",
            Phase::Dispose => "dispose",
            Phase::Cycle => "cycle",
        }
    }

    /// Measures this phase in the life of a new copy of `source`.
    pub fn run<T>(
        self,
        source: &Connection,
        case: &Case,
        directory: &Path,
        measure: Measure<T>,
    ) -> T {
        let place = Place::unique(directory);
        let backup = || {
            let (snapshot, copied) =
                copy(source, None, case.kind, &place, &case.copy, &mut Here).expect("a copy");
            assert!(copied.bytes > 0, "{copied:?}");
            snapshot
        };
        let dispose = |snapshot: Option<Snapshot>| {
            let snapshot = snapshot.expect("a copy");
            snapshot.dispose(&mut Here).expect("a copy that goes");
        };
        let mut null = File::create("/dev/null").expect("/dev/null");
        let mut write = |snapshot: &Snapshot| {
            let dumped = dump(snapshot.connection(), &case.dump, &mut null, &mut Here);
            assert!(dumped.expect("a dump").rows > 0);
        };
        give_back();
        match self {
            Phase::Backup => {
                let mut snapshot = None;
                let measured = measure(&mut || snapshot = Some(backup()));
                dispose(snapshot);
                measured
            }
            Phase::Dump => {
                let snapshot = backup();
                let measured = measure(&mut || write(&snapshot));
                dispose(Some(snapshot));
                measured
            }
            Phase::Dispose => {
                let mut snapshot = Some(backup());
                measure(&mut || dispose(snapshot.take()))
            }
            Phase::Cycle => measure(&mut || {
                let snapshot = backup();
                write(&snapshot);
                dispose(Some(snapshot));
            }),
        }
    }
}

/// Gives free memory back to the kernel, so that all start from fresh pages.
fn give_back() {
    // SAFETY: no argument is a pointer, and what is allocated stays where it is.
    unsafe { libc::malloc_trim(0) };
}

/// A database in memory, and a block of as many bytes.
pub struct Source {
    pub connection: Connection,
    block: Vec<u8>,
}

/// A copy, or what it is compared with.
#[derive(Debug, Clone, Copy)]
pub enum Part {
    Memcpy,
    /// Into as many blocks as SQLite allocates, of the same size: what its allocator costs alone.
    Blocks,
    Copy {
        method: CopyMethod,
        backup_pages: i32,
    },
}

impl Source {
    pub fn of(schema: Schema, megabytes: u64) -> Source {
        let connection = Database::from(DatabaseKind::Memory)
            .connect(&Place::unique(Path::new(".")))
            .expect("a database in memory");
        fill(&connection, None, schema, scale(megabytes), SEED, &mut Here).expect("rows go in");
        let pages: i64 = connection
            .query_row("PRAGMA page_count", [], |row| row.get(0))
            .expect("its pages");
        let bytes = pages.cast_unsigned() * PAGE_BYTES;
        // Bytes that are not zero: a block of zeros would be the kernel's one zero page.
        let block = vec![0x5a; bytes as usize];
        Source { connection, block }
    }

    pub fn bytes(&self) -> u64 {
        self.block.len() as u64
    }

    /// What one copy takes.
    pub fn time(&self, part: Part) -> Span {
        match part {
            Part::Memcpy => {
                give_back();
                let mut copied = None;
                let took = span(&mut || copied = Some(black_box(self.block.as_slice()).to_vec()));
                drop(black_box(copied));
                took
            }
            Part::Blocks => {
                give_back();
                let mut blocks = Vec::new();
                let took = span(&mut || blocks = self.blocks());
                drop(black_box(blocks));
                took
            }
            Part::Copy {
                method,
                backup_pages,
            } => {
                let kind = match method {
                    CopyMethod::VacuumInto => DatabaseKind::MemoryNamed,
                    CopyMethod::Backup | CopyMethod::Serialize => DatabaseKind::Memory,
                };
                let copy = CopyOptions {
                    method,
                    backup_pages,
                    ..CopyOptions::default()
                };
                let case = Case {
                    kind,
                    copy,
                    ..Case::default()
                };
                Phase::Backup.run(&self.connection, &case, Path::new("."), span)
            }
        }
    }

    fn blocks(&self) -> Vec<Vec<u8>> {
        let pages = black_box(self.block.as_slice()).chunks(PAGE_BYTES as usize);
        let mut blocks = Vec::with_capacity(pages.len());
        for page in pages {
            let mut block = Vec::with_capacity(PAGE_BLOCK_BYTES);
            block.extend_from_slice(page);
            blocks.push(block);
        }
        blocks
    }
}
