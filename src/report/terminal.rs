//! Tables and trees for a person, in KiB and MiB.
//!
//! Styles are written as escape sequences; the writer behind (`anstream`) takes them out again
//! where there is no terminal or `NO_COLOR` is set.

use std::io::{self, Write};

use anstyle::Style;

use super::extremes::{Extremes, allowance};
use super::format::{bytes, count, nanoseconds, unsigned_bytes};
use super::layout::{Layout, SIZE};
use super::style::{BAD, BOLD, DIM, GOOD, WARN};
use super::tree::{mark, write_ledger};
use super::{ScenarioReport, describe};
use crate::record::{AbsentRecord, PhaseRecord, ScenarioRecord};
use crate::workload::pragmas::took;

/// Everything about one scenario: header, phases, ledgers.
pub fn write(out: &mut dyn Write, report: &ScenarioReport, layout: Layout) -> io::Result<()> {
    write_header(out, report, layout)?;
    if report.phases.is_empty() {
        return writeln!(out);
    }
    write_phases(out, &report.phases, layout)?;
    if let Some(reading) = report.extremes.given_back(&report.phases) {
        write_ledger(out, reading, layout)?;
    }
    for phase in phases_of_interest(&report.phases) {
        write_ledger(out, phase, layout)?;
    }
    writeln!(out)
}

/// Lines that are indented by two, each in `style`.
fn write_text(out: &mut dyn Write, text: &str, style: Style, layout: Layout) -> io::Result<()> {
    let mut lines = text.lines().flat_map(|line| layout.wrapped(line, 2));
    lines.try_for_each(|line| writeln!(out, "  {style}{line}{style:#}"))
}

fn write_header(out: &mut dyn Write, report: &ScenarioReport, layout: Layout) -> io::Result<()> {
    writeln!(out, "{BOLD}{}{BOLD:#}", report.name)?;
    let peak = unsigned_bytes(report.peak_bytes());
    let mut parts = Vec::new();
    if let Some(result) = &report.result {
        let rate = count(result.rows_per_second.max(0.0).round() as u64);
        let elapsed = report.phases.iter().map(|phase| phase.elapsed_ns).sum();
        parts.push(format!("{BOLD}{rate} rows/s{BOLD:#}"));
        parts.push(format!("peak {BOLD}{peak}{BOLD:#}"));
        parts.push(nanoseconds(elapsed));
        parts.push(format!("{} inserts", count(result.inserted)));
    } else if !report.phases.is_empty() {
        parts.push(format!("peak {BOLD}{peak}{BOLD:#}"));
        parts.push("no result".to_owned());
    }
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
        let cycles = (result.cycles).map(|cycles| format!("{cycles} cycles"));
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
    if rust == "dhat" {
        let text = "instrumented: dhat slows the run down, and what it keeps is in instrument";
        write_text(out, text, WARN, layout)?;
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

fn write_phases(out: &mut dyn Write, phases: &[PhaseRecord], layout: Layout) -> io::Result<()> {
    let all = layout.has_all_columns();
    let (name_width, time_width, size_width, live_width) = match all {
        true => (10, 10, SIZE, 14),
        false => (8, 9, 11, 13),
    };
    write!(
        out,
        "\n  {DIM}{:<name_width$}{:>time_width$}{:>size_width$}{:>size_width$}{:>live_width$}",
        "phase", "elapsed", "RSS", "peak", "SQLite live"
    )?;
    match all {
        true => writeln!(out, "{:>15}{DIM:#}", "unattributed")?,
        false => writeln!(out, "{DIM:#}")?,
    }
    for phase in phases {
        let name = if phase.partial {
            format!("{}…", phase.phase)
        } else {
            phase.phase.clone()
        };
        let ledger = &phase.ledger;
        let live = ledger
            .terms
            .iter()
            .find(|term| term.owner == "sqlite" && term.term == "live");
        write!(
            out,
            "  {name:<name_width$}{:>time_width$}{:>size_width$}{:>size_width$}{:>live_width$}",
            nanoseconds(phase.elapsed_ns),
            bytes(ledger.rss_bytes),
            unsigned_bytes(phase.peak_rss_bytes),
            live.map_or_else(|| "-".to_owned(), |term| bytes(term.bytes)),
        )?;
        if all {
            write!(out, "{:>15}", bytes(ledger.unattributed_bytes))?;
        }
        writeln!(out, " {}", mark(ledger))?;
    }
    Ok(())
}

/// The fill (or, without one, the largest phase), and the close.
fn phases_of_interest(phases: &[PhaseRecord]) -> impl Iterator<Item = &PhaseRecord> {
    let largest = || phases.iter().max_by_key(|phase| phase.ledger.rss_bytes);
    let fill = phases
        .iter()
        .rev()
        .find(|phase| phase.phase == "fill")
        .or_else(largest);
    let close = phases.iter().rev().find(|phase| phase.phase == "close");
    let close = close.filter(|close| fill.is_none_or(|fill| !std::ptr::eq(fill, *close)));
    fill.into_iter().chain(close)
}
#[cfg(test)]
mod tests {
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
