use super::*;
use crate::record::{Line, Reader, encode};
use crate::report::cycles::samples::{MIB, in_time};

fn markdown(lines: &[Line]) -> String {
    let mut bytes = Vec::new();
    lines
        .iter()
        .for_each(|line| encode(line, &mut bytes).unwrap());
    let gathered = Gathered::of(Reader::over(&bytes[..], "r")).unwrap();
    let mut out = Vec::new();
    write(&mut out, &gathered).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn rows_have_the_numbers_of_the_ledgers() {
    let text = markdown(&in_time("snapshot", &[560, 1000, 1500]));
    let row = text
        .lines()
        .find(|line| line.starts_with("| snapshot |"))
        .unwrap();
    for number in [
        "1500.0 MiB",
        "2024.0 MiB",
        "+940.0 MiB",
        "allocator, 62.7 %",
    ] {
        assert!(row.contains(number), "{row}");
    }
    let rows: Vec<&str> = text
        .lines()
        .skip_while(|line| !line.starts_with("### RSS"))
        .collect();
    let found = [3, 4, 5, 6, 7].map(|at| rows.get(at + 1).copied().unwrap_or_default());
    assert_eq!(
        found,
        [
            "| 0 | 560.0 |",
            "| 1 | 1,000.0 |",
            "| 2 | 1,500.0 |",
            "| **growth** | **+940.0** |",
            "| **peak** | **2,024.0** |"
        ]
    );
    assert_eq!(1500 * MIB, 1_572_864_000);
}

#[test]
fn names_are_text_and_nothing_else() {
    let hostile = "a|b`c`<img src=x onerror=alert(1)>\n# @everyone **x** [l](u)";
    let text = markdown(&in_time(hostile, &[560, 1000]));
    assert!(!text.contains("<img") && !text.contains("\n# ") && !text.contains("@everyone"));
    assert!(!text.contains(" **x**") && !text.contains(" [l]"), "{text}");
    let row = text.lines().find(|line| line.starts_with("| a")).unwrap();
    let unescaped = row.replace("\\|", "");
    assert_eq!(unescaped.matches('|').count(), 8, "{row}");
}

#[test]
fn a_thousand_scenarios_fit_into_a_comment_and_it_says_what_does_not() {
    let name = |n: usize| format!("{n}[{}]", "<choice>=\"value\",".repeat(30));
    let all: Vec<Line> = (0..1000)
        .flat_map(|n| in_time(&name(n), &[560, 900]))
        .collect();
    let text = markdown(&all);
    assert!(text.chars().count() <= 65_536, "{}", text.chars().count());
    assert!(
        text.contains("Left out, because") || text.contains("are left out"),
        "{text}"
    );
}
