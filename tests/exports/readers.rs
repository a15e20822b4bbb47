//! The real readers of each format. Where one is missing the test fails and says what to install.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Debian's, where its packages are.
const PYTHON: &str = "/usr/bin/python3";

fn fed(command: &mut Command, text: &[u8], missing: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{error}: {missing}"));
    let written = child.stdin.take().unwrap().write_all(text);
    let output = child.wait_with_output().unwrap();
    // One that ends before it has read everything says why.
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(written.is_ok(), "{missing}\n{told}");
    output
}

/// `promtool check metrics`, which warns of what it does not like.
pub fn promtool(text: &[u8]) {
    let missing = "promtool is needed: apt-get install prometheus";
    let mut command = Command::new("promtool");
    let output = fed(command.args(["check", "metrics"]), text, missing);
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    assert!(output.status.success() && told.is_empty(), "{told}");
}

/// Samples by name and labels.
pub type Samples = BTreeMap<(String, BTreeMap<String, String>), f64>;

/// What both parsers of prometheus_client read.
pub fn python(text: &[u8]) -> Samples {
    let missing = "prometheus_client is needed: apt-get install python3-prometheus-client";
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/exports/reading.py");
    let output = fed(Command::new(PYTHON).arg(script), text, missing);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{missing}, or the text is bad: {told}"
    );
    let found: Vec<(String, BTreeMap<String, String>, f64)> =
        serde_json::from_slice(&output.stdout).unwrap();
    let count = found.len();
    let samples: Samples = found
        .into_iter()
        .map(|(name, labels, value)| ((name, labels), value))
        .collect();
    assert_eq!(samples.len(), count, "a series stands there twice");
    samples
}

/// Against the schema of Bencher's reference.
pub fn bmf_is_valid(text: &[u8]) -> Value {
    let schema = serde_json::from_str(include_str!("bmf.schema.json")).unwrap();
    let value = serde_json::from_slice(text).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    if let Err(error) = validator.validate(&value) {
        panic!("{}: {error}\n{value:#}", error.instance_path());
    }
    value
}
