//! CSV, JSON and markdown of a real run.

use serde_json::Value;

use crate::made::{lines, report, run};

#[test]
fn csv_has_its_header_once_and_a_row_for_each_term_of_each_phase() {
    let text = report(run(), &["--format", "csv"]);
    assert_eq!(
        text.lines()
            .filter(|line| line.starts_with("scenario,phase,"))
            .count(),
        1
    );
    let ends = lines("phase")
        .into_iter()
        .filter(|phase| phase.get("reading").is_none());
    let rows: usize = ends
        .map(|phase| phase["ledger"]["terms"].as_array().unwrap().len() + 1)
        .sum();
    assert_eq!(text.lines().count(), 1 + rows);
    for scenario in [
        "snapshot-memory,fill,0,false,",
        "snapshot-file,fill,0,false,",
    ] {
        assert!(text.contains(&format!("\n{scenario}")), "{scenario}");
    }
}

#[test]
fn json_is_one_object_with_every_phase_of_the_record() {
    let object: Value = serde_json::from_str(&report(run(), &["--format", "json"])).unwrap();
    assert_eq!(object["run_id"], lines("run")[0]["run_id"]);
    let scenarios = object["scenarios"].as_array().unwrap();
    let phases = scenarios
        .iter()
        .map(|one| one["phases"].as_array().unwrap().len());
    assert_eq!(phases.sum::<usize>(), lines("phase").len());
    assert!(
        scenarios
            .iter()
            .all(|one| one["cycles"].as_array().unwrap().len() == 12)
    );
    assert!(
        scenarios
            .iter()
            .all(|one| one["verdict"]["findings"].is_array())
    );
}

#[test]
fn markdown_has_the_numbers_of_the_record() {
    let text = report(run(), &["--format", "markdown"]);
    assert!(text.chars().count() <= 65_536);
    for scenario in ["snapshot-memory", "snapshot-file"] {
        let row = text
            .lines()
            .find(|line| line.starts_with(&format!("| {scenario} |")))
            .unwrap();
        let ours = |line: &&Value| line["scenario"] == scenario;
        let phases = lines("phase");
        let after = |cycle: u64| {
            let ours = phases.iter().filter(ours).rev();
            let mut ours =
                ours.filter(|phase| phase["cycle"] == cycle && phase.get("reading").is_none());
            ours.next().unwrap()["ledger"]["rss_bytes"]
                .as_i64()
                .unwrap()
        };
        let mebibytes = |bytes: i64| format!("{:.1} MiB", bytes as f64 / 1048576.0);
        assert!(row.contains(&mebibytes(after(11))), "{row}");
        let growth = after(11) - after(0);
        if growth >= 1 << 20 {
            assert!(row.contains(&format!("+{}", mebibytes(growth))), "{row}");
        }
        for result in lines("result").iter().filter(ours) {
            let peak = result["peak_rss_bytes"].as_i64().unwrap();
            let samples = lines("sample");
            let samples = samples
                .iter()
                .filter(ours)
                .map(|one| one["rss_bytes"].as_i64().unwrap());
            let peak = samples.max().unwrap_or(0).max(peak);
            assert!(row.contains(&mebibytes(peak)), "{row} {peak}");
        }
        for verdict in lines("verdict").iter().filter(ours) {
            for finding in verdict["findings"].as_array().unwrap() {
                assert!(row.contains(finding["verdict"].as_str().unwrap()), "{row}");
            }
        }
    }
    assert!(text.contains("### RSS after each cycle, MiB") && text.contains("| **growth** |"));
    assert!(text.contains("<details><summary>Environment</summary>"));
}
