use std::fs;

use serde_json::json;
use tempfile::{TempDir, tempdir};

use super::*;
use crate::estimates::files::{BENCHMARK, ESTIMATES, SAMPLE, STAMP};
use crate::estimates::fixture::{change, put, samples, stamped};
use crate::estimates::{CRITERION_VERSION, LAST_RUN, Mode, Sample, Throughput, Unit};

fn ids(results: &Results) -> Vec<&str> {
    results
        .benchmarks
        .iter()
        .map(|one| one.id.as_str())
        .collect()
}

fn error(root: &TempDir, baseline: &str) -> String {
    read(root.path(), baseline).unwrap_err().to_string()
}

#[test]
fn a_benchmark_comes_back_as_criterion_wrote_it() {
    let root = tempdir().unwrap();
    let directory = stamped(root.path(), "insert/1k", "file");
    let mut results = read(root.path(), LAST_RUN).unwrap();
    assert!(results.skipped.is_empty());
    let benchmark = results.benchmarks.remove(0);
    assert_eq!(benchmark.id, "insert/1k/file");
    assert_eq!(benchmark.group, "insert/1k");
    assert_eq!(benchmark.function.as_deref(), Some("file"));
    assert_eq!(benchmark.value, None);
    assert_eq!(benchmark.throughput, Some(Throughput::Elements(1000)));
    assert_eq!((benchmark.unit, benchmark.note), (Some(Unit::Bytes), None));
    assert_eq!(benchmark.mode, Mode::Flat);
    let mean = benchmark.estimates.mean;
    assert_eq!((mean.low, mean.value, mean.high), (104.0, 104.5, 105.0));
    assert_eq!((mean.confidence, mean.standard_error), (0.95, 0.25));
    assert_eq!(benchmark.estimates.median.value, 104.0);
    assert_eq!(benchmark.estimates.std_dev.value, 3.0);
    assert_eq!(benchmark.estimates.median_abs_dev.value, 2.5);
    assert_eq!(benchmark.estimates.slope, None);
    let third = Sample {
        iterations: 2,
        total: 204.0,
    };
    assert_eq!((benchmark.samples.len(), benchmark.samples[2]), (10, third));
    let means: Vec<f64> = benchmark.per_iteration().collect();
    assert_eq!((means.len(), means[0], means[9]), (10, 100.0, 109.0));
    assert_eq!(benchmark.directory, directory);
    assert_eq!(benchmark.stamp.unwrap().settings["rows"], "1000");
}

#[test]
fn a_linear_benchmark_has_its_slope_and_a_parameter_alone_is_a_value() {
    let root = tempdir().unwrap();
    let directory = put(root.path(), "g", "f", "new");
    let mean = json!({"confidence_interval":
        {"confidence_level": 0.9, "lower_bound": 1, "upper_bound": 3}, "point_estimate": 2, "standard_error": 0});
    change(&directory.join(ESTIMATES), "/slope", Some(mean));
    change(
        &directory.join(SAMPLE),
        "/sampling_mode",
        Some("Linear".into()),
    );
    let benchmark = directory.join(BENCHMARK);
    change(&benchmark, "/function_id", None);
    change(&benchmark, "/value_str", Some("8".into()));
    let both = json!({"ElementsAndBytes": {"elements": 5, "bytes": 7}});
    change(&benchmark, "/throughput", Some(both));
    let results = read(root.path(), LAST_RUN).unwrap();
    let benchmark = &results.benchmarks[0];
    assert_eq!(benchmark.estimates.slope.unwrap().value, 2.0);
    assert_eq!(benchmark.mode, Mode::Linear);
    assert_eq!(
        (benchmark.function.as_deref(), benchmark.value.as_deref()),
        (None, Some("8"))
    );
    let both = Throughput::ElementsAndBytes {
        elements: 5,
        bytes: 7,
    };
    assert_eq!(benchmark.throughput, Some(both));
}

#[test]
fn benchmarks_of_the_baseline_come_sorted_by_id_and_those_without_it_do_not() {
    let root = tempdir().unwrap();
    for (group, function, baseline) in [
        ("b", "x", "new"),
        ("a/z", "x", "new"),
        ("a/z", "x", "feature/before"),
        ("b", "new", "new"),
        ("b", "report", "new"),
    ] {
        put(root.path(), group, function, baseline);
    }
    // What Criterion draws, and a comparison, are no baselines.
    for name in ["a_z/x/report", "a_z/x/change", "report"] {
        fs::create_dir_all(root.path().join(name)).unwrap();
    }
    fs::write(root.path().join("a_z/x/change/estimates.json"), "{}").unwrap();
    let last = read(root.path(), "new").unwrap();
    assert_eq!(ids(&last), ["a/z/x", "b/new", "b/report", "b/x"]);
    for name in ["feature/before", "before"] {
        assert_eq!(ids(&read(root.path(), name).unwrap()), ["a/z/x"]);
    }
    assert!(last.skipped.is_empty());
}

#[test]
fn without_the_directory_or_the_baseline_the_error_says_what_there_is() {
    let root = tempdir().unwrap();
    let none = read(&root.path().join("none"), "new")
        .unwrap_err()
        .to_string();
    assert!(
        none.contains("none: no such directory") && none.contains("cargo bench"),
        "{none}"
    );
    let empty = error(&root, "new");
    assert!(
        empty.contains("`new`; there are no results at all"),
        "{empty}"
    );
    put(root.path(), "g", "f", "new");
    put(root.path(), "g", "f", "base");
    for baseline in ["before", "", "..", "/"] {
        let message = error(&root, baseline);
        assert!(
            message.contains(&format!("`{baseline}`; there are: base, new.")),
            "{message}"
        );
    }
}

#[test]
fn one_that_cannot_be_read_is_skipped_with_its_reason_and_hides_no_other() {
    let root = tempdir().unwrap();
    let [cut, gone] = ["cut", "gone"].map(|name| put(root.path(), "g", name, "new"));
    put(root.path(), "g", "whole", "new");
    fs::write(cut.join(ESTIMATES), "{\"mean\":").unwrap();
    fs::remove_file(gone.join(SAMPLE)).unwrap();
    let results = read(root.path(), LAST_RUN).unwrap();
    assert_eq!(ids(&results), ["g/whole"]);
    let paths: Vec<_> = results.skipped.iter().map(|one| &one.path).collect();
    assert_eq!(paths, [&cut, &gone]);
    let reason = |index: usize| results.skipped[index].reason.to_string();
    assert!(
        reason(0).contains("cut/new/estimates.json: not JSON"),
        "{}",
        reason(0)
    );
    assert!(reason(1).contains("cannot read") && reason(1).contains("gone/new/sample.json"));
}

#[test]
fn another_shape_is_refused_by_file_and_field() {
    for (file, pointer, to, says) in [
        (
            ESTIMATES,
            "/mean/point_estimate",
            None,
            "`mean.point_estimate` is missing",
        ),
        (
            ESTIMATES,
            "/median/confidence_interval/upper_bound",
            Some(json!(null)),
            "`median.confidence_interval.upper_bound` is null, and must be a number",
        ),
        (
            ESTIMATES,
            "/std_dev",
            Some(json!("3")),
            "`std_dev.confidence_interval` is missing",
        ),
        (
            ESTIMATES,
            "/slope",
            Some(json!(1)),
            "`slope.confidence_interval` is missing",
        ),
        (
            BENCHMARK,
            "/full_id",
            Some(json!(7)),
            "`full_id` is 7, and must be text",
        ),
        (
            BENCHMARK,
            "/function_id",
            Some(json!([])),
            "`function_id` is [], and must be text",
        ),
        (
            BENCHMARK,
            "/throughput",
            Some(json!({"Rows": 1})),
            "`throughput` is {\"Rows\":1}",
        ),
        (
            SAMPLE,
            "/sampling_mode",
            Some(json!("Auto")),
            "`sampling_mode` is \"Auto\"",
        ),
        (
            SAMPLE,
            "/iters",
            Some(json!(2)),
            "`iters` is 2, and must be a list",
        ),
        (
            SAMPLE,
            "/iters",
            Some(json!([2.0])),
            "`times` is of 10 for 1 `iters`",
        ),
        (
            SAMPLE,
            "/times",
            Some(json!([])),
            "`times` is of 0 for 10 `iters`",
        ),
        (
            SAMPLE,
            "/times",
            Some(vec!["x"; 10].into()),
            "`times.0` is \"x\", and must be a number",
        ),
        (
            SAMPLE,
            "/iters",
            Some(vec![0.0; 10].into()),
            "`iters.0` is 0.0, and must be a whole",
        ),
        (
            SAMPLE,
            "/iters",
            Some(vec![1.5; 10].into()),
            "`iters.0` is 1.5, and must be a whole",
        ),
    ] {
        let root = tempdir().unwrap();
        let directory = put(root.path(), "g", "f", "new");
        change(&directory.join(file), pointer, to);
        let message = error(&root, "new");
        assert!(
            message.contains(says) && message.contains(file),
            "{message}"
        );
    }
    for whole in ["[]", "3", "null"] {
        let root = tempdir().unwrap();
        let directory = put(root.path(), "g", "f", "new");
        fs::write(directory.join(BENCHMARK), whole).unwrap();
        let message = error(&root, "new");
        assert!(message.contains("`full_id` is missing"), "{message}");
    }
}

#[test]
fn a_field_that_nobody_knows_is_passed_over() {
    let root = tempdir().unwrap();
    let directory = put(root.path(), "g", "f", "new");
    change(
        &directory.join(ESTIMATES),
        "/mode",
        Some(json!({"later": 1})),
    );
    assert_eq!(ids(&read(root.path(), LAST_RUN).unwrap()), ["g/f"]);
}

#[test]
fn without_a_stamp_nobody_knows_the_unit() {
    let root = tempdir().unwrap();
    put(root.path(), "g", "f", "new");
    let benchmark = read(root.path(), LAST_RUN).unwrap().benchmarks.remove(0);
    assert_eq!((benchmark.unit, benchmark.stamp), (None, None));
    assert_eq!(benchmark.note, Some(Note::NotStamped));
}

#[test]
fn a_stamp_is_of_the_files_that_it_was_written_for_and_no_others() {
    let root = tempdir().unwrap();
    let directory = stamped(root.path(), "g", "f");
    // Copied with other times, it is still of them.
    let copy = root.path().join("g/copy/new");
    fs::create_dir_all(&copy).unwrap();
    for name in [STAMP, ESTIMATES, SAMPLE, BENCHMARK] {
        fs::copy(directory.join(name), copy.join(name)).unwrap();
    }
    fs::remove_dir_all(directory.parent().unwrap()).unwrap();
    assert_eq!(
        read(root.path(), "new").unwrap().benchmarks[0].unit,
        Some(Unit::Bytes)
    );
    // Run again by somebody who stamps nothing.
    change(&copy.join(SAMPLE), "/times", Some(vec![1.0; 10].into()));
    let benchmark = read(root.path(), LAST_RUN).unwrap().benchmarks.remove(0);
    assert_eq!((benchmark.unit, benchmark.stamp), (None, None));
    assert_eq!(benchmark.note, Some(Note::StampOfAnotherRun));
}

#[test]
fn a_stamp_of_another_schema_is_refused() {
    for found in [0, 2] {
        let root = tempdir().unwrap();
        let directory = stamped(root.path(), "g", "f");
        change(
            &directory.join(STAMP),
            "/schema_version",
            Some(found.into()),
        );
        let message = error(&root, "new");
        let says = format!("membench.json: schema_version {found}, and this reads 1");
        assert!(message.contains(&says), "{message}");
        // Whatever else it has changed.
        fs::remove_file(directory.join(SAMPLE)).unwrap();
        assert!(error(&root, "new").contains(&says));
    }
}

#[test]
fn another_criterion_is_refused_where_all_are_its_and_else_skipped() {
    let root = tempdir().unwrap();
    let directory = stamped(root.path(), "g", "f");
    change(
        &directory.join(STAMP),
        "/criterion_version",
        Some("0.9".into()),
    );
    let message = error(&root, "new");
    let says = format!("membench.json: written by criterion 0.9, this reads {CRITERION_VERSION}: ");
    assert!(message.contains(&says), "{message}");
    put(root.path(), "g", "other", "new");
    let results = read(root.path(), LAST_RUN).unwrap();
    assert_eq!(ids(&results), ["g/other"]);
    assert!(matches!(
        results.skipped[0].reason,
        Error::OtherCriterion { .. }
    ));
}

#[test]
fn a_broken_stamp_is_told_by_its_file() {
    let root = tempdir().unwrap();
    let directory = stamped(root.path(), "g", "f");
    change(&directory.join(STAMP), "/unit", Some("seconds".into()));
    let message = error(&root, "new");
    assert!(
        message.contains("f/new/membench.json") && message.contains("seconds"),
        "{message}"
    );
}

#[test]
fn two_samples_come_from_quick_and_are_skipped() {
    let root = tempdir().unwrap();
    let directory = put(root.path(), "g", "quick", "new");
    samples(&directory, 2);
    let message = error(&root, "new");
    assert!(
        message.contains("--quick") && message.contains("BENCH_SET=quick"),
        "{message}"
    );
    put(root.path(), "g", "whole", "new");
    let results = read(root.path(), LAST_RUN).unwrap();
    assert_eq!(ids(&results), ["g/whole"]);
    assert!(matches!(results.skipped[0].reason, Error::Invented(_)));
}

#[test]
fn of_two_with_one_id_the_second_is_skipped() {
    let root = tempdir().unwrap();
    put(root.path(), "g", "f", "new");
    let second = put(root.path(), "g", "f_2", "new");
    change(&second.join(BENCHMARK), "/full_id", Some("g/f".into()));
    let results = read(root.path(), LAST_RUN).unwrap();
    assert_eq!(ids(&results), ["g/f"]);
    assert_eq!(results.skipped[0].path, second);
    let reason = results.skipped[0].reason.to_string();
    assert!(reason.contains("the id `g/f` too"), "{reason}");
}
