//! Hearing that it is time to stop: from the harness, or because there is no harness any more.
//!
//! Standard input is read without blocking, between two steps of the workload, on its own thread.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use super::Input;

/// A scenario is some kilobytes.
const INPUT_LIMIT_BYTES: usize = 16 * 1024 * 1024;
/// Looking costs a system call, so it is not done for every row.
const LOOK_INTERVAL: Duration = Duration::from_millis(1);

/// Why no scenario could be heard.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("cannot prepare to be stopped: {0}")]
    System(#[from] io::Error),
    #[error(
        "no scenario on standard input: the testee is started by `sqlite-membench run`, not by hand"
    )]
    NoInput,
    #[error("standard input is not a scenario: {0}")]
    BadInput(#[from] serde_json::Error),
}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Self {
        Error::System(errno.into())
    }
}

/// Who wants the testee to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The harness, which is there to clean up.
    Asked,
    /// The same, because of a limit.
    Limit,
    /// The same, because of the limit on what is written.
    DiskLimit,
    /// There is no harness: clean up.
    HarnessGone,
}

impl Why {
    /// `stop REASON` is all that a harness ever says, in one piece.
    fn said(line: &[u8]) -> Why {
        let reason = line.strip_prefix(b"stop ").unwrap_or_default();
        match reason.trim_ascii_end() {
            b"limit_disk" => Why::DiskLimit,
            reason if reason.starts_with(b"limit_") => Why::Limit,
            _ => Why::Asked,
        }
    }
}

/// Looks whether it is time to stop.
#[derive(Debug)]
pub(super) struct Stop {
    terminated: Arc<AtomicBool>,
    why: Option<Why>,
    looked: Instant,
}

/// Waits for the scenario and stays attentive from then on.
pub(super) fn listen() -> Result<(Input, Stop), Error> {
    let terminated = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(libc::SIGTERM, Arc::clone(&terminated))?;
    // Ctrl-C is the harness's to decide upon; a file past RLIMIT_FSIZE is SQLite's error to report.
    let nothing = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(libc::SIGINT, Arc::clone(&nothing))?;
    signal_hook::flag::register(libc::SIGXFSZ, nothing)?;
    set_parent_process_death_signal(Some(Signal::TERM))?;
    let (input, rest) = read_input()?;
    let flags = fcntl_getfl(io::stdin())?;
    fcntl_setfl(io::stdin(), flags | OFlags::NONBLOCK)?;
    let mut stop = Stop {
        terminated,
        why: None,
        looked: Instant::now(),
    };
    if !rest.is_empty() {
        stop.why = Some(Why::said(&rest));
    }
    // The harness may have ended before its death was asked to be told.
    let parent = getppid().and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok());
    if parent != Some(input.harness_pid) {
        stop.why = Some(Why::HarnessGone);
    }
    Ok((input, stop))
}

/// One line, and what was read past it.
fn read_input() -> Result<(Input, Vec<u8>), Error> {
    let mut line = Vec::new();
    let mut chunk = [0u8; 4096];
    loop {
        let read = match rustix::io::read(io::stdin(), &mut chunk) {
            Ok(0) => return Err(Error::NoInput),
            Ok(bytes) => &chunk[..bytes],
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno.into()),
        };
        if let Some(end) = read.iter().position(|byte| *byte == b'\n') {
            line.extend_from_slice(&read[..end]);
            return Ok((serde_json::from_slice(&line)?, read[end + 1..].to_vec()));
        }
        line.extend_from_slice(read);
        if line.len() > INPUT_LIMIT_BYTES {
            return Err(Error::NoInput);
        }
    }
}

impl Stop {
    /// Whether to stop, and why. Allocates nothing.
    pub(super) fn look(&mut self) -> Option<Why> {
        if self.why == Some(Why::HarnessGone) || self.looked.elapsed() < LOOK_INTERVAL {
            return self.why;
        }
        self.look_now()
    }

    /// The same, at once.
    pub(super) fn look_now(&mut self) -> Option<Why> {
        self.looked = Instant::now();
        if self.terminated.load(Ordering::Relaxed) {
            self.why = Some(Why::HarnessGone);
        }
        let mut chunk = [0u8; 256];
        while self.why != Some(Why::HarnessGone) {
            match rustix::io::read(io::stdin(), &mut chunk) {
                Ok(0) => self.why = Some(Why::HarnessGone),
                Ok(bytes) => self.why = Some(Why::said(&chunk[..bytes])),
                Err(Errno::INTR) => {}
                Err(_) => break,
            }
        }
        self.why
    }

    /// Standard output is closed: nobody reads any more.
    pub(super) fn harness_is_gone(&mut self) {
        self.why = Some(Why::HarnessGone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_told_from_other_reasons() {
        assert_eq!(Why::said(b"stop limit_rss\n"), Why::Limit);
        assert_eq!(Why::said(b"stop limit_time\n"), Why::Limit);
        assert_eq!(Why::said(b"stop limit_disk\n"), Why::DiskLimit);
        assert_eq!(Why::said(b"stop interrupted\n"), Why::Asked);
        assert_eq!(Why::said(b"stop"), Why::Asked);
    }
}
