//! A run as one HTML page that needs nothing else: no network, no file beside it.
//!
//! A module a section. What the record says goes through `html`, which escapes it; a policy in the
//! head forbids whatever might slip through to fetch anything.

use std::io::{self, Write};
use std::path::Path;

use super::format::count;
use super::gathered::{Course, Gathered};
use super::{describe, plot};
use headline::{Headline, Part, Tone};
use html::{Html, slug};
use selection::Selection;

pub(super) mod cycles;
pub(super) mod environment;
pub(super) mod executions;
mod flames;
pub(super) mod headline;
pub(super) mod html;
mod ledger;
pub(super) mod matrix;
pub(super) mod remedies;
mod scenario;
pub(super) mod selection;
mod sources;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("page.js");

/// Nothing is fetched; scripts and styles are those of the page, and frames hold what is in it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                      img-src data:; frame-src data:; base-uri 'none'; form-action 'none'";

/// Writes it. Flamegraphs are taken from `directory`, the run's.
///
/// # Errors
/// Those of `out`.
pub fn write(out: &mut dyn Write, run: &Gathered, directory: Option<&Path>) -> io::Result<()> {
    let selection = Selection::of(run);
    let headlines: Vec<Headline> = (selection.full.iter())
        .map(|course| Headline::of(course))
        .collect();
    let mut page = Html::new();
    head(&mut page, run);
    header(&mut page, run);
    navigation(&mut page, &selection);
    page.raw("<main>\n");
    overview(&mut page, &selection, &headlines);
    remedies::write(&mut page, &selection.diagnosed);
    executions::write(&mut page, selection.repeated());
    cycles::write(&mut page, &selection.firsts);
    matrix::write(&mut page, &selection.groups);
    out.write_all(page.as_str().as_bytes())?;
    // A section at a time, so that no more than one is held.
    for (course, headline) in selection.full.iter().zip(&headlines) {
        let mut section = Html::new();
        let place = scenario::Place {
            id: &id(&selection, course),
            directory,
            number: number(run, course),
        };
        scenario::write(&mut section, course, headline, place);
        out.write_all(section.as_str().as_bytes())?;
    }
    let mut rest = Html::new();
    environment::write(&mut rest, &run.environment);
    sources::write(&mut rest, &run.scenarios);
    rest.raw("</main>\n");
    footer(&mut rest, run);
    out.write_all(rest.as_str().as_bytes())
}

/// The number of a scenario in its run.
fn number(run: &Gathered, course: &Course) -> usize {
    let same = |one: &Course| std::ptr::eq(one, course);
    run.scenarios.iter().position(same).unwrap_or(usize::MAX)
}

/// Of the section of a scenario.
fn id(selection: &Selection<'_>, course: &Course) -> String {
    slug(&course.report.name, selection.place(course).unwrap_or(0))
}

fn head(page: &mut Html, run: &Gathered) {
    page.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    let policy = [
        ("http-equiv", "Content-Security-Policy"),
        ("content", POLICY),
    ];
    page.open("meta", &policy).raw("\n");
    page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    page.raw("<meta name=\"color-scheme\" content=\"light dark\">\n");
    page.raw("<meta name=\"referrer\" content=\"no-referrer\">\n");
    page.element(
        "title",
        &[],
        format_args!("{} – sqlite-membench", run.name()),
    );
    page.raw("\n<style>\n").raw(STYLE).raw(plot::STYLE);
    page.raw("</style>\n</head>\n<body>\n");
}

fn header(page: &mut Html, run: &Gathered) {
    page.raw("<header>\n<div class=\"bar\"><p class=\"product\">sqlite-membench</p>");
    page.raw(
        "<button type=\"button\" id=\"theme\" hidden aria-live=\"polite\">colours: auto</button></div>\n",
    );
    page.element("h1", &[], run.name()).raw("\n");
    let mut parts = Vec::new();
    if let Some(record) = &run.run {
        parts.push(record.started_utc.clone());
        let revision = record.git_revision.as_deref().map(|revision| {
            let short: String = revision.chars().take(12).collect();
            format!(" ({short})")
        });
        let version = &record.suite_version;
        parts.push(format!("suite {version}{}", revision.unwrap_or_default()));
    }
    parts.push(environment::in_few_words(&run.environment));
    parts.retain(|part| !part.is_empty());
    page.paragraph("facts", parts.join(" · "));
    if let Some(record) = &run.run {
        page.element("pre", &[("class", "argv")], record.argv.join(" "));
        page.raw("\n");
    }
    for program in &run.programs {
        let text = format!(
            "{}: {} (content {})",
            program.side.name(),
            program.program,
            program.content_hash
        );
        page.paragraph("facts", text);
    }
    for note in &run.notes {
        page.paragraph("warning", note);
    }
    for error in &run.errors {
        page.paragraph("error", describe(error));
    }
    page.raw("</header>\n");
}

fn navigation(page: &mut Html, selection: &Selection<'_>) {
    page.raw("<nav aria-label=\"Sections\"><ul>\n");
    let mut link = |id: &str, text: &str| {
        let address = format!("#{id}");
        page.raw("<li>")
            .element("a", &[("href", &address)], text)
            .raw("</li>\n");
    };
    link("headlines", "Headlines");
    if !selection.diagnosed.is_empty() {
        link("remedies", "Remedies");
    }
    if !selection.repeated().is_empty() {
        link("executions", "Executions");
    }
    if !cycles::repeating(&selection.firsts).is_empty() {
        link("cycles", "Cycles");
    }
    if !selection.groups.is_empty() {
        link("allocators", "Allocators");
    }
    for course in &selection.full {
        link(&id(selection, course), &course.report.name);
    }
    link("environment", "Environment");
    link("sources", "Sources");
    page.raw("</ul></nav>\n");
}

/// One card a scenario.
fn overview(page: &mut Html, selection: &Selection<'_>, headlines: &[Headline]) {
    page.raw("<section id=\"headlines\"><h2>Headlines</h2>\n");
    if selection.full.is_empty() {
        page.paragraph("", "The record has no scenario.");
    }
    page.raw("<div class=\"cards\">\n");
    for (course, headline) in selection.full.iter().zip(headlines) {
        let address = format!("#{}", id(selection, course));
        page.raw("<article class=\"card\"><h3>");
        page.open("a", &[("href", &address)]);
        page.name(&course.report.name).raw("</a></h3>\n");
        scenario::chips(page, headline);
        sentence(page, &headline.sentence);
        scenario::figures(page, &course.report, headline);
        page.raw("</article>\n");
    }
    page.raw("</div>\n");
    if selection.left_out > 0 {
        let text = format!(
            "{} more scenarios have no section of their own; they are in the tables, and `report \
             --format csv` and `--format json` have all of them.",
            count(selection.left_out as u64)
        );
        page.paragraph("warning", text);
    }
    page.close("section");
}

/// What a scenario came to, for everyone.
fn sentence(out: &mut Html, parts: &[Part]) {
    out.raw("<p class=\"sentence\">");
    for part in parts {
        match part {
            Part::Plain(text) => out.text(text),
            Part::Strong(text) => out.element("strong", &[], text),
        };
    }
    out.raw("</p>\n");
}

/// A verdict with its colour and its words.
fn chip(out: &mut Html, name: &str, tone: Tone) {
    out.open("span", &[("class", tone.class())]).text(name);
    if name != tone.words() {
        out.raw(" <small>").text(tone.words()).raw("</small>");
    }
    out.raw("</span> ");
}

fn footer(page: &mut Html, run: &Gathered) {
    page.raw("<footer>");
    let text = format!(
        "Made by sqlite-membench {} of {}. Bytes are counted in KiB and MiB of 1,024.",
        env!("CARGO_PKG_VERSION"),
        run.record.file_name().unwrap_or_default().to_string_lossy()
    );
    page.paragraph("", text);
    page.raw("</footer>\n<script>\n")
        .raw(SCRIPT)
        .raw(plot::SCRIPT);
    page.raw("</script>\n</body>\n</html>\n");
}
