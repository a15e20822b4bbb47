//! A run for other programs: services that keep measurements, and dashboards. Each format is made of the
//! same [`measures`].

pub mod bmf;
pub mod github;
pub mod measures;
pub mod prometheus;

use serde_json::{Number, Value};

use super::gathered::Gathered;

/// Of the scenarios that [`bmf`] and [`github`] leave out, because services compare what they are given:
/// which, and why.
pub fn left_out(run: &Gathered) -> Vec<String> {
    let all = measures::of(run);
    let why = all.iter().filter_map(|one| {
        let why = one.incomparable()?;
        Some(format!("{} is left out: {why}", one.name()))
    });
    why.collect()
}

/// Whole where it is.
fn number(value: f64) -> Value {
    /// Doubles are exact up to here.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        return Value::Number(Number::from(value as i64));
    }
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}
