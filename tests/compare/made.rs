//! Records as runs write them.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Map, Value, json};
use sqlite_membench::record::{
    ErrorRecord, LedgerRecord, Line, PhaseRecord, ProgramRecord, ResultRecord, RunRecord,
    ScenarioRecord, Side, TermRecord, TurnRecord, VerdictRecord, encode,
};
use sqlite_membench::verdict::{Judgement, Verdict};
use tempfile::TempDir;

pub const MIB: i64 = 1 << 20;

/// What an execution comes to.
#[derive(Clone)]
pub struct Made {
    pub name: String,
    pub turn: Option<(u32, Option<Side>)>,
    pub parameters: Map<String, Value>,
    pub fill_ns: u64,
    pub rss_bytes: i64,
    pub live_bytes: i64,
    pub content_hash: String,
    pub error: Option<&'static str>,
    pub verdict: Option<Verdict>,
    pub instruments: Value,
}

pub fn made(name: &str) -> Made {
    let parameters = json!({"workload": "insert", "rows": 1000, "shrink": "never"});
    Made {
        name: name.to_owned(),
        turn: None,
        parameters: parameters.as_object().unwrap().clone(),
        fill_ns: 1_000_000_000,
        rss_bytes: 100 * MIB,
        live_bytes: 50 * MIB,
        content_hash: "00".to_owned(),
        error: None,
        verdict: None,
        instruments: json!([]),
    }
}

/// A number from -1 to 1 that is the same each time.
pub fn wobble(seed: u64) -> f64 {
    let mut bits = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

impl Made {
    /// Its execution in `round`, with noise of 2 % in time and of 0.1 % in RSS.
    pub fn turn(&self, round: u32, side: Option<Side>, slower: f64) -> Made {
        let seed = u64::from(round) * 3 + side.map_or(0, |side| 1 + side as u64);
        let time = self.fill_ns as f64 * slower * (1.0 + 0.02 * wobble(seed));
        let rss = self.rss_bytes as f64 * (1.0 + 0.001 * wobble(seed + 5000));
        Made {
            turn: Some((round, side)),
            fill_ns: time as u64,
            rss_bytes: rss as i64,
            ..self.clone()
        }
    }

    fn scenario(&self) -> String {
        match self.turn {
            None => self.name.clone(),
            Some((round, None)) => format!("{} #{round}", self.name),
            Some((round, Some(side))) => format!("{} #{round} {}", self.name, side.name()),
        }
    }

    pub fn lines(&self) -> Vec<Line> {
        let scenario = self.scenario();
        let mut lines = Vec::new();
        if let Some((round, side)) = self.turn {
            lines.push(Line::Turn(TurnRecord {
                scenario: scenario.clone(),
                of: self.name.clone(),
                round,
                side,
            }));
        }
        lines.push(Line::Scenario(ScenarioRecord {
            scenario: scenario.clone(),
            parameters: self.parameters.clone(),
            pragmas: Vec::new(),
            rust_allocator: "system".to_owned(),
            sqlite_allocator: "system".to_owned(),
            route_verified: true,
            route_evidence: String::new(),
            instruments: serde_json::from_value(self.instruments.clone()).unwrap(),
            absent: Vec::new(),
            pid: 1,
        }));
        // Twenty readings, and the end.
        for reading in 1..=20 {
            lines.push(self.fill(
                &scenario,
                Some(reading),
                self.fill_ns / 20 * u64::from(reading),
            ));
        }
        if let Some(message) = self.error {
            lines.push(Line::Error(ErrorRecord {
                scenario: Some(scenario),
                what: "killed".to_owned(),
                message: message.to_owned(),
            }));
            return lines;
        }
        lines.push(self.fill(&scenario, None, self.fill_ns));
        lines.push(Line::Result(ResultRecord {
            scenario: scenario.clone(),
            rows: 1000,
            content_hash: self.content_hash.clone(),
            verified: true,
            peak_rss_bytes: self.rss_bytes.unsigned_abs(),
            ..ResultRecord::default()
        }));
        if let Some(verdict) = self.verdict {
            let judgement: Judgement = serde_json::from_value(json!({
                "findings": [{"verdict": verdict, "bytes": 1, "confidence": "high", "terms": [],
                    "evidence": []}],
                "per": "row", "readings": 21, "warm_up": 0, "probes": [],
            }))
            .unwrap();
            lines.push(Line::Verdict(VerdictRecord {
                scenario,
                expected: None,
                judgement,
            }));
        }
        lines
    }

    fn fill(&self, scenario: &str, reading: Option<u32>, elapsed_ns: u64) -> Line {
        Line::Phase(PhaseRecord {
            scenario: scenario.to_owned(),
            phase: "fill".to_owned(),
            cycle: None,
            probe: None,
            statements: Vec::new(),
            reading,
            partial: false,
            at_ns: elapsed_ns,
            elapsed_ns,
            user_ns: 0,
            system_ns: 0,
            page_faults: 0,
            peak_rss_bytes: self.rss_bytes.unsigned_abs(),
            open_files: 9,
            rows: Some(u64::from(reading.unwrap_or(20)) * 50),
            ledger_ns: 0,
            ledger: LedgerRecord {
                rss_bytes: self.rss_bytes,
                unattributed_bytes: self.rss_bytes - self.live_bytes,
                terms: vec![TermRecord {
                    owner: "sqlite".into(),
                    term: "live".into(),
                    bytes: self.live_bytes,
                    source: "made".into(),
                    counts: true,
                    within: None,
                }],
                ..LedgerRecord::default()
            },
        })
    }
}

pub fn environment() -> Value {
    json!({
        "machine_key": "aa", "machine": {"cpu_model": "one", "usable_cpus": 2},
        "sqlite": {"version": "3.54.1"}, "rustc": "1.95.0", "governor": "performance",
    })
}

pub struct Dir(pub TempDir);

impl Dir {
    pub fn new() -> Self {
        Dir(TempDir::new().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A run's directory.
    pub fn run(&self, name: &str, environment: &Value, executions: &[Made]) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        fs::write(
            path.join("record.jsonl"),
            text(name, environment, executions),
        )
        .unwrap();
        path
    }

    /// A recorded reference.
    pub fn reference(&self, name: &str, environment: &Value, executions: &[Made]) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        let file = fs::File::create(path.join("record.jsonl.gz")).unwrap();
        let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::default());
        packed
            .write_all(&text(name, environment, executions))
            .unwrap();
        packed.finish().unwrap();
        path
    }
}

pub fn text(run_id: &str, environment: &Value, executions: &[Made]) -> Vec<u8> {
    let mut lines = vec![
        Line::Run(RunRecord {
            run_id: run_id.to_owned(),
            started_utc: "2026-11-21T09:38:04Z".to_owned(),
            suite_version: "0.1.0".to_owned(),
            git_revision: None,
            argv: Vec::new(),
        }),
        Line::Environment(environment.as_object().unwrap().clone()),
    ];
    if executions
        .iter()
        .any(|one| matches!(one.turn, Some((_, Some(_)))))
    {
        for side in [Side::Base, Side::New] {
            lines.push(Line::Program(ProgramRecord {
                side,
                program: format!("{}-program", side.name()),
                content_hash: format!("{side:?}"),
                environment: environment.as_object().unwrap().clone(),
            }));
        }
    }
    lines.extend(executions.iter().flat_map(Made::lines));
    let mut bytes = Vec::new();
    for line in &lines {
        encode(line, &mut bytes).unwrap();
    }
    bytes
}

/// Two programs in turn, of which the new one takes `slower` times as long.
pub fn pairs(rounds: u32, slower: f64) -> Vec<Made> {
    let of = |round| {
        let scenario = made("insert");
        let base = scenario.turn(round, Some(Side::Base), 1.0);
        let new = scenario.turn(round, Some(Side::New), slower);
        match round % 2 {
            0 => [base, new],
            _ => [new, base],
        }
    };
    (1..=rounds).flat_map(of).collect()
}

pub fn compare(arguments: &[&Path], options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sqlite-membench"));
    command.arg("compare").args(arguments).args(options);
    command.env_remove("COLUMNS").output().unwrap()
}

/// Standard output, after a look at the exit code.
pub fn stdout(arguments: &[&Path], options: &[&str], code: i32) -> String {
    let output = compare(arguments, options);
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(
        output.status.code(),
        Some(code),
        "{arguments:?} {options:?}\n{out}{err}"
    );
    assert!(err.is_empty(), "{err}");
    out.into_owned()
}

/// What was complained about, of what cannot be compared.
pub fn complaint(arguments: &[&Path], options: &[&str]) -> String {
    let output = compare(arguments, options);
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(output.stdout.is_empty(), "{err}");
    err
}

pub fn json(arguments: &[&Path], code: i32) -> Value {
    serde_json::from_str(&stdout(arguments, &["--format", "json"], code)).unwrap()
}

/// The word of a row of the first scenario.
pub fn word<'a>(compared: &'a Value, phase: &str, what: &str) -> &'a str {
    let rows = compared["scenarios"][0]["rows"].as_array().unwrap();
    let row = rows
        .iter()
        .find(|row| row["phase"] == phase && row["what"] == what);
    row.map_or("no such row", |row| row["word"].as_str().unwrap())
}
