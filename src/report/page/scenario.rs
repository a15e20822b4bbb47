//! The section of one scenario: its headline, what it was, its ledgers over time and at its end, its
//! phases, its verdicts with their evidence, and what the probes gave back.

use std::path::Path;

use serde_json::Value;

use super::super::cycles::Quantity;
use super::super::format::{bytes, count, nanoseconds, unsigned_bytes};
use super::super::gathered::Course;
use super::super::instrumented::MARK;
use super::super::verdicts::{number, these, what_it_did};
use super::super::{ScenarioReport, describe, phases, plot, profiled};
use super::headline::{Headline, Tone, end_of};
use super::html::{Cell, Html, Table};
use super::{chip, flames, ledger, sentence};
use crate::record::ScenarioRecord;
use crate::verdict::{Finding, GaveBack, Judgement};
use crate::workload::pragmas::took;

/// Where the section is on the page, and where its run is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// Of the section; unique.
    pub id: &'a str,
    /// The run's directory.
    pub directory: Option<&'a Path>,
    /// The scenario's number in its run, from 0.
    pub number: usize,
}

/// Writes the section.
pub(super) fn write(out: &mut Html, course: &Course, headline: &Headline, place: Place<'_>) {
    let report = &course.report;
    out.open("section", &[("id", place.id), ("class", "scenario")]);
    out.raw("<h2>").name(&report.name).raw("</h2>\n");
    chips(out, headline);
    sentence(out, &headline.sentence);
    figures(out, report, headline);
    errors(out, report);
    facts(out, report);
    if !course.timeline.points().is_empty() {
        let id = format!("{}-ledger", place.id);
        out.raw("<h3>Who owned how much, when</h3>\n");
        out.plot(&plot::ledger(&course.timeline, &id));
        if course.timeline.is_thinned() {
            let text = format!(
                "Of {} ledgers those that stand out are drawn.",
                count(course.timeline.ledgers())
            );
            out.paragraph("note", text);
        }
    }
    if let Some(end) = end_of(course) {
        out.raw("<h3>The ledger at its end</h3>\n");
        ledger::write(out, end);
        over_bound(out, report);
    }
    verdicts(out, report, headline);
    probes(out, &headline.judgement.probes);
    write_phases(out, report);
    if let (Some(scenario), Some(directory)) = (&report.scenario, place.directory) {
        flames::write(out, scenario, directory, place.number);
    }
    out.close("section");
}

/// The verdicts by name, with colour and words.
pub(super) fn chips(out: &mut Html, headline: &Headline) {
    out.raw("<p class=\"chips\">");
    for (name, tone) in headline.chips() {
        chip(out, name, tone);
    }
    if headline.is_judged_here {
        out.element(
            "span",
            &[("class", "note")],
            "the record has no verdict: judged by what is there",
        );
    }
    out.raw("</p>\n");
}

/// The numbers of the headline.
pub(super) fn figures(out: &mut Html, report: &ScenarioReport, headline: &Headline) {
    let mark = headline.mark;
    let rss = headline.end.as_ref();
    let live = report.cycles.range(Quantity::SqliteLive);
    let live = live.map(|(least, most)| match most - least {
        0 => format!("{} after every cycle, to the byte", bytes(most)),
        spread if bytes(least) == bytes(most) => {
            format!(
                "{} after every cycle, to within {spread} bytes",
                bytes(most)
            )
        }
        _ => format!("{} to {}", bytes(least), bytes(most)),
    });
    let marked = |words: Option<String>| words.map(|words| format!("{words}{mark}"));
    let all = [
        (
            rss.map_or(String::new(), |(_, when)| format!("RSS {when}")),
            marked(rss.map(|(rss, _)| bytes(*rss))),
        ),
        ("peak".into(), marked(headline.peak_words())),
        ("growth".into(), marked(headline.growth_words())),
        ("largest owner at its end".into(), headline.largest_words()),
        (
            "throughput".into(),
            marked(headline.rate.map(|rate| rate.words())),
        ),
        ("SQLite live".into(), live),
    ];
    out.raw("<dl class=\"figures\">");
    for (name, value) in all {
        let Some(value) = value else { continue };
        out.raw("<div>").element("dt", &[], name);
        out.element("dd", &[], value).raw("</div>");
    }
    out.raw("</dl>\n");
}

/// What ended it early, and what went wrong besides.
pub(super) fn errors(out: &mut Html, report: &ScenarioReport) {
    for error in &report.errors {
        out.paragraph("error", describe(error));
    }
    let result = report.result.as_ref();
    if let Some(words) = result.and_then(|result| result.not_closed.as_ref()) {
        let text = format!("not closed, so its memory stays: {words}");
        out.paragraph("warning", text);
    }
    if result.is_some_and(|result| !result.verified) {
        out.paragraph(
            "error",
            "The content of the database is not what it should be.",
        );
    }
    if let Some(by) = report.distorted_by() {
        let text =
            format!("{MARK} instrumented by {by}: not the times and RSS of a run without it.");
        out.paragraph("warning", text);
    }
}

/// What it was: rows and content, allocators, settings, PRAGMAs.
fn facts(out: &mut Html, report: &ScenarioReport) {
    if let Some(result) = &report.result {
        let distinct = result
            .distinct_rows
            .map(|rows| format!("{} distinct", count(rows)));
        let cycles = result
            .cycles
            .map(|cycles| format!("{} cycles", count(cycles.into())));
        let dump = result
            .dump_bytes
            .map(|size| format!("{} of SQL a dump", unsigned_bytes(size)));
        let verified = result.verified.then(|| "content verified".to_owned());
        let parts = [
            Some(format!("{} rows", count(result.rows))),
            distinct,
            cycles,
            dump,
            verified,
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        out.paragraph("note", parts.join(", "));
    }
    if let Some(scenario) = &report.scenario {
        allocators(out, report, scenario);
    }
    if report.parameters.is_empty() {
        return;
    }
    out.raw("<details><summary>Settings and PRAGMAs</summary>\n");
    let heads = ["setting", "value"].map(Cell::text).to_vec();
    let mut table = Table::new("Every setting, by the name that --set takes", heads);
    for (name, value) in &report.parameters {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        table.row(vec![Cell::text(name), Cell::text(text).class("wrap")]);
    }
    table.write(out);
    if let Some(scenario) = &report.scenario {
        pragmas(out, scenario);
    }
    out.raw("</details>\n");
}

fn allocators(out: &mut Html, report: &ScenarioReport, scenario: &ScenarioRecord) {
    let (rust, sqlite) = (&scenario.rust_allocator, &scenario.sqlite_allocator);
    let route = match scenario.route_verified {
        true => "route verified",
        false => "route not verified",
    };
    let evidence = &scenario.route_evidence;
    let text = format!("Allocators: rust {rust}, sqlite {sqlite}, {route}: {evidence}");
    out.paragraph("note", text);
    if let Some(profiled) = profiled::words(&scenario.instruments) {
        out.paragraph("note", profiled);
    }
    for pragma in &scenario.pragmas {
        let (Some(asked), Some(found)) = (&pragma.asked, &pragma.read_back) else {
            continue;
        };
        if !took(&pragma.name, asked, found) {
            let name = &pragma.name;
            let text = format!("PRAGMA {name} = {asked} did nothing: it is {found}");
            out.paragraph("warning", text);
        }
    }
    if report.over_bound().is_empty() {
        return;
    }
    for absent in &scenario.absent {
        let text = format!("Not measured here: {}: {}", absent.what, absent.why);
        out.paragraph("warning", text);
    }
}

fn pragmas(out: &mut Html, scenario: &ScenarioRecord) {
    /// Many connections of a pool say the same.
    const MOST: usize = 60;
    let heads = ["PRAGMA", "connection", "asked", "read back"].map(Cell::text);
    let mut table = Table::new("PRAGMAs, as asked for and as read back", heads.to_vec());
    for pragma in scenario.pragmas.iter().take(MOST) {
        let text = |text: &Option<String>| Cell::text(text.as_deref().unwrap_or("–"));
        table.row(vec![
            Cell::text(&pragma.name),
            Cell::number(pragma.connection),
            text(&pragma.asked),
            text(&pragma.read_back),
        ]);
    }
    table.write(out);
    let left_out = scenario.pragmas.len().saturating_sub(MOST);
    if left_out > 0 {
        out.paragraph(
            "note",
            format_args!("{left_out} more, of further connections."),
        );
    }
}

fn over_bound(out: &mut Html, report: &ScenarioReport) {
    let moments = report.over_bound();
    if !moments.is_empty() {
        let text = format!("Unattributed is over its bound {}.", moments.join(", "));
        out.paragraph("warning", text);
    }
}

/// Every finding with what it rests on.
fn verdicts(out: &mut Html, report: &ScenarioReport, headline: &Headline) {
    let judgement = &headline.judgement;
    out.raw("<h3>Verdicts</h3>\n");
    if let Some(expected) = report
        .verdict
        .as_ref()
        .and_then(|one| one.expected.as_ref())
    {
        let names: Vec<&str> = expected.iter().map(|one| one.name()).collect();
        let names = if names.is_empty() {
            "none".into()
        } else {
            names.join(", ")
        };
        let outcome = match (judgement.none.is_some(), judgement.is(expected)) {
            (true, _) => "it is too short to tell",
            (_, true) => "as found",
            (_, false) => "something else was found",
        };
        out.paragraph("note", format_args!("Expected: {names}; {outcome}."));
    }
    if let Some(why) = &judgement.none {
        out.paragraph("", format_args!("No verdict: {why}."));
    }
    for one in &judgement.findings {
        finding(out, one, judgement);
    }
    let told = judgement
        .findings
        .iter()
        .any(|one| !one.statements.is_empty());
    if !told {
        statements(out, &report.not_finalized);
    }
}

fn finding(out: &mut Html, one: &Finding, judgement: &Judgement) {
    out.raw("<div class=\"finding\"><p>");
    chip(out, one.verdict.name(), Tone::of(one.verdict));
    if one.bytes != 0 {
        out.element("b", &[], bytes(one.bytes)).raw(", ");
    }
    out.text(format_args!("confidence {}", one.confidence.name()));
    out.raw("</p>\n");
    let meaning = one.verdict.meaning();
    match &one.detail {
        Some(detail) => out.paragraph("", format_args!("{meaning}. {detail}")),
        None => out.paragraph("", meaning),
    };
    if !one.evidence.is_empty() {
        out.raw("<ul>");
        for evidence in &one.evidence {
            out.element("li", &[], number(evidence, &judgement.per));
        }
        out.raw("</ul>\n");
    }
    statements(out, &one.statements);
    if let Some(probe) = &one.probe {
        out.paragraph("", what_it_did(probe));
    }
    out.raw("</div>\n");
}

/// Of those that were not finalized the largest.
fn statements(out: &mut Html, all: &[crate::memory::statements::Statements]) {
    const MOST: usize = 20;
    if all.is_empty() {
        return;
    }
    out.raw("<ul class=\"statements\">");
    for one in all.iter().take(MOST) {
        out.element("li", &[], these(one));
    }
    out.raw("</ul>\n");
    if all.len() > MOST {
        let more = count((all.len() - MOST) as u64);
        out.paragraph("note", format_args!("and {more} more, smaller ones"));
    }
}

/// What each probe gave back.
fn probes(out: &mut Html, probes: &[GaveBack]) {
    let heads = [
        "what was done",
        "RSS",
        "SQLite live",
        "SQLite blocks",
        "page cache",
    ];
    let heads = heads.iter().enumerate().map(|(at, head)| match at {
        0 => Cell::text(head),
        _ => Cell::number(head),
    });
    let caption = "What each probe gave back, in the order in which they ran";
    let mut table = Table::new(caption, heads.collect());
    for one in probes {
        let blocks = match one.sqlite_blocks {
            blocks @ 0.. => count(blocks.unsigned_abs()),
            blocks => format!("-{}", count(blocks.unsigned_abs())),
        };
        table.row(vec![
            Cell::text(one.probe.action()).class("wrap"),
            Cell::number(bytes(one.rss_bytes)),
            Cell::number(bytes(one.sqlite_live_bytes)),
            Cell::number(blocks),
            Cell::number(bytes(one.page_cache_bytes)),
        ]);
    }
    if !probes.is_empty() {
        out.raw("<h3>Probes</h3>\n");
        table.write(out);
    }
}

/// A row for each phase, and one for all of a kind that repeats.
fn write_phases(out: &mut Html, report: &ScenarioReport) {
    let rows = phases::rows(report);
    if rows.is_empty() {
        return;
    }
    let mark = report.mark();
    out.raw("<h3>Phases</h3>\n");
    let number_head = |text: &str| Cell::number(format_args!("{text}{mark}"));
    let heads = vec![
        Cell::text("phase"),
        number_head("elapsed"),
        number_head("RSS"),
        number_head("peak"),
        Cell::number("SQLite live"),
        Cell::number("unattributed"),
    ];
    let mut table = Table::new("Phases, each at its end", heads);
    for row in &rows {
        let unattributed = Cell::number(bytes(row.unattributed_bytes));
        table.row(vec![
            Cell::text(&row.name),
            Cell::number(nanoseconds(row.elapsed_ns)),
            Cell::number(bytes(row.rss_bytes)),
            Cell::number(unsigned_bytes(row.peak_rss_bytes)),
            Cell::number(row.live_bytes.map_or_else(|| "–".to_owned(), bytes)),
            match row.within_bound {
                true => unattributed,
                false => Cell::number(format_args!("{} over", bytes(row.unattributed_bytes)))
                    .class("n bad"),
            },
        ]);
    }
    table.write(out);
    if report.cycles.kinds().iter().any(|kind| kind.count > 1) {
        out.paragraph("note", phases::OF_MANY);
    }
}
