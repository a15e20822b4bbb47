//! All rules over one series, and the questions that rules ask of it.

use super::moment::Moment;
use super::rules;
use super::series::{Per, Probed, Series};
use super::trend::{self, Trend};
use crate::verdict::{Evidence, GaveBack, Judgement, Probe, Unit};

/// Behind a ratio, a level or a growth of what is not counted exactly there must be so much.
pub(super) const MATERIAL_BYTES: i64 = 10 << 20;
/// Live bytes are counted exactly, so that less of them tells.
pub(super) const EXACT_BYTES: i64 = 512 << 10;
/// What a counter may go up and down by without a change.
pub(super) const EXACT_TOLERANCE: f64 = 128.0 * 1024.0;
/// The same for what the kernel counts in pages.
pub(super) const RESIDENT_TOLERANCE: f64 = 1024.0 * 1024.0;
/// The share of a number that counts as no change of it.
pub(super) const TOLERATED: f64 = 0.01;
/// How many more of something are no change.
const COUNT_TOLERANCE: f64 = 4.0;

/// A series, with the questions that rules ask of it.
pub(super) struct View<'a> {
    pub series: &'a Series,
    pub moments: &'a [Moment],
    pub first: Moment,
    pub last: Moment,
}

/// How a number is read from a moment.
pub(super) type Number = fn(&Moment) -> i64;

impl<'a> View<'a> {
    fn new(series: &'a Series) -> Option<View<'a>> {
        View::over(series, series.moments())
    }

    fn over(series: &'a Series, moments: &'a [Moment]) -> Option<View<'a>> {
        let (first, last) = (moments.first()?, moments.last()?);
        Some(View {
            series,
            moments,
            first: *first,
            last: *last,
        })
    }

    /// Of a number that is counted exactly.
    pub fn exact(&self, number: Number) -> Trend {
        self.trend(number, EXACT_TOLERANCE)
    }

    /// Of a number that the kernel counts in pages.
    pub fn resident(&self, number: Number) -> Trend {
        self.trend(number, RESIDENT_TOLERANCE)
    }

    /// Of how many there are of something. One is one, however many there are already.
    pub fn count(&self, number: Number) -> Trend {
        self.within(number, COUNT_TOLERANCE)
    }

    fn trend(&self, number: Number, tolerance: f64) -> Trend {
        let largest = self.moments.iter().map(|one| number(one).abs()).max();
        let largest = largest.unwrap_or(0) as f64;
        self.within(number, tolerance.max(TOLERATED * largest))
    }

    /// Of a number that may go up and down by `tolerance`, however large it is.
    pub fn within(&self, number: impl Fn(&Moment) -> i64, tolerance: f64) -> Trend {
        let points = self.moments.iter();
        let points: Vec<_> = points.map(|one| (one.at, number(one) as f64)).collect();
        Trend::of(&points, tolerance)
    }

    /// The same from the moment with this index, if enough moments are left to be judged.
    pub fn since(&self, from: usize) -> Option<View<'a>> {
        let left = self.moments.get(from..)?;
        View::over(self.series, left).filter(|_| left.len() >= trend::FEWEST)
    }

    /// The last less the first.
    pub fn change(&self, number: Number) -> i64 {
        number(&self.last) - number(&self.first)
    }

    /// The most less the least.
    pub fn range(&self, number: Number) -> i64 {
        let numbers = || self.moments.iter().map(number);
        numbers().max().unwrap_or(0) - numbers().min().unwrap_or(0)
    }

    /// The most of a number, the baseline not among them.
    pub fn most(&self, number: Number) -> i64 {
        self.moments.iter().map(number).max().unwrap_or(0)
    }

    /// Since the baseline, or since the first moment where there is none.
    pub fn grown(&self, number: Number) -> i64 {
        let baseline = self.series.baseline.as_ref().unwrap_or(&self.first);
        number(&self.last) - number(baseline)
    }

    pub fn probe(&self, probe: Probe) -> Option<&'a Probed> {
        self.series.probe(probe)
    }
}

/// What a probe gave back.
pub(super) fn gave_back(probed: &Probed) -> GaveBack {
    let Probed { before, after, .. } = probed;
    GaveBack {
        probe: probed.probe,
        rss_bytes: before.rss - after.rss,
        sqlite_live_bytes: before.sqlite_live - after.sqlite_live,
        sqlite_blocks: before.sqlite_blocks - after.sqlite_blocks,
        page_cache_bytes: before.page_cache - after.page_cache,
    }
}

/// Evidence in bytes.
pub(super) fn bytes(what: &'static str, value: i64) -> Evidence {
    number(what, value as f64, Unit::Bytes)
}

/// Evidence that counts something.
pub(super) fn count(what: &'static str, value: i64) -> Evidence {
    number(what, value as f64, Unit::Count)
}

/// Evidence that is a part of something.
pub(super) fn ratio(what: &'static str, part: i64, whole: i64) -> Evidence {
    let value = match whole {
        0 => 0.0,
        whole => part as f64 / whole as f64,
    };
    number(what, value, Unit::Ratio)
}

/// Evidence that is a slope in bytes; none where there is no slope.
pub(super) fn slope(what: &'static str, trend: &Trend) -> Option<Evidence> {
    slope_in(what, trend, Unit::BytesPer)
}

/// The same of how many there are of something.
pub(super) fn count_slope(what: &'static str, trend: &Trend) -> Option<Evidence> {
    slope_in(what, trend, Unit::CountPer)
}

fn slope_in(what: &'static str, trend: &Trend, unit: Unit) -> Option<Evidence> {
    let slope = trend.slope.as_ref()?;
    Some(Evidence {
        interval: Some((slope.low, slope.high)),
        ..number(what, slope.per_x, unit)
    })
}

fn number(what: &'static str, value: f64, unit: Unit) -> Evidence {
    Evidence {
        what: what.into(),
        value,
        unit,
        interval: None,
    }
}

/// What `series` shows.
///
/// Several verdicts may hold at once; they come largest first. Where none does it is
/// [`Steady`](crate::verdict::Verdict::Steady), or [`Unexplained`](crate::verdict::Verdict::Unexplained)
/// where RSS rises all the same. A series that is too short has no verdict, and [`Judgement::none`]
/// says so.
pub fn judge(series: &Series) -> Judgement {
    let series = &series.sound();
    let probes = series.probes.iter().map(gave_back).collect();
    let readings = series.moments().len();
    let needed = series.fewest();
    let Some(view) = View::new(series).filter(|_| readings >= needed) else {
        return Judgement {
            none: Some(too_short(series, readings, needed)),
            per: series.per.name().into(),
            readings,
            probes,
            ..Judgement::default()
        };
    };
    let mut findings = rules::all(&view);
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.bytes));
    Judgement {
        findings,
        none: None,
        per: series.per.name().into(),
        readings,
        warm_up: trend::warm_up(readings),
        probes,
    }
}

fn too_short(series: &Series, readings: usize, needed: usize) -> String {
    let (each, found, needed) = match series.per {
        Per::Cycle => ("cycles", readings.saturating_sub(1), needed - 1),
        Per::Reading | Per::Row => ("readings", readings, needed),
    };
    format!("the series is too short: {found} {each}, and a verdict needs at least {needed}")
}

#[cfg(test)]
mod tests;
