//! Several executions of everything, of one program and of two that take turns: the order, whose
//! testees they are, what the other program has to be, and every way to end early.
#![cfg(feature = "cli")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use runs::TempDir;
use serde_json::Value;
use sqlite_membench::record::{Line, Reader, Side, TurnRecord};

#[path = "support/runs.rs"]
#[allow(dead_code)]
mod runs;

const PROGRAM: &str = env!("CARGO_BIN_EXE_sqlite-membench");
const ONE: [&str; 3] = ["insert-10m", "--set", "sqlite_allocator=system"];
const SMALL: [&str; 2] = ["--rows", "2000"];

/// A directory to run in, with one for temporary files that has to be empty in the end.
struct Place {
    root: TempDir,
}

impl Place {
    fn new() -> Place {
        let root = TempDir::new().unwrap();
        fs::create_dir(root.path().join("tmp")).unwrap();
        Place { root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn command(&self, arguments: &[&[&str]]) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .current_dir(self.root.path())
            .env("TMPDIR", self.path("tmp"))
            .args(["run", "--out", "out"])
            .args(arguments.concat());
        command
    }

    fn run(&self, arguments: &[&[&str]]) -> Output {
        let output = self.command(arguments).output().unwrap();
        self.assert_nothing_left();
        output
    }

    fn assert_nothing_left(&self) {
        assert_eq!(fs::read_dir(self.path("tmp")).unwrap().count(), 0);
    }

    fn lines(&self) -> Vec<Line> {
        let reader = Reader::open(&self.path("out/record.jsonl")).unwrap();
        reader.collect::<Result<_, _>>().unwrap()
    }

    fn turns(&self) -> Vec<TurnRecord> {
        let turns = self.lines().into_iter().filter_map(|line| match line {
            Line::Turn(turn) => Some(turn),
            _ => None,
        });
        turns.collect()
    }

    /// An executable script.
    fn script(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn shown(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn json(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", said(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn two_builds_run_abba_side_by_side_and_the_record_says_whose_each_is() {
    let place = Place::new();
    // Both cells of its matrix.
    let pairs = [
        "--pairs",
        "4",
        "--against",
        PROGRAM,
        "--format",
        "json",
        "--strict",
    ];
    let run = json(&place.run(&[&["insert-10m"], &SMALL, &pairs]));
    let turns = place.turns();
    assert_eq!(turns.len(), 2 * 2 * 4);
    for of in [
        "insert-10m[sqlite_allocator=system]",
        "insert-10m[sqlite_allocator=arena]",
    ] {
        let own = turns.iter().filter(|turn| turn.of == of);
        let sides: Vec<Side> = own.filter_map(|turn| turn.side).collect();
        let [a, b] = [sides[0], sides[1]];
        assert_ne!(a, b);
        assert_eq!(sides, [a, b, b, a, a, b, b, a], "{of}");
    }
    // Both sides of a scenario in a round are neighbours, and every other round goes backwards.
    let neighbours: Vec<(&str, u32)> = turns
        .chunks(2)
        .map(|pair| {
            assert_eq!((&pair[0].of, pair[0].round), (&pair[1].of, pair[1].round));
            (pair[0].of.as_str(), pair[0].round)
        })
        .collect();
    let [first, second] = [neighbours[0].0, neighbours[1].0];
    let order = [first, second, second, first, first, second, second, first];
    assert!(
        neighbours.iter().map(|(of, _)| *of).eq(order),
        "{neighbours:?}"
    );
    for turn in &turns {
        let side = turn.side.unwrap().name();
        assert_eq!(turn.scenario, format!("{} #{} {side}", turn.of, turn.round));
    }
    let scenarios = run["scenarios"].as_array().unwrap();
    assert_eq!(scenarios.len(), turns.len());
    for (scenario, turn) in scenarios.iter().zip(&turns) {
        assert_eq!(scenario["name"], turn.scenario);
        assert_eq!(scenario["turn"], serde_json::to_value(turn).unwrap());
        assert_eq!(scenario["result"]["verified"], true);
        let phases = scenario["phases"].as_array().unwrap();
        assert!(phases.iter().any(|phase| phase["phase"] == "fill"));
        let own = phases
            .iter()
            .all(|phase| phase["scenario"] == turn.scenario);
        assert!(own, "{}", turn.scenario);
    }
}

#[test]
fn both_programs_stand_after_the_environment_and_one_build_has_one_hash() {
    let place = Place::new();
    let other = place.path("other");
    fs::copy(PROGRAM, &other).unwrap();
    let pairs = ["--pairs", "1", "--against", other.to_str().unwrap()];
    let output = place.run(&[&ONE, &SMALL, &pairs]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let lines = place.lines();
    let [
        _,
        Line::Environment(environment),
        Line::Program(base),
        Line::Program(new),
        Line::Turn(_),
        ..,
    ] = &lines[..]
    else {
        panic!("{lines:?}");
    };
    assert_eq!((base.side, new.side), (Side::Base, Side::New));
    assert_eq!(base.program, other.to_str().unwrap());
    assert_eq!(new.program, "sqlite-membench");
    assert_eq!(base.content_hash.len(), 32);
    assert_eq!(base.content_hash, new.content_hash);
    assert_eq!(new.environment["machine_key"], environment["machine_key"]);
    assert_eq!(
        base.environment["testee_protocol"],
        environment["testee_protocol"]
    );
    let table = shown(&output);
    assert!(
        table.contains("insert-10m  one execution a side"),
        "{table}"
    );
    assert!(table.contains("both sides are the same build"), "{table}");
    assert!(!table.contains("who owns"), "{table}");
}

/// A program that writes a line for each testee that it is.
fn counted(place: &Place, more: &str) -> String {
    let log = place.path("log");
    place.script(
        "base",
        &format!(
            "[ \"$1\" = testee ] && echo testee >> '{}'\n{more}\nexec '{PROGRAM}' \"$@\"",
            log.display()
        ),
    )
}

#[test]
fn testees_of_the_base_are_started_from_its_program_and_no_others() {
    let place = Place::new();
    let base = counted(&place, "");
    let output = place.run(&[&ONE, &SMALL, &["--pairs", "3", "--against", &base]]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let log = fs::read_to_string(place.path("log")).unwrap();
    assert_eq!(log.lines().count(), 3);
}

/// The names of the scenarios that have an error, and what about.
fn errors(place: &Place) -> Vec<(String, String)> {
    let errors = place.lines().into_iter().filter_map(|line| match line {
        Line::Error(error) => Some((error.scenario?, error.what)),
        _ => None,
    });
    errors.collect()
}

#[test]
fn a_base_whose_testees_fail_leaves_error_lines_and_every_round_is_run() {
    let place = Place::new();
    let base = counted(
        &place,
        "[ \"$1\" = testee ] && { echo broken >&2; exit 7; }",
    );
    let output = place.run(&[&ONE, &SMALL, &["--pairs", "2", "--against", &base]]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let wanted = |round| (format!("insert-10m #{round} base"), "exited".to_owned());
    assert_eq!(errors(&place), [wanted(1), wanted(2)]);
    assert!(
        said(&output).contains("insert-10m #2 base: "),
        "{}",
        said(&output)
    );
    assert!(
        said(&output).contains("not compared: "),
        "{}",
        said(&output)
    );
    let results = place.lines().into_iter().filter_map(|line| match line {
        Line::Result(result) => Some(result.scenario),
        _ => None,
    });
    assert!(results.eq(["insert-10m #1 new", "insert-10m #2 new"]));
}

#[test]
fn a_program_that_changes_while_the_run_goes_is_not_measured_any_more() {
    let place = Place::new();
    let base = counted(&place, "[ \"$1\" = testee ] && echo '#' >> \"$0\"");
    let output = place.run(&[&ONE, &SMALL, &["--pairs", "2", "--against", &base]]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let wanted = ("insert-10m #2 base".to_owned(), "program".to_owned());
    assert_eq!(errors(&place), [wanted]);
    assert!(
        said(&output).contains("has changed since the run began"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_script_that_does_not_become_its_program_is_told_so() {
    let place = Place::new();
    let base = place.script("base", &format!("'{PROGRAM}' \"$@\""));
    let output = place.run(&[&ONE, &SMALL, &["--pairs", "1", "--against", &base]]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains("(exec)"), "{}", said(&output));
    let about = errors(&place).into_iter().map(|(scenario, _)| scenario);
    assert!(about.eq(["insert-10m #1 base"]));
}

#[test]
fn a_program_that_cannot_be_compared_with_is_refused_before_anything_is_written() {
    let place = Place::new();
    let plain = place.path("plain");
    fs::write(&plain, "no program").unwrap();
    let directory = place.root.path().to_str().unwrap();
    let old = place.script(
        "old",
        r#"echo '{"suite_version": "0.0.9", "machine_key": "k"}'"#,
    );
    let other = r#"echo '{"suite_version": "8.0.0", "machine_key": "k", "testee_protocol": 99}'"#;
    let other = place.script("other", other);
    for (program, words) in [
        ("/nowhere/at/all", &["there"][..]),
        (directory, &["is a directory"]),
        (plain.to_str().unwrap(), &["not executable", "chmod +x"]),
        ("/bin/true", &["no build of this program", "no JSON object"]),
        ("/bin/false", &["no build of this program", "fails"]),
        (&old, &["0.0.9", "too old", "--repeat"]),
        (&other, &["8.0.0", "testee_protocol 99"]),
    ] {
        let output = place.run(&[&ONE, &SMALL, &["--pairs", "1", "--against", program]]);
        assert_eq!(output.status.code(), Some(2), "{program}");
        let said = said(&output);
        assert!(said.contains(&format!("--against {program}")), "{said}");
        for word in words {
            assert!(said.contains(word), "{program}: {word}: {said}");
        }
        assert!(output.stdout.is_empty() && !place.path("out").exists());
    }
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    for (arguments, words) in [
        (&["--pairs", "2"][..], "--against"),
        (&["--against", PROGRAM], "--pairs"),
        (
            &["--repeat", "2", "--pairs", "2", "--against", PROGRAM],
            "--repeat",
        ),
        (&["--repeat", "0"], "1..=1000"),
        (&["--repeat", "1001"], "1..=1000"),
        (&["--repeat", "-1"], "--repeat"),
        (
            &["--repeat", "2", "--heap-profile"],
            "--heap-profile: a profile is of one",
        ),
        (
            &["--pairs", "2", "--against", PROGRAM, "--cpu-profile"],
            "--cpu-profile: a",
        ),
    ] {
        let place = Place::new();
        let output = place.run(&[&ONE, &SMALL, arguments]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            said(&output).contains(words),
            "{arguments:?}: {}",
            said(&output)
        );
        assert!(!place.path("out").exists());
    }
}

#[test]
fn everything_is_repeated_in_rounds_and_shown_once_with_the_medians() {
    let place = Place::new();
    let output = place.run(&[&["insert-10m"], &SMALL, &["--repeat", "3"]]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let turns = place.turns();
    let order: Vec<(bool, u32)> = turns
        .iter()
        .map(|turn| (turn.of.ends_with("=system]"), turn.round))
        .collect();
    let wanted = [
        (true, 1),
        (false, 1),
        (false, 2),
        (true, 2),
        (true, 3),
        (false, 3),
    ];
    assert_eq!(order, wanted);
    assert!(turns.iter().all(|turn| turn.side.is_none()));
    let table = shown(&output);
    assert_eq!(
        table.matches("fill at its end: who owns").count(),
        2,
        "{table}"
    );
    assert!(
        !table.contains("#2") && !table.contains("side by side"),
        "{table}"
    );
    let summed = table.split("all executions").nth(1).unwrap();
    for allocator in ["system", "arena"] {
        let name = format!("insert-10m[sqlite_allocator={allocator}]");
        let row = summed.lines().find(|line| line.contains(&name)).unwrap();
        assert!(
            row[2 + name.len()..].trim_start().starts_with("3 "),
            "{row}"
        );
    }
    assert!(said(&output).contains("round 3 of 3"), "{}", said(&output));
}

#[test]
fn csv_and_the_cycles_beside_the_record_have_every_execution_by_its_name() {
    let place = Place::new();
    let scenario = ["snapshot-memory", "--scale", "0.01", "--cycles", "2"];
    let output = place.run(&[&scenario, &["--repeat", "2", "--format", "csv"]]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let cycles = fs::read_to_string(place.path("out/cycles.csv")).unwrap();
    for name in ["snapshot-memory #1", "snapshot-memory #2"] {
        let rows = |text: &str| text.lines().filter(|line| line.starts_with(name)).count();
        // The fill is cycle 0.
        assert_eq!(rows(&cycles), 3, "{cycles}");
        assert!(rows(&shown(&output)) > 20, "{}", shown(&output));
    }
    assert_eq!(shown(&output).matches("scenario,phase,").count(), 1);
}

/// A scenario that shows no leak where its declaration says that there is one.
const NOT_AS_DECLARED: &str = r#"
name = "mine"
summary = "s"
workload = "fault"
about = "a"
expect = ["sqlite-leak"]

[parameters]
fault = "leaked-buffer"
mended = true
scale = 0.1
seed = 1
cycles = 20
database = "file"
rust_allocator = "system"
sqlite_allocator = "system"
"#;

#[test]
fn the_gate_is_for_each_execution() {
    let place = Place::new();
    fs::create_dir(place.path("scenarios")).unwrap();
    fs::write(place.path("scenarios/mine.toml"), NOT_AS_DECLARED).unwrap();
    let mine = ["mine", "--scenarios", "scenarios", "--strict"];
    let repeated = place.run(&[&mine, &["--repeat", "2"]]);
    let pairs = ["--pairs", "1", "--against", PROGRAM, "--out", "pairs"];
    let mut paired = Command::new(PROGRAM);
    paired
        .current_dir(place.root.path())
        .arg("run")
        .args(mine)
        .args(pairs);
    let paired = paired.output().unwrap();
    for (output, names) in [(repeated, ["#1", "#2"]), (paired, ["#1 base", "#1 new"])] {
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        for name in names {
            let gate = format!("another verdict: mine {name}: expected sqlite-leak");
            assert!(said(&output).contains(&gate), "{}", said(&output));
        }
    }
}

/// The scenarios that have a result so far.
fn results(record: &Path) -> usize {
    let text = fs::read_to_string(record).unwrap_or_default();
    text.lines()
        .filter(|line| line.contains("\"kind\":\"result\""))
        .count()
}

#[test]
fn ctrl_c_in_the_middle_of_pairs_leaves_a_record_of_what_was_run_and_nothing_else() {
    let place = Place::new();
    let pairs = ["--rows", "200000", "--pairs", "1000", "--against", PROGRAM];
    let mut command = place.command(&[&ONE, &pairs]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = runs::Killed(command.spawn().unwrap());
    let record = place.path("out/record.jsonl");
    runs::wait_for(|| (results(&record) >= 3).then_some(()));
    runs::signal(running.0.id() as i32, "-INT");
    let status = running.0.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    place.assert_nothing_left();
    let whole = results(&record);
    assert!((3..1000).contains(&whole), "{whole}");
    let interrupted = errors(&place).into_iter().map(|(_, what)| what);
    assert!(interrupted.eq(["interrupted"]));
    let mut table = String::new();
    let mut stdout = running.0.stdout.take().unwrap();
    std::io::Read::read_to_string(&mut stdout, &mut table).unwrap();
    assert!(
        table.contains("insert-10m ") && table.contains("SQLite at most"),
        "{table}"
    );
}
