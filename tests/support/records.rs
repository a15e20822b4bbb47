//! Records that the program wrote in a test, each line held against the published schema.
#![allow(dead_code, reason = "some tests need the directory alone")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::{Value, json};

/// As it is published.
const SCHEMA: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/profiles/schema/record-1.json"
));

pub fn schema() -> Value {
    serde_json::from_str(SCHEMA).expect("the published schema is JSON")
}

fn validator() -> &'static Validator {
    static VALIDATOR: OnceLock<Validator> = OnceLock::new();
    VALIDATOR.get_or_init(|| jsonschema::validator_for(&schema()).expect("a schema"))
}

/// What is wrong with `line`.
pub fn complaint(line: &Value) -> Option<String> {
    let error = validator().validate(line).err()?;
    // What is wrong with one of its kind says more than that it is of none.
    let mut one = schema();
    let kinds = one["oneOf"].as_array().cloned().unwrap_or_default();
    let same = |kind: &&Value| kind["properties"]["kind"]["const"] == line["kind"];
    let Some(kind) = kinds.iter().find(same) else {
        return Some(error.to_string());
    };
    one["oneOf"] = json!([true]);
    one["allOf"] = json!([kind]);
    let one = jsonschema::validator_for(&one).expect("a schema");
    let errors = one
        .iter_errors(line)
        .map(|error| format!("{}: {error}", error.instance_path()));
    Some(errors.collect::<Vec<_>>().join("\n"))
}

/// Each complete line of a record's text; how many there are.
#[track_caller]
pub fn hold_text(name: &str, text: &[u8]) -> usize {
    let mut lines = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if !line.ends_with(b"\n") || line.trim_ascii().is_empty() {
            continue;
        }
        lines += 1;
        let value = serde_json::from_slice(line)
            .unwrap_or_else(|error| panic!("{name}, line {lines}: {error}"));
        if let Some(complaint) = complaint(&value) {
            panic!("{name}, line {lines} is none by profiles/schema: {complaint}\n{value}");
        }
    }
    lines
}

/// Each record below `directory`; how many lines they have.
#[track_caller]
pub fn hold_below(directory: &Path) -> usize {
    let mut lines = 0;
    let Ok(entries) = fs::read_dir(directory) else {
        return lines;
    };
    for entry in entries.flatten() {
        let (path, kind) = (entry.path(), entry.file_type());
        if kind.is_ok_and(|kind| kind.is_dir()) {
            lines += hold_below(&path);
        } else if entry.file_name() == "record.jsonl" {
            let text = fs::read(&path).unwrap();
            lines += hold_text(&path.display().to_string(), &text);
        }
    }
    lines
}

/// A temporary directory of a test that runs the program in it: when it goes, each line of each record
/// in it has been held against the schema.
#[derive(Debug)]
pub struct TempDir(tempfile::TempDir);

impl TempDir {
    pub fn new() -> io::Result<Self> {
        tempfile::TempDir::new().map(TempDir)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
}

impl AsRef<Path> for TempDir {
    fn as_ref(&self) -> &Path {
        self.path()
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            hold_below(self.path());
        }
    }
}
