//! Criterion's baselines.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json as value};
use sqlite_membench::estimates::{Unit, stamp};

use super::made::{Dir, complaint, environment, json, made, stdout, wobble};

/// Writes a benchmark as Criterion does, 20 samples around `level`.
fn bench(root: &Path, group: &str, baseline: &str, level: f64, unit: Option<Unit>, rows: &str) {
    let directory = root.join(group).join("one").join(baseline);
    fs::create_dir_all(&directory).unwrap();
    let save =
        |name: &str, value: &Value| fs::write(directory.join(name), value.to_string()).unwrap();
    save(
        "benchmark.json",
        &value!({"group_id": group, "function_id": "one", "value_str": null, "throughput": null,
            "full_id": format!("{group}/one"), "directory_name": format!("{group}/one"), "title": group}),
    );
    let estimate = value!({
        "confidence_interval": {"confidence_level": 0.95, "lower_bound": level, "upper_bound": level},
        "point_estimate": level, "standard_error": 0.0,
    });
    save(
        "estimates.json",
        &value!({"mean": estimate, "median": estimate, "median_abs_dev": estimate, "slope": null,
            "std_dev": estimate}),
    );
    let times: Vec<f64> = (0..20)
        .map(|n| 2.0 * level * (1.0 + 0.01 * wobble(n + level as u64)))
        .collect();
    save(
        "sample.json",
        &value!({"sampling_mode": "Flat", "iters": vec![2.0; 20], "times": times}),
    );
    if let Some(unit) = unit {
        let units = BTreeMap::from([(group.to_owned(), unit)]);
        let settings = BTreeMap::from([("rows".to_owned(), rows.to_owned())]);
        let since = SystemTime::now() - Duration::from_secs(60);
        stamp::write(root, since, &units, &settings).unwrap();
    }
}

fn at(root: &Path, baseline: &str) -> PathBuf {
    PathBuf::from(format!("{}@{baseline}", root.display()))
}

#[test]
fn a_baseline_is_compared_with_the_last_run_sample_by_sample() {
    let dir = Dir::new();
    let root = dir.path("criterion");
    let time = Some(Unit::Nanoseconds);
    bench(&root, "insert", "before", 1e8, time, "10");
    bench(&root, "insert", "new", 1.001e8, time, "10");
    bench(&root, "dump", "before", 1e8, time, "10");
    bench(&root, "dump", "new", 1.3e8, time, "10");
    // What two processes of one build differ by.
    bench(&root, "close", "before", 1000.0, time, "10");
    bench(&root, "close", "new", 1300.0, time, "10");
    bench(&root, "open", "before", 1000.0, time, "10");
    bench(&root, "open", "new", 1700.0, time, "10");
    bench(&root, "scan", "before", 1e8, time, "10");
    bench(&root, "scan", "new", 1.04e8, time, "10");
    bench(&root, "memory", "before", 1e6, Some(Unit::Bytes), "10");
    bench(&root, "memory", "new", 0.9e6, Some(Unit::Bytes), "10");
    let compared = json(&[&at(&root, "before"), &root], 1);
    let words: Vec<(&str, &str)> = (compared["scenarios"].as_array().unwrap().iter())
        .map(|one| {
            (
                one["name"].as_str().unwrap(),
                one["rows"][0]["word"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        words,
        [
            ("close", "too-short"),
            ("dump", "slower"),
            ("insert", "no-change"),
            ("memory", "less"),
            ("open", "slower"),
            ("scan", "undecided")
        ]
    );
    let table = stdout(&[&at(&root, "new"), &at(&root, "before")], &[], 1);
    assert!(table.contains("of one process"), "{table}");
    let said = complaint(&[&at(&root, "nothing"), &root], &[]);
    assert!(said.contains("nothing"), "{said}");
    let said = complaint(&[&root], &[]);
    assert!(said.contains("name the baseline"), "{said}");
}

#[test]
fn what_nobody_knows_the_unit_and_the_machine_of_is_not_compared() {
    let dir = Dir::new();
    let root = dir.path("criterion");
    let time = Some(Unit::Nanoseconds);
    bench(&root, "insert", "before", 1000.0, time, "10");
    bench(&root, "insert", "new", 1000.0, time, "10");
    bench(&root, "dump", "before", 1000.0, None, "10");
    bench(&root, "dump", "new", 1000.0, None, "10");
    bench(&root, "other", "before", 1000.0, time, "10");
    bench(&root, "other", "new", 1000.0, time, "20");
    // The same numbers on another machine.
    let moved = dir.path("moved");
    bench(&moved, "insert", "new", 1000.0, time, "10");
    let stamp = moved.join("insert/one/new/membench.json");
    let mut json: Value = serde_json::from_slice(&fs::read(&stamp).unwrap()).unwrap();
    json["machine_key"] = "elsewhere".into();
    fs::write(&stamp, json.to_string()).unwrap();
    let table = stdout(&[&at(&root, "before"), &root], &[], 0);
    assert!(
        table.contains("not compared: dump/one: no membench.json"),
        "{table}"
    );
    assert!(
        table.contains("not compared: other/one: not the same work: rows: 10 → 20"),
        "{table}"
    );
    let said = complaint(&[&root, &moved], &[]);
    assert!(said.contains("a time, of another machine"), "{said}");
}

#[test]
fn a_run_and_a_baseline_are_not_compared() {
    let dir = Dir::new();
    let root = dir.path("criterion");
    bench(
        &root,
        "insert",
        "new",
        1000.0,
        Some(Unit::Nanoseconds),
        "10",
    );
    let run = dir.run("run", &environment(), &[made("insert")]);
    for pair in [[&root, &run], [&run, &root]] {
        let said = complaint(&[pair[0], pair[1]], &[]);
        assert!(
            said.contains("compare two runs, or two of Criterion's"),
            "{said}"
        );
    }
}
