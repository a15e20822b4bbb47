//! One ledger as a tree: owners with their bytes, share and bar, their terms and splits below them.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::format::{bar, bytes, count, share};
use super::layout::{Layout, NAME, SIZE};
use super::style::{BAD, BOLD, DIM, GOOD};
use super::{bound_bytes, within_bound};
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

pub(super) fn write_ledger(
    out: &mut dyn Write,
    phase: &PhaseRecord,
    layout: Layout,
) -> io::Result<()> {
    let ledger = &phase.ledger;
    let when = match (phase.reading, phase.rows) {
        _ if phase.partial => "when it was stopped".to_owned(),
        (None, _) => "at its end".to_owned(),
        (Some(reading), None) => format!("at its fullest, reading {reading}"),
        (Some(_), Some(rows)) => format!("at its fullest, after {} rows", count(rows)),
    };
    let cycle = match phase.cycle {
        Some(cycle) if cycle > 0 => format!(" of cycle {}", count(u64::from(cycle))),
        _ => String::new(),
    };
    let rss = bytes(ledger.rss_bytes);
    let name = &phase.phase;
    let title = format!("{BOLD}{name}{BOLD:#}{cycle} {when}: who owns {BOLD}{rss}{BOLD:#}");
    writeln!(out)?;
    for line in layout.wrapped(&title, 2) {
        writeln!(out, "  {line}")?;
    }
    for (owner, color) in OWNERS {
        write_owner(out, ledger, owner, color.on_default(), layout)?;
    }
    let unknown = ledger.terms.iter().map(|term| term.owner.as_ref());
    let mut unknown: Vec<&str> = unknown
        .filter(|owner| !OWNERS.iter().any(|(known, _)| known == owner))
        .collect();
    unknown.sort_unstable();
    unknown.dedup();
    for owner in unknown {
        write_owner(out, ledger, owner, Style::new(), layout)?;
    }
    let unattributed = ledger.unattributed_bytes;
    let style = if within_bound(ledger) { DIM } else { BAD };
    let row = row(
        "unattributed",
        unattributed,
        ledger.rss_bytes,
        style,
        layout,
    );
    write!(out, "  {row} {}", mark(ledger))?;
    if layout.has_bound() {
        let bound = bytes(bound_bytes(ledger.rss_bytes));
        write!(out, " {DIM}bound ±{bound}{DIM:#}")?;
    }
    writeln!(out)
}

pub(super) fn mark(ledger: &LedgerRecord) -> String {
    mark_of(within_bound(ledger))
}

pub(super) fn mark_of(within_bound: bool) -> String {
    if within_bound {
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
    layout: Layout,
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
    writeln!(
        out,
        "  {}",
        row(owner, total, ledger.rss_bytes, style, layout)
    )?;
    let has_parent = |term: &TermRecord| {
        let parent = term.within.as_deref();
        parent.is_some_and(|parent| terms.iter().any(|other| other.term == parent))
    };
    let roots: Vec<&TermRecord> = terms
        .iter()
        .copied()
        .filter(|term| !has_parent(term))
        .collect();
    let tree = Tree {
        all: &terms,
        rss_bytes: ledger.rss_bytes,
        bar: layout.bar(),
    };
    tree.write(out, &roots, &mut String::new())
}

/// The terms of one owner.
struct Tree<'a> {
    all: &'a [&'a TermRecord],
    rss_bytes: i64,
    /// Columns left free below the owner's bar.
    bar: usize,
}

impl Tree<'_> {
    /// One level; `indent` holds the lines of the levels above.
    fn write(
        &self,
        out: &mut dyn Write,
        level: &[&TermRecord],
        indent: &mut String,
    ) -> io::Result<()> {
        const DEEPEST: usize = 8;
        for (index, term) in level.iter().enumerate() {
            let last = index + 1 == level.len();
            let name = format!("{indent}{} {}", if last { "└" } else { "├" }, term.term);
            let size = bytes(term.bytes);
            let share = share(term.bytes, self.rss_bytes);
            writeln!(
                out,
                "  {DIM}{name:<NAME$}{DIM:#}{:bar$}{size:>SIZE$}{share:>9}",
                "",
                bar = self.bar
            )?;
            let within = |other: &&&TermRecord| {
                other.within.as_deref() == Some(term.term.as_ref()) && other.term != term.term
            };
            let splits: Vec<&TermRecord> = self.all.iter().filter(within).copied().collect();
            // A record is input: a term that is within itself must not be followed for ever.
            if indent.chars().count() < DEEPEST {
                let before = indent.len();
                indent.push_str(if last { "  " } else { "│ " });
                self.write(out, &splits, indent)?;
                indent.truncate(before);
            }
        }
        Ok(())
    }
}

fn row(name: &str, part: i64, whole: i64, style: Style, layout: Layout) -> String {
    let (size, share) = (bytes(part), share(part, whole));
    let bar = match layout.bar() {
        0 => String::new(),
        columns => bar(part, whole, columns),
    };
    format!("{BOLD}{name:<NAME$}{BOLD:#}{style}{bar}{style:#}{BOLD}{size:>SIZE$}{BOLD:#}{share:>9}")
}
