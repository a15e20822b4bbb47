//! The reported 10-million-row `INSERT OR REPLACE`: through rusqlite and through raw calls as the floor,
//! and, at a size that keeps it short, along one axis at a time.
//!
//! ```sh
//! cargo bench --bench insert              # 200,000 rows: the floor, each axis, memory
//! cargo bench --bench insert -- 10m       # the report at full size: about ten minutes
//! cargo bench --bench insert -- batch     # one axis
//! ```
//!
//! A span goes from the first BEGIN to the last COMMIT. A fresh file in a fresh directory below `TMPDIR`
//! is made before it, and closed and removed after it. It is synced as the report has it: `synchronous =
//! NORMAL` in WAL mode, so only at a checkpoint.
//!
//! Time is taken in this process, on SQLite's own default allocator. What is chosen once a process is
//! taken in one: allocators, memory statistics, and all memory. In the memory groups SQLite's blocks are
//! served by the global allocator, where they are counted, over the same `malloc` and in the same sizes
//! as without: RSS is what users have. `allocator/peak-rss-bytes` has the others.
//!
//! Three axes need more than their own setting to show anything: `cache_spill` runs in one transaction
//! with a page cache that is too small for it, `secure_delete` over rows that are there already, and
//! `batch/1` with a tenth of the rows.

#[allow(dead_code, reason = "the benches share it, and none of them uses all")]
mod support {
    pub mod inserts;
    pub mod plan;
    pub mod profiler;
    pub mod raw_insert;
    pub mod room;
    pub mod suite;
}

use std::process::ExitCode;

use criterion::Throughput;
use sqlite_membench::allocator::SqliteAllocator;
use sqlite_membench::measurement::testee;
use sqlite_membench::workload::insert::{Shrink, Statements, Transaction};
use sqlite_membench::workload::keys::KeyMode;
use support::inserts::{Blocks, Insert, TESTEE, Through};
use support::plan::Size;
use support::suite::{self, Suite, Testee, spans};

#[global_allocator]
static ALLOCATOR: sqlite_membench::allocator::global::Switchable =
    sqlite_membench::allocator::global::Switchable::new();

fn main() -> ExitCode {
    testee::serve(TESTEE, Insert::serve);
    suite::main(
        |suite| {
            full_size(suite);
            let rows = suite.plan.rows();
            floor(suite, rows);
            axes(suite, rows);
            batch_of_one(suite);
            in_testees(suite, rows);
            memory(suite, rows);
        },
        None,
    )
}

/// The report, as it is.
fn full_size(suite: &mut Suite) {
    let rows = suite.plan.full_rows();
    let name = format!("insert/{}", rows.label());
    if !suite.plan.wants_long(&rows.label()) {
        println!(
            "{name} is left out, {} rows, about ten minutes: cargo bench --bench insert -- {}\n",
            rows.nominal,
            rows.label()
        );
        return;
    }
    floor(suite, rows);
    let testees = [KeyMode::GoRune, KeyMode::Decimal].map(|keys| {
        let mut insert = counted(suite, rows);
        insert.options.keys = keys;
        insert.testee(format!("rusqlite/{keys}"))
    });
    suite.memory_groups(&name, Throughput::Elements(rows.run), &testees);
}

/// Through rusqlite and through raw calls, by kind of key.
fn floor(suite: &mut Suite, rows: Size) {
    let inserts = [Through::Rusqlite, Through::Raw].map(|through| {
        [KeyMode::GoRune, KeyMode::Decimal].map(|keys| {
            let mut insert = plain(suite, rows);
            insert.through = through;
            insert.options.keys = keys;
            (format!("{through:?}/{keys}").to_lowercase(), insert)
        })
    });
    let inserts = inserts.into_iter().flatten();
    time(suite, &format!("insert/{}", rows.label()), rows, inserts);
}

fn axes(suite: &mut Suite, rows: Size) {
    for (axis, inserts) in pragma_axes(suite, rows)
        .into_iter()
        .chain(option_axes(suite, rows))
    {
        time(
            suite,
            &format!("insert/{}/{axis}", rows.label()),
            rows,
            inserts,
        );
    }
}

/// An axis: its name, and an insert for each of its values.
type Axis = (&'static str, Vec<(String, Insert)>);

/// What of the options that are no PRAGMAs.
fn option_axes(suite: &Suite, rows: Size) -> [Axis; 3] {
    let base = plain(suite, rows);
    let changed = |id: &str, change: &dyn Fn(&mut Insert)| {
        let mut insert = base.clone();
        change(&mut insert);
        (id.to_owned(), insert)
    };
    let batches = [10, 100, 1000, 32_768]
        .map(|batch| changed(&batch.to_string(), &|insert| insert.options.batch = batch));
    let single = changed("single-transaction", &|insert| {
        insert.options.transaction = Transaction::Single;
    });
    let statements = [
        ("reuse", Statements::Reuse),
        ("prepare-per-row", Statements::PreparePerRow),
        ("leak-per-row", Statements::LeakPerRow),
    ];
    let shrinks = [
        ("same-connection", Shrink::SameConnection),
        ("other-connection", Shrink::OtherConnection),
        ("never", Shrink::Never),
    ];
    [
        ("batch", batches.into_iter().chain([single]).collect()),
        (
            "statements",
            statements
                .map(|(id, policy)| changed(id, &|insert| insert.options.statements = policy))
                .into(),
        ),
        (
            "shrink",
            shrinks
                .map(|(id, shrink)| changed(id, &|insert| insert.options.shrink = shrink))
                .into(),
        ),
    ]
}

/// The PRAGMAs, by the values that they take.
fn pragma_axes(suite: &Suite, rows: Size) -> Vec<Axis> {
    let base = plain(suite, rows);
    let mut spilling = base.clone().with("cache_size", "500");
    spilling.options.transaction = Transaction::Single;
    let replacing = Insert {
        replaces: true,
        ..base.clone()
    };
    let axes: [(&str, &Insert, &[&str]); 5] = [
        ("cache_spill", &spilling, &["on", "off"]),
        ("synchronous", &base, &["off", "normal", "full", "extra"]),
        (
            "journal_mode",
            &base,
            &["wal", "delete", "truncate", "persist", "memory", "off"],
        ),
        ("secure_delete", &replacing, &["off", "fast", "on"]),
        (
            "page_size",
            &base,
            &[
                "512", "1024", "2048", "4096", "8192", "16384", "32768", "65536",
            ],
        ),
    ];
    axes.into_iter()
        .map(|(axis, base, values)| {
            let with = |value: &&str| ((*value).to_owned(), base.clone().with(axis, value));
            (axis, values.iter().map(with).collect())
        })
        .collect()
}

/// A transaction a row: a tenth of the rows, since it takes ten times as long.
fn batch_of_one(suite: &mut Suite) {
    let rows = suite.plan.rows().divided(10);
    let mut insert = plain(suite, rows);
    insert.options.batch = 1;
    time(
        suite,
        &format!("insert/{}/batch", rows.label()),
        rows,
        [("1".to_owned(), insert)],
    );
}

/// What is chosen once a process: each sample is one.
fn in_testees(suite: &mut Suite, rows: Size) {
    let of = |blocks| Insert {
        blocks,
        ..plain(suite, rows)
    };
    let counted =
        |allocator: SqliteAllocator| of(Blocks::Counted(allocator)).testee(allocator.name());
    let uncounted = of(Blocks::Default).testee("uncounted");
    let allocators: Vec<Testee> = ([uncounted].into_iter())
        .chain(SqliteAllocator::ALL.map(counted))
        .collect();
    let statistics = [("on", Blocks::Default), ("off", Blocks::WithoutMemstatus)]
        .map(|(id, blocks)| of(blocks).testee(id));
    let name = format!("insert/{}", rows.label());
    for (axis, testees) in [
        ("allocator", &allocators[..]),
        ("memstatus", &statistics[..]),
    ] {
        let throughput = Throughput::Elements(rows.run);
        let mut group = suite.time_group(format!("{name}/{axis}"), throughput);
        for testee in testees {
            group.bench_function(&testee.id, |bencher| spans(bencher, || testee.run().wall));
        }
        group.finish();
    }
    let throughput = Throughput::Elements(rows.run);
    suite.rss_group(&format!("{name}/allocator"), throughput, &allocators);
}

/// What moves memory: the keys, and the faults and switches of the report.
fn memory(suite: &mut Suite, rows: Size) {
    let base = counted(suite, rows);
    let changed = |id: &str, change: &dyn Fn(&mut Insert)| {
        let mut insert = base.clone();
        change(&mut insert);
        insert.testee(id)
    };
    let testees = [
        changed("rusqlite/go-rune", &|_| {}),
        changed("rusqlite/decimal", &|insert| {
            insert.options.keys = KeyMode::Decimal;
        }),
        changed("raw/go-rune", &|insert| insert.through = Through::Raw),
        changed("prepare-per-row", &|insert| {
            insert.options.statements = Statements::PreparePerRow;
        }),
        changed("leak-per-row", &|insert| {
            insert.options.statements = Statements::LeakPerRow;
        }),
        changed("shrink-never", &|insert| {
            insert.options.shrink = Shrink::Never;
        }),
        changed("single-transaction", &|insert| {
            insert.options.transaction = Transaction::Single;
        }),
    ];
    let name = format!("insert/{}", rows.label());
    suite.memory_groups(&name, Throughput::Elements(rows.run), &testees);
}

fn plain(suite: &Suite, rows: Size) -> Insert {
    Insert::new(rows.run, &suite.plan.pragmas)
}

/// With SQLite's blocks where they are counted.
fn counted(suite: &Suite, rows: Size) -> Insert {
    Insert {
        blocks: Blocks::Counted(SqliteAllocator::Rust),
        ..plain(suite, rows)
    }
}

fn time(
    suite: &mut Suite,
    name: &str,
    rows: Size,
    inserts: impl IntoIterator<Item = (String, Insert)>,
) {
    let mut group = suite.time_group(name, Throughput::Elements(rows.run));
    for (id, insert) in inserts {
        group.bench_function(id, |bencher| spans(bencher, || insert.span()));
    }
    group.finish();
}
