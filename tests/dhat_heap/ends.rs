//! However a run ends, its profile until then is there, whole.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::profile::Profile;
use super::records::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

/// A run that goes on until it is ended.
struct Endless {
    _root: TempDir,
    out: PathBuf,
    harness: Child,
}

impl Endless {
    fn start(more: &[&str]) -> Endless {
        let root = TempDir::new().unwrap();
        let out = root.path().join("out");
        let harness = Command::new(env!("CARGO_BIN_EXE_sqlite-membench"))
            .args(["run", "insert-no-shrink", "--rows", "1000000000", "--quiet"])
            .args(["--set", "keys=decimal", "--set", "sqlite_allocator=rust"])
            .arg("--out")
            .arg(&out)
            .args(more)
            .current_dir(&root)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Endless {
            _root: root,
            out,
            harness,
        }
    }

    fn profile(&self) -> PathBuf {
        self.out.join("dhat-heap.json")
    }

    fn unfinished(&self) -> PathBuf {
        self.out.join("dhat-heap.json.unfinished")
    }

    /// The testee's, once it fills its database.
    fn testee(&self) -> Pid {
        let record = self.out.join("record.jsonl");
        wait_for(|| {
            let text = std::fs::read_to_string(&record).ok()?;
            let mut lines = text
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok());
            let scenario = lines.find(|line: &Value| line["kind"] == "scenario")?;
            Pid::from_raw(scenario["pid"].as_i64()?.try_into().ok()?)
        })
    }

    /// Waits for the end; the exit code.
    fn ended(&mut self) -> Option<i32> {
        let status = wait_for(|| self.harness.try_wait().unwrap());
        assert!(!self.unfinished().exists());
        status.code()
    }

    fn has_sqlites_stacks(&self) {
        let profile = Profile::read(&self.profile());
        let sqlites = profile.bytes_at_peak(Profile::is_sqlites);
        assert!(sqlites > 100 << 10, "{sqlites}");
        assert!(profile.bytes_at_peak(Profile::names_sqlite3) * 100 >= sqlites * 95);
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        let _ = self.harness.kill();
        let _ = self.harness.wait();
    }
}

fn wait_for<T>(mut found: impl FnMut() -> Option<T>) -> T {
    let patience = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < patience);
        sleep(Duration::from_millis(2));
    }
}

fn wait_until_there(path: &Path) {
    wait_for(|| path.exists().then_some(()));
}

#[test]
fn a_testee_that_is_killed_has_left_its_profile_until_then() {
    let mut run = Endless::start(&[]);
    wait_until_there(&run.profile());
    // Into the next one, or before it.
    sleep(Duration::from_millis(300));
    kill_process(run.testee(), Signal::KILL).unwrap();
    assert_eq!(run.ended(), Some(3));
    run.has_sqlites_stacks();
}

#[test]
fn a_testee_that_is_killed_while_its_profile_is_written_leaves_it_whole() {
    let mut run = Endless::start(&[]);
    let testee = run.testee();
    // There from before the child is.
    wait_for(|| {
        let length = std::fs::metadata(run.unfinished()).ok()?.len();
        (length == 0 && !run.profile().exists()).then_some(())
    });
    // The testee goes on once the child is there.
    sleep(Duration::from_millis(50));
    kill_process(testee, Signal::KILL).unwrap();
    assert_eq!(run.ended(), Some(3));
    run.has_sqlites_stacks();
}

#[test]
fn signals_end_a_run_with_its_profile() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut run = Endless::start(&[]);
        run.testee();
        sleep(Duration::from_millis(300));
        kill_process(Pid::from_child(&run.harness), signal).unwrap();
        assert_eq!(run.ended(), Some(130));
        run.has_sqlites_stacks();
    }
}

#[test]
fn limits_end_a_run_with_its_profile() {
    for limit in [
        ["--limit-time", "1s"],
        ["--limit-disk", "10MiB"],
        ["--limit-rss", "24MiB"],
    ] {
        let mut run = Endless::start(&limit);
        assert_eq!(run.ended(), Some(3), "{limit:?}");
        run.has_sqlites_stacks();
    }
}
