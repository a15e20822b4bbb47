//! From samples to bytes, and how far that may be wrong.
//!
//! Where the counters are known that the sampler rests on, each side's samples are scaled by counted over
//! estimated (a ratio estimator), so that the sum is right and only its parts are estimates. The standard
//! error shown is that of the estimate before it was scaled: `sqrt(interval * bytes)`. A block of `s` bytes
//! that is a sample with the probability `p = 1 - exp(-s / interval)` adds `s^2 (1 - p) / p`, which is at most
//! `s * interval` and comes near it for blocks that are small beside the interval; so it is an upper bound.

use super::raw::Side;

/// Bytes and blocks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// Of a CPU profile nanoseconds.
    pub bytes: u64,
    /// Of a CPU profile samples.
    pub blocks: u64,
}

/// Of one side: what its samples stand for, and what was counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Accuracy {
    /// Whose.
    pub side: Side,
    /// Counted, where it was.
    pub exact: Option<Amount>,
    /// What the samples came to.
    pub unscaled: Amount,
    /// How many; unknown at the peak.
    pub samples: Option<u64>,
    /// Between two.
    pub interval_bytes: u64,
}

impl Accuracy {
    /// What the profile shows.
    pub fn shown(&self) -> Amount {
        self.exact.unwrap_or(self.unscaled)
    }

    /// Of the bytes before they were scaled.
    pub fn standard_error_bytes(&self) -> f64 {
        (self.interval_bytes as f64 * self.shown().bytes as f64).sqrt()
    }

    /// Whether the samples are so far from what was counted that chance does not explain it: by more than
    /// four standard errors, of a sum larger by four intervals, because few samples scatter more upwards
    /// than a standard error says.
    pub fn misfits(&self) -> bool {
        let Some(exact) = self.exact else {
            return false;
        };
        let interval = self.interval_bytes as f64;
        let allowed = 4.0 * (interval * (exact.bytes as f64 + 4.0 * interval)).sqrt();
        self.unscaled.bytes.abs_diff(exact.bytes) as f64 > allowed
    }
}

/// Integers in the proportion of `estimates` whose sum is `total`, by the largest remainders; all 0
/// where the estimates are.
pub fn apportion(estimates: &[f64], total: u64) -> Vec<u64> {
    let sum: f64 = estimates.iter().sum();
    if sum <= 0.0 {
        return vec![0; estimates.len()];
    }
    let exact = estimates
        .iter()
        .map(|estimate| estimate / sum * total as f64);
    let exact: Vec<f64> = exact.collect();
    let mut parts: Vec<u64> = exact.iter().map(|part| part.floor() as u64).collect();
    let mut by_remainder: Vec<usize> = (0..parts.len()).collect();
    by_remainder.retain(|index| estimates[*index] > 0.0);
    by_remainder.sort_by(|a, b| exact[*b].fract().total_cmp(&exact[*a].fract()));
    // Beyond 2^53 a product may be rounded up, so the sum may be off to either side.
    let mut missing = i128::from(total) - parts.iter().map(|part| i128::from(*part)).sum::<i128>();
    while missing != 0 {
        for &index in &by_remainder {
            match missing {
                0 => break,
                1.. => parts[index] += 1,
                _ if parts[index] == 0 => continue,
                _ => parts[index] -= 1,
            }
            missing -= missing.signum();
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn accuracy(exact: u64, unscaled: u64) -> Accuracy {
        let bytes = |bytes| Amount { bytes, blocks: 1 };
        Accuracy {
            side: Side::Sqlite,
            exact: Some(bytes(exact)),
            unscaled: bytes(unscaled),
            samples: None,
            interval_bytes: 512 * 1024,
        }
    }

    proptest! {
        #[test]
        fn parts_are_within_one_of_their_share_and_sum_to_the_total(
            estimates in proptest::collection::vec(0.0..1e9f64, 1..50),
            total in 0..1u64 << 40,
        ) {
            let sum: f64 = estimates.iter().sum();
            prop_assume!(sum > 1.0);
            let parts = apportion(&estimates, total);
            prop_assert_eq!(parts.iter().sum::<u64>(), total);
            for (part, estimate) in parts.iter().zip(&estimates) {
                let share = estimate / sum * total as f64;
                prop_assert!((*part as f64 - share).abs() <= 1.0 + share * 1e-12, "{part} {share}");
            }
        }
    }

    #[test]
    fn what_has_no_samples_gets_no_part_and_a_huge_total_is_kept() {
        assert_eq!(apportion(&[0.0, 0.0], 5), [0, 0]);
        assert_eq!(apportion(&[], 5), [0; 0]);
        assert_eq!(apportion(&[0.0, 1.0], 5), [0, 5]);
        let parts = apportion(&[1.0, 1.0, 1.0], u64::MAX / 2);
        assert_eq!(parts.iter().sum::<u64>(), u64::MAX / 2);
    }

    #[test]
    fn a_hundred_megabytes_are_known_to_seven_percent() {
        let one = accuracy(100_000_000, 100_000_000);
        let relative = one.standard_error_bytes() / 1e8;
        assert!((relative - 0.0724).abs() < 0.0001, "{relative}");
    }

    #[test]
    fn samples_that_do_not_fit_what_was_counted_are_told_from_chance() {
        assert!(!accuracy(100_000_000, 125_000_000).misfits());
        assert!(accuracy(100_000_000, 135_000_000).misfits());
        assert!(accuracy(100_000_000, 65_000_000).misfits());
        // One sample where little was allocated is nothing unusual.
        assert!(!accuracy(2_000, 524_288).misfits());
        assert!(accuracy(12 << 20, 0).misfits());
        assert!(
            !Accuracy {
                exact: None,
                ..accuracy(0, 1 << 40)
            }
            .misfits()
        );
    }
}
