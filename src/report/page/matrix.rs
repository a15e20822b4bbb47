//! Allocators against scenarios: what each pair came to in peak RSS and throughput, and which pairs
//! nothing else beats in both.
//!
//! Only what did the same work is compared: the same parameters but for allocators, the environment
//! and a preloaded library, and the same rows in the end. What ended early, or ran with a profiler that
//! distorts it, is shown and compared with nothing.

use serde_json::{Map, Value};

use super::super::ScenarioReport;
use super::super::format::unsigned_bytes;
use super::super::plot;
use super::executions::ran;
use super::headline::Rate;
use super::html::{Cell, Html, Table, slug};
use super::selection::Group;
use crate::report::remedies::Ran;

/// One scenario in its place.
#[derive(Debug, Clone)]
pub(in crate::report) struct Entry {
    /// The scenario without the choice of allocators.
    pub base: String,
    /// The allocators in force, and what else is set for them.
    pub allocators: String,
    /// What it is compared with: equal for equal work; `None` where it is compared with nothing.
    pub work: Option<String>,
    /// The workload's name.
    pub workload: String,
    /// As in the record.
    pub name: String,
    /// The median of all executions.
    pub peak_bytes: u64,
    /// The same.
    pub rate: Option<Rate>,
    /// `*`, or nothing.
    pub mark: &'static str,
    /// It ended early.
    pub ended_early: bool,
    /// Nothing that did the same work has less memory and more throughput.
    pub best: bool,
}

/// Whether a parameter says who hands out memory.
fn is_allocator(parameter: &str) -> bool {
    matches!(
        parameter,
        "rust_allocator" | "sqlite_allocator" | "memsys5_heap" | "preload"
    ) || parameter.starts_with("env.")
}

/// `insert-allocators` of `insert-allocators[rust_allocator=system,sqlite_allocator=arena]`.
fn base_name(name: &str) -> String {
    let Some((base, choices)) = name.strip_suffix(']').and_then(|name| name.split_once('[')) else {
        return name.to_owned();
    };
    let others = choices.split(',').filter(|choice| {
        let key = choice.split_once('=').map_or(*choice, |(key, _)| key);
        !is_allocator(key)
    });
    let others: Vec<&str> = others.collect();
    match others.is_empty() {
        true => base.to_owned(),
        false => format!("{base}[{}]", others.join(",")),
    }
}

fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// `rust system, sqlite arena, MALLOC_ARENA_MAX=1`
pub(in crate::report) fn allocators(report: &ScenarioReport) -> String {
    let parameter = |name: &str| report.parameters.get(name).map_or("?".into(), words);
    let (rust, sqlite) = match &report.scenario {
        Some(one) => (one.rust_allocator.clone(), one.sqlite_allocator.clone()),
        None => (parameter("rust_allocator"), parameter("sqlite_allocator")),
    };
    let mut parts = vec![format!("rust {rust}"), format!("sqlite {sqlite}")];
    for (name, value) in &report.parameters {
        let value = words(value);
        match name.strip_prefix("env.") {
            Some(name) => parts.push(format!("{name}={value}")),
            None if name == "preload" => parts.push(format!("preload {value}")),
            None => {}
        }
    }
    parts.join(", ")
}

/// A scenario for each group.
pub(in crate::report) fn entries(groups: &[Group<'_>]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = groups.iter().filter_map(entry).collect();
    let fronts: Vec<bool> = entries.iter().map(|one| is_best(one, &entries)).collect();
    for (entry, best) in entries.iter_mut().zip(fronts) {
        entry.best = best;
    }
    entries
}

fn entry(group: &Group<'_>) -> Option<Entry> {
    let first = &group.runs.first()?.report;
    let median = Ran::median(&ran(&group.runs));
    let peak_bytes = median
        .as_ref()
        .map_or(first.peak_bytes(), |one| one.peak_rss_bytes);
    let rate = Rate::of(first).map(|rate| Rate {
        per_second: median
            .as_ref()
            .map_or(rate.per_second, |one| one.throughput),
        ..rate
    });
    let mut reports = group.runs.iter().map(|course| &course.report);
    let ended_early = reports.any(|report| !report.errors.is_empty() || report.result.is_none());
    let is_comparable = !ended_early && first.distorted_by().is_none();
    let same: Map<String, Value> = (first.parameters.iter())
        .filter(|(name, _)| !is_allocator(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let rows = first.result.as_ref().map_or(0, |result| result.rows);
    let side = group.side.map_or("", |side| side.name());
    let work = format!("{} {rows} {side}", Value::Object(same));
    Some(Entry {
        base: match group.side {
            Some(side) => format!("{}, {}", base_name(group.of), side.name()),
            None => base_name(group.of),
        },
        allocators: allocators(first),
        work: is_comparable.then_some(work),
        workload: first
            .parameters
            .get("workload")
            .map_or(String::new(), words),
        name: group.name(),
        peak_bytes,
        rate,
        mark: first.mark(),
        ended_early,
        best: false,
    })
}

/// Peak and throughput of one are as good as those of another, and one of them is better.
pub(in crate::report) fn dominates(one: &(f64, f64), other: &(f64, f64)) -> bool {
    one.0 <= other.0 && one.1 >= other.1 && one != other
}

fn point(entry: &Entry) -> Option<(f64, f64)> {
    Some((entry.peak_bytes as f64, entry.rate?.per_second))
}

/// On the front of those that did the same work. What is alone is on none.
fn is_best(entry: &Entry, all: &[Entry]) -> bool {
    let Some((work, here)) = entry.work.as_ref().zip(point(entry)) else {
        return false;
    };
    let mut others = all.iter().filter(|other| !std::ptr::eq(*other, entry));
    let same = |other: &&Entry| other.work.as_ref() == Some(work);
    let others: Vec<(f64, f64)> = others.by_ref().filter(same).filter_map(point).collect();
    !others.is_empty() && !others.iter().any(|other| dominates(other, &here))
}

/// Writes the section; nothing where nothing came to a number.
pub(super) fn write(out: &mut Html, groups: &[Group<'_>]) {
    let entries = entries(groups);
    if entries.iter().all(|one| one.peak_bytes == 0) {
        return;
    }
    out.raw("<section id=\"allocators\"><h2>Allocators and scenarios</h2>\n");
    table(&entries).write(out);
    let mut text = String::from("Peak RSS, and below it throughput. ");
    text.push_str(match entries.iter().any(|one| one.best) {
        true => {
            "◆ Pareto front: nothing that did the same work (every parameter the same but allocators, \
             environment and preloaded library) has less memory and more throughput. What differs by a \
             few percent in a single run may be chance."
        }
        false => {
            "No two scenarios did the same work under different allocators, so there is no front."
        }
    });
    if let Some(marked) = entries.iter().find(|one| !one.mark.is_empty()) {
        let words = format!(" {}: instrumented, and compared with nothing.", marked.mark);
        text.push_str(&words);
    }
    if entries.iter().any(|one| one.ended_early) {
        text.push_str(" …: ended early, and compared with nothing.");
    }
    out.paragraph("note", text);
    scatters(out, &entries);
    out.close("section");
}

fn table(entries: &[Entry]) -> Table {
    let mut columns: Vec<&str> = Vec::new();
    let mut bases: Vec<&str> = Vec::new();
    for one in entries {
        if !columns.contains(&one.allocators.as_str()) {
            columns.push(&one.allocators);
        }
        if !bases.contains(&one.base.as_str()) {
            bases.push(&one.base);
        }
    }
    let heads = columns
        .iter()
        .map(|name| Cell::number(name).class("n wrap"));
    let heads = std::iter::once(Cell::text("scenario")).chain(heads);
    let mut table = Table::new("Peak RSS and throughput by allocators", heads.collect());
    for base in bases {
        let cells = columns.iter().map(|column| {
            let mut here = Html::new();
            let ours = |one: &&Entry| one.base == base && one.allocators == *column;
            for one in entries.iter().filter(ours) {
                cell(&mut here, one);
            }
            match here.is_empty() {
                true => Cell::number("–"),
                false => Cell::html(here).class("n"),
            }
        });
        table.row(std::iter::once(Cell::text(base)).chain(cells).collect());
    }
    table
}

fn cell(out: &mut Html, one: &Entry) {
    out.raw("<div class=\"pair\">");
    if one.best {
        out.raw("<span class=\"front\" title=\"on the Pareto front\">◆</span> ");
    }
    let early = if one.ended_early { "…" } else { "" };
    let peak = unsigned_bytes(one.peak_bytes);
    out.element("b", &[], format_args!("{peak}{}{early}", one.mark));
    let rate = one.rate.map_or("–".into(), |rate| rate.words());
    out.raw("<br>").text(rate).text(one.mark).raw("</div>");
}

/// A picture for those that did the same work; and for each workload one of all of its scenarios.
fn scatters(out: &mut Html, entries: &[Entry]) {
    let mut works: Vec<&str> = Vec::new();
    let mut workloads: Vec<(&str, &str)> = Vec::new();
    for one in entries {
        if let Some(work) = one.work.as_deref().filter(|work| !works.contains(work)) {
            works.push(work);
        }
        let unit = one.rate.map(|rate| (one.workload.as_str(), rate.unit));
        if let Some(unit) = unit.filter(|unit| !workloads.contains(unit)) {
            workloads.push(unit);
        }
    }
    let mut shown: Vec<Vec<&Entry>> = Vec::new();
    for (at, work) in works.into_iter().enumerate() {
        let same = |one: &&Entry| one.work.as_deref() == Some(work) && point(one).is_some();
        let same: Vec<&Entry> = entries.iter().filter(same).collect();
        if let [first, _, ..] = same[..] {
            let text = format!("{}: the same work under different allocators.", first.base);
            scatter(out, &same, &slug("same-work", at + 1), &text, |one| {
                &one.allocators
            });
            shown.push(same);
        }
    }
    for (at, (workload, unit)) in workloads.into_iter().enumerate() {
        let ours = |one: &&Entry| {
            let counts = one.rate.is_some_and(|rate| rate.unit == unit);
            counts && one.workload == workload && one.mark.is_empty() && !one.ended_early
        };
        let ours: Vec<&Entry> = entries.iter().filter(ours).collect();
        let is_in =
            |same: &[&Entry], one: &Entry| same.iter().any(|other| std::ptr::eq(*other, one));
        let is_shown = shown
            .iter()
            .any(|same| ours.iter().all(|one| is_in(same, one)));
        if ours.len() > 1 && !is_shown {
            let text = format!(
                "All scenarios of workload {workload}. They do different work, so that this shows what \
                 each costs, and none is better than another."
            );
            scatter(out, &ours, &slug("workload", at + 1), &text, |one| {
                &one.name
            });
        }
    }
}

fn scatter(
    out: &mut Html,
    entries: &[&Entry],
    id: &str,
    caption: &str,
    name: impl Fn(&Entry) -> &String,
) {
    let is_same_work = entries.iter().all(|one| one.work == entries[0].work);
    let spots: Vec<plot::Spot> = (entries.iter())
        .filter_map(|one| {
            let (bytes, throughput) = point(one)?;
            Some(plot::Spot {
                name: name(one).clone(),
                group: name(one).clone(),
                bytes,
                throughput,
                best: is_same_work && one.best,
            })
        })
        .collect();
    let unit = entries
        .iter()
        .find_map(|one| one.rate)
        .map_or("", |rate| rate.unit);
    out.raw("<figure>").plot(&plot::scatter(&spots, unit, id));
    out.element("figcaption", &[], caption).raw("</figure>\n");
}

#[cfg(test)]
mod tests;
