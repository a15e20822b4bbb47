//! The bootstrap, and a generator of random numbers that gives the same ones for the same row.

use super::interval::median;

/// SplitMix64: small, and random enough to draw indices.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    /// FNV-1a over a row's name.
    pub(super) fn of(name: &str) -> Self {
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Random(name.bytes().fold(0xcbf2_9ce4_8422_2325, mix))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`, which is not 0 and not large.
    pub(super) fn below(&mut self, end: usize) -> usize {
        (((self.next() >> 32) * end as u64) >> 32) as usize
    }

    /// Each order as likely as any other.
    pub(super) fn shuffle(&mut self, values: &mut [f64]) {
        for at in (1..values.len()).rev() {
            let other = self.below(at + 1);
            values.swap(at, other);
        }
    }
}

fn draw(values: &[f64], into: &mut Vec<f64>, random: &mut Random) -> f64 {
    into.clear();
    into.extend((0..values.len()).map(|_| values[random.below(values.len())]));
    median(into)
}

/// The middle `level` of what was drawn.
fn ends(mut drawn: Vec<f64>, level: f64, value: f64) -> (f64, f64) {
    drawn.sort_by(f64::total_cmp);
    let Some(last) = drawn.len().checked_sub(1) else {
        return (value, value);
    };
    let outside = ((1.0 - level) / 2.0 * drawn.len() as f64) as usize;
    let (low, high) = (drawn[outside.min(last)], drawn[last - outside.min(last)]);
    (low.min(value), high.max(value))
}

/// The median, and its percentile interval.
pub(super) fn of_median(
    values: &[f64],
    level: f64,
    resamples: u32,
    random: &mut Random,
) -> (f64, (f64, f64)) {
    let value = median(&mut values.to_vec());
    let mut drawn = Vec::with_capacity(values.len());
    let medians = (0..resamples)
        .map(|_| draw(values, &mut drawn, random))
        .collect();
    (value, ends(medians, level, value))
}

/// The difference of two medians, and its percentile interval.
pub(super) fn of_medians(
    base: &[f64],
    new: &[f64],
    level: f64,
    resamples: u32,
    random: &mut Random,
) -> (f64, (f64, f64)) {
    let value = median(&mut new.to_vec()) - median(&mut base.to_vec());
    let mut drawn = Vec::with_capacity(base.len().max(new.len()));
    let mut difference = || draw(new, &mut drawn, random) - draw(base, &mut drawn, random);
    let differences = (0..resamples).map(|_| difference()).collect();
    (value, ends(differences, level, value))
}
