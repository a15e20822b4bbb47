//! Requests over HTTP, between the steps of the workload: the thread that answers is the one that
//! takes ledgers, and it looks at what was asked when no step is under way.

use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde::Serialize;

use crate::memory::wait::own_usage;
use crate::record::{LedgerRecord, Line, ListeningRecord};
use crate::workload;
use crate::workload::snapshot::{CycleReport, Cycles, SnapshotOptions, SnapshotReport};

use super::marks::Recording;
use super::service::{Reply, Request, Service};
use super::{Error, Input};

/// How long a testee that nobody asks anything sleeps before it looks whether to stop.
const IDLE: Duration = Duration::from_millis(20);

/// The service, and who waits for an answer.
#[derive(Debug)]
pub(super) struct Serving {
    service: Service,
    /// The client of the cycle that comes next; the service holds the others back.
    next: Option<Reply>,
    /// The client of the cycle that runs.
    current: Option<Reply>,
    /// The cycle was stopped because its client is gone.
    abandoned: bool,
    /// The last ledger of the cycle that runs, as JSON.
    ledger: Vec<u8>,
}

/// What `GET /dumpdb` answers.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    cycle: u32,
    pages_copied: Option<u64>,
    bytes_dumped: Option<u64>,
    elapsed_ns: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dump: Option<&'a std::path::Path>,
    ledger: &'a serde_json::value::RawValue,
}

/// Fills the database, then runs a cycle for each request: as many as the options say, or until it
/// is told to stop.
pub(super) fn run(
    options: &SnapshotOptions,
    input: &Input,
    recording: &mut Recording,
) -> Result<SnapshotReport, Error> {
    let service = Service::start(&input.service)?;
    let address = service.address();
    recording.serving = Some(Serving {
        service,
        next: None,
        current: None,
        abandoned: false,
        ledger: Vec::with_capacity(64 * 1024),
    });
    let keep = input.service.keep_dumps.as_deref();
    let mut cycles = Cycles::open(options, &input.directory, keep, recording)?;
    recording.listening(address);
    let served = serve(options, &mut cycles, recording);
    match &served {
        Ok(()) => cycles.probe(recording, false),
        Err(Error::Workload(workload::Error::Stopped)) => cycles.probe(recording, true),
        Err(_) => {}
    }
    served?;
    recording.serving = None;
    Ok(cycles.close(recording)?)
}

fn serve(
    options: &SnapshotOptions,
    cycles: &mut Cycles,
    recording: &mut Recording,
) -> Result<(), Error> {
    while options.cycles.is_none_or(|most| cycles.done() < most) {
        if !recording.wait_for_client(cycles.source(), options.cycles.is_none())? {
            break;
        }
        match cycles.cycle(recording) {
            Ok(report) => recording.answer(&report),
            Err(workload::Error::Stopped) if recording.was_abandoned() => {}
            Err(error @ workload::Error::Stopped) => return Err(error.into()),
            Err(error) => {
                recording.fail(&error);
                match options.cycles {
                    Some(_) => return Err(error.into()),
                    // A service goes on.
                    None => recording.tell(&error.into()),
                }
            }
        }
    }
    Ok(())
}

impl Recording<'_> {
    fn listening(&mut self, address: std::net::SocketAddr) {
        if let Some(serving) = &self.serving {
            serving.service.ready();
        }
        let scenario = self.scenario.to_owned();
        self.write(&Line::Listening(ListeningRecord { scenario, address }));
    }

    /// Waits until a client asks for a cycle; false where it is time to stop and `may_end`, which is
    /// then no error.
    fn wait_for_client(&mut self, source: &Connection, may_end: bool) -> Result<bool, Error> {
        loop {
            if self.stop.look_now().is_some() {
                return match may_end {
                    true => Ok(false),
                    false => Err(workload::Error::Stopped.into()),
                };
            }
            let Some(serving) = &mut self.serving else {
                return Ok(false);
            };
            if let Some(reply) = serving.next.take().filter(|reply| !reply.is_gone()) {
                serving.current = Some(reply);
                // The one before may have left when all of its steps were done.
                serving.abandoned = false;
                serving.ledger.clear();
                return Ok(true);
            }
            match serving.service.requests().recv_timeout(IDLE) {
                Ok(request) => {
                    self.take_request(request, &[source]);
                    self.check()?;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::ServiceEnded);
                }
            }
        }
    }

    /// Between two steps: answers who asks for a ledger, lets the others wait, and says whether the
    /// client of this cycle is still there.
    pub(super) fn look_at_requests(&mut self) -> bool {
        if self.serving.is_none() {
            return true;
        }
        while let Some(request) = self.next_request() {
            let (began, usage) = (Instant::now(), own_usage().unwrap_or_default());
            self.take_request(request, &[]);
            if let Some(span) = &mut self.span {
                span.put_aside(began, usage);
            }
        }
        let Some(serving) = &mut self.serving else {
            return true;
        };
        let gone = serving.current.as_ref().is_some_and(Reply::is_gone);
        serving.abandoned |= gone;
        !gone
    }

    /// A request that is there.
    fn next_request(&self) -> Option<Request> {
        self.serving.as_ref()?.service.requests().try_recv().ok()
    }

    /// Lets who asks for a cycle wait, and answers who asks for a ledger. One that cannot be taken ends
    /// the workload at its next step: see [`Recording::check`].
    fn take_request(&mut self, request: Request, connections: &[&Connection]) {
        match request {
            Request::Dump(reply) => {
                if let Some(serving) = &mut self.serving {
                    serving.next = Some(reply);
                }
            }
            Request::Memory(reply) => match self.ledger(connections) {
                Some((_, ledger)) => {
                    reply.answer(serde_json::to_string(&ledger).unwrap_or_default());
                    self.recycle(ledger);
                }
                None => reply.fail("memory", "a ledger could not be taken"),
            },
        }
    }

    /// Keeps the ledger of a phase for the answer of its cycle.
    pub(super) fn keep_for_answer(&mut self, ledger: &LedgerRecord) {
        if let Some(serving) = self.serving.as_mut().filter(|one| one.current.is_some()) {
            serving.ledger.clear();
            // Into memory; and what was written as a record can be written here.
            let _ = serde_json::to_writer(&mut serving.ledger, ledger);
        }
    }

    fn answer(&mut self, report: &CycleReport) {
        let Some(serving) = &mut self.serving else {
            return;
        };
        let Some(reply) = serving.current.take() else {
            return;
        };
        let ledger = serde_json::from_slice(&serving.ledger);
        let answer = ledger.and_then(|ledger| {
            serde_json::to_string(&Answer {
                cycle: report.cycle,
                pages_copied: report.pages,
                bytes_dumped: report.dumped_bytes,
                elapsed_ns: u64::try_from(report.elapsed.as_nanos()).unwrap_or(u64::MAX),
                dump: report.kept.as_deref(),
                ledger,
            })
        });
        match answer {
            Ok(answer) => reply.answer(answer),
            Err(error) => reply.fail("ledger", &error.to_string()),
        }
    }

    fn fail(&mut self, error: &workload::Error) {
        let reply = (self.serving.as_mut()).and_then(|serving| serving.current.take());
        if let Some(reply) = reply {
            reply.fail("cycle", &error.to_string());
        }
    }

    /// Whether the cycle was stopped because its client is gone; the next one is for another.
    fn was_abandoned(&mut self) -> bool {
        let Some(serving) = &mut self.serving else {
            return false;
        };
        let abandoned = std::mem::take(&mut serving.abandoned);
        if abandoned {
            serving.current = None;
            self.stopped_in = None;
        }
        abandoned && self.stop.look_now().is_none()
    }
}
