//! What moves both sides alike while they take turns: a machine that grows slower, a neighbour.

use super::interval::median;

/// Rounds on each side of one that say where it lies.
const REACH: usize = 3;

/// Both sides without what rounds have in common: from both values of a round goes the median of what
/// the rounds around it lie above the middle of their sides. What is between the sides stays as it is.
pub(super) fn without(base: &[f64], new: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let centred = |side: &[f64]| -> Vec<f64> {
        let middle = median(&mut side.to_vec());
        side.iter().map(|value| value - middle).collect()
    };
    let (above_base, above_new) = (centred(base), centred(new));
    let common = |round: usize| {
        let around = round.saturating_sub(REACH)..(round + REACH + 1).min(base.len());
        median(&mut [&above_base[around.clone()], &above_new[around]].concat())
    };
    let level = |side: &[f64]| -> Vec<f64> {
        let level = side.iter().enumerate();
        level.map(|(round, value)| value - common(round)).collect()
    };
    (level(base), level(new))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_both_goes_and_what_is_between_them_stays() {
        let step = |round: u32| if round < 8 { 0.0 } else { 0.3 };
        let wobble = |round: u32| 0.001 * f64::from(round % 3);
        let base: Vec<f64> = (0..16).map(|round| step(round) + wobble(round)).collect();
        let new: Vec<f64> = base.iter().map(|value| value + 0.05).collect();
        let (level_base, level_new) = without(&base, &new);
        let spread = level_base.iter().copied().fold(f64::MIN, f64::max)
            - level_base.iter().copied().fold(f64::MAX, f64::min);
        assert!(spread < 0.02, "{spread}");
        for (a, b) in level_base.iter().zip(&level_new) {
            assert!((b - a - 0.05).abs() < 1e-12);
        }
    }
}
