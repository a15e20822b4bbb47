//! Ratios of samples that were taken side by side, and whether they keep to a bound.
//!
//! A ratio is taken within a round, where machine and moment are the same, and the rounds are then
//! summed up by their median. The interval is made of order statistics: it supposes nothing of how
//! noise is distributed, and one disturbed round does not move it.

use std::env;
use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

/// Names a file that the tables of several benches add their bounds to.
const FILE_VARIABLE: &str = "SQLITE_MEMBENCH_BENCH_BOUNDS_FILE";

/// Wanted coverage of an interval.
const CONFIDENCE: f64 = 0.95;

/// A median with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    pub median: f64,
    pub low: f64,
    pub high: f64,
    /// How often such an interval holds the true median. Below 0.95 where there are too few values.
    pub coverage: f64,
}

impl Estimate {
    /// Of one value or more.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Estimate {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        assert!(!sorted.is_empty(), "an estimate takes a value");
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        // The widest pair leaves out nothing; each step inwards leaves out one value on each side.
        let mut outside = 0.5_f64.powi(count as i32);
        let mut term = outside;
        let mut leave = 0;
        while leave + 1 < count / 2 {
            term *= (count - leave) as f64 / (leave + 1) as f64;
            if 1.0 - 2.0 * (outside + term) < CONFIDENCE {
                break;
            }
            outside += term;
            leave += 1;
        }
        let middle = count / 2;
        let median = match count % 2 {
            1 => sorted[middle],
            _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
        };
        Estimate {
            median,
            low: sorted[leave],
            high: sorted[count - 1 - leave],
            coverage: 1.0 - 2.0 * outside,
        }
    }
}

/// What is asked of a figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&match self {
            Bound::AtMost(bound) => format!("{bound}"),
            Bound::AtLeast(bound) => format!(">= {bound}"),
        })
    }
}

/// What an estimate says of a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All of the interval is within the bound.
    Holds,
    /// The bound is inside the interval: more rounds, or a quieter machine, would tell.
    Undecided,
    /// All of the interval is outside the bound.
    DoesNotHold,
}

impl Verdict {
    pub fn of(estimate: &Estimate, bound: Bound) -> Verdict {
        let (all_within, all_outside) = match bound {
            Bound::AtMost(bound) => (estimate.high <= bound, estimate.low > bound),
            Bound::AtLeast(bound) => (estimate.low >= bound, estimate.high < bound),
        };
        match (all_within, all_outside) {
            (true, _) => Verdict::Holds,
            (_, true) => Verdict::DoesNotHold,
            _ => Verdict::Undecided,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Holds => "holds",
            Verdict::Undecided => "undecided",
            Verdict::DoesNotHold => "does not hold",
        })
    }
}

/// One line of the table: something measured, and its bound where it has one.
#[derive(Debug)]
pub struct Row {
    pub what: String,
    /// `""` for a ratio.
    pub unit: &'static str,
    pub estimate: Estimate,
    pub bound: Option<Bound>,
}

impl Row {
    pub fn verdict(&self) -> Option<Verdict> {
        self.bound.map(|bound| Verdict::of(&self.estimate, bound))
    }
}

impl Row {
    /// The interval with the unit; the unit alone where there is but one value.
    fn interval(&self) -> String {
        let Estimate { low, high, .. } = self.estimate;
        let digits = self.digits();
        match low < high {
            true => format!("[{low:.digits$}, {high:.digits$}] {}", self.unit),
            false => self.unit.to_owned(),
        }
    }

    fn median(&self) -> String {
        format!("{:.*}", self.digits(), self.estimate.median)
    }

    fn digits(&self) -> usize {
        if self.unit.is_empty() { 3 } else { 2 }
    }
}

/// Prints the rows; false where a bound does not hold.
pub fn print(rows: &[Row]) -> bool {
    let wide = rows.iter().map(|row| row.what.len()).max().unwrap_or(0);
    println!(
        "{:<wide$}  {:>8}  {:<20} {:>5}",
        "", "median", "[low, high]", "bound"
    );
    for row in rows {
        let bound = row.bound.map(|bound| bound.to_string()).unwrap_or_default();
        let verdict = row.verdict().map(|v| v.to_string()).unwrap_or_default();
        let (what, median, interval) = (&row.what, row.median(), row.interval());
        let line = format!("{what:<wide$}  {median:>8}  {interval:<20} {bound:>5}  {verdict}");
        println!("{}", line.trim_end());
    }
    let intervals = rows
        .iter()
        .map(|row| &row.estimate)
        .filter(|e| e.low < e.high);
    let coverage = intervals.map(|e| e.coverage).fold(1.0, f64::min) * 100.0;
    println!("An interval holds the true median at {coverage:.0} % or more.");
    if let Some(file) = env::var_os(FILE_VARIABLE) {
        append(rows, Path::new(&file)).expect("the file that collects the bounds");
    }
    rows.iter()
        .all(|row| row.verdict() != Some(Verdict::DoesNotHold))
}

/// Adds the rows with a bound to `file`: what, figure, bound and verdict, none of them empty, parted by
/// tabs. `scripts/bounds` reads it.
fn append(rows: &[Row], file: &Path) -> io::Result<()> {
    let mut text = String::new();
    for row in rows {
        if let (Some(bound), Some(verdict)) = (row.bound, row.verdict()) {
            let sign = match bound {
                Bound::AtMost(_) => "<= ",
                Bound::AtLeast(_) => "",
            };
            let figure = format!("{} {}", row.median(), row.interval());
            let (what, figure) = (row.what.trim(), figure.trim());
            writeln!(text, "{what}\t{figure}\t{sign}{bound}\t{verdict}").expect("a string");
        }
    }
    let mut file = File::options().append(true).create(true).open(file)?;
    file.write_all(text.as_bytes())
}
