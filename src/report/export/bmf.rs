//! Bencher Metric Format: `{benchmark: {measure: {value, lower_value, upper_value}}}`.
//!
//! Memory is a scenario's, in measures of their own, in bytes. Times are a phase's, `insert-10m/fill` and
//! `snapshot-memory/dump`, in Bencher's two built-in measures: `latency` in nanoseconds, and `throughput` a
//! second, which are rows for `fill` and cycles for `cycle`. The lower and the upper value are the least and
//! the most of several executions. A scenario whose numbers may not be compared is left out.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::measures::{self, Measure, What};
use super::number;
use crate::report::gathered::Gathered;
use crate::report::timeline::OWNERS;

/// Writes it, with a line's end.
///
/// # Errors
/// Those of `out`.
pub fn write(out: &mut dyn Write, run: &Gathered) -> io::Result<()> {
    let mut benchmarks = Map::new();
    let all = measures::of(run);
    for (number, one) in (1..)
        .zip(&all)
        .filter(|(_, one)| one.incomparable().is_none())
    {
        let scenario = short(one.name(), number);
        for measure in one.measures.iter().filter(|one| one.what.is_work()) {
            let Some((phase, slug)) = place(&measure.what) else {
                continue;
            };
            let name = match phase {
                Some(phase) => format!("{scenario}/{phase}"),
                None => scenario.clone(),
            };
            let benchmark = benchmarks.entry(name).or_insert_with(|| json!({}));
            benchmark[slug] = metric(measure);
        }
    }
    serde_json::to_writer_pretty(&mut *out, &Value::Object(benchmarks))?;
    writeln!(out)
}

/// Bencher takes names of 1024 letters.
fn short(name: String, number: usize) -> String {
    const MOST: usize = 900;
    match name.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}... (scenario {number})", &name[..at]),
        None => name,
    }
}

/// The phase, where it is one's, and the slug of the measure.
fn place(what: &What) -> Option<(Option<&str>, String)> {
    const LATENCY: &str = "latency";
    const THROUGHPUT: &str = "throughput";
    let (phase, slug) = match what {
        What::RowsPerSecond => (Some("fill"), THROUGHPUT),
        What::CyclesPerSecond => (Some("cycle"), THROUGHPUT),
        What::Cycle => (Some("cycle"), LATENCY),
        What::Phase(phase) => (Some(phase.as_str()), LATENCY),
        What::PeakRss => (None, "peak-rss"),
        What::EndRss => (None, "end-rss"),
        What::Growth => (None, "rss-growth"),
        What::SqliteLive => (None, "sqlite-live"),
        What::Retained => (None, "retained"),
        What::Unattributed => (None, "unattributed"),
        What::Owner(owner) if OWNERS.contains(&owner.as_str()) => {
            let slug = format!("owner-{}", owner.replace('_', "-"));
            return Some((None, slug));
        }
        What::Owner(_) | What::Term(..) | What::Part(..) => return None,
    };
    Some((phase, slug.to_owned()))
}

fn metric(measure: &Measure) -> Value {
    let mut metric = json!({ "value": number(measure.median()) });
    if let Some((least, most)) = measure.range() {
        metric["lower_value"] = number(least);
        metric["upper_value"] = number(most);
    }
    metric
}
