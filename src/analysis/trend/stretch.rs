//! Flat stretches of a series, and the jumps between them.

use super::rank::half_way;

/// Where a series has come to rest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plateau {
    /// Index of the first point of it.
    pub from: usize,
    /// The median from there to the end.
    pub level: f64,
}

/// The longest tail that stays within `tolerance` of its median. None unless it has a quarter of
/// all points, rounded up, and at least four.
///
/// A straight line has such a tail too where `tolerance` is wide.
pub fn plateau(values: &[f64], tolerance: f64) -> Option<Plateau> {
    let enough = values.len().div_ceil(4).max(4);
    let mut sorted: Vec<f64> = Vec::with_capacity(values.len());
    let mut longest = None;
    for (from, value) in values.iter().enumerate().rev() {
        let at = sorted.partition_point(|less| less.total_cmp(value).is_lt());
        sorted.insert(at, *value);
        let (least, most) = (sorted[0], sorted[sorted.len() - 1]);
        // No longer tail has a smaller range.
        if most - least > 2.0 * tolerance {
            break;
        }
        let level = half_way(sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        if sorted.len() >= enough && most - level <= tolerance && level - least <= tolerance {
            longest = Some(Plateau { from, level });
        }
    }
    longest
}

/// One jump, up or down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Index of the first point that is no longer on the level before it.
    pub at: usize,
    /// How much, over all points of the jump; negative where it falls.
    pub by: f64,
}

/// Every rise and fall of more than `tolerance` between two neighbours. Those that follow each
/// other in the same direction are one step.
pub fn steps(values: &[f64], tolerance: f64) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    // Index of the last point of the last step.
    let mut end = 0;
    for (at, two) in (1..).zip(values.windows(2)) {
        let by = two[1] - two[0];
        // Not a number is no step.
        if by.abs() > tolerance {
            match steps.last_mut() {
                Some(step) if end + 1 == at && (step.by > 0.0) == (by > 0.0) => step.by += by,
                _ => steps.push(Step { at, by }),
            }
            end = at;
        }
    }
    steps
}

/// Whether there are jumps of more than `jump`, in at most a third of the intervals, and the values
/// between any two of them have a range within `tolerance`.
pub(super) fn only_jumps(values: &[f64], jump: f64, tolerance: f64) -> bool {
    let jumps = |one: &f64, next: &f64| (next - one).abs() > jump;
    let stretches = values.chunk_by(|one, next| !jumps(one, next));
    let mut count: usize = 0;
    for stretch in stretches {
        let (least, most) = super::extent(stretch);
        if most - least > tolerance {
            return false;
        }
        count += 1;
    }
    count > 1 && 3 * (count - 1) < values.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plateau_needs_a_quarter_of_all_and_four_points() {
        let line_then_flat = |points: usize, flat: usize| {
            let level = (points - flat) as f64;
            (0..points)
                .map(|at| (at as f64).min(level))
                .collect::<Vec<f64>>()
        };
        for (points, fewest) in [(4, 4), (10, 4), (16, 4), (17, 5), (101, 26)] {
            let from = points - fewest;
            let level = from as f64;
            let found = plateau(&line_then_flat(points, fewest), 0.0);
            assert_eq!(found, Some(Plateau { from, level }), "{points}");
            assert_eq!(
                plateau(&line_then_flat(points, fewest - 1), 0.0),
                None,
                "{points}"
            );
        }
        assert_eq!(plateau(&[], 1.0), None);
    }

    #[test]
    fn plateau_is_the_longest_tail_within_the_tolerance_of_its_median() {
        let values = [0.0, 5.0, 9.0, 10.0, 11.0, 10.0, 9.0, 10.0];
        assert_eq!(
            plateau(&values, 1.0),
            Some(Plateau {
                from: 2,
                level: 10.0
            })
        );
        assert_eq!(
            plateau(&values, 5.0),
            Some(Plateau {
                from: 1,
                level: 10.0
            })
        );
        assert_eq!(plateau(&values, 0.5), None);
    }

    #[test]
    fn neighbouring_rises_are_one_step_and_a_fall_is_another() {
        let values = [0.0, 0.5, 10.0, 30.0, 30.0, 5.0, 5.0, 15.0];
        let expected = [(2, 29.5), (5, -25.0), (7, 10.0)].map(|(at, by)| Step { at, by });
        assert_eq!(steps(&values, 1.0), expected);
        assert_eq!(steps(&[0.0, 9.0, 0.0], 1.0).len(), 2);
        assert!(steps(&[3.0], 1.0).is_empty());
    }

    #[test]
    fn jumps_in_more_than_a_third_of_the_intervals_are_no_steps() {
        let every = |period: usize| (0..19).map(|at| (at / period) as f64).collect::<Vec<f64>>();
        assert!(only_jumps(&every(3), 0.5, 0.0) && !only_jumps(&every(2), 0.5, 0.0));
        assert!(!only_jumps(&[1.0; 19], 0.5, 0.0));
    }
}
