//! Records of a diagnosis, and of several executions of one scenario.

use crate::made::{self, page, report};

/// The record's lines of its first scenario, and what stands before them.
fn of_first() -> (String, String) {
    let text = made::text();
    let is_first = |line: &&str| line.contains("\"snapshot-memory\"") && !line.contains("\"run\"");
    let before: String = (text.split_inclusive('\n'))
        .filter(|line| line.contains("\"kind\": \"run\"") || line.contains("\"kind\":\"run\""))
        .collect();
    let lines = text.split_inclusive('\n').filter(is_first).collect();
    (before, lines)
}

fn renamed(lines: &str, name: &str) -> String {
    lines.replace("\"snapshot-memory\"", &format!("\"{name}\""))
}

#[test]
fn several_executions_of_one_scenario_have_one_section_and_a_row_with_their_medians() {
    let (mut text, lines) = of_first();
    for round in 1..=3 {
        let name = format!("snapshot-memory #{round}");
        text.push_str(&format!(
            "{{\"schema_version\":1,\"kind\":\"turn\",\"scenario\":\"{name}\",\"of\":\"snapshot-memory\",\
             \"round\":{round}}}\n{}",
            renamed(&lines, &name)
        ));
    }
    let (_directory, record) = made::record(&text);
    let page = page(&record);
    assert_eq!(page.matches("<section id=\"snapshot-memory-").count(), 1);
    assert_eq!(page.matches("id=\"executions\"").count(), 1);
    let row = "<th scope=\"row\">snapshot-memory</th><td class=\"n\">3</td>";
    assert!(page.contains(row));
    let markdown = report(&record, &["--format", "markdown"]);
    assert!(markdown.contains("| snapshot-memory | 3 |"), "{markdown}");
}

#[test]
fn a_diagnosis_shows_the_scenario_as_it_is_and_each_remedy_in_a_row() {
    let (mut text, lines) = of_first();
    let runs = [
        ("snapshot-memory", 1, "[]"),
        (
            "snapshot-memory + trim=per-cycle",
            1,
            "[\"trim=per-cycle\"]",
        ),
        ("snapshot-memory + x", 1, "[\"<b>=1\"]"),
        ("snapshot-memory #2", 2, "[]"),
        (
            "snapshot-memory + trim=per-cycle #2",
            2,
            "[\"trim=per-cycle\"]",
        ),
    ];
    for (name, round, set) in runs {
        text.push_str(&format!(
            "{{\"schema_version\":1,\"kind\":\"remedy\",\"scenario\":\"{name}\",\
             \"of\":\"snapshot-memory\",\"round\":{round},\"set\":{set}}}\n{}",
            renamed(&lines, name)
        ));
    }
    let (_directory, record) = made::record(&text);
    let page = page(&record);
    assert_eq!(page.matches("<section id=\"snapshot-memory-").count(), 1);
    assert_eq!(page.matches("id=\"remedies\"").count(), 1);
    assert!(page.contains("medians of 2 rounds"));
    for row in ["trim after each cycle", "&lt;b&gt;=1", "as it is"] {
        assert!(
            page.contains(&format!("<th scope=\"row\">{row}</th>")),
            "{row}"
        );
    }
    // All are the same run, so that none of them is better.
    assert!(page.contains("None of them lowers the peak"));
    let markdown = report(&record, &["--format", "markdown"]);
    assert!(markdown.contains("### Remedies for snapshot-memory, medians of 2 rounds"));
    assert!(markdown.contains("| trim after each cycle |"));
}
