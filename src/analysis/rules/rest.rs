//! What is left when no rule finds its verdict: growth without a name, or none at all.

use super::super::judge::{
    EXACT_BYTES, MATERIAL_BYTES, Number, RESIDENT_TOLERANCE, TOLERATED, View, bytes, slope,
};
use super::super::moment::Moment;
use super::super::trend::Shape;
use super::{cache_slack, file_cache, leakable, only_jumps_up};
use crate::memory::ledger::bound_bytes;
use crate::verdict::Verdict::{
    AllocatorRetention, DatabaseInMemory, FilePages, Fragmentation, LazyReturn, OtherCLeak,
    PageCache, PinnedDirtyPages, RustLeak, SizeClassWaste, SqliteLeak, ThreadStacks,
};
use crate::verdict::{Confidence, Finding, Verdict};

/// What is resident, in parts that have no byte in common, and the verdicts that explain each.
/// What grows with the live blocks around it is explained with them.
const EXPLAINED: [(Number, &[Verdict]); 11] = [
    (leakable, &[SqliteLeak]),
    (file_cache, &[PageCache, PinnedDirtyPages]),
    (|one| one.memory_database, &[DatabaseInMemory]),
    (
        |one| one.sqlite_header + one.sqlite_rounding,
        &[
            SqliteLeak,
            PageCache,
            PinnedDirtyPages,
            DatabaseInMemory,
            SizeClassWaste,
        ],
    ),
    (
        |one| one.jemalloc_fragmentation,
        &[
            SqliteLeak,
            PageCache,
            PinnedDirtyPages,
            DatabaseInMemory,
            RustLeak,
            OtherCLeak,
            Fragmentation,
        ],
    ),
    (|one| one.jemalloc_kept, &[LazyReturn]),
    (|one| one.glibc_free, &[AllocatorRetention, Fragmentation]),
    (|one| one.rust_live + one.rust_rounding, &[RustLeak]),
    (|one| one.other_c_live, &[OtherCLeak]),
    (|one| one.mapped_files + one.wal_index, &[FilePages]),
    (|one| one.stacks, &[ThreadStacks]),
];

/// Bytes that no term accounts for, and growth that none of `findings` is about.
pub(super) fn unexplained(view: &View<'_>, findings: &[Finding]) -> Option<Finding> {
    let of_no_term = unattributed(view);
    let found = |verdicts: &[Verdict]| findings.iter().any(|one| verdicts.contains(&one.verdict));
    let mut covered: Vec<Number> = (EXPLAINED.iter())
        .filter(|(_, verdicts)| found(verdicts))
        .map(|(number, _)| *number)
        .collect();
    if of_no_term.is_some() {
        covered.push(|one| one.unattributed);
    }
    let slack = match found(&[PageCache, PinnedDirtyPages, DatabaseInMemory]) {
        true => cache_slack(view),
        false => 0,
    };
    match (of_no_term, growth(view, &covered, slack)) {
        (Some(one), Some(other)) => Some(both(one, other)),
        (one, other) => one.or(other),
    }
}

/// There is one finding a verdict.
fn both(mut one: Finding, other: Finding) -> Finding {
    one.bytes += other.bytes;
    one.confidence = one.confidence.min(other.confidence);
    one.terms.extend(other.terms);
    one.evidence.extend(other.evidence);
    let details = [one.detail.take(), other.detail];
    let details: Vec<String> = details.into_iter().flatten().collect();
    one.detail = Some(details.join("; "));
    one
}

/// Bytes that nobody accounts for.
fn unattributed(view: &View<'_>) -> Option<Finding> {
    let over = |one: &&Moment| one.unattributed.abs() > bound_bytes(one.rss.unsigned_abs());
    let over: Vec<&Moment> = view.moments.iter().filter(over).collect();
    let worst = over.iter().max_by_key(|one| one.unattributed.abs())?;
    let detail = match worst.unattributed {
        ..0 => "the ledger's terms count more than is resident",
        _ => "memory was mapped that no term of the ledger is about",
    };
    Some(Finding {
        verdict: Verdict::Unexplained,
        bytes: worst.unattributed.abs(),
        // Once may be chance: a ledger is not taken in an instant.
        confidence: match over.len() {
            1 => Confidence::Low,
            _ => Confidence::Medium,
        },
        terms: vec!["unattributed".into()],
        evidence: vec![
            bytes("unattributed", worst.unattributed),
            bytes("its bound", bound_bytes(worst.rss.unsigned_abs())),
            bytes("resident", worst.rss),
        ],
        detail: Some(detail.into()),
        probe: None,
        statements: Vec::new(),
    })
}

/// Growth that no verdict is about, by the terms that grew. `slack` of it says nothing.
fn growth(view: &View<'_>, covered: &[Number], slack: i64) -> Option<Finding> {
    let left = |one: &Moment| one.rss - covered.iter().map(|number| number(one)).sum::<i64>();
    let tolerance = RESIDENT_TOLERANCE.max(2.0 * TOLERATED * view.last.rss as f64);
    let trend = view.within(left, tolerance + slack as f64);
    let change = left(&view.last) - left(&view.first);
    // What grew in the warm-up only has ended.
    let judged = view.moments.get(trend.warm_up).unwrap_or(&view.first);
    let since = left(&view.last) - left(judged);
    let rises = trend.shape == Shape::Rising || only_jumps_up(&trend);
    if !rises || since < MATERIAL_BYTES + slack {
        return None;
    }
    let mut grown: Vec<_> = (TERMS.iter())
        .map(|(name, number)| (*name, view.change(*number)))
        .filter(|(_, bytes)| *bytes > EXACT_BYTES)
        .collect();
    grown.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    grown.truncate(4);
    let mut evidence = vec![bytes("resident beyond the other verdicts, growth", change)];
    evidence.extend(slope("the same, slope", &trend));
    evidence.extend(grown.iter().map(|(name, grown)| bytes(name, *grown)));
    Some(Finding {
        verdict: Verdict::Unexplained,
        bytes: change,
        confidence: Confidence::Medium,
        terms: grown.iter().map(|(name, _)| (*name).into()).collect(),
        evidence,
        detail: Some(
            "it rises, and no other verdict is about it; the terms that grew are named".into(),
        ),
        probe: None,
        statements: Vec::new(),
    })
}

/// What can grow, by the ledger's own names.
const TERMS: [(&str, Number); 12] = [
    ("sqlite live", |one| one.sqlite_live),
    ("sqlite header", |one| one.sqlite_header),
    ("sqlite rounding", |one| one.sqlite_rounding),
    ("rust live", |one| one.rust_live),
    ("rust rounding", |one| one.rust_rounding),
    ("other_c live", |one| one.other_c_live),
    ("jemalloc fragmentation", |one| one.jemalloc_fragmentation),
    ("jemalloc unreturned", |one| one.jemalloc_kept),
    ("allocator free but resident", |one| one.glibc_free),
    ("stacks", |one| one.stacks),
    ("files mapped", |one| one.mapped_files),
    ("files wal index", |one| one.wal_index),
];

/// Nothing is found, and nothing rises.
pub(super) fn steady(view: &View<'_>) -> Finding {
    let rss = view.resident(|one| one.rss);
    let mut evidence = vec![bytes("resident, at the end", view.last.rss)];
    evidence.extend(slope("resident, slope", &rss));
    evidence.push(bytes(
        "resident, since the first reading",
        view.last.rss - view.first.rss,
    ));
    Finding {
        verdict: Verdict::Steady,
        bytes: 0,
        confidence: Confidence::High,
        terms: Vec::new(),
        evidence,
        detail: None,
        probe: None,
        statements: Vec::new(),
    }
}
