//! The snapshot workload by itself: its phases, what it leaves, and what it does when it is stopped.
#![cfg(feature = "cli")]

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use sqlite_membench::workload::database::{Database, DatabaseKind};
use sqlite_membench::workload::snapshot::copy::CopyMethod;
use sqlite_membench::workload::snapshot::schema::Schema;
use sqlite_membench::workload::snapshot::{Cycles, DumpKind, Placement, SnapshotOptions, Trim};
use sqlite_membench::workload::{Error, Marks, Phase, Stopped};
use tempfile::TempDir;

/// Writes down what it is told, and stops where it is asked to.
#[derive(Default)]
struct Notes {
    cycle: Option<u32>,
    ended: Vec<(Option<u32>, Phase, usize)>,
    failed: Vec<Phase>,
    given_back: u32,
    stop_in: Option<Phase>,
    progress: Vec<(Phase, u64, u64)>,
    /// Whether it was stopped, each time that it may be probed.
    probed: Vec<bool>,
}

impl Marks for Notes {
    fn cycle(&mut self, cycle: Option<u32>) {
        self.cycle = cycle;
    }
    fn give_back(&mut self) {
        self.given_back += 1;
    }
    fn probe(&mut self, connections: &[&Connection], stopped: bool) {
        assert_eq!((self.cycle, connections.len()), (None, 1));
        self.probed.push(stopped);
    }
    fn begin(&mut self, _: Phase) {}
    fn reading(&mut self, phase: Phase, _: &[&Connection]) {
        self.failed.push(phase);
    }
    fn end(&mut self, phase: Phase, connections: &[&Connection]) {
        self.ended.push((self.cycle, phase, connections.len()));
    }
    fn progress(&mut self, phase: Phase, done: u64, total: u64) -> Result<(), Stopped> {
        self.progress.push((phase, done, total));
        match self.stop_in == Some(phase) {
            true => Err(Stopped),
            false => Ok(()),
        }
    }
}

fn small() -> SnapshotOptions {
    SnapshotOptions {
        scale: 0.003,
        workers: 3,
        ..SnapshotOptions::default()
    }
}

fn opened(options: &SnapshotOptions, directory: &Path, notes: &mut Notes) -> Cycles {
    Cycles::open(options, directory, None, notes).unwrap()
}

fn files(directory: &Path) -> usize {
    fs::read_dir(directory).unwrap().count()
}

#[test]
fn each_cycle_has_its_phases_and_leaves_nothing() {
    use Phase::{Backup, Close, Dispose, Dump, Fill, Open, Trim as Trimmed, Verify};
    let directory = TempDir::new().unwrap();
    let options = SnapshotOptions {
        trim: Trim::PerCycle,
        ..small()
    };
    let mut notes = Notes::default();
    let mut cycles = opened(&options, directory.path(), &mut notes);
    let first = cycles.cycle(&mut notes).unwrap();
    let second = cycles.cycle(&mut notes).unwrap();
    assert_eq!((first.cycle, second.cycle, cycles.done()), (1, 2, 2));
    assert_eq!(first.dumped_bytes, second.dumped_bytes);
    assert_eq!(first.pages, second.pages);
    assert!(first.pages > Some(300) && first.dumped_bytes > Some(1 << 20));
    assert_eq!(files(directory.path()), 0);
    let report = cycles.close(&mut notes).unwrap();
    assert_eq!((report.cycles, report.not_closed), (2, None));
    assert_eq!(report.rows, Schema::Nested.total_rows(0.003));
    assert_eq!(report.dump_bytes, first.dumped_bytes);
    let cycle = |n| {
        let n = Some(n);
        [
            (n, Backup, 2),
            (n, Dump, 2),
            (n, Dispose, 1),
            (n, Trimmed, 1),
        ]
    };
    let mut expected = vec![(None, Open, 1), (Some(0), Fill, 1)];
    expected.extend(cycle(1));
    expected.extend(cycle(2));
    expected.extend([(None, Verify, 1), (None, Close, 0)]);
    assert_eq!(notes.ended, expected);
    assert_eq!((notes.given_back, notes.failed), (2, Vec::new()));
    let of = |phase| notes.progress.iter().filter(move |(p, ..)| *p == phase);
    for phase in [Fill, Backup, Dump] {
        let (_, done, total) = of(phase).next_back().unwrap();
        assert_eq!(done, total, "{phase}");
    }
}

#[test]
fn every_variant_leaves_the_database_as_it_was() {
    let with = |change: &dyn Fn(&mut SnapshotOptions)| {
        let mut options = small();
        change(&mut options);
        options
    };
    let kinds = DatabaseKind::ALL.map(|kind| {
        with(&|o| {
            o.snapshot = Some(kind);
            o.database = DatabaseKind::Memory.into();
        })
    });
    let sources = Database::all().map(|source| with(&|o| o.database = source));
    let others = [
        with(&|o| o.dump = DumpKind::None),
        with(&|o| o.dump = DumpKind::Gzip),
        with(&|o| o.snapshot = None),
        with(&|o| o.placement = Placement::OneThread),
        with(&|o| o.placement = Placement::RotatePerStep),
        with(&|o| o.backup_pages = -1),
        with(&|o| o.copy = CopyMethod::VacuumInto),
        with(&|o| {
            o.copy = CopyMethod::Serialize;
            o.snapshot = Some(DatabaseKind::Memory);
        }),
    ];
    let mut hashes = Vec::new();
    for options in kinds.into_iter().chain(sources).chain(others) {
        let directory = TempDir::new().unwrap();
        let mut notes = Notes::default();
        let mut cycles = opened(&options, directory.path(), &mut notes);
        let before = files(directory.path());
        for _ in 0..2 {
            let report = cycles.cycle(&mut notes).unwrap();
            assert_eq!(report.pages.is_some(), options.snapshot.is_some());
            let dumped = options.dump != DumpKind::None;
            assert_eq!(report.dumped_bytes.is_some(), dumped, "{options:?}");
        }
        assert_eq!(files(directory.path()), before, "{options:?}");
        hashes.push(cycles.close(&mut notes).unwrap().content_hash);
    }
    assert_eq!(hashes.len(), 38);
    hashes.dedup();
    assert_eq!(hashes.len(), 1);
}

#[test]
fn a_cycle_that_is_stopped_leaves_nothing_and_the_next_one_is_whole() {
    for placement in [Placement::RotatePerCycle, Placement::RotatePerStep] {
        for snapshot in [DatabaseKind::MemoryNamed, DatabaseKind::File] {
            for phase in [Phase::Backup, Phase::Dump] {
                let directory = TempDir::new().unwrap();
                let options = SnapshotOptions {
                    placement,
                    snapshot: Some(snapshot),
                    ..small()
                };
                let mut notes = Notes::default();
                let mut cycles = opened(&options, directory.path(), &mut notes);
                notes.stop_in = Some(phase);
                let stopped = cycles.cycle(&mut notes);
                assert!(matches!(stopped, Err(Error::Stopped)), "{stopped:?}");
                assert_eq!(notes.failed, [phase]);
                assert_eq!(notes.ended.last(), Some(&(Some(1), Phase::Dispose, 1)));
                assert_eq!(files(directory.path()), 0, "{snapshot} {phase}");
                notes.stop_in = None;
                assert_eq!(cycles.cycle(&mut notes).unwrap().cycle, 2);
                assert_eq!(cycles.close(&mut notes).unwrap().cycles, 1);
            }
        }
    }
}

#[test]
fn a_fill_that_is_stopped_is_told_so() {
    let directory = TempDir::new().unwrap();
    let mut notes = Notes {
        stop_in: Some(Phase::Fill),
        ..Notes::default()
    };
    let stopped = Cycles::open(&small(), directory.path(), None, &mut notes);
    assert!(matches!(stopped, Err(Error::Stopped)));
    assert_eq!(notes.failed, [Phase::Fill]);
    assert_eq!(notes.probed, [true]);
}

#[test]
fn dumps_are_kept_where_that_is_asked_for_and_a_full_place_fails_its_cycle_only() {
    let directory = TempDir::new().unwrap();
    let keep = TempDir::new().unwrap();
    let options = SnapshotOptions {
        dump: DumpKind::Gzip,
        ..small()
    };
    let mut notes = Notes::default();
    let mut cycles =
        Cycles::open(&options, directory.path(), Some(keep.path()), &mut notes).unwrap();
    let report = cycles.cycle(&mut notes).unwrap();
    let kept = report.kept.unwrap();
    assert_eq!(kept, keep.path().join("dump-1.sql.gz"));
    assert_eq!(
        fs::metadata(&kept).unwrap().len(),
        report.dumped_bytes.unwrap()
    );
    assert_eq!(files(directory.path()), 0);
    // A dump's place that is taken by something else.
    fs::create_dir(directory.path().join("dump-2.sql.gz")).unwrap();
    let error = cycles.cycle(&mut notes).unwrap_err();
    assert!(matches!(error, Error::Write { .. }), "{error}");
    assert!(error.to_string().contains("dump-2.sql.gz"), "{error}");
    assert_eq!(cycles.cycle(&mut notes).unwrap().cycle, 3);
    assert_eq!(cycles.close(&mut notes).unwrap().cycles, 2);
}
