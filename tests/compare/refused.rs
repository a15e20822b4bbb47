//! What is not compared, and what is said of it.

use std::fs;
use std::path::Path;

use serde_json::json as value;
use sqlite_membench::record::Side;

use super::made::{Dir, Made, complaint, environment, json, made, pairs, stdout, text, word};

#[test]
fn times_of_another_machine_are_refused_and_bytes_are_flagged() {
    let dir = Dir::new();
    let mut other = environment();
    other["machine_key"] = "bb".into();
    other["machine"]["cpu_model"] = "two".into();
    let base = dir.run("base", &environment(), &[made("insert")]);
    let new = dir.run("new", &other, &[made("insert")]);
    let compared = json(&[&base, &new], 0);
    assert_eq!(word(&compared, "fill", "time"), "no such row");
    assert_eq!(word(&compared, "fill", "sqlite-live"), "no-change");
    let refused = compared["times_refused"].as_str().unwrap();
    assert!(
        refused.contains("machine.cpu_model: one → two"),
        "{refused}"
    );
    assert!(refused.contains("another machine"), "{refused}");
    let unknown = dir.run("unknown", &value!({}), &[made("insert")]);
    let compared = json(&[&unknown, &unknown], 0);
    let refused = compared["times_refused"].as_str().unwrap();
    assert!(refused.contains("not known"), "{refused}");
}

#[test]
fn every_field_of_the_environment_that_differs_is_listed() {
    let dir = Dir::new();
    let mut other = environment();
    other["sqlite"]["version"] = "3.55.0".into();
    other["governor"] = "powersave".into();
    other["variables"] = value!({"MALLOC_ARENA_MAX": "1"});
    let base = dir.run("base", &environment(), &[made("insert")]);
    let new = dir.run("new", &other, &[made("insert")]);
    let compared = json(&[&base, &new], 0);
    let fields = compared["provenance"].as_array().unwrap().iter();
    let fields: Vec<&str> = fields.map(|one| one["field"].as_str().unwrap()).collect();
    assert_eq!(
        fields,
        ["governor", "sqlite.version", "variables.MALLOC_ARENA_MAX"]
    );
    let table = stdout(&[&base, &new], &[], 0);
    assert!(
        table.contains("differs: sqlite.version: 3.54.1 → 3.55.0"),
        "{table}"
    );
}

#[test]
fn instrumented_scenarios_are_refused_with_what_to_do() {
    let dir = Dir::new();
    let good = dir.run("good", &environment(), &[made("insert")]);
    let instrumented = Made {
        instruments: value!([{"name": "cpu-profile", "hertz": 99}]),
        ..made("insert")
    };
    let bad = dir.run("bad", &environment(), &[instrumented]);
    for pair in [[&good, &bad], [&bad, &good]] {
        let said = complaint(&[pair[0], pair[1]], &[]);
        assert!(said.contains("without --cpu-profile"), "{said}");
    }
}

#[test]
fn other_work_under_the_same_name_is_not_compared_and_another_setting_is_told() {
    let dir = Dir::new();
    let with = |name: &str, change: fn(&mut Made)| {
        let mut one = made("insert");
        change(&mut one);
        dir.run(name, &environment(), &[one, made("other")])
    };
    let base = with("base", |_| ());
    let rows = with("rows", |one| {
        one.parameters.insert("rows".into(), 2000.into());
    });
    let hash = with("hash", |one| one.content_hash = "11".into());
    let shrink = with("shrink", |one| {
        one.parameters
            .insert("shrink".into(), "same-connection".into());
    });
    let table = stdout(&[&base, &rows], &[], 0);
    assert!(
        table.contains("not compared: insert: not the same work: rows: 1000 → 2000"),
        "{table}"
    );
    let table = stdout(&[&base, &hash], &[], 0);
    assert!(table.contains("content_hash is 00 and 11"), "{table}");
    let table = stdout(&[&base, &shrink], &[], 0);
    assert!(
        table.contains("differs: shrink: never → same-connection"),
        "{table}"
    );
    assert!(!table.contains("not compared"), "{table}");
}

#[test]
fn scenarios_of_one_side_are_listed_and_no_common_one_is_an_error() {
    let dir = Dir::new();
    let base = dir.run("base", &environment(), &[made("a"), made("b")]);
    let new = dir.run("new", &environment(), &[made("b"), made("c")]);
    let only = dir.run("only", &environment(), &[made("z")]);
    let table = stdout(&[&base, &new], &[], 0);
    assert!(table.contains("not compared: a: only in BASE"), "{table}");
    assert!(table.contains("not compared: c: only in NEW"), "{table}");
    let said = complaint(&[&base, &only], &[]);
    assert!(
        said.contains("nothing in it can be compared") && said.contains("z: only in NEW"),
        "{said}"
    );
}

#[test]
fn a_record_that_is_cut_off_is_compared_as_far_as_it_goes() {
    let dir = Dir::new();
    let base = dir.run("base", &environment(), &[made("a"), made("b")]);
    let whole = text("cut", &environment(), &[made("a"), made("b")]);
    let cut = dir.path("cut.jsonl");
    fs::write(&cut, &whole[..whole.len() - 100]).unwrap();
    let table = stdout(&[&base, &cut], &[], 0);
    assert!(table.contains("is cut off"), "{table}");
    assert!(
        table.contains("not compared: b: no complete execution in NEW"),
        "{table}"
    );
    let newer = [&whole[..], b"{\"schema_version\":99,\"kind\":\"phase\"}\n"].concat();
    fs::write(&cut, newer).unwrap();
    let table = stdout(&[&base, &cut], &[], 0);
    assert!(
        table.contains("read up to here") && table.contains("newer"),
        "{table}"
    );
    fs::write(&cut, "").unwrap();
    assert!(complaint(&[&base, &cut], &[]).contains("no record"));
    fs::write(&cut, "weather\n").unwrap();
    assert!(complaint(&[&base, &cut], &[]).contains("line 1"));
}

#[test]
fn what_cannot_be_compared_is_said_with_what_to_do() {
    let dir = Dir::new();
    let run = dir.run("run", &environment(), &[made("a")]);
    let sides = dir.run("sides", &environment(), &pairs(2, 1.0));
    let empty = dir.path("empty");
    fs::create_dir(&empty).unwrap();
    let at = dir.path("run@before");
    let missing = Path::new("/no/such/run");
    for (arguments, words) in [
        (&[run.as_path()][..], "name what it is compared with"),
        (&[&run, &sides], "give it alone"),
        (&[&run, &empty], "there is no record.jsonl"),
        (&[&at, &run], "a run has no baselines"),
        (&[&run, missing], "No such file"),
    ] {
        let said = complaint(arguments, &[]);
        assert!(said.contains(words), "{said}");
    }
    let said = complaint(&[&run, &run], &["--threshold", "5"]);
    assert!(said.contains("5% or 0.05"), "{said}");
}

#[test]
fn two_sides_of_one_build_are_said_to_be_one() {
    let dir = Dir::new();
    let executions = pairs(5, 1.0);
    let run = dir.run("run", &environment(), &executions);
    let record = run.join("record.jsonl");
    let table = stdout(&[&run], &[], 0);
    assert!(
        table.contains("differs: program: base-program Base → new-program New"),
        "{table}"
    );
    let same = fs::read_to_string(&record)
        .unwrap()
        .replace("\"New\"", "\"Base\"");
    fs::write(&record, same).unwrap();
    let table = stdout(&[&run], &[], 0);
    assert!(table.contains("both sides are the same build"), "{table}");
    assert!(
        executions
            .iter()
            .any(|one| matches!(one.turn, Some((_, Some(Side::New)))))
    );
}
