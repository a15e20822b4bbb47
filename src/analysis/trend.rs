//! The trend of a series of numbers: does it rise, by how much each time, or has it come to rest?
//!
//! [`Trend::of`] takes values (bytes or counts) over x (cycles or rows) and what counts as no
//! change, and says the [`Shape`]. It rests on ranks: [`theil_sen`] and [`mann_kendall`] have no
//! idea of a normal distribution of the values, and few outliers do not move them. [`plateau`] and
//! [`steps`] look at the values themselves.

mod rank;
mod stretch;

pub use rank::{MannKendall, Slope, mann_kendall, theil_sen};
pub use stretch::{Plateau, Step, plateau, steps};

/// Fewest points that are judged, those of the warm-up among them.
pub const FEWEST: usize = 10;

/// A trend counts where chance alone shows as much less often than this.
const SIGNIFICANT: f64 = 0.05;

/// The end of a plateau goes on where chance alone shows as much less often than this. Stricter: at
/// [`SIGNIFICANT`] one noisy plateau of twenty would be none.
const SURE: f64 = 0.01;

/// A plateau may be this part of the whole range off its level.
const PLATEAU_OF_RANGE: f64 = 0.05;

/// A jump is more than this part of the range.
const JUMP_OF_RANGE: f64 = 0.1;

/// What a series does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// Fewer than [`FEWEST`] points: not judged.
    TooShort,
    /// It has not moved, or without a direction.
    Flat,
    /// It rises, and has not come to rest.
    Rising,
    /// It falls, and has not come to rest.
    Falling,
    /// It moved, in the warm-up or later, and is flat since [`Plateau::from`].
    Plateau,
    /// It moves in jumps only, with flat stretches between, and the last stretch is too short for a
    /// plateau.
    Steps,
}

/// What there is to say of a series. In the unit of its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Trend {
    /// How many there are.
    pub points: usize,
    /// Of them, at the begin, those that `least`, `most`, `slope` and `mann_kendall` leave out.
    pub warm_up: usize,
    /// The first of all.
    pub first: f64,
    /// The last.
    pub last: f64,
    /// The least after the warm-up.
    pub least: f64,
    /// The most after the warm-up.
    pub most: f64,
    /// After the warm-up.
    pub slope: Option<Slope>,
    /// After the warm-up.
    pub mann_kendall: Option<MannKendall>,
    /// Where the series has come to rest, if it has. Its `from` counts all points, and is 0 where
    /// the series never moved.
    pub plateau: Option<Plateau>,
    /// The jumps in all points: each more than the tolerance, and more than a tenth of the range
    /// after the warm-up.
    pub steps: Vec<Step>,
    /// What it does.
    pub shape: Shape,
}

impl Trend {
    /// The trend of `points`, x and value, in ascending order of x. `tolerance` is what counts as no
    /// change, in the unit of the values. A point that is not finite is left out.
    pub fn of(points: &[(f64, f64)], tolerance: f64) -> Trend {
        let finite = |&(x, y): &(f64, f64)| x.is_finite() && y.is_finite();
        let points: Vec<(f64, f64)> = points.iter().copied().filter(finite).collect();
        let values: Vec<f64> = points.iter().map(|point| point.1).collect();
        let tolerance = tolerance.max(0.0);
        let warm_up = warm_up(points.len());
        let (least, most) = extent(&values[warm_up..]);
        let mut trend = Trend {
            points: points.len(),
            warm_up,
            first: values.first().copied().unwrap_or(0.0),
            last: values.last().copied().unwrap_or(0.0),
            least,
            most,
            slope: theil_sen(&points[warm_up..]),
            mann_kendall: mann_kendall(&values[warm_up..]),
            plateau: rest(&points, &values, tolerance),
            steps: steps(&values, jump(least, most, tolerance)),
            shape: Shape::TooShort,
        };
        if points.len() >= FEWEST {
            trend.shape = trend.judge(&points[warm_up..], &values[warm_up..], tolerance);
        }
        trend
    }

    /// The last less the first of all points, those of the warm-up among them.
    pub fn change(&self) -> f64 {
        self.last - self.first
    }

    /// It rises, and has not come to rest.
    pub fn is_rising(&self) -> bool {
        self.shape == Shape::Rising
    }

    /// The shape by `points` after the warm-up, and their `values`.
    fn judge(&self, points: &[(f64, f64)], values: &[f64], tolerance: f64) -> Shape {
        let still = self.most - self.least <= tolerance;
        let direction = match still {
            true => None,
            false => direction(points, self.slope, self.mann_kendall, tolerance),
        };
        if let Some(plateau) = self.plateau
            && plateau.from > 0
            && (direction.is_some() || (plateau.level - self.first).abs() > tolerance)
        {
            return Shape::Plateau;
        }
        if still {
            return Shape::Flat;
        }
        let ends = values.first().zip(values.last());
        let moved = ends.is_some_and(|(first, last)| (last - first).abs() > tolerance);
        if (direction.is_some() || moved)
            && stretch::only_jumps(values, jump(self.least, self.most, tolerance), tolerance)
        {
            return Shape::Steps;
        }
        direction.unwrap_or(Shape::Flat)
    }
}

/// How many of `points` at the begin slopes leave out: a tenth, at least one, but never all.
pub fn warm_up(points: usize) -> usize {
    (points / 10).max(1).min(points.saturating_sub(1))
}

/// Least and most; zeros of nothing.
fn extent(values: &[f64]) -> (f64, f64) {
    let least = values.iter().copied().min_by(f64::total_cmp);
    let most = values.iter().copied().max_by(f64::total_cmp);
    (least.unwrap_or(0.0), most.unwrap_or(0.0))
}

/// What is more than this between two neighbours is a jump.
fn jump(least: f64, most: f64, tolerance: f64) -> f64 {
    tolerance.max(JUMP_OF_RANGE * (most - least))
}

/// Rising or falling, if it is one of them: significantly, by more than `tolerance`, and the
/// interval of the slope does not reach to the other side.
///
/// The interval may end at 0: where most values are equal, as those of an exact counter that rises
/// now and then, or late, so are most slopes.
fn direction(
    points: &[(f64, f64)],
    slope: Option<Slope>,
    test: Option<MannKendall>,
    tolerance: f64,
) -> Option<Shape> {
    let (&(begin, first), &(end, last)) = points.first().zip(points.last())?;
    let test = test.filter(|test| test.p < SIGNIFICANT)?;
    let sign: f64 = if test.s > 0 { 1.0 } else { -1.0 };
    // Where x stands still there is no slope, and the test alone decides.
    let fitted = slope.map_or(0.0, |slope| slope.per_x * (end - begin));
    let reaches_over = slope.is_some_and(|slope| (sign * slope.low).min(sign * slope.high) < 0.0);
    let moved = (sign * fitted).max(sign * (last - first)) > tolerance;
    match (moved && !reaches_over, test.s > 0) {
        (true, true) => Some(Shape::Rising),
        (true, false) => Some(Shape::Falling),
        (false, _) => None,
    }
}

/// The plateau that a series ends with, unless it still moves there.
fn rest(points: &[(f64, f64)], values: &[f64], tolerance: f64) -> Option<Plateau> {
    let (least, most) = extent(values);
    let range = most - least;
    let plateau = plateau(values, tolerance.max(PLATEAU_OF_RANGE * range))?;
    let tail = &points[plateau.from..];
    let still_moves =
        range > tolerance && (is_of_the_line(tail, points, range) || moves(tail, tolerance));
    (!still_moves).then_some(plateau)
}

/// The tail goes at least half as fast as the whole: the end of a straight line, which any wide
/// tolerance holds, is no plateau.
fn is_of_the_line(tail: &[(f64, f64)], points: &[(f64, f64)], range: f64) -> bool {
    let span = (points.first().zip(points.last())).map_or(0.0, |(first, last)| last.0 - first.0);
    theil_sen(tail).is_some_and(|slope| 2.0 * (slope.per_x * span).abs() >= range)
}

/// The later half of the tail has a direction: a slow leak after a great fill is small beside the
/// fill, but does not end. What approaches its level does not move there any more.
fn moves(tail: &[(f64, f64)], tolerance: f64) -> bool {
    // Fewer than six points are never sure.
    let later = (tail.len() / 2).max(6).min(tail.len());
    let later = &tail[tail.len() - later..];
    let values: Vec<f64> = later.iter().map(|point| point.1).collect();
    let test = mann_kendall(&values).filter(|test| test.p < SURE);
    direction(later, theil_sen(later), test, tolerance).is_some()
}

#[cfg(test)]
mod tests;
