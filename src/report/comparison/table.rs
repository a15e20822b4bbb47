//! A comparison for a person at a terminal.

use std::io::{self, Write};

use anstyle::Style;

use super::{Comparison, Row, Scenario, What};
use crate::analysis::compare::Word;
use crate::report::format;
use crate::report::layout::Layout;
use crate::report::style::{BAD, BOLD, DIM, GOOD, WARN};

/// Columns of what, base, new, change and floor.
const WIDTHS: [usize; 5] = [15, 12, 12, 28, 9];
const HEADS: [&str; 5] = ["", "base", "new", "change [95 %]", "A/A"];

/// A number of a row, in the unit of what it is.
pub(super) fn number(what: What, value: f64) -> String {
    match what {
        What::Time => duration(value),
        What::Blocks if value < 1e15 => format::count(value.max(0.0).round() as u64),
        What::Blocks => format!("{value:e}"),
        _ => format::bytes(value.round() as i64),
    }
}

/// `1.25 s`, `12.3 ms`, `4.6 µs`, `120 ns`.
fn duration(nanoseconds: f64) -> String {
    match nanoseconds {
        ..1e3 => format!("{nanoseconds:.1} ns"),
        ..1e6 => format!("{:.2} µs", nanoseconds / 1e3),
        ..1e9 => format!("{:.1} ms", nanoseconds / 1e6),
        _ => format!("{:.3} s", nanoseconds / 1e9),
    }
}

/// `+3.1`; what is nearly nothing has no minus.
fn percent(ratio: f64) -> String {
    let tenths = (1000.0 * (ratio - 1.0)).round();
    format!("{:+.1}", (tenths + 0.0) / 10.0)
}

/// `+3.1 % [+2.0, +4.2]`, or the difference where there is no ratio.
pub(super) fn change(row: &Row) -> String {
    let statistics = &row.judged.statistics;
    match &statistics.change {
        Some(change) => {
            let value = format!("{} %", percent(change.value));
            match statistics.executions {
                // Of one value there is nothing to resample.
                (1, 1) => value,
                _ => format!(
                    "{value} [{}, {}]",
                    percent(change.low),
                    percent(change.high)
                ),
            }
        }
        None => {
            let difference = statistics.new_median - statistics.base_median;
            let sign = if difference > 0.0 { "+" } else { "" };
            format!("{sign}{}", number(row.what, difference))
        }
    }
}

/// `±1.2 %`
pub(super) fn floor(row: &Row) -> String {
    let floor = row.judged.statistics.floor;
    floor.map_or("-".to_owned(), |floor| {
        format!("±{:.1} %", 100.0 * floor.value())
    })
}

/// The word, and what would tell where it is none.
pub(super) fn word(row: &Row, benchmarks: bool) -> String {
    let word = row.judged.word;
    match row.judged.statistics.executions_needed {
        Some(needed) if benchmarks => format!(
            "{}: {} samples may tell",
            word.name(),
            format::count(needed as u64)
        ),
        Some(needed) => format!(
            "{}: {} executions may tell",
            word.name(),
            format::count(needed as u64)
        ),
        None => word.name().to_owned(),
    }
}

fn style(word: Word) -> Style {
    match word {
        _ if word.is_regression() => BAD,
        _ if word.is_improvement() => GOOD,
        Word::Undecided | Word::TooFew => WARN,
        _ => DIM,
    }
}

/// The name of a row.
pub(super) fn name(row: &Row) -> &str {
    match row.phase.as_str() {
        "" => "whole",
        phase => phase,
    }
}

/// The rows that are shown.
pub(super) fn shown(scenario: &Scenario, all: bool) -> impl Iterator<Item = &Row> {
    let rows = scenario.rows.iter();
    rows.filter(move |row| all || row.judged.word != Word::NotJudged)
}

/// `12 executions`, `12 and 10 executions`.
pub(super) fn executions(scenario: &Scenario, benchmarks: bool) -> String {
    let of = if benchmarks { "samples" } else { "executions" };
    match scenario.executions {
        (1, 1) => format!("one {} a side", of.trim_end_matches('s')),
        (base, new) if base == new => format!("{base} {of} a side"),
        (base, new) => format!("{base} and {new} {of}"),
    }
}

/// What stands before and behind the rows, in words.
pub(super) fn remarks(comparison: &Comparison) -> Vec<(bool, String)> {
    let mut remarks = Vec::new();
    let refused = comparison.times_refused.iter().cloned();
    remarks.extend(refused.map(|text| (true, text)));
    remarks.extend(comparison.failures.iter().map(|text| (true, text.clone())));
    for one in &comparison.not_compared {
        remarks.push((true, format!("not compared: {}: {}", one.name, one.why)));
    }
    let verdicts = comparison.verdicts.iter();
    remarks.extend(verdicts.map(|text| (false, format!("verdict of {text}"))));
    for one in &comparison.provenance {
        remarks.push((false, format!("differs: {one}")));
    }
    let notes = comparison.notes.iter();
    remarks.extend(notes.map(|text| (false, format!("note: {text}"))));
    remarks
}

/// What the words mean, in short.
pub(super) fn legend(comparison: &Comparison) -> String {
    let rule = &comparison.rule;
    let times = format!("{} %", 100.0 * rule.threshold);
    let threshold = match rule.threshold == rule.threshold_bytes {
        true => times,
        false => format!(
            "{times} of a time or {} % of bytes",
            100.0 * rule.threshold_bytes
        ),
    };
    let mut text = format!(
        "A change is called beyond {threshold}, beyond the A/A floor (what each side does to itself), and beyond \
         chance in the whole table."
    );
    let mut rows = comparison.scenarios.iter().flat_map(|one| &one.rows);
    if rows.any(|row| {
        row.judged.statistics.floor.is_none()
            && row.judged.word != Word::NotJudged
            && row.judged.word != Word::TooShort
    }) {
        text += " With fewer than 5 executions there is no floor: then a time is called beyond 25 % where its \
                 cycles or readings agree, RSS beyond 5 % and 1 MiB, and what SQLite counts beyond the threshold.";
    }
    text
}

/// A table, and its outcome on the last line. `all` shows rows that are not judged, too.
///
/// # Errors
/// What `out` says.
pub fn write_table(
    out: &mut dyn Write,
    comparison: &Comparison,
    all: bool,
    layout: Layout,
) -> io::Result<()> {
    let benchmarks = comparison.is_of_benchmarks();
    for (side, subject) in [("base", &comparison.base), ("new", &comparison.new)] {
        let path = subject.path.display().to_string();
        let text = match path == subject.name {
            true => path,
            false => format!("{} {DIM}({path}){DIM:#}", subject.name),
        };
        writeln!(out, "{DIM}{side:4}{DIM:#} {text}")?;
    }
    writeln!(out)?;
    for scenario in &comparison.scenarios {
        write_scenario(out, scenario, all, benchmarks, layout)?;
    }
    for (is_warning, text) in remarks(comparison) {
        let style = if is_warning { WARN } else { DIM };
        for line in layout.wrapped(&text, 0) {
            writeln!(out, "{style}{line}{style:#}")?;
        }
    }
    for line in layout.wrapped(&legend(comparison), 0) {
        writeln!(out, "{DIM}{line}{DIM:#}")?;
    }
    let style = match comparison.regressed {
        true => BAD,
        false => BOLD,
    };
    for line in layout.wrapped(&comparison.outcome, 0) {
        writeln!(out, "{style}{line}{style:#}")?;
    }
    Ok(())
}

fn write_scenario(
    out: &mut dyn Write,
    scenario: &Scenario,
    all: bool,
    benchmarks: bool,
    layout: Layout,
) -> io::Result<()> {
    let about = executions(scenario, benchmarks);
    writeln!(out, "{BOLD}{}{BOLD:#}  {DIM}{about}{DIM:#}", scenario.name)?;
    let settings = scenario
        .settings
        .iter()
        .map(|one| format!("differs: {one}"));
    for text in settings.chain(scenario.notes.iter().cloned()) {
        for line in layout.wrapped(&text, 2) {
            writeln!(out, "  {WARN}{line}{WARN:#}")?;
        }
    }
    let rows: Vec<&Row> = shown(scenario, all).collect();
    let width = rows.iter().map(|row| name(row).chars().count()).max();
    let width = width.unwrap_or(0).max(5) + 2;
    let one_line = layout.has_room_for(2 + width + WIDTHS.iter().sum::<usize>() + 2 + 10);
    if one_line && !rows.is_empty() {
        write!(out, "  {DIM}{:width$}{:2$}", "", HEADS[0], WIDTHS[0])?;
        for (head, columns) in HEADS.iter().zip(WIDTHS).skip(1) {
            write!(out, "{head:>columns$}")?;
        }
        writeln!(out, "{DIM:#}")?;
    }
    for row in rows {
        let statistics = &row.judged.statistics;
        let base = number(row.what, statistics.base_median);
        let new = number(row.what, statistics.new_median);
        let style = style(row.judged.word);
        let word = word(row, benchmarks);
        if one_line {
            let figures = [base, new, change(row), floor(row)];
            write!(
                out,
                "  {:width$}{:2$}",
                name(row),
                row.what.name(),
                WIDTHS[0]
            )?;
            for (text, columns) in figures.iter().zip(&WIDTHS[1..]) {
                write!(out, "{text:>columns$}")?;
            }
            writeln!(out, "  {style}{word}{style:#}")?;
        } else {
            let head = format!("{} {}: {style}{word}{style:#}", name(row), row.what.name());
            let figures = [
                format!("{base} → {new}"),
                change(row),
                format!("A/A {}", floor(row)),
            ];
            writeln!(out, "  {head}")?;
            for line in layout.lines(figures.iter().map(String::as_str), "  ", 4) {
                writeln!(out, "    {line}")?;
            }
        }
    }
    writeln!(out)
}
