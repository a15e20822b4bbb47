//! The estimate of Hodges and Lehmann and the interval of Mann and Whitney around it, exact for few values;
//! Student's where values are so few that no rank reaches the level.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// Above so many of base and new together the distribution of ranks is taken to be normal; up to
/// there all counts are exact in an `f64`.
const EXACT: usize = 50;

/// Of an even number the mean of the middle two; 0 of none.
pub(super) fn median(values: &mut [f64]) -> f64 {
    let count = values.len();
    if count == 0 {
        return 0.0;
    }
    let (below, upper, _) = values.select_nth_unstable_by(count / 2, f64::total_cmp);
    let upper = *upper;
    if count % 2 == 1 {
        return upper;
    }
    let lower = below.iter().copied().max_by(f64::total_cmp);
    lower.unwrap_or(upper).midpoint(upper)
}

fn shifts(base: &[f64], new: &[f64]) -> Vec<f64> {
    let of = |b: &f64| base.iter().map(move |a| b - a).collect::<Vec<f64>>();
    new.iter().flat_map(of).collect()
}

/// The typical difference of one of `new` from one of `base`.
pub(super) fn shift(base: &[f64], new: &[f64]) -> f64 {
    median(&mut shifts(base, new))
}

/// [`shift`] and its interval. Of at least two of each.
pub(super) fn of(base: &[f64], new: &[f64], alpha: f64) -> (f64, (f64, f64)) {
    let mut all = shifts(base, new);
    let estimate = median(&mut all);
    let (n, m) = (base.len() as f64, new.len() as f64);
    let outside = match base.len() + new.len() {
        ..=EXACT => outside_of(&rank_sums(base.len(), new.len()), alpha),
        _ => outside_of_normal(n * m / 2.0, n * m * (n + m + 1.0) / 12.0, alpha),
    };
    match inner(all, outside) {
        Some(ends) => (estimate, ends),
        None => {
            let ((base_mean, base_variance), (new_mean, new_variance)) =
                (moments(base), moments(new));
            let (a, b) = (base_variance / n, new_variance / m);
            // Welch and Satterthwaite's; of no variance at all the interval is none either.
            let freedom = (a + b).powi(2) / (a * a / (n - 1.0) + b * b / (m - 1.0));
            let freedom = if freedom.is_finite() { freedom } else { 1.0 };
            let half = student(freedom, alpha) * (a + b).sqrt();
            (estimate, around(estimate, new_mean - base_mean, half))
        }
    }
}

/// Both the estimate and the mean are inside.
fn around(estimate: f64, mean: f64, half: f64) -> (f64, f64) {
    ((mean - half).min(estimate), (mean + half).max(estimate))
}

fn student(freedom: f64, alpha: f64) -> f64 {
    match StudentsT::new(0.0, 1.0, freedom.max(1.0)) {
        Ok(student) => student.inverse_cdf(1.0 - alpha / 2.0),
        Err(_) => f64::INFINITY,
    }
}

fn moments(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, squares / (count - 1.0).max(1.0))
}

/// What is left of the sorted without so many at each end; `None` where not one may be outside.
fn inner(mut all: Vec<f64>, outside: usize) -> Option<(f64, f64)> {
    let last = all.len().checked_sub(1)?;
    let low = outside.checked_sub(1)?.min(last / 2);
    all.sort_by(f64::total_cmp);
    Some((all[low], all[last - low]))
}

/// How many of the smallest can go, where `weights` says how often each rank sum comes.
fn outside_of(weights: &[f64], alpha: f64) -> usize {
    let total: f64 = weights.iter().sum();
    let mut sum = 0.0;
    let within = |weight: &&f64| {
        sum += **weight;
        sum <= alpha / 2.0 * total
    };
    weights.iter().take_while(within).count()
}

fn outside_of_normal(mean: f64, variance: f64, alpha: f64) -> usize {
    let z = Normal::standard().inverse_cdf(1.0 - alpha / 2.0);
    // The conversion makes 0 of what is negative.
    (mean - 0.5 - z * variance.sqrt()).floor() as usize
}

/// In how many orders each of Mann and Whitney's U comes: the coefficients of a Gaussian binomial.
fn rank_sums(base: usize, new: usize) -> Vec<f64> {
    let mut weights = vec![0.0; base * new + 1];
    weights[0] = 1.0;
    for at in 1..=base {
        for u in (new + at..weights.len()).rev() {
            weights[u] -= weights[u - new - at];
        }
        for u in at..weights.len() {
            weights[u] += weights[u - at];
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_distributed_as_the_tables_say() {
        // Critical values of Mann and Whitney's U, two-sided: 5 and 5 at 1 %: 0, at 5 %: 2; 10 and 12 at 5 %: 29.
        assert_eq!(outside_of(&rank_sums(5, 5), 0.01), 1);
        assert_eq!(outside_of(&rank_sums(5, 5), 0.05), 3);
        assert_eq!(outside_of(&rank_sums(10, 12), 0.05), 30);
        let orders: f64 = rank_sums(25, 25).iter().sum();
        assert_eq!(orders, 126_410_606_437_752.0);
    }

    #[test]
    fn the_normal_distribution_goes_on_where_the_exact_one_ends() {
        let exact = outside_of(&rank_sums(25, 25), 0.01);
        let normal = outside_of_normal(312.5, 625.0 * 51.0 / 12.0, 0.01);
        assert!(exact.abs_diff(normal) <= 3, "{exact} {normal}");
    }

    #[test]
    fn an_outlier_moves_neither_estimate_nor_interval_far() {
        let base: Vec<f64> = (0..16).map(|n| 0.002 * f64::from(n % 5)).collect();
        let mut new: Vec<f64> = base.iter().map(|value| value + 0.05).collect();
        (new[3], new[9]) = (0.4, 0.3);
        let (estimate, (low, high)) = of(&base, &new, 0.005);
        assert!((0.05..0.054).contains(&estimate), "{estimate}");
        assert!(low > 0.045 && high < 0.06, "{low} {high}");
    }

    #[test]
    fn where_no_rank_reaches_the_level_the_interval_is_a_wide_one() {
        let base = [1.0, 1.01, 0.99];
        let new = [1.05, 1.06, 1.04];
        let (shift, (low, high)) = of(&base, &new, 0.005);
        assert!((shift - 0.05).abs() < 1e-9);
        assert!(low < 0.03 && high > 0.07, "{low} {high}");
    }

    #[test]
    fn equal_values_have_an_interval_of_no_width() {
        assert_eq!(of(&[1.0; 5], &[1.5; 6], 0.0001), (0.5, (0.5, 0.5)));
    }

    #[test]
    fn a_median_is_the_middle_or_the_mean_of_the_middle_two() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&mut []), 0.0);
    }
}
