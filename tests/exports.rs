//! What a run is for other programs: each format is taken by a real reader of it, and each number in it is
//! one of the record's.

#[path = "exports/made.rs"]
mod made;
#[path = "exports/readers.rs"]
mod readers;
#[path = "support/records.rs"]
mod records;
#[path = "exports/told.rs"]
mod told;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::Command;

use made::{NAMES, TIMES, hostile, ordinary};
use readers::{Samples, bmf_is_valid, promtool, python};
use serde_json::{Value, json};
use sqlite_membench::report::export::{bmf, github, left_out, prometheus};
use sqlite_membench::report::gathered::Gathered;
use told::Told;

type Export = fn(&mut dyn Write, &Gathered) -> io::Result<()>;

fn text(write: Export, run: &Gathered) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out, run).unwrap();
    out
}

/// The series of a family, by their labels less those of every scenario's.
fn series(samples: &Samples, family: &str, scenario: &str) -> BTreeMap<String, f64> {
    let name = format!("sqlite_membench_{family}");
    let common = ["scenario", "allocator_rust", "allocator_sqlite"];
    let ours = samples
        .iter()
        .filter(|((of, labels), _)| *of == name && labels["scenario"] == scenario);
    let own = ours.map(|((_, labels), value)| {
        let own = labels
            .iter()
            .filter(|(name, _)| !common.contains(&name.as_str()));
        let values: Vec<&str> = own.map(|(_, value)| value.as_str()).collect();
        (values.join("/"), *value)
    });
    own.collect()
}

#[test]
fn prometheus_is_taken_by_promtool_and_by_both_parsers_and_says_what_the_record_says() {
    let run = ordinary();
    let text = text(prometheus::write, &run.gathered());
    promtool(&text);
    let samples = python(&text);
    assert_eq!(run.scenarios().len(), 8);
    for scenario in run.scenarios() {
        let told = Told::of(run, scenario);
        let one = |family: &str| series(&samples, family, scenario);
        let median = |value: f64| BTreeMap::from([("median".to_owned(), value)]);
        for (family, value) in [
            ("peak_rss_bytes", Some(told.peak_rss)),
            ("end_rss_bytes", Some(told.end_rss)),
            ("rss_growth_bytes", Some(told.growth)),
            ("unattributed_bytes", Some(told.unattributed)),
            ("sqlite_live_bytes", Some(told.terms["sqlite/live"])),
            ("fill_rows_per_second", Some(told.rows_per_second)),
            ("cycle_duration_seconds", told.cycle_ns.map(|ns| ns / 1e9)),
            ("cycles_per_second", told.cycle_ns.map(|ns| 1e9 / ns)),
        ] {
            let expected = value.map_or_else(BTreeMap::new, median);
            assert_eq!(one(family), expected, "{scenario}: {family}");
        }
        let statistic = |all: &BTreeMap<String, f64>, scale: f64| -> BTreeMap<String, f64> {
            let labelled = |(name, value): (&String, &f64)| (name.clone(), value / scale);
            all.iter().map(labelled).collect()
        };
        let named = |family| {
            let all = one(family).into_iter();
            // `statistic` stands between owner and term.
            let plain = all.map(|(name, value)| (name.replace("/median", ""), value));
            plain.collect::<BTreeMap<_, _>>()
        };
        assert_eq!(named("ledger_bytes"), statistic(&told.terms, 1.0));
        assert_eq!(named("owner_bytes"), statistic(&told.owners, 1.0));
        assert_eq!(
            named("phase_duration_seconds"),
            statistic(&told.phases_ns, 1e9)
        );
        // What the identity says.
        let sum: f64 = named("ledger_bytes").values().sum();
        assert_eq!(sum + told.unattributed, told.end_rss, "{scenario}");
        let alone = |family: &str| one(family).into_values().collect::<Vec<_>>();
        assert_eq!(alone("scenario_verified"), [1.0]);
        assert_eq!(alone("scenario_errors"), [0.0]);
        assert_eq!(alone("scenario_executions"), [1.0]);
        let info = one("scenario_info");
        assert_eq!(info, BTreeMap::from([(told.workload.clone(), 1.0)]));
        let verdicts: Vec<String> = one("verdict_bytes").into_keys().collect();
        assert_eq!(verdicts, told.verdicts, "{scenario}");
    }
    let run_info = samples
        .iter()
        .find(|((name, _), _)| name.ends_with("run_info"));
    let ((_, labels), value) = run_info.unwrap();
    assert_eq!(*value, 1.0);
    assert_eq!(labels["run_id"], run.lines[0]["run_id"].as_str().unwrap());
    let environment = &run.lines[1];
    assert_eq!(
        labels["machine_key"],
        environment["machine_key"].as_str().unwrap()
    );
    assert_eq!(
        labels["sqlite_version"],
        environment["sqlite"]["version"].as_str().unwrap()
    );
}

#[test]
fn bmf_is_valid_and_is_the_record_and_nothing_else() {
    let run = ordinary();
    let found = bmf_is_valid(&text(bmf::write, &run.gathered()));
    let mut expected = json!({});
    for scenario in run.scenarios() {
        let told = Told::of(run, scenario);
        let mut put = |benchmark: &str, measure: &str, value: f64| {
            expected[benchmark][measure] = json!({ "value": value });
        };
        put(scenario, "peak-rss", told.peak_rss);
        put(scenario, "end-rss", told.end_rss);
        put(scenario, "rss-growth", told.growth);
        put(scenario, "sqlite-live", told.terms["sqlite/live"]);
        put(scenario, "retained", told.retained);
        put(scenario, "unattributed", told.unattributed);
        for (owner, bytes) in &told.owners {
            let slug = format!("owner-{}", owner.replace('_', "-"));
            put(scenario, &slug, *bytes);
        }
        for (phase, ns) in told.work() {
            put(&format!("{scenario}/{phase}"), "latency", ns);
        }
        let fill = format!("{scenario}/fill");
        put(&fill, "throughput", told.rows_per_second);
        if let Some(ns) = told.cycle_ns {
            let cycle = format!("{scenario}/cycle");
            put(&cycle, "latency", ns);
            put(&cycle, "throughput", 1e9 / ns);
        }
    }
    assert_eq!(as_doubles(found), as_doubles(expected));
}

/// Whole numbers stand there without a fraction.
fn as_doubles(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Object(map) => {
            let map = map.into_iter().map(|(key, value)| (key, as_doubles(value)));
            Value::Object(map.collect())
        }
        other => other,
    }
}

#[test]
fn github_entries_are_times_and_bytes_that_are_better_where_they_are_smaller() {
    let run = ordinary();
    let text = text(github::write, &run.gathered());
    let entries: Vec<Value> = serde_json::from_slice(&text).unwrap();
    let mut found: BTreeMap<String, (String, f64)> = BTreeMap::new();
    for entry in entries {
        let field = |name: &str| entry[name].as_str().unwrap().to_owned();
        let value = entry["value"].as_f64().unwrap();
        assert!(value > 0.0 && entry.get("range").is_none(), "{entry}");
        let machine = run.lines[1]["machine_key"].as_str().unwrap();
        assert!(field("extra").contains(machine), "{entry}");
        let twice = found.insert(field("name"), (field("unit"), value));
        assert!(twice.is_none(), "{entry}");
    }
    let mut expected = BTreeMap::new();
    for scenario in run.scenarios() {
        let told = Told::of(run, scenario);
        let mut put = |name: &str, unit: &str, value: f64| {
            expected.insert(format!("{scenario}: {name}"), (unit.to_owned(), value));
        };
        put("time of a row", "ns/row", 1e9 / told.rows_per_second);
        put("peak RSS", "bytes", told.peak_rss);
        put("RSS at the end", "bytes", told.end_rss);
        put("SQLite live at the end", "bytes", told.terms["sqlite/live"]);
        for (phase, ns) in told.work() {
            put(&format!("time of {phase}"), "ns", ns);
        }
        if let Some(ns) = told.cycle_ns {
            put("time of a cycle", "ns/cycle", ns);
        }
    }
    assert_eq!(found, expected);
}

#[test]
fn names_that_hold_anything_come_back_from_every_reader() {
    let run = hostile();
    let metrics = text(prometheus::write, &run);
    promtool(&metrics);
    let samples = python(&metrics);
    let value = |family: &str, more: &[(&str, &str)]| {
        let name = format!("sqlite_membench_{family}");
        let of = |labels: &BTreeMap<String, String>| {
            more.iter().all(|(name, value)| labels[*name] == *value)
        };
        let found: Vec<f64> = samples
            .iter()
            .filter(|((one, labels), _)| *one == name && of(labels))
            .map(|(_, value)| *value)
            .collect();
        assert_eq!(found.len(), 1, "{family} {more:?}");
        found[0]
    };
    let services = bmf_is_valid(&text(bmf::write, &run));
    let entries: Value = serde_json::from_slice(&text(github::write, &run)).unwrap();
    for name in NAMES {
        for (side, times) in TIMES {
            let mut times = times;
            times.sort_unstable();
            let [least, median, most] = times.map(|ns| ns as f64);
            let own = [("scenario", name), ("side", side.name()), ("phase", "fill")];
            for (statistic, ns) in [("min", least), ("median", median), ("max", most)] {
                let labels = [&own[..], &[("statistic", statistic)]].concat();
                assert_eq!(value("phase_duration_seconds", &labels), ns / 1e9);
            }
            let own = [&own[..2], &[("statistic", "median")]].concat();
            let term = [&own[..], &[("owner", "sqlite"), ("term", name)]].concat();
            assert_eq!(value("ledger_bytes", &term), -2.0);
            let part = [&term[..], &[("within", name)]].concat();
            assert_eq!(value("ledger_part_bytes", &part), 3.0);
            let other = [&own[..], &[("owner", name)]].concat();
            assert_eq!(value("owner_bytes", &other), 1.0);
            assert_eq!(value("unattributed_bytes", &own), i64::MIN as f64);

            let fill = &services[format!("{name} {}/fill", side.name())];
            let expected = json!({"value": median, "lower_value": least, "upper_value": most});
            assert_eq!(as_doubles(fill["latency"].clone()), expected);
            let entry = format!("{name} {}: time of fill", side.name());
            let mut entries = entries.as_array().unwrap().iter();
            let entry = entries.find(|one| one["name"] == entry).unwrap();
            assert_eq!(entry["range"], format!("{least}..{most}"));
            assert_eq!(entry["value"].as_f64(), Some(median));
        }
    }
    // What never began has its error, and nothing else.
    let never = samples.keys().filter(|(_, labels)| {
        labels
            .get("scenario")
            .is_some_and(|name| name == "never began")
    });
    let never: Vec<&str> = never.map(|(name, _)| name.as_str()).collect();
    let known =
        ["errors", "executions", "info"].map(|name| format!("sqlite_membench_scenario_{name}"));
    assert_eq!(never, known);
    assert_eq!(
        value("scenario_errors", &[("scenario", "never began")]),
        1.0
    );
    let told = left_out(&run);
    assert!(told.len() == 1 && told[0].starts_with("never began is left out: failed"));
    assert!(!services.to_string().contains("never") && !entries.to_string().contains("never"));
}

#[test]
fn a_record_of_nothing_is_an_empty_export_that_readers_take() {
    let run = Gathered::default();
    let metrics = text(prometheus::write, &run);
    promtool(&metrics);
    assert_eq!(python(&metrics).len(), 2);
    assert_eq!(bmf_is_valid(&text(bmf::write, &run)), json!({}));
    let entries: Value = serde_json::from_slice(&text(github::write, &run)).unwrap();
    assert_eq!(entries, json!([]));
}

#[test]
fn the_program_writes_each_format_to_standard_output_and_nothing_else() {
    let run = ordinary();
    let formats: [(&str, Export); 3] = [
        ("bmf", bmf::write),
        ("github-action-benchmark", github::write),
        ("prometheus", prometheus::write),
    ];
    for (format, write) in formats {
        let output = Command::new(env!("CARGO_BIN_EXE_sqlite-membench"))
            .arg("report")
            .arg(run.out())
            .args(["--format", format])
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{format}: {told}");
        assert!(output.stdout == text(write, &run.gathered()), "{format}");
        assert_eq!(told, "", "{format}");
    }
}
