//! What is measured where a workload sets a mark, and how it goes to the harness.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::memory::statements::Statements;
use crate::memory::wait::{Usage, own_usage};
use crate::memory::{self, Observer, process};
use crate::record::{
    ErrorRecord, LedgerRecord, Line, PhaseRecord, PragmaRecord, ProgressRecord, ScenarioRecord,
    TermRecord, encode,
};
use crate::verdict::Probe;
use crate::workload::pragmas::PragmaReadBack;
use crate::workload::{Marks, Phase, Stopped};

use super::heap_dump::HeapDump;
use super::probes::Probing;
use super::profiling::Profilers;
use super::serving::Serving;
use super::stop::{Stop, Why};
use super::wire;
use super::{Error, STOPPED_AS_ASKED};

/// Between two `progress` lines.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);
/// Room for the longest line, taken before the first ledger.
const BUFFER_BYTES: usize = 64 * 1024;

/// The [`Marks`] of a testee: a ledger at each mark, a line for each ledger.
pub(super) struct Recording<'a> {
    pub(super) scenario: &'a str,
    pub(super) started: Instant,
    pub(super) stop: Stop,
    pub(super) stopped_in: Option<Phase>,
    pub(super) probing: Probing,
    pub(super) profilers: Profilers,
    /// Of a workload that is served over HTTP.
    pub(super) serving: Option<Serving>,
    observer: Option<Observer>,
    /// Waits for the PRAGMAs to be read back, or for whatever comes first.
    pub(super) described: Option<ScenarioRecord>,
    /// Lines that come after `described`.
    held: Vec<PhaseRecord>,
    pub(super) span: Option<Span>,
    fill: Duration,
    cycle: Option<u32>,
    broken: Option<memory::Error>,
    dump: HeapDump,
    progressed: Instant,
    growth: Growth,
    // Kept from mark to mark, so that a ledger finds them as the one before did.
    terms: Vec<TermRecord>,
    buffer: Vec<u8>,
}

/// Between two readings resident memory grows by no more than this, or a twentieth of what is there:
/// what runs away is seen on its way.
const GROWTH_BYTES: u64 = 32 << 20;

/// Resident memory since the last ledger.
#[derive(Debug, Default)]
struct Growth {
    resident: Option<process::Resident>,
    last_bytes: u64,
}

impl Growth {
    /// A ledger was taken.
    fn ledger(&mut self, rss_bytes: i64) {
        self.last_bytes = rss_bytes.unsigned_abs();
    }

    fn is_due(&self) -> bool {
        let now = self.resident.as_ref().map_or(0, process::Resident::bytes);
        now.saturating_sub(self.last_bytes) > GROWTH_BYTES.max(self.last_bytes / 20)
    }
}

/// A phase that has begun.
pub(super) struct Span {
    phase: Phase,
    began: Instant,
    usage: Usage,
    /// Spent on ledgers and their lines since `began`.
    aside: Duration,
    aside_usage: Usage,
    readings: u32,
    rows: Option<u64>,
    /// Of [`Phase::Probe`].
    pub(super) probe: Option<Probe>,
    pub(super) statements: Vec<Statements>,
}

impl Span {
    /// Of the phase alone, until `now`.
    fn used(&self, now: Usage) -> Usage {
        let of = |now: u64, began: u64, aside: u64| now.saturating_sub(began + aside);
        let (began, aside) = (&self.usage, &self.aside_usage);
        Usage {
            user_ns: of(now.user_ns, began.user_ns, aside.user_ns),
            system_ns: of(now.system_ns, began.system_ns, aside.system_ns),
            page_faults: of(now.page_faults, began.page_faults, aside.page_faults),
        }
    }

    /// What was used from `since` until now was not the phase's.
    pub(super) fn put_aside(&mut self, since: Instant, usage: Usage) {
        let now = own_usage().unwrap_or(usage);
        self.aside += since.elapsed();
        self.aside_usage.user_ns += now.user_ns.saturating_sub(usage.user_ns);
        self.aside_usage.system_ns += now.system_ns.saturating_sub(usage.system_ns);
        self.aside_usage.page_faults += now.page_faults.saturating_sub(usage.page_faults);
    }
}

impl<'a> Recording<'a> {
    pub(super) fn new(
        scenario: &'a str,
        probing: Probing,
        stop: Stop,
        started: Instant,
        dump: HeapDump,
    ) -> Self {
        Recording {
            scenario,
            started,
            stop,
            stopped_in: None,
            probing,
            profilers: Profilers::default(),
            serving: None,
            observer: None,
            described: None,
            held: Vec::new(),
            span: None,
            fill: Duration::ZERO,
            cycle: None,
            broken: None,
            dump,
            progressed: started,
            growth: Growth::default(),
            terms: Vec::with_capacity(64),
            buffer: Vec::with_capacity(BUFFER_BYTES),
        }
    }

    /// From now on ledgers can be taken.
    pub(super) fn observe(&mut self, observer: Observer, described: ScenarioRecord) {
        self.observer = Some(observer);
        // Before the first ledger, so that all of them count one file more.
        self.growth.resident = process::Resident::open().ok();
        self.described = Some(described);
    }

    /// The first ledger that could not be taken, if any.
    pub(super) fn check(&mut self) -> Result<(), memory::Error> {
        self.broken.take().map_or(Ok(()), Err)
    }

    /// Whether a ledger could not be taken.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// INSERTs a second over the fill; 0 where it took no time.
    pub(super) fn rows_per_second(&self, rows: u64) -> f64 {
        if self.fill.is_zero() {
            0.0
        } else {
            rows as f64 / self.fill.as_secs_f64()
        }
    }

    /// Whether nobody is there to clean up after this process.
    pub(super) fn harness_is_gone(&mut self) -> bool {
        self.stop.look_now() == Some(Why::HarnessGone)
    }

    /// Says what is left to say after the workload was stopped, and the exit code.
    pub(super) fn stopped(&mut self) -> u8 {
        // A workload that did not show its connections is read without them.
        if let Some(phase) = self.span.as_ref().map(|span| span.phase) {
            self.take(phase, &[], true);
        }
        self.describe(None);
        STOPPED_AS_ASKED
    }

    /// Records an error.
    pub(super) fn tell(&mut self, error: &Error) {
        self.write(&Line::Error(ErrorRecord {
            scenario: Some(self.scenario.to_owned()),
            what: error.what().to_owned(),
            message: error.to_string(),
        }));
    }

    /// Sends a line; what was held back goes before it.
    pub(super) fn write(&mut self, line: &Line) {
        self.describe(None);
        self.send(line);
    }

    fn send(&mut self, line: &Line) {
        self.buffer.clear();
        let sent = encode(line, &mut self.buffer)
            .map_err(io::Error::from)
            .and_then(|()| {
                let mut output = io::stdout().lock();
                output.write_all(&self.buffer)?;
                output.flush()
            });
        if sent.is_err() {
            self.stop.harness_is_gone();
        }
    }

    /// Sends the `scenario` line, with its PRAGMAs where they are known, and the phases before.
    fn describe(&mut self, pragmas: Option<&[PragmaReadBack]>) {
        let Some(mut described) = self.described.take() else {
            return;
        };
        described.pragmas = pragmas.unwrap_or_default().iter().map(pragma).collect();
        self.send(&Line::Scenario(described));
        for phase in std::mem::take(&mut self.held) {
            self.send(&Line::Phase(phase));
        }
    }

    /// Takes a ledger and sends its line. `over` where the phase ends with it.
    fn take(&mut self, phase: Phase, connections: &[&Connection], over: bool) {
        let now = Instant::now();
        let usage = own_usage().unwrap_or_default();
        let Some(mut span) = self.span.take_if(|span| span.phase == phase) else {
            return;
        };
        let peak_rss_bytes = process::peak_rss_bytes().unwrap_or(0);
        let open_files = process::open_files().unwrap_or(0);
        let Some((ledger_ns, ledger)) = self.ledger(connections) else {
            return;
        };
        self.growth.ledger(ledger.rss_bytes);
        // The kernel's high-water mark lags behind its own count of pages; what was resident for a
        // ledger was resident.
        let peak_rss_bytes = peak_rss_bytes.max(ledger.rss_bytes.unsigned_abs());
        let partial = self.stopped_in == Some(phase);
        let over = over || partial;
        span.readings += u32::from(!over);
        let elapsed = (now - span.began).saturating_sub(span.aside);
        let used = span.used(usage);
        let record = PhaseRecord {
            scenario: self.scenario.to_owned(),
            phase: phase.to_string(),
            cycle: self.cycle,
            probe: span.probe,
            statements: std::mem::take(&mut span.statements),
            reading: (!over).then_some(span.readings),
            partial,
            at_ns: nanoseconds(now - self.started),
            elapsed_ns: nanoseconds(elapsed),
            user_ns: used.user_ns,
            system_ns: used.system_ns,
            page_faults: used.page_faults,
            peak_rss_bytes,
            open_files,
            rows: span.rows,
            ledger_ns,
            ledger,
        };
        self.profile_mark(&record);
        self.phase_line(record);
        self.tell_of_profiles();
        if self.dump.is_due(!over) {
            self.dump();
        }
        if !over {
            span.put_aside(now, usage);
            self.span = Some(span);
        } else if phase == Phase::Fill {
            self.fill = elapsed;
        }
    }

    /// What a ledger cost and what it says. `None` where it could not be taken: [`Self::check`].
    pub(super) fn ledger(&mut self, connections: &[&Connection]) -> Option<(u64, LedgerRecord)> {
        let observer = self.observer.as_mut()?;
        let before = Instant::now();
        match observer.take_open(connections) {
            Ok(ledger) => {
                let ledger_ns = nanoseconds(before.elapsed());
                Some((
                    ledger_ns,
                    wire::ledger(ledger, std::mem::take(&mut self.terms)),
                ))
            }
            Err(error) => {
                self.broken.get_or_insert(error);
                None
            }
        }
    }

    /// Lets dhat's profile be written as it is now.
    fn dump(&mut self) {
        let observer = self.observer.as_ref();
        let alone = !observer.is_some_and(Observer::sees_shared_pages);
        self.dump.write(alone);
    }

    /// Sends a phase, or holds it until its scenario is described, and keeps the room that its
    /// terms took.
    fn phase_line(&mut self, record: PhaseRecord) {
        if self.described.is_some() && record.phase == "start" {
            self.held.push(record);
            return;
        }
        self.keep_for_answer(&record.ledger);
        let line = Line::Phase(record);
        self.write(&line);
        if let Line::Phase(record) = line {
            self.recycle(record.ledger);
        }
    }

    /// Keeps the room that the terms of `ledger` took.
    pub(super) fn recycle(&mut self, ledger: LedgerRecord) {
        self.terms = ledger.terms;
        self.terms.clear();
    }
}

impl Marks for Recording<'_> {
    fn opened(&mut self, pragmas: &[PragmaReadBack]) {
        self.describe(Some(pragmas));
    }

    fn cycle(&mut self, cycle: Option<u32>) {
        self.cycle = cycle;
    }

    fn give_back(&mut self) {
        memory::glibc::trim();
        memory::jemalloc::purge_all();
        memory::jemalloc::purge_preloaded();
    }

    fn probe(&mut self, connections: &[&Connection], stopped: bool) {
        self.run_probes(connections, stopped);
    }

    fn begin(&mut self, phase: Phase) {
        // Where the kernel does not reset it, the peak is the one since the start.
        let _ = process::reset_peak();
        self.span = Some(Span {
            phase,
            usage: own_usage().unwrap_or_default(),
            aside: Duration::ZERO,
            aside_usage: Usage::default(),
            readings: 0,
            rows: None,
            probe: None,
            statements: Vec::new(),
            began: Instant::now(),
        });
    }

    fn reading(&mut self, phase: Phase, connections: &[&Connection]) {
        self.take(phase, connections, false);
    }

    fn end(&mut self, phase: Phase, connections: &[&Connection]) {
        self.take(phase, connections, true);
    }

    fn wants_reading(&mut self) -> bool {
        self.growth.is_due()
    }

    fn progress(&mut self, phase: Phase, done: u64, total: u64) -> Result<(), Stopped> {
        if let Some(span) = self.span.as_mut().filter(|span| span.phase == phase) {
            span.rows = Some(done);
        }
        let wanted = self.look_at_requests();
        if !wanted || self.stop.look().is_some() || self.broken.is_some() {
            self.stopped_in.get_or_insert(phase);
            return Err(Stopped);
        }
        if self.dump.is_due(true) {
            let (now, usage) = (Instant::now(), own_usage().unwrap_or_default());
            self.dump();
            if let Some(span) = &mut self.span {
                span.put_aside(now, usage);
            }
        }
        if self.progressed.elapsed() >= PROGRESS_INTERVAL || done == total {
            self.progressed = Instant::now();
            self.profile_tick();
            self.send(&Line::Progress(ProgressRecord {
                phase: phase.to_string(),
                cycle: self.cycle,
                done,
                total,
            }));
        }
        Ok(())
    }
}

fn pragma(read: &PragmaReadBack) -> PragmaRecord {
    PragmaRecord {
        connection: read.connection,
        name: read.name.clone(),
        asked: read.asked.clone(),
        read_back: read.read_back.clone(),
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
