//! dhat's profile of a testee, in a build with the feature `dhat-heap`: begun before anything else,
//! written at the end, and on the way, so that a testee that is killed has left the profile until then.
//!
//! It is written by a child each time, so that neither its CPU time nor its memory is the testee's: on
//! the way about every ten seconds and at the ends of phases, and less often where that takes longer:
//! a child works a tenth of the time at most. What is not whole has another name; see [`unfinished`].

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::allocator::dhat_heap::{FILE_VARIABLE, Profiler, Writing};

/// Before it there is little to see.
const FIRST: Duration = Duration::from_secs(2);
/// Between two ends of phases at which the profile is written, at least.
const BETWEEN_PHASES: Duration = Duration::from_secs(2);
/// Between two times that it is written inside a phase, at least.
const INSIDE: Duration = Duration::from_secs(10);
/// Between two looks at a child.
const LOOK: Duration = Duration::from_millis(10);
/// A child is left so many times as long as it worked until there is another one.
const REST: u32 = 9;

/// What the profile is called until all of it is there.
pub fn unfinished(profile: &Path) -> PathBuf {
    let mut name = OsString::from(profile);
    name.push(".unfinished");
    PathBuf::from(name)
}

/// The profile, where there is one. Dropping it ends it.
#[derive(Debug)]
pub(super) struct HeapDump {
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    profiler: Profiler,
    unfinished: PathBuf,
    whole: PathBuf,
    child: Option<(Writing, Instant)>,
    /// Since the last child was started, or since the start.
    since: Instant,
    /// When it was looked whether the child still works.
    looked: Instant,
    /// How long the last one worked.
    worked: Duration,
    any: bool,
}

impl HeapDump {
    /// Begins the profile that the harness asked for. Nothing in another build.
    pub(super) fn start() -> Self {
        let whole = || std::env::var_os(FILE_VARIABLE).map(PathBuf::from);
        // Both names are made anew after it, so that neither is older than the profile.
        let profiler = whole().and_then(|whole| Profiler::start(&unfinished(&whole)));
        let running = profiler.zip(whole()).map(|(profiler, whole)| Running {
            profiler,
            unfinished: unfinished(&whole),
            whole,
            child: None,
            since: Instant::now(),
            looked: Instant::now(),
            worked: Duration::ZERO,
            any: false,
        });
        HeapDump { running }
    }

    /// Whether the profile should be written now, inside a phase or at the end of one.
    pub(super) fn is_due(&mut self, inside: bool) -> bool {
        self.running.as_mut().is_some_and(|one| one.is_due(inside))
    }

    /// Lets a child write it. Waits for that only where `alone`: then no child may live when a ledger is
    /// taken.
    pub(super) fn write(&mut self, alone: bool) {
        if let Some(running) = &mut self.running {
            running.begin();
            if alone {
                running.wait();
            }
        }
    }
}

impl Running {
    fn is_due(&mut self, inside: bool) -> bool {
        if let Some((child, began)) = &mut self.child {
            // A system call is not made for every row.
            if inside && self.looked.elapsed() < LOOK {
                return false;
            }
            self.looked = Instant::now();
            if child.goes_on() {
                return false;
            }
            self.worked = began.elapsed();
            self.child = None;
        }
        let least = match (self.any, inside) {
            (false, _) => FIRST,
            (true, true) => INSIDE,
            (true, false) => BETWEEN_PHASES,
        };
        self.since.elapsed() >= least.max(self.worked * (REST + 1))
    }

    fn begin(&mut self) {
        self.since = Instant::now();
        self.any = true;
        // There from the start, so that whoever finds it waits for the rest.
        let made = fs::File::create(&self.unfinished);
        let child =
            made.and_then(|_| (self.profiler).write_in_a_child(&self.unfinished, &self.whole));
        match child {
            Ok(child) => self.child = Some((child, self.since)),
            Err(error) => eprintln!(
                "the heap profile cannot be written to {} on the way: {error}",
                self.unfinished.display()
            ),
        }
    }

    /// Whether the last child has done what it should.
    fn is_written(&self) -> bool {
        !self.unfinished.exists() && self.whole.exists()
    }

    fn wait(&mut self) {
        if let Some((child, began)) = self.child.take() {
            child.wait();
            self.worked = began.elapsed();
        }
    }
}

impl Drop for HeapDump {
    fn drop(&mut self) {
        let Some(mut running) = self.running.take() else {
            return;
        };
        if let Some((child, _)) = running.child.take() {
            child.break_off();
        }
        // By a child too: naming the functions of every stack takes memory and time, which would be
        // this process's peak.
        running.begin();
        running.wait();
        if running.is_written() {
            return;
        }
        running.profiler.write();
        if let Err(error) = fs::rename(&running.unfinished, &running.whole) {
            eprintln!(
                "the heap profile cannot be named {}: {error}",
                running.whole.display()
            );
        }
    }
}
