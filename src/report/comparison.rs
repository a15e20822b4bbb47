//! Two runs side by side, two of Criterion's baselines, or the two sides of one run: what became slower
//! or larger, what became better, and what nobody can say.
//!
//! Rows are paired by scenario and phase. Times are of the phases that do the work; of a phase that
//! repeats, the value of one execution is the median over its cycles. Bytes are the scenario's peak, and
//! what is resident and live in SQLite at the end of these phases, of the last cycle. What the words of a
//! row rest on is in [`analysis::compare`](crate::analysis::compare).

mod criterion;
mod markdown;
mod pair;
mod provenance;
mod read;
mod source;
mod table;

use std::path::PathBuf;

use serde::Serialize;

use crate::analysis::compare::{self, Judged, Quantity, Rule, Values, Word, few};
use crate::record::{Instrumented, ReadError};

pub use markdown::write_markdown;
pub use provenance::Difference;
pub use source::{Source, parse_threshold};
pub use table::write_table;

/// Of a time, below which it is not judged.
const SHORT_NS: f64 = 20e6;

/// What a benchmark of so many nanoseconds is off by from one process to another, as a part: as this suite's
/// own benches have it, run against themselves.
fn between_processes(median_ns: f64) -> f64 {
    match median_ns {
        long if long >= SHORT_NS => 0.05,
        short if short >= 1e6 => 0.15,
        _ => 0.5,
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Options {
    /// A change of a time that is one: 0.03 is 3 %.
    pub threshold: f64,
    /// The same of bytes.
    pub threshold_bytes: f64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            threshold: 0.03,
            threshold_bytes: 0.03,
        }
    }
}

/// Why nothing is compared.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A record cannot be read, not even in part.
    #[error(transparent)]
    Record(#[from] ReadError),
    /// Criterion's results cannot be read.
    #[error(transparent)]
    Criterion(#[from] crate::estimates::Error),
    /// Numbers that may not be compared.
    #[error(transparent)]
    Instrumented(#[from] Instrumented),
    /// There is no such thing.
    #[error("{}: {cause}", path.display())]
    Missing {
        /// As it was named.
        path: PathBuf,
        /// The system's words.
        cause: std::io::Error,
    },
    /// What was named cannot be compared, and what to do.
    #[error("{0}")]
    Usage(String),
}

/// What a row shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// Nanoseconds of a phase, or of a benchmark's iteration.
    Time,
    /// The most that was ever resident.
    PeakRss,
    /// Resident at a phase's end.
    Rss,
    /// Bytes in SQLite's live blocks at a phase's end.
    SqliteLive,
    /// The most bytes that SQLite ever had live, in the phases that do the work.
    SqliteHighwater,
    /// Of a benchmark's iteration.
    Bytes,
    /// Of a benchmark's iteration.
    Blocks,
}

impl What {
    /// For a person.
    pub const fn name(self) -> &'static str {
        match self {
            What::Time => "time",
            What::PeakRss => "peak RSS",
            What::Rss => "RSS at its end",
            What::SqliteLive => "SQLite live",
            What::SqliteHighwater => "SQLite at most",
            What::Bytes => "bytes",
            What::Blocks => "blocks",
        }
    }

    const fn quantity(self) -> Quantity {
        match self {
            What::Time => Quantity::Time,
            What::PeakRss | What::Rss | What::Bytes => Quantity::ResidentBytes,
            What::SqliteLive | What::SqliteHighwater | What::Blocks => Quantity::Counted,
        }
    }
}

/// One number of both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The phase, or the benchmark in its group; empty for the whole scenario.
    pub phase: String,
    /// What it is.
    pub what: What,
    /// What is said of it.
    #[serde(flatten)]
    pub judged: Judged,
    /// One an execution, in the order of time: nanoseconds, bytes or blocks.
    pub base: Vec<f64>,
    /// The same; where `paired`, each stands beside the one of its round.
    pub new: Vec<f64>,
}

/// A scenario, or a group of benchmarks, of both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scenario {
    /// As it is named on both sides.
    pub name: String,
    /// Complete executions: base, new. Of benchmarks the most samples that one has.
    pub executions: (usize, usize),
    /// Settings that differ, and leave the work what it is.
    pub settings: Vec<Difference>,
    /// What a reader should know.
    pub notes: Vec<String>,
    /// Its numbers.
    pub rows: Vec<Row>,
}

/// What is in one side only, or is not the same work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotCompared {
    /// The scenario or the benchmark.
    pub name: String,
    /// In words.
    pub why: String,
}

/// One of the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Subject {
    /// The run's id, a baseline, or a program.
    pub name: String,
    /// Where it was read.
    pub path: PathBuf,
    /// Says which times may be compared.
    pub machine_key: Option<String>,
}

/// All that there is to say.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// What is compared with.
    pub base: Subject,
    /// What is judged.
    pub new: Subject,
    /// What a change is, and among how many rows.
    pub rule: Rule,
    /// Whether values are samples of Criterion's benchmarks, and no executions.
    pub benchmarks: bool,
    /// Whether something is worse.
    pub regressed: bool,
    /// The last line of a table.
    pub outcome: String,
    /// Why no time is compared.
    pub times_refused: Option<String>,
    /// What is worse and is no number: a scenario that fails, a new leak.
    pub failures: Vec<String>,
    /// In the base's order.
    pub scenarios: Vec<Scenario>,
    /// What is not.
    pub not_compared: Vec<NotCompared>,
    /// Verdicts that only one side has, in words.
    pub verdicts: Vec<String>,
    /// Of the machine, the software and the settings around.
    pub provenance: Vec<Difference>,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// Values of one row, before it is judged.
#[derive(Debug, Clone, PartialEq)]
enum Collected {
    Pairs(Vec<(f64, f64)>),
    Apart(Vec<f64>, Vec<f64>),
}

impl Collected {
    fn values(&self) -> Values<'_> {
        match self {
            Collected::Pairs(pairs) => Values::Pairs(pairs),
            Collected::Apart(base, new) => Values::Apart(base, new),
        }
    }

    fn parted(&self) -> (Vec<f64>, Vec<f64>) {
        match self {
            Collected::Pairs(pairs) => pairs.iter().copied().unzip(),
            Collected::Apart(base, new) => (base.clone(), new.clone()),
        }
    }

    fn fewest(&self) -> usize {
        match self {
            Collected::Pairs(pairs) => pairs.len(),
            Collected::Apart(base, new) => base.len().min(new.len()),
        }
    }
}

#[derive(Debug)]
struct PendingRow {
    phase: String,
    what: What,
    /// Whether it may be judged at all.
    gates: bool,
    values: Collected,
    /// What was measured inside of executions, where they are few.
    inside: Option<Collected>,
}

#[derive(Debug)]
struct PendingScenario {
    name: String,
    executions: (usize, usize),
    settings: Vec<Difference>,
    notes: Vec<String>,
    rows: Vec<PendingRow>,
}

impl PendingRow {
    fn is_short(&self) -> bool {
        self.what == What::Time && self.median() < SHORT_NS
    }

    /// The larger side's.
    fn median(&self) -> f64 {
        let (base, new) = self.values.parted();
        compare::median(&base).max(compare::median(&new))
    }

    /// With what two processes of one benchmark differ by, which its samples, of one process, cannot show.
    fn rule(&self, benchmarks: bool, rule: &Rule) -> Rule {
        let threshold = match benchmarks && self.what == What::Time {
            true => rule.threshold.max(between_processes(self.median())),
            false => rule.threshold,
        };
        Rule { threshold, ..*rule }
    }

    /// What is beyond the threshold that was asked for, and may be what processes differ by, is no change
    /// that can be told, and not none.
    fn between_thresholds(&self, judged: Judged, asked: &Rule) -> Judged {
        let ratio = judged.statistics.judged.map_or(1.0, |ratio| ratio.value);
        let is_beyond = self.what == What::Time && ratio.ln().abs() > asked.threshold.ln_1p();
        let word = match judged.word {
            Word::NoChange if is_beyond && self.is_short() => Word::TooShort,
            Word::NoChange if is_beyond => Word::Undecided,
            word => word,
        };
        Judged { word, ..judged }
    }

    fn judge(self, scenario: &str, benchmarks: bool, asked: &Rule) -> Row {
        let name = format!("{scenario} {} {}", self.phase, self.what.name());
        let quantity = self.what.quantity();
        let values = self.values.values();
        let inside = self.inside.as_ref().map(Collected::values);
        let rule = &self.rule(benchmarks, asked);
        let with = |word| Judged {
            word,
            statistics: compare::describe(&name, values, rule.resamples),
        };
        let judged = if !self.gates {
            with(Word::NotJudged)
        } else if self.is_short() && !benchmarks {
            with(Word::TooShort)
        } else if self.values.fewest() < compare::FEWEST {
            few::judge(&name, quantity, values, inside, rule)
        } else {
            compare::judge(&name, quantity, values, rule)
        };
        let judged = match benchmarks {
            true => self.between_thresholds(judged, asked),
            false => judged,
        };
        let (base, new) = self.values.parted();
        Row {
            phase: self.phase,
            what: self.what,
            judged,
            base,
            new,
        }
    }
}

/// All of a comparison but the words.
#[derive(Debug)]
struct Pending {
    base: Subject,
    new: Subject,
    benchmarks: bool,
    times_refused: Option<String>,
    failures: Vec<String>,
    scenarios: Vec<PendingScenario>,
    not_compared: Vec<NotCompared>,
    verdicts: Vec<String>,
    provenance: Vec<Difference>,
    notes: Vec<String>,
}

/// Reads both and compares them; of a run of two programs, which is given alone, its two sides.
///
/// # Errors
/// Nothing can be read, the two are not of one kind, an instrument has distorted a scenario, or there is
/// nothing in both.
pub fn compare(
    base: &Source,
    new: Option<&Source>,
    options: &Options,
) -> Result<Comparison, Error> {
    let pending = match (base, new) {
        (Source::Run(run), None) => pair::sides(read::read(run)?)?,
        (Source::Run(base), Some(Source::Run(new))) => {
            pair::runs(read::read(base)?, read::read(new)?)?
        }
        (Source::Criterion { .. }, Some(Source::Criterion { .. }))
        | (Source::Criterion { .. }, None) => criterion::baselines(base, new)?,
        (one, Some(other)) => {
            return Err(Error::Usage(format!(
                "{one} is {}, and {other} is {}: compare two runs, or two of Criterion's baselines",
                one.kind(),
                other.kind()
            )));
        }
    };
    if pending.scenarios.is_empty() && pending.failures.is_empty() {
        let why = pending.not_compared.iter();
        let why: Vec<String> = why
            .map(|one| format!("\n  {}: {}", one.name, one.why))
            .collect();
        return Err(Error::Usage(format!(
            "{base}: nothing in it can be compared{}",
            why.concat()
        )));
    }
    Ok(pending.judge(options))
}

impl Pending {
    fn judge(self, options: &Options) -> Comparison {
        let rows = || self.scenarios.iter().flat_map(|one| &one.rows);
        let judged = |is_time: bool| {
            let judged = rows().filter(|row| row.gates && row.values.fewest() >= compare::FEWEST);
            let judged = judged.filter(|row| self.benchmarks || !row.is_short());
            judged
                .filter(|row| row.what.quantity().is_time() == is_time)
                .count()
        };
        let rule = Rule {
            threshold: options.threshold,
            threshold_bytes: options.threshold_bytes,
            times: judged(true),
            sizes: judged(false),
            resamples: compare::RESAMPLES,
        };
        let benchmarks = self.benchmarks;
        let scenarios = self.scenarios.into_iter().map(|one| Scenario {
            rows: (one.rows.into_iter())
                .map(|row| row.judge(&one.name, benchmarks, &rule))
                .collect(),
            name: one.name,
            executions: one.executions,
            settings: one.settings,
            notes: one.notes,
        });
        let mut comparison = Comparison {
            base: self.base,
            new: self.new,
            rule,
            benchmarks,
            regressed: false,
            outcome: String::new(),
            times_refused: self.times_refused,
            failures: self.failures,
            scenarios: scenarios.collect(),
            not_compared: self.not_compared,
            verdicts: self.verdicts,
            provenance: self.provenance,
            notes: self.notes,
        };
        comparison.conclude();
        comparison
    }
}

impl Comparison {
    /// Whether something is worse: a gate fails.
    pub fn regressed(&self) -> bool {
        self.regressed
    }

    /// Whether values are samples of Criterion's.
    fn is_of_benchmarks(&self) -> bool {
        self.benchmarks
    }

    fn count(&self, is: impl Fn(Word) -> bool) -> usize {
        let rows = self.scenarios.iter().flat_map(|one| &one.rows);
        rows.filter(|row| is(row.judged.word)).count()
    }

    fn conclude(&mut self) {
        let worse = self.count(Word::is_regression);
        let better = self.count(Word::is_improvement);
        let same = self.count(|word| word == Word::NoChange);
        let judged = worse + better + same + self.count(|word| word == Word::Undecided);
        self.regressed = worse > 0 || !self.failures.is_empty();
        let mut parts = Vec::new();
        let mut part = |count: usize, words: &str| {
            if count > 0 {
                parts.push(format!("{count} {words}"));
            }
        };
        part(worse, "worse");
        part(better, "better");
        part(self.failures.len(), "failing only in the new one");
        part(judged - worse - better - same, "undecided");
        let few = self.count(|word| word == Word::TooFew);
        let parts = parts.join(", ");
        let mut outcome = match (self.regressed, parts.is_empty(), judged) {
            (true, ..) => format!("regression: of {judged} judged rows {parts}"),
            (false, false, _) => format!("no regression: of {judged} judged rows {parts}"),
            (false, true, 0) => "nothing could be judged".to_owned(),
            (false, true, _) => format!("no change in {judged} judged rows"),
        };
        if few > 0 {
            let rows = if few == 1 { "time has" } else { "times have" };
            outcome += &format!(
                "; {few} {rows} too few executions to be judged: run --pairs 16 --against PROGRAM, or \
                 --repeat 16 on both sides"
            );
        }
        self.outcome = outcome;
    }
}

/// One object and a line's end.
///
/// # Errors
/// What `out` says.
pub fn write_json(out: &mut dyn std::io::Write, comparison: &Comparison) -> std::io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, comparison)?;
    writeln!(out)
}
