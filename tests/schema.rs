//! The published schema of records is what the code makes, and says which lines are none.

#[path = "support/records.rs"]
mod records;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flate2::read::GzDecoder;
use records::{complaint, hold_below, hold_text};
use serde_json::{Value, json};
use sqlite_membench::record::schema::line_schema;
use sqlite_membench::record::{Line, SCHEMA_VERSION, decode, encode};

const WRITE: &str = "SQLITE_MEMBENCH_WRITE_SCHEMA";

fn profiles() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles")
}

/// A small run with cycles in it: its lines.
fn run() -> Vec<Value> {
    let directory = records::TempDir::new().unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_sqlite-membench"))
        .current_dir(&directory)
        .args(["run", "snapshot-memory", "--scale", "0.02", "--cycles", "2"])
        .args(["--quiet", "--out", "run"])
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let record = fs::read_to_string(directory.join("run/record.jsonl")).unwrap();
    assert!(hold_below(directory.path()) > 10);
    let lines = record.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().unwrap()
}

fn of_kind<'a>(lines: &'a [Value], kind: &str) -> &'a Value {
    let found = lines.iter().find(|line| line["kind"] == kind);
    found.unwrap_or_else(|| panic!("no {kind} in the record"))
}

/// Whether the suite's own reader takes it.
fn is_read(line: &Value) -> bool {
    decode(line.to_string().as_bytes()).is_ok()
}

#[test]
fn the_published_schema_is_what_the_code_makes() {
    let made = format!("{:#}\n", line_schema());
    let path = profiles().join(format!("schema/record-{SCHEMA_VERSION}.json"));
    if std::env::var_os(WRITE).is_some() {
        fs::write(&path, &made).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == made,
        "{} is not what the code makes. Where readers of version {SCHEMA_VERSION} can read the change, write \
         it with `{WRITE}=1 cargo test --test schema`; where they cannot, raise SCHEMA_VERSION first, which \
         gives it a file of its own",
        path.display()
    );
}

#[test]
fn it_is_a_schema_and_its_id_names_the_version_and_no_host() {
    let schema = line_schema();
    assert!(jsonschema::meta::is_valid(&schema));
    let id = format!("urn:sqlite-membench:record:{SCHEMA_VERSION}");
    assert_eq!(schema["$id"], id);
    assert_eq!(
        schema["properties"]["schema_version"]["const"],
        SCHEMA_VERSION
    );
    let text = schema.to_string();
    assert_eq!(text.matches("://").count(), 1, "the dialect's alone");
    let kinds = schema["oneOf"].as_array().unwrap().iter();
    let kinds: Vec<&str> = kinds
        .map(|one| one["properties"]["kind"]["const"].as_str().unwrap())
        .collect();
    let recorded = [
        "run",
        "environment",
        "scenario",
        "phase",
        "sample",
        "verdict",
        "remedy",
        "program",
        "turn",
        "result",
        "error",
    ];
    assert_eq!(kinds, recorded);
}

#[test]
fn each_line_of_a_run_validates_and_no_longer_when_a_field_that_readers_need_is_gone() {
    let lines = run();
    for kind in [
        "run",
        "environment",
        "scenario",
        "phase",
        "sample",
        "verdict",
        "result",
    ] {
        let line = of_kind(&lines, kind);
        let fields: Vec<&String> = line.as_object().unwrap().keys().collect();
        for field in fields {
            let mut without = line.clone();
            without.as_object_mut().unwrap().remove(field);
            // A run's environment is read whatever it has; a record that says nothing of the machine
            // is none that this suite wrote.
            let needed =
                !is_read(&without) || (kind, field.as_str()) == ("environment", "machine_key");
            let complaint = complaint(&without);
            assert_eq!(complaint.is_some(), needed, "{kind}.{field}: {complaint:?}");
        }
    }
}

#[test]
fn every_fact_of_an_environment_is_described() {
    let schema = line_schema();
    let described = &schema["$defs"]["EnvironmentRecord"]["properties"];
    for (fact, value) in sqlite_membench::environment::environment() {
        let text = described[&fact]["description"].as_str();
        assert!(text.is_some_and(|text| !text.is_empty()), "{fact}: {value}");
    }
    assert!(described["machine_key"].is_object());
}

#[test]
fn what_is_no_line_does_not_validate_and_what_a_later_version_adds_does() {
    let lines = run();
    let phase = of_kind(&lines, "phase");
    let with = |pointer: &str, value: Value| {
        let mut line = phase.clone();
        *line.pointer_mut(pointer).expect(pointer) = value;
        line
    };
    for (pointer, value) in [
        ("/elapsed_ns", json!(-1)),
        ("/elapsed_ns", json!("1")),
        ("/elapsed_ns", json!(1.5)),
        ("/elapsed_ns", Value::Null),
        ("/elapsed_ns", json!(2e19)),
        ("/open_files", json!(true)),
        ("/peak_rss_bytes", json!(-4096)),
        ("/phase", json!(7)),
        ("/ledger", json!([])),
        ("/ledger/terms/0/bytes", json!("many")),
        ("/ledger/terms/0/owner", Value::Null),
        ("/ledger/beside/anonymous_bytes", json!(-1)),
        ("/kind", json!("weather")),
        ("/kind", json!("progress")),
        ("/kind", json!("run")),
        ("/schema_version", json!(0)),
        ("/schema_version", json!(SCHEMA_VERSION + 1)),
        ("/schema_version", json!("1")),
    ] {
        let line = with(pointer, value.clone());
        assert!(complaint(&line).is_some(), "{pointer} = {value}");
    }
    // Signed where it may be.
    let negative = with("/ledger/terms/0/bytes", json!(-4096));
    assert_eq!(complaint(&negative), None);
    let mut verdict = of_kind(&lines, "verdict").clone();
    verdict["findings"] = json!([{"verdict": "martian"}]);
    assert!(complaint(&verdict).is_some());

    let mut later = phase.clone();
    later["moon"] = json!({"phase": "waxing"});
    later["ledger"]["terms"][0]["colour"] = json!("red");
    later["ledger"]["beside"]["eggs"] = json!(7);
    assert_eq!(complaint(&later), None);
    assert!(is_read(&later));
}

#[test]
fn lines_that_no_small_run_has_validate_as_they_are_encoded() {
    use sqlite_membench::record::{ErrorRecord, ProgramRecord, RemedyRecord, Side, TurnRecord};
    let environment = of_kind(&run(), "environment").as_object().unwrap().clone();
    let mut bytes = Vec::new();
    for line in [
        Line::Error(ErrorRecord {
            scenario: None,
            what: "io".into(),
            message: "a \"word\"\n".into(),
        }),
        Line::Remedy(RemedyRecord {
            scenario: "s + trim=per-cycle".into(),
            of: "s".into(),
            round: 1,
            set: vec!["trim=per-cycle".into()],
        }),
        Line::Turn(TurnRecord {
            scenario: "s #2 new".into(),
            of: "s".into(),
            round: 2,
            side: Some(Side::New),
        }),
        Line::Program(ProgramRecord {
            side: Side::Base,
            program: "old".into(),
            content_hash: "00".into(),
            environment,
        }),
    ] {
        encode(&line, &mut bytes).unwrap();
    }
    assert_eq!(hold_text("lines", &bytes), 4);
}

#[test]
fn a_record_that_is_none_is_found_in_a_directory_of_a_test() {
    let directory = records::TempDir::new().unwrap();
    fs::create_dir(directory.join("run")).unwrap();
    let record = directory.join("run/record.jsonl");
    let good = r#"{"schema_version":1,"kind":"error","what":"io","message":"m"}"#;
    let bad = good.replace("message", "massage");
    fs::write(&record, format!("{good}\n{bad}\n")).unwrap();
    let found = std::panic::catch_unwind(|| drop(directory)).unwrap_err();
    let told = found.downcast_ref::<String>().unwrap();
    assert!(
        told.contains("record.jsonl, line 2") && told.contains("message"),
        "{told}"
    );
}

/// Every record that is kept in the repository.
fn recorded(directory: &Path, see: &mut dyn FnMut(&Path, Vec<u8>)) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            recorded(&path, see);
        } else if name == "record.jsonl" {
            see(&path, fs::read(&path).unwrap());
        } else if name == "record.jsonl.gz" {
            let mut text = Vec::new();
            let file = fs::File::open(&path).unwrap();
            GzDecoder::new(file).read_to_end(&mut text).unwrap();
            see(&path, text);
        }
    }
}

#[test]
fn recorded_results_validate_and_say_nothing_of_where_they_were_made() {
    let mut found = 0;
    recorded(&profiles().join("recorded"), &mut |path, text| {
        found += 1;
        for trace in ["/home/", "/root/", "/tmp/", "/target/"] {
            let has_trace = String::from_utf8_lossy(&text).contains(trace);
            assert!(!has_trace, "{} has {trace}", path.display());
        }
        assert!(hold_text(&path.display().to_string(), &text) > 0);
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            decode(line).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    });
    assert!(found > 0, "there is a recorded result");
}
