//! The reported growth at a tenth of its size: which variant grows, how, and in which term.
#![cfg(feature = "cli")]

#[path = "support/records.rs"]
mod records;

use std::fs;
use std::path::Path;
use std::process::Command;

use records::TempDir;
use sqlite_membench::record::{LedgerRecord, Line, PhaseRecord, Reader, ResultRecord};
use sqlite_membench::report::within_bound;

const CYCLES: usize = 8;
const WORKERS: usize = 4;

/// The readings of cycle 0 to the last, and what the scenario left.
struct Series {
    readings: Vec<PhaseRecord>,
    result: ResultRecord,
}

fn run(scenario: &str, more: &[&str]) -> Series {
    let directory = TempDir::new().unwrap();
    let temporary = directory.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_sqlite-membench"))
        .current_dir(directory.path())
        .env("TMPDIR", &temporary)
        .args(["run", scenario, "--scale", "0.1", "--cycles", "8"])
        .args(["--out", "run", "--quiet", "--strict"])
        .args(more)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{scenario}: {errors}");
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "{scenario}");
    series(scenario, &directory.path().join("run/record.jsonl"))
}

fn series(scenario: &str, record: &Path) -> Series {
    let mut readings: Vec<PhaseRecord> = Vec::new();
    let mut result = None;
    for line in Reader::open(record).unwrap() {
        match line.unwrap() {
            Line::Phase(phase) => {
                assert!(within_bound(&phase.ledger), "{scenario}: {phase:?}");
                let Some(cycle) = phase.cycle else { continue };
                // The last phase of a cycle carries its reading.
                readings.truncate(cycle as usize);
                readings.push(phase);
            }
            Line::Result(one) => result = Some(one),
            Line::Error(error) => panic!("{error:?}"),
            _ => {}
        }
    }
    assert_eq!(readings.len(), CYCLES + 1, "{scenario}");
    let result = result.unwrap();
    assert!(result.verified && result.cycles == Some(CYCLES as u32));
    Series { readings, result }
}

fn term(ledger: &LedgerRecord, owner: &str, name: &str) -> i64 {
    let terms = ledger.terms.iter();
    let found = terms.filter(|term| term.counts && term.owner == owner && term.term == name);
    found.map(|term| term.bytes).sum()
}

impl Series {
    fn rss(&self, cycle: usize) -> i64 {
        self.readings[cycle].ledger.rss_bytes
    }

    fn live(&self, cycle: usize) -> i64 {
        term(&self.readings[cycle].ledger, "sqlite", "live")
    }

    fn retained(&self, cycle: usize) -> i64 {
        let ledger = &self.readings[cycle].ledger;
        term(ledger, "allocator", "free but resident")
    }

    fn growth(&self) -> i64 {
        self.rss(CYCLES) - self.rss(0)
    }

    /// In parts of a snapshot, which is as large as the database.
    fn snapshots(&self) -> f64 {
        self.growth() as f64 / self.live(0) as f64
    }

    /// Whatever else it does, nothing of SQLite's stays, no file either.
    fn holds_nothing(&self, scenario: &str) {
        for cycle in 1..=CYCLES {
            let off = (self.live(cycle) - self.live(0)).abs() * 1000;
            assert!(off <= self.live(0), "{scenario}, cycle {cycle}");
            let files = self.readings[cycle].open_files;
            assert_eq!(files, self.readings[1].open_files, "{scenario}, {cycle}");
        }
        assert!(self.result.not_closed.is_none());
    }
}

#[test]
fn each_thread_that_runs_sqlite_for_the_first_time_adds_to_what_glibc_keeps() {
    let series = run("snapshot-memory", &[]);
    series.holds_nothing("snapshot-memory");
    let snapshot = series.live(0) as f64;
    let snapshots = series.snapshots();
    assert!(
        (1.5..=WORKERS as f64).contains(&snapshots),
        "{snapshots} snapshots"
    );
    for cycle in 1..=CYCLES {
        let step = (series.rss(cycle) - series.rss(cycle - 1)) as f64 / snapshot;
        // One snapshot at most; and none when every thread has had its turn.
        let most = if cycle <= WORKERS { 1.1 } else { 0.05 };
        assert!(step <= most, "cycle {cycle} adds {step} snapshots");
    }
    // The growth is free memory of the allocator, and nothing else.
    let retained = series.retained(CYCLES) - series.retained(0);
    let rest = series.growth() - retained;
    let most = (series.growth() / 50).max(1 << 20);
    assert!(rest.abs() <= most, "{rest} of {} bytes", series.growth());
    let arenas = series.readings[CYCLES].ledger.beside.glibc_arenas;
    assert!(arenas.unwrap() > WORKERS as u64, "{arenas:?}");
}

#[test]
fn what_the_report_names_as_not_growing_does_not() {
    let mut hashes = Vec::new();
    for scenario in ["snapshot-file", "snapshot-no-snapshot"] {
        let series = run(scenario, &[]);
        series.holds_nothing(scenario);
        let snapshots = series.snapshots();
        assert!(snapshots < 0.25, "{scenario}: {snapshots} snapshots");
        hashes.push(series.result.content_hash);
    }
    assert_eq!(hashes[0], hashes[1]);
}

#[test]
fn giving_back_after_each_cycle_and_an_arena_of_its_own_are_flat() {
    for scenario in ["snapshot-trim", "snapshot-arena", "snapshot-tcache-off"] {
        let series = run(scenario, &[]);
        series.holds_nothing(scenario);
        let snapshots = series.snapshots();
        assert!(snapshots < 0.15, "{scenario}: {snapshots} snapshots");
    }
}

#[test]
fn one_arena_is_one_step_and_so_is_one_thread() {
    let one_arena = "snapshot-arena-max[env.MALLOC_ARENA_MAX=1]";
    for scenario in [one_arena, "snapshot-one-thread"] {
        let series = run(scenario, &[]);
        series.holds_nothing(scenario);
        let snapshots = series.snapshots();
        assert!(snapshots < 1.15, "{scenario}: {snapshots} snapshots");
        let snapshot = series.live(0) as f64;
        let steps = (1..=CYCLES)
            .filter(|&cycle| (series.rss(cycle) - series.rss(cycle - 1)) as f64 > 0.25 * snapshot);
        assert!(steps.count() <= 1, "{scenario}");
    }
}

#[test]
fn without_a_dump_it_grows_less() {
    let series = run("snapshot-no-dump", &[]);
    series.holds_nothing("snapshot-no-dump");
    let snapshots = series.snapshots();
    assert!((0.25..3.5).contains(&snapshots), "{snapshots} snapshots");
    assert_eq!(series.result.dump_bytes, None);
}

/// Debian has it in libjemalloc2.
#[test]
fn a_preloaded_jemalloc_has_terms_of_its_own() {
    let scenario = "snapshot-jemalloc-preload";
    let series = run(scenario, &[]);
    series.holds_nothing(scenario);
    let unreturned = |cycle: usize| {
        let ledger = &series.readings[cycle].ledger;
        term(ledger, "allocator", "unreturned") + term(ledger, "allocator", "untouched")
    };
    // Whatever it keeps at this moment, it is there and nowhere else.
    let rest = series.growth() - (unreturned(CYCLES) - unreturned(0));
    let most = series.live(0) / 10;
    assert!(rest.abs() <= most, "{rest} of {} bytes", series.growth());
    assert_eq!(series.readings[CYCLES].ledger.beside.glibc_arenas, None);
    let purged = run(scenario, &["--set", "trim=per-cycle"]);
    assert!(
        purged.snapshots() < 0.25,
        "{} snapshots",
        purged.snapshots()
    );
}

#[test]
fn threads_that_change_at_every_step_hold_nothing_either() {
    let more = ["--set", "dump=gzip"];
    let series = run("snapshot-rotate-per-step", &more);
    series.holds_nothing("snapshot-rotate-per-step");
    assert!(series.snapshots() < 4.0);
}
