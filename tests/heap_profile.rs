//! `run --heap-profile`: whose code and which SQL holds the memory, also of a run that was killed.

#[path = "support/runs.rs"]
mod runs;

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde_json::Value;

use runs::{Killed, Run, collapsed, signal, text};

/// Live bytes at the end by the frame at the root.
fn by_statement(run: &Run, file: &str) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for (frames, bytes) in collapsed(&run.file(file)) {
        *sums.entry(frames[0].clone()).or_default() += bytes;
    }
    sums
}

#[test]
fn the_leaking_statement_is_the_first_row() {
    let run = Run::new();
    let leak = [
        "insert-leak-per-row",
        "--rows",
        "20000",
        "--heap-profile",
        "--heap-interval",
        "16KiB",
    ];
    let output = run.output(&[&leak[..], &["--set", "sqlite_allocator=arena"]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let sums = by_statement(&run, "heap.end.collapsed");
    let all: u64 = sums.values().sum();
    let (first, most) = sums.iter().max_by_key(|(_, bytes)| **bytes).unwrap();
    assert!(first.contains("INSERT OR REPLACE INTO"), "{first}");
    assert!(*most as f64 >= 0.9 * all as f64, "{most} of {all}");
    for name in [
        "heap.pb.gz",
        "heap.peak.svg",
        "heap.end.svg",
        "heap.total.svg",
    ] {
        let size = fs::metadata(run.file(name)).unwrap().len();
        assert!(size > 500, "{name}: {size} bytes");
    }
    let shown = text(&output.stdout);
    assert!(
        shown.contains("profiled: heap, sampled every 16 KiB"),
        "{shown}"
    );
    assert!(shown.contains("go tool pprof -http=: "), "{shown}");
    let instruments = &run.scenario_line()["instruments"];
    let expected = serde_json::json!([
        {"name": "heap-profile", "source": "sampled", "interval_bytes": 16384}
    ]);
    assert_eq!(*instruments, expected);
}

/// What the raw profile says at the end of `fill`: SQLite's live bytes by its samples as they are, and counted.
fn at_the_end_of_the_fill(run: &Run) -> (f64, f64) {
    let mut sampled: BTreeMap<(u64, u64), f64> = BTreeMap::new();
    for line in fs::read_to_string(run.file("heap.jsonl")).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        for site in line["sites"].as_array().into_iter().flatten() {
            if site[2] == "sqlite" {
                let place = (site[0].as_u64().unwrap(), site[1].as_u64().unwrap());
                sampled.insert(place, site[4].as_f64().unwrap());
            }
        }
        let moment = &line["moment"];
        if moment["phase"] == "fill" && moment["reading"].is_null() {
            let counted = line["exact"]["sqlite"]["now_bytes"].as_f64().unwrap();
            return (sampled.values().sum(), counted);
        }
    }
    panic!("no end of the fill");
}

#[test]
fn live_bytes_are_those_that_sqlite_counts_also_before_they_are_scaled_to_it() {
    let run = Run::new();
    let rows = ["insert-leak-per-row", "--rows", "60000", "--quiet"];
    let profile = ["--heap-profile", "--heap-interval", "16KiB"];
    let allocator = ["--set", "sqlite_allocator=arena"];
    let output = run.output(&[&rows[..], &profile, &allocator].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let record = fs::read_to_string(run.file("record.jsonl")).unwrap();
    let lines = record
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let fill = lines
        .filter(|line: &Value| line["phase"] == "fill")
        .find(|line| line["reading"].is_null())
        .unwrap();
    let terms = fill["ledger"]["terms"].as_array().unwrap();
    let live = |owner: &str| {
        let term = terms
            .iter()
            .find(|term| term["owner"] == owner && term["term"] == "live");
        term.unwrap()["bytes"].as_f64().unwrap()
    };
    assert!(live("sqlite") > 1e8);
    let within = |part: f64, of: f64, share: f64| (part / of - 1.0).abs() < share;
    let (sampled, counted) = at_the_end_of_the_fill(&run);
    assert_eq!(counted, live("sqlite"));
    assert!(within(sampled, counted, 0.05), "{sampled} of {counted}");
    let shown: u64 = by_statement(&run, "heap.end.collapsed").values().sum();
    let both = live("sqlite") + live("rust");
    assert!(within(shown as f64, both, 0.01), "{shown} of {both}");
}

#[test]
fn literals_are_not_in_a_profile_unless_they_are_asked_for() {
    let run = Run::new();
    let output = run.output(&[
        "snapshot-file",
        "--scale",
        "0.002",
        "--cycles",
        "1",
        "--heap-profile",
        "--heap-interval",
        "1KiB",
        "--quiet",
    ]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let raw = fs::read_to_string(run.file("heap.jsonl")).unwrap();
    let statements: Vec<&str> = raw
        .lines()
        .filter(|line| line.starts_with("{\"kind\":\"statement\""))
        .collect();
    assert!(!statements.is_empty());
    let quoted = statements.iter().find(|line| line.contains('\''));
    assert_eq!(quoted, None);
}

/// A run that would go on for long, when there is something in its profile; and its testee.
fn start_a_leak(run: &Run) -> (Killed, i32) {
    let running = run.start(&[
        "insert-leak-per-row",
        "--rows",
        "3000000",
        "--heap-profile",
        "--heap-interval",
        "64KiB",
        "--set",
        "sqlite_allocator=arena",
    ]);
    let pid = run.scenario_line()["pid"].as_i64().unwrap();
    run.wait_for_sites("heap.jsonl", 5);
    (running, pid as i32)
}

#[test]
fn a_killed_testee_leaves_its_profile_until_then() {
    let run = Run::new();
    let (mut running, pid) = start_a_leak(&run);
    signal(pid, "-KILL");
    assert_eq!(running.0.wait().unwrap().code(), Some(3));
    assert!(!collapsed(&run.file("heap.end.collapsed")).is_empty());
    assert!(run.file("heap.end.svg").exists());
}

#[test]
fn a_run_that_was_killed_with_its_harness_leaves_a_profile_that_can_be_opened() {
    let run = Run::new();
    let (mut running, pid) = start_a_leak(&run);
    // Stopped first, so that neither sees the other go.
    signal(running.0.id() as i32, "-STOP");
    signal(pid, "-KILL");
    signal(running.0.id() as i32, "-KILL");
    running.0.wait().unwrap();
    assert!(!run.file("heap.end.svg").exists());
    let mut opened = Command::new(env!("CARGO_BIN_EXE_sqlite-membench"));
    let opened = opened.arg("profile").arg(&run.out).output().unwrap();
    let shown = text(&opened.stdout);
    assert!(opened.status.success(), "{}", text(&opened.stderr));
    assert!(
        shown.contains("INSERT OR REPLACE INTO") && shown.contains("growOpArray"),
        "{shown}"
    );
}

#[test]
fn an_interrupted_run_has_its_pictures() {
    let run = Run::new();
    let mut running = run.start(&[
        "insert-10m",
        "--rows",
        "5000000",
        "--heap-profile",
        "--heap-interval",
        "64KiB",
        "--set",
        "sqlite_allocator=arena",
    ]);
    run.wait_for_sites("heap.jsonl", 5);
    signal(running.0.id() as i32, "-INT");
    assert_eq!(running.0.wait().unwrap().code(), Some(130));
    assert!(run.file("heap.end.svg").exists());
}

#[test]
fn jemalloc_samples_what_it_serves() {
    let run = Run::new();
    let output = run.output(&[
        "insert-leak-per-row",
        "--rows",
        "20000",
        "--heap-profile=jemalloc",
        "--heap-interval",
        "16KiB",
        "--set",
        "sqlite_allocator=arena",
    ]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let sum = |name: &str| -> u64 {
        collapsed(&run.file(name))
            .iter()
            .map(|(_, bytes)| bytes)
            .sum()
    };
    let (end, total) = (sum("heap.end.collapsed"), sum("heap.total.collapsed"));
    // 20,000 statements of some kilobytes each are not finalized.
    assert!(end > 20_000_000 && total >= end, "{end} of {total}");
    let stacks = collapsed(&run.file("heap.end.collapsed"));
    let prepared: u64 = stacks
        .iter()
        .filter(|(frames, _)| {
            frames
                .iter()
                .any(|frame| frame.contains("sqlite3LockAndPrepare"))
        })
        .map(|(_, bytes)| bytes)
        .sum();
    assert!(prepared as f64 > 0.8 * end as f64, "{prepared} of {end}");
}

#[test]
fn what_cannot_be_sampled_is_refused_before_anything_is_written() {
    let refused = |arguments: &[&str], words: &str| {
        let run = Run::new();
        let output = run.output(&[&["insert-10m", "--rows", "1000"], arguments].concat());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(words) && !run.out.exists(), "{said}");
    };
    refused(&["--heap-interval", "64KiB"], "--heap-profile");
    refused(&["--cpu-hertz", "99"], "--cpu-profile");
    refused(
        &["--heap-profile", "--heap-interval", "1000B"],
        "at least 1KiB",
    );
    let jemalloc = [
        "--heap-profile=jemalloc",
        "--set",
        "sqlite_allocator=system",
    ];
    refused(&jemalloc, "insert-10m");
    let odd = [
        "--heap-profile=jemalloc",
        "--set",
        "sqlite_allocator=arena",
        "--heap-interval",
        "100000B",
    ];
    refused(&odd, "128KiB");
}

#[test]
fn a_profile_that_cannot_be_written_on_is_told_and_does_not_end_the_run() {
    let run = Run::new();
    // No file may be longer than 30 KiB: the record is shorter, the profile is not.
    let limited = format!(
        "ulimit -f 30; exec '{}' run insert-leak-per-row --rows 20000 --set database=memory \
         --set readings=1 --no-probes --heap-profile --heap-interval 1KiB --out '{}'",
        env!("CARGO_BIN_EXE_sqlite-membench"),
        run.out.display()
    );
    let output = Command::new("bash")
        .args(["-c", &limited])
        .output()
        .unwrap();
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{shown}");
    assert!(
        shown.contains("20,000 rows") && shown.contains("verified"),
        "{shown}"
    );
    let record = fs::read_to_string(run.file("record.jsonl")).unwrap();
    assert_eq!(record.matches("\"what\":\"profile\"").count(), 1);
    assert!(record.contains("\"kind\":\"result\""));
    let mut opened = Command::new(env!("CARGO_BIN_EXE_sqlite-membench"));
    let opened = opened.arg("profile").arg(&run.out).output().unwrap();
    assert!(opened.status.success(), "{}", text(&opened.stderr));
}
