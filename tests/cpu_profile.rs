//! `run --cpu-profile`: where the time goes, in Rust and in C, without any permission.

#[path = "support/runs.rs"]
#[allow(
    dead_code,
    reason = "of what the runs' tests share, this one needs less"
)]
mod runs;

use runs::{Run, collapsed, signal, text};

const ONE: [&str; 4] = [
    "insert-10m",
    "--set",
    "sqlite_allocator=system",
    "--no-probes",
];

/// Samples with a frame of this function.
fn samples(stacks: &[(Vec<String>, u64)], function: &str) -> u64 {
    let in_it = stacks
        .iter()
        .filter(|(frames, _)| frames.iter().any(|frame| frame.contains(function)));
    in_it.map(|(_, samples)| samples).sum()
}

#[test]
fn an_insert_spends_its_time_in_the_b_tree_and_the_virtual_machine() {
    let run = Run::new();
    let output = run.output(&[&ONE[..], &["--rows", "1500000", "--cpu-profile"]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let stacks = collapsed(&run.file("cpu.collapsed"));
    let all = samples(&stacks, "");
    let steps = samples(&stacks, "sqlite3VdbeExec");
    assert!(steps * 3 > all, "{steps} of {all}");
    assert!(samples(&stacks, "sqlite3BtreeInsert") > 0);
    // The stack begins where the signal came.
    assert_eq!(samples(&stacks, "perf_signal_handler"), 0);
    let instruments = &run.scenario_line()["instruments"];
    assert_eq!(
        *instruments,
        serde_json::json!([{"name": "cpu-profile", "hertz": 199}])
    );
    assert!(run.file("cpu.svg").exists() && run.file("cpu.pb.gz").exists());
}

#[test]
fn a_killed_testee_leaves_its_samples_until_then_and_no_temporary_file() {
    let run = Run::new();
    let temporary = tempfile::tempdir().unwrap();
    let arguments = [&ONE[..], &["--rows", "10000000", "--cpu-profile"]].concat();
    let mut command = run.command(&arguments);
    command
        .env("TMPDIR", temporary.path())
        .stdout(std::process::Stdio::null());
    let mut running = runs::Killed(command.stderr(std::process::Stdio::null()).spawn().unwrap());
    let pid = run.scenario_line()["pid"].as_i64().unwrap();
    run.wait_for_sites("cpu.jsonl", 5);
    signal(pid as i32, "-KILL");
    assert_eq!(running.0.wait().unwrap().code(), Some(3));
    assert!(samples(&collapsed(&run.file("cpu.collapsed")), "") > 20);
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}
