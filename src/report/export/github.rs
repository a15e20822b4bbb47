//! The custom JSON of github-action-benchmark, for its tool `customSmallerIsBetter`: an array of
//! `{name, unit, value, range, extra}`.
//!
//! One file has one direction, so throughput stands as nanoseconds for each row and for each cycle. The
//! action divides a value by the one before it, so what may be 0 or negative is not in it: growth, what is
//! retained, what is unattributed. `range` is the least and the most of several executions, and `extra` says
//! where the numbers come from. A scenario whose numbers may not be compared is left out.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::measures::{self, Measured, What};
use super::number;
use crate::report::gathered::Gathered;

/// Writes it, with a line's end.
///
/// # Errors
/// Those of `out`.
pub fn write(out: &mut dyn Write, run: &Gathered) -> io::Result<()> {
    let mut entries = Vec::new();
    let all = measures::of(run);
    for one in all.iter().filter(|one| one.incomparable().is_none()) {
        let extra = extra(run, one);
        for measure in one.measures.iter().filter(|one| one.what.is_work()) {
            let Some((name, unit)) = place(&measure.what) else {
                continue;
            };
            // A rate's least is the most time.
            let scaled = |value: f64| match measure.what.bigger_is_better() {
                true => 1e9 / value,
                false => value,
            };
            let value = scaled(measure.median());
            if value <= 0.0 {
                continue;
            }
            let mut entry = json!({
                "name": format!("{}: {name}", one.name()),
                "unit": unit,
                "value": number(value),
                "extra": &extra,
            });
            if let Some((least, most)) = measure.range() {
                let ends = (scaled(least), scaled(most));
                let (least, most) = (ends.0.min(ends.1), ends.0.max(ends.1));
                entry["range"] = format!("{}..{}", number(least), number(most)).into();
            }
            entries.push(entry);
        }
    }
    serde_json::to_writer_pretty(&mut *out, &Value::Array(entries))?;
    writeln!(out)
}

fn place(what: &What) -> Option<(String, &'static str)> {
    let (name, unit) = match what {
        What::RowsPerSecond => ("time of a row", "ns/row"),
        What::Cycle => ("time of a cycle", "ns/cycle"),
        What::Phase(phase) => return Some((format!("time of {phase}"), "ns")),
        What::PeakRss => ("peak RSS", "bytes"),
        What::EndRss => ("RSS at the end", "bytes"),
        What::SqliteLive => ("SQLite live at the end", "bytes"),
        What::CyclesPerSecond
        | What::Growth
        | What::Retained
        | What::Unattributed
        | What::Owner(_)
        | What::Term(..)
        | What::Part(..) => return None,
    };
    Some((name.to_owned(), unit))
}

/// A line for each fact.
fn extra(run: &Gathered, one: &Measured) -> String {
    let text = |value: Option<&Value>| Some(value?.as_str()?.to_owned());
    let environment = &run.environment;
    let facts = [
        ("run", run.run.as_ref().map(|run| run.run_id.clone())),
        ("machine", text(environment.get("machine_key"))),
        (
            "suite",
            run.run.as_ref().map(|run| run.suite_version.clone()),
        ),
        (
            "SQLite",
            environment
                .get("sqlite")
                .and_then(|sqlite| text(sqlite.get("version"))),
        ),
        ("Rust's allocator", one.rust_allocator.clone()),
        ("SQLite's allocator", one.sqlite_allocator.clone()),
        ("executions", Some(one.executions.to_string())),
    ];
    let lines = facts
        .into_iter()
        .filter_map(|(name, fact)| Some(format!("{name}: {}", fact?)));
    lines.collect::<Vec<_>>().join("\n")
}
