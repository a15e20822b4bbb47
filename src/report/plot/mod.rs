//! Pictures of a run as SVG inside of HTML: a ledger over time, lines over cycles, points of memory
//! against throughput. Each is drawn twice, for a wide page and for a narrow one, and follows the
//! page's colours; what the script adds (exact values, owners taken away) is in [`SCRIPT`].

mod axes;
mod canvas;
mod labels;
mod ledger;
mod lines;
mod marks;
mod markup;
mod scatter;
mod spans;
mod ticks;

use super::timeline::Timeline;

/// What the pictures need of a style sheet. It names the owners' colours, `--owner-sqlite` and so on,
/// for the page too.
pub const STYLE: &str = include_str!("plot.css");
/// What the pictures need of a script.
pub const SCRIPT: &str = include_str!("plot.js");

/// Stacked areas of a ledger over time. `id` is unique on the page: letters, digits and hyphens.
pub fn ledger(timeline: &Timeline, id: &str) -> String {
    ledger::ledger(timeline, id)
}

/// One line of [`lines`].
#[derive(Debug, Clone)]
pub struct Line {
    /// What stands in the legend.
    pub name: String,
    /// Cycle and bytes.
    pub points: Vec<(f64, f64)>,
}

/// Bytes over cycles, a line for each scenario.
pub fn lines(lines: &[Line], x_title: &str, id: &str) -> String {
    lines::lines(lines, x_title, id)
}

/// One point of [`scatter`].
#[derive(Debug, Clone)]
pub struct Spot {
    /// What it is of.
    pub name: String,
    /// Which colour: spots of one group have the same.
    pub group: String,
    /// Peak RSS, in bytes.
    pub bytes: f64,
    /// Rows or cycles a second.
    pub throughput: f64,
    /// Nothing else has less memory and more throughput.
    pub best: bool,
}

/// Peak RSS against throughput, the Pareto front marked. `unit` is the throughput's: `rows/s`.
pub fn scatter(spots: &[Spot], unit: &str, id: &str) -> String {
    scatter::scatter(spots, unit, id)
}

#[cfg(test)]
mod tests {
    use super::super::timeline::OWNERS;
    use super::*;

    #[test]
    fn each_owner_has_a_colour_by_day_by_night_and_where_the_page_says_so() {
        for owner in OWNERS {
            let colour = STYLE.matches(&format!("--owner-{owner}: #")).count();
            assert_eq!(colour, 3, "{owner}");
            assert!(STYLE.contains(&format!(".o-{owner} {{ --c: var(--owner-{owner})")));
        }
        for index in 0..8 {
            assert_eq!(STYLE.matches(&format!("--plot-c{index}: #")).count(), 3);
        }
        let dark = |from: &str| {
            let (_, rest) = STYLE.split_once(from).unwrap();
            rest.split('}').next().unwrap().to_owned()
        };
        assert_eq!(
            dark(":root:not([data-theme=\"light\"]) {"),
            dark("  :root[data-theme=\"dark\"] {")
        );
    }

    #[test]
    fn what_a_page_takes_in_does_not_end_where_it_stands() {
        assert!(!STYLE.contains("</") && !SCRIPT.contains("</"));
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
        assert!(!SCRIPT.contains("innerHTML") && !SCRIPT.contains("fetch("));
    }
}
