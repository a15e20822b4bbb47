//! Whatever ends a cycle early, what was recorded stays, and no process and no file is left.
#![cfg(feature = "cli")]

#[path = "support/records.rs"]
mod records;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use records::TempDir;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// A run with a place for its record and one for what must be gone in the end.
struct Run {
    root: TempDir,
    harness: Child,
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.harness.kill();
        let _ = self.harness.wait();
    }
}

impl Run {
    /// `snapshot-memory` with more cycles than any test waits for.
    fn start(script: &str, more: &[&str]) -> Run {
        let root = TempDir::new().unwrap();
        let temporary = root.path().join("tmp");
        fs::create_dir(&temporary).unwrap();
        let harness = Command::new("sh")
            .args(["-c", script, "sh", env!("CARGO_BIN_EXE_sqlite-membench")])
            .args(["run", "snapshot-memory", "--cycles", "100000"])
            .args(["--out", "run", "--quiet"])
            .args(more)
            .current_dir(root.path())
            .env("TMPDIR", &temporary)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Run { root, harness }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn lines(&self) -> Vec<Value> {
        let record = fs::read(self.path("run/record.jsonl")).unwrap_or_default();
        let whole = record.split_inclusive(|byte| *byte == b'\n');
        whole
            .filter(|line| line.ends_with(b"\n"))
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }

    fn of(&self, kind: &str) -> Vec<Value> {
        let lines = self.lines().into_iter();
        lines.filter(|line| line["kind"] == kind).collect()
    }

    /// Waits until two cycles are recorded and a file of the third is there; the testee's pid.
    fn is_dumping(&mut self) -> Pid {
        let began = Instant::now();
        loop {
            let done = (self.of("phase").iter()).any(|phase| phase["cycle"] == 2);
            if done && has_dump(&self.path("tmp")) {
                let pid = self.of("scenario")[0]["pid"].as_i64().unwrap();
                return Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
            }
            assert!(began.elapsed() < PATIENCE, "{:?}", self.of("error"));
            assert!(self.harness.try_wait().unwrap().is_none());
            sleep(Duration::from_millis(1));
        }
    }

    /// The exit code, when it has ended and nothing is left.
    fn ends(&mut self) -> Option<i32> {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.harness.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < PATIENCE);
            sleep(Duration::from_millis(5));
        };
        assert_eq!(fs::read_dir(self.path("tmp")).unwrap().count(), 0);
        let record = fs::read(self.path("run/record.jsonl")).unwrap();
        assert_eq!(record.last(), Some(&b'\n'));
        status.code()
    }

    /// One error, and every cycle before it.
    fn has_error(&self, what: &str) -> String {
        let errors = self.of("error");
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0]["what"], what, "{errors:?}");
        let cycles = fs::read_to_string(self.path("run/cycles.csv")).unwrap();
        assert!(cycles.lines().count() >= 3, "{cycles}");
        errors[0]["message"].as_str().unwrap().to_owned()
    }
}

fn has_dump(directory: &Path) -> bool {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| match entry.path() {
        path if path.is_dir() => has_dump(&path),
        path => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("dump-") && path.metadata().is_ok_and(|file| file.len() > 0)
        }
    })
}

const AS_IT_IS: &str = "exec \"$@\"";
const SMALL: [&str; 2] = ["--scale", "0.02"];

#[test]
fn a_testee_that_is_killed_in_a_cycle_is_an_error_and_the_cycles_before_stay() {
    let mut run = Run::start(AS_IT_IS, &SMALL);
    let testee = run.is_dumping();
    kill_process(testee, Signal::KILL).unwrap();
    assert_eq!(run.ends(), Some(3));
    let message = run.has_error("killed");
    assert!(message.contains("SIGKILL"), "{message}");
}

#[test]
fn ctrl_c_in_a_cycle_with_a_snapshot_in_a_file_leaves_no_file() {
    let more = [&SMALL[..], &["--set", "snapshot=file"]].concat();
    let mut run = Run::start(AS_IT_IS, &more);
    let testee = run.is_dumping();
    let harness = Pid::from_raw(i32::try_from(run.harness.id()).unwrap()).unwrap();
    kill_process(harness, Signal::INT).unwrap();
    assert_eq!(run.ends(), Some(130));
    run.has_error("interrupted");
    assert!(test_kill_process(testee).is_err());
}

#[test]
fn a_testee_that_is_terminated_alone_cleans_up() {
    let mut run = Run::start(AS_IT_IS, &SMALL);
    let testee = run.is_dumping();
    kill_process(testee, Signal::TERM).unwrap();
    assert_eq!(run.ends(), Some(3));
    let message = run.has_error("exited");
    assert!(message.contains("SIGTERM"), "{message}");
}

#[test]
fn a_testee_outlives_its_harness_only_to_clean_up() {
    let mut run = Run::start(AS_IT_IS, &SMALL);
    let testee = run.is_dumping();
    run.harness.kill().unwrap();
    run.harness.wait().unwrap();
    let began = Instant::now();
    while test_kill_process(testee).is_ok() {
        assert!(began.elapsed() < PATIENCE);
        sleep(Duration::from_millis(5));
    }
    assert_eq!(fs::read_dir(run.path("tmp")).unwrap().count(), 0);
    assert!(run.of("phase").iter().any(|phase| phase["cycle"] == 2));
}

#[test]
fn a_full_disk_under_the_dump_is_said_and_leaves_nothing() {
    // A limit on the size of files stands in for a full disk: it needs no privilege. In blocks of
    // 512 bytes, of which a dump at this scale takes more.
    let mut run = Run::start("ulimit -f 8192; exec \"$@\"", &SMALL);
    assert_eq!(run.ends(), Some(3));
    let errors = run.of("error");
    assert_eq!(errors[0]["what"], "io", "{errors:?}");
    let message = errors[0]["message"].as_str().unwrap();
    assert!(message.contains("dump"), "{message}");
    // The cycle that failed is told until its end, and the fill before it.
    let phases = run.of("phase");
    let last = phases.last().unwrap();
    assert_eq!(last["phase"], "dispose");
    let dump = phases
        .iter()
        .find(|phase| phase["phase"] == "dump")
        .unwrap();
    assert_eq!(dump["cycle"], 1);
    assert!(phases.iter().any(|phase| phase["cycle"] == 0));
}
