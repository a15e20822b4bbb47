//! What allocators hold beyond live blocks: kept, fragmented, rounded up.

use super::super::judge::{
    MATERIAL_BYTES, RESIDENT_TOLERANCE, TOLERATED, View, bytes, count, gave_back, ratio, slope,
};
use super::super::moment::Moment;
use super::super::trend::{Shape, Trend};
use crate::verdict::{Confidence, Evidence, Finding, Probe, Verdict};

/// `part` is at least so many tenths of `whole`.
fn is_tenths(part: i64, tenths: i64, whole: i64) -> bool {
    10 * part >= tenths * whole
}

pub(super) fn lazy(view: &View<'_>) -> Option<Finding> {
    let kept = view.last.jemalloc_kept;
    if kept < MATERIAL_BYTES || 20 * kept < view.last.rss {
        return None;
    }
    let trend = view.resident(|one| one.jemalloc_kept);
    let live = view.exact(|one| one.sqlite_live + one.rust_live);
    let mut evidence = vec![
        bytes("dirty and muzzy pages, resident", kept),
        ratio("of resident", kept, view.last.rss),
    ];
    evidence.extend(slope("dirty and muzzy pages, slope", &trend));
    evidence.extend(slope("live, slope", &live));
    let probed = view.probe(Probe::Purge);
    let confidence = match probed.map(|one| (one.before.jemalloc_kept, one.after.jemalloc_kept)) {
        None => Confidence::Medium,
        Some((before, after)) if is_tenths(before - after, 8, before) => Confidence::High,
        Some(_) => Confidence::Low,
    };
    Some(Finding {
        verdict: Verdict::LazyReturn,
        bytes: kept,
        confidence,
        terms: vec!["unreturned".into()],
        evidence,
        detail: None,
        probe: probed.map(gave_back),
        statements: Vec::new(),
    })
}

/// Of glibc's free and resident bytes, those that a trim gives back and those that it cannot.
/// Without a trim nobody knows: all are taken for the former.
struct Trimmed {
    free: i64,
    given: i64,
    /// At most.
    left: i64,
    /// At least: what is left may be of blocks that the probes before the trim have freed.
    surely_left: i64,
    /// What the trim gave back of what it found.
    trim: Option<(i64, i64)>,
}

impl Trimmed {
    fn of(view: &View<'_>) -> Trimmed {
        let free = view.last.glibc_free.max(0);
        let trim = view.probe(Probe::Trim);
        let trim = trim.map(|one| (one.before.glibc_free.max(0), one.after.glibc_free.max(0)));
        let left = trim.map_or(0, |(_, after)| after.min(free));
        let freed_before = trim.map_or(0, |(before, _)| (before - free).max(0));
        Trimmed {
            free,
            given: free - left,
            left,
            surely_left: (left - freed_before).max(0),
            trim: trim.map(|(before, after)| (before - after, before)),
        }
    }

    /// Four fifths must come back, and by the trim: what had gone before it proves nothing.
    fn retained(&self) -> Confidence {
        let Some((gave, found)) = self.trim else {
            return Confidence::Medium;
        };
        let gives =
            |tenths| is_tenths(self.given, tenths, self.free) && is_tenths(gave, tenths, found);
        if gives(8) {
            Confidence::High
        } else if gives(5) || is_tenths(self.free - self.surely_left, 8, self.free) {
            Confidence::Medium
        } else {
            Confidence::Low
        }
    }
}

pub(super) fn retention(view: &View<'_>) -> Option<Finding> {
    let trimmed = Trimmed::of(view);
    let Trimmed { given, left, .. } = trimmed;
    // What was free before anything was done is nothing that SQLite has freed.
    let grown = (view.series.baseline.as_ref()).map(|_| view.grown(|one| one.glibc_free));
    if given.min(grown.unwrap_or(given)) < MATERIAL_BYTES || 4 * given < left {
        return None;
    }
    let trend = view.resident(|one| one.glibc_free);
    Some(Finding {
        verdict: Verdict::AllocatorRetention,
        bytes: given,
        confidence: trimmed.retained(),
        terms: vec!["allocator free but resident".into()],
        evidence: retained(view, &trimmed, &trend),
        detail: steps_or_slope(view, &trend),
        probe: view.probe(Probe::Trim).map(gave_back),
        statements: Vec::new(),
    })
}

fn retained(view: &View<'_>, trimmed: &Trimmed, trend: &Trend) -> Vec<Evidence> {
    let live = view.exact(|one| one.sqlite_live);
    let mut evidence = vec![
        bytes(
            "free but resident, growth",
            view.grown(|one| one.glibc_free),
        ),
        bytes(
            "sqlite live, from the first reading to the last",
            view.change(|one| one.sqlite_live),
        ),
        count("steps up", rises(view)),
    ];
    evidence.extend(slope("free but resident, slope", trend));
    evidence.extend(slope("sqlite live, slope", &live));
    if let (Some(first), Some(last)) = (view.first.glibc_arenas, view.last.glibc_arenas) {
        evidence.push(count("arenas, at first", first as i64));
        evidence.push(count("arenas, at the end", last as i64));
    }
    let tried = trimmed.trim.map(|_| (trimmed.given, trimmed.free));
    evidence.extend(
        tried.map(|(given, free)| ratio("a trim gives back, of what is free", given, free)),
    );
    evidence
}

/// Rises between two neighbours, each by itself: threads that come in successive cycles are as many
/// rises.
fn rises(view: &View<'_>) -> i64 {
    let free = |one: &Moment| one.glibc_free as f64;
    let most = view.moments.iter().map(free).fold(0.0, f64::max);
    let tolerance = RESIDENT_TOLERANCE.max(TOLERATED * most);
    let pairs = view.moments.windows(2);
    let up = pairs.filter(|two| free(&two[1]) - free(&two[0]) > tolerance);
    up.count() as i64
}

fn steps_or_slope(view: &View<'_>, trend: &Trend) -> Option<String> {
    let from = trend.plateau.and_then(|rest| view.moments.get(rest.from));
    match (trend.shape, from) {
        (Shape::Plateau, Some(from)) if trend.change() > 0.0 => Some(format!(
            "flat since {} {}: a step for each arena that frees, and no slope",
            view.series.per.name(),
            from.at
        )),
        (Shape::Rising, _) => Some("it still rises".into()),
        (Shape::Steps, _) if trend.change() > 0.0 => {
            Some("it goes up in steps, and the last is too near to say that they end".into())
        }
        _ => None,
    }
}

/// The blocks that live in glibc's heaps, as reserved.
fn glibc_reserved(one: &Moment) -> i64 {
    let sqlite = one.sqlite_live + one.sqlite_header + one.sqlite_rounding;
    let all = sqlite + one.rust_live + one.rust_rounding + one.other_c_live;
    (all - one.jemalloc_reserved).max(0)
}

/// One heap's free slots, and what they rest on.
struct Slots {
    bytes: i64,
    term: &'static str,
    evidence: Vec<Evidence>,
    confidence: Confidence,
    probe: Option<crate::verdict::GaveBack>,
}

/// Material, and more than a tenth of what is in use.
fn is_fragmented(free: i64, reserved: i64) -> bool {
    free >= MATERIAL_BYTES && 10 * free > reserved
}

fn slots_of_jemalloc(view: &View<'_>) -> Option<Slots> {
    // A large block has a pad page that is never touched: no slot that anybody misses.
    let slots_at = |one: &Moment| (one.jemalloc_fragmentation + one.jemalloc_untouched).max(0);
    let (slots, reserved) = (slots_at(&view.last), view.last.jemalloc_reserved);
    let probed = view.probe(Probe::Purge);
    is_fragmented(slots, reserved).then(|| Slots {
        bytes: slots,
        term: "fragmentation",
        evidence: vec![
            bytes("free slots in jemalloc's slabs, resident", slots),
            ratio("active / allocated", slots + reserved, reserved),
        ],
        confidence: match probed.map(|one| (slots_at(&one.before), slots_at(&one.after))) {
            None => Confidence::Medium,
            Some((before, after)) if is_tenths(after, 8, before) => Confidence::High,
            Some(_) => Confidence::Low,
        },
        probe: probed.map(gave_back),
    })
}

fn slots_of_glibc(view: &View<'_>) -> Option<Slots> {
    let trimmed = Trimmed::of(view);
    let (left, free) = (trimmed.left, trimmed.free);
    let reserved = glibc_reserved(&view.last);
    is_fragmented(left, reserved).then(|| Slots {
        bytes: left,
        term: "allocator free but resident",
        evidence: vec![
            bytes("free but resident after a trim", left),
            ratio("heap / in use", left + reserved, reserved),
            ratio("a trim gives back, of what is free", free - left, free),
        ],
        confidence: match is_fragmented(trimmed.surely_left, reserved) {
            true => Confidence::High,
            false => Confidence::Medium,
        },
        probe: view.probe(Probe::Trim).map(gave_back),
    })
}

pub(super) fn fragmentation(view: &View<'_>) -> Option<Finding> {
    let heaps = [slots_of_jemalloc(view), slots_of_glibc(view)];
    let heaps: Vec<Slots> = heaps.into_iter().flatten().collect();
    Some(Finding {
        verdict: Verdict::Fragmentation,
        bytes: heaps.iter().map(|one| one.bytes).sum(),
        confidence: heaps.iter().map(|one| one.confidence).min()?,
        terms: heaps.iter().map(|one| one.term.into()).collect(),
        probe: heaps.iter().find_map(|one| one.probe),
        evidence: heaps.into_iter().flat_map(|one| one.evidence).collect(),
        detail: None,
        statements: Vec::new(),
    })
}

/// What size classes take, of SQLite's blocks and of Rust's.
pub(super) fn waste(view: &View<'_>) -> Option<Finding> {
    let Moment {
        sqlite_live,
        sqlite_blocks,
        sqlite_rounding,
        rust_live,
        rust_rounding,
        ..
    } = view.last;
    let wasted = |rounding: i64, live: i64| live >= MATERIAL_BYTES && 10 * rounding > live;
    let mut evidence = Vec::new();
    let mut terms = Vec::new();
    let mut held = 0;
    if wasted(sqlite_rounding, sqlite_live) {
        evidence.push(bytes("sqlite rounding", sqlite_rounding));
        evidence.push(ratio("of sqlite live", sqlite_rounding, sqlite_live));
        evidence.push(bytes(
            "a block of SQLite's, on average",
            sqlite_live / sqlite_blocks.max(1),
        ));
        terms.push("sqlite rounding".into());
        held += sqlite_rounding;
    }
    if wasted(rust_rounding, rust_live) {
        evidence.push(bytes("rust rounding", rust_rounding));
        evidence.push(ratio("of rust live", rust_rounding, rust_live));
        terms.push("rust rounding".into());
        held += rust_rounding;
    }
    (held > 0).then(|| Finding {
        verdict: Verdict::SizeClassWaste,
        bytes: held,
        // The allocator's own word on each block.
        confidence: Confidence::High,
        terms,
        evidence,
        detail: None,
        probe: None,
        statements: Vec::new(),
    })
}
