//! `run` from outside: what it prints, where it writes, and standard output that is closed or full.

use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

fn run(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sqlite-membench"));
    command
        .current_dir(directory)
        .args(["run", "insert-10m", "--rows", "20000"]);
    command.args(arguments).stderr(Stdio::piped());
    command
}

#[test]
fn json_is_one_object_whose_ledgers_add_up() {
    let directory = TempDir::new().unwrap();
    let output = run(directory.path(), &["--format", "json", "--strict"])
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let run: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(run["run_id"].is_string() && run["environment"]["machine_key"].is_string());
    let scenarios = run["scenarios"].as_array().unwrap();
    assert_eq!(scenarios.len(), 2);
    for scenario in scenarios {
        assert_eq!(scenario["parameters"]["rows"], 20_000);
        for phase in scenario["phases"].as_array().unwrap() {
            let ledger = &phase["ledger"];
            let terms = ledger["terms"].as_array().unwrap();
            let counted = terms.iter().filter(|term| term["counts"] == true);
            let sum: i64 = counted.map(|term| term["bytes"].as_i64().unwrap()).sum();
            let unattributed = ledger["unattributed_bytes"].as_i64().unwrap();
            assert_eq!(Some(sum + unattributed), ledger["rss_bytes"].as_i64());
        }
    }
}

#[test]
fn a_reader_that_went_away_does_not_end_the_run() {
    for format in ["table", "json", "csv"] {
        let directory = TempDir::new().unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = run(
            directory.path(),
            &["--format", format, "--quiet", "--out", "out"],
        );
        let output = command.stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{format}");
        assert!(output.stderr.is_empty(), "{format}");
    }
}

#[test]
fn standard_output_on_a_full_device_ends_with_3() {
    let Ok(full) = OpenOptions::new().write(true).open("/dev/full") else {
        return;
    };
    let directory = TempDir::new().unwrap();
    let output = run(directory.path(), &["--quiet"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("cannot write to standard output"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn a_run_goes_below_profiles_where_there_is_one() {
    let directory = TempDir::new().unwrap();
    assert!(
        run(directory.path(), &[])
            .output()
            .unwrap()
            .status
            .success()
    );
    assert!(directory.path().join("sqlite-membench-runs").is_dir());
    std::fs::create_dir(directory.path().join("profiles")).unwrap();
    assert!(
        run(directory.path(), &[])
            .output()
            .unwrap()
            .status
            .success()
    );
    assert!(directory.path().join("profiles/runs").is_dir());
}
