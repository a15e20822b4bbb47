//! `run` from outside: what it prints, where it writes, and standard output that is closed or full.

#[path = "support/records.rs"]
mod records;

use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Command, Stdio};

use records::TempDir;
use serde_json::Value;

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
fn a_fill_is_read_twenty_times_and_json_has_each_reading() {
    let directory = TempDir::new().unwrap();
    let single = [
        "--set",
        "transaction=single",
        "--set",
        "sqlite_allocator=system",
    ];
    let output = run(
        directory.path(),
        &[&single[..], &["--format", "json"]].concat(),
    )
    .output()
    .unwrap();
    let run: Value = serde_json::from_slice(&output.stdout).unwrap();
    let phases = run["scenarios"][0]["phases"].as_array().unwrap();
    let fill: Vec<&Value> = phases
        .iter()
        .filter(|phase| phase["phase"] == "fill")
        .collect();
    let (end, readings) = fill.split_last().unwrap();
    assert_eq!(readings.len(), 20);
    assert!(readings.iter().zip(1..).all(|(one, n)| one["reading"] == n));
    assert!(end.get("reading").is_none());
}

/// Bytes of one term of SQLite's in a phase or a reading.
fn sqlite(phase: &Value, term: &str) -> i64 {
    let terms = phase["ledger"]["terms"].as_array().unwrap();
    let mut terms = terms.iter();
    let found = terms.find(|one| one["owner"] == "sqlite" && one["term"] == term);
    found.map_or(0, |one| one["bytes"].as_i64().unwrap())
}

#[test]
fn pinned_dirty_pages_are_seen_above_cache_size_before_the_commit_lets_go_of_them() {
    let most = |spill: &str| {
        let directory = TempDir::new().unwrap();
        let spill = format!("cache_spill={spill}");
        let sets = [
            "transaction=single",
            "keys=decimal",
            "cache_size=500",
            "rows=200000",
            "sqlite_allocator=arena",
            &spill,
        ];
        let sets = sets.map(|set| ["--set", set]).concat();
        let mut command = Command::new(env!("CARGO_BIN_EXE_sqlite-membench"));
        command
            .current_dir(directory.path())
            .args(["run", "insert-10m"]);
        let json = command
            .args(&sets)
            .args(["--format", "json"])
            .output()
            .unwrap();
        let run: Value = serde_json::from_slice(&json.stdout).unwrap();
        let phases = run["scenarios"][0]["phases"].as_array().unwrap().clone();
        let caches = phases.iter().map(|phase| sqlite(phase, "page cache"));
        let table = command_of_table(directory.path(), &sets);
        (caches.max().unwrap(), table)
    };
    let (pinned, table) = most("off");
    let (spilled, other) = most("on");
    assert!(spilled < 500 * 4500, "{spilled}");
    assert!(pinned > 2 * spilled, "{pinned} {spilled}");
    let words = "above the 2.0 MiB of cache_size: dirty pages are pinned, 0 were spilled";
    assert!(table.contains(words), "{table}");
    assert!(table.contains("fill at its fullest"), "{table}");
    assert!(!other.contains("pinned"), "{other}");
}

fn command_of_table(directory: &Path, sets: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sqlite-membench"));
    command.current_dir(directory).args(["run", "insert-10m"]);
    let output = command.args(sets).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_connection_that_leaked_statements_keep_open_is_said_to_be_so() {
    let directory = TempDir::new().unwrap();
    let sets = [
        "rows=2000",
        "statements=leak-per-row",
        "sqlite_allocator=system",
    ];
    let mut arguments = sets.map(|set| ["--set", set]).concat();
    // A probe that finalizes them lets it close, and says what they were.
    let table = command_of_table(directory.path(), &arguments);
    assert!(!table.contains("not closed"), "{table}");
    let statements = "not finalized: 2,000 × INSERT OR REPLACE INTO \"user\" VALUES (?, ?, ?)";
    assert!(table.contains(statements), "{table}");
    arguments.push("--no-probes");
    let table = command_of_table(directory.path(), &arguments);
    assert!(table.contains("not closed, so its memory stays"), "{table}");
}

#[test]
fn csv_has_a_row_for_each_term_of_each_phase_of_each_scenario_once() {
    let directory = TempDir::new().unwrap();
    let output = run(directory.path(), &["--format", "csv", "--out", "out"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (head, rows) = text.split_once('\n').unwrap();
    assert!(head.starts_with("scenario,phase,cycle,partial,"), "{head}");
    let live = |phase: &str| {
        let row = format!(",{phase},,false,");
        let rows = rows.lines().filter(|line| line.contains(&row));
        rows.filter(|line| line.contains(",sqlite,live,,true,"))
            .count()
    };
    for phase in ["fill", "close"] {
        assert_eq!(live(phase), 2, "{text}");
    }
    // An insert has no cycles.
    assert!(!directory.path().join("out/cycles.csv").exists());
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
