//! A build with `dhat-heap` leaves a heap profile, and says that its numbers are instrumented.

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

fn run(arguments: &[&str]) -> (TempDir, String) {
    let directory = TempDir::new().unwrap();
    let output = Command::cargo_bin("sqlite-membench")
        .unwrap()
        .current_dir(&directory)
        .args([
            "run",
            "insert-10m",
            "--rows",
            "20000",
            "--out",
            "out",
            "--strict",
        ])
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    (directory, String::from_utf8(output.stdout).unwrap())
}

fn profile(directory: &TempDir) -> Value {
    let text = std::fs::read(directory.path().join("out/dhat-heap.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// Bytes ever allocated, over all program points.
fn total_bytes(profile: &Value) -> u64 {
    let points = profile["pps"].as_array().unwrap();
    points
        .iter()
        .map(|point| point["tb"].as_u64().unwrap())
        .sum()
}

#[test]
fn each_testee_leaves_a_profile_and_its_run_is_marked() {
    let (directory, shown) = run(&["--set", "sqlite_allocator=system"]);
    assert!(
        shown.contains("rust dhat") && shown.contains("instrumented"),
        "{shown}"
    );
    let profile = profile(&directory);
    assert_eq!(profile["mode"], "rust-heap");
    assert!(total_bytes(&profile) > 0);
    let record = std::fs::read_to_string(directory.path().join("out/record.jsonl")).unwrap();
    let mut lines = record
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let scenario = lines.find(|line| line["kind"] == "scenario").unwrap();
    assert_eq!(scenario["rust_allocator"], "dhat");
    assert!(record.contains(r#""owner":"instrument","term":"dhat""#));
}

#[test]
fn sqlites_blocks_are_in_the_profile_where_they_go_through_rust() {
    let through = |allocator| {
        let (directory, _) = run(&["--set", &format!("sqlite_allocator={allocator}")]);
        total_bytes(&profile(&directory))
    };
    let (with, without) = (through("rust"), through("system"));
    assert!(with > 2 * without, "{with} with SQLite, {without} without");
}

#[test]
fn jemalloc_cannot_be_had_and_the_error_says_why() {
    let directory = TempDir::new().unwrap();
    Command::cargo_bin("sqlite-membench")
        .unwrap()
        .current_dir(&directory)
        .args(["run", "insert-10m", "--rows", "10", "--out", "out"])
        .args(["--set", "rust_allocator=jemalloc"])
        .assert()
        .code(3);
    let record = std::fs::read_to_string(directory.path().join("out/record.jsonl")).unwrap();
    assert!(record.contains("dhat-heap"), "{record}");
}
