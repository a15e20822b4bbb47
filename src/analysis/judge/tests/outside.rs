//! Rust, other C code, files, stacks, and what nobody explains.

use super::made::{KIB, MIB, Made, close, evidence};
use crate::verdict::Verdict::{FilePages, OtherCLeak, RustLeak, Steady, ThreadStacks, Unexplained};
use crate::verdict::{Confidence, Probe};

#[test]
fn rust_that_rises_is_a_leak_of_rust() {
    let leak = |kib: i64| Made::insert().each(move |cycle, one| one.rust_live += kib * KIB * cycle);
    assert_eq!(leak(200).verdicts(), [RustLeak]);
    assert_eq!(leak(200).confidence(RustLeak), Confidence::Medium);
    let stays = leak(200).probe(Probe::Close, close);
    assert_eq!(stays.confidence(RustLeak), Confidence::High);
    let goes = leak(200).probe(Probe::Close, |one| one.rust_live = 3 * MIB);
    assert_eq!(goes.confidence(RustLeak), Confidence::Low);
    assert_eq!(leak(20).verdicts(), [Steady]);
}

#[test]
fn rust_that_fills_and_rests_is_no_leak() {
    let made = Made::insert().each(|cycle, one| one.rust_live += 2 * MIB * cycle.min(6));
    assert_eq!(made.verdicts(), [Steady]);
}

#[test]
fn vector_that_doubles_may_be_a_leak_of_rust() {
    let made = Made::insert().each(|cycle, one| {
        let pushed = (MIB * (cycle + 1)) as u64;
        one.rust_live += pushed.next_power_of_two() as i64;
    });
    assert_eq!(made.confidence(RustLeak), Confidence::Low);
    let stays = made.probe(Probe::Close, close);
    assert_eq!(stays.confidence(RustLeak), Confidence::Medium);
}

#[test]
fn other_c_code_that_rises_leaks_from_ten_mib_on() {
    let leak =
        |kib: i64| Made::insert().each(move |cycle, one| one.other_c_live += kib * KIB * cycle);
    assert_eq!(leak(1024).verdicts(), [OtherCLeak]);
    assert_eq!(leak(1024).confidence(OtherCLeak), Confidence::Medium);
    assert_eq!(leak(450).verdicts(), [Steady]);
}

#[test]
fn mapped_files_are_pages_of_files() {
    let made = |mib: i64| Made::insert().each(move |_, one| one.mapped_files = mib * MIB);
    assert_eq!(made(200).verdicts(), [FilePages]);
    assert_eq!(made(200).confidence(FilePages), Confidence::High);
    assert_eq!(made(9).verdicts(), [Steady]);
    let index = Made::insert().each(|cycle, one| one.wal_index = MIB * cycle);
    assert_eq!(index.verdicts(), [FilePages]);
    let from_before = Made::insert().all(|one| one.mapped_files = 200 * MIB);
    assert_eq!(from_before.verdicts(), [Steady]);
}

#[test]
fn stacks_are_a_verdict_from_ten_mib_on() {
    let made = |kib: i64| Made::insert().each(move |cycle, one| one.stacks += kib * KIB * cycle);
    assert_eq!(made(1024).verdicts(), [ThreadStacks]);
    assert_eq!(made(400).verdicts(), [Steady]);
}

#[test]
fn bytes_of_no_term_are_unexplained_above_their_bound() {
    let made = |kib: i64| Made::insert().each(move |_, one| one.unattributed = kib * KIB);
    assert_eq!(made(1025).verdicts(), [Unexplained]);
    assert_eq!(made(1025).confidence(Unexplained), Confidence::Medium);
    assert_eq!(made(1000).verdicts(), [Steady]);
    let too_much = made(-5000).finding(Unexplained);
    assert!(
        too_much
            .detail
            .is_some_and(|text| text.contains("more than is resident"))
    );
    let once = Made::insert().each(|cycle, one| {
        one.unattributed = if cycle == 7 { 5 * MIB } else { 0 };
    });
    assert_eq!(once.confidence(Unexplained), Confidence::Low);
}

#[test]
fn growth_of_no_term_is_unexplained_once() {
    let made = Made::insert().each(|cycle, one| one.unattributed = 5 * MIB * cycle);
    assert_eq!(made.verdicts(), [Unexplained]);
    assert_eq!(made.finding(Unexplained).bytes, 100 * MIB);
}

#[test]
fn growth_without_a_verdict_is_unexplained_by_the_terms_that_grew() {
    let made = Made::insert().each(|cycle, one| {
        // One block that is reallocated, and slots of an arena that is not known.
        one.other += 2 * MIB * cycle;
        one.rust_rounding += 300 * KIB * cycle;
    });
    let found = made.finding(Unexplained);
    assert_eq!(found.terms, ["sqlite live", "rust rounding"]);
    assert_eq!(evidence(&found, "sqlite live"), (40 * MIB) as f64);
}

#[test]
fn growth_beside_a_level_that_is_explained_is_not() {
    let made = Made::snapshot().each(|cycle, one| one.other += 2 * MIB * cycle);
    let found = made.finding(Unexplained);
    assert_eq!(
        (found.bytes, found.terms[0].as_ref()),
        (40 * MIB, "sqlite live")
    );
}

#[test]
fn jumps_without_a_verdict_are_unexplained_too() {
    let made = Made::insert().each(|cycle, one| one.other += 20 * MIB * (cycle / 4));
    assert_eq!(made.verdicts(), [Unexplained]);
}
