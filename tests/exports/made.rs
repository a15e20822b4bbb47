//! Records to export: one of a real run, and one of names that no format is glad of.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};
use sqlite_membench::record::{
    BesideRecord, ErrorRecord, LedgerRecord, Line, PhaseRecord, Reader, ResultRecord, RunRecord,
    ScenarioRecord, Side, TermRecord, TurnRecord, encode,
};
use sqlite_membench::report::gathered::Gathered;

use crate::records::hold_below;

/// A run of the program.
pub struct Run {
    out: PathBuf,
    pub lines: Vec<Value>,
}

impl Run {
    pub fn out(&self) -> &Path {
        &self.out
    }

    pub fn gathered(&self) -> Gathered {
        Gathered::read(&self.out.join("record.jsonl")).unwrap()
    }

    pub fn scenarios(&self) -> Vec<&str> {
        let scenarios = self.lines.iter().filter(|line| line["kind"] == "scenario");
        let names = scenarios.map(|line| line["scenario"].as_str().unwrap());
        names.collect()
    }

    pub fn of<'a>(&'a self, scenario: &'a str, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        let lines = self.lines.iter();
        lines.filter(move |line| line["kind"] == kind && line["scenario"] == scenario)
    }
}

/// A matrix of snapshots and one of inserts, whose names have brackets, commas, signs and equals. It is
/// made once, and lies among what cargo clears away.
pub fn ordinary() -> &'static Run {
    static RUN: OnceLock<Run> = OnceLock::new();
    RUN.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("exports");
        match fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != ErrorKind::NotFound => panic!("{error}"),
            _ => fs::create_dir_all(&directory).unwrap(),
        }
        let output = Command::new(env!("CARGO_BIN_EXE_sqlite-membench"))
            .current_dir(&directory)
            .args(["run", "snapshot-memory", "insert-10m", "--scale", "0.02"])
            .args(["--set", "sqlite_allocator=system,arena"])
            .args(["--set", "cache_size=-2000,4000"])
            .args(["--quiet", "--out", "run"])
            .stdout(Stdio::null())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}");
        assert!(hold_below(&directory) > 0);
        let out = directory.join("run");
        let record = fs::read_to_string(out.join("record.jsonl")).unwrap();
        let lines = record.lines().map(serde_json::from_str);
        let lines = lines.collect::<Result<_, _>>().unwrap();
        Run { out, lines }
    })
}

/// How long each execution of [`hostile`] takes, by its side.
pub const TIMES: [(Side, [u64; 3]); 2] = [
    (Side::Base, [3_000_000_000, 1_000_000_000, 2_500_000_000]),
    (Side::New, [4_000_000_000, 5_000_000_001, 4_500_000_000]),
];

pub const NAMES: [&str; 7] = [
    "quotes \" and \\ backslashes \\n \\\" and \\\\\"",
    "lines\nends\r\nand\ttabs\r",
    "# EOF\n# TYPE sqlite_membench_end_rss_bytes counter",
    "}{ = , \"x\"} 1",
    "нуль \u{0} и 🦀 \u{2028}\u{85}",
    "</script><!-- & %s ${x}",
    " ",
];

/// A record of [`NAMES`], three executions on each side.
pub fn hostile() -> Gathered {
    let mut bytes = Vec::new();
    let mut put = |line: &Line| encode(line, &mut bytes).unwrap();
    put(&Line::Run(RunRecord {
        run_id: "a \"run\"\n".into(),
        started_utc: "2000-01-01T00:00:00Z".into(),
        suite_version: "0".into(),
        git_revision: None,
        argv: Vec::new(),
    }));
    put(&Line::Environment(
        json!({"machine_key": "0123456789abcdef0123456789abcdef", "sqlite": {"version": 7}})
            .as_object()
            .cloned()
            .unwrap(),
    ));
    for of in NAMES {
        for (side, times) in TIMES {
            for (round, elapsed_ns) in (1..).zip(times) {
                execution(&mut put, of, side, round, elapsed_ns);
            }
        }
    }
    // Nothing but an error is known of it.
    put(&Line::Error(ErrorRecord {
        scenario: Some("never began".into()),
        what: "io".into(),
        message: "m".into(),
    }));
    Gathered::of(Reader::over(bytes.as_slice(), "hostile")).unwrap()
}

fn execution(put: &mut dyn FnMut(&Line), of: &str, side: Side, round: u32, elapsed_ns: u64) {
    let scenario = format!("{of} #{round} {}", side.name());
    put(&Line::Turn(TurnRecord {
        scenario: scenario.clone(),
        of: of.into(),
        round,
        side: Some(side),
    }));
    put(&Line::Scenario(ScenarioRecord {
        scenario: scenario.clone(),
        parameters: json!({"workload": of}).as_object().cloned().unwrap(),
        pragmas: Vec::new(),
        rust_allocator: of.into(),
        sqlite_allocator: String::new(),
        route_verified: true,
        route_evidence: String::new(),
        instruments: Vec::new(),
        absent: Vec::new(),
        pid: 1,
    }));
    for (reading, at_ns) in [(Some(1), 1), (None, 2)] {
        put(&Line::Phase(phase(
            &scenario, of, reading, at_ns, elapsed_ns,
        )));
    }
    put(&Line::Result(ResultRecord {
        scenario,
        rows: 1,
        verified: true,
        rows_per_second: 1e9 / elapsed_ns as f64,
        ..ResultRecord::default()
    }));
}

fn phase(
    scenario: &str,
    of: &str,
    reading: Option<u32>,
    at_ns: u64,
    elapsed_ns: u64,
) -> PhaseRecord {
    let term = |owner: &str, bytes, counts, within: Option<&str>| TermRecord {
        owner: owner.to_owned().into(),
        term: of.to_owned().into(),
        bytes,
        source: "none".into(),
        counts,
        within: within.map(|within| within.to_owned().into()),
    };
    PhaseRecord {
        scenario: scenario.into(),
        phase: "fill".into(),
        cycle: None,
        probe: None,
        statements: Vec::new(),
        reading,
        partial: false,
        at_ns,
        elapsed_ns,
        user_ns: 0,
        system_ns: 0,
        page_faults: 0,
        peak_rss_bytes: u64::MAX,
        open_files: 0,
        rows: None,
        ledger_ns: 0,
        ledger: LedgerRecord {
            rss_bytes: -5,
            unattributed_bytes: i64::MIN,
            terms: vec![
                term("sqlite", 7, true, None),
                // An owner may have two terms of one name.
                term("sqlite", -9, true, None),
                term(of, 1, true, None),
                term("sqlite", 3, false, Some(of)),
            ],
            beside: BesideRecord::default(),
            connections: Vec::new(),
        },
    }
}
