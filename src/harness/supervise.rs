//! One scenario, from its testee's start until it was waited for.
//!
//! A testee is ended in steps: it is asked, over its standard input, and given [`GRACE`] to take
//! its last ledger and close its database, and more of it to probe before; then it is killed.
//! Whatever way it goes, its lines until then are in the record and its directory is removed.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use crate::allocator::global::has_dhat;
use crate::memory::process;
use crate::memory::wait::Waited;
use crate::record::{ErrorRecord, Line, ResultRecord, SampleRecord, Side, WriteError, Writer};
use crate::scenario::Scenario;

use super::drive::Driver;
use super::ending::{Cause, End, Stop};
use super::limits::{self, Growth};
use super::spawn::{Event, Testee};
use super::{RunOptions, Watcher, heap_profile, sample};

/// From being asked to stop until being killed.
const GRACE: Duration = Duration::from_secs(5);
/// The same for a testee that probes at its limit, from one phase that it tells to the next: it
/// finalizes some 300,000 statements a second, or commits what it has.
const PROBE_GRACE: Duration = Duration::from_secs(20);
/// And for all of its probes.
const PROBES_GRACE: Duration = Duration::from_secs(60);
/// From being asked to stop until being killed, for a service, which ends no other way: it finishes
/// what it does, reads all of its database once more, and closes it. A second signal ends the wait.
const SERVICE_GRACE: Duration = Duration::from_secs(60);
/// What comes to each of them in a build with `dhat-heap`: every function in a profile gets its name
/// before it is written.
const DHAT_GRACE: Duration = Duration::from_secs(60);
/// A testee that does not answer as it should is about to end, or to tell why, mostly.
const TROUBLE_PATIENCE: Duration = Duration::from_secs(1);
/// Limits are looked at this often, also where samples are rarer.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Looking at a large testee walks all its pages, and holds up its page faults meanwhile: after a
/// look it is left alone so many times as long,
const LOOK_REST: u32 = 20;
/// but for no more than so many of the intervals that were asked for.
const LOOKS_LEFT_OUT: u32 = 10;
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
        side: Option<Side>,
    ) -> Result<Ended, WriteError> {
        self.watcher.scenario_started(scenario);
        let ended = self.supervised(index, scenario, side).and_then(|ended| {
            if let Some(line) = self.watcher.conclude(scenario) {
                self.write(line)?;
            }
            Ok(ended)
        });
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

    fn supervised(
        &mut self,
        index: usize,
        scenario: &Scenario,
        side: Option<Side>,
    ) -> Result<Ended, WriteError> {
        let executable = match self.executable(side) {
            Ok(executable) => executable,
            Err(message) => {
                self.write(error_line(scenario, "program", message))?;
                return Ok(Ended::Failed);
            }
        };
        let heap_profile = heap_profile(&self.options.out, index);
        let testee = Testee::start(
            &executable,
            scenario,
            index,
            self.sender.clone(),
            &heap_profile,
            self.options,
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
            Some(waited) => {
                supervision.testee.settle(&heap_profile);
                supervision.conclude(self, waited)
            }
            None => Ok(Ended::Failed),
        }
    }

    /// Whose testee is started, or why it must not be.
    fn executable(&self, side: Option<Side>) -> Result<PathBuf, String> {
        let Some(side) = side else {
            return Ok(self.executable.clone());
        };
        let mut programs = self.options.programs.iter();
        match programs.find(|program| program.record.side == side) {
            Some(program) if program.is_unchanged() => Ok(program.executable.clone()),
            Some(program) => Err(format!(
                "{} has changed since the run began, so it is not the {} that was recorded; run again, \
                 and leave both programs alone until the end",
                program.executable.display(),
                side.name()
            )),
            None => Err(format!("there is no program for the side {}", side.name())),
        }
    }
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
    /// The user's own tools ask for cycles, and being stopped is how it ends.
    until_stopped: bool,
    driver: Option<Driver>,
    in_trouble: Option<Instant>,
    probes: bool,
    /// When the last phase was told.
    phase_told: Option<Instant>,
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
            until_stopped: options.serve.is_some(),
            driver: None,
            in_trouble: None,
            probes: options.probes,
            phase_told: None,
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
                    None => {
                        self.observe(run, now)?;
                        self.heed_driver(now);
                    }
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
        if let Some(stop) = self.stop.as_ref().filter(|stop| !stop.killed) {
            until = until.min(self.deadline(stop));
        }
        until.saturating_duration_since(Instant::now())
    }

    fn line(&mut self, run: &mut Run, line: Line) -> Result<(), WriteError> {
        match line {
            Line::Progress(_) => run.watcher.line(&line),
            Line::Listening(ref listening) => {
                run.watcher.line(&line);
                if !self.until_stopped && self.driver.is_none() {
                    match Driver::start(self.scenario, listening.address) {
                        Ok(driver) => self.driver = Some(driver),
                        Err(error) => self.stop_for_http(format!("cannot start a thread: {error}")),
                    }
                }
            }
            Line::Result(result) => self.result = Some(result),
            Line::Phase(ref phase) => {
                self.phase_told = Some(Instant::now());
                self.phases_peak_bytes = self.phases_peak_bytes.max(phase.peak_rss_bytes);
                run.write(line)?;
            }
            Line::Error(_) => {
                self.told_error = true;
                run.write(line)?;
            }
            Line::Scenario(ref told) => {
                let pid = told.pid;
                run.write(line)?;
                if pid != self.testee.pid {
                    self.told_error = true;
                    let message = format!(
                        "the program that was started as process {} runs its testee as another one, \
                         {pid}, which cannot be measured: a script has to become its program (exec)",
                        self.testee.pid
                    );
                    run.write(error_line(self.scenario, "program", message))?;
                }
            }
            // The harness's own kinds; a testee has none of them to tell.
            Line::Run(_)
            | Line::Environment(_)
            | Line::Sample(_)
            | Line::Verdict(_)
            | Line::Program(_)
            | Line::Turn(_)
            | Line::Remedy(_) => {}
        }
        Ok(())
    }

    /// Ctrl-C: asks; again: kills.
    fn interrupt(&mut self) {
        self.interrupts += 1;
        if self.stop.is_none() {
            self.testee.ask_to_stop("interrupted");
            self.stop = Some(Stop::now(Cause::Interrupted));
        } else if self.interrupts > 1 {
            self.kill();
        }
    }

    /// Stops a testee that its driver is in trouble with, where it does not end by itself: a testee
    /// that is dying breaks its connections first.
    fn heed_driver(&mut self, now: Instant) {
        if self.stop.is_some() || self.closed.is_some() {
            return;
        }
        let Some(trouble) = self.driver.as_mut().and_then(Driver::trouble) else {
            return;
        };
        let since = *self.in_trouble.get_or_insert(now);
        if now - since >= TROUBLE_PATIENCE {
            let trouble = trouble.to_owned();
            self.stop_for_http(trouble);
        }
    }

    fn stop_for_http(&mut self, message: String) {
        if self.stop.is_none() {
            self.testee.ask_to_stop("http");
            self.stop = Some(Stop::now(Cause::Http(message)));
        }
    }

    /// When a testee that was asked to stop is killed.
    fn deadline(&self, stop: &Stop) -> Instant {
        let profile = if has_dhat() {
            DHAT_GRACE
        } else {
            Duration::ZERO
        };
        let until = match &stop.cause {
            Cause::Interrupted if self.until_stopped => stop.since + SERVICE_GRACE,
            Cause::Limit(_) if self.probes => {
                let told = self.phase_told.unwrap_or(stop.since).max(stop.since);
                (told + PROBE_GRACE).min(stop.since + PROBES_GRACE)
            }
            _ => stop.since + GRACE,
        };
        until + profile
    }

    fn kill(&mut self) {
        if let Some(stop) = &mut self.stop {
            stop.killed = true;
        }
        self.testee.kill();
    }

    /// Kills a testee that was asked, or has closed its output, and does not end.
    fn enforce_grace(&mut self) {
        let deadline = match &self.stop {
            Some(stop) if stop.killed => None,
            Some(stop) => Some(self.deadline(stop)),
            None => self.closed.map(|closed| closed + GRACE),
        };
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            self.kill();
        }
    }

    /// Samples a running testee, and asks it to stop if it is past a limit.
    fn observe(&mut self, run: &mut Run, now: Instant) -> Result<(), WriteError> {
        let elapsed = now - self.testee.started;
        // Not readable: it is ending, or this system does not tell; `env` then says so.
        let looked = Instant::now();
        let memory = process::rollup(Some(self.testee.pid)).ok();
        let cost = looked.elapsed();
        if let Some(memory) = memory {
            self.growth.see(elapsed, memory);
        }
        let limits = &self.scenario.limits;
        let rest = (cost * LOOK_REST).min(self.look_interval * LOOKS_LEFT_OUT);
        let interval = self.look_interval.max(rest);
        self.next_look = now + self.growth.next_look(limits, interval);
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
            self.stop = Some(Stop::now(Cause::Limit(breach)));
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
        // A service is stopped once and ends; whoever could not wait for that has interrupted it.
        let meant = u32::from(self.until_stopped);
        if self.interrupts > meant {
            let message = "the run was stopped by a signal; everything until then is \
                           in the record. Run it again to have all of it";
            run.write(error_line(self.scenario, "interrupted", message.to_owned()))?;
            ended = Ended::Interrupted;
        }
        Ok(ended)
    }

    fn fault(
        &mut self,
        waited: &Waited,
        result: Option<&ResultRecord>,
    ) -> Option<(&'static str, String)> {
        let end = End {
            stop: self.stop.as_ref(),
            status: waited.status,
            result,
            told_error: self.told_error,
            until_stopped: self.until_stopped,
            after: self.testee.started.elapsed(),
            last_words: self.testee.last_words(),
        };
        let fault = end.fault();
        // Whatever else happened explains a call that failed.
        if fault.is_some() || self.told_error || self.stop.is_some() {
            return fault;
        }
        let trouble = self.driver.as_mut().and_then(Driver::last_trouble)?;
        Some(("http", trouble.to_owned()))
    }
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
