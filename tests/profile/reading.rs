//! What a raw profile may lack, and what is said of it.

use std::fs;

use sqlite_membench::profile::finish;
use sqlite_membench::profile::moments::{Quantity, When};
use sqlite_membench::profile::raw::{Exact, Line, Side};
use sqlite_membench::profile::read::Raw;
use sqlite_membench::profile::view::{Named, Profile, TOO_SMALL};

use super::fixture::{self, HEAP, moment, site, values};

fn at(lines: &[Line<'_>], when: &str) -> Profile {
    let directory = tempfile::tempdir().unwrap();
    let path = fixture::write(directory.path(), "heap.jsonl", lines);
    let raw = Raw::read(&path).unwrap();
    let Ok(when) = when.parse::<When>();
    Named::new(&raw).at(&when).unwrap()
}

fn total(profile: &Profile) -> u64 {
    let quantity = profile.quantity();
    profile
        .rows
        .iter()
        .map(|row| row.amount(quantity).bytes)
        .sum()
}

#[test]
fn moments_are_those_of_the_work_and_by_name() {
    let lines = fixture::heap();
    let end = fixture::END;
    let sum = |sqlite: u64, rust: u64| sqlite + rust;
    for (when, expected) in [
        ("end", sum(end.sqlite.now_bytes, end.rust.now_bytes)),
        ("dump", sum(end.sqlite.now_bytes, end.rust.now_bytes)),
        ("peak", sum(end.sqlite.peak_bytes, end.rust.peak_bytes)),
        ("total", sum(end.sqlite.total_bytes, end.rust.total_bytes)),
        ("cycle=1", sum(30_000_777, 9_000_000)),
        ("cycle=2", sum(60_000_777, 9_000_000)),
        ("cycle=3", sum(end.sqlite.now_bytes, end.rust.now_bytes)),
        ("work", sum(90_000_777, 9_000_000)),
        ("work/1", sum(90_000_777, 9_000_000)),
        ("close", 0),
    ] {
        assert_eq!(total(&at(&lines, when)), expected, "{when}");
    }
    // What is done after the work is in no row of its end.
    let profile = at(&lines, "end");
    assert!(profile.rows.iter().all(|row| row.now.bytes < 200_000_000));
}

#[test]
fn an_unknown_moment_is_told_from_those_that_there_are() {
    let directory = tempfile::tempdir().unwrap();
    let path = fixture::write(directory.path(), "heap.jsonl", &fixture::heap());
    let raw = Raw::read(&path).unwrap();
    for asked in ["cycle=4", "backup", "work/2"] {
        let Ok(when) = asked.parse::<When>();
        let error = Named::new(&raw).at(&when).unwrap_err().to_string();
        assert!(
            error.contains("heap.jsonl") && error.contains(asked),
            "{error}"
        );
        let there =
            "it has peak, end, total, cycle=1 to cycle=3, start, work/1, work, dump, verify, close";
        assert!(error.ends_with(there), "{error}");
    }
}

#[test]
fn a_killed_testee_leaves_what_is_known_until_then_wherever_its_file_ends() {
    let directory = tempfile::tempdir().unwrap();
    let mut lines = fixture::head(HEAP);
    for step in 1..=3_u64 {
        let exact = Exact {
            sqlite: fixture::counted(step * 10_000_000, 0, 0),
            ..Exact::default()
        };
        let sites = vec![site(0, 1, Side::Sqlite, step * 9_000_000, 0, 0)];
        let marked = (step == 2).then(|| moment("fill", None, None).unwrap());
        lines.push(values(marked, Some(exact), sites));
    }
    let text = fixture::text(&lines);
    let starts: Vec<usize> = (text.lines().scan(0, |at, line| {
        *at += line.len() + 1;
        Some(*at)
    }))
    .collect();
    let first_values = starts[starts.len() - 4];
    // In a line, before its line break, and behind it.
    let ends = starts.iter().filter(|start| **start >= first_values);
    let ends = ends.flat_map(|end| [end - 40, end - 2, end - 1, *end]);
    for end in ends.filter(|end| *end >= first_values) {
        let path = directory.path().join("heap.jsonl");
        fs::write(&path, &text[..end]).unwrap();
        // Without its line break a line may be whole all the same.
        let known = starts
            .iter()
            .rev()
            .take(3)
            .filter(|start| **start - 1 <= end)
            .count() as u64;
        let read = Raw::read(&path);
        if known == 0 {
            assert!(
                read.unwrap_err()
                    .to_string()
                    .contains("before the first values")
            );
            continue;
        }
        let profile = Named::new(&read.unwrap()).at(&When::End).unwrap();
        assert_eq!(total(&profile), known * 10_000_000, "{end}");
    }
    // And what is appended stands on a line of its own.
    for cut in [1, 20] {
        let path = directory.path().join("cut.jsonl");
        fs::write(&path, &text[..text.len() - cut]).unwrap();
        finish(&path).unwrap();
        let raw = Raw::read(&path).unwrap();
        let known = if cut == 1 { 30_000_000 } else { 20_000_000 };
        assert_eq!(total(&Named::new(&raw).at(&When::End).unwrap()), known);
    }
}

#[test]
fn a_file_that_is_wrong_before_its_end_is_named_with_the_line() {
    let directory = tempfile::tempdir().unwrap();
    let good = fixture::text(&fixture::heap());
    let lines: Vec<&str> = good.lines().collect();
    let stray =
        r#"{"kind":"values","at_ns":1,"lost":0,"sites":[[99,0,"rust",1,1,1.0,1,1.0,1,1.0,1]]}"#;
    for (line, text, words) in [
        (2, "{ not json", "key must be a string"),
        (3, lines[0], "a second header"),
        (3, lines[1], "stack 0 a second time"),
        (9, stray, "stack 99 is not there yet"),
    ] {
        let mut lines = lines.clone();
        lines.insert(line - 1, text);
        let path = directory.path().join("heap.jsonl");
        fs::write(&path, lines.join("\n") + "\n").unwrap();
        let error = finish(&path).unwrap_err().to_string();
        assert!(error.contains(&format!("heap.jsonl:{line}: ")), "{error}");
        assert!(error.contains(words), "{error}");
    }
    let path = directory.path().join("empty.jsonl");
    fs::write(&path, "").unwrap();
    assert!(
        finish(&path)
            .unwrap_err()
            .to_string()
            .contains("it is empty")
    );
    let other = good.replacen("\"schema_version\":1", "\"schema_version\":9", 1);
    fs::write(&path, other).unwrap();
    let error = finish(&path).unwrap_err().to_string();
    assert!(
        error.contains("empty.jsonl:1: it is of schema version 9"),
        "{error}"
    );
    assert_eq!(
        fs::read_dir(directory.path()).unwrap().count(),
        2,
        "something was written"
    );
}

#[test]
fn another_build_of_the_executable_gives_no_names_and_it_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let mut lines = fixture::heap();
    let Line::Profile(header) = &mut lines[0] else {
        panic!("no header");
    };
    header.modules[0].build_id = Some("00112233".to_owned());
    let path = fixture::write(directory.path(), "heap.jsonl", &lines);
    let finished = finish(&path).unwrap();
    assert!(
        finished.summary.contains("is not the file that ran"),
        "{}",
        finished.summary
    );
    let collapsed = fs::read_to_string(directory.path().join("heap.peak.collapsed")).unwrap();
    assert!(!collapsed.contains("sqlite3_step"), "{collapsed}");
    assert!(collapsed.contains("(profile-"), "{collapsed}");
    // The C library is as it was.
    assert!(collapsed.contains("qsort"), "{collapsed}");
    let raw = Raw::read(&path).unwrap();
    let exe = fixture::stacks()[0][0];
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        !text.lines().last().unwrap().contains(&exe.to_string()),
        "kept as if it were known"
    );
    drop(raw);
}

#[test]
fn what_has_no_sample_is_a_row_of_its_own_and_the_total_is_what_was_counted() {
    let mut lines = fixture::head(HEAP);
    let exact = Exact {
        sqlite: fixture::counted(3_000_000, 0, 0),
        rust: fixture::counted(70_001, 0, 0),
    };
    let sites = vec![site(0, 1, Side::Sqlite, 2_900_000, 0, 0)];
    lines.push(values(moment("fill", None, None), Some(exact), sites));
    let profile = at(&lines, "end");
    assert_eq!(total(&profile), 3_070_001);
    let rest: Vec<_> = profile
        .rows
        .iter()
        .filter(|row| row.side == Side::Rust)
        .collect();
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0].now.bytes, 70_001);
    let names: Vec<_> = profile
        .functions(rest[0])
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(names, [TOO_SMALL]);
    assert!(profile.accuracy(Quantity::Now).all(|one| !one.misfits()));
}

#[test]
fn samples_far_from_what_was_counted_are_warned_of() {
    let directory = tempfile::tempdir().unwrap();
    let mut lines = fixture::head(HEAP);
    let exact = Exact {
        sqlite: fixture::counted(100_000_000, 0, 0),
        ..Exact::default()
    };
    let sites = vec![site(0, 1, Side::Sqlite, 160_000_000, 0, 0)];
    lines.push(values(moment("fill", None, None), Some(exact), sites));
    let path = fixture::write(directory.path(), "heap.jsonl", &lines);
    let summary = finish(&path).unwrap().summary;
    let words = "WARNING: the samples of SQLite's heap do not fit what was counted: 152.6 MiB where 95.4 MiB";
    assert!(summary.contains(words), "{summary}");
    let pprof = super::proto::Profile::read(&directory.path().join("heap.pb.gz"));
    assert!(
        pprof.comments.iter().any(|one| one.contains(words)),
        "{:?}",
        pprof.comments
    );
    let svg = fs::read_to_string(directory.path().join("heap.end.svg")).unwrap();
    assert!(svg.contains("WARNING"));
}

#[test]
fn what_was_not_counted_is_not_scaled() {
    let mut lines = fixture::head(HEAP);
    let sites = vec![
        site(0, 1, Side::Unknown, 2_900_001, 0, 0),
        site(2, 1, Side::Unknown, 1_000_003, 0, 0),
    ];
    lines.push(values(moment("fill", None, None), None, sites));
    let profile = at(&lines, "end");
    let sides: Vec<_> = profile
        .rows
        .iter()
        .map(|row| (row.side, row.now.bytes))
        .collect();
    // By their stacks: the first one's leaf is in sqlite3.c.
    assert_eq!(sides, [(Side::Sqlite, 2_900_001), (Side::Rust, 1_000_003)]);
}
