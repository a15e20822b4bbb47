//! What gives memory back if a verdict is right, done one after the other with a ledger after each.
//!
//! The ledger before the first probe is the one that the workload's last mark took.

use rusqlite::Connection;

use crate::memory::{connections, glibc, jemalloc};
use crate::record::{ErrorRecord, Line};
use crate::verdict::Probe;
use crate::workload::{Marks, Phase};

use super::marks::Recording;
use super::stop::Why;

/// What a testee was asked for besides its scenario.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Probing {
    /// Whether to probe at all.
    pub(super) on: bool,
    /// SQL as it is, not redacted.
    pub(super) literals: bool,
}

impl Recording<'_> {
    /// Every probe that can do something here, in their order. None where somebody waits for this
    /// process to end; a limit is what the probes are for, and ends nothing.
    ///
    /// The workload's promise is that of [`Marks::probe`].
    pub(super) fn run_probes(&mut self, connections: &[&Connection], stopped: bool) {
        if !self.probing.on || stopped && self.stop.look_now().is_none() {
            return;
        }
        for probe in Probe::ALL {
            let may_write = match self.stop.look_now() {
                None | Some(Why::Limit) => true,
                // A COMMIT may write as much again as the limit is about.
                Some(Why::DiskLimit) => false,
                Some(Why::Asked | Why::HarnessGone) => return,
            };
            if self.is_broken() {
                return;
            }
            if (may_write || probe != Probe::Commit) && can_do(probe, connections) {
                self.run_probe(probe, connections);
            }
        }
    }

    fn run_probe(&mut self, probe: Probe, connections: &[&Connection]) {
        let statements = match probe {
            Probe::Finalize => connections::statements(connections, self.probing.literals),
            _ => Vec::new(),
        };
        self.begin(Phase::Probe);
        if let Some(span) = &mut self.span {
            span.probe = Some(probe);
            span.statements = statements;
        }
        match probe {
            Probe::Commit => self.commit(connections),
            Probe::Finalize => finalize(connections),
            Probe::Shrink => (connections.iter()).for_each(|one| connections::release_memory(one)),
            Probe::Trim => drop(glibc::trim()),
            Probe::Purge => {
                jemalloc::purge_all();
                jemalloc::purge_preloaded();
            }
            Probe::Close => {}
        }
        self.end(Phase::Probe, connections);
    }

    /// What cannot be committed stays open, and is told.
    fn commit(&mut self, connections: &[&Connection]) {
        for connection in connections.iter().filter(|one| !one.is_autocommit()) {
            if let Err(error) = connection.execute_batch("COMMIT") {
                let scenario = Some(self.scenario.to_owned());
                self.write(&Line::Error(ErrorRecord {
                    scenario,
                    what: "sqlite".to_owned(),
                    message: format!("the probe commit: {error}"),
                }));
            }
        }
    }
}

fn can_do(probe: Probe, connections: &[&Connection]) -> bool {
    match probe {
        Probe::Commit => connections.iter().any(|one| !one.is_autocommit()),
        Probe::Finalize | Probe::Shrink => !connections.is_empty(),
        Probe::Trim => glibc::can_trim(),
        // jemalloc is linked in, so it has arenas, whoever uses them.
        Probe::Purge => true,
        // The workload's own phase.
        Probe::Close => false,
    }
}

fn finalize(connections: &[&Connection]) {
    for connection in connections {
        // SAFETY: the workload uses no statement and no blob from here on, which is what `Marks::probe`
        // asks of it; and none of its databases has a virtual table.
        unsafe { connections::finalize_all(connection) };
    }
}
