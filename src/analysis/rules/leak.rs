//! SQLite's live bytes that rise beyond what SQLite holds by design, or that nobody frees.

use super::super::judge::{
    EXACT_BYTES, EXACT_TOLERANCE, View, bytes, count, count_slope, gave_back, slope,
};
use super::super::moment::Moment;
use super::super::series::Probed;
use super::super::trend::{Shape, Trend};
use super::{cache_slack, leakable, only_jumps_up, orphan_cache};
use crate::verdict::{Confidence, Evidence, Finding, Probe, Text, Verdict};

/// What leaks, by what has grown with it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaked {
    Statements,
    /// There are page caches that no known connection has.
    Connections,
    /// There are more open files.
    Files,
    Other,
}

/// How `leakable` has grown.
struct Growth {
    bytes: i64,
    trend: Trend,
    blocks: Trend,
    /// With a slope; else in single jumps.
    certain: bool,
}

pub(super) fn leak(view: &View<'_>) -> Option<Finding> {
    let found = |view: &View<'_>| Some(growing(view, Growth::of(view)?));
    found(view)
        .or_else(|| found(&at_rest(view)?))
        .or_else(|| left_open(view))
}

/// Since the page caches have come to rest: a small leak is not to be seen beside a great fill.
fn at_rest<'a>(view: &View<'a>) -> Option<View<'a>> {
    let held = view.exact(held);
    let rest = held.plateau.filter(|_| held.shape == Shape::Plateau)?;
    view.since(rest.from)
}

/// The page caches of known connections, and the images of memdb.
fn held(one: &Moment) -> i64 {
    one.page_cache - orphan_cache(one) + one.memdb_image
}

/// What comes and goes with what SQLite holds, and is in no counter of it. memdb allocates up to
/// twice its image.
fn allowance(view: &View<'_>) -> i64 {
    let images = match view.range(|one| one.memdb_image) as f64 > EXACT_TOLERANCE {
        true => view.most(|one| one.memdb_image),
        false => 0,
    };
    cache_slack(view) + images
}

impl Growth {
    fn of(view: &View<'_>) -> Option<Growth> {
        let allowed = allowance(view);
        let trend = view.within(leakable, EXACT_TOLERANCE + allowed as f64);
        let blocks = view.count(|one| one.sqlite_blocks);
        // Pages are blocks: where their number falls, the number of all tells nothing.
        let silent = view.exact(|one| one.page_cache).shape == Shape::Falling;
        let certain = trend.is_rising() && (blocks.is_rising() || silent);
        let more_blocks = blocks.is_rising() || only_jumps_up(&blocks) || silent;
        let possible = only_jumps_up(&trend) && more_blocks;
        let bytes = view.change(leakable);
        (bytes >= EXACT_BYTES + allowed && (certain || possible)).then_some(Growth {
            bytes,
            trend,
            blocks,
            certain,
        })
    }
}

fn what(view: &View<'_>, grown: i64) -> Leaked {
    if 2 * view.change(|one| one.statements) >= grown {
        Leaked::Statements
    } else if 4 * view.change(orphan_cache) >= grown {
        Leaked::Connections
    } else if view.count(|one| one.open_files).is_rising() {
        Leaked::Files
    } else {
        Leaked::Other
    }
}

fn growing(view: &View<'_>, growth: Growth) -> Finding {
    let grown = growth.bytes;
    let leaked = what(view, grown);
    let closed = view.probe(Probe::Close);
    let finalized = view.probe(Probe::Finalize);
    let probed = match leaked {
        Leaked::Statements => finalized,
        _ => closed,
    };
    let confidence = match leaked {
        Leaked::Statements => finalized.map_or(Confidence::Medium, |one| by_finalize(one, grown)),
        _ => match closed.map(|closed| 2 * left(closed) >= grown) {
            None => Confidence::Medium,
            Some(true) => Confidence::High,
            Some(false) => Confidence::Low,
        },
    };
    Finding {
        verdict: Verdict::SqliteLeak,
        bytes: grown,
        confidence: match (growth.certain, confidence) {
            (true, confidence) => confidence,
            (false, Confidence::High) => Confidence::Medium,
            (false, _) => Confidence::Low,
        },
        terms: terms(leaked),
        evidence: evidence(view, &growth, closed),
        detail: Some(detail(leaked, grown, closed).into()),
        probe: probed.map(gave_back),
        statements: finalized
            .map(|one| one.statements.clone())
            .unwrap_or_default(),
    }
}

/// Finalizing must give the growth back; statements may be half of it only.
fn by_finalize(finalized: &Probed, grown: i64) -> Confidence {
    let back = gave_back(finalized).sqlite_live_bytes;
    if 10 * back >= 8 * grown {
        Confidence::High
    } else if 5 * back >= 2 * grown {
        Confidence::Medium
    } else {
        Confidence::Low
    }
}

/// What closing every known connection leaves of what no connection has a right to.
fn left(closed: &Probed) -> i64 {
    match closed.after.connections {
        0 => closed.after.sqlite_live,
        _ => leakable(&closed.after),
    }
}

fn evidence(view: &View<'_>, growth: &Growth, closed: Option<&Probed>) -> Vec<Evidence> {
    let mut evidence = vec![bytes("sqlite live beyond caches, growth", growth.bytes)];
    evidence.extend(slope("sqlite live beyond caches, slope", &growth.trend));
    let of = |number: fn(&Moment) -> i64| view.change(number);
    evidence.push(count("sqlite blocks, growth", of(|one| one.sqlite_blocks)));
    evidence.extend(count_slope("sqlite blocks, slope", &growth.blocks));
    evidence.push(bytes("statements, growth", of(|one| one.statements)));
    evidence.push(count(
        "statements not finalized, growth",
        of(|one| one.statement_count),
    ));
    evidence.push(bytes(
        "page caches of unknown connections, growth",
        of(orphan_cache),
    ));
    evidence.push(bytes(
        "sqlite other, growth",
        of(|one| one.other - one.memdb_image),
    ));
    let files = of(|one| one.open_files);
    evidence.extend((files != 0).then(|| count("open files, growth", files)));
    evidence.extend(closed.into_iter().flat_map(after_close));
    evidence
}

fn after_close(closed: &Probed) -> [Evidence; 2] {
    let Moment {
        sqlite_live,
        sqlite_blocks,
        ..
    } = closed.after;
    [
        bytes("left after every known connection was closed", sqlite_live),
        count("blocks left after that", sqlite_blocks),
    ]
}

/// What does not grow, and is never freed either: closing must reach 0 bytes in 0 blocks.
fn left_open(view: &View<'_>) -> Option<Finding> {
    let closed = view.probe(Probe::Close)?;
    let left = closed.after.sqlite_live;
    // A connection that is known to be open still has a right to what it holds.
    (left >= EXACT_BYTES && closed.after.connections == 0).then(|| Finding {
        verdict: Verdict::SqliteLeak,
        bytes: left,
        confidence: Confidence::Medium,
        terms: vec!["sqlite live".into()],
        evidence: after_close(closed).into(),
        detail: Some("it does not rise steadily in this series, and nobody frees it".into()),
        probe: Some(gave_back(closed)),
        statements: Vec::new(),
    })
}

fn terms(leaked: Leaked) -> Vec<Text> {
    let terms: &[&'static str] = match leaked {
        Leaked::Statements => &["sqlite live", "sqlite statements"],
        Leaked::Connections => &["sqlite live", "sqlite page cache", "sqlite other"],
        Leaked::Files | Leaked::Other => &["sqlite live", "sqlite other"],
    };
    terms.iter().map(|term| (*term).into()).collect()
}

fn detail(leaked: Leaked, grown: i64, closed: Option<&Probed>) -> &'static str {
    let freed = closed.is_some_and(|closed| 2 * left(closed) < grown);
    match leaked {
        Leaked::Statements => "statements are prepared and never finalized",
        _ if freed => {
            "it was freed when the connections were closed: they hold it, and it is no pages of theirs"
        }
        Leaked::Connections => {
            "connections are opened and never closed: there are page caches that none of the known \
             connections has"
        }
        Leaked::Files => {
            "connections are opened and never closed: the number of open files rises with it"
        }
        Leaked::Other => {
            "buffers, backups or connections are never freed: no known connection has it"
        }
    }
}
