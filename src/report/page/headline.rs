//! What a scenario came to in a few numbers and one sentence: whose memory grew, and whether that is a
//! leak. The page and the text for pull requests say the same.
//!
//! The sentence says no more than the verdicts do. "Not a leak" stands only where every verdict is of
//! a kind that frees what it took, or holds it by design, and none is a leak or unexplained.

use super::super::ScenarioReport;
use super::super::format::{bytes, count, share, signed_bytes, unsigned_bytes};
use super::super::gathered::{Course, Growth, moment};
use super::super::remedies::throughput;
use super::super::timeline::{OWNERS, by_owner};
use super::super::{bound_bytes, describe};
use crate::record::{LedgerRecord, PhaseRecord, VerdictRecord};
use crate::verdict::{Confidence, Finding, GaveBack, Judgement, Verdict};

/// How a verdict is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum Tone {
    /// It does not grow.
    Steady,
    /// It was asked for.
    ByDesign,
    /// It is no leak, and something to know of.
    Kept,
    /// Something is wrong, or not known.
    Fault,
    /// There is none.
    Unknown,
}

impl Tone {
    /// Of a verdict.
    pub fn of(verdict: Verdict) -> Tone {
        match verdict {
            Verdict::Steady => Tone::Steady,
            verdict if verdict.is_by_design() => Tone::ByDesign,
            verdict if is_leak(verdict) => Tone::Fault,
            Verdict::Unexplained | Verdict::ThreadStacks => Tone::Fault,
            _ => Tone::Kept,
        }
    }

    /// For those who see no colours.
    pub const fn words(self) -> &'static str {
        match self {
            Tone::Steady => "steady",
            Tone::ByDesign => "by design",
            Tone::Kept => "kept, no leak",
            Tone::Fault => "fault",
            Tone::Unknown => "no verdict",
        }
    }

    /// In the style sheet.
    pub const fn class(self) -> &'static str {
        match self {
            Tone::Steady => "chip steady",
            Tone::ByDesign => "chip design",
            Tone::Kept => "chip kept",
            Tone::Fault => "chip fault",
            Tone::Unknown => "chip none",
        }
    }
}

/// Bytes that nothing will ever free.
fn is_leak(verdict: Verdict) -> bool {
    matches!(
        verdict,
        Verdict::SqliteLeak | Verdict::RustLeak | Verdict::OtherCLeak
    )
}

/// A part of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::report) enum Part {
    /// As it is.
    Plain(String),
    /// What the eye shall find.
    Strong(String),
}

/// Work a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::report) struct Rate {
    /// So much.
    pub per_second: f64,
    /// `rows/s`, `cycles/s`
    pub unit: &'static str,
}

impl Rate {
    /// `None` where nothing was counted.
    pub fn of(report: &ScenarioReport) -> Option<Rate> {
        let unit = match report.cycles.elapsed_ns() {
            Some(_) => "cycles/s",
            None => "rows/s",
        };
        let per_second = throughput(report);
        (per_second > 0.0).then_some(Rate { per_second, unit })
    }

    /// `512,346 rows/s`, `4.21 cycles/s`
    pub fn words(&self) -> String {
        format!("{} {}", per_second(self.per_second), self.unit)
    }
}

/// Three digits at least: `512,346`, `42.1`, `4.21`.
pub(in crate::report) fn per_second(number: f64) -> String {
    match number {
        number if number >= 1000.0 => count(number.round() as u64),
        number if number >= 100.0 => format!("{number:.0}"),
        number if number >= 10.0 => format!("{number:.1}"),
        number if number >= 1.0 => format!("{number:.2}"),
        number => format!("{number:.3}"),
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub(in crate::report) struct Headline {
    /// What its ledgers show.
    pub judgement: Judgement,
    /// The record says nothing of it: it was judged by what is there.
    pub is_judged_here: bool,
    /// The ledger at the end of the series, and when that was.
    pub end: Option<(i64, String)>,
    /// The most that was ever resident; 0 where nobody looked.
    pub peak_bytes: u64,
    /// What became more.
    pub growth: Option<Growth>,
    /// Who has most at the end, and how much.
    pub largest: Option<(&'static str, i64)>,
    /// Work a second.
    pub rate: Option<Rate>,
    /// `*`, or nothing.
    pub mark: &'static str,
    /// See the module.
    pub sentence: Vec<Part>,
}

impl Headline {
    /// Of one scenario.
    pub fn of(course: &Course) -> Headline {
        let report = &course.report;
        let recorded: Option<&VerdictRecord> = report.verdict.as_ref();
        let judgement = match recorded {
            Some(record) => record.judgement.clone(),
            None => report.judge(None).judgement,
        };
        let end = end_of(course);
        let growth = course.growth();
        let largest = end.and_then(|phase| {
            let owners = OWNERS.into_iter().zip(by_owner(&phase.ledger));
            owners.max_by_key(|(_, bytes)| *bytes)
        });
        Headline {
            sentence: sentence(course, &judgement, growth.as_ref(), end),
            is_judged_here: recorded.is_none(),
            end: end.map(|phase| (phase.ledger.rss_bytes, moment(phase))),
            peak_bytes: report.peak_bytes(),
            rate: Rate::of(report),
            mark: report.mark(),
            judgement,
            growth,
            largest,
        }
    }

    /// The verdicts with their tones; one that says there is none where that is so.
    pub fn chips(&self) -> Vec<(&'static str, Tone)> {
        let found = self.judgement.verdicts();
        let chips: Vec<_> = found.map(|one| (one.name(), Tone::of(one))).collect();
        match chips.is_empty() {
            true => vec![("no verdict", Tone::Unknown)],
            false => chips,
        }
    }

    /// `allocator, 62.9 %`
    pub fn largest_words(&self) -> Option<String> {
        let (owner, size) = self.largest?;
        let (rss, _) = self.end.as_ref()?;
        Some(format!("{owner}, {}", share(size, *rss)))
    }

    /// `+349.0 MiB`
    pub fn growth_words(&self) -> Option<String> {
        let growth = self.growth.as_ref()?;
        Some(signed_bytes(growth.rss_bytes))
    }

    /// `421.3 MiB`; nothing where nobody looked.
    pub fn peak_words(&self) -> Option<String> {
        (self.peak_bytes > 0).then(|| unsigned_bytes(self.peak_bytes))
    }
}

/// The ledger that a scenario is told by: after its last whole cycle or its last reading in the fill;
/// where it has neither, the largest.
pub(in crate::report) fn end_of(course: &Course) -> Option<&PhaseRecord> {
    if let Some((_, last)) = course.ends() {
        return Some(last);
    }
    let phases = &course.report.phases;
    let fill = phases.iter().rev().find(|phase| phase.phase == "fill");
    fill.or_else(|| phases.iter().max_by_key(|phase| phase.ledger.rss_bytes))
}

fn sentence(
    course: &Course,
    judgement: &Judgement,
    growth: Option<&Growth>,
    end: Option<&PhaseRecord>,
) -> Vec<Part> {
    let mut parts = Parts::default();
    if let (Some(growth), Some(end)) = (growth, end) {
        parts.grew(judgement, growth, end);
    } else if let Some(end) = end {
        let (rss, when) = (bytes(end.ledger.rss_bytes), moment(end));
        parts.plain(format!(
            "{rss} were resident {when}; there are no two ledgers to tell growth by."
        ));
    } else {
        parts.plain("It came to no ledger.".into());
    }
    // Only what was said to grow can a verdict be about.
    let grown = growth.filter(|growth| end.is_some_and(|end| has_grown(growth, end)));
    match cause(judgement, grown, end) {
        Some(cause) => parts.judged(&cause),
        None => match &judgement.none {
            Some(why) => parts.plain(format!(" No verdict: {why}.")),
            None if judgement.findings.is_empty() => parts.plain(" No verdict.".into()),
            None => {}
        },
    }
    if let Some(error) = course.report.errors.first() {
        let text = describe(error);
        let text = text.trim_end_matches('.');
        parts.plain(" Ended early: ".into());
        parts.plain(format!("{text}."));
    }
    parts.0
}

/// By more than the remainder of a ledger may come to.
fn has_grown(growth: &Growth, end: &PhaseRecord) -> bool {
    growth.rss_bytes > bound_bytes(end.ledger.rss_bytes)
}

/// Which verdict is to be told, and what it may be told as.
struct Cause<'a> {
    finding: &'a Finding,
    is_leak: bool,
    /// No verdict is a leak, or is not understood.
    is_no_leak: bool,
    /// It rests on the term that grew most.
    is_about_growth: bool,
}

/// A leak before everything else, then what is not understood, then what rests on the term that grew,
/// then the largest.
fn cause<'a>(
    judgement: &'a Judgement,
    growth: Option<&Growth>,
    end: Option<&PhaseRecord>,
) -> Option<Cause<'a>> {
    let findings = &judgement.findings;
    let is_fault = |finding: &&Finding| Tone::of(finding.verdict) == Tone::Fault;
    let leak = findings.iter().find(|one| is_leak(one.verdict));
    let fault = findings.iter().find(is_fault);
    let grown = growth.and_then(|growth| growth.by_term.first());
    let grown = grown.zip(end.map(|end| &end.ledger));
    let is_about = |finding: &&Finding| {
        grown.is_some_and(|((owner, term, _), ledger)| rests_on(finding, owner, term, ledger))
    };
    let about = findings.iter().find(is_about);
    let finding = leak.or(fault).or(about).or_else(|| findings.first())?;
    Some(Cause {
        is_leak: leak.is_some(),
        is_no_leak: fault.is_none(),
        is_about_growth: is_about(&finding),
        finding,
    })
}

/// Whether one of the finding's terms is this one, or a split within it.
fn rests_on(finding: &Finding, owner: &str, term: &str, ledger: &LedgerRecord) -> bool {
    /// A record is input: a term that is within itself must not be followed for ever.
    const DEEPEST: usize = 8;
    let mut names = vec![term];
    for _ in 0..DEEPEST {
        let splits = ledger.terms.iter().filter(|one| {
            let parent = one.within.as_deref();
            one.owner == owner && parent.is_some_and(|parent| names.contains(&parent))
        });
        let more: Vec<&str> = splits
            .map(|one| one.term.as_ref())
            .filter(|name| !names.contains(name))
            .collect();
        if more.is_empty() {
            break;
        }
        names.extend(more);
    }
    let mut terms = finding.terms.iter();
    // Some rules name a term without its owner, because several have it.
    terms.any(|one| *one == term || names.iter().any(|name| *one == format!("{owner} {name}")))
}

#[derive(Default)]
struct Parts(Vec<Part>);

impl Parts {
    fn plain(&mut self, text: String) {
        self.0.push(Part::Plain(text));
    }

    fn strong(&mut self, text: String) {
        self.0.push(Part::Strong(text));
    }

    /// `RSS grew by 349.0 MiB in 20 cycles, all of it allocator: free but resident.`
    fn grew(&mut self, judgement: &Judgement, growth: &Growth, end: &PhaseRecord) {
        let over = over(growth, end);
        let steady = judgement.is(&[Verdict::Steady]);
        let rss = growth.rss_bytes;
        if rss.abs() <= bound_bytes(end.ledger.rss_bytes) {
            let size = signed_bytes(rss);
            self.strong("RSS did not grow".into());
            self.plain(match rss {
                0 => format!(" {over}."),
                _ => format!(" {over} ({size})."),
            });
            return;
        }
        if rss < 0 {
            self.plain(format!("RSS fell by {} {over}.", bytes(-rss)));
            return;
        }
        self.plain(format!("RSS grew by {} {over}", bytes(rss)));
        if steady {
            self.plain(", once and with no slope".into());
        }
        let Some((owner, term, most)) = growth.by_term.first() else {
            return self.plain(".".into());
        };
        let name = format!("{owner}: {term}");
        let part = *most as f64 / rss as f64;
        if part > 1.005 {
            self.plain("; ".into());
            self.strong(name);
            return self.plain(format!(" alone by {}.", bytes(*most)));
        }
        self.plain(match part {
            part if part >= 0.995 => ", all of it ".into(),
            _ => format!(", {} of it ", share(*most, rss)),
        });
        self.strong(name);
        self.plain(".".into());
    }

    fn judged(&mut self, cause: &Cause<'_>) {
        let finding = cause.finding;
        let verdict = finding.verdict;
        if verdict == Verdict::Steady {
            return self.plain(" Steady: no significant slope.".into());
        }
        self.plain(" ".into());
        if cause.is_no_leak && !cause.is_about_growth {
            return self.held(finding);
        }
        let gave = finding.probe.as_ref().filter(|_| !cause.is_leak);
        let gave = gave.and_then(gave_back);
        let meaning = meaning(verdict, gave.is_some());
        let word = match (cause.is_leak, cause.is_no_leak, verdict) {
            (true, ..) => "a leak",
            (false, true, _) => "not a leak",
            (false, false, Verdict::Unexplained) => "unexplained",
            (false, false, _) => "a fault",
        };
        let word = match finding.confidence {
            Confidence::Low => format!("Probably {word}"),
            Confidence::Medium | Confidence::High => capital(word),
        };
        match meaning.strip_prefix(BY_DESIGN) {
            Some(rest) => {
                self.strong(format!("{word}, by design"));
                self.plain(format!(": {rest}"));
            }
            None => {
                self.strong(word);
                self.plain(format!(": {meaning}"));
            }
        }
        if let Some(detail) = finding.detail.as_ref().filter(|_| cause.is_leak) {
            self.plain(format!("; {}", detail.trim_end_matches('.')));
        }
        if let Some(gave) = gave {
            self.plain(format!("; {gave}"));
        }
        self.plain(".".into());
    }

    /// Nothing grew, or what did has no verdict: what is held all the same.
    fn held(&mut self, finding: &Finding) {
        self.strong("No leak found".into());
        let (meaning, size) = (meaning(finding.verdict, true), bytes(finding.bytes));
        self.plain(match meaning.strip_prefix(BY_DESIGN) {
            Some(rest) => format!("; {size} are held by design: {rest}."),
            None => format!("; {size}: {meaning}."),
        });
    }
}

/// How the meaning of such a verdict begins.
const BY_DESIGN: &str = "by design: ";

fn capital(word: &str) -> String {
    let mut characters = word.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters).collect()
}

/// `in 20 cycles`, `from 50,000 rows to the end of the fill`
fn over(growth: &Growth, end: &PhaseRecord) -> String {
    match end.cycle {
        Some(1) => "in 1 cycle".into(),
        Some(cycle) if cycle > 1 => format!("in {} cycles", count(cycle.into())),
        _ => {
            let from = growth.from.trim_start_matches("at ");
            let to = growth.to.trim_start_matches("at ");
            format!("from {from} to {to}")
        }
    }
}

/// The verdict's own words. Behind a semicolon they say what would give it back, which a probe's
/// number says better.
fn meaning(verdict: Verdict, has_probe: bool) -> String {
    let meaning = verdict.meaning();
    match meaning.split_once("; ") {
        Some((cause, _)) if has_probe => cause.to_owned(),
        _ => meaning.to_owned(),
    }
}

/// `malloc_trim(0) gave 349.0 MiB back`; nothing where a probe gave nothing back.
fn gave_back(back: &GaveBack) -> Option<String> {
    let action = back.probe.action();
    match (back.rss_bytes, back.sqlite_live_bytes) {
        (1.., live) if back.rss_bytes >= live => {
            Some(format!("{action} gave {} back", bytes(back.rss_bytes)))
        }
        (_, live @ 1..) => Some(format!(
            "{action} freed {} of SQLite's live bytes",
            bytes(live)
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
