//! The fault workload by itself, on little data: its phases, how it is stopped, and what cannot be
//! asked for. One test at a time: a shared in-memory database is the process's.
#![cfg(feature = "cli")]

#[path = "support/faults.rs"]
mod faults;

use std::path::Path;

use sqlite_membench::allocator::global::Switchable;
use sqlite_membench::workload::database::{Database, DatabaseKind};
use sqlite_membench::workload::fault::{self, Fault, FaultOptions};
use sqlite_membench::workload::pragmas::Pragma;
use sqlite_membench::workload::{Error, NoMarks, Phase};
use tempfile::TempDir;

use faults::{Notes, alone, mended, parked_threads, pragma, run, small};

#[global_allocator]
static ALLOCATOR: Switchable = Switchable::new();

#[test]
fn every_fault_has_its_phases_in_their_order_and_leaves_what_went_in() {
    let _alone = alone();
    for fault in Fault::ALL {
        for options in [small(fault), mended(fault)] {
            let mut notes = Notes {
                gives_back: true,
                ..Notes::default()
            };
            let report = run(&options, &mut notes);
            let known = notes.ends[0].connections;
            let ends: Vec<_> = (notes.ends.iter())
                .map(|end| (end.phase, end.cycle))
                .collect();
            let expected = [
                (Phase::Open, None),
                (Phase::Fill, Some(0)),
                (Phase::Work, Some(1)),
                (Phase::Work, Some(2)),
                (Phase::Work, Some(3)),
                (Phase::Verify, None),
                (Phase::Close, None),
            ];
            assert_eq!(ends, expected, "{fault}");
            let open = &notes.ends[..6];
            assert!(open.iter().all(|end| end.connections == known) && known <= 60);
            assert_eq!(notes.probes, [(known, false)]);
            assert!(notes.readings.is_empty());
            assert_eq!(report.cycles, 3);
            assert!(report.rows > 0 && report.inserted >= report.rows, "{fault}");
            assert_eq!(report.pragmas, notes.opened);
            // Nothing but a backup holds on to a connection whose statements are finalized.
            let holds = fault == Fault::LeakedBackup && !options.mended;
            assert_eq!(report.not_closed.is_some(), holds, "{fault}");
            assert_eq!(notes.ends[6].connections, usize::from(holds));
        }
    }
}

#[test]
fn every_connection_says_its_page_size_and_cache_size_whether_they_were_asked_for_or_not() {
    let _alone = alone();
    for (fault, connections) in [
        (Fault::GrowingVec, 1),
        (Fault::OpenBlob, 4),
        (Fault::StatementCache, 8),
        (Fault::ManyConnections, 16),
    ] {
        let options = FaultOptions {
            pragmas: vec![pragma("page_size", "8192")],
            ..small(fault)
        };
        let report = run(&options, &mut NoMarks);
        for number in 0..connections {
            let mut read = report.pragmas.iter().filter(|one| one.connection == number);
            let page_size = read.next().unwrap();
            assert_eq!(page_size.name, "page_size");
            assert_eq!(page_size.asked.as_deref(), Some("8192"));
            assert_eq!(page_size.read_back.as_deref(), Some("8192"));
            let cache_size = read.next().unwrap();
            assert_eq!(cache_size.name, "cache_size");
            assert_eq!(cache_size.asked, None);
            assert_eq!(cache_size.read_back.as_deref(), Some("-2000"));
            assert_eq!(read.next(), None);
        }
        let others = report
            .pragmas
            .iter()
            .filter(|one| one.connection >= connections);
        assert_eq!(others.count(), 0);
    }
}

#[test]
fn a_fault_that_is_stopped_is_read_and_probed_and_leaves_no_thread() {
    let _alone = alone();
    for fault in Fault::ALL {
        let directory = TempDir::new().unwrap();
        let mut notes = Notes {
            stop_in_cycle: Some(2),
            gives_back: true,
            ..Notes::default()
        };
        let stopped = fault::run(&small(fault), directory.path(), &mut notes);
        assert!(
            matches!(stopped, Err(Error::Stopped)),
            "{fault}: {stopped:?}"
        );
        assert_eq!(notes.readings, [Phase::Work]);
        assert_eq!(notes.ends.last().unwrap().cycle, Some(1));
        let known = notes.ends[0].connections;
        assert_eq!(notes.probes, [(known, true)], "{fault}");
        assert_eq!(parked_threads(), 0);
    }
}

#[test]
fn a_fault_runs_on_every_kind_of_database_that_its_options_take() {
    let _alone = alone();
    let mut runs = 0;
    for fault in Fault::ALL {
        for database in Database::all() {
            let options = FaultOptions {
                database,
                cycles: 2,
                scale: 0.02,
                ..small(fault)
            };
            // The one database of that name would stay with the connection that is not closed.
            let stays = database.kind == DatabaseKind::MemoryShared && fault == Fault::LeakedBackup;
            if stays || options.check().is_err() {
                continue;
            }
            let mut notes = Notes {
                gives_back: true,
                ..Notes::default()
            };
            assert_eq!(run(&options, &mut notes).cycles, 2);
            runs += 1;
        }
    }
    assert!(runs > 200, "{runs}");
}

#[test]
fn what_cannot_be_done_is_refused_before_anything_is_opened() {
    let of = |change: &dyn Fn(&mut FaultOptions), fault| {
        let mut options = FaultOptions::new(fault);
        change(&mut options);
        let nowhere = Path::new("/no/such/directory");
        match fault::run(&options, nowhere, &mut NoMarks) {
            Err(error @ (Error::Options(_) | Error::Pragma(_))) => error.to_string(),
            other => panic!("{options:?}: {other:?}"),
        }
    };
    let any = Fault::LeakedBuffer;
    for scale in [0.0, -1.0, f64::NAN, f64::INFINITY, 65.0] {
        assert!(of(&|options| options.scale = scale, any).starts_with("scale is "));
    }
    assert_eq!(
        of(&|options| options.cycles = 0, any),
        "cycles is 0: 1 or more"
    );
    let pragma = Pragma {
        name: "cache_size".into(),
        value: "1; DROP TABLE item".into(),
    };
    let text = of(&|options| options.pragmas = vec![pragma.clone()], any);
    assert!(text.contains("PRAGMA cache_size"), "{text}");
    for (fault, kind, takes) in [
        (
            Fault::LargeCache,
            DatabaseKind::Memory,
            "file, file-wal, file-rollback",
        ),
        (
            Fault::PageSize,
            DatabaseKind::FileMmap,
            "file, file-wal, file-rollback",
        ),
        (Fault::MappedDatabase, DatabaseKind::File, "file-mmap"),
        (
            Fault::HugeTransaction,
            DatabaseKind::Temporary,
            "file, file-wal, file-rollback",
        ),
        (
            Fault::GrowingMemdb,
            DatabaseKind::File,
            "memory, memory-uri",
        ),
        (Fault::OpenBlob, DatabaseKind::Memory, "file, file-wal"),
    ] {
        let text = of(&|options| options.database = kind.into(), fault);
        for part in [fault.name(), kind.name(), &format!("takes one of: {takes}")] {
            assert!(text.contains(part), "{text}");
        }
    }
    let text = of(&|options| options.cycles = 100_000, Fault::ThreadStacks);
    assert!(text.contains("400000 threads"), "{text}");
}
