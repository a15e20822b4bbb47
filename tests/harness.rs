//! The two processes together: whatever ends a testee or the harness, the record is readable to its
//! last complete line, and no process and no database file is left.
#![cfg(feature = "cli")]

#[path = "support/records.rs"]
mod records;

use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use records::TempDir;
use rustix::process::{Pid, Signal, kill_process};
use sqlite_membench::record::{ErrorRecord, Line, PhaseRecord, Reader};

const PATIENCE: Duration = Duration::from_secs(20);
/// More than any machine inserts before a test has looked.
const ENDLESS: &str = "1000000000";

/// A directory for the record, and one for what must be gone in the end.
struct Place {
    _root: TempDir,
    out: PathBuf,
    temporary: PathBuf,
}

impl Place {
    fn new() -> Place {
        let root = TempDir::new().unwrap();
        let temporary = root.path().join("tmp");
        fs::create_dir(&temporary).unwrap();
        Place {
            out: root.path().join("run"),
            temporary,
            _root: root,
        }
    }

    fn arguments(&self, rows: &str, more: &[&str]) -> Vec<String> {
        let out = self.out.to_str().unwrap();
        let fixed = [
            "run",
            "insert-10m",
            "--rows",
            rows,
            "--out",
            out,
            "--set",
            "keys=decimal",
        ];
        // The scenario has a matrix of its own; one testee is what most tests look at.
        let matrix = more
            .iter()
            .any(|argument| argument.starts_with("sqlite_allocator="));
        let single: &[&str] = if matrix {
            &[]
        } else {
            &["--set", "sqlite_allocator=system"]
        };
        fixed
            .iter()
            .chain(single)
            .chain(more)
            .map(|argument| (*argument).to_owned())
            .collect()
    }

    fn command(&self, rows: &str, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sqlite-membench"));
        command.args(self.arguments(rows, more));
        self.quiet(&mut command);
        command
    }

    /// Run by `sh` as the last part of `script`, which sees the command line as `"$@"`.
    fn under_sh(&self, script: &str, rows: &str, more: &[&str]) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_sqlite-membench")]);
        command.args(self.arguments(rows, more));
        self.quiet(&mut command);
        command
    }

    fn quiet(&self, command: &mut Command) {
        command
            .env("TMPDIR", &self.temporary)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0);
    }

    /// The complete lines of the record so far.
    fn lines(&self) -> Vec<Line> {
        let path = self.out.join("record.jsonl");
        let Ok(reader) = Reader::open(&path) else {
            return Vec::new();
        };
        reader.collect::<Result<_, _>>().expect("a readable record")
    }

    /// The record of a run that is over: it ends with a complete line.
    fn record(&self) -> Vec<Line> {
        let bytes = fs::read(self.out.join("record.jsonl")).unwrap();
        assert_eq!(
            bytes.last(),
            Some(&b'\n'),
            "the record ends with a complete line"
        );
        let lines = self.lines();
        assert!(
            matches!(lines[..2], [Line::Run(_), Line::Environment(_)]),
            "{lines:?}"
        );
        lines
    }

    /// The pid of a testee that has begun to fill its database.
    fn filling(&self, harness: &mut Child) -> Pid {
        let begun = Instant::now();
        loop {
            let lines = self.lines();
            let pid = lines.iter().find_map(|line| match line {
                Line::Scenario(scenario) => Some(scenario.pid),
                _ => None,
            });
            let open = lines
                .iter()
                .any(|line| matches!(line, Line::Phase(p) if p.phase == "open"));
            if let (Some(pid), true) = (pid, open) {
                sleep(Duration::from_millis(100));
                return Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
            }
            if harness.try_wait().unwrap().is_some() || begun.elapsed() > PATIENCE {
                panic!("no testee began to fill: {}\n{lines:?}", finish(harness).1);
            }
            sleep(Duration::from_millis(5));
        }
    }

    fn assert_nothing_left(&self, testee: Pid) {
        let begun = Instant::now();
        while is_running(testee) || !is_empty(&self.temporary) {
            assert!(begun.elapsed() < PATIENCE, "testee or directory left");
            sleep(Duration::from_millis(5));
        }
    }
}

/// A zombie has ended; who adopted it reaps it when it likes.
fn is_running(process: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or("").starts_with(" Z"))
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).unwrap().next().is_none()
}

/// Waits for the harness, and gives its standard error. Kills it where that takes too long.
fn finish(harness: &mut Child) -> (ExitStatus, String) {
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = harness.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > PATIENCE {
            harness.kill().unwrap();
        }
        sleep(Duration::from_millis(5));
    };
    let mut errors = String::new();
    if let Some(stderr) = &mut harness.stderr {
        stderr.read_to_string(&mut errors).unwrap();
    }
    (status, errors)
}

fn signal(harness: &Child, signal: Signal) {
    kill_process(Pid::from_child(harness), signal).unwrap();
}

fn errors(lines: &[Line]) -> Vec<&ErrorRecord> {
    let errors = lines.iter().filter_map(|line| match line {
        Line::Error(error) => Some(error),
        _ => None,
    });
    errors.collect()
}

fn the_error<'a>(lines: &'a [Line], what: &str) -> &'a ErrorRecord {
    let errors = errors(lines);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0].what, what, "{errors:?}");
    errors[0]
}

/// The last of the workload's own: a limit is followed by probes.
fn last_phase(lines: &[Line]) -> &PhaseRecord {
    let phase = lines.iter().rev().find_map(|line| match line {
        Line::Phase(phase) if phase.probe.is_none() => Some(phase),
        _ => None,
    });
    phase.expect("a phase")
}

#[test]
fn a_run_that_goes_well_leaves_a_record_and_nothing_else() {
    let place = Place::new();
    let mut harness = place.command("20000", &[]).spawn().unwrap();
    let (status, stderr) = finish(&mut harness);
    assert_eq!(status.code(), Some(0), "{stderr}");
    let lines = place.record();
    assert!(errors(&lines).is_empty(), "{lines:?}");
    let [.., Line::Result(result), Line::Verdict(_)] = &lines[..] else {
        panic!("{lines:?}")
    };
    assert!(
        result.peak_rss_bytes > 1 << 20 && result.user_ns > 0,
        "{result:?}"
    );
    assert!(result.rows_per_second > 0.0);
    for line in &lines {
        if let Line::Phase(phase) = line {
            let rss = phase.ledger.rss_bytes.unsigned_abs();
            assert!(
                phase.peak_rss_bytes >= rss,
                "a peak below what was there: {phase:?}"
            );
        }
    }
    let peak = lines.iter().filter_map(|line| match line {
        Line::Phase(phase) => Some(phase.peak_rss_bytes),
        _ => None,
    });
    assert!(result.peak_rss_bytes >= peak.max().unwrap());
    assert!(is_empty(&place.temporary));
}

#[test]
fn an_output_directory_that_exists_is_refused_before_anything_runs() {
    let place = Place::new();
    fs::create_dir(&place.out).unwrap();
    let mut harness = place.command(ENDLESS, &[]).spawn().unwrap();
    let (status, stderr) = finish(&mut harness);
    assert_eq!(status.code(), Some(2), "{stderr}");
    assert!(is_empty(&place.out) && is_empty(&place.temporary));
}

#[test]
fn a_killed_testee_is_an_error_line_and_exit_3() {
    let place = Place::new();
    let mut harness = place.command(ENDLESS, &[]).spawn().unwrap();
    let testee = place.filling(&mut harness);
    kill_process(testee, Signal::KILL).unwrap();
    let (status, stderr) = finish(&mut harness);
    assert_eq!(status.code(), Some(3), "{stderr}");
    let lines = place.record();
    assert!(
        the_error(&lines, "killed")
            .message
            .contains("SIGKILL (signal 9)")
    );
    assert_eq!(last_phase(&lines).phase, "open");
    place.assert_nothing_left(testee);
}

#[test]
fn the_scenarios_after_a_failed_one_run() {
    let place = Place::new();
    let more = ["--set", "sqlite_allocator=system,rust"];
    let mut harness = place.command("600000", &more).spawn().unwrap();
    let testee = place.filling(&mut harness);
    kill_process(testee, Signal::KILL).unwrap();
    let (status, stderr) = finish(&mut harness);
    assert_eq!(status.code(), Some(3), "{stderr}");
    let lines = place.record();
    let failed = the_error(&lines, "killed").scenario.clone();
    let [.., Line::Result(result), Line::Verdict(_)] = &lines[..] else {
        panic!("{lines:?}")
    };
    assert_ne!(Some(&result.scenario), failed.as_ref());
    place.assert_nothing_left(testee);
}

#[test]
fn a_testee_that_is_told_to_end_by_somebody_else_is_an_error() {
    let place = Place::new();
    let mut harness = place.command(ENDLESS, &[]).spawn().unwrap();
    let testee = place.filling(&mut harness);
    kill_process(testee, Signal::TERM).unwrap();
    let (status, stderr) = finish(&mut harness);
    assert_eq!(status.code(), Some(3), "{stderr}");
    assert!(
        the_error(&place.record(), "exited")
            .message
            .contains("SIGTERM")
    );
    place.assert_nothing_left(testee);
}

#[test]
fn ctrl_c_and_its_relatives_stop_in_order_and_exit_130() {
    for number in [Signal::INT, Signal::TERM, Signal::HUP] {
        let place = Place::new();
        let mut harness = place.command(ENDLESS, &[]).spawn().unwrap();
        let testee = place.filling(&mut harness);
        signal(&harness, number);
        let (status, stderr) = finish(&mut harness);
        assert_eq!(status.code(), Some(130), "{stderr}");
        let lines = place.record();
        the_error(&lines, "interrupted");
        let phase = last_phase(&lines);
        assert_eq!(
            (phase.phase.as_str(), phase.partial, phase.reading),
            ("fill", true, None)
        );
        place.assert_nothing_left(testee);
    }
}

#[test]
fn a_second_ctrl_c_does_not_wait_for_a_testee_that_hangs() {
    let place = Place::new();
    let mut harness = place.command(ENDLESS, &[]).spawn().unwrap();
    let testee = place.filling(&mut harness);
    kill_process(testee, Signal::STOP).unwrap();
    signal(&harness, Signal::INT);
    sleep(Duration::from_millis(300));
    assert!(harness.try_wait().unwrap().is_none());
    let begun = Instant::now();
    signal(&harness, Signal::INT);
    let (status, stderr) = finish(&mut harness);
    assert_eq!(status.code(), Some(130), "{stderr}");
    assert!(begun.elapsed() < Duration::from_secs(2));
    the_error(&place.record(), "interrupted");
    place.assert_nothing_left(testee);
}

#[test]
fn a_testee_outlives_its_harness_only_to_clean_up() {
    let place = Place::new();
    let mut harness = place.command(ENDLESS, &[]).spawn().unwrap();
    let testee = place.filling(&mut harness);
    assert!(!is_empty(&place.temporary));
    signal(&harness, Signal::KILL);
    finish(&mut harness);
    place.assert_nothing_left(testee);
    assert!(!place.lines().is_empty());
}

#[test]
fn a_full_file_system_under_the_record_ends_the_run_and_keeps_its_lines() {
    // A limit on the size of files: the one full file system that needs no privilege. The database
    // is in memory, so that only the record meets it.
    let place = Place::new();
    let more = ["--set", "database=memory", "--sample-interval", "1ms"];
    let script = "ulimit -f 256; exec \"$@\"";
    let mut harness = place.under_sh(script, ENDLESS, &more).spawn().unwrap();
    let testee = place.filling(&mut harness);
    let (status, stderr) = finish(&mut harness);
    assert_eq!(status.code(), Some(3), "{stderr}");
    let record = place.out.join("record.jsonl");
    assert!(stderr.contains(record.to_str().unwrap()), "{stderr}");
    assert!(stderr.contains("complete and kept"), "{stderr}");
    assert_eq!(
        stderr.matches("cannot write to the record").count(),
        1,
        "{stderr}"
    );
    let lines = place.record();
    assert!(
        lines
            .iter()
            .filter(|line| matches!(line, Line::Sample(_)))
            .count()
            > 5
    );
    place.assert_nothing_left(testee);
}

#[test]
fn a_run_whose_record_cannot_be_written_is_an_error_in_json_too() {
    let place = Place::new();
    let more = [
        "--set",
        "database=memory",
        "--sample-interval",
        "1ms",
        "--format",
        "json",
    ];
    let script = "ulimit -f 256; exec \"$@\"";
    let mut command = place.under_sh(script, ENDLESS, &more);
    let output = command.stdout(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let run: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let error = &run["scenarios"][0]["error"];
    assert_eq!(error["what"], "io", "{error}");
    assert!(is_empty(&place.temporary));
}

#[test]
fn a_full_file_system_under_the_database_is_an_error_line_of_sqlite() {
    let place = Place::new();
    let script = "ulimit -f 2048; exec \"$@\"";
    let mut harness = place.under_sh(script, ENDLESS, &[]).spawn().unwrap();
    let testee = place.filling(&mut harness);
    let (status, stderr) = finish(&mut harness);
    assert_eq!(status.code(), Some(3), "{stderr}");
    the_error(&place.record(), "sqlite");
    place.assert_nothing_left(testee);
}

#[test]
fn a_run_whose_standard_output_is_closed_or_full_is_recorded_all_the_same() {
    for script in ["exec \"$@\" >&-", "exec \"$@\" >/dev/full", "\"$@\" | :"] {
        let place = Place::new();
        let mut harness = place.under_sh(script, "20000", &[]).spawn().unwrap();
        let (status, stderr) = finish(&mut harness);
        assert!(!stderr.contains("panicked"), "{script}: {stderr}");
        assert!(
            status.code().is_some_and(|code| code != 101),
            "{script}: {status}"
        );
        let lines = place.record();
        assert!(errors(&lines).is_empty(), "{script}: {lines:?}");
        assert!(
            matches!(&lines[..], [.., Line::Result(_), Line::Verdict(_)]),
            "{script}: {lines:?}"
        );
        assert!(is_empty(&place.temporary), "{script}");
    }
}

#[test]
fn a_testee_past_a_limit_is_stopped_with_its_last_ledger_taken() {
    let limits: [(&str, &[&str]); 3] = [
        (
            "limit_rss",
            &["--set", "statements=leak-per-row", "--limit-rss", "40MiB"],
        ),
        ("limit_time", &["--limit-time", "1s"]),
        ("limit_disk", &["--limit-disk", "3MiB"]),
    ];
    for (what, more) in limits {
        let place = Place::new();
        let mut harness = place.command(ENDLESS, more).spawn().unwrap();
        let testee = place.filling(&mut harness);
        let (status, stderr) = finish(&mut harness);
        assert_eq!(status.code(), Some(3), "{what}: {stderr}");
        let lines = place.record();
        assert!(the_error(&lines, what).message.contains(what));
        assert!(
            lines.iter().any(|line| matches!(line, Line::Sample(_))),
            "{what}"
        );
        let phase = last_phase(&lines);
        assert_eq!(
            (phase.phase.as_str(), phase.partial),
            ("fill", true),
            "{what}"
        );
        assert!(phase.rows.is_some_and(|rows| rows > 0), "{what}");
        assert!(
            !phase.ledger.terms.is_empty() && phase.ledger.rss_bytes > 0,
            "{what}"
        );
        place.assert_nothing_left(testee);
    }
}

#[test]
fn the_harness_does_not_grow_with_its_run() {
    let place = Place::new();
    let more = ["--set", "database=memory", "--sample-interval", "1ms"];
    let mut harness = place.command(ENDLESS, &more).spawn().unwrap();
    let testee = place.filling(&mut harness);
    sleep(Duration::from_secs(2));
    let status = fs::read_to_string(format!("/proc/{}/status", harness.id())).unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let peak: u64 = peak
        .split_ascii_whitespace()
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(peak <= 30_000, "{peak} kB");
    signal(&harness, Signal::INT);
    finish(&mut harness);
    place.assert_nothing_left(testee);
}

#[test]
fn a_testee_started_by_hand_says_so() {
    let output = Command::new(env!("CARGO_BIN_EXE_sqlite-membench"))
        .arg("testee")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not by hand"));
}
