//! Faults with a known answer: each gets its verdict and no other, whatever its size.
#![cfg(feature = "cli")]

#[path = "support/records.rs"]
mod records;

use std::process::Command;

use records::TempDir;
use serde_json::Value;

/// Every scenario of the set, with its verdict.
fn judged(arguments: &[&str]) -> Vec<Value> {
    let directory = TempDir::new().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_sqlite-membench"))
        .current_dir(directory.path())
        .args(["run", "--set-of", "faults", "--strict", "--quiet"])
        .args(["--format", "json", "--out", "run"])
        .args(arguments)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    let run: Value = serde_json::from_slice(&output.stdout).unwrap();
    run["scenarios"].as_array().unwrap().clone()
}

fn found(scenario: &Value) -> Vec<&str> {
    let findings = scenario["verdict"]["findings"].as_array().unwrap();
    let names = findings.iter().map(|one| one["verdict"].as_str());
    names.map(Option::unwrap).collect()
}

fn check(scenarios: &[Value]) {
    for scenario in scenarios {
        let (name, verdict) = (scenario["name"].as_str().unwrap(), &scenario["verdict"]);
        assert_eq!(verdict["as_expected"], true, "{name}: {verdict:#}");
        assert_eq!(
            found(scenario).contains(&"sqlite-leak"),
            ["leaked", "open-blob"]
                .iter()
                .any(|part| name.contains(part)),
            "{name}"
        );
        for finding in verdict["findings"].as_array().unwrap() {
            let evidence = finding["evidence"].as_array().unwrap();
            assert!(!evidence.is_empty(), "{name}");
            let what = &finding["verdict"];
            let confidence = &finding["confidence"];
            assert!(confidence != "low", "{name} {what}: {finding:#}");
        }
        let findings = verdict["findings"].as_array().unwrap();
        let bytes = findings.iter().map(|one| one["bytes"].as_i64().unwrap());
        assert!(bytes.is_sorted_by(|a, b| a >= b), "{name}");
    }
}

#[test]
fn each_fault_gets_its_verdict_under_both_allocators() {
    let scenarios = judged(&[]);
    check(&scenarios);
    let kinds = |allocator: &str| {
        let of = |one: &&Value| one["parameters"]["sqlite_allocator"] == allocator;
        scenarios.iter().filter(of).count()
    };
    // 16 faults, one of them at eight page sizes, and two that are healthy.
    assert_eq!((kinds("system"), kinds("arena")), (25, 25));
    // A leak says of what.
    let detail = |name: &str| {
        let mut all = scenarios.iter();
        let one = all
            .find(|one| one["name"].as_str().unwrap().starts_with(name))
            .unwrap();
        let findings = one["verdict"]["findings"].as_array().unwrap();
        let leak = findings.iter().find(|one| one["verdict"] == "sqlite-leak");
        leak.unwrap()["detail"].as_str().unwrap().to_owned()
    };
    assert!(detail("fault-leaked-statement").contains("prepared and never finalized"));
    assert!(detail("fault-leaked-connection").contains("opened and never closed"));
    assert!(detail("fault-leaked-buffer").contains("never freed"));
}

#[test]
fn the_sql_of_a_leak_is_told_without_its_literals_unless_they_are_asked_for() {
    for (more, sql) in [
        (&[][..], "VALUES (?, ?)"),
        (&["--literals"], "VALUES (?, 'forgotten')"),
    ] {
        let directory = TempDir::new().unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_sqlite-membench"))
            .current_dir(directory.path())
            .args(["run", "fault-leaked-statement[sqlite_allocator=arena]"])
            .args([
                "--cycles", "10", "--scale", "0.2", "--out", "run", "--quiet",
            ])
            .args(more)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            text.contains("not finalized: ") && text.contains(sql),
            "{text}"
        );
        let record = std::fs::read_to_string(directory.path().join("run/record.jsonl")).unwrap();
        assert_eq!(record.contains("forgotten"), !more.is_empty());
    }
}

#[test]
fn a_verdict_is_the_same_at_half_the_size() {
    check(&judged(&["--scale", "0.5", "--cycles", "12"]));
}

#[test]
fn what_is_done_right_is_no_fault() {
    let scenarios = judged(&["--set", "mended=true", "--set", "sqlite_allocator=system"]);
    for scenario in &scenarios {
        let (name, found) = (scenario["name"].as_str().unwrap(), found(scenario));
        assert!(scenario["verdict"]["expected"].is_null() || !name.starts_with("fault"));
        for fault in [
            "sqlite-leak",
            "rust-leak",
            "pinned-dirty-pages",
            "unexplained",
        ] {
            assert!(!found.contains(&fault), "{name}: {found:?}");
        }
    }
}
