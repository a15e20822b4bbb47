//! Why a testee is stopped, and what is to be said about the way it ended.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use crate::record::ResultRecord;
use crate::testee::STOPPED_AS_ASKED;

use super::limits::Breach;

/// Why a testee is being stopped.
#[derive(Debug)]
pub(super) enum Cause {
    Limit(Breach),
    Interrupted,
    /// It does not answer as it should; the message for the record.
    Http(String),
}

#[derive(Debug)]
pub(super) struct Stop {
    pub cause: Cause,
    pub since: Instant,
    pub killed: bool,
}

impl Stop {
    pub(super) fn now(cause: Cause) -> Stop {
        Stop {
            cause,
            since: Instant::now(),
            killed: false,
        }
    }
}

/// The end of a testee.
#[derive(Debug)]
pub(super) struct End<'a> {
    pub stop: Option<&'a Stop>,
    pub status: ExitStatus,
    pub result: Option<&'a ResultRecord>,
    /// It has written an `error` line itself.
    pub told_error: bool,
    /// Being stopped is how it is meant to end.
    pub until_stopped: bool,
    pub after: Duration,
    /// See [`super::spawn::Testee::last_words`].
    pub last_words: String,
}

impl End<'_> {
    /// What and message of an `error` line about it, besides an interruption and what the testee has
    /// said itself.
    pub(super) fn fault(&self) -> Option<(&'static str, String)> {
        let Some(stop) = self.stop else {
            return self.own_fault();
        };
        match &stop.cause {
            Cause::Limit(breach) => {
                let mut message = breach.message.clone();
                if stop.killed {
                    message += ". It did not stop in time and was killed: the ledger of its last \
                                phase is missing";
                }
                Some((breach.what, message))
            }
            Cause::Http(_) if self.told_error => None,
            Cause::Http(message) => Some(("http", message.clone())),
            Cause::Interrupted if !self.until_stopped => None,
            Cause::Interrupted if stop.killed => Some((
                "killed",
                "the testee did not stop in time and was killed".to_owned(),
            )),
            // Before its database was filled it has no result.
            Cause::Interrupted if self.status.code() == Some(i32::from(STOPPED_AS_ASKED)) => None,
            Cause::Interrupted => self.own_fault(),
        }
    }

    /// For a testee that ended by itself, or should have ended as if it did.
    fn own_fault(&self) -> Option<(&'static str, String)> {
        if self.status.success() {
            return match self.result {
                Some(result) if result.verified => None,
                Some(_) => Some((
                    "workload",
                    "the database does not hold what was inserted: see the result line".to_owned(),
                )),
                None if self.told_error => None,
                None => Some((
                    "exited",
                    format!("the testee ended without a result{}", self.last_words),
                )),
            };
        }
        if self.told_error && self.status.signal().is_none() {
            return None;
        }
        let (what, message) = death(self.status, self.after);
        Some((what, message + &self.last_words))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A testee that was stopped for `cause` and ended with this exit code.
    fn what(cause: Cause, code: u8, killed: bool, told_error: bool) -> Option<&'static str> {
        let stop = Stop {
            killed,
            ..Stop::now(cause)
        };
        let end = End {
            stop: Some(&stop),
            status: ExitStatus::from_raw(i32::from(code) << 8),
            result: None,
            told_error,
            until_stopped: true,
            after: Duration::ZERO,
            last_words: String::new(),
        };
        end.fault().map(|(what, _)| what)
    }

    #[test]
    fn a_service_that_was_asked_to_stop_ends_well_or_says_why_not() {
        let asked = |code, killed, told| what(Cause::Interrupted, code, killed, told);
        assert_eq!(asked(STOPPED_AS_ASKED, false, false), None);
        assert_eq!(asked(STOPPED_AS_ASKED, true, false), Some("killed"));
        assert_eq!(asked(0, false, false), Some("exited"));
        assert_eq!(asked(1, false, false), Some("exited"));
        assert_eq!(asked(1, false, true), None);
    }

    #[test]
    fn a_call_that_failed_is_said_where_the_testee_has_not_said_why() {
        let failed = || Cause::Http("GET /dumpdb: status 500".to_owned());
        assert_eq!(what(failed(), 4, false, false), Some("http"));
        assert_eq!(what(failed(), 1, false, true), None);
    }

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
