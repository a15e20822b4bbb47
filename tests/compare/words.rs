//! What is said of runs, and with which exit code.

use sqlite_membench::record::Side;
use sqlite_membench::verdict::Verdict;

use super::made::{Dir, MIB, Made, environment, json, made, pairs, stdout, word};

#[test]
fn one_program_against_itself_shows_no_change_and_a_slower_one_is_found() {
    let dir = Dir::new();
    let same = dir.run("same", &environment(), &pairs(16, 1.0));
    let compared = json(&[&same], 0);
    assert_eq!(word(&compared, "fill", "time"), "no-change");
    assert_eq!(word(&compared, "fill", "rss"), "no-change");
    assert_eq!(compared["regressed"], false);
    let slower = dir.run("slower", &environment(), &pairs(16, 1.06));
    let compared = json(&[&slower], 1);
    assert_eq!(word(&compared, "fill", "time"), "slower");
    let row = &compared["scenarios"][0]["rows"][2];
    assert_eq!(
        (&row["what"], &row["paired"]),
        (&"time".into(), &true.into())
    );
    assert_eq!(row["base"].as_array().unwrap().len(), 16);
    let value = row["change"]["value"].as_f64().unwrap();
    assert!((1.04..1.08).contains(&value), "{value}");
    let faster = dir.run("faster", &environment(), &pairs(16, 0.94));
    assert_eq!(word(&json(&[&faster], 0), "fill", "time"), "faster");
    let table = stdout(&[&slower], &["--threshold", "10%"], 0);
    assert!(table.contains("no change in"), "{table}");
}

fn repeated(count: u32, slower: f64, from: u32) -> Vec<Made> {
    (from..from + count)
        .map(|round| made("insert").turn(round, None, slower))
        .collect()
}

#[test]
fn executions_of_two_runs_are_set_against_each_other() {
    let dir = Dir::new();
    let base = dir.run("base", &environment(), &repeated(16, 1.0, 1));
    let same = dir.run("same", &environment(), &repeated(16, 1.0, 101));
    let slower = dir.run("slower", &environment(), &repeated(16, 1.1, 201));
    let compared = json(&[&base, &same], 0);
    assert_eq!(word(&compared, "fill", "time"), "no-change");
    assert!(
        compared["outcome"]
            .as_str()
            .unwrap()
            .starts_with("no change in")
    );
    assert_eq!(word(&json(&[&base, &slower], 1), "fill", "time"), "slower");
    assert_eq!(word(&json(&[&slower, &base], 0), "fill", "time"), "faster");
}

#[test]
fn more_bytes_are_found_with_one_execution_and_a_time_needs_a_large_change() {
    let dir = Dir::new();
    let base = dir.run("base", &environment(), &[made("insert")]);
    let with = |name: &str, change: fn(&mut Made)| {
        let mut one = made("insert");
        change(&mut one);
        dir.run(name, &environment(), &[one])
    };
    let larger = with("larger", |one| one.live_bytes += 3 * MIB);
    let compared = json(&[&base, &larger], 1);
    assert_eq!(word(&compared, "fill", "sqlite-live"), "more");
    assert_eq!(word(&compared, "fill", "rss"), "no-change");
    let slow = with("slow", |one| one.fill_ns = 1_100_000_000);
    assert_eq!(word(&json(&[&base, &slow], 0), "fill", "time"), "too-few");
    let slower = with("slower", |one| one.fill_ns = 1_500_000_000);
    assert_eq!(word(&json(&[&base, &slower], 1), "fill", "time"), "slower");
    let short = with("short", |one| one.fill_ns = 9_000_000);
    assert_eq!(
        word(&json(&[&short, &short], 0), "fill", "time"),
        "too-short"
    );
}

#[test]
fn a_scenario_that_fails_only_in_the_new_run_is_a_regression_and_no_comparison() {
    let dir = Dir::new();
    let failing = Made {
        error: Some("killed by signal 9"),
        ..made("insert")
    };
    let good = dir.run("good", &environment(), &[made("insert"), made("other")]);
    let bad = dir.run("bad", &environment(), &[failing, made("other")]);
    let table = stdout(&[&good, &bad], &[], 1);
    assert!(
        table.contains("insert failed in NEW") && table.contains("killed by signal 9"),
        "{table}"
    );
    let table = stdout(&[&bad, &good], &[], 0);
    assert!(
        table.contains("not compared: insert") && table.contains("failed in BASE"),
        "{table}"
    );
}

#[test]
fn a_round_of_which_one_side_failed_is_no_pair() {
    let dir = Dir::new();
    let mut executions = pairs(16, 1.0);
    let is_it = |one: &&mut Made| one.turn == Some((7, Some(Side::Base)));
    executions.iter_mut().find(is_it).unwrap().error = Some("killed");
    let run = dir.run("run", &environment(), &executions);
    let compared = json(&[&run], 0);
    let row = &compared["scenarios"][0]["rows"][2];
    assert_eq!(row["base"].as_array().unwrap().len(), 15);
    assert_eq!(row["new"].as_array().unwrap().len(), 15);
}

#[test]
fn a_new_leak_is_a_regression_and_other_verdicts_are_told() {
    let dir = Dir::new();
    let with = |name: &str, verdict| {
        let one = Made {
            verdict: Some(verdict),
            ..made("insert")
        };
        dir.run(name, &environment(), &[one])
    };
    let steady = with("steady", Verdict::Steady);
    let leak = with("leak", Verdict::SqliteLeak);
    let cache = with("cache", Verdict::PageCache);
    let table = stdout(&[&steady, &leak], &[], 1);
    assert!(
        table.contains("insert has a new verdict: sqlite-leak"),
        "{table}"
    );
    let table = stdout(&[&steady, &cache], &[], 0);
    assert!(
        table.contains("page-cache only in NEW") && table.contains("steady only in BASE"),
        "{table}"
    );
    stdout(&[&leak, &leak], &[], 0);
}
