//! The parts of a snapshot that need a process of their own: on another allocator of SQLite's, which
//! is chosen once a process, and for memory.
//!
//! A testee has its source in memory, copied there from a file with its connection closed again, and
//! then runs one phase of one copy. The fill's testee fills an empty database. SQLite's methods count
//! in all of them, `system` too, so they are compared with each other.

use std::path::{Path, PathBuf};

use criterion::Throughput;
use rusqlite::Connection;
use sqlite_membench::allocator::{SqliteAllocator, sqlite};
use sqlite_membench::measurement::{Taken, testee};
use sqlite_membench::workload::database::{DatabaseKind, Place};
use sqlite_membench::workload::snapshot::copy::{CopyMethod, CopyOptions, copy};
use sqlite_membench::workload::snapshot::fill::fill;
use sqlite_membench::workload::snapshot::schema::Schema;
use sqlite_membench::workload::steps::Here;

use super::made::{self, MAKE};
use super::snapshot_parts::{Case, Phase, SEED, filled, scale, taken};
use super::suite::{Suite, Testee};

const FILL: &str = "fill";
const COPY: &str = "copy";

const METHODS: [(&str, CopyMethod); 2] = [
    ("backup", CopyMethod::Backup),
    ("serialize", CopyMethod::Serialize),
];

/// The fixed heap for a source and a copy: memsys5 takes a power of two for a page with its headers,
/// which is nearly twice what is in it. `None` where that is more than it can have.
fn memsys5_heap_bytes(megabytes: u64) -> Option<u64> {
    let bytes = 64_000_000 + 5 * megabytes * 1_000_000;
    (bytes < 1 << 31).then_some(bytes)
}

/// Those that have room for databases of so many megabytes.
pub fn allocators(megabytes: u64) -> impl Iterator<Item = SqliteAllocator> {
    let has_room = move |allocator: &SqliteAllocator| {
        *allocator != SqliteAllocator::Memsys5 || memsys5_heap_bytes(megabytes).is_some()
    };
    SqliteAllocator::ALL.into_iter().filter(has_room)
}

/// In a testee: runs its part and ends the process.
pub fn serve() {
    testee::serve(MAKE, |arguments| {
        let [file, megabytes] = arguments else {
            panic!("a file and its megabytes, not {arguments:?}")
        };
        taken(&mut || make(Path::new(file), number(megabytes)))
    });
    testee::serve(FILL, |arguments| {
        let [allocator, megabytes, directory] = arguments else {
            panic!("an allocator, megabytes and a directory, not {arguments:?}")
        };
        let megabytes = number(megabytes);
        install(allocator, megabytes);
        filled(&Case::default(), megabytes, Path::new(directory), taken)
    });
    testee::serve(COPY, run_copy);
}

fn run_copy(arguments: &[String]) -> Taken {
    let [phase, allocator, kind, method, megabytes, directory] = arguments else {
        panic!("a phase and how it is run, not {arguments:?}")
    };
    let directory = Path::new(directory);
    let file = file(directory, number(megabytes));
    install(allocator, number(megabytes));
    let phases = Phase::ALL.map(|phase| (phase.name(), phase));
    let case = Case {
        kind: kind.parse().expect("a database kind"),
        copy: CopyOptions {
            method: named(&METHODS, method),
            ..CopyOptions::default()
        },
        ..Case::default()
    };
    let connection = Connection::open(file).expect("the source's file");
    let whole = CopyOptions {
        backup_pages: -1,
        ..CopyOptions::default()
    };
    let place = Place::unique(directory);
    let (source, _) = copy(
        &connection,
        None,
        DatabaseKind::Memory,
        &place,
        &whole,
        &mut Here,
    )
    .expect("the source in memory");
    drop(connection);
    named(&phases, phase).run(source.connection(), &case, directory, taken)
}

fn install(allocator: &str, megabytes: u64) {
    let names = SqliteAllocator::ALL.map(|allocator| (allocator.name(), allocator));
    let allocator = named(&names, allocator);
    let heap_bytes = match allocator {
        SqliteAllocator::Memsys5 => memsys5_heap_bytes(megabytes).expect("a heap of 2 GiB at most"),
        _ => 0,
    };
    sqlite::install(allocator, heap_bytes).expect("an allocator for SQLite");
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}

fn named<T: Copy>(all: &[(&str, T)], name: &str) -> T {
    let found = all.iter().find(|(known, _)| *known == name);
    found
        .unwrap_or_else(|| panic!("nothing is called {name}"))
        .1
}

fn make(file: &Path, megabytes: u64) {
    let connection = Connection::open(file).expect("a file");
    connection
        .execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")
        .expect("a file that need not last");
    let scale = scale(megabytes);
    fill(&connection, None, Schema::Nested, scale, SEED, &mut Here).expect("rows go in");
}

/// The source in a file, made where it is not there.
pub fn file(directory: &Path, megabytes: u64) -> PathBuf {
    made::file(directory, "source", &[&megabytes.to_string()])
}

/// Where testees run, and how large their databases are.
#[derive(Debug, Clone, Copy)]
pub struct Testees<'a> {
    pub directory: &'a Path,
    pub megabytes: u64,
}

impl Testees<'_> {
    /// A fill of `:memory:`.
    pub fn fill(self, allocator: SqliteAllocator) -> Testee {
        let allocator = allocator.name();
        Testee {
            id: format!("allocator/{allocator}"),
            name: FILL,
            arguments: self.with(&[allocator]),
        }
    }

    /// A phase of a copy into `:memory:`.
    pub fn phase(self, phase: Phase, allocator: SqliteAllocator) -> Testee {
        let allocator = allocator.name();
        Testee {
            id: format!("allocator/{allocator}"),
            name: COPY,
            arguments: self.with(&[phase.name(), allocator, "memory", "backup"]),
        }
    }

    /// A copy with SQLite's blocks in the counting global allocator.
    fn copy(self, id: &str, kind: DatabaseKind, method: &str) -> Testee {
        Testee {
            id: id.to_owned(),
            name: COPY,
            arguments: self.with(&[Phase::Backup.name(), "rust", kind.name(), method]),
        }
    }

    fn with(self, arguments: &[&str]) -> Vec<String> {
        let directory = self
            .directory
            .to_str()
            .expect("a UTF-8 temporary directory");
        let mut all: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        all.extend([self.megabytes.to_string(), directory.to_owned()]);
        all
    }
}

/// The groups that measure memory: of a copy alone, and of a whole cycle by SQLite's allocator.
pub fn memory_groups(suite: &mut Suite) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let size = suite.plan.megabytes();
    let run = Testees {
        directory: directory.path(),
        megabytes: size.run,
    };
    let bytes = Throughput::Bytes(size.run * 1_000_000);
    let copies = [
        run.copy("kind/memory", DatabaseKind::Memory, "backup"),
        run.copy("kind/memdb", DatabaseKind::Memdb, "backup"),
        run.copy("kind/temporary", DatabaseKind::Temporary, "backup"),
        run.copy("kind/file-rollback", DatabaseKind::FileRollback, "backup"),
        run.copy("method/serialize", DatabaseKind::Memory, "serialize"),
    ];
    let name = format!("snapshot/{}MB", size.label());
    suite.memory_groups(&format!("{name}/copy"), bytes.clone(), &copies);
    let cycles: Vec<Testee> = SqliteAllocator::ALL
        .into_iter()
        // memsys5's heap is of a fixed size, whatever is in it.
        .filter(|allocator| *allocator != SqliteAllocator::Memsys5)
        .map(|allocator| run.phase(Phase::Cycle, allocator))
        .collect();
    suite.rss_group(&format!("{name}/cycle"), bytes, &cycles);
}
