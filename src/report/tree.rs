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

/// `at its end`, `at its fullest, after 500,000 rows`
fn when(phase: &PhaseRecord) -> String {
    match (phase.reading, phase.rows) {
        _ if phase.partial => "when it was stopped".to_owned(),
        (None, _) => "at its end".to_owned(),
        (Some(reading), None) => format!("at its fullest, reading {reading}"),
        (Some(_), Some(rows)) => format!("at its fullest, after {} rows", count(rows)),
    }
}

pub(super) fn write_ledger(
    out: &mut dyn Write,
    phase: &PhaseRecord,
    layout: Layout,
) -> io::Result<()> {
    let ledger = &phase.ledger;
    let when = when(phase);
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
    for branch in branches(ledger) {
        write_branch(out, &branch, ledger.rss_bytes, layout)?;
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

/// An owner or one of its terms, as deep in the tree as it stands.
#[derive(Debug)]
pub(super) struct Branch<'a> {
    /// 0 for an owner.
    pub depth: usize,
    /// Lines that lead to it: `│ ├ `.
    pub guides: String,
    /// The owner's or the term's.
    pub name: &'a str,
    /// Of an owner, the sum of its terms that count.
    pub bytes: i64,
    /// Where the number was read; of an owner nowhere.
    pub source: Option<&'a str>,
}

/// The owners of a ledger that have anything, each with its terms below it and their splits below
/// those. `unattributed` is not among them.
pub(super) fn branches(ledger: &LedgerRecord) -> Vec<Branch<'_>> {
    let mut unknown: Vec<&str> = (ledger.terms.iter())
        .map(|term| term.owner.as_ref())
        .filter(|owner| !OWNERS.iter().any(|(known, _)| known == owner))
        .collect();
    unknown.sort_unstable();
    unknown.dedup();
    let owners = OWNERS.iter().map(|(owner, _)| *owner).chain(unknown);
    let mut found = Vec::new();
    owners.for_each(|owner| see_owner(&mut found, ledger, owner));
    found
}

/// An owner's sum, and below it its terms with their splits.
fn see_owner<'a>(found: &mut Vec<Branch<'a>>, ledger: &'a LedgerRecord, owner: &'a str) {
    let terms: Vec<&TermRecord> = ledger
        .terms
        .iter()
        .filter(|term| term.owner == owner && term.bytes != 0)
        .collect();
    if terms.is_empty() {
        return;
    }
    let counted = terms.iter().filter(|term| term.counts);
    found.push(Branch {
        depth: 0,
        guides: String::new(),
        name: owner,
        bytes: counted.map(|term| term.bytes).sum(),
        source: None,
    });
    let has_parent = |term: &TermRecord| {
        let parent = term.within.as_deref();
        parent.is_some_and(|parent| terms.iter().any(|other| other.term == parent))
    };
    let roots: Vec<&TermRecord> = terms
        .iter()
        .copied()
        .filter(|term| !has_parent(term))
        .collect();
    see_level(found, &terms, &roots, &mut String::new());
}

/// One level; `indent` holds the lines of the levels above.
fn see_level<'a>(
    found: &mut Vec<Branch<'a>>,
    all: &[&'a TermRecord],
    level: &[&'a TermRecord],
    indent: &mut String,
) {
    const DEEPEST: usize = 8;
    for (index, term) in level.iter().enumerate() {
        let last = index + 1 == level.len();
        found.push(Branch {
            depth: indent.chars().count() / 2 + 1,
            guides: format!("{indent}{} ", if last { "└" } else { "├" }),
            name: &term.term,
            bytes: term.bytes,
            source: Some(&term.source),
        });
        let within = |other: &&&TermRecord| {
            other.within.as_deref() == Some(term.term.as_ref()) && other.term != term.term
        };
        let splits: Vec<&TermRecord> = all.iter().filter(within).copied().collect();
        // A record is input: a term that is within itself must not be followed for ever.
        if indent.chars().count() < DEEPEST {
            let before = indent.len();
            indent.push_str(if last { "  " } else { "│ " });
            see_level(found, all, &splits, indent);
            indent.truncate(before);
        }
    }
}

fn write_branch(
    out: &mut dyn Write,
    branch: &Branch<'_>,
    rss_bytes: i64,
    layout: Layout,
) -> io::Result<()> {
    let Branch {
        depth,
        guides,
        name,
        bytes: part,
        ..
    } = branch;
    if *depth == 0 {
        let known = OWNERS.iter().find(|(owner, _)| owner == name);
        let style = known.map_or(Style::new(), |(_, color)| color.on_default());
        return writeln!(out, "  {}", row(name, *part, rss_bytes, style, layout));
    }
    let name = format!("{guides}{name}");
    let (size, share) = (bytes(*part), share(*part, rss_bytes));
    let bar = layout.bar();
    writeln!(
        out,
        "  {DIM}{name:<NAME$}{DIM:#}{:bar$}{size:>SIZE$}{share:>9}",
        ""
    )
}

fn row(name: &str, part: i64, whole: i64, style: Style, layout: Layout) -> String {
    let (size, share) = (bytes(part), share(part, whole));
    let bar = match layout.bar() {
        0 => String::new(),
        columns => bar(part, whole, columns),
    };
    format!("{BOLD}{name:<NAME$}{BOLD:#}{style}{bar}{style:#}{BOLD}{size:>SIZE$}{BOLD:#}{share:>9}")
}
