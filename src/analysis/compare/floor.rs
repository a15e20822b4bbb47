//! The A/A floor: how far apart executions of one and the same program come out.

use serde::Serialize;

use super::interval::{self, shift};
use super::resample::Random;

/// Of the sizes that come up between executions of one side, the floor is above this part.
const QUANTILE: f64 = 0.95;
/// A drift counts where chance alone shows as much less often than this: every row is looked at.
const DRIFT_ALPHA: f64 = 0.001;
/// Splits that are looked at, where each is cheap.
const MOST_SPLITS: usize = 400;
const FEWEST_SPLITS: usize = 60;
/// Differences that are looked at in all of them together.
const MOST_DIFFERENCES: usize = 10_000_000;

/// As a part: 0.02 where one side differs from itself by 2 %.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Floor {
    /// Between executions of one side, set against each other in many ways: 95 % of the ways come to
    /// less.
    pub splits: f64,
    /// Of values apart, between the first half of a side and its second; 0 where that may be chance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<f64>,
}

impl Floor {
    /// As a part: what is below it one side does to itself.
    pub fn value(&self) -> f64 {
        self.splits.max(self.drift.unwrap_or(0.0))
    }

    /// The same as a logarithm.
    pub(super) fn log(&self) -> f64 {
        self.value().ln_1p()
    }
}

fn part(log: f64) -> f64 {
    log.abs().exp_m1()
}

fn splits(differences: usize) -> usize {
    (MOST_DIFFERENCES / differences.max(1)).clamp(FEWEST_SPLITS, MOST_SPLITS)
}

fn quantile(mut sizes: Vec<f64>) -> f64 {
    sizes.sort_by(f64::total_cmp);
    let at = (QUANTILE * sizes.len() as f64) as usize;
    sizes
        .get(at.min(sizes.len().saturating_sub(1)))
        .copied()
        .unwrap_or(0.0)
}

/// An execution against the next one of its own side, of both sides, is as many as the comparison has.
/// Which of the two goes to which side is a coin's choice each time.
pub(super) fn of_pairs(base: &[f64], new: &[f64], random: &mut Random) -> Floor {
    let neighbours = [neighbours(base), neighbours(new)].concat();
    // Of an odd number one has no neighbour.
    let as_many = (neighbours.len() as f64 / base.len().max(1) as f64).sqrt();
    let sizes = (0..splits(neighbours.len().pow(2))).map(|_| {
        let coin = |(a, b): &(f64, f64)| match random.next() >> 63 {
            0 => (*a, *b),
            _ => (*b, *a),
        };
        let (one, other): (Vec<f64>, Vec<f64>) = neighbours.iter().map(coin).unzip();
        shift(&one, &other).abs() * as_many
    });
    Floor {
        splits: part(quantile(sizes.collect())),
        drift: None,
    }
}

/// Around the side's own middle, so that both sides lie on one level.
fn neighbours(side: &[f64]) -> Vec<(f64, f64)> {
    let middle = interval::median(&mut side.to_vec());
    let (pairs, _) = side.as_chunks::<2>();
    let centred = pairs.iter().map(|[a, b]| (a - middle, b - middle));
    centred.collect()
}

/// Random halves of one side against each other, scaled from halves to wholes; and the first half
/// against the second, which drift pulls apart, and more executions do not bring together.
pub(super) fn of_apart(base: &[f64], new: &[f64], random: &mut Random) -> Floor {
    let per_value = |one: usize, other: usize| 1.0 / one as f64 + 1.0 / other as f64;
    let wholes = per_value(base.len(), new.len());
    let mut sizes = Vec::new();
    let mut drift = 0.0_f64;
    for side in [base, new] {
        let (first, second) = side.split_at(side.len() / 2);
        let (between, (low, high)) = interval::of(first, second, DRIFT_ALPHA);
        if low > 0.0 || high < 0.0 {
            drift = drift.max(part(between));
        }
        let scale = (wholes / per_value(first.len(), second.len())).sqrt();
        let mut mixed = side.to_vec();
        for _ in 0..splits(first.len() * second.len()) {
            random.shuffle(&mut mixed);
            let (one, other) = mixed.split_at(first.len());
            sizes.push(shift(one, other).abs() * scale);
        }
    }
    Floor {
        splits: part(quantile(sizes)),
        drift: Some(drift),
    }
}
