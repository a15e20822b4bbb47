//! The remedies of a diagnosis: each with the medians over its rounds, against the scenario as it is.

use super::super::format::{bytes, signed_bytes, unsigned_bytes};
use super::super::gathered::Course;
use super::super::instrumented::MARK;
use super::super::plot;
use super::super::remedies::{Ran, median, percent};
use super::headline::Rate;
use super::html::{Cell, Html, Table, slug};
use crate::analysis::remedy::{Measured, Remedy, candidates, ranking, recommended};
use crate::verdict::Verdict;

/// A remedy with what its rounds came to.
#[derive(Debug, Clone)]
pub(in crate::report) struct Tried {
    /// See [`title`].
    pub title: String,
    /// What does it in a program of one's own, where the suite knows it.
    pub line: Option<&'static str>,
    /// What was changed, as `--set` takes it; empty for the scenario as it is.
    pub set: Vec<String>,
    /// One a round that came to a reading.
    pub runs: Vec<Ran>,
    /// The medians.
    pub ran: Ran,
    /// Throughput against the scenario as it is in the same round, the median; 0 where unknown.
    pub ratio: f64,
}

/// One scenario that was diagnosed.
#[derive(Debug, Clone)]
pub(in crate::report) struct Diagnosis<'a> {
    /// Its name.
    pub of: &'a str,
    /// As it is.
    pub base: Tried,
    /// Best first.
    pub tried: Vec<Tried>,
    /// The place of the recommended one.
    pub best: Option<usize>,
    /// A profiler was in them: its name.
    pub distorted_by: Option<String>,
    /// What throughput counts.
    pub unit: &'static str,
}

/// The remedy that makes these settings, where the suite knows it. Several verdicts may have one with
/// the same settings and another name: those that the scenario has come first.
fn known(set: &[String], verdicts: &[Verdict]) -> Option<Remedy> {
    let all = verdicts.iter().chain(&Verdict::ALL);
    let mut all = all.flat_map(|one| candidates(*one));
    all.find(|remedy| remedy.set.iter().eq(set.iter())).copied()
}

/// What these settings are called, tried against these verdicts: `as it is` where there are none.
pub(in crate::report) fn title(set: &[String], verdicts: &[Verdict]) -> String {
    match (set, known(set, verdicts)) {
        ([], _) => AS_IT_IS.to_owned(),
        (_, Some(remedy)) => remedy.title.to_owned(),
        (set, None) => set.join(" "),
    }
}

const AS_IT_IS: &str = "as it is";

/// What was diagnosed in a record, by scenario.
pub(in crate::report) fn diagnoses<'a>(courses: &[&'a Course]) -> Vec<Diagnosis<'a>> {
    let mut names: Vec<&str> = Vec::new();
    for remedy in courses.iter().filter_map(|course| course.remedy.as_ref()) {
        if !names.contains(&remedy.of.as_str()) {
            names.push(&remedy.of);
        }
    }
    names
        .into_iter()
        .filter_map(|of| diagnosis(courses, of))
        .collect()
}

fn diagnosis<'a>(courses: &[&'a Course], of: &'a str) -> Option<Diagnosis<'a>> {
    let mut sets: Vec<(&[String], Vec<Ran>)> = Vec::new();
    let mut ours = Vec::new();
    for course in courses {
        let Some(remedy) = course.remedy.as_ref().filter(|one| one.of == of) else {
            continue;
        };
        ours.push(*course);
        let known = sets.iter().position(|(set, _)| *set == remedy.set);
        let at = known.unwrap_or_else(|| {
            sets.push((&remedy.set, Vec::new()));
            sets.len() - 1
        });
        // What ended in the middle, for another reason than a limit, can be compared with nothing.
        let limited = |ran: &Ran| {
            let error = ran.error.as_deref();
            error.is_none_or(|what| what.starts_with("limit_"))
        };
        let ran = Ran::of(&course.report, remedy.round).filter(limited);
        sets[at].1.extend(ran);
    }
    let base_runs = sets.iter().find(|(set, _)| set.is_empty())?.1.clone();
    let verdicts = base_runs
        .first()
        .map_or(Vec::new(), |run| run.verdicts.clone());
    let mut all = sets.into_iter().filter_map(|(set, runs)| {
        Some(Tried {
            title: title(set, &verdicts),
            line: known(set, &verdicts).map(|remedy| remedy.change.line()),
            set: set.to_vec(),
            ran: Ran::median(&runs)?,
            ratio: ratio(&runs, &base_runs),
            runs,
        })
    });
    let (base, tried): (Vec<Tried>, Vec<Tried>) = all.by_ref().partition(|one| one.set.is_empty());
    let base = base.into_iter().next()?;
    let numbers: Vec<Measured> = tried.iter().map(|one| one.ran.measured()).collect();
    let recommended = recommended(&base.ran.measured(), &numbers);
    let order = ranking(&numbers);
    let rate = ours.iter().find_map(|course| Rate::of(&course.report));
    Some(Diagnosis {
        of,
        best: recommended.and_then(|best| order.iter().position(|at| *at == best)),
        tried: order.iter().map(|at| tried[*at].clone()).collect(),
        base,
        distorted_by: ours.iter().find_map(|course| course.report.distorted_by()),
        unit: rate.map_or("", |rate| rate.unit),
    })
}

fn ratio(runs: &[Ran], base: &[Ran]) -> f64 {
    let ratio = |run: &Ran| {
        let base = base.iter().find(|base| base.round == run.round)?;
        (base.throughput > 0.0).then(|| run.throughput / base.throughput)
    };
    let ratios: Vec<f64> = runs.iter().filter_map(ratio).collect();
    median(&ratios, |one| *one)
}

/// Writes the section; nothing where nothing was diagnosed.
pub(super) fn write(out: &mut Html, courses: &[&Course]) {
    let diagnoses = diagnoses(courses);
    if diagnoses.is_empty() {
        return;
    }
    out.raw("<section id=\"remedies\"><h2>Remedies</h2>\n");
    for (number, one) in (1..).zip(&diagnoses) {
        write_one(out, one, number);
    }
    out.close("section");
}

fn write_one(out: &mut Html, one: &Diagnosis<'_>, number: usize) {
    let rounds = one.base.runs.len();
    let mark = one.distorted_by.as_ref().map_or("", |_| MARK);
    out.paragraph(
        "",
        format_args!(
            "Each remedy against {} as it is, medians of {rounds} rounds; best first, by peak, then by \
             what is resident at the end, then by throughput.",
            one.of
        ),
    );
    if let Some(best) = one.best.and_then(|best| one.tried.get(best)) {
        let (now, then) = (&best.ran, &one.base.ran);
        out.raw("<p class=\"sentence\"><strong>")
            .text(&best.title)
            .raw("</strong>");
        out.text(format_args!(
            ": peak {} instead of {}, at the end {} instead of {}, throughput {}.",
            unsigned_bytes(now.peak_rss_bytes),
            unsigned_bytes(then.peak_rss_bytes),
            bytes(now.end_rss_bytes),
            bytes(then.end_rss_bytes),
            percent(best.ratio),
        ));
        out.raw("</p>\n");
        if let Some(line) = best.line {
            out.element("pre", &[], line).raw("\n");
        }
    } else if !one.tried.is_empty() {
        let text = "None of them lowers the peak or what is resident at the end by 5 %.";
        out.paragraph("sentence", text);
    }
    let number_head = |text: &str| Cell::number(format_args!("{text}{mark}"));
    let heads = vec![
        Cell::text("remedy"),
        number_head("peak"),
        number_head("at the end"),
        number_head("growth"),
        number_head("throughput"),
        Cell::text("verdicts"),
        Cell::text("what was set"),
    ];
    let mut table = Table::new(format!("Remedies for {}", one.of), heads);
    for (at, tried) in one.tried.iter().enumerate() {
        let is_best = one.best == Some(at);
        table.row_in(if is_best { "best" } else { "" }, row(tried, is_best));
    }
    table.row_in("sum", row(&one.base, false));
    table.write(out);
    let spots: Vec<plot::Spot> = (one.tried.iter().chain([&one.base]))
        .filter(|tried| tried.ran.throughput > 0.0)
        .map(|tried| spot(tried, one))
        .collect();
    if spots.len() > 1 {
        out.plot(&plot::scatter(&spots, one.unit, &slug("remedies", number)));
        let text = "Peak RSS against throughput, medians: nothing is at once smaller and faster than \
                    what is marked.";
        out.paragraph("note", text);
    }
    if let Some(by) = &one.distorted_by {
        let text =
            format!("{MARK} instrumented by {by}: not the times and RSS of a run without it.");
        out.paragraph("note", text);
    }
}

/// Of throughput: `-3 %`.
pub(in crate::report) fn change(tried: &Tried) -> String {
    match tried.ratio {
        _ if tried.set.is_empty() => "0 %".into(),
        ratio if ratio > 0.0 => percent(ratio),
        _ => "–".into(),
    }
}

fn spot(tried: &Tried, one: &Diagnosis<'_>) -> plot::Spot {
    let all = one.tried.iter().chain([&one.base]);
    let better = |other: &Tried| super::matrix::dominates(&key(other), &key(tried));
    plot::Spot {
        name: tried.title.clone(),
        group: if tried.set.is_empty() {
            AS_IT_IS.into()
        } else {
            "with a remedy".into()
        },
        bytes: tried.ran.peak_rss_bytes as f64,
        throughput: tried.ran.throughput,
        best: one.distorted_by.is_none() && !all.into_iter().any(better),
    }
}

fn key(tried: &Tried) -> (f64, f64) {
    (tried.ran.peak_rss_bytes as f64, tried.ran.throughput)
}

fn row(tried: &Tried, is_best: bool) -> Vec<Cell> {
    let name = match is_best {
        true => format!("→ {}", tried.title),
        false => tried.title.clone(),
    };
    let verdicts: Vec<&str> = tried.ran.verdicts.iter().map(|one| one.name()).collect();
    let ratio = change(tried);
    vec![
        Cell::text(name),
        Cell::number(unsigned_bytes(tried.ran.peak_rss_bytes)),
        Cell::number(bytes(tried.ran.end_rss_bytes)),
        Cell::number(signed_bytes(tried.ran.growth_bytes)),
        Cell::number(ratio),
        Cell::text(verdicts.join(", ")).class("wrap"),
        Cell::text(tried.set.join(" ")),
    ]
}
