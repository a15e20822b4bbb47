//! Runs of the program with profilers in them, and what they leave.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

#[path = "records.rs"]
mod records;

pub use records::TempDir;

/// A run directory that goes with the test.
pub struct Run {
    _parent: TempDir,
    pub out: PathBuf,
}

impl Run {
    pub fn new() -> Self {
        let parent = TempDir::new().unwrap();
        let out = parent.path().join("run");
        Run {
            _parent: parent,
            out,
        }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sqlite-membench"));
        command.arg("run").args(arguments).arg("--out");
        command
            .arg(&self.out)
            .current_dir(self.out.parent().unwrap());
        command
    }

    pub fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// The same, in the background; killed with [`Killed`].
    pub fn start(&self, arguments: &[&str]) -> Killed {
        let mut command = self.command(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Killed(command.spawn().unwrap())
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.out.join(name)
    }

    /// The record's line about a scenario, once it is there.
    pub fn scenario_line(&self) -> Value {
        wait_for(|| {
            let text = fs::read_to_string(self.file("record.jsonl")).ok()?;
            let lines = text
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok());
            lines
                .into_iter()
                .find(|line: &Value| line["kind"] == "scenario")
        })
    }

    /// Waits until a raw profile has values with so many sites in all.
    pub fn wait_for_sites(&self, name: &str, sites: usize) {
        wait_for(|| {
            let text = fs::read_to_string(self.file(name)).ok()?;
            let lines = text
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok());
            let found: usize = lines
                .filter_map(|line: Value| Some(line["sites"].as_array()?.len()))
                .sum();
            (found >= sites).then_some(())
        });
    }
}

/// A program that does not outlive its test.
pub struct Killed(pub Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < patience, "it never came");
        thread::sleep(Duration::from_millis(20));
    }
}

pub fn signal(pid: i32, signal: &str) {
    let kill = Command::new("kill")
        .args([signal, &pid.to_string()])
        .status();
    assert!(kill.unwrap().success());
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Stacks, root first, with their value.
pub fn collapsed(path: &Path) -> Vec<(Vec<String>, u64)> {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let stacks = text.lines().map(|line| {
        let (stack, value) = line.rsplit_once(' ').unwrap();
        let frames = stack.split(';').map(str::to_owned).collect();
        (frames, value.parse().unwrap())
    });
    stacks.collect()
}
