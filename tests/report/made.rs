//! One small run that all tests read, and the program.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::records::TempDir;
use serde_json::Value;

/// A run of two snapshot scenarios, the first of them profiled like the second.
pub fn run() -> &'static Path {
    static RUN: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = RUN.get_or_init(|| {
        let directory = TempDir::new().unwrap();
        let output = program(
            directory.path(),
            [
                "run",
                "snapshot-memory",
                "snapshot-file",
                "--scale",
                "0.02",
                "--cycles",
                "11",
                "--heap-profile",
                "--out",
                "run",
                "--quiet",
            ],
        );
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        let path = directory.path().join("run");
        (directory, path)
    });
    path
}

/// The program with these arguments, in `directory`.
pub fn program<S: AsRef<OsStr>>(
    directory: &Path,
    arguments: impl IntoIterator<Item = S>,
) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sqlite-membench"))
        .current_dir(directory)
        .args(arguments)
        .output()
        .unwrap()
}

/// `report RECORD`, which must go well, with more arguments; what is on standard output.
pub fn report(record: &Path, arguments: &[&str]) -> String {
    let directory = TempDir::new().unwrap();
    let arguments = arguments.iter().map(OsStr::new);
    let all = [OsStr::new("report"), record.as_os_str()]
        .into_iter()
        .chain(arguments);
    let output = program(directory.path(), all);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// The page of a record.
pub fn page(record: &Path) -> String {
    report(record, &["-o", "-"])
}

/// Standard error.
pub fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The record's text.
pub fn text() -> String {
    fs::read_to_string(run().join("record.jsonl")).unwrap()
}

/// Its lines of a kind.
pub fn lines(kind: &str) -> Vec<Value> {
    let text = text();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["kind"] == kind).collect()
}

/// A directory with a record of this text in it.
pub fn record(text: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("record.jsonl");
    fs::write(&path, text).unwrap();
    (directory, path)
}
