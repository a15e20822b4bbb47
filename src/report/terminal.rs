//! Tables and trees for a person, in KiB and MiB.
//!
//! Styles are written as escape sequences; the writer behind (`anstream`) takes them out again
//! where there is no terminal or `NO_COLOR` is set.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::format::{bar, bytes, count, nanoseconds, share, unsigned_bytes};
use super::{ScenarioReport, bound_bytes, describe, within_bound};
use crate::record::{LedgerRecord, PhaseRecord, TermRecord};

/// Owners in the order in which they are always shown.
const OWNERS: [(&str, AnsiColor); 8] = [
    ("sqlite", AnsiColor::Blue),
    ("rust", AnsiColor::Yellow),
    ("other_c", AnsiColor::Magenta),
    ("allocator", AnsiColor::Cyan),
    ("stacks", AnsiColor::Green),
    ("program", AnsiColor::White),
    ("instrument", AnsiColor::BrightBlack),
    ("files", AnsiColor::BrightBlue),
];

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Columns of a name in a tree, of a bar, and of a size.
const NAME: usize = 28;
const BAR: usize = 24;
const SIZE: usize = 12;

/// Everything about one scenario: header, phases, ledgers.
pub fn write(out: &mut dyn Write, report: &ScenarioReport) -> io::Result<()> {
    write_header(out, report)?;
    if report.phases.is_empty() {
        return writeln!(out);
    }
    write_phases(out, &report.phases)?;
    for phase in phases_of_interest(&report.phases) {
        write_ledger(out, phase)?;
    }
    writeln!(out)
}

fn write_header(out: &mut dyn Write, report: &ScenarioReport) -> io::Result<()> {
    writeln!(out, "{BOLD}{}{BOLD:#}", report.name)?;
    let peak = unsigned_bytes(report.peak_bytes());
    if let Some(result) = &report.result {
        let rate = count(result.rows_per_second.max(0.0).round() as u64);
        let elapsed = report.phases.iter().map(|phase| phase.elapsed_ns).sum();
        let elapsed = nanoseconds(elapsed);
        let inserted = count(result.inserted);
        writeln!(
            out,
            "  {BOLD}{rate} rows/s{BOLD:#} · peak {BOLD}{peak}{BOLD:#} · {elapsed} · {inserted} inserts"
        )?;
        let (style, mark) = if result.verified {
            (GOOD, "✓ verified")
        } else {
            (BAD, "✗ not what was inserted")
        };
        let (rows, distinct) = (count(result.rows), count(result.distinct_rows));
        writeln!(
            out,
            "  {rows} rows, {distinct} distinct, content {style}{mark}{style:#}"
        )?;
    } else if !report.phases.is_empty() {
        writeln!(out, "  peak {BOLD}{peak}{BOLD:#} · no result")?;
    }
    if let Some(scenario) = &report.scenario {
        let route = if scenario.route_verified {
            "route verified"
        } else {
            "route not verified"
        };
        let (rust, sqlite) = (&scenario.rust_allocator, &scenario.sqlite_allocator);
        writeln!(
            out,
            "  {DIM}allocators: rust {rust}, sqlite {sqlite}, {route}{DIM:#}"
        )?;
        if rust == "dhat" {
            let note = "instrumented: dhat slows the run down, and what it keeps is in other_c";
            writeln!(out, "  {BAD}{note}{BAD:#}")?;
        }
    }
    for error in &report.errors {
        writeln!(out, "  {BAD}{}{BAD:#}", describe(error))?;
    }
    Ok(())
}

fn write_phases(out: &mut dyn Write, phases: &[PhaseRecord]) -> io::Result<()> {
    writeln!(
        out,
        "\n  {DIM}{:<10}{:>10}{:>SIZE$}{:>SIZE$}{:>14}{:>15}{DIM:#}",
        "phase", "elapsed", "RSS", "peak", "SQLite live", "unattributed"
    )?;
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
        writeln!(
            out,
            "  {name:<10}{:>10}{:>SIZE$}{:>SIZE$}{:>14}{:>15} {}",
            nanoseconds(phase.elapsed_ns),
            bytes(ledger.rss_bytes),
            unsigned_bytes(phase.peak_rss_bytes),
            live.map_or_else(|| "-".to_owned(), |term| bytes(term.bytes)),
            bytes(ledger.unattributed_bytes),
            mark(ledger)
        )?;
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

fn write_ledger(out: &mut dyn Write, phase: &PhaseRecord) -> io::Result<()> {
    let ledger = &phase.ledger;
    let when = if phase.partial {
        "when it was stopped"
    } else {
        "at its end"
    };
    let rss = bytes(ledger.rss_bytes);
    writeln!(
        out,
        "\n  {BOLD}{}{BOLD:#} {when}: who owns {BOLD}{rss}{BOLD:#}",
        phase.phase
    )?;
    for (owner, color) in OWNERS {
        write_owner(out, ledger, owner, color.on_default())?;
    }
    let unknown = ledger.terms.iter().map(|term| term.owner.as_ref());
    let mut unknown: Vec<&str> = unknown
        .filter(|owner| !OWNERS.iter().any(|(known, _)| known == owner))
        .collect();
    unknown.sort_unstable();
    unknown.dedup();
    for owner in unknown {
        write_owner(out, ledger, owner, Style::new())?;
    }
    let unattributed = ledger.unattributed_bytes;
    let style = if within_bound(ledger) { DIM } else { BAD };
    let row = row("unattributed", unattributed, ledger.rss_bytes, style);
    let bound = bytes(bound_bytes(ledger.rss_bytes));
    writeln!(out, "  {row}  {} {DIM}bound ±{bound}{DIM:#}", mark(ledger))
}

fn mark(ledger: &LedgerRecord) -> String {
    if within_bound(ledger) {
        format!("{GOOD}ok{GOOD:#}")
    } else {
        format!("{BAD}over{BAD:#}")
    }
}

/// An owner's sum, and below it its terms with their splits.
fn write_owner(
    out: &mut dyn Write,
    ledger: &LedgerRecord,
    owner: &str,
    style: Style,
) -> io::Result<()> {
    let terms: Vec<&TermRecord> = ledger
        .terms
        .iter()
        .filter(|term| term.owner == owner && term.bytes != 0)
        .collect();
    if terms.is_empty() {
        return Ok(());
    }
    let total: i64 = terms
        .iter()
        .filter(|term| term.counts)
        .map(|term| term.bytes)
        .sum();
    writeln!(out, "  {}", row(owner, total, ledger.rss_bytes, style))?;
    let has_parent = |term: &TermRecord| {
        let parent = term.within.as_deref();
        parent.is_some_and(|parent| terms.iter().any(|other| other.term == parent))
    };
    let roots: Vec<&TermRecord> = terms
        .iter()
        .copied()
        .filter(|term| !has_parent(term))
        .collect();
    write_terms(out, &roots, &terms, ledger.rss_bytes, &mut String::new())
}

/// One level of a tree; `indent` holds the lines of the levels above.
fn write_terms(
    out: &mut dyn Write,
    level: &[&TermRecord],
    all: &[&TermRecord],
    rss_bytes: i64,
    indent: &mut String,
) -> io::Result<()> {
    const DEEPEST: usize = 8;
    for (index, term) in level.iter().enumerate() {
        let last = index + 1 == level.len();
        let name = format!("{indent}{} {}", if last { "└" } else { "├" }, term.term);
        let size = bytes(term.bytes);
        let share = share(term.bytes, rss_bytes);
        writeln!(
            out,
            "  {DIM}{name:<NAME$}{DIM:#}{:BAR$}{size:>SIZE$}{share:>9}",
            ""
        )?;
        let within = |other: &&&TermRecord| {
            other.within.as_deref() == Some(term.term.as_ref()) && other.term != term.term
        };
        let splits: Vec<&TermRecord> = all.iter().filter(within).copied().collect();
        // A record is input: a term that is within itself must not be followed for ever.
        if indent.chars().count() < DEEPEST {
            let before = indent.len();
            indent.push_str(if last { "  " } else { "│ " });
            write_terms(out, &splits, all, rss_bytes, indent)?;
            indent.truncate(before);
        }
    }
    Ok(())
}

fn row(name: &str, part: i64, whole: i64, style: Style) -> String {
    let (bar, size, share) = (bar(part, whole, BAR), bytes(part), share(part, whole));
    format!("{BOLD}{name:<NAME$}{BOLD:#}{style}{bar}{style:#}{BOLD}{size:>SIZE$}{BOLD:#}{share:>9}")
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn plain(report: &ScenarioReport) -> String {
        let mut out = Vec::new();
        write(&mut out, report).unwrap();
        anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string()
    }

    #[test]
    fn splits_stand_below_their_parent_and_the_remainder_has_its_bound() {
        let text = plain(&samples::report());
        let order = [
            "sqlite ",
            "├ live",
            "│ ├ page_cache",
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
    fn a_remainder_over_its_bound_is_said() {
        let mut report = samples::report();
        report.phases[0] = samples::phase("fill", 20 << 20);
        assert!(plain(&report).contains("over bound ±1.0 MiB"));
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
