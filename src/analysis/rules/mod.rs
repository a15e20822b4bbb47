//! A rule a verdict: each looks at a series and finds its verdict, or does not.

mod allocator;
mod leak;
mod outside;
mod rest;
mod sqlite;

use super::judge::View;
use super::moment::Moment;
use super::trend::{Shape, Trend};
use crate::verdict::Finding;

type Rule = fn(&View<'_>) -> Option<Finding>;

/// No two of them find the same verdict.
const RULES: [Rule; 12] = [
    leak::leak,
    sqlite::page_cache,
    sqlite::in_memory,
    sqlite::pinned,
    allocator::lazy,
    allocator::retention,
    allocator::fragmentation,
    allocator::waste,
    outside::rust,
    outside::other_c,
    outside::files,
    outside::stacks,
];

/// What all rules find, in their order, and what is left when they have found theirs.
pub(super) fn all(view: &View<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = RULES.iter().filter_map(|rule| rule(view)).collect();
    findings.extend(rest::unexplained(view, &findings));
    if findings.is_empty() {
        findings.push(rest::steady(view));
    }
    findings
}

/// It rises now and then: at least three jumps up, none down, and flat between them. That may be a
/// leak too, but nobody saw a slope.
fn only_jumps_up(trend: &Trend) -> bool {
    let steps = &trend.steps;
    trend.shape == Shape::Steps && steps.len() >= 3 && steps.iter().all(|step| step.by > 0.0)
}

/// Page caches of databases in memory: these databases themselves.
fn memory_pages(one: &Moment) -> i64 {
    one.memory_database - one.memdb_image
}

/// Page caches of files, by SQLite's global counter where connections are not known.
fn file_cache(one: &Moment) -> i64 {
    match one.connections {
        0 => one.page_cache,
        _ => (one.known_page_cache - memory_pages(one)).max(0),
    }
}

/// Page caches that no known connection has.
fn orphan_cache(one: &Moment) -> i64 {
    match one.connections {
        0 => 0,
        _ => (one.page_cache - one.known_page_cache).max(0),
    }
}

/// Live bytes beyond those that SQLite holds by design.
fn leakable(one: &Moment) -> i64 {
    one.sqlite_live - (one.page_cache - orphan_cache(one)) - one.memdb_image
}

/// What comes and goes with page caches and is in no counter of theirs.
///
/// A cache's table of pages takes up to 16 bytes for each, and SQLite's two counters of page caches
/// do not agree on a page's size (4,360 and 4,376 bytes where it is 4 KiB).
fn cache_slack(view: &View<'_>) -> i64 {
    view.range(|one| one.page_cache - orphan_cache(one)) / 32
}
