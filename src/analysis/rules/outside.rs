//! What is not SQLite's: Rust, other C code, files, stacks.

use super::super::judge::{
    EXACT_BYTES, MATERIAL_BYTES, Number, View, bytes, count, gave_back, slope,
};
use super::only_jumps_up;
use crate::verdict::{Confidence, Finding, Probe, Verdict};

pub(super) fn rust(view: &View<'_>) -> Option<Finding> {
    let trend = view.exact(|one| one.rust_live);
    let grown = view.change(|one| one.rust_live);
    // A vector that is only ever pushed to grows in jumps.
    let certain = trend.is_rising();
    if grown < EXACT_BYTES || !(certain || only_jumps_up(&trend)) {
        return None;
    }
    let sqlite = view.exact(|one| one.sqlite_live);
    let mut evidence = vec![bytes("rust live, growth", grown)];
    evidence.extend(slope("rust live, slope", &trend));
    evidence.push(count(
        "rust blocks, growth",
        view.change(|one| one.rust_blocks),
    ));
    evidence.extend(slope("sqlite live, slope", &sqlite));
    let closed = view.probe(Probe::Close);
    // What closing SQLite gives back was of its bindings.
    let stays = closed.map(|one| 2 * (one.after.rust_live - view.first.rust_live) >= grown);
    Some(Finding {
        verdict: Verdict::RustLeak,
        bytes: grown,
        confidence: match (stays, certain) {
            (Some(true), true) => Confidence::High,
            (None, true) | (Some(true), false) => Confidence::Medium,
            (None, false) | (Some(false), _) => Confidence::Low,
        },
        terms: vec!["rust live".into()],
        evidence,
        detail: Some("a build with the feature dhat-heap says where it was allocated".into()),
        probe: closed.map(gave_back),
        statements: Vec::new(),
    })
}

pub(super) fn other_c(view: &View<'_>) -> Option<Finding> {
    let trend = view.resident(|one| one.other_c_live);
    let grown = view.change(|one| one.other_c_live);
    if !trend.is_rising() || grown < MATERIAL_BYTES {
        return None;
    }
    let mut evidence = vec![bytes("other C code's live, growth", grown)];
    evidence.extend(slope("other C code's live, slope", &trend));
    Some(Finding {
        verdict: Verdict::OtherCLeak,
        bytes: grown,
        confidence: Confidence::Medium,
        terms: vec!["other_c live".into()],
        evidence,
        detail: None,
        probe: None,
        statements: Vec::new(),
    })
}

pub(super) fn files(view: &View<'_>) -> Option<Finding> {
    let held = level(view, |one| one.mapped_files + one.wal_index)?;
    let anonymous = view.resident(|one| one.anonymous);
    let mut evidence = vec![
        bytes("pages of mapped files", view.last.mapped_files),
        bytes("the WAL's index", view.last.wal_index),
    ];
    evidence.extend(slope("anonymous, slope", &anonymous));
    Some(Finding {
        verdict: Verdict::FilePages,
        bytes: held,
        // The kernel's own word on each mapping.
        confidence: Confidence::High,
        terms: vec!["files mapped".into(), "files wal index".into()],
        evidence,
        detail: Some("PRAGMA mmap_size = 0 reads through the page cache instead".into()),
        probe: view.probe(Probe::Close).map(gave_back),
        statements: Vec::new(),
    })
}

pub(super) fn stacks(view: &View<'_>) -> Option<Finding> {
    let held = level(view, |one| one.stacks)?;
    let trend = view.resident(|one| one.stacks);
    let mut evidence = vec![bytes("stacks, at the end", view.last.stacks)];
    evidence.extend(slope("stacks, slope", &trend));
    Some(Finding {
        verdict: Verdict::ThreadStacks,
        bytes: held,
        confidence: Confidence::High,
        terms: vec!["stacks threads".into()],
        evidence,
        detail: None,
        probe: None,
        statements: Vec::new(),
    })
}

/// A level that has grown by enough since the baseline.
fn level(view: &View<'_>, number: Number) -> Option<i64> {
    (view.grown(number) >= MATERIAL_BYTES).then(|| number(&view.last))
}
