//! What the verbs that start testees share.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{anyhow, bail};
use clap::Args;

use super::{Failure, output, run_dir};
use crate::environment::environment;
use crate::harness::{self, Outcome, RunOptions};
use crate::report::cycles::export;
use crate::scenario::{self, Catalogue, Parameter, Scenario, Selection, Setting, units};
use crate::testee::ServiceOptions;
use crate::testee::profiling::Asked;

/// What each of them takes.
#[derive(Debug, Args)]
pub(super) struct Common {
    /// Add every *.toml of a directory to the built-in scenarios
    #[arg(long = "scenarios", value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Multiply the rows: 0.1 is a tenth
    #[arg(long, value_name = "X", allow_hyphen_values = true)]
    scale: Option<String>,
    /// Change a key of every scenario; values parted by commas make a matrix
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Stop a testee that has more resident: 600MiB
    #[arg(long, value_name = "SIZE", value_parser = units::size, allow_hyphen_values = true)]
    limit_rss: Option<u64>,
    /// Stop a testee that runs longer: 10m
    #[arg(long, value_name = "TIME", value_parser = units::time, allow_hyphen_values = true)]
    limit_time: Option<Duration>,
    /// Stop a testee that has written more: 5GiB
    #[arg(long, value_name = "SIZE", value_parser = units::size, allow_hyphen_values = true)]
    limit_disk: Option<u64>,
    /// Write the record here: a directory that does not exist yet
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// No progress and no messages on standard error
    #[arg(long)]
    pub(super) quiet: bool,
    /// How often a testee is looked at from outside
    #[arg(long, value_name = "TIME", value_parser = interval, default_value = "100ms",
        allow_hyphen_values = true)]
    sample_interval: Duration,
}

/// How much the verbs run that run a workload to its end.
#[derive(Debug, Args)]
pub(super) struct Size {
    /// INSERTs to run: --set rows=N
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    rows: Option<String>,
    /// Cycles of a workload that repeats
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    cycles: Option<String>,
}

impl Size {
    /// Those that were asked for, each as the setting that it stands for.
    pub(super) fn settings(&self) -> Result<Vec<Setting>, scenario::Error> {
        let asked = [
            (Parameter::Rows, &self.rows),
            (Parameter::Cycles, &self.cycles),
        ];
        let settings = asked.into_iter().filter_map(|(parameter, value)| {
            let value = value.as_ref()?;
            Some(Setting::of_option(parameter, value))
        });
        settings.collect()
    }
}

/// The only one of `scenarios`, which is what `asked` comes to.
pub(super) fn only(scenarios: Vec<Scenario>, asked: &str) -> anyhow::Result<Scenario> {
    let mut scenarios = scenarios.into_iter();
    let scenario = scenarios.next();
    let scenario = scenario.ok_or_else(|| anyhow!("{asked}: there is none"))?;
    match scenarios.next() {
        None => Ok(scenario),
        Some(other) => bail!(
            "{asked}: it is more than one, such as {} and {}; name one of them, and give --set one \
             value for a key",
            scenario.name,
            other.name
        ),
    }
}

/// What the verbs take that judge.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Probing {
    /// Do not probe what gives memory back after the last cycle
    #[arg(long)]
    no_probes: bool,
    /// Show the SQL of statements that were not finalized with its literals, not ? in their places
    #[arg(long, conflicts_with = "no_probes")]
    literals: bool,
}

impl Probing {
    /// `options` with what was asked for.
    pub(super) fn apply(self, options: RunOptions) -> RunOptions {
        RunOptions {
            probes: !self.no_probes,
            literals: self.literals,
            ..options
        }
    }
}

/// At least a millisecond: a harness that looks without pause takes a processor from its testee.
fn interval(text: &str) -> Result<Duration, String> {
    let time = units::time(text).map_err(|error| error.to_string())?;
    match time < Duration::from_millis(1) {
        true => Err(format!("{text:?} is too short; it takes at least 1ms")),
        false => Ok(time),
    }
}

impl Common {
    /// The scenarios that can be named.
    fn catalogue(&self) -> Result<Catalogue, scenario::Error> {
        let mut catalogue = Catalogue::built_in()?;
        if let Some(directory) = &self.directory {
            catalogue.add_directory(directory)?;
        }
        Ok(catalogue)
    }

    /// `--scale` and each `--set`.
    pub(super) fn settings(&self) -> Result<Vec<Setting>, scenario::Error> {
        let scale = self.scale.iter();
        let scale = scale.map(|scale| Setting::of_option(Parameter::Scale, scale));
        let set = self.set.iter().map(|argument| Setting::parse(argument));
        scale.chain(set).collect()
    }

    /// Whether a scale was asked for.
    pub(super) fn has_scale(&self) -> bool {
        self.scale.is_some() || self.sets("scale")
    }

    /// Whether a `--set` is of this key.
    pub(super) fn sets(&self, wanted: &str) -> bool {
        let mut keys = self.set.iter().filter_map(|set| set.split_once('='));
        keys.any(|(key, _)| key.trim() == wanted)
    }

    /// The scenarios of `selection`, limited, after saying what is left out and why.
    pub(super) fn resolve(&self, selection: &Selection) -> Result<Vec<Scenario>, scenario::Error> {
        let resolved = self.catalogue()?.resolve(selection)?;
        for (_, why) in &resolved.left_out {
            output::complain(format_args!("left out: {why}"));
        }
        let mut scenarios = resolved.scenarios;
        self.limit(&mut scenarios);
        Ok(scenarios)
    }

    /// Each `--limit-*` in place of the scenarios' own.
    fn limit(&self, scenarios: &mut [Scenario]) {
        let time = self
            .limit_time
            .and_then(|time| u64::try_from(time.as_nanos()).ok());
        for Scenario { limits, .. } in scenarios {
            limits.rss_bytes = self.limit_rss.or(limits.rss_bytes);
            limits.disk_bytes = self.limit_disk.or(limits.disk_bytes);
            limits.time_ns = time.or(limits.time_ns);
        }
    }

    /// A run of its own, in a directory that can be made.
    pub(super) fn options(
        &self,
        argv: Vec<String>,
        serve: Option<ServiceOptions>,
    ) -> anyhow::Result<RunOptions> {
        let identity = run_dir::Identity::now();
        let out = match &self.out {
            Some(out) => run_dir::asked_for(out),
            None => run_dir::default(&identity),
        };
        Ok(RunOptions {
            out: out?,
            sample_interval: self.sample_interval,
            serve,
            probes: false,
            literals: false,
            profiling: Asked::default(),
            argv,
            run_id: identity.run_id,
            started_utc: identity.started_utc,
            environment: environment(),
            programs: Vec::new(),
        })
    }

    /// What a run came to, after writing the cycles' readings beside its record, and on standard
    /// error where both are.
    pub(super) fn ended(
        &self,
        ran: Result<Outcome, harness::Error>,
        options: &RunOptions,
        scenarios: &[Scenario],
    ) -> Result<Outcome, Failure> {
        let record = options.out.join(harness::RECORD_FILE);
        let begun = !matches!(&ran, Err(error) if error.is_usage());
        let cycles = begun.then(|| export::write_file(&record));
        let mut outcome = ran.map_err(|error| match error.is_usage() {
            true => Failure::usage(error),
            false => Failure::failed(error),
        })?;
        if let Some(Err(error)) = &cycles {
            let file = export::FILE;
            output::complain(format_args!(
                "cannot write {file} beside the record: {error}"
            ));
            if outcome == Outcome::Done {
                outcome = Outcome::Failed;
            }
        }
        if self.quiet {
            return Ok(outcome);
        }
        output::complain(format_args!("record: {}", record.display()));
        if let Some(Ok(Some(path))) = &cycles {
            output::complain(format_args!("cycles: {}", path.display()));
        }
        if crate::allocator::global::has_dhat() {
            for (index, scenario) in scenarios.iter().enumerate() {
                let profile = harness::heap_profile(&options.out, index);
                let name = &scenario.name;
                match profile.exists() {
                    // It may never have begun.
                    false if outcome == Outcome::Interrupted => {}
                    true => output::complain(format_args!(
                        "heap profile of {name}: {}, to be opened in dh_view.html, which valgrind \
                         brings: /usr/libexec/valgrind/dh_view.html on Debian",
                        profile.display()
                    )),
                    false => output::complain(format_args!(
                        "heap profile of {name}: none. A testee that is killed leaves the one that \
                         it wrote last, the first after two seconds"
                    )),
                }
            }
        }
        Ok(outcome)
    }
}
