//! Several executions of one scenario: the median, the least and the most of all of them.

use super::super::format::{bytes, count, signed_bytes};
use super::super::gathered::Course;
use super::super::remedies::{Ran, median};
use super::headline::{Rate, per_second};
use super::html::{Cell, Html, Table};
use super::selection::Group;

/// A number over all executions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::report) struct Spread {
    /// Of an even number the mean of the middle two.
    pub median: f64,
    /// Of all.
    pub least: f64,
    /// Of all.
    pub most: f64,
}

impl Spread {
    /// `None` of none.
    pub fn of(numbers: &[f64]) -> Option<Spread> {
        let least = numbers.iter().copied().reduce(f64::min)?;
        let most = numbers.iter().copied().reduce(f64::max)?;
        let median = median(numbers, |one| *one);
        Some(Spread {
            median,
            least,
            most,
        })
    }

    fn words(self, one: impl Fn(f64) -> String) -> String {
        let Spread {
            median,
            least,
            most,
        } = self;
        match least == most {
            true => one(median),
            false => format!("{} [{}, {}]", one(median), one(least), one(most)),
        }
    }
}

/// What all executions came to that came to a reading.
pub(in crate::report) fn ran(runs: &[&Course]) -> Vec<Ran> {
    let ran = runs.iter().zip(1..);
    ran.filter_map(|(course, round)| Ran::of(&course.report, round))
        .collect()
}

/// Writes the section; nothing where every scenario ran once.
pub(super) fn write(out: &mut Html, groups: &[Group<'_>]) {
    if groups.is_empty() {
        return;
    }
    out.raw("<section id=\"executions\"><h2>Executions</h2>\n");
    out.paragraph(
        "",
        "Scenarios ran several times: the median of all executions, and in brackets the least and the \
         most. Everything else on this page is of the first execution of each.",
    );
    let heads = [
        "scenario",
        "executions",
        "peak",
        "at the end",
        "growth",
        "throughput",
        "ended early",
    ];
    let heads = heads.iter().enumerate().map(|(at, head)| match at {
        0 => Cell::text(head),
        _ => Cell::number(head),
    });
    let mut table = Table::new("Median of all executions", heads.collect());
    for group in groups {
        let ran = ran(&group.runs);
        let numbers = |number: fn(&Ran) -> f64| -> Option<Spread> {
            Spread::of(&ran.iter().map(number).collect::<Vec<_>>())
        };
        let sizes = |spread: Option<Spread>, one: fn(i64) -> String| {
            let words = spread.map(|spread| spread.words(|number| one(number.round() as i64)));
            Cell::number(words.unwrap_or_else(|| "–".into()))
        };
        let unit = group
            .runs
            .iter()
            .find_map(|course| Rate::of(&course.report));
        let rate = numbers(|one| one.throughput).zip(unit);
        let rate = rate.map(|(spread, rate)| format!("{} {}", spread.words(per_second), rate.unit));
        let errors = ran.iter().filter(|one| one.error.is_some()).count();
        let missing = group.runs.len() - ran.len();
        table.row(vec![
            Cell::text(group.name()),
            Cell::number(count(group.runs.len() as u64)),
            sizes(numbers(|one| one.peak_rss_bytes as f64), bytes),
            sizes(numbers(|one| one.end_rss_bytes as f64), bytes),
            sizes(numbers(|one| one.growth_bytes as f64), signed_bytes),
            Cell::number(rate.unwrap_or_else(|| "–".into())),
            Cell::number(count((errors + missing) as u64)),
        ]);
    }
    table.write(out);
    out.close("section");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_the_median_between_the_least_and_the_most() {
        assert_eq!(Spread::of(&[]), None);
        let spread = Spread::of(&[3.0, 1.0, 2.0, 10.0]).unwrap();
        assert_eq!((spread.median, spread.least, spread.most), (2.5, 1.0, 10.0));
        assert_eq!(spread.words(|one| format!("{one:.1}")), "2.5 [1.0, 10.0]");
        let same = Spread::of(&[4.0, 4.0]).unwrap();
        assert_eq!(same.words(|one| format!("{one}")), "4");
    }
}
