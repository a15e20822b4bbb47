//! Where the CPU time of this process goes: stacks at every tick of a timer that runs with CPU time.
//!
//! The `pprof` crate takes them in a signal handler and needs no permission. No library is left out of its
//! samples: that would take the copying of memory away from whoever copies. It is left out elsewhere because
//! an unwinder that takes the loader's lock may wait for the thread that it has interrupted; where the
//! unwinder finds code by `_dl_find_object` (glibc 2.35, GCC 12) it takes none, and this program loads no
//! library while it is sampled.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use pprof::{ProfilerGuard, UnresolvedReport};

use crate::memory::glibc;
use crate::memory::wait::own_usage;
use crate::profile;
use crate::profile::raw::{Header, Line, Module, SCHEMA_VERSION, Side, SiteValues, Source, Values};

use super::Error;
use super::file::RawFile;

/// Samples a second of CPU time, where nothing else is asked for: no multiple of what else comes often.
pub const DEFAULT_HERTZ: u32 = 199;

/// Samples until it is dropped. Its samples, some 70 MB of room, are in Rust's heap, and count there.
pub struct CpuSampler {
    file: RawFile,
    guard: ProfilerGuard<'static>,
    interval: Duration,
    /// CPU time before it started, and what its samples took to read out, which no sample shows.
    aside_ns: u64,
    executable: Option<Module>,
    stacks: HashMap<Vec<u64>, u32>,
    /// Samples by the stack's number, as written.
    counts: Vec<u64>,
}

impl std::fmt::Debug for CpuSampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CpuSampler")
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

impl CpuSampler {
    /// Samples this process `hertz` times a second of CPU time, for `name` to be written to `path`, which
    /// must not exist. One at a time in a process.
    ///
    /// # Errors
    /// The file cannot be created, or another one runs.
    pub fn start(path: &Path, name: &str, hertz: u32) -> Result<Self, Error> {
        let mut file = RawFile::create(path)?;
        let interval = Duration::from_secs(1) / hertz.max(1);
        let modules = profile::modules();
        let executable = modules.first().cloned();
        file.line(&Line::Profile(Header {
            schema_version: SCHEMA_VERSION,
            scenario: name.into(),
            source: Source::Cpu {
                interval_ns: interval.as_nanos() as u64,
            },
            modules,
        }))?;
        file.flush()?;
        let guard = ProfilerGuard::new(hertz as i32).map_err(Error::Cpu)?;
        // It has resolved a stack at its start, to have all libraries loaded that this takes: some 140 MB
        // of debug information, which nobody needs any more.
        backtrace::clear_symbol_cache();
        glibc::trim();
        Ok(CpuSampler {
            file,
            guard,
            interval,
            aside_ns: cpu_ns(),
            executable,
            stacks: HashMap::new(),
            counts: Vec::new(),
        })
    }

    /// Appends what was sampled since the last time.
    ///
    /// # Errors
    /// The file cannot be written, or the samples cannot be read back.
    pub fn write(&mut self, at_ns: u64) -> Result<(), Error> {
        let began_ns = cpu_ns();
        let report = self.guard.report().build_unresolved().map_err(Error::Cpu)?;
        let mut changed = Vec::new();
        for (stack, samples) in self.by_stack(&report) {
            let id = self.id(stack)?;
            if self.counts[id as usize] != samples {
                self.counts[id as usize] = samples;
                changed.push(self.values(id, samples));
            }
        }
        let taken: u64 = self.counts.iter().sum();
        let due = began_ns.saturating_sub(self.aside_ns) / self.interval.as_nanos().max(1) as u64;
        self.file.line(&Line::Values(Values {
            at_ns,
            moment: None,
            exact: None,
            lost: missed(due, taken),
            sites: Cow::Owned(changed),
        }))?;
        self.file.flush()?;
        self.aside_ns += cpu_ns().saturating_sub(began_ns);
        Ok(())
    }

    /// The stacks of all threads together.
    fn by_stack(&self, report: &UnresolvedReport) -> HashMap<Vec<u64>, u64> {
        let mut stacks: HashMap<Vec<u64>, u64> = HashMap::with_capacity(report.data.len());
        for (sample, count) in &report.data {
            let addresses = sample.frames.iter().map(|frame| frame.ip() as u64);
            let addresses: Vec<u64> = addresses.collect();
            let stack = interrupted(&addresses, self.executable.as_ref());
            *stacks.entry(stack).or_default() += u64::try_from(*count).unwrap_or(0);
        }
        stacks
    }

    fn id(&mut self, stack: Vec<u64>) -> Result<u32, Error> {
        if let Some(id) = self.stacks.get(&stack) {
            return Ok(*id);
        }
        let id = self.stacks.len() as u32;
        self.file.line(&Line::Stack {
            id,
            addresses: Cow::Borrowed(&stack),
        })?;
        self.stacks.insert(stack, id);
        self.counts.push(0);
        Ok(id)
    }

    fn values(&self, stack: u32, samples: u64) -> SiteValues {
        SiteValues {
            stack,
            statement: 0,
            side: Side::Unknown,
            now_samples: 0,
            now_bytes: 0,
            now_blocks: 0.0,
            peak_bytes: 0,
            peak_blocks: 0.0,
            total_bytes: samples * self.interval.as_nanos() as u64,
            total_blocks: samples as f64,
            total_samples: samples,
        }
    }
}

/// Ticks that came while a stack was being taken, of another thread mostly. The timer counts CPU time by the kernel's
/// ticks and `due` does not, so a twentieth is no difference.
fn missed(due: u64, taken: u64) -> u64 {
    let missed = due.saturating_sub(taken);
    if missed * 20 > due { missed } else { 0 }
}

fn cpu_ns() -> u64 {
    own_usage().map_or(0, |usage| usage.user_ns + usage.system_ns)
}

/// What the signal has interrupted, leaf first. The handler's own frames come before it and are the
/// executable's; the first frame that is not is the C library's return from a signal.
fn interrupted(addresses: &[u64], executable: Option<&Module>) -> Vec<u64> {
    let is_ours = |address: &u64| {
        executable.is_some_and(|module| (module.start..module.end).contains(address))
    };
    let handler = addresses.iter().take_while(|one| is_ours(one)).count();
    let mut stack = addresses.iter().skip(handler + 1);
    // The instruction that was interrupted, and above it return addresses: into the line after the call.
    let leaf = stack.next().copied();
    // The outermost returns to nowhere.
    let callers = stack
        .filter(|address| **address != 0)
        .map(|address| address - 1);
    leaf.into_iter().chain(callers).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_missed_where_more_than_a_twentieth_is() {
        assert_eq!((missed(210, 206), missed(210, 250)), (0, 0));
        assert_eq!(missed(1000, 900), 100);
    }

    #[test]
    fn a_stack_begins_where_the_signal_came() {
        let executable = Module {
            path: String::new(),
            bias: 0,
            start: 100,
            end: 200,
            file_offset: 0,
            build_id: None,
        };
        let of = |addresses: &[u64]| interrupted(addresses, Some(&executable));
        // Handler, handler, return from the signal, leaf, caller.
        assert_eq!(of(&[110, 120, 900, 130, 140]), [130, 139]);
        // Interrupted in the C library, called from the executable.
        assert_eq!(of(&[110, 900, 950, 140, 0]), [950, 139]);
        assert_eq!(of(&[110, 120]), [0u64; 0]);
    }
}
