//! Profilers in the testee: what was asked for, and the raw files that they append to as it goes.
//!
//! A line is written at every mark, after its ledger was taken, and about once a second between them, so
//! that a testee that is killed leaves its profile until then. What that takes is put aside like the taking
//! of a ledger. A file that cannot be written ends its profile, not the run.

mod cpu;
mod file;
mod jemalloc;
mod marks;
mod sampled;

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::allocator;
use crate::profile::raw::Moment;
use crate::record::{HeapSource, Instrument};

pub use cpu::{CpuSampler, DEFAULT_HERTZ};
use jemalloc::Dumps;
use sampled::Sampled;

/// Between two writings where no mark is set.
const INTERVAL: Duration = Duration::from_secs(1);
/// After a writing that took long there is none for so many times as long.
const REST: u32 = 20;

/// What a run is to profile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Allocations.
    #[serde(default)]
    pub heap: Option<HeapAsked>,
    /// Running threads: samples a second of CPU time.
    #[serde(default)]
    pub cpu_hertz: Option<u32>,
}

/// How allocations are sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeapAsked {
    /// By whom.
    pub source: HeapSource,
    /// On average, between two samples.
    pub interval_bytes: u64,
}

impl Asked {
    /// For the record.
    pub fn instruments(&self) -> Vec<Instrument> {
        let heap = self.heap.map(|heap| Instrument::HeapProfile {
            source: heap.source,
            interval_bytes: heap.interval_bytes,
        });
        let cpu = self.cpu_hertz.map(|hertz| Instrument::CpuProfile { hertz });
        heap.into_iter().chain(cpu).collect()
    }

    /// What jemalloc has to be told in its configuration, where it is who samples.
    pub fn jemalloc_conf(&self) -> Option<String> {
        let heap = (self.heap).filter(|heap| heap.source == HeapSource::Jemalloc)?;
        let lg_sample = heap.interval_bytes.ilog2();
        Some(format!(
            "prof:true,prof_active:true,prof_accum:true,lg_prof_sample:{lg_sample}"
        ))
    }
}

/// The same with the files, for one testee.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// What to profile.
    pub asked: Asked,
    /// Where allocations go.
    pub heap_file: PathBuf,
    /// Where running threads go.
    pub cpu_file: PathBuf,
}

impl Wish {
    /// For the scenario with this number of the run in `out`.
    pub fn new(asked: Asked, out: &Path, index: usize) -> Self {
        let [heap_file, cpu_file] = raw_files(out, index);
        Wish {
            asked,
            heap_file,
            cpu_file,
        }
    }
}

/// The raw files of the scenario with this number, `heap.jsonl` and `cpu.jsonl` for the first one, whether
/// they are there or not.
pub fn raw_files(out: &Path, index: usize) -> [PathBuf; 2] {
    ["heap", "cpu"].map(|stem| {
        out.join(match index {
            0 => format!("{stem}.jsonl"),
            _ => format!("{stem}-{index}.jsonl"),
        })
    })
}

/// Why a testee cannot be profiled.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The sampler does not start.
    #[error("the heap profile's sampler does not start: {0}")]
    Sampler(allocator::Error),
    /// The kernel refused a mapping.
    #[error("no memory for a profile's buffers: {0}")]
    Buffers(io::Error),
    /// jemalloc was told to sample in its configuration, and does not.
    #[error(
        "jemalloc does not sample: something overrides prof:true in its configuration, such as \
         prof:false in _RJEM_MALLOC_CONF"
    )]
    JemallocIsOff,
    /// The signal or its timer.
    #[error("the CPU profile does not start: {0}")]
    Cpu(pprof::Error),
    /// The raw file cannot be created or written.
    #[error("cannot write the profile {}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's words.
        cause: io::Error,
    },
}

impl Error {
    fn file(path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |cause| Error::File { path, cause }
    }
}

#[derive(Debug)]
enum Heap {
    Sampled(Box<Sampled>),
    Jemalloc(Dumps),
}

impl Heap {
    fn write(&mut self, at_ns: u64, moment: Option<Moment<'_>>) -> Result<(), Error> {
        match self {
            Heap::Sampled(sampled) => sampled.write(at_ns, moment),
            Heap::Jemalloc(dumps) => dumps.write(at_ns, moment),
        }
    }
}

/// The profilers of a testee; none where none was asked for.
#[derive(Debug, Default)]
pub(super) struct Profilers {
    heap: Option<Heap>,
    cpu: Option<CpuSampler>,
    due: Option<Instant>,
    /// What could not be written and was not told yet.
    failed: Vec<Error>,
}

impl Profilers {
    /// Starts what is wished for: to be called before SQLite's allocator is put in place.
    pub(super) fn start(wish: &Wish, scenario: &str, literals: bool) -> Result<Self, Error> {
        // The CPU profile's buffers come first, so that the heap profile does not show them.
        let cpu = match wish.asked.cpu_hertz {
            Some(hertz) => Some(CpuSampler::start(&wish.cpu_file, scenario, hertz)?),
            None => None,
        };
        let heap = match wish.asked.heap {
            None => None,
            Some(HeapAsked {
                source: HeapSource::Sampled,
                interval_bytes,
            }) => Some(Heap::Sampled(Box::new(Sampled::start(
                &wish.heap_file,
                scenario,
                interval_bytes,
                literals,
            )?))),
            Some(HeapAsked {
                source: HeapSource::Jemalloc,
                ..
            }) => Some(Heap::Jemalloc(Dumps::start(&wish.heap_file, scenario)?)),
        };
        let is_any = heap.is_some() || cpu.is_some();
        Ok(Profilers {
            heap,
            cpu,
            due: is_any.then(|| Instant::now() + INTERVAL),
            failed: Vec::new(),
        })
    }

    /// Whether it is time to write, though no mark is set.
    pub(super) fn is_due(&self) -> bool {
        self.due.is_some_and(|due| due <= Instant::now())
    }

    /// Whether there is anything to write, ever.
    pub(super) fn is_any(&self) -> bool {
        self.due.is_some()
    }

    /// A mark was set and its ledger taken.
    pub(super) fn mark(&mut self, at_ns: u64, moment: Moment<'_>) {
        let is_due = self.is_due();
        // jemalloc's dump is a file; a reading inside a phase waits for the phase's end.
        let is_wanted = match &self.heap {
            Some(Heap::Jemalloc(_)) => moment.reading.is_none() || is_due,
            _ => true,
        };
        let moment = is_wanted.then_some(moment);
        self.write(at_ns, moment, is_due);
    }

    /// Between two marks.
    pub(super) fn tick(&mut self, at_ns: u64) {
        self.write(at_ns, None, true);
    }

    /// The workload is over. A heap that was marked at its end is written; `is_cut_off` where it was not.
    pub(super) fn finish(&mut self, at_ns: u64, is_cut_off: bool) {
        if !is_cut_off {
            self.heap = None;
        }
        self.write(at_ns, None, true);
        self.heap = None;
        self.cpu = None;
        self.due = None;
    }

    /// What could not be written, once.
    pub(super) fn take_failure(&mut self) -> Option<Error> {
        self.failed.pop()
    }

    /// The heap at a moment, or without one where it is due; running threads where they are due.
    fn write(&mut self, at_ns: u64, moment: Option<Moment<'_>>, is_due: bool) {
        let began = Instant::now();
        if moment.is_some() || is_due {
            let written = self.heap.as_mut().map(|heap| heap.write(at_ns, moment));
            if let Some(Err(error)) = written {
                self.heap = None;
                self.failed.push(error);
            }
        }
        if !is_due {
            return;
        }
        if let Some(Err(error)) = self.cpu.as_mut().map(|cpu| cpu.write(at_ns)) {
            self.cpu = None;
            self.failed.push(error);
        }
        let now = Instant::now();
        self.due = Some(now + INTERVAL.max((now - began) * REST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_has_raw_files_of_its_own() {
        let names = |index| raw_files(Path::new("run"), index);
        assert_eq!(
            names(0),
            ["run/heap.jsonl", "run/cpu.jsonl"].map(PathBuf::from)
        );
        assert_eq!(
            names(2),
            ["run/heap-2.jsonl", "run/cpu-2.jsonl"].map(PathBuf::from)
        );
    }

    #[test]
    fn jemalloc_is_told_the_logarithm_of_the_interval() {
        let asked = |source| Asked {
            heap: Some(HeapAsked {
                source,
                interval_bytes: 1 << 16,
            }),
            cpu_hertz: None,
        };
        let conf = asked(HeapSource::Jemalloc).jemalloc_conf().unwrap();
        assert!(conf.ends_with("lg_prof_sample:16"), "{conf}");
        assert_eq!(asked(HeapSource::Sampled).jemalloc_conf(), None);
    }
}
