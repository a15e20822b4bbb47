//! `diagnose` from outside: verdicts, probes, and remedies that were measured.
#![cfg(feature = "cli")]

#[path = "support/records.rs"]
mod records;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use records::TempDir;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sqlite_membench::record::{Line, Reader};

fn diagnose(directory: &Path, arguments: &[&str]) -> Output {
    let temporary = directory.join("tmp");
    fs::create_dir(&temporary).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_sqlite-membench"))
        .current_dir(directory)
        .env("TMPDIR", &temporary)
        .arg("diagnose")
        .args(arguments)
        .args(["--out", "run", "--quiet"])
        .output()
        .unwrap();
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
    output
}

fn json(directory: &Path, arguments: &[&str]) -> Value {
    let output = diagnose(directory, &[arguments, &["--format", "json"]].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn finding<'a>(diagnosis: &'a Value, verdict: &str) -> &'a Value {
    let findings = diagnosis["verdict"]["findings"].as_array().unwrap();
    let found = findings.iter().find(|one| one["verdict"] == verdict);
    found.unwrap_or_else(|| panic!("no {verdict} in {findings:#?}"))
}

#[test]
fn the_reported_growth_is_retention_that_a_trim_gives_back_and_remedies_are_ranked() {
    let directory = TempDir::new().unwrap();
    let arguments = ["snapshot-memory", "--scale", "0.1", "--cycles", "10"];
    let rounds = ["--rounds", "1"];
    let diagnosis = json(directory.path(), &[&arguments[..], &rounds].concat());
    let retention = finding(&diagnosis, "allocator-retention");
    assert_eq!(retention["confidence"], "high");
    let grown = retention["bytes"].as_i64().unwrap();
    let trimmed = retention["probe"]["rss_bytes"].as_i64().unwrap();
    assert_eq!(retention["probe"]["probe"], "trim");
    assert!(10 * trimmed >= 8 * grown && grown > 50 << 20, "{retention}");
    let database = finding(&diagnosis, "database-in-memory");
    assert_eq!(database["confidence"], "high");

    let remedies = diagnosis["remedies"].as_array().unwrap();
    let ranks: Vec<u64> = remedies
        .iter()
        .map(|one| one["rank"].as_u64().unwrap())
        .collect();
    assert_eq!(ranks, (1..=remedies.len() as u64).collect::<Vec<_>>());
    let as_it_is = &diagnosis["as_it_is"][0];
    for set in ["trim=per-cycle", "snapshot=file", "sqlite_allocator=arena"] {
        let mut remedies = remedies.iter();
        let one = remedies.find(|one| one["set"][0] == set).unwrap();
        let end = |value: &Value| value["end_rss_bytes"].as_i64().unwrap();
        assert!(end(one) < end(as_it_is), "{set}: {one}");
        assert!(one["throughput_ratio"][0].as_f64().unwrap() > 0.0, "{one}");
    }
    let line = diagnosis["recommended"]["change"]["line"].as_str().unwrap();
    assert!(remedies.iter().any(|one| one["change"]["line"] == line));

    // Every run is in the record, after a line that says what was changed in it.
    let record = directory.path().join("run/record.jsonl");
    let (mut changed, mut judged) = (Vec::new(), 0);
    for line in Reader::open(&record).unwrap() {
        match line.unwrap() {
            Line::Remedy(remedy) => {
                assert_eq!(remedy.of, "snapshot-memory");
                changed.push(remedy.set);
            }
            Line::Verdict(_) => judged += 1,
            _ => {}
        }
    }
    assert!(changed[0].is_empty() && changed[1..].iter().all(|set| !set.is_empty()));
    assert_eq!(
        (changed.len(), judged),
        (1 + remedies.len(), 1 + remedies.len())
    );
}

#[test]
fn the_reported_leak_names_its_statements_and_ends_with_the_line_to_change() {
    let directory = TempDir::new().unwrap();
    let arguments = [
        "insert-leak-per-row",
        "--rows",
        "40000",
        "--rounds",
        "1",
        "--set",
        "batch=1000",
    ];
    let output = diagnose(directory.path(), &arguments);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("verdict: sqlite-leak"), "{text}");
    let statement = "not finalized: 40,000 × INSERT OR REPLACE INTO \"user\" VALUES (?, ?, ?)";
    assert!(text.contains(statement), "{text}");
    assert!(text.contains("the statement prepared once"), "{text}");
    let last = text.lines().last().unwrap();
    assert!(last.starts_with("let mut statement ="), "{text}");
}

#[test]
fn what_needs_no_remedy_says_so() {
    let directory = TempDir::new().unwrap();
    let arguments = ["insert-10m[sqlite_allocator=system]", "--rows", "50000"];
    let diagnosis = json(
        directory.path(),
        &[&arguments[..], &["--set", "batch=1000"]].concat(),
    );
    assert_eq!(diagnosis["verdict"]["findings"][0]["verdict"], "steady");
    assert_eq!(diagnosis["remedies"], Value::Array(Vec::new()));
    assert_eq!(diagnosis["recommended"], Value::Null);
}

#[test]
fn a_series_too_short_for_a_verdict_says_so_and_guesses_no_remedy() {
    let directory = TempDir::new().unwrap();
    let arguments = ["snapshot-memory", "--scale", "0.02", "--cycles", "4"];
    let diagnosis = json(directory.path(), &arguments);
    let none = diagnosis["verdict"]["none"].as_str().unwrap();
    assert!(
        none.contains("4 cycles, and a verdict needs at least 10"),
        "{none}"
    );
    assert_eq!(diagnosis["verdict"]["findings"], Value::Array(Vec::new()));
    assert_eq!(diagnosis["remedies"], Value::Array(Vec::new()));
}

#[test]
fn an_interrupted_diagnosis_counts_only_what_ran_to_its_end() {
    let directory = TempDir::new().unwrap();
    let temporary = directory.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_sqlite-membench"))
        .current_dir(directory.path())
        .env("TMPDIR", &temporary)
        .args([
            "diagnose",
            "snapshot-memory",
            "--scale",
            "0.1",
            "--cycles",
            "30",
        ])
        .args(["--format", "json", "--out", "run"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let record = directory.path().join("run/record.jsonl");
    // In the middle of the second remedy.
    let third = |text: &str| {
        let mut parts = text.split("\"kind\":\"remedy\"").skip(3);
        parts
            .next()
            .is_some_and(|part| part.contains("\"kind\":\"phase\""))
    };
    while !fs::read_to_string(&record).is_ok_and(|text| third(&text)) {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
    let diagnosis: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(diagnosis["remedies"].as_array().unwrap().len(), 1);
    let left_out = diagnosis["left_out"].to_string();
    assert!(left_out.contains("interrupted"), "{left_out}");
}

#[test]
fn a_diagnosis_is_of_one_scenario_that_exists() {
    for (arguments, wanted) in [
        (&["insert-10m"][..], "name one of them"),
        (&["snapshot-memori"], "did you mean snapshot-memory?"),
        (&["snapshot-memory", "--rounds", "0"], "--rounds"),
        (&["snapshot-memory", "--set", "rows=5"], "rows"),
        (&[], "SCENARIO"),
    ] {
        let directory = TempDir::new().unwrap();
        let output = diagnose(directory.path(), arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(errors.contains(wanted), "{arguments:?}: {errors}");
        assert!(!directory.path().join("run").exists(), "{arguments:?}");
    }
}
