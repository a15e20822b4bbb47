//! Cycles by variants: RSS after each cycle of every scenario that has cycles, as lines and as a table.

use super::super::cycles::table::{Series, grew, rows, shortened};
use super::super::cycles::{CycleReading, Cycles, Quantity, export};
use super::super::format::count;
use super::super::gathered::Course;
use super::super::instrumented::MARK;
use super::super::plot;
use super::html::{Cell, Html, Table};
use super::remedies;

/// The rows of a table, as text: a label and a cell for each scenario.
#[derive(Debug, Clone)]
pub(in crate::report) struct Grid {
    /// The scenarios.
    pub heads: Vec<String>,
    /// A cycle's number or `growth`, and the cells.
    pub rows: Vec<(String, Vec<Filled>)>,
    /// Cycles that have no row.
    pub left_out: u64,
    /// A cycle was stopped: its cells end with `…`.
    pub has_partial: bool,
}

/// A cell of a [`Grid`].
#[derive(Debug, Clone, Default)]
pub(in crate::report) struct Filled {
    /// MiB, or a number.
    pub text: String,
    /// Clearly more than the one above.
    pub is_step: bool,
}

/// Those of `courses` that have cycles.
pub(in crate::report) fn repeating<'a>(courses: &[&'a Course]) -> Vec<&'a Course> {
    let mut found = courses.to_vec();
    found.retain(|course| !course.report.cycles.readings().is_empty());
    found
}

/// One quantity of all `courses`, as the terminal's table has it.
pub(in crate::report) fn grid(courses: &[&Course], of: Quantity) -> Grid {
    let series: Vec<Series> = (courses.iter())
        .map(|course| Series {
            name: course.report.name.clone(),
            cycles: course.report.cycles.clone(),
        })
        .collect();
    let chosen = rows(&series.iter().collect::<Vec<_>>());
    let columns: Vec<Vec<Filled>> = (series.iter())
        .map(|one| column(&one.cycles, &chosen.cycles, of))
        .collect();
    let mut labels: Vec<String> = (chosen.cycles.iter())
        .map(|cycle| count(u64::from(*cycle)))
        .collect();
    labels.push("growth".into());
    if of == Quantity::Rss {
        labels.push("peak".into());
    }
    let across = |row: usize| columns.iter().map(move |column| column[row].clone());
    let mut readings = series.iter().flat_map(|one| one.cycles.readings());
    Grid {
        heads: heads(courses),
        rows: (labels.into_iter().enumerate())
            .map(|(row, label)| (label, across(row).collect()))
            .collect(),
        left_out: chosen.left_out,
        has_partial: readings.any(|reading| reading.partial),
    }
}

/// The names without what all of them have in common, and the mark of those that are distorted.
fn heads(courses: &[&Course]) -> Vec<String> {
    let names: Vec<String> = courses.iter().map(|course| name(course, courses)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let short = match names.len() {
        1 => names,
        _ => shortened(&names).1,
    };
    (short.into_iter().zip(courses))
        .map(|(name, course)| format!("{name}{}", course.report.mark()))
        .collect()
}

/// The scenario's, or where it is one of a diagnosis the remedy's.
fn name(course: &Course, all: &[&Course]) -> String {
    let Some(remedy) = &course.remedy else {
        return course.report.name.clone();
    };
    let of_same = |one: &&&Course| one.remedy.as_ref().is_some_and(|one| one.of == remedy.of);
    let as_it_is = |one: &&&Course| one.remedy.as_ref().is_some_and(|one| one.set.is_empty());
    let base = all.iter().filter(of_same).find(as_it_is);
    let verdict = base.and_then(|base| base.report.verdict.as_ref());
    let verdicts = verdict.map_or(Vec::new(), |one| one.judgement.verdicts().collect());
    let title = remedies::title(&remedy.set, &verdicts);
    match all.iter().all(|one| of_same(&one)) {
        true => title,
        false => format!("{}: {title}", remedy.of),
    }
}

fn column(cycles: &Cycles, chosen: &[u32], of: Quantity) -> Vec<Filled> {
    let readings = cycles.readings();
    let mut before: Option<i64> = None;
    let plain = |text: Option<String>| Filled {
        text: text.unwrap_or_else(|| "–".into()),
        is_step: false,
    };
    let mut cells: Vec<Filled> = Vec::with_capacity(chosen.len() + 2);
    for cycle in chosen {
        let found = readings.binary_search_by_key(cycle, |reading| reading.cycle);
        let reading: Option<&CycleReading> = found.ok().and_then(|at| readings.get(at));
        let value = reading.and_then(|reading| of.of(reading));
        let mut cell = plain(value.map(|value| of.cell(value)));
        match (value, reading.is_some_and(|reading| reading.partial)) {
            (Some(_), true) => cell.text.push('…'),
            (Some(value), false) => {
                let above = before.replace(value);
                let is_bytes = matches!(
                    of,
                    Quantity::Rss | Quantity::SqliteLive | Quantity::Retained
                );
                cell.is_step = is_bytes && above.is_some_and(|above| grew(above, value));
            }
            (None, _) => {}
        }
        cells.push(cell);
    }
    cells.push(plain(cycles.growth(of).map(|growth| of.signed(growth))));
    if of == Quantity::Rss {
        let peak = i64::try_from(cycles.peak_rss_bytes());
        cells.push(plain(peak.ok().map(|peak| of.cell(peak))));
    }
    cells
}

/// Writes the section; nothing where nothing has cycles.
pub(super) fn write(out: &mut Html, courses: &[&Course]) {
    let courses = repeating(courses);
    if courses.is_empty() {
        return;
    }
    out.raw("<section id=\"cycles\"><h2>Cycles by variants</h2>\n");
    out.paragraph(
        "",
        "RSS after each cycle; cycle 0 is after the fill. A step that stays is memory that somebody \
         keeps; a line that goes on rising is a leak, or a database that grows.",
    );
    let lines: Vec<plot::Line> = (courses.iter().zip(heads(&courses)))
        .map(|(course, name)| plot::Line {
            name,
            points: points(&course.report.cycles),
        })
        .collect();
    out.plot(&plot::lines(&lines, "cycle", "cycles-rss"));
    let rss = grid(&courses, Quantity::Rss);
    table(&rss, "RSS after each cycle, MiB").write(out);
    notes(out, &courses, &rss);
    for quantity in [Quantity::SqliteLive, Quantity::Retained] {
        let title = format!("{} after each cycle", quantity.title());
        out.raw("<details><summary>")
            .text(&title)
            .raw("</summary>\n");
        table(&grid(&courses, quantity), &title).write(out);
        out.raw("</details>\n");
    }
    out.close("section");
}

fn points(cycles: &Cycles) -> Vec<(f64, f64)> {
    let whole = cycles.readings().iter().filter(|reading| !reading.partial);
    whole
        .map(|reading| (f64::from(reading.cycle), reading.rss_bytes as f64))
        .collect()
}

fn table(grid: &Grid, caption: &str) -> Table {
    let heads = grid.heads.iter().map(Cell::number);
    let heads = std::iter::once(Cell::text("cycle")).chain(heads);
    let mut table = Table::new(caption, heads.collect());
    for (label, cells) in &grid.rows {
        let cells = cells.iter().map(|cell| match cell.is_step {
            true => Cell::number(&cell.text).class("n step"),
            false => Cell::number(&cell.text),
        });
        let is_sum = label.starts_with(|first: char| first.is_ascii_alphabetic());
        let row = std::iter::once(Cell::text(label)).chain(cells).collect();
        table.row_in(if is_sum { "sum" } else { "" }, row);
    }
    table
}

fn notes(out: &mut Html, courses: &[&Course], grid: &Grid) {
    let mut text = String::from(
        "Coloured: by more than a tenth, and 10 MiB, above the cycle before. growth: the last whole \
         cycle less cycle 0; peak: the highest of all cycles.",
    );
    if grid.has_partial {
        text.push_str(" …: stopped in this cycle.");
    }
    if grid.left_out > 0 {
        let left_out = count(grid.left_out);
        text.push_str(&format!(
            " {left_out} cycles are not shown; {} has every one.",
            export::FILE
        ));
    }
    let mut distorted = courses.iter().filter_map(|one| one.report.distorted_by());
    if let Some(by) = distorted.next() {
        text.push_str(&format!(
            " {MARK} instrumented by {by}: not the times and RSS of a run without it."
        ));
    }
    out.paragraph("note", text);
}
