//! A build with `dhat-heap` leaves a heap profile that sees into SQLite, has dhat's counters beside
//! every ledger, and says everywhere that its numbers are instrumented.

#[path = "support/records.rs"]
mod records;

use std::path::PathBuf;

use assert_cmd::Command;
use records::TempDir;
use serde_json::Value;

#[path = "dhat_heap/ends.rs"]
mod ends;
#[path = "dhat_heap/fork.rs"]
mod fork;
#[path = "dhat_heap/profile.rs"]
mod profile;

use profile::Profile;

/// A run that went well.
struct Run {
    _root: TempDir,
    out: PathBuf,
    /// Standard output and standard error.
    shown: String,
    told: String,
}

impl Run {
    fn of(arguments: &[&str]) -> Run {
        let root = TempDir::new().unwrap();
        let out = root.path().join("out");
        let output = Command::cargo_bin("sqlite-membench")
            .unwrap()
            .current_dir(&root)
            .args(["run", "--strict", "--out", "out"])
            .args(arguments)
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (shown, told) = (text(output.stdout), text(output.stderr));
        assert!(output.status.success(), "{told}");
        Run {
            _root: root,
            out,
            shown,
            told,
        }
    }

    /// Of the reported insert with few rows.
    fn small(arguments: &[&str]) -> Run {
        Run::of(&[&["insert-10m", "--rows", "20000"], arguments].concat())
    }

    /// A page cache of tens of MiB.
    fn large(sqlite_allocator: &str) -> Run {
        let allocator = format!("sqlite_allocator={sqlite_allocator}");
        Run::of(&[
            "insert-no-shrink",
            "--rows",
            "800000",
            "--set",
            "keys=decimal",
            "--set",
            &allocator,
        ])
    }

    fn profile(&self) -> Profile {
        Profile::read(&self.out.join("dhat-heap.json"))
    }

    fn lines(&self, kind: &str) -> Vec<Value> {
        let record = std::fs::read_to_string(self.out.join("record.jsonl")).unwrap();
        let lines = record
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        lines.filter(|line: &Value| line["kind"] == kind).collect()
    }
}

fn term(ledger: &Value, owner: &str, term: &str) -> i64 {
    let terms = ledger["terms"].as_array().unwrap();
    let found = terms
        .iter()
        .find(|one| one["owner"] == owner && one["term"] == term);
    found.map_or(0, |one| one["bytes"].as_i64().unwrap())
}

#[test]
fn each_testee_leaves_a_profile_and_the_end_says_how_to_open_it() {
    let run = Run::small(&["--set", "sqlite_allocator=system,rust"]);
    assert!(run.profile().total_bytes() > 0);
    let second = run.out.join("dhat-heap-1.json");
    assert!(Profile::read(&second).total_bytes() > 0);
    for said in ["dhat-heap.json", "dhat-heap-1.json", "dh_view.html"] {
        assert!(run.told.contains(said), "{}", run.told);
    }
    let mut left: Vec<_> = (std::fs::read_dir(&run.out).unwrap())
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["dhat-heap-1.json", "dhat-heap.json", "record.jsonl"]);
}

#[test]
fn at_the_peak_sqlites_blocks_have_stacks_that_name_functions_of_sqlite3_with_file_and_line() {
    let run = Run::large("rust");
    let profile = run.profile();
    let sqlites = profile.bytes_at_peak(Profile::is_sqlites);
    // All that SQLite ever had at once is there, and is found by its methods.
    let highwater = run.lines("phase").into_iter().map(|phase| {
        let beside = &phase["ledger"]["beside"];
        beside["sqlite_highwater_bytes"].as_u64().unwrap()
    });
    let highwater = highwater.max().unwrap();
    assert!(highwater > 20 << 20, "{highwater}");
    assert!(sqlites * 100 >= highwater * 95, "{sqlites} of {highwater}");
    let named = profile.bytes_at_peak(|profile, stack| {
        Profile::is_sqlites(profile, stack) && profile.names_sqlite3(stack)
    });
    assert!(named * 100 >= sqlites * 95, "{named} of {sqlites}");
    let whole = profile.bytes_at_peak(|profile, stack| {
        Profile::is_sqlites(profile, stack) && profile.reaches(stack, "sqlite_membench::testee")
    });
    assert!(whole * 100 >= sqlites * 95, "{whole} of {sqlites}");
}

#[test]
fn no_two_stacks_of_a_profile_are_the_same() {
    // The viewer refuses a profile that has such.
    let profile = Run::small(&["--set", "sqlite_allocator=rust"]).profile();
    let mut stacks: Vec<&[usize]> = profile.stacks().collect();
    stacks.sort_unstable();
    let all = stacks.len();
    stacks.dedup();
    assert_eq!(stacks.len(), all);
}

#[test]
fn dhats_current_bytes_are_those_of_the_ledger_of_the_same_moment() {
    for allocator in ["rust", "arena"] {
        let run = Run::large(allocator);
        let phases = run.lines("phase");
        assert!(phases.len() > 4);
        for phase in phases {
            let ledger = &phase["ledger"];
            let mut counted = term(ledger, "rust", "live");
            if allocator == "rust" {
                counted += term(ledger, "sqlite", "live") + term(ledger, "sqlite", "header");
            }
            for owner in ["sqlite", "rust"] {
                let rounding = term(ledger, owner, "rounding");
                let most = term(ledger, owner, "live") / 4 + 4096;
                assert!((0..=most).contains(&rounding), "{owner}: {rounding}");
            }
            let dhat = &ledger["beside"]["dhat"];
            let number = |name: &str| dhat[name].as_i64().unwrap();
            let older = counted - number("current_bytes");
            let (at, most) = (&phase["phase"], number("before_live_bytes"));
            assert!((0..=most).contains(&older), "{at}: {older} of {most}");
            if counted > 10 << 20 {
                assert!(older * 1000 <= counted, "{at}: {older} of {counted}");
            }
            let total = ledger["beside"]["rust_total_bytes"].as_i64().unwrap();
            let before = number("before_total_bytes");
            assert_eq!(total - number("total_bytes"), before, "{at}");
        }
        let most = term(&run.lines("phase")[2]["ledger"], "sqlite", "live");
        assert!(most > 1 << 20, "{most}");
    }
}

#[test]
fn the_table_names_every_counter_and_what_lies_between_them() {
    let rust = Run::small(&["--set", "sqlite_allocator=rust"]).shown;
    for said in [
        "fill at its end: what each counter knows of",
        "Rust's allocator less dhat, current",
        "in blocks older than dhat",
        "RSS less dhat, current",
        "dhat's own bookkeeping",
        "SQLite headers",
        "jemalloc's",
    ] {
        assert!(rust.contains(said), "{said:?} in {rust}");
    }
    assert!(!rust.contains("unexplained"), "{rust}");
    let arena = Run::small(&["--set", "sqlite_allocator=arena"]).shown;
    let why = "its allocator is arena: --set sqlite_allocator=rust";
    assert!(arena.contains(why), "{arena}");
    assert!(
        arena.contains("rounding to jemalloc's size classes"),
        "{arena}"
    );
}

#[test]
fn everything_that_is_shown_of_a_run_is_marked() {
    let run = Run::small(&["--set", "sqlite_allocator=system,rust"]);
    let shown = &run.shown;
    for said in [
        "rust dhat",
        "rows/s*",
        "MiB* ·",
        "elapsed*",
        "RSS*",
        "peak*",
        "insert-10m[sqlite_allocator=rust]*",
        "* instrumented by dhat",
    ] {
        assert!(shown.contains(said), "{said:?} in {shown}");
    }
    for scenario in run.lines("scenario") {
        assert_eq!(scenario["rust_allocator"], "dhat");
        assert_eq!(scenario["instruments"][0]["name"], "dhat");
    }
    let allocator = ["--set", "sqlite_allocator=rust"];
    let csv = Run::small(&[&allocator[..], &["--format", "csv"]].concat()).shown;
    let mut rows = csv.lines();
    assert!(rows.next().unwrap().ends_with(",instruments"));
    assert!(rows.all(|row| row.ends_with(",dhat")), "{csv}");
    let json = Run::small(&[&allocator[..], &["--format", "json"]].concat()).shown;
    let json: Value = serde_json::from_str(&json).unwrap();
    let scenario = &json["scenarios"][0];
    assert_eq!(scenario["instruments"][0]["name"], "dhat");
    let beside = &scenario["phases"][2]["ledger"]["beside"];
    assert!(beside["dhat"]["current_bytes"].as_u64().unwrap() > 0);
    assert!(beside["jemalloc"]["allocated_bytes"].is_u64());
}

#[test]
fn cycles_are_marked_in_the_table_and_in_their_file() {
    let size = ["--scale", "0.001", "--cycles", "2"];
    let run = Run::of(&[&["snapshot-one-thread"], &size[..]].concat());
    assert!(run.shown.contains("RSS* after each cycle"), "{}", run.shown);
    let csv = std::fs::read_to_string(run.out.join("cycles.csv")).unwrap();
    let mut rows = csv.lines();
    assert!(rows.next().unwrap().ends_with(",instruments"));
    assert_eq!(rows.clone().count(), 3);
    assert!(rows.all(|row| row.ends_with(",dhat")), "{csv}");
}

#[test]
fn writing_the_profile_is_not_in_the_peak_or_the_cpu_time_of_the_testee() {
    let run = Run::small(&["--set", "sqlite_allocator=rust"]);
    let of_phase = |name: &str| {
        let phases = run.lines("phase").into_iter();
        phases.map(|phase| phase[name].as_u64().unwrap()).max()
    };
    let result = &run.lines("result")[0];
    let peak = result["peak_rss_bytes"].as_u64().unwrap();
    let phases = of_phase("peak_rss_bytes").unwrap();
    // Reading the names of all functions takes more than 100 MiB.
    assert!(peak < phases + (32 << 20), "{peak} and {phases}");
}

#[test]
fn jemalloc_cannot_be_had_and_the_error_says_why() {
    let directory = TempDir::new().unwrap();
    Command::cargo_bin("sqlite-membench")
        .unwrap()
        .current_dir(&directory)
        .args(["run", "insert-10m", "--rows", "10", "--out", "out"])
        .args(["--set", "rust_allocator=jemalloc"])
        .assert()
        .code(3);
    let record = std::fs::read_to_string(directory.path().join("out/record.jsonl")).unwrap();
    assert!(record.contains("dhat-heap"), "{record}");
}

#[test]
fn a_diagnosis_is_refused_because_it_ranks_by_what_dhat_distorts() {
    let directory = TempDir::new().unwrap();
    let output = Command::cargo_bin("sqlite-membench")
        .unwrap()
        .current_dir(&directory)
        .args([
            "diagnose",
            "insert-10m[sqlite_allocator=rust]",
            "--out",
            "out",
        ])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("without --features dhat-heap"), "{told}");
    assert!(!directory.path().join("out").exists());
}
