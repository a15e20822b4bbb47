//! One scenario, from its testee's start until it was waited for.
//!
//! A testee is ended in steps: it is asked, over its standard input, and given [`GRACE`] to take
//! its last ledger and close its database; then it is killed. Whatever way it goes, its lines until
//! then are in the record and its directory is removed.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use crate::memory::process;
use crate::memory::wait::Waited;
use crate::record::{ErrorRecord, Line, ResultRecord, SampleRecord, WriteError, Writer};
use crate::scenario::Scenario;
use crate::testee::STOPPED_AS_ASKED;

use super::limits::{self, Breach, Growth};
use super::spawn::{Event, Testee};
use super::{RunOptions, Watcher, heap_profile, sample};

/// From being asked to stop until being killed.
const GRACE: Duration = Duration::from_secs(5);
/// Limits are looked at this often, also where samples are rarer.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// A testee that has closed its output is about to end.
const REAP_INTERVAL: Duration = Duration::from_millis(2);
/// A testee has ended and something that it started still holds its output: not waited for longer.
const ORPHANED_OUTPUT: Duration = Duration::from_secs(1);

/// What the scenarios of a run share.
pub(super) struct Run<'a> {
    pub executable: PathBuf,
    pub options: &'a RunOptions,
    pub record: Writer,
    pub watcher: &'a mut dyn Watcher,
    pub sender: SyncSender<Event>,
    pub events: Receiver<Event>,
}

/// How a scenario ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Well,
    Failed,
    Interrupted,
}

impl Run<'_> {
    /// Records a line and shows it.
    pub(super) fn write(&mut self, line: Line) -> Result<(), WriteError> {
        self.record.append(&line)?;
        self.watcher.line(&line);
        Ok(())
    }

    /// Runs one scenario. On an error the testee is gone, its directory too, and the record ends
    /// with a complete line.
    pub(super) fn scenario(
        &mut self,
        index: usize,
        scenario: &Scenario,
    ) -> Result<Ended, WriteError> {
        self.watcher.scenario_started(scenario);
        let ended = self.supervised(index, scenario);
        if let Err(error) = &ended {
            // Where the database was on the same file system there is room for this now.
            let message = format!("{error}; the testee was killed and its directory removed");
            let line = error_line(scenario, "io", message);
            let _ = self.record.append(&line);
            // Recorded or not: who looks on must not take the scenario for a good one.
            self.watcher.line(&line);
        }
        self.watcher
            .scenario_ended(scenario, matches!(ended, Ok(Ended::Well)));
        ended
    }

    fn supervised(&mut self, index: usize, scenario: &Scenario) -> Result<Ended, WriteError> {
        let heap_profile = heap_profile(&self.options.out, index);
        let testee = Testee::start(
            &self.executable,
            scenario,
            index,
            self.sender.clone(),
            heap_profile,
        );
        let testee = match testee {
            Ok(testee) => testee,
            Err(error) => {
                let place = std::env::temp_dir();
                let message = format!(
                    "cannot start a testee with a directory of its own in {}: {error}; set TMPDIR \
                     to a directory with room",
                    place.display()
                );
                self.write(error_line(scenario, "io", message))?;
                return Ok(Ended::Failed);
            }
        };
        let mut supervision = Supervision::new(scenario, index, testee, self.options);
        match supervision.watch(self)? {
            Some(waited) => supervision.conclude(self, waited),
            None => Ok(Ended::Failed),
        }
    }
}

/// Why a testee is being stopped.
#[derive(Debug)]
enum Cause {
    Limit(Breach),
    Interrupted,
}

#[derive(Debug)]
struct Stop {
    cause: Cause,
    since: Instant,
    killed: bool,
}

struct Supervision<'a> {
    scenario: &'a Scenario,
    index: usize,
    testee: Testee,
    stop: Option<Stop>,
    interrupts: u32,
    /// Held back until `wait4` has told what is still missing in it.
    result: Option<ResultRecord>,
    /// Of the phases; `wait4` does not see past the last reset of the peak.
    phases_peak_bytes: u64,
    told_error: bool,
    closed: Option<Instant>,
    sample_interval: Duration,
    look_interval: Duration,
    growth: Growth,
    next_look: Instant,
    next_sample: Instant,
}

impl<'a> Supervision<'a> {
    fn new(scenario: &'a Scenario, index: usize, testee: Testee, options: &RunOptions) -> Self {
        let sample_interval = options.sample_interval.max(Duration::from_millis(1));
        let look_interval = sample_interval.min(LOOK_INTERVAL);
        Supervision {
            scenario,
            index,
            stop: None,
            interrupts: 0,
            result: None,
            phases_peak_bytes: 0,
            told_error: false,
            closed: None,
            sample_interval,
            look_interval,
            growth: Growth::default(),
            next_look: testee.started + look_interval,
            next_sample: testee.started + sample_interval,
            testee,
        }
    }

    /// Until the testee has ended and all its lines are read. `None` where it cannot be waited for;
    /// that is recorded.
    fn watch(&mut self, run: &mut Run) -> Result<Option<Waited>, WriteError> {
        loop {
            match run.events.recv_timeout(self.patience()) {
                Ok(Event::Line(index, line)) if index == self.index => self.line(run, *line)?,
                Ok(Event::Closed(index)) if index == self.index => {
                    self.closed = Some(Instant::now());
                }
                Ok(Event::Signal) => self.interrupt(),
                // A line of a testee before, whose output something else had kept open.
                Ok(Event::Line(..) | Event::Closed(_)) => {}
                // `run` holds a sender itself.
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            self.enforce_grace();
            let now = Instant::now();
            if now >= self.next_look || self.closed.is_some() {
                self.next_look = now + self.look_interval;
                if let Err(error) = self.testee.look() {
                    let message = format!("the testee cannot be waited for: {error}");
                    run.write(error_line(self.scenario, "exited", message))?;
                    return Ok(None);
                }
                match self.testee.waited {
                    None => self.observe(run, now)?,
                    Some(waited) => {
                        let closed = *self.closed.get_or_insert(now + ORPHANED_OUTPUT);
                        if closed <= now {
                            return Ok(Some(waited));
                        }
                    }
                }
            }
        }
    }

    /// How long nothing needs to be looked at.
    fn patience(&self) -> Duration {
        if self.closed.is_some() {
            return REAP_INTERVAL;
        }
        let mut until = self.next_look;
        if let Some(Stop {
            since,
            killed: false,
            ..
        }) = self.stop
        {
            until = until.min(since + GRACE);
        }
        until.saturating_duration_since(Instant::now())
    }

    fn line(&mut self, run: &mut Run, line: Line) -> Result<(), WriteError> {
        match line {
            Line::Progress(_) | Line::Listening(_) => run.watcher.line(&line),
            Line::Result(result) => self.result = Some(result),
            Line::Phase(ref phase) => {
                self.phases_peak_bytes = self.phases_peak_bytes.max(phase.peak_rss_bytes);
                run.write(line)?;
            }
            Line::Error(_) => {
                self.told_error = true;
                run.write(line)?;
            }
            Line::Scenario(_) => run.write(line)?,
            // The harness's own kinds; a testee has none of them to tell.
            Line::Run(_) | Line::Environment(_) | Line::Sample(_) => {}
        }
        Ok(())
    }

    /// Ctrl-C: asks; again: kills.
    fn interrupt(&mut self) {
        self.interrupts += 1;
        if self.stop.is_none() {
            self.testee.ask_to_stop("interrupted");
            self.stop = Some(Stop {
                cause: Cause::Interrupted,
                since: Instant::now(),
                killed: false,
            });
        } else if self.interrupts > 1 {
            self.kill();
        }
    }

    fn kill(&mut self) {
        if let Some(stop) = &mut self.stop {
            stop.killed = true;
        }
        self.testee.kill();
    }

    /// Kills a testee that was asked, or has closed its output, and does not end.
    fn enforce_grace(&mut self) {
        let asked = self
            .stop
            .as_ref()
            .filter(|stop| !stop.killed)
            .map(|stop| stop.since);
        let since = asked.or(self.closed.filter(|_| self.stop.is_none()));
        if since.is_some_and(|since| since + GRACE <= Instant::now()) {
            self.kill();
        }
    }

    /// Samples a running testee, and asks it to stop if it is past a limit.
    fn observe(&mut self, run: &mut Run, now: Instant) -> Result<(), WriteError> {
        let elapsed = now - self.testee.started;
        // Not readable: it is ending, or this system does not tell; `env` then says so.
        let memory = process::rollup(Some(self.testee.pid)).ok();
        if let Some(memory) = memory {
            self.growth.see(elapsed, memory);
        }
        let limits = &self.scenario.limits;
        self.next_look = now + self.growth.next_look(limits, self.look_interval);
        let disk_bytes = sample::disk_bytes(self.testee.directory(), self.testee.pid);
        let breach = if self.stop.is_none() {
            limits::breach(&self.scenario.limits, elapsed, memory, disk_bytes)
        } else {
            None
        };
        if let Some(breach) = &breach {
            self.testee.ask_to_stop(breach.what);
        }
        if let Some(memory) = memory
            && (now >= self.next_sample || breach.is_some())
        {
            self.next_sample = now + self.sample_interval;
            run.write(Line::Sample(SampleRecord {
                scenario: self.scenario.name.clone(),
                at_ns: nanoseconds(elapsed),
                rss_bytes: memory.rss_bytes,
                anonymous_bytes: memory.anonymous_bytes,
                swap_bytes: memory.swap_bytes,
                disk_bytes,
            }))?;
        }
        if let Some(breach) = breach {
            self.stop = Some(Stop {
                cause: Cause::Limit(breach),
                since: now,
                killed: false,
            });
        }
        Ok(())
    }

    /// The lines that can only be written when the testee has ended.
    fn conclude(mut self, run: &mut Run, waited: Waited) -> Result<Ended, WriteError> {
        let mut ended = Ended::Well;
        let result = self.result.take();
        let fault = self.fault(&waited, result.as_ref());
        if let Some(mut result) = result {
            result.peak_rss_bytes = waited.peak_rss_bytes.max(self.phases_peak_bytes);
            result.user_ns = waited.user_ns;
            result.system_ns = waited.system_ns;
            run.write(Line::Result(result))?;
        }
        if self.told_error {
            ended = Ended::Failed;
        }
        if let Some((what, message)) = fault {
            run.write(error_line(self.scenario, what, message))?;
            ended = Ended::Failed;
        }
        if self.interrupts > 0 {
            let message = "the run was stopped by a signal; everything until then is \
                           in the record. Run it again to have all of it";
            run.write(error_line(self.scenario, "interrupted", message.to_owned()))?;
            ended = Ended::Interrupted;
        }
        Ok(ended)
    }

    /// What is to be said about the end of a testee, besides an interruption and what it has said
    /// itself.
    fn fault(
        &self,
        waited: &Waited,
        result: Option<&ResultRecord>,
    ) -> Option<(&'static str, String)> {
        match &self.stop {
            Some(Stop {
                cause: Cause::Limit(breach),
                killed,
                ..
            }) => {
                let mut message = breach.message.clone();
                if *killed {
                    message += ". It did not stop in time and was killed: the ledger of its last \
                                phase is missing";
                }
                Some((breach.what, message))
            }
            Some(Stop {
                cause: Cause::Interrupted,
                ..
            }) => None,
            None if waited.status.success() => match result {
                Some(result) if result.verified => None,
                Some(_) => Some((
                    "workload",
                    "the database does not hold what was inserted: see the result line".to_owned(),
                )),
                None if self.told_error => None,
                None => Some((
                    "exited",
                    format!(
                        "the testee ended without a result{}",
                        self.testee.last_words()
                    ),
                )),
            },
            None if self.told_error && waited.status.signal().is_none() => None,
            None => {
                let (what, message) = death(waited.status, self.testee.started.elapsed());
                Some((what, message + &self.testee.last_words()))
            }
        }
    }
}

/// For a testee that ended by itself, and not well.
fn death(status: ExitStatus, after: Duration) -> (&'static str, String) {
    let after = after.as_secs_f64();
    let Some(signal) = status.signal() else {
        let code = status.code().unwrap_or(-1);
        let told = if code == i32::from(STOPPED_AS_ASKED) {
            ": something else than this run told it to stop, by SIGTERM or its standard input"
        } else {
            ""
        };
        return (
            "exited",
            format!("the testee ended with exit code {code} after {after:.1} s{told}"),
        );
    };
    let name = signal_hook::low_level::signal_name(signal).unwrap_or("a signal");
    let hint = match signal {
        libc::SIGKILL => {
            "; where nobody did that, the kernel's out-of-memory killer did: see `dmesg`, or \
             memory.events of the cgroup, and set --limit-rss to stop it in order"
        }
        libc::SIGSEGV | libc::SIGABRT | libc::SIGBUS | libc::SIGILL => {
            "; where a preloaded allocator is in play, run again without it"
        }
        _ => "",
    };
    let message = format!(
        "the testee was killed by {name} (signal {signal}) after {after:.1} s, and not by this \
         run{hint}"
    );
    ("killed", message)
}

fn error_line(scenario: &Scenario, what: &str, message: String) -> Line {
    Line::Error(ErrorRecord {
        scenario: Some(scenario.name.clone()),
        what: what.to_owned(),
        message,
    })
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_names_the_signal() {
        let (what, message) = death(ExitStatus::from_raw(9), Duration::from_secs(3));
        assert_eq!(what, "killed");
        assert!(
            message.contains("SIGKILL (signal 9) after 3.0 s"),
            "{message}"
        );
    }

    #[test]
    fn an_exit_names_the_code() {
        let (what, message) = death(ExitStatus::from_raw(101 << 8), Duration::ZERO);
        assert_eq!(what, "exited");
        assert!(message.contains("exit code 101"), "{message}");
    }
}
