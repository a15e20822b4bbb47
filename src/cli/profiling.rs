//! The profiles of a run: what is asked for, and what becomes of it at the end.

use std::fmt::Write as _;

use anyhow::bail;
use clap::{Args, ValueEnum};

use super::output::{Output, complain};
use crate::allocator::{RustAllocator, SqliteAllocator, sampler};
use crate::harness::RunOptions;
use crate::profile;
use crate::record::HeapSource;
use crate::scenario::{Scenario, units};
use crate::testee::profiling::{Asked, DEFAULT_HERTZ, HeapAsked, raw_files};

/// What `run` takes.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Profiling {
    /// Sample allocations with their stacks and their SQL, and write pictures of them
    #[arg(
        long,
        value_name = "SOURCE",
        value_enum,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "sampled"
    )]
    heap_profile: Option<Source>,
    /// Bytes between two samples, on average [default: 512KiB]
    #[arg(long, value_name = "SIZE", value_parser = units::size, requires = "heap_profile",
        allow_hyphen_values = true)]
    heap_interval: Option<u64>,
    /// Sample what the CPU does, and write a picture of it
    #[arg(long)]
    cpu_profile: bool,
    /// Samples a second of CPU time [default: 199]
    #[arg(long, value_name = "N", requires = "cpu_profile",
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    cpu_hertz: Option<u32>,
}

/// Who samples allocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Source {
    /// This program: SQLite's heap and Rust's, under every allocator that it counts.
    Sampled,
    /// jemalloc: whichever heaps it serves.
    Jemalloc,
}

impl Profiling {
    /// A profile is of one execution, and of all of one run in turns there would be as many profiles.
    pub(super) fn refuse_several(&self) -> anyhow::Result<()> {
        let option = match (self.heap_profile, self.cpu_profile) {
            (Some(_), _) => "--heap-profile",
            (None, true) => "--cpu-profile",
            (None, false) => return Ok(()),
        };
        bail!(
            "{option}: a profile is of one execution, and takes time that would be measured; profile \
             in a run of its own, without --repeat and --pairs"
        )
    }

    /// What it comes to for these scenarios, or why it cannot be had.
    pub(super) fn asked(&self, scenarios: &[Scenario]) -> anyhow::Result<Asked> {
        let interval_bytes = (self.heap_interval).unwrap_or(sampler::DEFAULT_INTERVAL_BYTES);
        if interval_bytes < 1024 {
            bail!("--heap-interval {interval_bytes}B: it takes at least 1KiB");
        }
        let source = match self.heap_profile {
            None => None,
            Some(Source::Sampled) => Some(HeapSource::Sampled),
            Some(Source::Jemalloc) => {
                if !interval_bytes.is_power_of_two() {
                    bail!(
                        "--heap-interval {interval_bytes}B: jemalloc takes a power of two, such as {}KiB",
                        interval_bytes.next_power_of_two() / 1024
                    );
                }
                if let Some(scenario) = scenarios.iter().find(|one| !has_jemalloc(one)) {
                    bail!(
                        "--heap-profile=jemalloc: in scenario {} jemalloc serves nobody; add \
                         --set rust_allocator=jemalloc or --set sqlite_allocator=arena",
                        scenario.name
                    );
                }
                Some(HeapSource::Jemalloc)
            }
        };
        Ok(Asked {
            heap: source.map(|source| HeapAsked {
                source,
                interval_bytes,
            }),
            cpu_hertz: self
                .cpu_profile
                .then(|| self.cpu_hertz.unwrap_or(DEFAULT_HERTZ)),
        })
    }
}

fn has_jemalloc(scenario: &Scenario) -> bool {
    let sqlite = scenario.sqlite_allocator;
    scenario.rust_allocator == RustAllocator::Jemalloc
        || matches!(
            sqlite,
            SqliteAllocator::Arena | SqliteAllocator::ArenaNative
        )
}

/// Makes pictures of whatever the testees have left, and says where they are: in `output`, or on standard
/// error where there is none. False where something could not be made.
pub(super) fn finish(
    options: &RunOptions,
    scenarios: &[Scenario],
    mut output: Option<&mut Output>,
    quiet: bool,
) -> bool {
    let mut is_whole = true;
    for (index, scenario) in scenarios.iter().enumerate() {
        for raw in raw_files(&options.out, index) {
            if !raw.exists() {
                continue;
            }
            match profile::finish(&raw) {
                Ok(finished) => {
                    let text = told(&finished);
                    match &mut output {
                        Some(output) => output.write(|out| out.write_all(text.as_bytes())),
                        None if quiet => {}
                        None => complain(format_args!("{}", text.trim_end())),
                    }
                }
                Err(error) => {
                    is_whole = false;
                    let name = &scenario.name;
                    complain(format_args!("{name}: no profile: {error}"));
                }
            }
        }
    }
    is_whole
}

/// The summary, and how to open which file.
fn told(finished: &profile::Finished) -> String {
    let mut text = format!("{}\n", finished.summary.trim_end());
    for file in &finished.files {
        let path = file.display();
        let _ = match file.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => writeln!(text, "  go tool pprof -http=: {path}"),
            Some("svg") => writeln!(text, "  {path}  (open it in a browser)"),
            _ => writeln!(text, "  {path}"),
        };
    }
    text.push('\n');
    text
}
