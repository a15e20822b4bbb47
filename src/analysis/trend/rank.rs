//! Trend by ranks: the slope of Theil and Sen, and the test of Mann and Kendall.

use std::cmp::Ordering;

use statrs::distribution::{ContinuousCDF, Normal};
use statrs::function::erf::erfc;

/// The median slope of all pairs of points, with its 95 % confidence interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slope {
    /// What the value changes by where x grows by 1.
    pub per_x: f64,
    /// Lower end of the interval, at most `per_x`.
    pub low: f64,
    /// Upper end of the interval, at least `per_x`.
    pub high: f64,
}

/// The slope of Theil and Sen. The interval is Sen's: the slopes whose ranks lie 1.96 standard
/// deviations of Kendall's S around the middle, rounded outwards; all slopes where points are few.
///
/// None below three points, or where all x are equal. Pairs of equal x have no slope and are left
/// out. Takes the time and the memory of all pairs: half a million for a thousand points.
pub fn theil_sen(points: &[(f64, f64)]) -> Option<Slope> {
    if points.len() < 3 {
        return None;
    }
    let mut slopes = Vec::with_capacity(points.len() * (points.len() - 1) / 2);
    for (at, &(x, y)) in points.iter().enumerate() {
        let later = points[at + 1..].iter().filter(|later| later.0 != x);
        // Without a negative zero, which would be less than zero in the order.
        slopes.extend(later.map(|later| (later.1 - y) / (later.0 - x) + 0.0));
    }
    if slopes.is_empty() {
        return None;
    }
    let x: Vec<f64> = points.iter().map(|point| point.0).collect();
    let y: Vec<f64> = points.iter().map(|point| point.1).collect();
    let deviation = variance(points.len(), &Ties::of(&x), &Ties::of(&y)).sqrt();
    let within = Normal::standard().inverse_cdf(0.975) * deviation;
    // Counted from 1, as in the books; the conversion makes 0 of what is negative.
    let rank = ((slopes.len() as f64 - within) / 2.0).floor() as usize;
    let low = rank.saturating_sub(1);
    let high = slopes.len() - 1 - low;
    Some(Slope {
        per_x: median(&mut slopes),
        low: at_rank(&mut slopes, low),
        high: at_rank(&mut slopes, high),
    })
}

/// Whether a series goes one way, by the signs of all pairs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MannKendall {
    /// Pairs that rise less pairs that fall.
    pub s: i64,
    /// Of S where there is no trend, corrected for ties.
    pub variance: f64,
    /// S in standard deviations, one nearer to 0 for continuity.
    pub z: f64,
    /// How probable such a Z or a greater one, on either side, is without a trend.
    pub p: f64,
    /// Kendall's tau-b: from -1, where no pair rises, to 1.
    pub tau: f64,
}

/// The test of Mann and Kendall, for values in the order of time. None below three. A series of
/// equal values has s 0, variance 0, z 0, p 1 and tau 0.
pub fn mann_kendall(values: &[f64]) -> Option<MannKendall> {
    if values.len() < 3 {
        return None;
    }
    let mut s = 0;
    for (at, value) in values.iter().enumerate() {
        for later in &values[at + 1..] {
            s += i64::from(later > value) - i64::from(later < value);
        }
    }
    let ties = Ties::of(values);
    let variance = variance(values.len(), &Ties::default(), &ties);
    let z = match variance > 0.0 {
        true => (s - s.signum()) as f64 / variance.sqrt(),
        false => 0.0,
    };
    let pairs = pairs(values.len());
    let comparable = (pairs * (pairs - ties.pairs)).sqrt();
    Some(MannKendall {
        s,
        variance,
        z,
        p: erfc(z.abs() / std::f64::consts::SQRT_2),
        tau: if s == 0 { 0.0 } else { s as f64 / comparable },
    })
}

/// Of groups of t equal values each, the sums that formulas ask for.
#[derive(Default)]
struct Ties {
    /// t (t - 1) / 2
    pairs: f64,
    /// t (t - 1) (t - 2)
    triples: f64,
    /// t (t - 1) (2 t + 5)
    weighted: f64,
}

impl Ties {
    fn of(values: &[f64]) -> Ties {
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let mut ties = Ties::default();
        for group in sorted.chunk_by(|one, next| one == next) {
            ties.pairs += pairs(group.len());
            ties.triples += triples(group.len());
            ties.weighted += weighted(group.len());
        }
        ties
    }
}

fn pairs(of: usize) -> f64 {
    let t = of as f64;
    t * (t - 1.0) / 2.0
}

fn triples(of: usize) -> f64 {
    2.0 * pairs(of) * (of as f64 - 2.0)
}

fn weighted(of: usize) -> f64 {
    2.0 * pairs(of) * (2.0 * of as f64 + 5.0)
}

/// Of Kendall's S for `n` points, at least three, where neither depends on the other.
fn variance(n: usize, x: &Ties, y: &Ties) -> f64 {
    let variance = (weighted(n) - x.weighted - y.weighted) / 18.0
        + x.triples * y.triples / (9.0 * triples(n))
        + x.pairs * y.pairs / pairs(n);
    variance.max(0.0)
}

/// The middle one, or half way between the two; 0 of nothing. Reorders.
fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => at_rank(values, middle),
        _ => half_way(at_rank(values, middle - 1), at_rank(values, middle)),
    }
}

/// Without overflow, and exact where both are equal.
pub(super) fn half_way(one: f64, other: f64) -> f64 {
    match one.total_cmp(&other) {
        Ordering::Equal => one,
        _ => one / 2.0 + other / 2.0,
    }
}

/// The value at `rank`, counted from 0, which must be below their number. Reorders.
fn at_rank(values: &mut [f64], rank: usize) -> f64 {
    *values.select_nth_unstable_by(rank, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn test(values: &[f64]) -> MannKendall {
        mann_kendall(values).unwrap()
    }

    fn over_index(values: &[f64]) -> Vec<(f64, f64)> {
        (0u32..)
            .map(f64::from)
            .zip(values.iter().copied())
            .collect()
    }

    fn interval(slope: Slope) -> (f64, f64, f64) {
        (slope.low, slope.per_x, slope.high)
    }

    fn near(one: f64, other: f64, within: f64) -> bool {
        (one - other).abs() < within
    }

    #[test]
    fn two_points_have_no_trend() {
        assert_eq!(mann_kendall(&[1.0, 2.0]), None);
        assert_eq!(theil_sen(&[(0.0, 1.0), (1.0, 2.0)]), None);
        assert_eq!(theil_sen(&[(3.0, 1.0), (3.0, 2.0), (3.0, 3.0)]), None);
    }

    #[test]
    fn constant_has_no_variance_and_p_is_one() {
        let flat = test(&[7.0; 20]);
        assert_eq!(
            (flat.s, flat.variance, flat.z, flat.p, flat.tau),
            (0, 0.0, 0.0, 1.0, 0.0)
        );
        assert_eq!(
            interval(theil_sen(&over_index(&[7.0; 20])).unwrap()),
            (0.0, 0.0, 0.0)
        );
    }

    #[test]
    fn hundred_rising_numbers_are_as_pymannkendall_has_them() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        let rising = test(&values);
        assert_eq!(
            (rising.s, rising.variance, rising.tau),
            (4950, 112_750.0, 1.0)
        );
        assert!(near(rising.z, 14.738_699_982_083_31, 1e-12) && rising.p < 1e-40);
    }

    #[test]
    fn tie_of_two_is_as_a_textbook_has_it() {
        // J. Little's "A Mann-Kendall Example (By Hand)", College of the Holy Cross: of 91 pairs 72
        // rise, 18 fall and 1 is a tie; V = 14*13*33/18 - 2*1*9/18 = 333 - ... = 332.67;
        // Z = 53 / sqrt(V) = 2.9058; tau-b = 54 / sqrt(91 * 90).
        let values = [
            12.9, 14.8, 13.2, 15.7, 13.8, 15.6, 12.9, 11.0, 17.3, 15.9, 19.0, 18.3, 20.1, 21.7,
        ];
        let rising = test(&values);
        assert_eq!(rising.s, 54);
        assert!(
            near(rising.variance, 5988.0 / 18.0, 1e-9),
            "{}",
            rising.variance
        );
        assert!(near(rising.z, 2.9058, 5e-5) && near(rising.p, 2.0 * 0.0018, 1e-4));
        assert!(near(rising.tau, 54.0 / 8190f64.sqrt(), 1e-12));
    }

    #[test]
    fn many_ties_are_as_gilbert_has_them() {
        // Gilbert, Statistical Methods for Environmental Pollution Monitoring (1987), p. 212: Z = 3.1.
        let values = [
            20, 20, 20, 20, 15, 20, 20, 30, 27, 26, 23, 35, 25, 28, 70, 26, 24, 34, 32, 23, 50, 30,
        ];
        let rising = test(&values.map(f64::from));
        assert!(near(rising.z, 3.1, 0.05), "{}", rising.z);
        // Ties of six 20, two 30, two 26 and two 23:
        // (22*21*49 - 6*5*17 - 3 * 2*1*9) / 18 = (22638 - 510 - 54) / 18.
        assert!(near(rising.variance, 22_074.0 / 18.0, 1e-9));
    }

    #[test]
    fn ties_by_hand() {
        // 1 2 2 3 4 4 4 5: 28 pairs, 1 + 3 of them ties, all others rise: S = 24.
        // V = (8*7*21 - 2*1*9 - 3*2*11) / 18 = (1176 - 18 - 66) / 18 = 60.667.
        // Z = 23 / 7.7889 = 2.9529; p = 2 * (1 - Phi(2.9529)) = 0.00315; tau-b = 24 / sqrt(28*24).
        let rising = test(&[1.0, 2.0, 2.0, 3.0, 4.0, 4.0, 4.0, 5.0]);
        assert_eq!(rising.s, 24);
        assert!(near(rising.variance, 1092.0 / 18.0, 1e-9));
        assert!(
            near(rising.z, 2.9529, 1e-4) && near(rising.p, 0.00315, 1e-5),
            "{rising:?}"
        );
        assert!(near(rising.tau, (24.0f64 / 28.0).sqrt(), 1e-12));
        let falling = test(&[5.0, 4.0, 4.0, 4.0, 3.0, 2.0, 2.0, 1.0]);
        assert_eq!(
            (falling.s, falling.z, falling.p),
            (-24, -rising.z, rising.p)
        );
    }

    #[test]
    fn slope_of_a_line_is_exact_and_its_interval_has_no_width() {
        for slope in [1.0, -3.0, 4096.0, 1e10] {
            let line: Vec<f64> = (0..30).map(|at| 1e13 + slope * f64::from(at)).collect();
            let found = theil_sen(&over_index(&line)).unwrap();
            assert_eq!(interval(found), (slope, slope, slope));
        }
    }

    #[test]
    fn interval_by_hand() {
        // Values 0 1 3 6 10 15 21 28 36 45 over 0 to 9: the slope from i to j is (i + j + 1) / 2. Of
        // 45 the 23rd is the median: sums i + j up to 8 are 20, of 9 are 5. V = 10*9*25/18 = 125;
        // 1.96 * sqrt(V) = 21.91; ranks floor((45 - 21.91) / 2) = 11 and 46 - 11 = 35. Pairs with a sum
        // up to 6 are 12, up to 5 are 9: the 11th has 6, and by symmetry the 35th has 12.
        let values: Vec<f64> = (0..10).map(|at| f64::from(at * (at + 1) / 2)).collect();
        let slope = theil_sen(&over_index(&values)).unwrap();
        assert_eq!(interval(slope), (3.5, 5.0, 6.5));
    }

    #[test]
    fn pairs_of_equal_x_are_left_out() {
        let points = [
            (0.0, 0.0),
            (1.0, 2.0),
            (1.0, 900.0),
            (2.0, 4.0),
            (3.0, 6.0),
            (4.0, 8.0),
        ];
        assert_eq!(theil_sen(&points).unwrap().per_x, 2.0);
    }

    #[test]
    fn outlier_does_not_move_the_slope() {
        let mut values: Vec<f64> = (0..30).map(|at| 2.0 * f64::from(at)).collect();
        values[7] = 1e9;
        assert_eq!(
            interval(theil_sen(&over_index(&values)).unwrap()),
            (2.0, 2.0, 2.0)
        );
    }

    #[test]
    fn interval_of_a_noisy_line_holds_its_slope_nineteen_times_of_twenty() {
        let mut state = 1u64;
        let mut even = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / f64::from(1u32 << 31) - 0.5
        };
        for points in [10, 20, 50] {
            let holds = (0..300).filter(|_| {
                let noise = |at| 3.0 * f64::from(at) + 20.0 * (even() + even() + even() + even());
                let values: Vec<f64> = (0..points).map(noise).collect();
                let slope = theil_sen(&over_index(&values)).unwrap();
                slope.low <= 3.0 && 3.0 <= slope.high
            });
            let holds = holds.count();
            assert!(
                (275..300).contains(&holds),
                "{holds} of 300 with {points} points"
            );
        }
    }

    proptest! {
        #[test]
        fn slope_keeps_under_shifts_and_scales(
            values in prop::collection::vec(-1000i32..1000, 3..40),
            add in -1_000_000i32..1_000_000,
            power in 0u32..20,
        ) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let slope = theil_sen(&over_index(&values)).unwrap();
            let moved: Vec<f64> = values.iter().map(|y| y + f64::from(add)).collect();
            prop_assert_eq!(theil_sen(&over_index(&moved)), Some(slope));
            prop_assert_eq!(mann_kendall(&moved), mann_kendall(&values));
            // A power of two, so that nothing is rounded.
            let scale = f64::from(1u32 << power);
            let scaled: Vec<f64> = values.iter().map(|y| y * scale).collect();
            let found = theil_sen(&over_index(&scaled)).unwrap();
            let expected = (slope.low * scale, slope.per_x * scale, slope.high * scale);
            prop_assert_eq!(interval(found), expected);
            prop_assert_eq!(mann_kendall(&scaled), mann_kendall(&values));
        }

        #[test]
        fn reversed_time_reverses_slope_and_s(values in prop::collection::vec(-20i32..20, 3..40)) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let back: Vec<f64> = values.iter().rev().copied().collect();
            let (slope, reversed) =
                (theil_sen(&over_index(&values)).unwrap(), theil_sen(&over_index(&back)).unwrap());
            prop_assert_eq!(interval(reversed), (-slope.high, -slope.per_x, -slope.low));
            let (forth, reversed) = (test(&values), test(&back));
            prop_assert_eq!((reversed.s, reversed.z), (-forth.s, -forth.z));
            prop_assert_eq!((reversed.variance, reversed.p), (forth.variance, forth.p));
        }

        #[test]
        fn tau_is_between_minus_one_and_one(values in prop::collection::vec(-5i32..5, 3..40)) {
            let found = test(&values.into_iter().map(f64::from).collect::<Vec<f64>>());
            prop_assert!(found.tau.abs() <= 1.0 + 1e-12 && (0.0..=1.0).contains(&found.p));
        }
    }
}
