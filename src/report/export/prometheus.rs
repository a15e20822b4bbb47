//! Prometheus's text format 0.0.4 that is OpenMetrics 1.0 at the same time, for a file that a node's
//! textfile collector reads, or for a push gateway: gauges without times, in seconds and bytes.
//!
//! Every series of a scenario says whose it is: `scenario`, `side` where two programs are compared, the
//! allocators in force, and `instrumented` where an instrument makes times and RSS other than they were
//! without it. `statistic` is `median`, and beside it `min` and `max` where there are several executions.
//! `sum by (scenario) (sqlite_membench_ledger_bytes)` of one execution is its RSS at the end.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::measures::{self, Measured, Unit, What};
use crate::report::gathered::Gathered;

/// Where a measure stands: the family, and the labels beside the scenario's.
type Place<'a> = (&'static str, Vec<(&'static str, &'a str)>);

/// The families of measures, in the order in which they are written.
const FAMILIES: [(&str, &str); 13] = [
    (
        "fill_rows_per_second",
        "INSERTs a second over the fill, ledgers not counted.",
    ),
    (
        "cycles_per_second",
        "Cycles a second, by the median cycle of an execution.",
    ),
    (
        "cycle_duration_seconds",
        "The median cycle of an execution.",
    ),
    (
        "phase_duration_seconds",
        "A phase, the median of an execution where it repeats, without the taking of ledgers.",
    ),
    (
        "peak_rss_bytes",
        "The most that was resident, by whoever saw most.",
    ),
    (
        "end_rss_bytes",
        "Resident after the last whole cycle, or after the fill of a workload without cycles.",
    ),
    (
        "rss_growth_bytes",
        "RSS at the end less RSS after the fill, or less that of the first reading inside the fill.",
    ),
    ("sqlite_live_bytes", "Live bytes of SQLite at the end."),
    (
        "retained_bytes",
        "Free and resident at the end: what an allocator keeps and a trim or a purge could give back.",
    ),
    (
        "unattributed_bytes",
        "RSS at the end less every term of the ledger that counts.",
    ),
    (
        "owner_bytes",
        "Resident at the end by owner: the sum of the terms that count.",
    ),
    (
        "ledger_bytes",
        "Resident at the end by owner and term. With those of owner unattributed they add up to the RSS of \
         an execution; medians of several do not.",
    ),
    (
        "ledger_part_bytes",
        "What a term of the ledger is made of, at the end. It is within that term and not beside it.",
    ),
];

fn place(what: &What) -> Place<'_> {
    match what {
        What::RowsPerSecond => ("fill_rows_per_second", vec![]),
        What::CyclesPerSecond => ("cycles_per_second", vec![]),
        What::Cycle => ("cycle_duration_seconds", vec![]),
        What::Phase(phase) => ("phase_duration_seconds", vec![("phase", phase)]),
        What::PeakRss => ("peak_rss_bytes", vec![]),
        What::EndRss => ("end_rss_bytes", vec![]),
        What::Growth => ("rss_growth_bytes", vec![]),
        What::SqliteLive => ("sqlite_live_bytes", vec![]),
        What::Retained => ("retained_bytes", vec![]),
        What::Unattributed => ("unattributed_bytes", vec![]),
        What::Owner(owner) => ("owner_bytes", vec![("owner", owner)]),
        What::Term(owner, term) => ("ledger_bytes", vec![("owner", owner), ("term", term)]),
        What::Part(owner, term, within) => (
            "ledger_part_bytes",
            vec![("owner", owner), ("term", term), ("within", within)],
        ),
    }
}

/// Writes it, to the line that says that it is whole.
///
/// # Errors
/// Those of `out`.
pub fn write(out: &mut dyn Write, run: &Gathered) -> io::Result<()> {
    let all = measures::of(run);
    write_run(out, run)?;
    write_scenarios(out, &all)?;
    for (name, help) in FAMILIES {
        let mut family = Family::new(name, help);
        for one in &all {
            for measure in &one.measures {
                let (of, labels) = place(&measure.what);
                if of != name {
                    continue;
                }
                let scale = match measure.what.unit() {
                    Unit::Nanoseconds => 1e9,
                    Unit::Bytes | Unit::PerSecond => 1.0,
                };
                let range = measure.range();
                let statistics = [
                    ("median", Some(measure.median())),
                    ("min", range.map(|(least, _)| least)),
                    ("max", range.map(|(_, most)| most)),
                ];
                for (statistic, value) in statistics {
                    let Some(value) = value else { continue };
                    let own = of_scenario(one);
                    let all = own.into_iter().chain(labels.iter().copied());
                    family.sample(all.chain([("statistic", statistic)]), value / scale);
                }
            }
        }
        family.write(out)?;
    }
    writeln!(out, "# EOF")
}

fn write_run(out: &mut dyn Write, run: &Gathered) -> io::Result<()> {
    let environment = &run.environment;
    let text = |name: &str| environment.get(name)?.as_str();
    let version = |name: &str| environment.get("sqlite")?.get(name)?.as_str();
    let own = run.run.as_ref();
    let labels = [
        ("run_id", own.map(|run| run.run_id.as_str())),
        ("started_utc", own.map(|run| run.started_utc.as_str())),
        ("suite_version", own.map(|run| run.suite_version.as_str())),
        ("machine_key", text("machine_key")),
        ("sqlite_version", version("version")),
    ];
    let labels = labels
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    let mut info = Family::new("run_info", "The run that all other series are of.");
    info.sample(labels, 1.0);
    info.write(out)?;
    let mut errors = Family::new("run_errors", "Errors of the run itself.");
    errors.sample([], run.errors.len() as f64);
    errors.write(out)
}

fn write_scenarios(out: &mut dyn Write, all: &[Measured]) -> io::Result<()> {
    let mut info = Family::new("scenario_info", "A scenario of the run, and its workload.");
    let mut executions = Family::new("scenario_executions", "How often a scenario ran.");
    let mut errors = Family::new("scenario_errors", "Errors in all executions of a scenario.");
    let mut verified = Family::new(
        "scenario_verified",
        "1 where the content was verified in every execution that came to its end, 0 where not.",
    );
    let mut verdicts = Family::new(
        "verdict_info",
        "What kind of growth the ledgers show, and whether the scenario expects that.",
    );
    let mut about = Family::new("verdict_bytes", "How many bytes a verdict is about.");
    for one in all {
        let own = || of_scenario(one).into_iter();
        let workload = one.workload.as_deref().map(|name| ("workload", name));
        info.sample(own().chain(workload), 1.0);
        executions.sample(own(), one.executions as f64);
        errors.sample(own(), one.errors as f64);
        if let Some(all_verified) = one.verified {
            verified.sample(own(), f64::from(u8::from(all_verified)));
        }
        let expected = match one.as_expected {
            Some(true) => Some(("as_expected", "true")),
            Some(false) => Some(("as_expected", "false")),
            None => None,
        };
        for found in &one.verdicts {
            let verdict = ("verdict", found.verdict.name());
            let confidence = ("confidence", found.confidence.name());
            let labels = own().chain([verdict, confidence]).chain(expected);
            verdicts.sample(labels, 1.0);
            about.sample(own().chain([verdict]), found.bytes as f64);
        }
    }
    let families = [info, executions, errors, verified, verdicts, about];
    families.iter().try_for_each(|family| family.write(out))
}

fn of_scenario(one: &Measured) -> Vec<(&'static str, &str)> {
    let labels = [
        ("scenario", Some(one.of.as_str())),
        ("side", one.side.map(|side| side.name())),
        ("allocator_rust", one.rust_allocator.as_deref()),
        ("allocator_sqlite", one.sqlite_allocator.as_deref()),
        ("instrumented", one.distorted_by.as_deref()),
    ];
    let known = labels
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    known.collect()
}

/// All series of one name, which stand together.
struct Family {
    name: String,
    help: &'static str,
    samples: String,
}

impl Family {
    fn new(name: &str, help: &'static str) -> Self {
        Family {
            name: format!("sqlite_membench_{name}"),
            help,
            samples: String::new(),
        }
    }

    fn sample<'a>(
        &mut self,
        labels: impl IntoIterator<Item = (&'static str, &'a str)>,
        value: f64,
    ) {
        let mut text = String::new();
        // An empty label is none.
        for (name, value) in labels.into_iter().filter(|(_, value)| !value.is_empty()) {
            let comma = if text.is_empty() { "" } else { "," };
            let _ = write!(text, "{comma}{name}=\"{}\"", escaped(value));
        }
        let braces = match text.is_empty() {
            true => String::new(),
            false => format!("{{{text}}}"),
        };
        let _ = writeln!(self.samples, "{}{braces} {value}", self.name);
    }

    /// Nothing where there is no series.
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Family {
            name,
            help,
            samples,
        } = self;
        if samples.is_empty() {
            return Ok(());
        }
        writeln!(out, "# HELP {name} {help}")?;
        writeln!(out, "# TYPE {name} gauge")?;
        for unit in ["seconds", "bytes"] {
            if name.ends_with(&format!("_{unit}")) {
                writeln!(out, "# UNIT {name} {unit}")?;
            }
        }
        out.write_all(samples.as_bytes())
    }
}

fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for letter in value.chars() {
        match letter {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
    text
}
