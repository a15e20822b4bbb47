//! Whether one set of measurements is larger than another by more than the same program differs from
//! itself. Pure functions over numbers: an execution gives one value of each quantity.
//!
//! What is shown is medians, the ratio of them (of pairs: the median of their ratios) and its 95 %
//! interval by bootstrap. The word rests on more than that, because a table of many rows would call a
//! change in one of twenty by chance. A change is called where all of these hold:
//! * its typical size, the estimate of Hodges and Lehmann on logarithms, is beyond the threshold;
//! * the interval of Mann and Whitney around it does not hold a ratio of 1, at a level that is divided
//!   among all rows of the table. It rests on ranks, so that it holds whatever the noise looks like and
//!   however far outliers are. Where values are so few that no rank reaches the level, Student's interval, a
//!   wide one then, stands in;
//! * it is beyond the A/A floor: what the same statistic comes to between executions of one side.
//!
//! Else it is no change, or undecided: where a change of [`BLIND`] thresholds could hide in the interval
//! or below the floor, and where what is beyond the threshold is not beyond chance.
//!
//! Of pairs, what both of them have is taken out first, see `drift`. Then their values are set against
//! each other as those of two sides: simulated, that finds more than ranks of the pairs' differences do,
//! because outliers are slow ones only, and an outlier spoils a difference whichever side it is on.
//!
//! Below [`FEWEST`] executions nothing tells how far two processes of one program lie apart, and a rule of
//! its own holds: see [`few`].

mod drift;
mod floor;
mod interval;
mod resample;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

pub mod few;

use serde::Serialize;

pub use floor::Floor;

/// Executions of each side with which a floor can be measured.
pub const FEWEST: usize = 5;
/// Inner values, of one execution each, that may support a large change.
pub const FEWEST_INSIDE: usize = 10;
/// A change of the threshold times this must be visible, or nothing is said.
pub const BLIND: f64 = 2.0;
/// Resamples of a bootstrap.
pub const RESAMPLES: u32 = 10_000;
/// Of the intervals that are shown.
const SHOWN_LEVEL: f64 = 0.95;
/// Tables without any change in which a time is called one, at most.
const TIMES_ALPHA: f64 = 0.04;
/// The same for sizes: they have less noise, so that the smaller part is enough for them.
const SIZES_ALPHA: f64 = 0.01;
/// Less than this is no process's to notice.
pub const MIB: f64 = 1024.0 * 1024.0;

/// What values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quantity {
    /// Nanoseconds.
    Time,
    /// Bytes that the kernel counts: they depend on when pages were touched and given back.
    ResidentBytes,
    /// Bytes or blocks that the program counts: the same in each execution of one program.
    Counted,
}

impl Quantity {
    /// Whether it depends on the machine.
    pub const fn is_time(self) -> bool {
        matches!(self, Quantity::Time)
    }
}

/// Of both sides, in the order of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Values<'a> {
    /// Each with its neighbour: (base, new).
    Pairs(&'a [(f64, f64)]),
    /// Taken at different times.
    Apart(&'a [f64], &'a [f64]),
}

impl Values<'_> {
    fn parted(self) -> (Vec<f64>, Vec<f64>) {
        match self {
            Values::Pairs(pairs) => pairs.iter().copied().unzip(),
            Values::Apart(base, new) => (base.to_vec(), new.to_vec()),
        }
    }
}

/// What a change is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rule {
    /// Of times: 0.03 is 3 %.
    pub threshold: f64,
    /// Of bytes and blocks.
    pub threshold_bytes: f64,
    /// Times that are judged in the whole table.
    pub times: usize,
    /// Bytes and blocks that are judged in the whole table.
    pub sizes: usize,
    /// Of each bootstrap.
    pub resamples: u32,
}

impl Rule {
    /// What is beyond chance in one row.
    fn alpha(&self, quantity: Quantity) -> f64 {
        match quantity {
            Quantity::Time => TIMES_ALPHA / self.times.max(1) as f64,
            _ => SIZES_ALPHA / self.sizes.max(1) as f64,
        }
    }

    /// As a logarithm.
    fn threshold(&self, quantity: Quantity) -> f64 {
        let part = match quantity {
            Quantity::Time => self.threshold,
            _ => self.threshold_bytes,
        };
        part.ln_1p()
    }
}

/// What is said of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// A change that matters would have been seen.
    NoChange,
    /// A time is larger.
    Slower,
    /// A time is smaller.
    Faster,
    /// A size is larger.
    More,
    /// A size is smaller.
    Less,
    /// A change that matters may be hidden.
    Undecided,
    /// A time of so few milliseconds is not judged.
    TooShort,
    /// Too few executions to say.
    TooFew,
    /// Shown, and not judged.
    NotJudged,
}

impl Word {
    /// For a person.
    pub const fn name(self) -> &'static str {
        match self {
            Word::NoChange => "no change",
            Word::Slower => "slower",
            Word::Faster => "faster",
            Word::More => "more",
            Word::Less => "less",
            Word::Undecided => "undecided",
            Word::TooShort => "too short",
            Word::TooFew => "too few",
            Word::NotJudged => "not judged",
        }
    }

    /// Whether it is a change for the worse.
    pub const fn is_regression(self) -> bool {
        matches!(self, Word::Slower | Word::More)
    }

    /// Whether it is a change for the better.
    pub const fn is_improvement(self) -> bool {
        matches!(self, Word::Faster | Word::Less)
    }

    fn of(quantity: Quantity, log_ratio: f64) -> Word {
        match (quantity, log_ratio > 0.0) {
            (Quantity::Time, true) => Word::Slower,
            (Quantity::Time, false) => Word::Faster,
            (_, true) => Word::More,
            (_, false) => Word::Less,
        }
    }
}

/// A ratio, new to base, and the ends of its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ratio {
    /// New to base.
    pub value: f64,
    /// At most that.
    pub low: f64,
    /// At least that.
    pub high: f64,
    /// Of the interval: 0.95.
    pub level: f64,
}

impl Ratio {
    fn of_logs(value: f64, (low, high): (f64, f64), level: f64) -> Ratio {
        Ratio {
            value: value.exp(),
            low: low.exp(),
            high: high.exp(),
            level,
        }
    }
}

/// What the values of a row come to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statistics {
    /// Of the base.
    pub base_median: f64,
    /// Of the new.
    pub new_median: f64,
    /// Values of each side: base, new.
    pub executions: (usize, usize),
    /// Whether each stands beside its neighbour.
    pub paired: bool,
    /// Of the medians, or the median of the pairs' ratios, by bootstrap; absent where a value is not
    /// above 0.
    pub change: Option<Ratio>,
    /// What the word rests on: Hodges and Lehmann's, with an interval at the table's level.
    pub judged: Option<Ratio>,
    /// A/A; absent where executions are too few for one.
    pub floor: Option<Floor>,
    /// Executions of each side that would likely tell, where they do not.
    pub executions_needed: Option<usize>,
}

/// What is said, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judged {
    /// In one word.
    pub word: Word,
    /// The numbers.
    #[serde(flatten)]
    pub statistics: Statistics,
}

/// The middle one; of an even number the mean of the two. 0 of none.
pub fn median(values: &[f64]) -> f64 {
    interval::median(&mut values.to_vec())
}

/// The numbers of a row that nobody judges; `name` seeds its bootstrap.
pub fn describe(name: &str, values: Values<'_>, resamples: u32) -> Statistics {
    let (base, new) = values.parted();
    let mut statistics = Statistics {
        base_median: median(&base),
        new_median: median(&new),
        executions: (base.len(), new.len()),
        paired: matches!(values, Values::Pairs(_)),
        change: None,
        judged: None,
        floor: None,
        executions_needed: None,
    };
    if let Some(logs) = Logs::of(values) {
        statistics.change = Some(logs.change(name, resamples));
    }
    statistics
}

/// What is said of a row of [`FEWEST`] and more executions a side; with fewer, [`Word::TooFew`].
/// `name` seeds its resamples.
pub fn judge(name: &str, quantity: Quantity, values: Values<'_>, rule: &Rule) -> Judged {
    let mut statistics = describe(name, values, rule.resamples);
    let (base, new) = statistics.executions;
    if base.min(new) < FEWEST {
        return Judged {
            word: Word::TooFew,
            statistics,
        };
    }
    let Some(logs) = Logs::of(values) else {
        let word = by_difference(quantity, &statistics);
        return Judged { word, statistics };
    };
    let alpha = rule.alpha(quantity);
    let (estimate, (low, high)) = logs.estimate(alpha);
    let floor = logs.floor(name);
    statistics.judged = Some(Ratio::of_logs(estimate, (low, high), 1.0 - alpha));
    let threshold = rule.threshold(quantity);
    let beyond_chance = low > 0.0 || high < 0.0;
    let beyond_threshold = estimate.abs() > threshold;
    // Outliers widen the side that they are on, and hide nothing on the other.
    let half_width = (estimate - low).min(high - estimate);
    let noise = half_width.max(floor.log());
    let word = if beyond_threshold && beyond_chance && estimate.abs() > floor.log() {
        Word::of(quantity, estimate)
    } else if beyond_threshold || noise > BLIND * threshold {
        Word::Undecided
    } else {
        Word::NoChange
    };
    if word == Word::Undecided {
        // Noise shrinks with the root of how many there are.
        let times = (noise / estimate.abs().max(threshold)).powi(2).max(1.5);
        let needed = (base.min(new) as f64 * times).ceil();
        statistics.executions_needed = Some(needed.min(1e6) as usize);
    }
    statistics.floor = Some(floor);
    Judged { word, statistics }
}

/// Where there is no ratio.
fn by_difference(quantity: Quantity, statistics: &Statistics) -> Word {
    let difference = statistics.new_median - statistics.base_median;
    match quantity {
        Quantity::Time => Word::NotJudged,
        _ if difference.abs() > MIB => Word::of(quantity, difference),
        _ => Word::NoChange,
    }
}

/// Logarithms, in which a ratio is a difference.
enum Logs {
    Pairs {
        differences: Vec<f64>,
        /// Base and new, without what both have.
        level: (Vec<f64>, Vec<f64>),
    },
    Apart {
        base: Vec<f64>,
        new: Vec<f64>,
    },
}

impl Logs {
    /// `None` where a value is not above 0, or there is none.
    fn of(values: Values<'_>) -> Option<Logs> {
        let (base, new) = values.parted();
        let log = |values: Vec<f64>| -> Option<Vec<f64>> {
            let log = |value: f64| (value.is_finite() && value > 0.0).then(|| value.ln());
            let logs: Option<Vec<f64>> = values.into_iter().map(log).collect();
            logs.filter(|logs| !logs.is_empty())
        };
        let (base, new) = (log(base)?, log(new)?);
        Some(match values {
            Values::Apart(..) => Logs::Apart { base, new },
            Values::Pairs(_) => Logs::Pairs {
                differences: base.iter().zip(&new).map(|(a, b)| b - a).collect(),
                level: drift::without(&base, &new),
            },
        })
    }

    fn change(&self, name: &str, resamples: u32) -> Ratio {
        let mut random = resample::Random::of(name);
        let (value, ends) = match self {
            Logs::Pairs { differences, .. } => {
                resample::of_median(differences, SHOWN_LEVEL, resamples, &mut random)
            }
            Logs::Apart { base, new } => {
                resample::of_medians(base, new, SHOWN_LEVEL, resamples, &mut random)
            }
        };
        Ratio::of_logs(value, ends, SHOWN_LEVEL)
    }

    /// Hodges and Lehmann's, and its interval.
    fn estimate(&self, alpha: f64) -> (f64, (f64, f64)) {
        match self {
            Logs::Pairs { level, .. } => interval::of(&level.0, &level.1, alpha),
            Logs::Apart { base, new } => interval::of(base, new, alpha),
        }
    }

    fn floor(&self, name: &str) -> Floor {
        let mut random = resample::Random::of(name);
        match self {
            Logs::Pairs { level, .. } => floor::of_pairs(&level.0, &level.1, &mut random),
            Logs::Apart { base, new } => floor::of_apart(base, new, &mut random),
        }
    }
}
