//! Scenarios side by side: a line each, so that what a matrix varies can be compared.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::ScenarioReport;
use super::format::{bytes, count, unsigned_bytes};
use super::layout::Layout;

/// What a line shows of a scenario.
#[derive(Debug, Clone)]
pub struct Summary {
    name: String,
    rows_per_second: Option<u64>,
    peak_bytes: u64,
    page_cache_bytes: i64,
    statement_bytes: i64,
    /// What its first error is about.
    error: Option<String>,
}

impl Summary {
    /// Of a scenario that has ended.
    pub fn of(report: &ScenarioReport) -> Self {
        let result = report.result.as_ref();
        Summary {
            name: report.name.clone(),
            rows_per_second: result.map(|result| result.rows_per_second.max(0.0).round() as u64),
            peak_bytes: report.peak_bytes(),
            page_cache_bytes: report.extremes.page_cache_bytes,
            statement_bytes: report.extremes.statement_bytes,
            error: report.errors.first().map(|error| error.what.clone()),
        }
    }
}

/// A table of all, where there are several.
pub fn write(out: &mut dyn Write, summaries: &[Summary], layout: Layout) -> io::Result<()> {
    if summaries.len() < 2 {
        return Ok(());
    }
    let bold = Style::new().bold();
    let dim = Style::new().dimmed();
    let bad = AnsiColor::Red.on_default().bold();
    writeln!(out, "{bold}side by side, each at its most{bold:#}")?;
    let width = summaries.iter().map(|one| one.name.chars().count()).max();
    let width = width.unwrap_or(0).max(8);
    // Where a name and its figures have no room on one line, the figures stand below.
    const FIGURES: usize = 2 + 11 + 12 + 12 + 12;
    let one_line = layout
        .columns
        .is_none_or(|columns| columns >= 2 + width + FIGURES);
    let width = if one_line { width } else { 2 };
    writeln!(
        out,
        "  {dim}{:width$}{:>11}{:>12}{:>12}{:>12}{dim:#}",
        if one_line { "scenario" } else { "" },
        "rows/s",
        "peak",
        "page cache",
        "statements"
    )?;
    for one in summaries {
        let Summary { name, .. } = one;
        if one_line {
            write!(out, "  {name:width$}")?;
        } else {
            write!(out, "  {name}\n  {:width$}", "")?;
        }
        let rate = one.rows_per_second.map_or_else(|| "-".to_owned(), count);
        write!(
            out,
            "{rate:>11}{:>12}{:>12}{:>12}",
            unsigned_bytes(one.peak_bytes),
            bytes(one.page_cache_bytes),
            bytes(one.statement_bytes)
        )?;
        match &one.error {
            Some(what) => writeln!(out, "  {bad}{what}{bad:#}")?,
            None => writeln!(out)?,
        }
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn text(summaries: &[Summary], columns: Option<usize>) -> String {
        let mut out = Vec::new();
        write(&mut out, summaries, Layout { columns }).unwrap();
        anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string()
    }

    #[test]
    fn several_scenarios_have_a_line_each_and_one_has_none() {
        let one = Summary::of(&samples::report());
        assert_eq!(text(std::slice::from_ref(&one), None), "");
        let wide = text(&[one.clone(), one.clone()], None);
        assert_eq!(wide.matches("s[a=1,b=2]    512,346").count(), 2, "{wide}");
        assert!(wide.contains("70.0 MiB"), "{wide}");
        let narrow = text(&[one.clone(), one], Some(60));
        assert!(
            narrow.lines().all(|line| line.chars().count() <= 60),
            "{narrow}"
        );
    }
}
