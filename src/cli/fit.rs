//! Whether what is asked for fits into the memory that there is.

use crate::environment::{Available, available_memory};
use crate::report::format::unsigned_bytes as bytes;
use crate::scenario::{Scenario, Workload, WorstCase};
use crate::workload::insert::{InsertOptions, Statements};

/// A scenario whose worst case is more than there is.
#[derive(Debug, thiserror::Error)]
#[error(
    "scenario {name} does not fit into memory: {arithmetic}, and {} can be had ({}); {remedy}",
    bytes(available.bytes),
    available.source
)]
pub(super) struct DoesNotFit {
    name: String,
    arithmetic: String,
    available: Available,
    remedy: String,
}

/// Resident for each statement that is never finalized, roughly.
const LEAKED_STATEMENT_BYTES: u64 = 2400;

/// The first scenario that does not fit, if one does not. Where the available memory is not known,
/// all do.
pub(super) fn check(scenarios: &[Scenario]) -> Result<(), DoesNotFit> {
    let cpus = std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u64);
    match available_memory() {
        None => Ok(()),
        Some(available) => scenarios
            .iter()
            .try_for_each(|scenario| check_one(scenario, cpus, &available)),
    }
}

fn check_one(scenario: &Scenario, cpus: u64, available: &Available) -> Result<(), DoesNotFit> {
    let (worst, options) = match (scenario.worst_case(cpus), &scenario.workload) {
        (Some(worst), Workload::Snapshot(options)) => (worst, options),
        (_, Workload::Insert(options)) => return check_leak(scenario, options, available),
        _ => return Ok(()),
    };
    if worst.bytes() <= available.bytes {
        return Ok(());
    }
    let remedy = match worst.fitting(options.scale, available.bytes) {
        Some(scale) => format!("--scale {scale} would fit"),
        None => "no scale would fit".to_owned(),
    };
    Err(DoesNotFit {
        name: scenario.name.clone(),
        arithmetic: arithmetic(&worst, options.scale),
        available: available.clone(),
        remedy,
    })
}

/// A leak that nothing stops.
fn check_leak(
    scenario: &Scenario,
    options: &InsertOptions,
    available: &Available,
) -> Result<(), DoesNotFit> {
    let leaks = options.statements == Statements::LeakPerRow;
    let leaked = options.rows.saturating_mul(LEAKED_STATEMENT_BYTES);
    if !leaks || scenario.limits.rss_bytes.is_some() || leaked <= available.bytes {
        return Ok(());
    }
    let leaked = bytes(leaked);
    Err(DoesNotFit {
        name: scenario.name.clone(),
        arithmetic: format!("it leaks a statement for each row, {leaked} in all"),
        available: available.clone(),
        remedy: "--limit-rss 600MiB stops it in time".into(),
    })
}

fn arithmetic(worst: &WorstCase, scale: f64) -> String {
    let WorstCase {
        source_bytes,
        copy_bytes,
        arenas,
    } = *worst;
    format!(
        "at scale {scale} it may need {} = {} for the database + {arenas} arenas x {} for a \
         snapshot that each may keep + {} for the rest",
        bytes(worst.bytes()),
        bytes(source_bytes),
        bytes(copy_bytes),
        bytes(worst.bytes() - source_bytes - arenas * copy_bytes),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Catalogue, Selection};

    fn available(bytes: u64) -> Available {
        Available {
            bytes,
            source: "a test".into(),
        }
    }

    #[test]
    fn a_leak_that_nothing_stops_is_refused() {
        let selection = |limit: bool| {
            let selection = Selection {
                names: vec!["insert-leak-per-row".into()],
                ..Selection::default()
            };
            let mut scenarios = Catalogue::built_in().unwrap().resolve(&selection).unwrap();
            let mut scenario = scenarios.scenarios.remove(0);
            if !limit {
                scenario.limits.rss_bytes = None;
            }
            check_one(&scenario, 2, &available(8 << 30))
        };
        assert!(selection(true).is_ok());
        let error = selection(false).unwrap_err().to_string();
        assert!(error.contains("--limit-rss 600MiB"), "{error}");
    }

    #[test]
    fn the_arithmetic_adds_up_and_the_scale_that_is_told_fits() {
        let selection = Selection {
            names: vec!["snapshot-memory".into()],
            ..Selection::default()
        };
        let scenarios = Catalogue::built_in().unwrap().resolve(&selection).unwrap();
        let mut scenario = scenarios.scenarios[0].clone();
        assert!(check_one(&scenario, 2, &available(3 << 30)).is_ok());
        let error = check_one(&scenario, 2, &available(1 << 30)).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("4 arenas x 55"), "{text}");
        let scale = text.split("--scale ").nth(1).unwrap();
        let scale: f64 = scale.split(' ').next().unwrap().parse().unwrap();
        assert!((0.3..0.4).contains(&scale), "{text}");
        if let Workload::Snapshot(options) = &mut scenario.workload {
            options.scale = scale;
        }
        assert!(check_one(&scenario, 2, &available(1 << 30)).is_ok());
        let error = check_one(&scenario, 2, &available(1 << 20)).unwrap_err();
        assert!(error.to_string().contains("no scale would fit"), "{error}");
    }
}
