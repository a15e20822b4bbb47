//! The cycles of a run's scenarios: cycles down, scenarios across, RSS in each cell, and what
//! stands beside it.

use std::io::{self, Write};

use anstyle::Style;

use super::kept::{FIRST, LAST};
use super::{CycleReading, Cycles, Quantity, export};
use crate::report::format::{bytes, count, mebibytes, signed_count};
use crate::report::instrumented::{MARK, write_footnote};
use crate::report::layout::Layout;
use crate::report::style::{BOLD, DIM, WARN};

/// The cycles of one scenario.
#[derive(Debug, Clone)]
pub struct Series {
    /// The scenario's.
    pub name: String,
    /// Its readings.
    pub cycles: Cycles,
}

/// More rows than this are thinned out.
const MOST_ROWS: usize = 41;
/// Rows between the first and the last ones then.
const MIDDLE_ROWS: usize = 25;
/// Columns of a name that can stand above a column whatever there is room for.
const NAME: usize = 16;
/// The same where everything fits side by side.
const LONG_NAME: usize = 32;
const LABEL: usize = 6;
/// What a table's lines are indented by.
const INDENT: usize = 2;
const MIB: i64 = 1 << 20;

/// Tables of every quantity that changes, and a sentence for each that does not. Nothing where no
/// scenario has cycles.
pub fn write(out: &mut dyn Write, series: &[Series], layout: Layout) -> io::Result<()> {
    let series: Vec<&Series> = (series.iter())
        .filter(|one| !one.cycles.readings().is_empty())
        .collect();
    if series.is_empty() {
        return Ok(());
    }
    let table = Table {
        headers: Headers::of(&series, layout),
        rows: rows(&series),
        series,
        layout,
    };
    table.write_rss(out)?;
    let mut after_lines = false;
    for quantity in &Quantity::ALL[1..] {
        let Some(lines) = table.beside(*quantity) else {
            table.write_table(out, *quantity, &quantity.title())?;
            after_lines = false;
            continue;
        };
        // Sentences stand together.
        if !after_lines && !lines.is_empty() {
            writeln!(out)?;
        }
        after_lines |= !lines.is_empty();
        lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    }
    writeln!(out)
}

/// What stands above the columns.
#[derive(Debug, PartialEq, Eq)]
struct Headers {
    names: Vec<String>,
    /// What names that are numbers stand for.
    legend: Vec<String>,
    /// Of what all of them are variants.
    of: Option<String>,
}

impl Headers {
    fn of(series: &[&Series], layout: Layout) -> Self {
        let full: Vec<&str> = series.iter().map(|one| one.name.as_str()).collect();
        let (of, names) = shortened(&full);
        let longest = names.iter().map(|name| width(name)).max().unwrap_or(0);
        let side_by_side = INDENT + LABEL + names.len() * (longest + 3);
        let fits = layout.columns.is_none_or(|columns| columns >= side_by_side);
        if longest <= NAME || (fits && longest <= LONG_NAME) {
            return Headers {
                names: names.into_iter().map(str::to_owned).collect(),
                legend: Vec::new(),
                of,
            };
        }
        let legend = (1..).zip(&full).map(|(n, name)| format!("#{n} = {name}"));
        Headers {
            legend: legend.collect(),
            names: (1..=full.len()).map(|n| format!("#{n}")).collect(),
            of: None,
        }
    }
}

/// Without what all of `names` have in common: the scenario, where a matrix varies one, or the
/// workload.
pub(in crate::report) fn shortened<'a>(names: &[&'a str]) -> (Option<String>, Vec<&'a str>) {
    let parts = |name: &&'a str| name.strip_suffix(']')?.split_once('[');
    let choices: Option<Vec<(&str, &str)>> = names.iter().map(parts).collect();
    if let Some(choices) = choices
        && let [(base, _), _, ..] = choices[..]
        && choices.iter().all(|(one, _)| *one == base)
    {
        let inner = choices.into_iter().map(|(_, inner)| inner);
        return (Some(base.to_owned()), inner.collect());
    }
    let without = names.iter().map(|name| name.strip_prefix("snapshot-"));
    let without: Option<Vec<&str>> = without.collect();
    (None, without.unwrap_or_else(|| names.to_vec()))
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// The cycles that have a row.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::report) struct Rows {
    pub cycles: Vec<u32>,
    /// Cycles that have none.
    pub left_out: u64,
}

/// Every cycle of `series`, or the first, the last and some between.
pub(in crate::report) fn rows(series: &[&Series]) -> Rows {
    let readings = series.iter().flat_map(|one| one.cycles.readings());
    let mut cycles: Vec<u32> = readings.map(|reading| reading.cycle).collect();
    cycles.sort_unstable();
    cycles.dedup();
    let all = series
        .iter()
        .map(|one| one.cycles.count())
        .max()
        .unwrap_or(0);
    if cycles.len() > MOST_ROWS {
        let stride = series.iter().map(|one| one.cycles.stride()).max();
        cycles = thinned(&cycles, stride.unwrap_or(1));
    }
    let left_out = all.saturating_sub(cycles.len() as u64);
    Rows { cycles, left_out }
}

/// The first, the last, and of those between every second, fifth, tenth, ...
fn thinned(cycles: &[u32], stride: u32) -> Vec<u32> {
    let (first, rest) = cycles.split_at(FIRST.min(cycles.len()));
    let (middle, last) = rest.split_at(rest.len().saturating_sub(LAST));
    let steps = (0..10).flat_map(|power| [1, 2, 5].map(|n| 10_u32.saturating_pow(power) * n));
    let mut steps = steps.map(|step| step.saturating_mul(stride));
    let on = |step: u32| {
        middle
            .iter()
            .copied()
            .filter(move |n| n.is_multiple_of(step))
    };
    let few = |step: &u32| on(*step).count() <= MIDDLE_ROWS;
    let between: Vec<u32> = steps
        .find(few)
        .map_or(Vec::new(), |step| on(step).collect());
    [first, between.as_slice(), last].concat()
}

/// A cell: its text, how it is to be shown, and whether its cycle was stopped.
struct Cell {
    text: String,
    style: Style,
    partial: bool,
}

impl Cell {
    fn plain(text: Option<String>) -> Self {
        Cell {
            text: text.unwrap_or_else(|| "-".to_owned()),
            style: Style::new(),
            partial: false,
        }
    }

    fn is_as(&self, other: &Cell) -> bool {
        self.text == other.text && self.partial == other.partial
    }

    /// In so many columns, the last of which is for the mark.
    fn padded(&self, columns: usize) -> String {
        let Cell { text, style, .. } = self;
        let mark = if self.partial { '…' } else { ' ' };
        let space = (columns - 1).saturating_sub(width(text));
        format!("{:space$}{style}{text}{style:#}{mark}", "")
    }
}

struct Table<'a> {
    headers: Headers,
    rows: Rows,
    series: Vec<&'a Series>,
    layout: Layout,
}

impl Quantity {
    fn name(self) -> &'static str {
        match self {
            Quantity::Rss => "RSS",
            Quantity::SqliteLive => "sqlite live",
            Quantity::Retained => "allocator retained",
            Quantity::OpenFiles => "open files",
            Quantity::Arenas => "glibc arenas",
        }
    }

    pub(in crate::report) fn title(self) -> String {
        let unit = if self.is_bytes() { ", MiB" } else { "" };
        format!("{}{unit}", self.name())
    }

    fn is_bytes(self) -> bool {
        !matches!(self, Quantity::OpenFiles | Quantity::Arenas)
    }

    pub(in crate::report) fn cell(self, value: i64) -> String {
        match self.is_bytes() {
            true => mebibytes(value),
            false => count(value.unsigned_abs()),
        }
    }

    pub(in crate::report) fn signed(self, value: i64) -> String {
        match self.is_bytes() {
            true if value > 0 => format!("+{}", mebibytes(value)),
            true => mebibytes(value),
            false => signed_count(value),
        }
    }

    /// Too little for a table: a tenth of a percent, or what is noise in this quantity.
    fn is_constant(self, (least, most): (i64, i64)) -> bool {
        let noise = match self {
            Quantity::Retained => MIB,
            Quantity::OpenFiles => 1,
            Quantity::Rss | Quantity::SqliteLive | Quantity::Arenas => 0,
        };
        let spread = most - least;
        spread <= noise || within_a_thousandth((least, most))
    }

    /// A range that is as good as constant.
    fn words(self, (least, most): (i64, i64)) -> String {
        let one = |value: i64| match self.is_bytes() {
            true => bytes(value),
            false => count(value.unsigned_abs()),
        };
        let same =
            one(least) == one(most) || (self.is_bytes() && within_a_thousandth((least, most)));
        match same {
            true => one(most),
            false => format!("{} to {}", one(least), one(most)),
        }
    }
}

fn within_a_thousandth((least, most): (i64, i64)) -> bool {
    (most - least).saturating_mul(1000) <= most.abs()
}

/// By more than a tenth, and by enough to count.
pub(in crate::report) fn grew(before: i64, after: i64) -> bool {
    let more = after - before;
    more > 10 * MIB && more.saturating_mul(10) > before
}

impl Table<'_> {
    fn write_rss(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut distorting = self.series.iter();
        let by = distorting.find_map(|one| one.cycles.distorted_by());
        let mark = by.map_or("", |_| MARK);
        let of = self.headers.of.as_ref();
        let of = of.map_or(String::new(), |of| format!(" of {of}"));
        self.write_table(
            out,
            Quantity::Rss,
            &format!("RSS{mark} after each cycle{of}, MiB"),
        )?;
        write_footnote(out, by, INDENT, self.layout)?;
        for line in &self.headers.legend {
            self.note(out, line)?;
        }
        let mut readings = self.series.iter().flat_map(|one| one.cycles.readings());
        if readings.any(|reading| reading.partial) {
            self.note(out, "…: stopped in this cycle")?;
        }
        if self.rows.left_out > 0 {
            let left_out = count(self.rows.left_out);
            let file = export::FILE;
            self.note(
                out,
                &format!("{left_out} cycles are not shown; {file} has every one"),
            )?;
        }
        Ok(())
    }

    /// A sentence or a figure for each scenario, where that says it all: `None` asks for a table.
    /// No lines where nothing is known.
    fn beside(&self, quantity: Quantity) -> Option<Vec<String>> {
        let ranges = self.series.iter().map(|one| one.cycles.range(quantity));
        let ranges: Vec<Option<(i64, i64)>> = ranges.collect();
        let known = || ranges.iter().flatten().copied();
        let Some(whole) = known().reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))) else {
            return Some(Vec::new());
        };
        if !known().all(|range| quantity.is_constant(range)) {
            return None;
        }
        let name = format!("{BOLD}{}{BOLD:#}", quantity.name());
        if quantity.is_constant(whole) {
            let text = format!("{name}: {}", sentence(quantity, whole));
            return Some(self.layout.wrapped(&text, 0));
        }
        let figures = self.headers.names.iter().zip(&ranges);
        let figures = figures.map(|(name, range)| match range {
            Some(range) => format!("{name} {}", quantity.words(*range)),
            None => format!("{name} -"),
        });
        let parts: Vec<String> = figures.collect();
        let parts = (self.layout).lines(parts.iter().map(String::as_str), " · ", INDENT);
        let indented = parts.into_iter().map(|line| format!("  {line}"));
        let head = format!("{name} after every cycle:");
        Some(std::iter::once(head).chain(indented).collect())
    }

    fn note(&self, out: &mut dyn Write, text: &str) -> io::Result<()> {
        let lines = self.layout.wrapped(text, INDENT);
        let mut lines = lines.iter();
        lines.try_for_each(|line| writeln!(out, "  {DIM}{line}{DIM:#}"))
    }

    fn write_table(&self, out: &mut dyn Write, of: Quantity, title: &str) -> io::Result<()> {
        if of != Quantity::Rss {
            writeln!(out)?;
        }
        let lines = self.layout.wrapped(title, 0);
        lines
            .iter()
            .try_for_each(|line| writeln!(out, "{BOLD}{line}{BOLD:#}"))?;
        let columns: Vec<Vec<Cell>> = self.series.iter().map(|one| self.column(one, of)).collect();
        let rows = self.labelled(of, &columns);
        let label = rows.iter().map(|(text, _)| width(text)).max().unwrap_or(0);
        let label = label.max(LABEL);
        let cells = columns.iter().flatten().map(|cell| width(&cell.text));
        let names = self.headers.names.iter().map(|name| width(name));
        // Two spaces between columns, and room for the mark of a cycle that was stopped.
        let cell = cells.chain(names).max().unwrap_or(0) + 3;
        let room = self.layout.columns.unwrap_or(usize::MAX);
        let beside = (room.saturating_sub(INDENT + label) / cell).max(1);
        let blocks = columns
            .chunks(beside)
            .zip(self.headers.names.chunks(beside));
        for (index, (columns, names)) in blocks.enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            let names = names
                .iter()
                .map(|name| format!("{name:>pad$} ", pad = cell - 1));
            let head = format!("{:>label$}{}", "cycle", names.collect::<String>());
            writeln!(out, "  {DIM}{}{DIM:#}", head.trim_end())?;
            for (text, row) in &rows {
                let cells = columns.iter().map(|column| column[*row].padded(cell));
                let line = format!("{DIM}{text:>label$}{DIM:#}{}", cells.collect::<String>());
                writeln!(out, "  {}", line.trim_end())?;
            }
        }
        Ok(())
    }

    /// What stands before each row, and which cell of each column is in it. Beside RSS, cycles
    /// after each other that are all the same share a row: `4–20`.
    fn labelled(&self, of: Quantity, columns: &[Vec<Cell>]) -> Vec<(String, usize)> {
        let same = |one: usize, other: usize| columns.iter().all(|c| c[one].is_as(&c[other]));
        let mut runs: Vec<(u32, u32, usize)> = Vec::new();
        for (row, cycle) in self.rows.cycles.iter().copied().enumerate() {
            match runs.last_mut() {
                Some((_, last, first_row))
                    if of != Quantity::Rss && *last + 1 == cycle && same(*first_row, row) =>
                {
                    *last = cycle;
                }
                _ => runs.push((cycle, cycle, row)),
            }
        }
        let number = |cycle: u32| count(u64::from(cycle));
        let label = |(first, last, row): (u32, u32, usize)| match first == last {
            true => (number(first), row),
            false => (format!("{}–{}", number(first), number(last)), row),
        };
        let rows = self.rows.cycles.len();
        let mut labelled: Vec<(String, usize)> = runs.into_iter().map(label).collect();
        labelled.push(("growth".to_owned(), rows));
        if of == Quantity::Rss {
            labelled.push(("peak".to_owned(), rows + 1));
        }
        labelled
    }

    fn column(&self, series: &Series, of: Quantity) -> Vec<Cell> {
        let readings = series.cycles.readings();
        let mut before: Option<i64> = None;
        let cell = |cycle: &u32| {
            let found = readings.binary_search_by_key(cycle, |reading| reading.cycle);
            let reading: Option<&CycleReading> = found.ok().and_then(|at| readings.get(at));
            let value = reading.and_then(|reading| of.of(reading));
            let partial = reading.is_some_and(|reading| reading.partial);
            let mut cell = Cell::plain(value.map(|value| of.cell(value)));
            cell.partial = partial;
            if let Some(value) = value.filter(|_| !partial) {
                let above = before.replace(value);
                if of.is_bytes() && above.is_some_and(|above| grew(above, value)) {
                    cell.style = WARN;
                }
            }
            cell
        };
        let mut cells: Vec<Cell> = self.rows.cycles.iter().map(cell).collect();
        let growth = series.cycles.growth(of);
        let mut total = Cell::plain(growth.map(|growth| of.signed(growth)));
        total.style = BOLD;
        cells.push(total);
        if of == Quantity::Rss {
            let peak = i64::try_from(series.cycles.peak_rss_bytes());
            cells.push(Cell::plain(peak.ok().map(|peak| of.cell(peak))));
        }
        cells
    }
}

/// `551.0 MiB after every cycle, to within 0.01 %`
fn sentence(quantity: Quantity, (least, most): (i64, i64)) -> String {
    let words = quantity.words((least, most));
    let within = match most - least {
        _ if !quantity.is_bytes() => String::new(),
        0 => ", to the byte".to_owned(),
        spread if within_a_thousandth((least, most)) => {
            let percent = (spread as f64 / most.abs() as f64 * 1e4).ceil() / 100.0;
            format!(", to within {percent:.2} %")
        }
        _ => String::new(),
    };
    format!("{words} after every cycle{within}")
}

#[cfg(test)]
mod tests;
