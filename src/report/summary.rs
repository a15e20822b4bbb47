//! Scenarios side by side: a line each, so that what a matrix varies can be compared. Those with
//! cycles have a table of their own, of what their cycles did.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::cycles::Quantity;
use super::format::{bytes, count, nanoseconds, signed_bytes, unsigned_bytes};
use super::layout::Layout;
use super::{ScenarioReport, instrumented};

/// What a line shows of a scenario.
#[derive(Debug, Clone)]
pub struct Summary {
    name: String,
    rows_per_second: Option<u64>,
    peak_bytes: u64,
    page_cache_bytes: i64,
    statement_bytes: i64,
    /// Of a scenario with cycles.
    cycles: Option<OverCycles>,
    /// What makes its times and RSS other than they were without it.
    distorted_by: Option<String>,
    /// What its first error is about.
    error: Option<String>,
}

/// What the cycles of a scenario did.
#[derive(Debug, Clone, Copy)]
struct OverCycles {
    /// RSS after the last less RSS after the fill.
    growth_bytes: Option<i64>,
    /// The median.
    elapsed_ns: Option<u64>,
    /// After the last.
    retained_bytes: Option<i64>,
}

impl Summary {
    /// Of a scenario that has ended.
    pub fn of(report: &ScenarioReport) -> Self {
        let result = report.result.as_ref();
        let complete = report.cycles.last_complete();
        let cycles = (report.cycles.count() > 0).then(|| OverCycles {
            growth_bytes: report.cycles.growth(Quantity::Rss),
            elapsed_ns: report.cycles.elapsed_ns(),
            retained_bytes: complete.map(|last| last.retained_bytes),
        });
        Summary {
            cycles,
            name: format!("{}{}", report.name, report.mark()),
            distorted_by: report.distorted_by(),
            rows_per_second: result.map(|result| result.rows_per_second.max(0.0).round() as u64),
            peak_bytes: report.peak_bytes(),
            page_cache_bytes: report.extremes.page_cache_bytes,
            statement_bytes: report.extremes.statement_bytes,
            error: report.errors.first().map(|error| error.what.clone()),
        }
    }
}

/// The columns behind a name.
const WIDTHS: [usize; 4] = [11, 13, 14, 13];

/// A table of all, where there are several.
pub fn write(out: &mut dyn Write, summaries: &[Summary], layout: Layout) -> io::Result<()> {
    if summaries.len() < 2 {
        return Ok(());
    }
    let (repeating, once): (Vec<&Summary>, Vec<&Summary>) =
        summaries.iter().partition(|one| one.cycles.is_some());
    let heads = ["rows/s", "peak", "page cache", "statements"];
    write_table(out, "side by side, each at its most", heads, &once, layout)?;
    let heads = ["a cycle", "peak", "growth", "retained"];
    let title = "side by side, after the last cycle";
    write_table(out, title, heads, &repeating, layout)
}

fn write_table(
    out: &mut dyn Write,
    title: &str,
    heads: [&str; 4],
    summaries: &[&Summary],
    layout: Layout,
) -> io::Result<()> {
    if summaries.is_empty() {
        return Ok(());
    }
    let bold = Style::new().bold();
    let dim = Style::new().dimmed();
    let bad = AnsiColor::Red.on_default().bold();
    writeln!(out, "{bold}{title}{bold:#}")?;
    let width = summaries.iter().map(|one| one.name.chars().count()).max();
    let width = width.unwrap_or(0).max(8);
    // Where a name and its figures have no room on one line, the figures stand below.
    let figures: usize = 2 + WIDTHS.iter().sum::<usize>();
    let one_line = layout.has_room_for(2 + width + figures);
    let width = if one_line { width } else { 2 };
    let head = if one_line { "scenario" } else { "" };
    write!(out, "  {dim}{head:width$}")?;
    for (text, columns) in heads.iter().zip(WIDTHS) {
        write!(out, "{text:>columns$}")?;
    }
    writeln!(out, "{dim:#}")?;
    for one in summaries {
        let Summary { name, .. } = one;
        if one_line {
            write!(out, "  {name:width$}")?;
        } else {
            write!(out, "  {name}\n  {:width$}", "")?;
        }
        for (text, columns) in one.figures().iter().zip(WIDTHS) {
            write!(out, "{text:>columns$}")?;
        }
        match &one.error {
            Some(what) => writeln!(out, "  {bad}{what}{bad:#}")?,
            None => writeln!(out)?,
        }
    }
    let by = summaries.iter().find_map(|one| one.distorted_by.as_deref());
    instrumented::write_footnote(out, by, 2, layout)?;
    writeln!(out)
}

impl Summary {
    fn figures(&self) -> [String; 4] {
        let none = || "-".to_owned();
        let peak = unsigned_bytes(self.peak_bytes);
        let Some(cycles) = self.cycles else {
            let rate = self.rows_per_second.map_or_else(none, count);
            let caches = [bytes(self.page_cache_bytes), bytes(self.statement_bytes)];
            let [page_cache, statements] = caches;
            return [rate, peak, page_cache, statements];
        };
        [
            cycles.elapsed_ns.map_or_else(none, nanoseconds),
            peak,
            cycles.growth_bytes.map_or_else(none, signed_bytes),
            cycles.retained_bytes.map_or_else(none, bytes),
        ]
    }
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

    #[test]
    fn scenarios_with_cycles_have_a_table_of_what_their_cycles_did() {
        let snapshot = |rss: &[i64]| {
            let mut report = ScenarioReport {
                name: "snapshot-memory".into(),
                ..ScenarioReport::default()
            };
            for line in crate::report::cycles::samples::lines("snapshot-memory", rss) {
                report.line(&line);
            }
            report.ended();
            Summary::of(&report)
        };
        let grown = snapshot(&[560, 1000, 1600]);
        let insert = Summary::of(&samples::report());
        let text = text(&[insert, grown, snapshot(&[560])], Some(80));
        let row = "snapshot-memory      6.0 s   2124.0 MiB   +1040.0 MiB   1040.0 MiB";
        assert!(text.contains(row), "{text}");
        assert!(
            text.contains("snapshot-memory          -   1084.0 MiB             -            0"),
            "{text}"
        );
        assert!(text.contains("rows/s") && text.contains("growth"), "{text}");
    }
}
