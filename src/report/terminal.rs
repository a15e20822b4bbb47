//! Tables and trees for a person, in KiB and MiB.
//!
//! Styles are written as escape sequences; the writer behind (`anstream`) takes them out again
//! where there is no terminal or `NO_COLOR` is set.

use std::io::{self, Write};

use anstyle::Style;

use super::cycles::Quantity;
use super::extremes::{Extremes, allowance};
use super::format::{bytes, count, nanoseconds, signed_bytes, unsigned_bytes};
use super::layout::Layout;
use super::style::{BAD, BOLD, DIM, GOOD, WARN};
use super::tree::write_ledger;
use super::{
    ScenarioReport, describe, heap_counters, instrumented, phases, profiled, repeats, verdicts,
};
use crate::record::{AbsentRecord, PhaseRecord, ScenarioRecord};
use crate::workload::pragmas::took;

/// Everything about one scenario: header, phases, ledgers.
pub fn write(out: &mut dyn Write, report: &ScenarioReport, layout: Layout) -> io::Result<()> {
    write_short(out, report, layout)?;
    if report.phases.is_empty() {
        return writeln!(out);
    }
    phases::write(out, report, layout)?;
    if let Some(reading) = report.extremes.given_back(&report.phases) {
        write_ledger(out, reading, layout)?;
    }
    for phase in phases_of_interest(&report.phases) {
        write_ledger(out, phase, layout)?;
    }
    heap_counters::write(out, report, layout)?;
    writeln!(out)
}

/// The header of a scenario and its verdicts, without its phases.
pub fn write_short(out: &mut dyn Write, report: &ScenarioReport, layout: Layout) -> io::Result<()> {
    write_header(out, report, layout)?;
    let judgement = report.verdict.as_ref().map(|one| &one.judgement);
    if let Some(judgement) = judgement {
        verdicts::write(out, judgement, layout)?;
    }
    // Where a verdict is about them, they stand there.
    let told = judgement.is_some_and(|one| one.findings.iter().any(|f| !f.statements.is_empty()));
    match told {
        true => Ok(()),
        false => verdicts::write_statements(out, &report.not_finalized, 2, layout),
    }
}

/// Lines that are indented by two, each in `style`.
fn write_text(out: &mut dyn Write, text: &str, style: Style, layout: Layout) -> io::Result<()> {
    let mut lines = text.lines().flat_map(|line| layout.wrapped(line, 2));
    lines.try_for_each(|line| writeln!(out, "  {style}{line}{style:#}"))
}

/// What a scenario with cycles is told by, in words; nothing for one without.
fn cycle_parameters(report: &ScenarioReport) -> Vec<String> {
    let value = |name: &str| match report.parameters.get(name) {
        Some(serde_json::Value::String(text)) => Some(text.clone()),
        Some(serde_json::Value::Null) | None => None,
        Some(other) => Some(other.to_string()),
    };
    if value("snapshot").is_none() {
        return Vec::new();
    }
    [
        "scale",
        "schema",
        "database",
        "snapshot",
        "dump",
        "workers",
        "placement",
        "trim",
    ]
    .into_iter()
    .filter_map(|name| Some(format!("{name} {}", value(name)?)))
    .collect()
}

fn write_header(out: &mut dyn Write, report: &ScenarioReport, layout: Layout) -> io::Result<()> {
    writeln!(out, "{BOLD}{}{BOLD:#}", report.name)?;
    let peak = unsigned_bytes(report.peak_bytes());
    let growth = report.cycles.growth(Quantity::Rss).map(signed_bytes);
    let growth =
        growth.map(|growth| format!("{BOLD}{growth}{BOLD:#}{} since the fill", report.mark()));
    let mut parts = Vec::new();
    let mark = report.mark();
    if let Some(result) = &report.result {
        let rate = count(result.rows_per_second.max(0.0).round() as u64);
        parts.push(format!("{BOLD}{rate} rows/s{BOLD:#}{mark}"));
        parts.push(format!("peak {BOLD}{peak}{BOLD:#}{mark}"));
        parts.extend(growth);
        parts.push(format!("{}{mark}", nanoseconds(report.elapsed_ns())));
        parts.push(format!("{} inserts", count(result.inserted)));
    } else if !report.phases.is_empty() {
        parts.push(format!("peak {BOLD}{peak}{BOLD:#}{mark}"));
        parts.extend(growth);
        parts.push("no result".to_owned());
    }
    for line in layout.lines(parts.iter().map(String::as_str), " · ", 2) {
        writeln!(out, "  {line}")?;
    }
    let parts = cycle_parameters(report);
    for line in layout.lines(parts.iter().map(String::as_str), " · ", 2) {
        writeln!(out, "  {line}")?;
    }
    if let Some(result) = &report.result {
        let (style, mark) = if result.verified {
            (GOOD, "✓ verified")
        } else {
            (BAD, "✗ not what it should be")
        };
        let rows = [format!("{} rows", count(result.rows))];
        let distinct = (result.distinct_rows).map(|rows| format!("{} distinct", count(rows)));
        let cycles = (result.cycles).map(|cycles| format!("{} cycles", count(cycles.into())));
        let content = [format!("content {style}{mark}{style:#}")];
        let parts: Vec<String> = (rows.into_iter())
            .chain(distinct)
            .chain(cycles)
            .chain(content)
            .collect();
        for line in layout.lines(parts.iter().map(String::as_str), ", ", 2) {
            writeln!(out, "  {line}")?;
        }
    }
    if let Some(words) = report
        .result
        .as_ref()
        .and_then(|one| one.not_closed.as_ref())
    {
        let text = format!("not closed, so its memory stays: {words}");
        write_text(out, &text, WARN, layout)?;
    }
    if let Some(scenario) = &report.scenario {
        write_scenario(out, report, scenario, layout)?;
    }
    report
        .errors
        .iter()
        .try_for_each(|error| write_text(out, &describe(error), BAD, layout))
}

/// What a testee said of itself: allocators, the page cache against what it may take, and what is
/// not as it was asked for.
fn write_scenario(
    out: &mut dyn Write,
    report: &ScenarioReport,
    scenario: &ScenarioRecord,
    layout: Layout,
) -> io::Result<()> {
    let route = if scenario.route_verified {
        "route verified"
    } else {
        "route not verified"
    };
    let (rust, sqlite) = (&scenario.rust_allocator, &scenario.sqlite_allocator);
    let allocators = format!("allocators: rust {rust}, sqlite {sqlite}, {route}");
    write_text(out, &allocators, DIM, layout)?;
    instrumented::write_footnote(out, report.distorted_by().as_deref(), 2, layout)?;
    if rust == "dhat" {
        let text = "dhat slows the run down, and what it keeps is in instrument";
        write_text(out, text, WARN, layout)?;
    }
    if let Some(text) = profiled::words(&scenario.instruments) {
        write_text(out, &text, DIM, layout)?;
    }
    write_page_cache(out, &report.extremes, scenario, layout)?;
    for pragma in &scenario.pragmas {
        let (Some(asked), Some(found)) = (&pragma.asked, &pragma.read_back) else {
            continue;
        };
        if !took(&pragma.name, asked, found) {
            let text = format!(
                "PRAGMA {} = {asked} did nothing: it is {found}",
                pragma.name
            );
            write_text(out, &text, WARN, layout)?;
        }
    }
    // Where every byte has its owner, nobody misses them.
    if report.over_bound().is_empty() {
        return Ok(());
    }
    scenario.absent.iter().try_for_each(|absent| {
        let AbsentRecord { what, why } = absent;
        let text = format!("not measured here: {what}: {why}");
        write_text(out, &text, WARN, layout)
    })
}

fn write_page_cache(
    out: &mut dyn Write,
    extremes: &Extremes,
    scenario: &ScenarioRecord,
    layout: Layout,
) -> io::Result<()> {
    let most = extremes.page_cache_bytes;
    if most == 0 {
        return Ok(());
    }
    let (size, at) = (bytes(most), &extremes.page_cache_at);
    let text = format!("page cache: at most {size} ({at})");
    let Some(allowance) = allowance(scenario) else {
        return write_text(out, &text, DIM, layout);
    };
    let allowed = bytes(allowance.bytes);
    let spills = count(extremes.cache_spills.unsigned_abs());
    if most > allowance.with_headers_bytes {
        let text = format!(
            "{text}, above the {allowed} of cache_size: dirty pages are pinned, {spills} were spilled"
        );
        return write_text(out, &text, WARN, layout);
    }
    let text = format!("{text}, cache_size allows {allowed} and page headers");
    write_text(out, &text, DIM, layout)
}

/// The fill (or, without one, the largest phase), the end of the last cycle, and the close.
fn phases_of_interest(phases: &[PhaseRecord]) -> impl Iterator<Item = &PhaseRecord> {
    let largest = || phases.iter().max_by_key(|phase| phase.ledger.rss_bytes);
    let fill = phases
        .iter()
        .rev()
        .find(|phase| phase.phase == "fill")
        .or_else(largest);
    let close = phases.iter().rev().find(|phase| phase.phase == "close");
    let close = close.filter(|close| fill.is_none_or(|fill| !std::ptr::eq(fill, *close)));
    let cycle = phases.iter().rev().find(|phase| repeats(phase));
    let cycle = cycle.filter(|cycle| fill.is_none_or(|fill| !std::ptr::eq(fill, *cycle)));
    fill.into_iter().chain(cycle).chain(close)
}

#[cfg(test)]
mod tests {
    use super::super::cycles::samples::lines as cycle_lines;
    use super::super::samples;
    use super::*;
    use crate::record::{ErrorRecord, Line, PragmaRecord};

    fn plain(report: &ScenarioReport) -> String {
        plain_in(report, None)
    }

    fn plain_in(report: &ScenarioReport, columns: Option<usize>) -> String {
        let mut out = Vec::new();
        write(&mut out, report, Layout { columns }).unwrap();
        anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string()
    }

    #[test]
    fn splits_stand_below_their_parent_and_the_remainder_has_its_bound() {
        let text = plain(&samples::report());
        let order = [
            "sqlite ",
            "├ live",
            "│ ├ page cache",
            "│ │ └ dirty",
            "│ └ statements",
        ];
        let order = order
            .iter()
            .chain(&["└ untouched", "program ", "unattributed  "]);
        let tree = &text[text.find("who owns").unwrap()..];
        let mut at = 0;
        for name in order {
            at += tree[at..]
                .find(name)
                .unwrap_or_else(|| panic!("{name} after {at} in\n{tree}"));
        }
        assert!(tree.contains("ok bound ±1.0 MiB"), "{tree}");
        assert!(text.contains("512,346 rows/s"), "{text}");
        assert!(text.contains("1,112,064 rows"), "{text}");
    }

    #[test]
    fn a_narrow_terminal_gets_no_line_that_is_wider() {
        let mut report = samples::report();
        let error = ErrorRecord {
            scenario: None,
            what: "limit_rss".into(),
            message: "resident memory is 609.6 MiB and that is past the limit; ".repeat(3),
        };
        report.errors.push(error);
        report.scenario = Some(pinned());
        for columns in [60, 72, 80, 100] {
            let text = plain_in(&report, Some(columns));
            let wide = text.lines().find(|line| line.chars().count() > columns);
            assert_eq!(wide, None, "{columns}");
        }
    }

    /// 32 MiB of page cache asked for, of 70 that the sample's ledgers show.
    fn pinned() -> ScenarioRecord {
        let pragma = |name: &str, asked: &str, read_back: &str| PragmaRecord {
            connection: 0,
            name: name.into(),
            asked: Some(asked.into()),
            read_back: Some(read_back.into()),
        };
        let mut scenario = samples::scenario();
        scenario.parameters.insert("database".into(), "file".into());
        scenario.pragmas = vec![
            pragma("cache_size", "8192", "8192"),
            pragma("page_size", "4096", "4096"),
            pragma("synchronous", "NORMAL", "1"),
            pragma("journal_mode", "banana", "delete"),
        ];
        scenario
    }

    #[test]
    fn pinned_pages_and_pragmas_that_did_nothing_are_said() {
        let mut report = samples::report();
        report.scenario = Some(pinned());
        let text = plain(&report);
        assert!(
            text.contains("at most 70.0 MiB (fill, at its end), above the 32.0 MiB of cache_size"),
            "{text}"
        );
        assert!(text.contains("PRAGMA journal_mode = banana did nothing: it is delete"));
        assert_eq!(text.matches("did nothing").count(), 1, "{text}");
    }

    #[test]
    fn what_a_fill_gave_back_before_its_end_has_a_ledger_of_its_own() {
        let mut report = ScenarioReport::default();
        let mut reading = samples::phase("fill", 0);
        reading.reading = Some(1);
        reading.ledger.terms[0].bytes += 50 << 20;
        report.line(&Line::Phase(reading));
        report.line(&Line::Phase(samples::phase("fill", 0)));
        let text = plain(&report);
        assert!(
            text.contains("fill at its fullest, after 1,000 rows: who owns"),
            "{text}"
        );
        assert!(text.contains("fill at its end: who owns"), "{text}");
    }

    #[test]
    fn a_remainder_over_its_bound_is_said() {
        let mut report = samples::report();
        let mut scenario = samples::scenario();
        scenario.absent.push(AbsentRecord {
            what: "other C heap".into(),
            why: "malloc is not glibc's".into(),
        });
        report.scenario = Some(scenario);
        let missed = "not measured here: other C heap: malloc is not glibc's";
        assert!(!plain(&report).contains(missed));
        report.line(&Line::Phase(samples::phase("fill", 20 << 20)));
        let text = plain(&report);
        assert!(text.contains("over bound ±1.0 MiB"), "{text}");
        assert!(text.contains(missed), "{text}");
    }

    /// A snapshot scenario of 20 cycles, the last of which was stopped.
    fn snapshot() -> ScenarioReport {
        let rss: Vec<i64> = (0..21).map(|cycle| 560 + 524 * cycle.min(4)).collect();
        let mut lines = cycle_lines("snapshot-memory", &rss);
        if let Line::Phase(phase) = &mut lines[60] {
            phase.partial = true;
        }
        let mut report = ScenarioReport::default();
        lines.iter().for_each(|line| report.line(line));
        report.ended();
        report
    }

    #[test]
    fn phases_that_repeat_have_a_row_for_their_kind_and_one_that_was_stopped_its_own() {
        let text = plain(&snapshot());
        let table = &text[text.find("phase ").unwrap()..text.find("who owns").unwrap()];
        let names = table
            .lines()
            .skip(1)
            .take(6)
            .map(|line| line[2..].to_owned());
        let names: Vec<String> = names.collect();
        for (line, name) in names
            .iter()
            .zip(["fill ", "backup ×20 ", "dump ×20 ", "dispose ×19 "])
        {
            assert!(line.starts_with(name), "{table}");
        }
        assert!(
            names[4].starts_with("dispose… ") && names[5].starts_with("close"),
            "{table}"
        );
        assert!(table.contains("the median time"), "{table}");
        assert!(text.contains("+2096.0 MiB since the fill"), "{text}");
        let at_80 = plain_in(&snapshot(), Some(80));
        assert!(at_80.contains("SQLite live  unattributed\n"), "{at_80}");
        assert!(
            text.contains("dispose of cycle 20 when it was stopped: who owns"),
            "{text}"
        );
        for columns in [60, 80, 82] {
            let text = plain_in(&snapshot(), Some(columns));
            let wide = text.lines().find(|line| line.chars().count() > columns);
            assert_eq!(wide, None, "{columns}");
        }
    }

    #[test]
    fn terms_within_each_other_end() {
        let mut report = samples::report();
        for term in &mut report.phases[0].ledger.terms {
            term.within = Some(term.term.clone());
        }
        plain(&report);
        report.phases[0].ledger.terms[0].within = None;
        report.phases[0]
            .ledger
            .terms
            .iter_mut()
            .for_each(|term| term.term = "live".into());
        report.phases[0].ledger.terms.truncate(2);
        plain(&report);
    }
}
