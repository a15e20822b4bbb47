//! What allocators keep, and what they cannot give back.

use super::made::{MIB, Made, evidence, memory, pages};
use crate::verdict::Verdict::{
    AllocatorRetention, DatabaseInMemory, Fragmentation, LazyReturn, PageCache, SizeClassWaste,
    Steady,
};
use crate::verdict::{Confidence, Probe, Verdict};

/// A copy of a database a thread, freed in the thread's arena.
fn threads(most: i64) -> Made {
    Made::insert().each(move |cycle, one| {
        one.glibc_free = 110 * MIB * cycle.min(most);
        one.glibc_arenas = Some(2 + cycle.min(most) as u64);
    })
}

fn trim(made: Made, left_mib: i64) -> Made {
    made.probe(Probe::Trim, move |one| one.glibc_free = left_mib * MIB)
}

#[test]
fn steps_of_four_threads_are_retention_and_four_rises() {
    let made = threads(4);
    assert_eq!(made.verdicts(), [AllocatorRetention]);
    let found = made.finding(AllocatorRetention);
    assert_eq!(
        (found.bytes, found.confidence),
        (440 * MIB, Confidence::Medium)
    );
    assert_eq!(evidence(&found, "steps up"), 4.0);
    let detail = found.detail.unwrap_or_default();
    assert!(detail.starts_with("flat since cycle 4"), "{detail}");
}

#[test]
fn new_thread_every_cycle_is_retention_that_still_rises_and_nothing_else() {
    let made = threads(20);
    assert_eq!(made.verdicts(), [AllocatorRetention]);
    let found = made.finding(AllocatorRetention);
    assert_eq!(evidence(&found, "steps up"), 20.0);
    assert_eq!(found.detail.as_deref(), Some("it still rises"));
}

#[test]
fn steps_beside_a_database_in_memory_are_both() {
    let made = threads(4).each(|_, one| memory(one, 550 * MIB));
    assert_eq!(made.verdicts(), [DatabaseInMemory, AllocatorRetention]);
}

#[test]
fn trim_tells_retention_from_fragmentation() {
    let of = |left_percent: i64| trim(threads(4), 440 * left_percent / 100);
    assert_eq!(of(0).verdicts(), [AllocatorRetention]);
    assert_eq!(of(0).confidence(AllocatorRetention), Confidence::High);
    let mut half = of(50).verdicts();
    half.sort();
    assert_eq!(half, [AllocatorRetention, Fragmentation]);
    assert_eq!(of(50).confidence(AllocatorRetention), Confidence::Medium);
    assert_eq!(of(70).confidence(AllocatorRetention), Confidence::Low);
    assert_eq!(of(95).verdicts(), [Fragmentation]);
    assert_eq!(of(95).confidence(Fragmentation), Confidence::High);
}

#[test]
fn what_was_gone_before_the_trim_proves_nothing() {
    let shrunk = threads(4).probe(Probe::Shrink, |one| one.glibc_free = 40 * MIB);
    let trimmed = trim(shrunk, 40);
    assert_eq!(trimmed.confidence(AllocatorRetention), Confidence::Medium);
}

#[test]
fn what_other_probes_freed_before_the_trim_makes_the_rest_less_sure() {
    let made = threads(1).each(|_, one| pages(one, 300 * MIB));
    let shrunk = made.probe(Probe::Shrink, |one| {
        pages(one, 0);
        one.glibc_free += 300 * MIB;
    });
    let trimmed = trim(shrunk, 200);
    assert_eq!(trimmed.confidence(Fragmentation), Confidence::Medium);
}

#[test]
fn free_memory_below_ten_mib_or_from_before_is_no_retention() {
    let free = |mib: i64| Made::insert().each(move |_, one| one.glibc_free = mib * MIB);
    assert_eq!(free(9).verdicts(), [Steady]);
    assert_eq!(free(11).verdicts(), [AllocatorRetention]);
    let from_before = Made::insert().all(|one| one.glibc_free = 50 * MIB);
    assert_eq!(from_before.verdicts(), [Steady]);
}

/// SQLite in an arena of jemalloc's.
fn arena(kept: i64, slots: i64) -> Made {
    Made::insert().each(move |_, one| {
        pages(one, 100 * MIB);
        one.jemalloc_reserved = 101 * MIB;
        (one.jemalloc_kept, one.jemalloc_fragmentation) = (kept * MIB, slots * MIB);
    })
}

#[test]
fn dirty_pages_of_an_arena_return_late() {
    let made = arena(60, 0);
    assert_eq!(made.verdicts(), [PageCache, LazyReturn]);
    assert_eq!(made.confidence(LazyReturn), Confidence::Medium);
    let purge =
        |left: i64| (made.clone()).probe(Probe::Purge, move |one| one.jemalloc_kept = left * MIB);
    assert_eq!(purge(0).confidence(LazyReturn), Confidence::High);
    assert_eq!(purge(40).confidence(LazyReturn), Confidence::Low);
    assert_eq!(arena(9, 0).verdicts(), [PageCache]);
    let a_twentieth = Made::snapshot().each(|_, one| one.jemalloc_kept = 20 * MIB);
    assert_eq!(a_twentieth.verdicts(), [DatabaseInMemory]);
}

#[test]
fn free_slots_of_jemalloc_are_fragmentation_and_a_purge_leaves_them() {
    let made = arena(0, 30);
    assert_eq!(made.verdicts(), [PageCache, Fragmentation]);
    assert_eq!(made.confidence(Fragmentation), Confidence::Medium);
    let purge = |left: i64| {
        (made.clone()).probe(Probe::Purge, move |one| {
            one.jemalloc_fragmentation = left * MIB
        })
    };
    assert_eq!(purge(30).confidence(Fragmentation), Confidence::High);
    assert_eq!(purge(3).confidence(Fragmentation), Confidence::Low);
    assert_eq!(arena(0, 10).verdicts(), [PageCache]);
}

fn rounding(live_mib: i64, percent: i64) -> Vec<Verdict> {
    let made = Made::insert().each(move |_, one| {
        memory(one, live_mib * MIB);
        one.sqlite_rounding = live_mib * MIB * percent / 100;
    });
    made.verdicts()
}

#[test]
fn a_tenth_of_rounding_is_waste_with_ten_mib_behind_it() {
    assert_eq!(rounding(71, 17), [DatabaseInMemory, SizeClassWaste]);
    assert_eq!(rounding(47, 17), [DatabaseInMemory, SizeClassWaste]);
    assert_eq!(rounding(9, 17), [Steady]);
    assert_eq!(rounding(1250, 8), [DatabaseInMemory]);
}

#[test]
fn pad_pages_that_are_never_touched_are_no_free_slots() {
    let made = |untouched: i64| {
        Made::insert().each(move |_, one| {
            memory(one, 64 * MIB);
            one.jemalloc_reserved = 80 * MIB;
            one.jemalloc_fragmentation = 16 * MIB;
            one.jemalloc_untouched = untouched;
        })
    };
    assert_eq!(made(-15 * MIB).verdicts(), [DatabaseInMemory]);
    assert_eq!(made(0).verdicts(), [DatabaseInMemory, Fragmentation]);
}

#[test]
fn rounding_of_rust_is_waste_too() {
    let made = Made::insert().each(|_, one| {
        one.rust_live = 60 * MIB;
        one.rust_rounding = 12 * MIB;
    });
    let found = made.finding(SizeClassWaste);
    assert_eq!(
        (found.bytes, found.terms[0].as_ref()),
        (12 * MIB, "rust rounding")
    );
}
