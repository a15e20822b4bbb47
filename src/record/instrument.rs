//! Profilers in a testee: what they are called in the record, what dhat counts, and why numbers of a
//! run with one may not be compared.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ScenarioRecord;

/// A profiler in the testee.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "name", rename_all = "kebab-case")]
pub enum Instrument {
    /// dhat's allocator serves Rust, in a build with the feature `dhat-heap`.
    Dhat,
    /// Allocations are sampled by bytes.
    HeapProfile {
        /// Who samples.
        source: HeapSource,
        /// On average, between two samples.
        interval_bytes: u64,
    },
    /// The stacks of running threads are sampled by CPU time.
    CpuProfile {
        /// Samples a second of CPU time.
        hertz: u32,
    },
}

impl Instrument {
    /// Whether times and RSS are not those of a run without it, so that nothing may be compared with them.
    pub fn distorts(&self) -> bool {
        // jemalloc gives each small block that it samples an extent of its own, and its dumps are made in
        // Rust's heap.
        !matches!(
            self,
            Instrument::HeapProfile {
                source: HeapSource::Sampled,
                ..
            }
        )
    }
}

/// Who samples allocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HeapSource {
    /// `allocator::sampler`: both sides, with the SQL that was running.
    Sampled,
    /// jemalloc's own, `prof:true`: what jemalloc serves.
    Jemalloc,
}

impl std::fmt::Display for Instrument {
    /// `dhat`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Instrument::Dhat => "dhat",
            Instrument::HeapProfile { .. } => "heap-profile",
            Instrument::CpuProfile { .. } => "cpu-profile",
        })
    }
}

/// dhat's counters at a ledger: the blocks that it knows, in bytes asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DhatRecord {
    /// Live bytes.
    pub current_bytes: u64,
    /// Live blocks.
    pub current_blocks: u64,
    /// Live bytes at their most, dhat's t-gmax.
    pub peak_bytes: u64,
    /// Live blocks at that moment.
    pub peak_blocks: u64,
    /// Bytes ever asked for.
    pub total_bytes: u64,
    /// Blocks ever handed out.
    pub total_blocks: u64,
    /// Live bytes when dhat started, which it does not know.
    pub before_live_bytes: u64,
    /// Live blocks when dhat started.
    pub before_live_blocks: u64,
    /// Bytes asked for until dhat started.
    pub before_total_bytes: u64,
    /// Blocks handed out until dhat started.
    pub before_total_blocks: u64,
}

/// A scenario whose numbers may not be compared with those of another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{scenario} was instrumented by {instrument}, so its times and its RSS are not those of a run \
     without it, and are not compared: {remedy}"
)]
pub struct Instrumented {
    /// See [`ScenarioRecord::scenario`].
    pub scenario: String,
    /// What was at work in it.
    pub instrument: Instrument,
    /// What to do.
    remedy: &'static str,
}

/// Refuses scenarios that ran with an instrument that [distorts](Instrument::distorts).
///
/// # Errors
/// [`Instrumented`], of the first.
pub fn refuse_instrumented<'a>(
    scenarios: impl IntoIterator<Item = &'a ScenarioRecord>,
) -> Result<(), Instrumented> {
    for one in scenarios {
        if let Some(instrument) = one.instruments.iter().find(|found| found.distorts()) {
            return Err(Instrumented {
                scenario: one.scenario.clone(),
                instrument: instrument.clone(),
                remedy: match instrument {
                    Instrument::Dhat => "run it again in a build without the feature dhat-heap",
                    Instrument::HeapProfile { .. } => "run it again without --heap-profile",
                    Instrument::CpuProfile { .. } => "run it again without --cpu-profile",
                },
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(name: &str, instruments: &[Instrument]) -> ScenarioRecord {
        ScenarioRecord {
            scenario: name.to_owned(),
            parameters: serde_json::Map::new(),
            pragmas: Vec::new(),
            rust_allocator: "system".to_owned(),
            sqlite_allocator: "system".to_owned(),
            route_verified: true,
            route_evidence: String::new(),
            instruments: instruments.to_vec(),
            absent: Vec::new(),
            pid: 1,
        }
    }

    #[test]
    fn what_distorts_is_refused_by_name_with_what_to_do() {
        let sampled = Instrument::HeapProfile {
            source: HeapSource::Sampled,
            interval_bytes: 512 << 10,
        };
        let good = [
            scenario("a", &[]),
            scenario("b", std::slice::from_ref(&sampled)),
        ];
        assert_eq!(refuse_instrumented(&good), Ok(()));
        for (instrument, name, remedy) in [
            (Instrument::Dhat, "dhat", "without the feature dhat-heap"),
            (
                Instrument::CpuProfile { hertz: 99 },
                "cpu-profile",
                "without --cpu-profile",
            ),
        ] {
            let bad = scenario("insert-10m", &[sampled.clone(), instrument]);
            let error = refuse_instrumented([&good[0], &bad]).unwrap_err();
            let text = error.to_string();
            for part in ["insert-10m", name, remedy] {
                assert!(text.contains(part), "{text}");
            }
        }
    }
}
