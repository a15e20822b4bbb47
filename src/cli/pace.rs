//! The standard set within its time: the snapshots at the largest scale that fits.
//!
//! How fast a machine is, the set's first part tells: the inserts run at full size, and the time
//! that they take says how long the snapshots will, since both are SQLite, memory and a disk.

use std::time::{Duration, Instant};

use super::fit::{self, DoesNotFit};
use super::output::complain;
use crate::scenario::{Scenario, Workload, WorkloadKind};

/// What the set may take, with something left for a machine that has more to do.
const BUDGET: Duration = Duration::from_secs(135);

/// The scales that are chosen from, so that two runs can meet at the same one.
const SCALES: [f64; 11] = [1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.05, 0.02];

/// On one machine with two cores: an insert of 10 million rows, and at scale 1 what a snapshot
/// scenario takes without its cycles, and for each of them, ledgers included.
const INSERT_SECONDS: f64 = 8.6;
const SNAPSHOT_SECONDS: f64 = 8.0;
const CYCLE_SECONDS: f64 = 2.0;

/// Gives the snapshots of a set their scale when the first of them is about to start.
#[derive(Debug)]
pub(super) struct Pace {
    started: Instant,
    quiet: bool,
    /// So many testees run of each scenario before the next one's.
    sides: u32,
    inserts: u32,
    /// Of all snapshots, at scale 1 on the machine of the constants.
    snapshot_seconds: f64,
    /// What fits into memory.
    most: f64,
    chosen: Option<f64>,
}

impl Pace {
    /// For a set of which each snapshot may be scaled. `None` where it has no snapshot, or no insert
    /// to tell the machine's speed by; an error where not even the smallest scale fits into memory.
    pub(super) fn of(scenarios: &[Scenario], quiet: bool) -> Result<Option<Pace>, DoesNotFit> {
        let (mut inserts, mut snapshot_seconds) = (0, 0.0);
        for scenario in scenarios {
            match &scenario.workload {
                Workload::Insert(_) => inserts += 1,
                Workload::Fault(_) => {}
                Workload::Snapshot(options) => {
                    let cycles = f64::from(options.cycles.unwrap_or(0));
                    snapshot_seconds += SNAPSHOT_SECONDS + cycles * CYCLE_SECONDS;
                }
            }
        }
        if inserts == 0 || snapshot_seconds == 0.0 {
            return Ok(None);
        }
        let check = |scale| {
            let mut scaled = scenarios.to_vec();
            scaled.iter_mut().for_each(|one| set_scale(one, scale));
            fit::check(&scaled)
        };
        let most = largest(|scale| check(scale).is_ok());
        check(most)?;
        Ok(Some(Pace {
            started: Instant::now(),
            quiet,
            sides: 1,
            inserts,
            snapshot_seconds,
            most,
            chosen: None,
        }))
    }

    /// Both sides of a comparison run at one scale, and a round takes twice the time.
    pub(super) fn for_pairs(self) -> Self {
        Pace { sides: 2, ..self }
    }

    /// `scenario` is about to be started.
    pub(super) fn prepare(&mut self, scenario: &mut Scenario) {
        if scenario.workload.kind() != WorkloadKind::Snapshot {
            return;
        }
        let scale = match self.chosen {
            Some(scale) => scale,
            None => self.choose(),
        };
        set_scale(scenario, scale);
    }

    fn choose(&mut self) -> f64 {
        let scale = self.scale_after(self.started.elapsed() / self.sides);
        self.chosen = Some(scale);
        if !self.quiet {
            complain(format_args!(
                "the snapshots run at scale {scale}, the largest at which the set should take no more \
                 than 150 s here; `run --set-of snapshot` runs them at full size"
            ));
        }
        scale
    }

    /// The inserts have taken `elapsed`, once.
    fn scale_after(&self, elapsed: Duration) -> f64 {
        let slower = elapsed.as_secs_f64() / (f64::from(self.inserts) * INSERT_SECONDS);
        let left = BUDGET.saturating_sub(elapsed).as_secs_f64();
        let whole = self.snapshot_seconds * slower;
        largest(|scale| scale <= self.most && scale * whole <= left)
    }
}

/// Runs of a diagnosis in each round, mostly no more.
const RUNS_A_ROUND: u32 = 12;

/// What a diagnosis may take, with as much again left for a slower machine.
const DIAGNOSIS_BUDGET: Duration = Duration::from_secs(180);

/// Gives the snapshot workload of a diagnosis the largest scale, no larger than its own, at which
/// it fits into memory and should take no more than some minutes.
pub(super) fn for_diagnosis(
    scenario: &mut Scenario,
    rounds: u32,
    quiet: bool,
) -> Result<(), DoesNotFit> {
    let Workload::Snapshot(options) = &scenario.workload else {
        return Ok(());
    };
    let cycles = f64::from(options.cycles.unwrap_or(0));
    let runs = f64::from(RUNS_A_ROUND) * f64::from(rounds);
    let whole = (SNAPSHOT_SECONDS + cycles * CYCLE_SECONDS) * runs;
    let own = options.scale;
    let check = |scale| {
        let mut scaled = scenario.clone();
        set_scale(&mut scaled, scale);
        fit::check(&[scaled])
    };
    let in_time = |scale: f64| scale * whole <= DIAGNOSIS_BUDGET.as_secs_f64();
    let scale = largest(|scale| scale <= own && in_time(scale) && check(scale).is_ok());
    check(scale)?;
    if scale >= own {
        return Ok(());
    }
    set_scale(scenario, scale);
    if !quiet {
        complain(format_args!(
            "it runs at scale {scale}, the largest at which all remedies should take no more than \
             three minutes here; --scale {own} runs it at full size"
        ));
    }
    Ok(())
}

/// The largest scale that `fits`, or the smallest that there is.
fn largest(fits: impl Fn(f64) -> bool) -> f64 {
    let fitting = SCALES.into_iter().find(|scale| fits(*scale));
    fitting.unwrap_or(SCALES[SCALES.len() - 1])
}

/// What was expected may have been of the scale before.
fn set_scale(scenario: &mut Scenario, scale: f64) {
    if let Workload::Snapshot(options) = &mut scenario.workload
        && options.scale != scale
    {
        options.scale = scale;
        scenario.expect = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Catalogue, Selection};

    fn standard() -> Vec<Scenario> {
        let catalogue = Catalogue::built_in().unwrap();
        catalogue.resolve(&Selection::default()).unwrap().scenarios
    }

    fn pace() -> Pace {
        Pace {
            most: 1.0,
            ..Pace::of(&standard(), true).unwrap().unwrap()
        }
    }

    #[test]
    fn a_slower_machine_gets_a_smaller_scale_and_a_fast_one_all() {
        let after = |seconds| pace().scale_after(Duration::from_secs_f64(seconds));
        assert_eq!(after(17.2), 0.4);
        assert_eq!(after(34.4), 0.2);
        assert_eq!(after(8.0), 1.0);
        assert_eq!(after(1000.0), 0.02);
    }

    #[test]
    fn of_two_that_are_compared_each_has_half_of_the_time_that_both_took() {
        let pace = pace();
        let alone = pace.scale_after(Duration::from_secs(30));
        let paired = pace.for_pairs();
        assert_eq!(
            paired.scale_after(Duration::from_secs(60) / paired.sides),
            alone
        );
    }

    #[test]
    fn memory_bounds_it_too() {
        let pace = Pace {
            most: 0.15,
            ..pace()
        };
        assert_eq!(pace.scale_after(Duration::from_secs(8)), 0.15);
    }

    #[test]
    fn every_snapshot_of_a_run_has_the_same_scale_and_no_insert_is_touched() {
        let mut pace = pace();
        let mut scenarios = standard();
        let inserts: Vec<Scenario> = scenarios[..2].to_vec();
        scenarios.iter_mut().for_each(|one| pace.prepare(one));
        assert_eq!(scenarios[..2], inserts);
        let scales = scenarios[2..].iter().map(|one| match &one.workload {
            Workload::Snapshot(options) => options.scale,
            Workload::Insert(_) | Workload::Fault(_) => 0.0,
        });
        assert!(scales.clone().all(|scale| Some(scale) == pace.chosen));
        assert_eq!(scales.count(), 5);
    }

    #[test]
    fn another_scale_takes_the_expectation_away() {
        let mut snapshot = standard().remove(2);
        assert!(snapshot.expect.is_some());
        set_scale(&mut snapshot, 1.0);
        assert!(snapshot.expect.is_some());
        set_scale(&mut snapshot, 0.5);
        assert!(snapshot.expect.is_none());
    }

    #[test]
    fn nothing_is_paced_without_both() {
        let all = standard();
        assert!(Pace::of(&all[..2], true).unwrap().is_none());
        assert!(Pace::of(&all[2..], true).unwrap().is_none());
    }
}
