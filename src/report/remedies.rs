//! A diagnosis: the verdicts of a scenario, its remedies side by side, and the one line to change.

use std::io::{self, Write};

use serde::Serialize;

use super::format::{bytes, signed_bytes, unsigned_bytes};
use super::json;
use super::layout::Layout;
use super::style::{BOLD, DIM, GOOD};
use super::{ScenarioReport, instrumented};
use crate::analysis::remedy::{Measured, Remedy, ranking, recommended};
use crate::verdict::Verdict;

/// What one run came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ran {
    /// From 1.
    pub round: u32,
    /// The most that was ever resident.
    pub peak_rss_bytes: u64,
    /// At the end of the series: after the last cycle, or at the last reading of the fill.
    pub end_rss_bytes: i64,
    /// The same less the first of the series.
    pub growth_bytes: i64,
    /// Rows of the fill, or cycles, a second.
    pub throughput: f64,
    /// What its own ledgers show.
    pub verdicts: Vec<Verdict>,
    /// What ended it early: `limit_rss`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Ran {
    /// `None` where it did not come to a reading.
    pub fn of(report: &ScenarioReport, round: u32) -> Option<Ran> {
        let series = report.series();
        let (first, last) = series.moments().first().zip(series.moments().last())?;
        let judgement = report.verdict.as_ref().map(|one| &one.judgement);
        Some(Ran {
            round,
            peak_rss_bytes: report.peak_bytes(),
            end_rss_bytes: last.rss,
            growth_bytes: last.rss - first.rss,
            throughput: throughput(report),
            verdicts: judgement
                .map(|one| one.verdicts().collect())
                .unwrap_or_default(),
            error: report.errors.first().map(|error| error.what.clone()),
        })
    }

    /// The medians of several runs; `None` of none.
    pub fn median(runs: &[Ran]) -> Option<Ran> {
        let last = runs.last()?;
        Some(Ran {
            peak_rss_bytes: median(runs, |one| one.peak_rss_bytes as f64) as u64,
            end_rss_bytes: median(runs, |one| one.end_rss_bytes as f64) as i64,
            growth_bytes: median(runs, |one| one.growth_bytes as f64) as i64,
            throughput: median(runs, |one| one.throughput),
            ..last.clone()
        })
    }

    pub(super) fn measured(&self) -> Measured {
        Measured {
            peak_bytes: self.peak_rss_bytes,
            end_bytes: self.end_rss_bytes,
            throughput: self.throughput,
        }
    }
}

/// Of an even number the mean of the middle two; 0 of none.
pub(super) fn median<T>(all: &[T], number: impl Fn(&T) -> f64) -> f64 {
    let mut numbers: Vec<f64> = all.iter().map(number).collect();
    numbers.sort_by(f64::total_cmp);
    match numbers.len() {
        0 => 0.0,
        count if count % 2 == 1 => numbers[count / 2],
        count => (numbers[count / 2 - 1] + numbers[count / 2]) / 2.0,
    }
}

/// Cycles a second by the median cycle, or rows a second over the fill, stopped or not.
pub(super) fn throughput(report: &ScenarioReport) -> f64 {
    if let Some(elapsed_ns) = report.cycles.elapsed_ns() {
        return 1e9 / (elapsed_ns as f64).max(1.0);
    }
    let fill = report
        .phases
        .iter()
        .rev()
        .find(|phase| phase.phase == "fill");
    fill.map_or(0.0, |fill| {
        fill.rows.unwrap_or(0) as f64 * 1e9 / (fill.elapsed_ns as f64).max(1.0)
    })
}

/// A remedy with its runs.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// What was changed.
    pub remedy: Remedy,
    /// The scenario's name in its first round.
    pub name: String,
    /// One a round.
    pub runs: Vec<Ran>,
}

/// All that a diagnosis found.
#[derive(Debug)]
pub struct Diagnosed {
    /// The scenario as it is, the first time.
    pub first: ScenarioReport,
    /// The medians of the scenario as it is.
    pub base: Ran,
    /// Those, one a round.
    pub base_runs: Vec<Ran>,
    /// In the order in which they were thought of.
    pub candidates: Vec<Candidate>,
    /// Remedies that cannot be tried here, and why.
    pub left_out: Vec<String>,
}

/// A candidate as it is shown.
#[derive(Debug, Serialize)]
struct Row<'a> {
    rank: usize,
    remedy: &'a str,
    set: &'a [&'a str],
    change: Change<'a>,
    peak_rss_bytes: u64,
    end_rss_bytes: i64,
    growth_bytes: i64,
    throughput: f64,
    /// Against the scenario as it is in the same round: the median, and the least and the most.
    throughput_ratio: [f64; 3],
    verdicts: &'a [Verdict],
    runs: &'a [Ran],
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Change<'a> {
    kind: &'a str,
    line: &'a str,
}

impl Diagnosed {
    /// Best first, and the place of the recommended one.
    fn rows(&self) -> (Vec<Row<'_>>, Option<usize>) {
        let measured = self.candidates.iter().filter_map(|one| {
            let median = Ran::median(&one.runs)?;
            Some((one, median))
        });
        let measured: Vec<(&Candidate, Ran)> = measured.collect();
        let numbers: Vec<Measured> = measured.iter().map(|(_, ran)| ran.measured()).collect();
        let best = recommended(&self.base.measured(), &numbers);
        let order = ranking(&numbers);
        let place = best.and_then(|best| order.iter().position(|at| *at == best));
        let rows = order.iter().zip(1..).map(|(at, rank)| {
            let (candidate, ran) = &measured[*at];
            let Candidate { remedy, runs, .. } = candidate;
            let change = Change {
                kind: remedy.change.kind(),
                line: remedy.change.line(),
            };
            Row {
                rank,
                remedy: remedy.title,
                set: remedy.set,
                change,
                peak_rss_bytes: ran.peak_rss_bytes,
                end_rss_bytes: ran.end_rss_bytes,
                growth_bytes: ran.growth_bytes,
                throughput: ran.throughput,
                throughput_ratio: self.ratios(runs),
                verdicts: runs.first().map_or(&[], |one| one.verdicts.as_slice()),
                runs,
            }
        });
        (rows.collect(), place)
    }

    fn ratios(&self, runs: &[Ran]) -> [f64; 3] {
        let ratio = |run: &Ran| {
            let base = self.base_runs.iter().find(|base| base.round == run.round)?;
            (base.throughput > 0.0).then(|| run.throughput / base.throughput)
        };
        let ratios: Vec<f64> = runs.iter().filter_map(ratio).collect();
        let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let most = ratios.iter().copied().fold(0.0, f64::max);
        match ratios.is_empty() {
            true => [0.0; 3],
            false => [median(&ratios, |one| *one), least, most],
        }
    }
}

/// `-3 %`
pub(super) fn percent(ratio: f64) -> String {
    format!("{:+.0} %", 100.0 * (ratio - 1.0))
}

/// For a person: the verdicts, the table, and at the end the line to change.
pub fn write(out: &mut dyn Write, diagnosed: &Diagnosed, layout: Layout) -> io::Result<()> {
    super::terminal::write_short(out, &diagnosed.first, layout)?;
    writeln!(out)?;
    let (rows, best) = diagnosed.rows();
    if rows.is_empty() {
        writeln!(out, "{}", without_remedies(diagnosed))?;
        return left_out(out, diagnosed, layout);
    }
    let rounds = diagnosed.base_runs.len();
    let title = format!(
        "remedies, best first, each against the scenario as it is in the same of {rounds} rounds"
    );
    for line in layout.wrapped(&title, 0) {
        writeln!(out, "{BOLD}{line}{BOLD:#}")?;
    }
    write_table(out, diagnosed, &rows, best, layout)?;
    left_out(out, diagnosed, layout)?;
    let Some(best) = best.and_then(|best| rows.get(best)) else {
        writeln!(out)?;
        return writeln!(
            out,
            "None of them lowers the peak or what is resident at the end by 5 %."
        );
    };
    let base = &diagnosed.base;
    let text = format!(
        "The line to change ({}: {}): peak {} instead of {}, at the end {} instead of {}, throughput {}.",
        best.remedy,
        best.change.kind,
        unsigned_bytes(best.peak_rss_bytes),
        unsigned_bytes(base.peak_rss_bytes),
        bytes(best.end_rss_bytes),
        bytes(base.end_rss_bytes),
        percent(best.throughput_ratio[0]),
    );
    writeln!(out)?;
    for line in layout.wrapped(&text, 0) {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "{GOOD}{}{GOOD:#}", best.change.line)
}

/// Why there is no remedy to rank.
fn without_remedies(diagnosed: &Diagnosed) -> &'static str {
    let verdict = diagnosed.first.verdict.as_ref();
    let judgement = verdict.map(|one| &one.judgement);
    match judgement {
        Some(one) if one.is(&[Verdict::Steady]) => "It is steady: there is nothing to change.",
        Some(one) if one.none.is_none() && diagnosed.left_out.is_empty() => {
            "No remedy is known that this scenario does not have already."
        }
        Some(one) if one.none.is_none() => "No remedy could be tried.",
        _ => "Without a verdict no remedy is tried.",
    }
}

fn left_out(out: &mut dyn Write, diagnosed: &Diagnosed, layout: Layout) -> io::Result<()> {
    for why in &diagnosed.left_out {
        for line in layout.wrapped(&format!("left out: {why}"), 2) {
            writeln!(out, "  {DIM}{line}{DIM:#}")?;
        }
    }
    Ok(())
}

fn write_table(
    out: &mut dyn Write,
    diagnosed: &Diagnosed,
    rows: &[Row<'_>],
    best: Option<usize>,
    layout: Layout,
) -> io::Result<()> {
    const AS_IT_IS: &str = "as it is";
    let width = rows.iter().map(|row| row.remedy.len()).max().unwrap_or(0);
    let one_line = layout.has_room_for(width + 4 + 64);
    let indent = if one_line { width } else { 4 };
    let mark = diagnosed.first.mark();
    writeln!(
        out,
        "  {DIM}{:indent$}  {:>12}{:>13}{:>14}{:>12}  verdict{DIM:#}",
        "",
        format!("peak{mark}"),
        format!("at the end{mark}"),
        format!("growth{mark}"),
        format!("throughput{mark}")
    )?;
    let mut line = |name: &str, mark: &str, ran: [String; 4], verdicts: &[Verdict]| {
        let names: Vec<&str> = verdicts.iter().map(|one| one.name()).collect();
        let [peak, end, growth, throughput] = ran;
        let figures = format!("{peak:>12}{end:>13}{growth:>14}{throughput:>12}");
        match one_line {
            true => {
                writeln!(out, "{mark} {name:width$}  {figures}  {}", names.join(", "))
            }
            false => {
                writeln!(out, "{mark} {name}: {}", names.join(", "))?;
                writeln!(out, "  {:indent$}  {figures}", "")
            }
        }
    };
    for (at, row) in rows.iter().enumerate() {
        let mark = if best == Some(at) { "→" } else { " " };
        let figures = [
            unsigned_bytes(row.peak_rss_bytes),
            bytes(row.end_rss_bytes),
            signed_bytes(row.growth_bytes),
            percent(row.throughput_ratio[0]),
        ];
        line(row.remedy, mark, figures, row.verdicts)?;
    }
    let base = &diagnosed.base;
    let figures = [
        unsigned_bytes(base.peak_rss_bytes),
        bytes(base.end_rss_bytes),
        signed_bytes(base.growth_bytes),
        "0 %".into(),
    ];
    line(AS_IT_IS, " ", figures, &base.verdicts)?;
    let by = diagnosed.first.distorted_by();
    instrumented::write_footnote(out, by.as_deref(), 2, layout)
}

#[derive(Serialize)]
struct Object<'a> {
    run_id: &'a str,
    environment: &'a serde_json::Map<String, serde_json::Value>,
    scenario: &'a str,
    parameters: &'a serde_json::Map<String, serde_json::Value>,
    verdict: Option<json::Verdict<'a>>,
    as_it_is: &'a [Ran],
    remedies: Vec<Row<'a>>,
    left_out: &'a [String],
    /// Null where no remedy lowers the peak or the end by 5 %.
    recommended: Option<Recommended<'a>>,
    /// Where every line of every run is.
    record: &'a std::path::Path,
}

#[derive(Serialize)]
struct Recommended<'a> {
    remedy: &'a str,
    change: Change<'a>,
}

/// One object and a line's end.
pub fn write_json(
    out: &mut dyn Write,
    diagnosed: &Diagnosed,
    run_id: &str,
    environment: &serde_json::Map<String, serde_json::Value>,
    record: &std::path::Path,
) -> io::Result<()> {
    let (remedies, best) = diagnosed.rows();
    let best = best.and_then(|best| remedies.get(best));
    let recommended = best.map(|row| Recommended {
        remedy: row.remedy,
        change: row.change,
    });
    let object = Object {
        run_id,
        environment,
        scenario: &diagnosed.first.name,
        parameters: &diagnosed.first.parameters,
        verdict: diagnosed.first.verdict.as_ref().map(json::Verdict::of),
        as_it_is: &diagnosed.base_runs,
        recommended,
        remedies,
        left_out: &diagnosed.left_out,
        record,
    };
    serde_json::to_writer_pretty(&mut *out, &object)?;
    writeln!(out)
}
