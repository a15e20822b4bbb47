//! What each fault holds from cycle to cycle, on little data, and that the same work done right does
//! not hold it. One test at a time: what is counted here is counted for the process.
#![cfg(feature = "cli")]

#[path = "support/faults.rs"]
mod faults;

use rusqlite::ffi;
use sqlite_membench::allocator::global::Switchable;
use sqlite_membench::workload::NoMarks;
use sqlite_membench::workload::database::DatabaseKind;
use sqlite_membench::workload::fault::{Fault, FaultOptions};

use faults::{End, Notes, alone, mended, parked_threads, pragma, run, small, status};

#[global_allocator]
static ALLOCATOR: Switchable = Switchable::new();

const LEAKS: [Fault; 5] = [
    Fault::LeakedStatement,
    Fault::LeakedConnection,
    Fault::LeakedBuffer,
    Fault::LeakedBackup,
    Fault::OpenBlob,
];

/// SQLite's live bytes and blocks.
fn live() -> (i64, i64) {
    let bytes = status(ffi::SQLITE_STATUS_MEMORY_USED).0;
    (bytes, status(ffi::SQLITE_STATUS_MALLOC_COUNT).0)
}

#[test]
fn what_leaks_is_there_after_the_last_close_and_more_of_it_with_more_cycles() {
    let _alone = alone();
    for fault in LEAKS {
        let leaked = |cycles| {
            let before = live();
            run(
                &FaultOptions {
                    cycles,
                    ..small(fault)
                },
                &mut NoMarks,
            );
            let after = live();
            (after.0 - before.0, after.1 - before.1)
        };
        let (few, many) = (leaked(2), leaked(8));
        assert!(many.0 > few.0 + 100_000, "{fault}: {few:?} {many:?}");
        assert!(many.1 > few.1, "{fault}: {few:?} {many:?}");
    }
}

#[test]
fn done_right_nothing_is_there_after_the_last_close() {
    let _alone = alone();
    for fault in Fault::ALL {
        // What SQLite sets up once is there from then on.
        run(&mended(fault), &mut NoMarks);
        let before = live();
        let report = run(&mended(fault), &mut NoMarks);
        assert_eq!(live(), before, "{fault}");
        assert_eq!(report.not_closed, None, "{fault}");
        assert_eq!(parked_threads(), 0);
    }
}

#[test]
fn what_is_no_leak_is_gone_after_the_last_close_too() {
    let _alone = alone();
    for fault in Fault::ALL.into_iter().filter(|one| !LEAKS.contains(one)) {
        run(&small(fault), &mut NoMarks);
        let before = live();
        assert_eq!(run(&small(fault), &mut NoMarks).not_closed, None);
        assert_eq!(live(), before, "{fault}");
    }
}

/// The ends of cycles: the fill first.
fn notes_of(options: &FaultOptions) -> Vec<End> {
    let mut notes = Notes::default();
    run(options, &mut notes);
    let ends = notes.ends.into_iter();
    ends.filter(|end| end.cycle.is_some()).collect()
}

#[test]
fn a_large_cache_fills_to_its_size_and_stays_there() {
    let _alone = alone();
    for (fault, connections) in [
        (Fault::LargeCache, 1),
        (Fault::PageSize, 1),
        (Fault::ManyConnections, 16),
    ] {
        let options = FaultOptions {
            cycles: 24,
            scale: if connections == 1 { 0.05 } else { 0.5 },
            pragmas: vec![pragma("cache_size", "-2000")],
            ..small(fault)
        };
        let caches: Vec<i64> = notes_of(&options)
            .iter()
            .map(|end| end.cache_bytes)
            .collect();
        let full = connections * 2_000 * 1024;
        assert!(caches[0] < full / 10, "{fault}: {caches:?}");
        assert!(caches[1] < full && caches[1] > full / 10);
        assert!(
            (full..full * 11 / 10).contains(&caches[12]),
            "{fault}: {caches:?}"
        );
        assert_eq!(caches[12], caches[24], "{fault}: {caches:?}");
        let right = FaultOptions {
            mended: true,
            ..options
        };
        let right = notes_of(&right);
        assert!(
            right.iter().all(|end| end.cache_bytes < full / 10),
            "{fault}"
        );
    }
}

#[test]
fn a_transaction_pins_its_pages_beyond_the_cache_until_it_is_committed() {
    let _alone = alone();
    let options = FaultOptions {
        scale: 0.5,
        pragmas: vec![pragma("cache_size", "-500"), pragma("cache_spill", "OFF")],
        ..small(Fault::HugeTransaction)
    };
    let ends = notes_of(&options);
    assert!(ends[1..].iter().all(|end| end.open_transactions == 1));
    assert!(ends[3].cache_bytes > 6 << 20, "{ends:?}");
    let right = notes_of(&FaultOptions {
        mended: true,
        ..options
    });
    assert!(right.iter().all(|end| end.open_transactions == 0));
    assert!(right[3].cache_bytes < 1 << 20, "{right:?}");
}

#[test]
fn a_database_in_memory_grows_with_each_cycle_unless_its_pages_are_used_again() {
    let _alone = alone();
    for kind in [DatabaseKind::Memdb, DatabaseKind::Memory] {
        let options = FaultOptions {
            scale: 0.5,
            database: kind.into(),
            ..small(Fault::GrowingMemdb)
        };
        let ends = notes_of(&options);
        assert!(
            ends[3].sqlite_bytes - ends[1].sqlite_bytes >= 4 << 20,
            "{ends:?}"
        );
        let right = notes_of(&FaultOptions {
            mended: true,
            ..options
        });
        let growth = right[3].sqlite_bytes - right[1].sqlite_bytes;
        assert!(growth < 64 << 10, "{kind}: {growth}");
    }
}

#[test]
fn rust_grows_where_rows_are_kept_and_shrinks_where_blocks_are_freed() {
    let _alone = alone();
    let options = FaultOptions {
        scale: 0.5,
        ..small(Fault::GrowingVec)
    };
    let rows = notes_of(&options);
    assert!(
        rows[3].rust_bytes - rows[1].rust_bytes >= 4 << 20,
        "{rows:?}"
    );
    let right = notes_of(&FaultOptions {
        mended: true,
        ..options
    });
    assert!(right[3].rust_bytes.abs_diff(right[1].rust_bytes) < 64 << 10);
    for options in [
        small(Fault::RustFragmentation),
        mended(Fault::RustFragmentation),
    ] {
        let blocks = notes_of(&options);
        let freed = blocks[0].rust_bytes - blocks[3].rust_bytes;
        // Half of 128 MiB times the scale.
        assert!(freed.abs_diff((64 << 20) / 20) < 64 << 10, "{freed}");
    }
}

#[test]
fn a_mapped_database_is_resident_as_far_as_it_was_read() {
    let _alone = alone();
    let options = FaultOptions {
        scale: 1.0,
        cycles: 4,
        ..FaultOptions::new(Fault::MappedDatabase)
    };
    let ends = notes_of(&options);
    assert!(
        ends[4].mapped_bytes - ends[1].mapped_bytes >= 11 << 20,
        "{ends:?}"
    );
    assert!(
        ends[4].sqlite_bytes - ends[0].sqlite_bytes < 1 << 20,
        "{ends:?}"
    );
    let right = notes_of(&FaultOptions {
        mended: true,
        ..options
    });
    assert!(right[4].mapped_bytes.abs_diff(right[1].mapped_bytes) < 1 << 20);
}

#[test]
fn a_sort_has_given_everything_back_when_its_cycle_ends() {
    let _alone = alone();
    let options = FaultOptions {
        pragmas: vec![pragma("temp_store", "MEMORY")],
        ..small(Fault::LargeSort)
    };
    let ends = notes_of(&options);
    let bytes = (40 << 20) / 20;
    for cycle in &ends[2..] {
        assert_eq!(cycle.sqlite_bytes, ends[1].sqlite_bytes);
        assert!(
            cycle.most_sqlite_bytes - cycle.sqlite_bytes > bytes,
            "{cycle:?}"
        );
    }
    let right = notes_of(&FaultOptions {
        mended: true,
        ..options
    });
    let most = right
        .iter()
        .map(|end| end.most_sqlite_bytes - end.sqlite_bytes);
    assert!(most.skip(1).all(|most| most < bytes / 2), "{right:?}");
}

#[test]
fn a_statement_cache_is_full_after_six_cycles_and_stays_so() {
    let _alone = alone();
    let options = FaultOptions {
        cycles: 13,
        ..small(Fault::StatementCache)
    };
    let ends = notes_of(&options);
    let bytes: Vec<i64> = ends.iter().map(|end| end.statement_bytes).collect();
    assert!(bytes[..7].is_sorted_by(|one, next| one < next), "{bytes:?}");
    assert_eq!(bytes[6..], [bytes[6]; 8]);
}

#[test]
fn threads_stay_until_the_end_and_not_beyond_the_run() {
    let _alone = alone();
    let threads = |options: &FaultOptions| -> Vec<usize> {
        let mut notes = Notes::default();
        run(options, &mut notes);
        assert_eq!(parked_threads(), 0);
        notes.ends.iter().map(|end| end.parked_threads).collect()
    };
    // Open, fill, three cycles, verify, close.
    assert_eq!(threads(&small(Fault::ThreadStacks)), [0, 0, 1, 2, 3, 3, 3]);
    assert_eq!(threads(&mended(Fault::ThreadStacks)), [0; 7]);
}
