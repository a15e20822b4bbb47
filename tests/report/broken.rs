//! Records that end in the middle, that a later version wrote, or with lines that nobody knows.

use serde_json::Value;

use crate::made::{self, errors, program};

/// Each broken record with what must be said of it.
fn cases() -> Vec<(String, &'static str)> {
    let whole = made::text();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let verdict = lines
        .iter()
        .position(|line| line.contains("\"verdict\""))
        .unwrap();
    let half = lines[..verdict - 3].concat();
    let unknown = "{\"schema_version\":1,\"kind\":\"weather\",\"rain\":true}\n";
    vec![
        (half.clone() + &lines[verdict - 3][..40], "cut off"),
        (
            format!("{half}{unknown}{}", lines[verdict - 3..].concat()),
            "weather",
        ),
        (
            half.clone() + "{\"schema_version\":99,\"kind\":\"phase\"}\n" + lines[verdict],
            "newer",
        ),
        (half + "garbage\n" + lines[verdict], "no further"),
    ]
}

#[test]
fn what_is_readable_is_reported_with_a_note_in_every_format() {
    for (text, words) in cases() {
        let (directory, record) = made::record(&text);
        let record = record.to_str().unwrap();
        for format in ["html", "markdown", "csv", "json"] {
            let output = program(
                directory.path(),
                ["report", record, "--format", format, "-o", "-"],
            );
            let said = errors(&output);
            assert_eq!(output.status.code(), Some(0), "{format} {words}: {said}");
            assert!(said.contains(words), "{format} {words}: {said}");
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(text.contains("snapshot-memory"), "{format} {words}");
            match format {
                "html" | "markdown" => assert!(text.contains(words), "{format} {words}"),
                "json" => {
                    let object: Value = serde_json::from_str(&text).unwrap();
                    assert!(
                        !object["scenarios"][0]["phases"]
                            .as_array()
                            .unwrap()
                            .is_empty()
                    );
                }
                _ => assert!(text.lines().count() > 100),
            }
        }
    }
}

#[test]
fn a_scenario_without_a_verdict_is_judged_from_what_is_there_and_the_page_says_so() {
    let whole = made::text();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let verdict = lines
        .iter()
        .position(|line| line.contains("\"verdict\""))
        .unwrap();
    let (_directory, record) = made::record(&lines[..verdict].concat());
    let page = made::page(&record);
    assert!(page.contains("judged by what is there"));
    assert!(page.contains("database-in-memory"));
    assert!(!made::page(made::run()).contains("judged by what is there"));
}
