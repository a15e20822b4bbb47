//! The verb `profile`, as a user asks it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::fixture::{self, END};
use super::proto::Profile;

fn profile(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sqlite-membench"))
        .arg("profile")
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn done(directory: &Path, arguments: &[&str]) -> String {
    let output = profile(directory, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn refused(directory: &Path, arguments: &[&str], words: &[&str]) {
    let output = profile(directory, arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    for word in words {
        assert!(
            said.contains(word),
            "{arguments:?} does not say {word:?}: {said}"
        );
    }
    assert!(output.stdout.is_empty(), "{arguments:?}");
}

/// A run with a heap profile and a CPU profile.
fn run() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("run")).unwrap();
    fixture::write(directory.path(), "run/heap.jsonl", &fixture::heap());
    fixture::write(directory.path(), "run/cpu.jsonl", &fixture::cpu());
    fs::write(directory.path().join("run/record.jsonl"), "{}\n").unwrap();
    directory
}

fn sum(collapsed: &str) -> u64 {
    let values = collapsed
        .lines()
        .map(|line| line.rsplit_once(' ').unwrap().1);
    values.map(|value| value.parse::<u64>().unwrap()).sum()
}

#[test]
fn a_run_is_shown_as_a_table_and_written_in_the_format_that_a_name_says() {
    let run = run();
    let table = done(run.path(), &["run"]);
    assert!(
        table.starts_with("heap profile of a-leak, at end: "),
        "{table}"
    );
    assert!(table.contains("INSERT INTO leak(a)"), "{table}");
    let table = done(run.path(), &["run", "--cpu"]);
    assert!(table.starts_with("CPU profile of a-leak"), "{table}");

    let peak = END.sqlite.peak_bytes + END.rust.peak_bytes;
    let collapsed = done(run.path(), &["run@peak", "--format", "collapsed"]);
    assert_eq!(sum(&collapsed), peak);
    done(run.path(), &["run@peak", "--output", "out.pb.gz"]);
    let pprof = Profile::read(&run.path().join("out.pb.gz"));
    assert_eq!(pprof.total("inuse_space/bytes") as u64, peak);
    done(run.path(), &["run/heap.jsonl@peak", "--output", "out.svg"]);
    let svg = fs::read_to_string(run.path().join("out.svg")).unwrap();
    assert!(svg.contains(&format!("total_samples=\"{peak}\"")));
    // Reading changes nothing.
    let raw = fs::read_to_string(run.path().join("run/heap.jsonl")).unwrap();
    assert_eq!(raw, fixture::text(&fixture::heap()));
}

#[test]
fn what_grew_between_two_cycles_is_a_table_two_columns_and_a_picture() {
    let run = run();
    let arguments = ["run@cycle=3", "--against", "@cycle=1"];
    let table = done(run.path(), &arguments);
    assert!(
        table.starts_with("a-leak at cycle=3 against a-leak at cycle=1\n"),
        "{table}"
    );
    let grown = END.sqlite.now_bytes + END.rust.now_bytes - 39_000_777;
    let grown = format!("+{:.1} MiB", grown as f64 / 1048576.0);
    assert!(table.lines().nth(1).unwrap().ends_with(&grown), "{table}");
    assert!(
        table
            .lines()
            .nth(3)
            .unwrap()
            .contains("INSERT INTO leak(a)"),
        "{table}"
    );
    let collapsed = done(
        run.path(),
        &[&arguments[..], &["--format", "collapsed"]].concat(),
    );
    let before = collapsed
        .lines()
        .map(|line| line.rsplit(' ').nth(1).unwrap());
    let before: u64 = before.map(|value| value.parse::<u64>().unwrap()).sum();
    assert_eq!(before, 39_000_777);
    assert_eq!(sum(&collapsed), END.sqlite.now_bytes + END.rust.now_bytes);
    let svg = done(run.path(), &[&arguments[..], &["--format", "svg"]].concat());
    assert!(svg.contains("a-leak at cycle=3 against a-leak at cycle=1"));
    refused(
        run.path(),
        &[&arguments[..], &["--format", "pprof"]].concat(),
        &["-diff_base"],
    );
    refused(
        run.path(),
        &["run", "--against", "run/cpu.jsonl"],
        &["bytes", "samples"],
    );
}

#[test]
fn perf_and_collapsed_stacks_are_drawn() {
    let run = run();
    let script = "bench 7/7 1.000000: 1 cycles:u:\n\t    55d1 balance+0x12 (/opt/bench)\n\t    55d0 \
                  sqlite3_step+0x1 (/opt/bench)\n\t    55c0 service::main+0x2 (/opt/bench)\n\n";
    fs::write(run.path().join("perf.txt"), script.repeat(3)).unwrap();
    let collapsed = done(
        run.path(),
        &["perf.txt", "--from", "perf", "--format", "collapsed"],
    );
    assert_eq!(collapsed, "bench;service::main;sqlite3_step;balance 3\n");
    fs::write(run.path().join("some.collapsed"), &collapsed).unwrap();
    let svg = done(
        run.path(),
        &["some.collapsed", "--format", "svg", "--title", "A bench"],
    );
    assert!(svg.contains("A bench") && svg.contains("sqlite3_step (3 samples, 100.00%)"));
    refused(
        run.path(),
        &["some.collapsed", "--from", "perf", "--format", "svg"],
        &["some.collapsed", "perf script"],
    );
    refused(
        run.path(),
        &["some.collapsed@peak", "--format", "svg"],
        &["no moments"],
    );
    refused(run.path(), &["some.collapsed"], &["--format svg"]);
}

#[test]
fn bad_input_ends_with_2_and_says_what_to_do() {
    let run = run();
    let path = run.path();
    refused(path, &["nowhere"], &["nowhere"]);
    refused(path, &["run@cycle=9"], &["cycle=9", "cycle=1 to cycle=3"]);
    refused(
        path,
        &["run", "--scenario", "other"],
        &["heap.jsonl of a-leak", "--scenario"],
    );
    refused(path, &["run/record.jsonl"], &["run/record.jsonl:1"]);
    refused(path, &["run", "--output", "out.png"], &["out.png", ".svg"]);
    fs::create_dir(path.join("empty")).unwrap();
    refused(path, &["empty"], &["--heap-profile"]);
    fixture::write(path, "run/heap-1.jsonl", &fixture::heap());
    refused(
        path,
        &["run"],
        &["heap.jsonl of a-leak, heap-1.jsonl of a-leak"],
    );
    done(path, &["run/heap-1.jsonl"]);
}

#[test]
fn a_file_that_is_there_is_kept_unless_it_is_said() {
    let run = run();
    fs::write(run.path().join("out.svg"), "mine").unwrap();
    refused(
        run.path(),
        &["run", "-o", "out.svg"],
        &["out.svg", "--force"],
    );
    assert_eq!(fs::read(run.path().join("out.svg")).unwrap(), b"mine");
    done(run.path(), &["run", "-o", "out.svg", "--force"]);
    let svg = fs::read_to_string(run.path().join("out.svg")).unwrap();
    assert!(svg.starts_with("<?xml"));
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let run = run();
    for format in ["table", "svg", "collapsed", "pprof"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Command::new(env!("CARGO_BIN_EXE_sqlite-membench"))
            .args(["profile", "run", "--format", format])
            .current_dir(run.path())
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), &*said), (Some(0), ""), "{format}");
    }
}
