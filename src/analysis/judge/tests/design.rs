//! What SQLite holds by design, and what pins it.

use super::made::{KIB, MIB, Made, buffers, close, memory, pages};
use crate::analysis::{Facts, Moment};
use crate::verdict::Verdict::{DatabaseInMemory, PageCache, PinnedDirtyPages, Steady};
use crate::verdict::{Confidence, Probe};

fn allowed(made: Made, mib: i64, spill_off: Option<bool>) -> Made {
    let mut made = made;
    made.series.facts = Facts {
        cache_allowance_bytes: Some(mib * MIB),
        cache_spill_off: spill_off,
    };
    made
}

fn filling(mib: i64) -> Made {
    Made::insert().each(move |cycle, one| pages(one, mib * MIB * cycle.min(8) / 8))
}

#[test]
fn page_cache_that_fills_to_its_bound_is_by_design() {
    for made in [filling(128), allowed(filling(128), 128, None)] {
        assert_eq!(made.verdicts(), [PageCache]);
        assert_eq!(made.confidence(PageCache), Confidence::Medium);
        let dropped = made.clone().probe(Probe::Shrink, |one| pages(one, 0));
        assert_eq!(dropped.confidence(PageCache), Confidence::High);
        let kept = made.probe(Probe::Shrink, |one| pages(one, 100 * MIB));
        assert_eq!(kept.confidence(PageCache), Confidence::Low);
    }
    let detail = |made: Made| made.finding(PageCache).detail.unwrap_or_default();
    assert_eq!(detail(allowed(filling(128), 128, None)), "it is full");
    assert!(detail(allowed(filling(64), 128, None)).starts_with("it is flat below"));
    assert_eq!(filling(9).verdicts(), [Steady]);
}

#[test]
fn page_cache_that_still_fills_is_no_leak() {
    let made = Made::insert().each(|cycle, one| pages(one, 20 * MIB * cycle));
    assert_eq!(made.verdicts(), [PageCache]);
    let detail = made.finding(PageCache).detail.unwrap_or_default();
    assert!(detail.starts_with("it still rises"), "{detail}");
}

#[test]
fn page_cache_of_connections_that_nobody_knows_is_by_design() {
    let made = Made::insert().each(|cycle, one| {
        pages(one, 16 * MIB * cycle.min(8));
        (one.connections, one.known_page_cache) = (0, 0);
    });
    assert_eq!(made.verdicts(), [PageCache]);
}

#[test]
fn database_in_memory_is_no_leak_whether_it_grows_or_not() {
    let still = Made::snapshot();
    assert_eq!(still.verdicts(), [DatabaseInMemory]);
    assert_eq!(still.confidence(DatabaseInMemory), Confidence::Medium);
    let grows = Made::insert().each(|cycle, one| memory(one, 30 * MIB * cycle));
    assert_eq!(grows.verdicts(), [DatabaseInMemory]);
    let detail = grows.finding(DatabaseInMemory).detail.unwrap_or_default();
    assert!(detail.starts_with("it grows"), "{detail}");
    let closed = still.clone().probe(Probe::Close, close);
    assert_eq!(closed.confidence(DatabaseInMemory), Confidence::High);
    let small = Made::insert().each(|_, one| memory(one, 9 * MIB));
    assert_eq!(small.verdicts(), [Steady]);
}

#[test]
fn database_in_memory_that_closing_does_not_free_is_doubted() {
    let made = Made::snapshot().probe(Probe::Close, |one| one.connections = 0);
    assert_eq!(made.confidence(DatabaseInMemory), Confidence::Low);
}

/// An image, which SQLite allocates in powers of two, but never in more than twice its size.
fn image(one: &mut Moment, bytes: i64) {
    let allocated = (bytes as u64).next_power_of_two() as i64;
    buffers(one, allocated, 1);
    // The rest of the block is not touched, so not resident: a term of the ledger, and below 0.
    one.other_c_live -= allocated - bytes;
    (one.memory_database, one.memdb_image) = (bytes, bytes);
}

#[test]
fn image_of_memdb_that_doubles_is_a_database_in_memory() {
    let grows = Made::insert().each(|cycle, one| image(one, (20 + 30 * cycle) * MIB));
    assert_eq!(grows.verdicts(), [DatabaseInMemory]);
    let doubles = Made::insert().each(|cycle, one| image(one, (20 * MIB) << (cycle / 4)));
    assert_eq!(doubles.verdicts(), [DatabaseInMemory]);
    let one_more_page =
        Made::insert().each(|cycle, one| image(one, 256 * MIB - 40 * KIB + 4 * KIB * cycle));
    assert_eq!(one_more_page.verdicts(), [DatabaseInMemory]);
}

#[test]
fn pages_above_cache_size_are_pinned_where_nothing_spills() {
    let made = allowed(filling(128), 8, Some(true));
    assert_eq!(made.verdicts(), [PinnedDirtyPages]);
    assert_eq!(made.confidence(PinnedDirtyPages), Confidence::Medium);
    let committed = made.clone().probe(Probe::Commit, |one| pages(one, 8 * MIB));
    assert_eq!(committed.confidence(PinnedDirtyPages), Confidence::High);
    let stays = made.probe(Probe::Commit, |_| ());
    assert_eq!(stays.confidence(PinnedDirtyPages), Confidence::Low);
    let spills = filling(128).each(|cycle, one| one.cache_spills = 10 * cycle);
    assert_eq!(
        allowed(spills, 8, None).confidence(PinnedDirtyPages),
        Confidence::Low
    );
    let may_spill = allowed(filling(128), 8, Some(false));
    assert_eq!(may_spill.confidence(PinnedDirtyPages), Confidence::Low);
}

#[test]
fn pages_above_an_unknown_cache_size_are_a_page_cache() {
    assert_eq!(filling(128).verdicts(), [PageCache]);
}

#[test]
fn pages_a_little_above_cache_size_are_not_pinned() {
    let within_ten_mib = allowed(filling(40), 31, Some(true));
    assert_eq!(within_ten_mib.verdicts(), [PageCache]);
    let within_a_twentieth = allowed(filling(420), 405, Some(true));
    assert_eq!(within_a_twentieth.verdicts(), [PageCache]);
}

#[test]
fn pages_that_a_commit_had_freed_before_the_probes_were_pinned() {
    let made = Made::insert()
        .each(|cycle, one| pages(one, if cycle % 2 == 1 { 128 * MIB } else { 8 * MIB }));
    let made = allowed(made, 8, Some(true));
    assert_eq!(made.confidence(PinnedDirtyPages), Confidence::High);
    let with_no_more_to_commit = made.probe(Probe::Commit, |_| ());
    assert_eq!(
        with_no_more_to_commit.confidence(PinnedDirtyPages),
        Confidence::High
    );
}
