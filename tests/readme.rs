//! What the README lists is what there is.

use std::collections::BTreeSet;

const README: &str = include_str!("../README.md");
const PLAN: &str = include_str!("../benches/support/plan.rs");

/// Every variable of the benches that `text` names.
fn variables(text: &str) -> BTreeSet<&str> {
    let is_name = |c: char| c.is_ascii_uppercase() || c == '_';
    text.match_indices("SQLITE_MEMBENCH_")
        .map(|(at, _)| &text[at..])
        .map(|rest| &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())])
        .filter(|name| name.contains("_BENCH_") || name.ends_with("_ENFORCE"))
        .collect()
}

#[test]
fn the_readme_lists_every_variable_of_the_benches_and_no_other() {
    let between = README.split("bench variables -->").nth(1).unwrap();
    let listed = variables(between);
    assert_eq!(listed, variables(PLAN));
    assert!(listed.len() >= 9, "{listed:?}");
}

#[test]
fn the_readme_names_every_bench_and_no_other() {
    let manifest: toml::Table = toml::from_str(include_str!("../Cargo.toml")).unwrap();
    let benches = manifest["bench"].as_array().unwrap();
    let names: BTreeSet<&str> = benches
        .iter()
        .map(|b| b["name"].as_str().unwrap())
        .collect();
    let section = README.split("## Benchmark it").nth(1).unwrap();
    let table = section.split("A sample is").next().unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let listed: BTreeSet<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    assert_eq!(listed, names);
}
