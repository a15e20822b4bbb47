//! dhat's counters beside SQLite's, Rust's, jemalloc's and the kernel's, all of one ledger, and what
//! each difference is made of. For a run in a build with `dhat-heap`.
//!
//! Nothing is guessed: the parts of a difference are terms of that ledger, and what they leave is a part
//! of its own, so that they add up to it.

use std::borrow::Cow;
use std::io::{self, Write};

use super::ScenarioReport;
use super::extremes::sqlite_bytes;
use super::format::{bytes, count, signed_bytes, unsigned_bytes};
use super::layout::Layout;
use super::style::{BOLD, DIM, WARN};
use crate::record::{DhatRecord, LedgerRecord, PhaseRecord};

/// What a testee does before and after its work.
const AROUND_THE_WORK: [&str; 4] = ["start", "probe", "verify", "close"];

/// One ledger with dhat's counters.
struct Moment<'a> {
    phase: &'a PhaseRecord,
    dhat: &'a DhatRecord,
    sqlite_allocator: &'a str,
}

/// A counter: what it knows of.
struct Row {
    name: &'static str,
    current: Option<i64>,
    blocks: Option<i64>,
    peak: Option<i64>,
    total: Option<(u64, u64)>,
}

/// Two counters, and what lies between them.
struct Difference {
    what: &'static str,
    bytes: i64,
    parts: Vec<(i64, Cow<'static, str>)>,
}

/// The table at the end of a scenario; nothing where no ledger has dhat's counters.
pub(super) fn write(
    out: &mut dyn Write,
    report: &ScenarioReport,
    layout: Layout,
) -> io::Result<()> {
    let Some(moment) = Moment::of(report) else {
        return Ok(());
    };
    moment.write_rows(out, layout)?;
    for one in moment.differences() {
        one.write(out, layout)?;
    }
    moment.write_notes(out, layout)
}

fn term(ledger: &LedgerRecord, owner: &str, name: &str) -> i64 {
    let mut terms = ledger.terms.iter();
    let found = terms.find(|term| term.owner == owner && term.term == name);
    found.map_or(0, |term| term.bytes)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl<'a> Moment<'a> {
    /// The end of the work: of the last phase before the probes and the close.
    fn of(report: &'a ScenarioReport) -> Option<Self> {
        let has_dhat = |phase: &&PhaseRecord| phase.ledger.beside.dhat.is_some();
        let works = |phase: &&PhaseRecord| !AROUND_THE_WORK.contains(&phase.phase.as_str());
        let phases = || report.phases.iter().rev().filter(has_dhat);
        let phase = phases().find(works).or_else(|| phases().next())?;
        Some(Moment {
            phase,
            dhat: phase.ledger.beside.dhat.as_ref()?,
            sqlite_allocator: &report.scenario.as_ref()?.sqlite_allocator,
        })
    }

    fn ledger(&self) -> &'a LedgerRecord {
        &self.phase.ledger
    }

    /// Whether SQLite's blocks are Rust's allocator's.
    fn through_rust(&self) -> bool {
        self.sqlite_allocator == "rust"
    }

    /// Whether a term's bytes are what dhat counts, too.
    fn is_counted(&self, owner: &str, name: &str) -> bool {
        let sqlites = owner == "sqlite" && matches!(name, "live" | "header");
        (sqlites && self.through_rust()) || (owner == "rust" && name == "live")
    }

    /// What the ledger counts of the blocks that go through Rust's allocator.
    fn counted_bytes(&self) -> i64 {
        let terms = self.ledger().terms.iter().filter(|term| term.counts);
        let ours = terms.filter(|term| self.is_counted(&term.owner, &term.term));
        ours.map(|term| term.bytes).sum()
    }

    fn counted_blocks(&self) -> i64 {
        let beside = &self.ledger().beside;
        let sqlites = if self.through_rust() {
            beside.sqlite_blocks
        } else {
            0
        };
        beside.rust_blocks + sqlites
    }

    fn rows(&self) -> Vec<Row> {
        let (ledger, dhat) = (self.ledger(), self.dhat);
        let beside = &ledger.beside;
        let row = |name, current, blocks, peak, total| Row {
            name,
            current,
            blocks,
            peak,
            total,
        };
        let mut rows = vec![
            row(
                "dhat",
                Some(signed(dhat.current_bytes)),
                Some(signed(dhat.current_blocks)),
                Some(signed(dhat.peak_bytes)),
                Some((dhat.total_bytes, dhat.total_blocks)),
            ),
            row(
                "Rust's allocator",
                Some(self.counted_bytes()),
                Some(self.counted_blocks()),
                Some(beside.rust_peak_bytes),
                Some((beside.rust_total_bytes, beside.rust_total_blocks)),
            ),
            row(
                "SQLite live",
                Some(sqlite_bytes(ledger, "live")),
                Some(beside.sqlite_blocks),
                Some(beside.sqlite_highwater_bytes),
                None,
            ),
            row(
                "SQLite headers",
                Some(sqlite_bytes(ledger, "header")),
                None,
                None,
                None,
            ),
            row(
                "Rust live",
                Some(term(ledger, "rust", "live")),
                Some(beside.rust_blocks),
                None,
                None,
            ),
        ];
        if let Some(jemalloc) = &beside.jemalloc {
            let allocated = Some(signed(jemalloc.allocated_bytes));
            rows.push(row("jemalloc's", allocated, None, None, None));
        }
        let peak = Some(signed(self.phase.peak_rss_bytes));
        rows.push(row("RSS*", Some(ledger.rss_bytes), None, peak, None));
        rows
    }

    /// Each with parts that add up to it.
    fn differences(&self) -> Vec<Difference> {
        let (ledger, dhat) = (self.ledger(), self.dhat);
        let beside = &ledger.beside;
        let current = signed(dhat.current_bytes);
        let older = self.counted_bytes() - current;
        let mut all = vec![
            self.since_dhat("Rust's allocator less dhat, current", older),
            self.since_dhat(
                "Rust's allocator less dhat, peak",
                beside.rust_peak_bytes - signed(dhat.peak_bytes),
            ),
        ];
        let total = signed(beside.rust_total_bytes) - signed(dhat.total_bytes);
        let before = signed(dhat.before_total_bytes);
        all.push(Difference {
            what: "Rust's allocator less dhat, total",
            bytes: total,
            parts: vec![
                (before, "asked for before dhat started".into()),
                (total - before, "unexplained".into()),
            ],
        });
        all.extend(self.jemalloc());
        let mut parts = vec![(older, "Rust's allocator less dhat, as above".into())];
        let terms = ledger.terms.iter().filter(|term| term.counts);
        let others = terms.filter(|term| !self.is_counted(&term.owner, &term.term));
        parts.extend(others.map(|term| (term.bytes, words(&term.owner, &term.term))));
        parts.push((ledger.unattributed_bytes, "unattributed".into()));
        all.push(Difference {
            what: "RSS less dhat, current",
            bytes: ledger.rss_bytes - current,
            parts,
        });
        all
    }

    /// Of the blocks that were live when dhat started no more can be left than there were.
    fn since_dhat(&self, what: &'static str, difference: i64) -> Difference {
        let (live, blocks) = (self.dhat.before_live_bytes, self.dhat.before_live_blocks);
        let older = difference.clamp(0, signed(live));
        let why = format!(
            "in blocks older than dhat, which started with {} live in {} of them",
            unsigned_bytes(live),
            count(blocks)
        );
        Difference {
            what,
            bytes: difference,
            parts: vec![
                (older, why.into()),
                (difference - older, "unexplained".into()),
            ],
        }
    }

    fn jemalloc(&self) -> Option<Difference> {
        let ledger = self.ledger();
        let allocated = signed(ledger.beside.jemalloc.as_ref()?.allocated_bytes);
        let mut parts = Vec::new();
        let mut rest = allocated;
        if matches!(self.sqlite_allocator, "arena" | "arena-native") {
            for (name, why) in [
                ("live", "SQLite live, which is not in dhat"),
                ("header", "SQLite's headers"),
                ("rounding", "rounding to jemalloc's size classes"),
            ] {
                let part = sqlite_bytes(ledger, name);
                rest -= part;
                parts.push((part, why.into()));
            }
        }
        parts.push((rest, "jemalloc's for itself: it serves nobody else".into()));
        Some(Difference {
            what: "jemalloc's allocated, of which dhat knows nothing",
            bytes: allocated,
            parts,
        })
    }

    fn write_rows(&self, out: &mut dyn Write, layout: Layout) -> io::Result<()> {
        const TOTALS: usize = 29;
        let rows = self.rows();
        let name = 18;
        let with_totals = layout.has_room_for(2 + name + 36 + TOTALS);
        let phase = &self.phase.phase;
        let when = match (self.phase.partial, self.phase.cycle) {
            (true, _) => format!("{phase} when it was stopped"),
            (false, Some(cycle)) if cycle > 0 => format!("{phase} of cycle {cycle} at its end"),
            (false, _) => format!("{phase} at its end"),
        };
        writeln!(out)?;
        for line in layout.wrapped(&format!("{when}: what each counter knows of"), 2) {
            writeln!(out, "  {BOLD}{line}{BOLD:#}")?;
        }
        let head = format!(
            "{:name$}{:>12}{:>12}{:>12}",
            "", "current", "blocks", "peak"
        );
        let more = format!("{:>14}{:>15}", "total", "blocks in all");
        let more = if with_totals { more.as_str() } else { "" };
        writeln!(out, "  {DIM}{head}{more}{DIM:#}")?;
        let cell = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        for row in &rows {
            let current = cell(row.current.map(bytes));
            let blocks = cell(row.blocks.map(|n| count(n.unsigned_abs())));
            let peak = cell(row.peak.map(bytes));
            write!(
                out,
                "  {:name$}{current:>12}{blocks:>12}{peak:>12}",
                row.name
            )?;
            if with_totals {
                let total = cell(row.total.map(|(bytes, _)| unsigned_bytes(bytes)));
                let blocks = cell(row.total.map(|(_, blocks)| count(blocks)));
                write!(out, "{total:>14}{blocks:>15}")?;
            }
            writeln!(out)?;
        }
        if with_totals {
            return Ok(());
        }
        for row in &rows {
            if let Some((total, blocks)) = row.total {
                let (total, blocks) = (unsigned_bytes(total), count(blocks));
                let text = format!("{} in all: {total} in {blocks} blocks", row.name);
                write_wrapped(out, &text, layout)?;
            }
        }
        Ok(())
    }

    fn write_notes(&self, out: &mut dyn Write, layout: Layout) -> io::Result<()> {
        let text = "peaks: dhat's is its t-gmax, SQLite's its highwater mark, each at a moment of its \
                    own; RSS* is the kernel's, with all that dhat keeps";
        write_wrapped(out, text, layout)?;
        if self.through_rust() {
            return Ok(());
        }
        let text = format!(
            "SQLite's {} in {} blocks are not in dhat, because its allocator is {}: --set \
             sqlite_allocator=rust sends them through Rust's",
            bytes(sqlite_bytes(self.ledger(), "live")),
            count(self.ledger().beside.sqlite_blocks.unsigned_abs()),
            self.sqlite_allocator
        );
        let mut lines = layout.wrapped(&text, 2).into_iter();
        lines.try_for_each(|line| writeln!(out, "  {WARN}{line}{WARN:#}"))
    }
}

fn write_wrapped(out: &mut dyn Write, text: &str, layout: Layout) -> io::Result<()> {
    let mut lines = layout.wrapped(text, 2).into_iter();
    lines.try_for_each(|line| writeln!(out, "  {DIM}{line}{DIM:#}"))
}

impl Difference {
    /// Largest part first; none that is 0.
    fn write(mut self, out: &mut dyn Write, layout: Layout) -> io::Result<()> {
        const SIZE: usize = 13;
        let text = format!("{BOLD}{}{BOLD:#}: {}", self.what, signed_bytes(self.bytes));
        for line in layout.wrapped(&text, 2) {
            writeln!(out, "  {line}")?;
        }
        self.parts.retain(|(bytes, _)| *bytes != 0);
        (self.parts).sort_by_key(|(bytes, _)| std::cmp::Reverse(bytes.unsigned_abs()));
        for (bytes, why) in &self.parts {
            let lines = layout.wrapped(why, 2 + SIZE + 2);
            let mut size = signed_bytes(*bytes);
            for line in lines {
                writeln!(out, "  {size:>SIZE$}  {DIM}{line}{DIM:#}")?;
                size.clear();
            }
        }
        Ok(())
    }
}

/// A term as what stands between dhat and RSS.
fn words(owner: &str, name: &str) -> Cow<'static, str> {
    let words = match (owner, name) {
        ("sqlite", "live") => "SQLite live, which is not in dhat",
        ("sqlite", "header") => "SQLite's headers, which are not in dhat",
        ("sqlite", "rounding") => "SQLite's blocks, rounded to the allocator's sizes",
        ("rust", "rounding") => "Rust's blocks, rounded to the allocator's sizes",
        ("other_c", "live") => "other C code's blocks",
        ("allocator", "free but resident") => "freed, and kept by malloc",
        ("allocator", "untouched") => "allocated, and never touched",
        ("instrument", "dhat") => "dhat's own bookkeeping",
        ("instrument", "buffers") => "the ledger's own buffers",
        ("files", "program") => "the program's pages, from its files",
        ("program", "data") => "the program's data",
        _ => return format!("{owner}: {name}").into(),
    };
    words.into()
}

#[cfg(test)]
mod tests;
