//! What SQLite holds by design: page caches, databases in memory, pinned pages.

use super::super::judge::{MATERIAL_BYTES, View, bytes, count, gave_back, ratio, slope};
use super::super::trend::{Shape, Trend};
use super::file_cache;
use crate::verdict::{Confidence, Finding, Probe, Verdict};

/// A bound that is missed by less is kept: page headers, and the pages that are in use.
const ALLOWANCE_SLACK: f64 = 1.05;

pub(super) fn page_cache(view: &View<'_>) -> Option<Finding> {
    let allowed = view.series.facts.cache_allowance_bytes;
    let level = match allowed {
        // What is above is pinned.
        Some(allowed) => file_cache(&view.last).min(allowed),
        None => file_cache(&view.last),
    };
    if level < MATERIAL_BYTES || view.grown(file_cache) < MATERIAL_BYTES {
        return None;
    }
    let trend = view.exact(file_cache);
    let mut evidence = vec![bytes(
        "page cache of files, at the end",
        file_cache(&view.last),
    )];
    evidence.extend(allowed.map(|allowed| bytes("cache_size allows", allowed)));
    evidence.push(count("connections", view.last.connections));
    evidence.extend(slope("page cache of files, slope", &trend));
    let probed = view.probe(Probe::Shrink);
    let confidence = match probed.map(gave_back) {
        None => Confidence::Medium,
        Some(back) if 10 * back.page_cache_bytes >= 8 * level => Confidence::High,
        Some(_) => Confidence::Low,
    };
    Some(Finding {
        verdict: Verdict::PageCache,
        bytes: level,
        confidence,
        terms: vec!["sqlite page cache".into()],
        evidence,
        detail: Some(ceiling(&trend, level, allowed)),
        probe: probed.map(gave_back),
        statements: Vec::new(),
    })
}

/// Whether the page cache has come to its end.
fn ceiling(trend: &Trend, level: i64, allowed: Option<i64>) -> String {
    let flat = matches!(trend.shape, Shape::Flat | Shape::Plateau | Shape::Falling);
    match allowed {
        Some(allowed) if 20 * level >= 19 * allowed => "it is full".into(),
        Some(_) if flat => "it is flat below its bound: the database is not larger".into(),
        Some(_) => "it still rises, and stops at its bound".into(),
        None if flat => "it is flat".into(),
        None => "it still rises; cache_size is not known, which bounds it".into(),
    }
}

pub(super) fn in_memory(view: &View<'_>) -> Option<Finding> {
    let level = view.last.memory_database;
    if level < MATERIAL_BYTES {
        return None;
    }
    let trend = view.exact(|one| one.memory_database);
    let mut evidence = vec![bytes("pages of in-memory databases, at the end", level)];
    evidence.push(ratio("of sqlite live", level, view.last.sqlite_live));
    evidence.extend(slope("pages of in-memory databases, slope", &trend));
    let closed = view.probe(Probe::Close);
    let confidence = match closed.map(gave_back) {
        None => Confidence::Medium,
        Some(back) if 10 * back.sqlite_live_bytes >= 8 * level => Confidence::High,
        Some(_) => Confidence::Low,
    };
    let detail = match trend.shape {
        Shape::Rising | Shape::Steps => "it grows, and nothing bounds it but what is inserted",
        _ => "it does not grow",
    };
    let term = match view.last.memdb_image {
        0 => "sqlite page cache",
        _ => "sqlite other",
    };
    Some(Finding {
        verdict: Verdict::DatabaseInMemory,
        bytes: level,
        confidence,
        terms: vec!["sqlite live".into(), term.into()],
        evidence,
        detail: Some(detail.into()),
        probe: closed.map(gave_back),
        statements: Vec::new(),
    })
}

pub(super) fn pinned(view: &View<'_>) -> Option<Finding> {
    let facts = &view.series.facts;
    let allowed = facts.cache_allowance_bytes?;
    let most = view.most(file_cache);
    let above = most - allowed;
    if above < MATERIAL_BYTES || (most as f64) < ALLOWANCE_SLACK * allowed as f64 {
        return None;
    }
    let spilled = view.most(|one| one.cache_spills) - view.first.cache_spills;
    let mut evidence = vec![
        bytes("page cache of files, at its most", most),
        bytes("cache_size allows", allowed),
        count("pages spilled", spilled),
    ];
    let spill = facts.cache_spill_off;
    evidence.extend(spill.map(|off| count("cache_spill", i64::from(!off))));
    let probed = view.probe(Probe::Commit);
    let confidence = match probed.map(gave_back) {
        _ if spilled != 0 || facts.cache_spill_off == Some(false) => Confidence::Low,
        // Committed before the probes: the last reading tells.
        _ if file_cache(&view.last) < most - above / 2 => Confidence::High,
        Some(back) if 2 * back.page_cache_bytes >= above => Confidence::High,
        Some(_) => Confidence::Low,
        None => Confidence::Medium,
    };
    Some(Finding {
        verdict: Verdict::PinnedDirtyPages,
        bytes: above,
        confidence,
        terms: vec!["sqlite page cache".into()],
        evidence,
        detail: None,
        probe: probed.map(gave_back),
        statements: Vec::new(),
    })
}
