//! Several executions of the same, summed up: the median with the least and the most.

use std::io::{self, Write};

use super::format::{count, nanoseconds, signed_bytes, unsigned_bytes};
use super::layout::Layout;
use super::style::{BOLD, DIM, WARN};
use super::{ScenarioReport, instrumented};

/// What one execution came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Execution {
    pace: Pace,
    /// The most that was ever resident.
    peak_rss_bytes: u64,
    /// RSS at the end of what is judged less RSS at its begin: of the cycles, or of the fill.
    growth_bytes: Option<i64>,
}

/// How fast it went.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Pace {
    /// The median of its cycles.
    CycleNanoseconds(u64),
    RowsPerSecond(f64),
}

impl Execution {
    /// `None` where it did not run to its end: what was stopped can be compared with nothing.
    pub fn of(report: &ScenarioReport) -> Option<Execution> {
        let result = report
            .result
            .as_ref()
            .filter(|_| report.errors.is_empty())?;
        let series = report.series();
        let moments = series.moments();
        let ends = moments.first().zip(moments.last());
        Some(Execution {
            pace: match report.cycles.elapsed_ns() {
                Some(elapsed) => Pace::CycleNanoseconds(elapsed),
                None => Pace::RowsPerSecond(result.rows_per_second),
            },
            peak_rss_bytes: report.peak_bytes(),
            growth_bytes: ends.map(|(first, last)| last.rss - first.rss),
        })
    }
}

/// All executions of one scenario on one side.
#[derive(Debug, Clone, Default)]
pub struct Repeated {
    /// Without the turn.
    pub name: String,
    /// How many were begun.
    pub begun: usize,
    /// Those that ran to their end.
    pub whole: Vec<Execution>,
    /// What made times and RSS other than they were without it.
    pub distorted_by: Option<String>,
}

impl Repeated {
    /// Another execution has ended.
    pub fn add(&mut self, report: &ScenarioReport) {
        self.begun += 1;
        self.whole.extend(Execution::of(report));
        if self.distorted_by.is_none() {
            self.distorted_by = report.distorted_by();
        }
    }

    /// What was measured, by its name.
    fn figures(&self) -> [(&'static str, String); 3] {
        let cycles = self.whole.iter().filter_map(|one| match one.pace {
            Pace::CycleNanoseconds(elapsed) => Some(elapsed as f64),
            Pace::RowsPerSecond(_) => None,
        });
        let cycles: Vec<f64> = cycles.collect();
        let rates = self.whole.iter().filter_map(|one| match one.pace {
            Pace::CycleNanoseconds(_) => None,
            Pace::RowsPerSecond(rate) => Some(rate),
        });
        let peaks = self.whole.iter().map(|one| one.peak_rss_bytes as f64);
        let growth = self.whole.iter().filter_map(|one| one.growth_bytes);
        let pace = match cycles.is_empty() {
            true => ("rows/s", spread(rates, |rate| count(rate.max(0.0) as u64))),
            false => ("a cycle", spread(cycles, |time| nanoseconds(time as u64))),
        };
        let growth = growth.map(|bytes| bytes as f64);
        [
            pace,
            ("peak", spread(peaks, |size| unsigned_bytes(size as u64))),
            ("growth", spread(growth, |size| signed_bytes(size as i64))),
        ]
    }
}

/// `2.0 [1.0, 4.0]`: the median of whatever there is, of an even number the mean of the middle two.
fn spread(numbers: impl IntoIterator<Item = f64>, shown: impl Fn(f64) -> String) -> String {
    let mut numbers: Vec<f64> = numbers.into_iter().collect();
    numbers.sort_by(f64::total_cmp);
    let (Some(least), Some(most)) = (numbers.first(), numbers.last()) else {
        return "-".into();
    };
    let middle = numbers.len() / 2;
    let median = match numbers.len() % 2 {
        1 => numbers[middle],
        _ => (numbers[middle - 1] + numbers[middle]) / 2.0,
    };
    let [median, least, most] = [median, *least, *most].map(|one| shown(one.round()));
    format!("{median} [{least}, {most}]")
}

/// A line for each, or where a line is too long for that, a few.
pub fn write(out: &mut dyn Write, all: &[Repeated], layout: Layout) -> io::Result<()> {
    if all.iter().all(|one| one.begun == 0) {
        return Ok(());
    }
    writeln!(
        out,
        "{BOLD}all executions: the median [the least, the most]{BOLD:#}"
    )?;
    for has_cycles in [false, true] {
        let head = if has_cycles { "a cycle" } else { "rows/s" };
        let rows: Vec<Row> = all.iter().map(Row::of).collect();
        let rows: Vec<Row> = rows.into_iter().filter(|row| row.pace == head).collect();
        write_rows(out, &rows, layout)?;
    }
    let by = all.iter().find_map(|one| one.distorted_by.as_deref());
    instrumented::write_footnote(out, by, 2, layout)?;
    writeln!(out)
}

/// As it is shown.
struct Row {
    pace: &'static str,
    name: String,
    is_whole: bool,
    cells: [(&'static str, String); 4],
}

impl Row {
    fn of(one: &Repeated) -> Row {
        let mark = if one.distorted_by.is_some() {
            instrumented::MARK
        } else {
            ""
        };
        let [pace, peak, growth] = one.figures();
        let is_whole = one.whole.len() == one.begun;
        let executions = match is_whole {
            true => count(one.begun as u64),
            false => format!("{} of {}", one.whole.len(), one.begun),
        };
        Row {
            pace: pace.0,
            name: format!("{}{mark}", one.name),
            is_whole,
            cells: [("executions", executions), pace, peak, growth],
        }
    }
}

fn write_rows(out: &mut dyn Write, rows: &[Row], layout: Layout) -> io::Result<()> {
    let Some(first) = rows.first() else {
        return Ok(());
    };
    let chars = |text: &str| text.chars().count();
    let name = rows.iter().map(|row| chars(&row.name)).max().unwrap_or(0);
    let name = name.max(chars("scenario"));
    let widths: Vec<usize> = (0..first.cells.len())
        .map(|at| {
            let cells = rows.iter().map(|row| chars(&row.cells[at].1));
            cells.max().unwrap_or(0).max(chars(first.cells[at].0)) + 2
        })
        .collect();
    let fits = layout.has_room_for(2 + name + widths.iter().sum::<usize>());
    if fits {
        write!(out, "  {DIM}{:name$}", "scenario")?;
        for ((head, _), width) in first.cells.iter().zip(&widths) {
            write!(out, "{head:>width$}")?;
        }
        writeln!(out, "{DIM:#}")?;
    }
    for row in rows {
        let style = if row.is_whole { DIM } else { WARN };
        if fits {
            write!(out, "  {:name$}", row.name)?;
            for ((_, cell), width) in row.cells.iter().zip(&widths) {
                write!(out, "{cell:>width$}")?;
            }
            writeln!(out)?;
            continue;
        }
        writeln!(out, "  {}", row.name)?;
        for (head, cell) in &row.cells {
            writeln!(out, "    {style}{head:<11}{style:#}{cell}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::record::{ErrorRecord, Line};

    fn text(all: &[Repeated], columns: Option<usize>) -> String {
        let mut out = Vec::new();
        write(&mut out, all, Layout { columns }).unwrap();
        anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string()
    }

    fn insert(rows_per_second: f64, peak_mib: u64) -> ScenarioReport {
        let mut report = samples::report();
        if let Some(result) = &mut report.result {
            result.rows_per_second = rows_per_second;
            result.peak_rss_bytes = peak_mib << 20;
        }
        report
    }

    fn repeated() -> Repeated {
        let mut all = Repeated {
            name: "s".into(),
            ..Repeated::default()
        };
        for (rate, peak) in [(3000.0, 95), (1000.0, 91), (4000.0, 99), (2000.0, 92)] {
            all.add(&insert(rate, peak));
        }
        all
    }

    #[test]
    fn the_median_stands_before_the_least_and_the_most() {
        let text = text(&[repeated()], None);
        assert!(text.contains("2,500 [1,000, 4,000]"), "{text}");
        assert!(text.contains("93.5 MiB [91.0 MiB, 99.0 MiB]"), "{text}");
        assert_eq!(spread([7.0], |one| format!("{one}")), "7 [7, 7]");
        assert_eq!(spread([], |one| format!("{one}")), "-");
    }

    #[test]
    fn an_execution_that_failed_is_counted_and_not_measured() {
        let mut all = repeated();
        let mut failed = insert(1.0, 900);
        failed.line(&Line::Error(ErrorRecord {
            scenario: None,
            what: "limit_rss".into(),
            message: "too much".into(),
        }));
        all.add(&failed);
        let text = text(&[all], None);
        assert!(text.contains("4 of 5") && !text.contains("900"), "{text}");
    }

    #[test]
    fn scenarios_with_cycles_show_a_cycle_and_the_growth_over_all() {
        let mut all = Repeated::default();
        let mut report = ScenarioReport::default();
        for line in crate::report::cycles::samples::lines("s", &[560, 1000, 1600]) {
            report.line(&line);
        }
        report.result = samples::report().result;
        report.ended();
        all.add(&report);
        let text = text(&[repeated(), all], None);
        assert!(text.contains("6.0 s [6.0 s, 6.0 s]"), "{text}");
        assert!(text.contains("+1040.0 MiB"), "{text}");
        assert_eq!(text.matches("executions").count(), 3, "{text}");
    }

    #[test]
    fn it_keeps_within_the_columns_that_there_are() {
        let narrow = text(&[repeated()], Some(50));
        let wide = narrow.lines().find(|line| line.chars().count() > 50);
        assert_eq!(wide, None, "{narrow}");
        assert!(narrow.contains("2,500 [1,000, 4,000]"), "{narrow}");
        assert_eq!(text(&[], None), "");
    }
}
