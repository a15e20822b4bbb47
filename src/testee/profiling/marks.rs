//! When a testee's profilers write: at its marks, between them, and at its end.

use std::borrow::Cow;
use std::time::Instant;

use crate::memory::wait::own_usage;
use crate::profile::raw::Moment;
use crate::record::{ErrorRecord, Line, PhaseRecord};
use crate::testee::marks::Recording;

use super::Error;

impl Recording<'_> {
    /// The ledger of this record was taken, and its line is not yet sent.
    pub(in crate::testee) fn profile_mark(&mut self, record: &PhaseRecord) {
        if self.profilers.is_any() {
            let at_ns = self.profile_time();
            let moment = Moment {
                phase: Cow::Borrowed(&record.phase),
                cycle: record.cycle,
                reading: record.reading,
            };
            self.profilers.mark(at_ns, moment);
        }
    }

    /// Inside a phase, now and then.
    pub(in crate::testee) fn profile_tick(&mut self) {
        if !self.profilers.is_due() {
            return;
        }
        let (since, usage) = (Instant::now(), own_usage().unwrap_or_default());
        let at_ns = self.profile_time();
        self.profilers.tick(at_ns);
        self.tell_of_profiles();
        if let Some(span) = &mut self.span {
            span.put_aside(since, usage);
        }
    }

    /// The workload is over; `is_cut_off` where its last phase was not marked.
    pub(in crate::testee) fn finish_profiles(&mut self, is_cut_off: bool) {
        if self.profilers.is_any() {
            let at_ns = self.profile_time();
            self.profilers.finish(at_ns, is_cut_off);
        }
        self.tell_of_profiles();
    }

    /// Says what could not be written, as soon as the scenario is described.
    pub(in crate::testee) fn tell_of_profiles(&mut self) {
        if self.described.is_some() {
            return;
        }
        while let Some(error) = self.profilers.take_failure() {
            let line = profile_error(self.scenario, &error);
            self.write(&line);
        }
    }

    fn profile_time(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

fn profile_error(scenario: &str, error: &Error) -> Line {
    Line::Error(ErrorRecord {
        scenario: Some(scenario.to_owned()),
        what: "profile".to_owned(),
        message: format!("{error}; the profile ends there, and the run goes on"),
    })
}
