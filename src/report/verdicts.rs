//! Verdicts for a person: what each scenario shows, with its numbers and what the probe did; and of
//! several scenarios what was expected against what was found.

use std::io::{self, Write};

use anstyle::Style;

use super::format::{bytes, count, share, signed_bytes, signed_count};
use super::layout::Layout;
use super::style::{BAD, BOLD, DIM, GOOD, WARN};
use crate::memory::statements::Statements;
use crate::record::VerdictRecord;
use crate::verdict::{Confidence, Evidence, Finding, GaveBack, Judgement, Unit, Verdict};

/// The verdicts of one scenario, largest first.
pub fn write(out: &mut dyn Write, judgement: &Judgement, layout: Layout) -> io::Result<()> {
    if let Some(none) = &judgement.none {
        return write_lines(out, &format!("no verdict: {none}"), 2, WARN, layout);
    }
    (judgement.findings.iter())
        .try_for_each(|finding| write_finding(out, finding, &judgement.per, layout))?;
    write_probes(out, &judgement.probes, layout)
}

/// What each probe gave back, in their order.
fn write_probes(out: &mut dyn Write, probes: &[GaveBack], layout: Layout) -> io::Result<()> {
    if probes.is_empty() {
        return Ok(());
    }
    let parts = probes
        .iter()
        .map(|one| format!("{} {}", one.probe, bytes(one.rss_bytes)));
    let parts: Vec<String> = std::iter::once("probes gave back of RSS:".to_owned())
        .chain(parts)
        .collect();
    let lines = layout.lines(parts.iter().map(String::as_str), "  ", 2);
    let mut lines = lines.iter();
    lines.try_for_each(|line| writeln!(out, "  {line}"))
}

fn write_lines(
    out: &mut dyn Write,
    text: &str,
    indent: usize,
    style: Style,
    layout: Layout,
) -> io::Result<()> {
    let lines = layout.wrapped(text, indent);
    let mut lines = lines.iter();
    lines.try_for_each(|line| writeln!(out, "{:indent$}{style}{line}{style:#}", ""))
}

/// What a verdict's name is written in.
fn style(finding: &Finding) -> Style {
    match finding.verdict {
        Verdict::Steady => GOOD,
        verdict if verdict.is_by_design() => BOLD,
        _ => BAD,
    }
}

fn write_finding(
    out: &mut dyn Write,
    finding: &Finding,
    per: &str,
    layout: Layout,
) -> io::Result<()> {
    let style = style(finding);
    let name = finding.verdict;
    let size = match finding.bytes {
        0 => String::new(),
        size => format!(" · {BOLD}{}{BOLD:#}", bytes(size)),
    };
    let confidence = format!("confidence {}", finding.confidence.name());
    let parts = [format!("verdict: {style}{name}{style:#}{size}"), confidence];
    for line in layout.lines(parts.iter().map(String::as_str), " · ", 2) {
        writeln!(out, "  {line}")?;
    }
    write_lines(out, finding.verdict.meaning(), 4, DIM, layout)?;
    if let Some(detail) = &finding.detail {
        write_lines(out, detail, 4, Style::new(), layout)?;
    }
    let evidence: Vec<String> = finding
        .evidence
        .iter()
        .map(|one| number(one, per))
        .collect();
    for line in layout.lines(evidence.iter().map(String::as_str), " · ", 4) {
        writeln!(out, "    {line}")?;
    }
    write_statements(out, &finding.statements, 4, layout)?;
    if let Some(probe) = &finding.probe {
        let style = match finding.confidence {
            Confidence::Low => WARN,
            Confidence::Medium | Confidence::High => Style::new(),
        };
        write_lines(out, &what_it_did(probe), 4, style, layout)?;
    }
    Ok(())
}

/// Of those that were not finalized the largest, a line each.
pub fn write_statements(
    out: &mut dyn Write,
    statements: &[Statements],
    indent: usize,
    layout: Layout,
) -> io::Result<()> {
    const MOST: usize = 5;
    let mut largest = statements.iter().take(MOST);
    largest.try_for_each(|one| write_lines(out, &these(one), indent, Style::new(), layout))
}

/// `sqlite live, slope +2.1 KiB a cycle [+2.0 KiB, +2.2 KiB]`
pub(super) fn number(evidence: &Evidence, per: &str) -> String {
    let Evidence {
        what,
        value,
        unit,
        interval,
    } = evidence;
    let whole = |value: f64| value.round() as i64;
    let text = |value: f64| match unit {
        Unit::Bytes => bytes(whole(value)),
        Unit::BytesPer if value.abs() < 10.0 && value != 0.0 => format!("{value:+.2} B"),
        Unit::BytesPer if value.abs() < 1024.0 => format!("{:+} B", whole(value)),
        Unit::BytesPer => signed_bytes(whole(value)),
        Unit::Count if value < 0.0 => signed_count(whole(value)),
        Unit::Count => count(whole(value).unsigned_abs()),
        Unit::CountPer if value.abs() < 10.0 => format!("{value:+.2}"),
        Unit::CountPer => signed_count(whole(value)),
        Unit::Ratio if value > 1.0 => format!("{value:.2}"),
        Unit::Ratio => share((value * 1e6) as i64, 1_000_000),
    };
    let each = match unit {
        Unit::BytesPer | Unit::CountPer => format!(" a {per}"),
        Unit::Bytes | Unit::Count | Unit::Ratio => String::new(),
    };
    let interval = interval.map(|(low, high)| format!(" [{}, {}]", text(low), text(high)));
    format!(
        "{what} {}{each}{}",
        text(*value),
        interval.unwrap_or_default()
    )
}

/// `5,000 × INSERT ... : 10.4 MiB`
pub(super) fn these(statements: &Statements) -> String {
    let sql = statements.sql.as_deref();
    let sql = sql.unwrap_or("(made by SQLite itself: an open blob handle)");
    let busy = match statements.busy {
        0 => String::new(),
        busy => format!(", {} in the middle of a run", count(busy)),
    };
    let (times, size) = (count(statements.count), bytes(statements.bytes));
    format!("not finalized: {times} × {sql}: {size}{busy}")
}

/// `probe: malloc_trim(0) gave back 174.6 MiB of RSS`
pub(super) fn what_it_did(back: &GaveBack) -> String {
    let rss = match back.rss_bytes {
        lost @ ..0 => format!("took {}", bytes(-lost)),
        back => format!("gave back {} of RSS", bytes(back)),
    };
    let live = match back.sqlite_live_bytes {
        0 => String::new(),
        live => format!(", {} of SQLite's live bytes", bytes(live)),
    };
    format!("probe: {} {rss}{live}", back.probe.action())
}

/// A row of the table.
#[derive(Debug, Clone)]
pub struct Row {
    name: String,
    expected: Option<Vec<Verdict>>,
    found: Vec<Verdict>,
    none: bool,
    as_expected: bool,
}

impl Row {
    /// Of a scenario that was judged.
    pub fn of(record: &VerdictRecord) -> Row {
        Row {
            name: record.scenario.clone(),
            expected: record.expected.clone(),
            found: record.judgement.verdicts().collect(),
            none: record.judgement.none.is_some(),
            as_expected: (record.expected.as_deref())
                .is_none_or(|expected| record.judgement.is(expected)),
        }
    }

    /// Whether something else was found than was expected. A series that is too short shows nothing.
    pub fn differs(&self) -> bool {
        !self.none && !self.as_expected
    }

    /// For a message: `NAME: expected a, found b`.
    pub fn difference(&self) -> String {
        let expected = self.expected.as_deref().unwrap_or_default();
        let (expected, found) = (names(expected), names(&self.found));
        format!("{}: expected {expected}, found {found}", self.name)
    }
}

/// `a, b`, in the order of all verdicts; `-` for none.
fn names(verdicts: &[Verdict]) -> String {
    if verdicts.is_empty() {
        return "-".into();
    }
    let mut verdicts = verdicts.to_vec();
    verdicts.sort();
    let names: Vec<&str> = verdicts.into_iter().map(Verdict::name).collect();
    names.join(", ")
}

/// A line for each scenario, where there are several.
pub fn write_table(out: &mut dyn Write, rows: &[Row], layout: Layout) -> io::Result<()> {
    if rows.len() < 2 {
        return Ok(());
    }
    let expects = rows.iter().any(|row| row.expected.is_some());
    let title = if expects {
        "verdicts, expected and found"
    } else {
        "verdicts"
    };
    writeln!(out, "{BOLD}{title}{BOLD:#}")?;
    let widest = |text: &dyn Fn(&Row) -> usize| rows.iter().map(text).max().unwrap_or(0);
    let name = widest(&|row| row.name.chars().count());
    let expected = widest(&|row| names(row.expected.as_deref().unwrap_or_default()).len());
    let found = widest(&|row| names(&row.found).len());
    let one_line = layout.has_room_for(name + expected + found + 10);
    for row in rows {
        let (mark, style) = match (&row.expected, row.none, row.differs()) {
            (_, true, _) => ("too short", WARN),
            (None, ..) => ("", DIM),
            (_, _, true) => ("✗", BAD),
            (_, _, false) => ("✓", GOOD),
        };
        let columns = [
            names(row.expected.as_deref().unwrap_or_default()),
            names(&row.found),
        ];
        let [want, have] = columns;
        if !one_line {
            writeln!(out, "  {}", row.name)?;
            let parts = match expects {
                true => vec![format!("expected {want}"), format!("found {have}")],
                false => vec![have],
            };
            let parts = parts.iter().map(String::as_str);
            let marked = format!("{style}{mark}{style:#}");
            for line in layout.lines(parts.chain([marked.as_str()]), "  ", 4) {
                writeln!(out, "    {line}")?;
            }
        } else if expects {
            let name_of = &row.name;
            writeln!(
                out,
                "  {name_of:name$}  {want:expected$}  {have:found$}  {style}{mark}{style:#}"
            )?;
        } else {
            let name_of = &row.name;
            writeln!(
                out,
                "  {name_of:name$}  {have:found$}  {style}{mark}{style:#}"
            )?;
        }
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judgement() -> Judgement {
        let slope = Evidence {
            what: "sqlite live, slope".into(),
            value: 2140.0,
            unit: Unit::BytesPer,
            interval: Some((2100.0, 2200.0)),
        };
        let finding = Finding {
            verdict: Verdict::SqliteLeak,
            bytes: 10 << 20,
            confidence: Confidence::High,
            terms: vec!["sqlite statements".into()],
            evidence: vec![slope],
            detail: Some("statements are prepared and never finalized".into()),
            probe: Some(GaveBack {
                probe: crate::verdict::Probe::Finalize,
                rss_bytes: 9 << 20,
                sqlite_live_bytes: 10 << 20,
                sqlite_blocks: 5000,
                page_cache_bytes: 0,
            }),
            statements: vec![Statements {
                sql: Some("INSERT INTO t VALUES (?)".into()),
                count: 5000,
                bytes: 10 << 20,
                busy: 0,
            }],
        };
        Judgement {
            probes: finding.probe.into_iter().collect(),
            findings: vec![finding],
            per: "row".into(),
            ..Judgement::default()
        }
    }

    fn plain(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string()
    }

    #[test]
    fn a_verdict_says_its_numbers_its_statements_and_what_the_probe_did() {
        let text = plain(|out| write(out, &judgement(), Layout::default()));
        for part in [
            "verdict: sqlite-leak · 10.0 MiB · confidence high",
            "sqlite live, slope +2.1 KiB a row [+2.1 KiB, +2.1 KiB]",
            "not finalized: 5,000 × INSERT INTO t VALUES (?): 10.0 MiB",
            "probe: sqlite3_finalize of every known statement gave back 9.0 MiB of RSS",
            "probes gave back of RSS:  finalize 9.0 MiB",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        let columns = Some(60);
        let text = plain(|out| write(out, &judgement(), Layout { columns }));
        assert!(
            text.lines().all(|line| line.chars().count() <= 60),
            "{text}"
        );
    }

    #[test]
    fn only_another_verdict_differs() {
        let record = |expected: Option<&[Verdict]>, judgement: Judgement| VerdictRecord {
            scenario: "s".into(),
            expected: expected.map(<[_]>::to_vec),
            judgement,
        };
        let leak: &[Verdict] = &[Verdict::SqliteLeak];
        let steady: &[Verdict] = &[Verdict::Steady];
        let short = Judgement {
            none: Some("too short".into()),
            ..Judgement::default()
        };
        let rows = [
            Row::of(&record(Some(leak), judgement())),
            Row::of(&record(Some(steady), judgement())),
            Row::of(&record(None, judgement())),
            Row::of(&record(Some(steady), short)),
        ];
        let differ: Vec<bool> = rows.iter().map(Row::differs).collect();
        assert_eq!(differ, [false, true, false, false]);
        assert_eq!(
            rows[1].difference(),
            "s: expected steady, found sqlite-leak"
        );
        let text = plain(|out| write_table(out, &rows, Layout::default()));
        assert!(text.contains("s  steady       sqlite-leak  ✗"), "{text}");
        assert!(text.contains("too short"), "{text}");
    }
}
