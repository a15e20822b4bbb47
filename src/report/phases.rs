//! The table of a scenario's phases: a row for each, and one for all of a kind that repeats.

use std::io::{self, Write};

use super::cycles::PhaseKind;
use super::format::{bytes, count, nanoseconds, unsigned_bytes};
use super::layout::{Layout, SIZE};
use super::style::DIM;
use super::tree::mark_of;
use super::{ScenarioReport, instrumented, repeats, within_bound};
use crate::record::PhaseRecord;

/// One row.
pub(super) struct Row {
    pub name: String,
    pub elapsed_ns: u64,
    pub rss_bytes: i64,
    pub peak_rss_bytes: u64,
    pub live_bytes: Option<i64>,
    pub unattributed_bytes: i64,
    pub within_bound: bool,
}

/// What `×` behind a name says.
pub(super) const OF_MANY: &str =
    "×: the median time, the highest peak, RSS and SQLite live after the last";

impl Row {
    fn of(phase: &PhaseRecord) -> Self {
        let mut terms = phase.ledger.terms.iter();
        let live = terms.find(|term| term.owner == "sqlite" && term.term == "live");
        let probe = phase.probe.map(|probe| format!(" {probe}"));
        let name = format!("{}{}", phase.phase, probe.unwrap_or_default());
        Row {
            name: format!("{name}{}", if phase.partial { "…" } else { "" }),
            elapsed_ns: phase.elapsed_ns,
            rss_bytes: phase.ledger.rss_bytes,
            peak_rss_bytes: phase.peak_rss_bytes,
            live_bytes: live.map(|term| term.bytes),
            unattributed_bytes: phase.ledger.unattributed_bytes,
            within_bound: within_bound(&phase.ledger),
        }
    }

    fn of_kind(kind: &PhaseKind) -> Self {
        let name = match kind.count {
            1 => kind.phase.clone(),
            times => format!("{} ×{}", kind.phase, count(u64::from(times))),
        };
        Row {
            name,
            elapsed_ns: kind.elapsed_ns(),
            rss_bytes: kind.rss_bytes,
            peak_rss_bytes: kind.peak_rss_bytes,
            live_bytes: Some(kind.sqlite_live_bytes),
            unattributed_bytes: kind.unattributed_bytes,
            within_bound: kind.within_bound,
        }
    }
}

/// The phases before the first cycle, the kinds of the cycles', what was stopped, and the rest.
pub(super) fn rows(report: &ScenarioReport) -> Vec<Row> {
    let first = report.phases.iter().position(repeats);
    let (before, rest) = report.phases.split_at(first.unwrap_or(report.phases.len()));
    let once = |phase: &&PhaseRecord| !repeats(phase) || phase.partial;
    let kinds = report.cycles.kinds().iter();
    (before.iter().map(Row::of))
        .chain(kinds.map(Row::of_kind))
        .chain(rest.iter().filter(once).map(Row::of))
        .collect()
}

/// The columns of a table: 0 for one that is not there.
struct Widths {
    name: usize,
    time: usize,
    size: usize,
    live: usize,
    unattributed: usize,
}

impl Widths {
    fn of(rows: &[Row], layout: Layout) -> Self {
        // Beside the name: the other columns, the indent and the mark.
        const ALL: usize = 70;
        const CLOSE: usize = 65;
        const MOST: usize = 51;
        let name = rows.iter().map(|row| row.name.chars().count() + 1).max();
        let name = name.unwrap_or(0);
        if layout.has_room_for(name.max(10) + ALL) {
            return Widths {
                name: name.max(10),
                time: 10,
                size: SIZE,
                live: 14,
                unattributed: 15,
            };
        }
        let name = name.max(8);
        let has_live = layout.has_room_for(name + MOST);
        let has_all = layout.has_room_for(name + CLOSE);
        Widths {
            name,
            time: 9,
            size: 11,
            live: if has_live { 13 } else { 0 },
            unattributed: if has_all { 14 } else { 0 },
        }
    }
}

pub(super) fn write(
    out: &mut dyn Write,
    report: &ScenarioReport,
    layout: Layout,
) -> io::Result<()> {
    let rows = rows(report);
    let mark = report.mark();
    let Widths {
        name: name_width,
        time: time_width,
        size: size_width,
        live: live_width,
        unattributed: unattributed_width,
    } = Widths::of(&rows, layout);
    write!(
        out,
        "\n  {DIM}{:<name_width$}{:>time_width$}{:>size_width$}{:>size_width$}",
        "phase",
        format!("elapsed{mark}"),
        format!("RSS{mark}"),
        format!("peak{mark}"),
    )?;
    if live_width > 0 {
        write!(out, "{:>live_width$}", "SQLite live")?;
    }
    if unattributed_width > 0 {
        write!(out, "{:>unattributed_width$}", "unattributed")?;
    }
    writeln!(out, "{DIM:#}")?;
    for row in &rows {
        write!(
            out,
            "  {:<name_width$}{:>time_width$}{:>size_width$}{:>size_width$}",
            row.name,
            nanoseconds(row.elapsed_ns),
            bytes(row.rss_bytes),
            unsigned_bytes(row.peak_rss_bytes),
        )?;
        if live_width > 0 {
            let live = row.live_bytes.map_or_else(|| "-".to_owned(), bytes);
            write!(out, "{live:>live_width$}")?;
        }
        if unattributed_width > 0 {
            let unattributed = bytes(row.unattributed_bytes);
            write!(out, "{unattributed:>unattributed_width$}")?;
        }
        writeln!(out, " {}", mark_of(row.within_bound))?;
    }
    if report.cycles.kinds().iter().any(|kind| kind.count > 1) {
        let mut lines = layout.wrapped(OF_MANY, 2).into_iter();
        lines.try_for_each(|line| writeln!(out, "  {DIM}{line}{DIM:#}"))?;
    }
    instrumented::write_footnote(out, report.distorted_by().as_deref(), 2, layout)
}
