//! Fewer executions than a floor can be measured with: what may be said nevertheless.
//!
//! One execution says nothing of the next one, so that a time is called only where the change is larger
//! than executions of one program ever differ, [`TIME`], and what was measured inside of it says the
//! same all along. Bytes differ less, and those that the program counts not at all.

use super::{FEWEST_INSIDE, Judged, Logs, MIB, Quantity, Rule, Values, Word, describe};

/// A change of a time that is called without a floor.
pub const TIME: f64 = 0.25;
/// The same of resident bytes, with [`MIB`] behind it at least.
pub const RESIDENT: f64 = 0.05;

/// What is said of a row with fewer than [`FEWEST`](super::FEWEST) executions on a side. `inside` is what
/// was measured inside of executions: parts of a fill, or cycles.
pub fn judge(
    name: &str,
    quantity: Quantity,
    values: Values<'_>,
    inside: Option<Values<'_>>,
    rule: &Rule,
) -> Judged {
    let statistics = describe(name, values, rule.resamples);
    let difference = statistics.new_median - statistics.base_median;
    let Some(change) = statistics.change else {
        let word = super::by_difference(quantity, &statistics);
        return Judged { word, statistics };
    };
    let change = change.value.ln();
    let threshold = rule.threshold(quantity);
    let word = match quantity {
        Quantity::Time => match inside.and_then(|inside| inside_says(inside, rule)) {
            Some(says)
                if change.abs() > threshold.max(TIME.ln_1p())
                    && says.signum() == change.signum() =>
            {
                Word::of(quantity, change)
            }
            _ => Word::TooFew,
        },
        Quantity::Counted if change.abs() > threshold => Word::of(quantity, change),
        Quantity::ResidentBytes
            if change.abs() > threshold.max(RESIDENT.ln_1p()) && difference.abs() > MIB =>
        {
            Word::of(quantity, change)
        }
        Quantity::Counted | Quantity::ResidentBytes => Word::NoChange,
    };
    Judged { word, statistics }
}

/// The direction of a change that is beyond chance inside of the executions.
fn inside_says(inside: Values<'_>, rule: &Rule) -> Option<f64> {
    let (base, new) = inside.parted();
    if base.len().min(new.len()) < FEWEST_INSIDE {
        return None;
    }
    let (estimate, (low, high)) = Logs::of(inside)?.estimate(rule.alpha(Quantity::Time));
    (low > 0.0 || high < 0.0).then_some(estimate)
}
