//! Where an axis has its lines, and what it says there. The script does the same when the axis
//! changes.

use crate::report::format;

/// A mebibyte, in which people are told of bytes.
pub(super) const MIB: f64 = 1_048_576.0;

/// How many steps a vertical axis has, whatever its range.
pub(super) const STEPS: i32 = 5;

/// What a step may begin with.
const FINE: [f64; 11] = [1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
const COARSE: [f64; 4] = [1.0, 2.0, 5.0, 10.0];

/// The least round number of these that is not less than `least`; 1 for what is no length.
fn round_up(least: f64, mantissas: &[f64]) -> f64 {
    if !least.is_finite() || least <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powi((least.log10().floor() as i32).clamp(-300, 300));
    let fits = |mantissa: &&f64| **mantissa * power >= least * (1.0 - 1e-9);
    mantissas.iter().find(fits).unwrap_or(&10.0) * power
}

/// The step of a vertical axis that reaches `most` in [`STEPS`].
pub(super) fn step(most: f64) -> f64 {
    round_up(most / f64::from(STEPS), &FINE)
}

/// The step of a horizontal axis of this length with at most so many.
pub(super) fn coarse_step(length: f64, most: i32) -> f64 {
    round_up(length / f64::from(most.max(1)), &COARSE)
}

/// The multiples of `step` from one number to another, both included.
pub(super) fn multiples(from: f64, to: f64, step: f64) -> Vec<f64> {
    let first = (from / step - 1e-6).ceil();
    let last = (to / step + 1e-6).floor();
    let count = (last - first).clamp(-1.0, 100.0) as i32;
    let at = |n: i32| (first + f64::from(n)) * step;
    (0..=count).map(at).collect()
}

/// `1,200`, `0.25`: as many digits as a multiple of `step` needs.
pub(super) fn label(value: f64, step: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let scaled = |digits: &usize| step * 10_f64.powi(*digits as i32);
    let whole =
        |digits: &usize| (scaled(digits) - scaled(digits).round()).abs() < 1e-6 * scaled(digits);
    let digits = (0..9_usize).find(whole).unwrap_or(9);
    let text = std::format!("{:.digits$}", value.abs());
    let (integer, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let integer = integer.parse().map_or(integer.to_owned(), format::count);
    let sign = if value < 0.0 { "-" } else { "" };
    std::format!("{sign}{integer}{fraction}")
}

/// What stands along the vertical axis, from zero upwards.
pub(super) fn labels(step: f64) -> Vec<String> {
    (0..=STEPS)
        .map(|n| label(f64::from(n) * step, step))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_reaches_what_it_shows_and_not_twice_that() {
        for most in [0.003, 1.0, 7.3, 99.9, 100.0, 241.7, 1e6, 10_485_760.0] {
            let top = step(most) * f64::from(STEPS);
            assert!(top >= most * 0.999_999 && top < most * 1.5, "{most}: {top}");
        }
        for nothing in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(step(nothing), 1.0);
        }
    }

    #[test]
    fn labels_have_the_digits_that_their_step_needs() {
        assert_eq!(labels(50.0), ["0", "50", "100", "150", "200", "250"]);
        assert_eq!(labels(2.5)[..3], ["0", "2.5", "5.0"]);
        assert_eq!(labels(0.25)[1..3], ["0.25", "0.50"]);
        assert_eq!(label(10_485_760.0, 10.0), "10,485,760");
        assert_eq!(label(-0.2, 0.1), "-0.2");
    }

    #[test]
    fn multiples_lie_within_both_ends() {
        assert_eq!(multiples(0.0, 5.55, 1.0), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(multiples(1.0, 20.0, 5.0), [5.0, 10.0, 15.0, 20.0]);
        assert_eq!(multiples(0.4, 0.6, 1.0), [] as [f64; 0]);
    }
}
