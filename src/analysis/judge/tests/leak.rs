//! Leaks of SQLite's blocks, and what looks like one.

use super::made::{KIB, MIB, Made, buffers, close, evidence, memory, pages, statements};
use crate::analysis::Moment;
use crate::verdict::Verdict::{DatabaseInMemory, PageCache, SqliteLeak, Steady};
use crate::verdict::{Confidence, Probe};

/// Connections that nobody knows of, each with a small cache.
fn orphans(one: &mut Moment, count: i64) {
    one.page_cache += 40 * KIB * count;
    buffers(one, 60 * KIB * count, 30 * count);
}

fn detail(made: &Made) -> String {
    made.finding(SqliteLeak).detail.unwrap_or_default()
}

#[test]
fn statements_that_are_never_finalized_are_a_leak_of_statements() {
    let made = Made::insert().each(|cycle, one| statements(one, 2 * MIB * cycle, 1000 * cycle));
    assert_eq!(made.verdicts(), [SqliteLeak]);
    let found = made.finding(SqliteLeak);
    assert_eq!(
        (found.bytes, found.confidence),
        (40 * MIB, Confidence::Medium)
    );
    assert_eq!(
        evidence(&found, "statements not finalized, growth"),
        20_000.0
    );
    assert!(detail(&made).contains("never finalized"));
    let finalized =
        |bytes| (made.clone()).probe(Probe::Finalize, move |one| one.statements -= bytes);
    let by_bytes = [
        (40, Confidence::High),
        (31, Confidence::Medium),
        (1, Confidence::Low),
    ];
    for (mib, confidence) in by_bytes {
        assert_eq!(
            finalized(mib * MIB).confidence(SqliteLeak),
            confidence,
            "{mib}"
        );
    }
}

#[test]
fn page_caches_of_no_known_connection_are_a_leak_of_connections() {
    let made = Made::insert().each(|cycle, one| orphans(one, cycle));
    assert_eq!(made.verdicts(), [SqliteLeak]);
    assert_eq!(made.confidence(SqliteLeak), Confidence::Medium);
    assert!(detail(&made).contains("page caches that none of the known"));
    let stays = made.clone().probe(Probe::Close, |one| {
        let (cache, other) = (one.page_cache, one.other);
        close(one);
        (one.page_cache, one.other, one.sqlite_blocks) = (cache, other - 140 * KIB, 600);
    });
    assert_eq!(stays.confidence(SqliteLeak), Confidence::High);
    let goes = made.probe(Probe::Close, close);
    assert_eq!(goes.confidence(SqliteLeak), Confidence::Low);
    assert!(detail(&goes).contains("freed when the connections were closed"));
}

#[test]
fn open_files_that_rise_with_the_blocks_are_a_leak_of_connections() {
    let made = Made::insert().each(|cycle, one| {
        buffers(one, 150 * KIB * cycle, 60 * cycle);
        one.open_files += cycle;
    });
    assert!(detail(&made).contains("number of open files"));
}

#[test]
fn buffers_are_a_leak_and_closing_leaves_them() {
    let made = Made::insert().each(|cycle, one| buffers(one, 200 * KIB * cycle, cycle));
    assert_eq!(made.verdicts(), [SqliteLeak]);
    assert!(detail(&made).starts_with("buffers"));
    let stays = made.probe(Probe::Close, |one| {
        let kept = one.other - 140 * KIB;
        close(one);
        (one.other, one.sqlite_blocks) = (kept, 20);
    });
    assert_eq!(stays.confidence(SqliteLeak), Confidence::High);
    let found = stays.finding(SqliteLeak);
    assert_eq!(evidence(&found, "blocks left after that"), 20.0);
}

#[test]
fn fifty_kib_a_cycle_are_found_beside_a_database_of_550_mib_and_twenty_are_not() {
    let leak =
        |kib: i64| Made::snapshot().each(move |cycle, one| buffers(one, kib * KIB * cycle, cycle));
    assert_eq!(leak(50).verdicts(), [DatabaseInMemory, SqliteLeak]);
    assert_eq!(leak(20).verdicts(), [DatabaseInMemory]);
}

#[test]
fn a_leak_is_found_beside_a_page_cache_that_has_filled_and_one_that_shrinks() {
    let filled = Made::insert().each(|cycle, one| {
        pages(one, (cycle * 40).min(128) * MIB);
        buffers(one, 50 * KIB * cycle, cycle);
    });
    assert_eq!(filled.verdicts(), [PageCache, SqliteLeak]);
    let shrinks = Made::insert().each(|cycle, one| {
        pages(one, (60 - cycle) * MIB);
        buffers(one, 200 * KIB * cycle, cycle);
    });
    assert_eq!(shrinks.verdicts(), [PageCache, SqliteLeak]);
}

#[test]
fn a_leak_in_single_jumps_is_possible_and_no_more() {
    let made = Made::insert().each(|cycle, one| buffers(one, MIB * (cycle / 4), 9 * (cycle / 4)));
    assert_eq!(made.verdicts(), [SqliteLeak]);
    assert_eq!(made.confidence(SqliteLeak), Confidence::Low);
    let stays = made.probe(Probe::Close, |one| one.connections = 0);
    assert_eq!(stays.confidence(SqliteLeak), Confidence::Medium);
    let once = Made::insert().each(|cycle, one| buffers(one, 5 * MIB * (cycle / 16), cycle / 16));
    assert_eq!(once.verdicts(), [Steady]);
}

#[test]
fn caches_of_statements_and_schemas_that_fill_and_rest_are_no_leak() {
    let filling =
        Made::insert().each(|cycle, one| statements(one, 150 * KIB * cycle.min(8), cycle.min(8)));
    assert_eq!(filling.verdicts(), [Steady]);
    let schema = Made::insert().each(|cycle, one| {
        one.schema += 100 * KIB * cycle.min(6);
        one.sqlite_blocks += 30 * cycle.min(6);
    });
    assert_eq!(schema.verdicts(), [Steady]);
}

#[test]
fn one_block_that_grows_is_no_leak_of_blocks() {
    let made = Made::insert().each(|cycle, one| buffers(one, 200 * KIB * cycle, 0));
    assert_eq!(made.verdicts(), [Steady]);
}

#[test]
fn what_closing_every_connection_leaves_is_a_leak_though_it_does_not_grow() {
    let leaves = |bytes: i64| {
        let made = Made::insert().each(move |_, one| buffers(one, 2 * MIB, 2));
        made.probe(Probe::Close, move |one| {
            close(one);
            one.other = bytes;
        })
    };
    assert_eq!(leaves(2 * MIB).verdicts(), [SqliteLeak]);
    assert_eq!(leaves(2 * MIB).confidence(SqliteLeak), Confidence::Medium);
    assert_eq!(leaves(100 * KIB).verdicts(), [Steady]);
    // What a connection still holds is its own.
    let still_open = Made::insert().each(|_, one| buffers(one, 2 * MIB, 2));
    let still_open = still_open.probe(Probe::Close, |_| ());
    assert_eq!(still_open.verdicts(), [Steady]);
}

#[test]
fn caches_that_wrap_around_at_two_gib_are_no_orphans() {
    let made = Made::insert().each(|cycle, one| {
        memory(one, 1500 * MIB + 80 * MIB * cycle);
        let wrapped = one.known_page_cache as i32;
        (one.known_page_cache, one.memory_database) = (wrapped.into(), wrapped.into());
    });
    assert_eq!(made.verdicts(), [DatabaseInMemory]);
    let held = made.finding(DatabaseInMemory).bytes;
    assert!((held - 3100 * MIB).abs() < 20 * MIB, "{held}");
}

#[test]
fn orphans_are_not_found_in_the_slack_between_two_counters_of_one_cache() {
    // Pages of 512 bytes, the worst: a header is a larger part of them.
    let made = Made::insert().each(|cycle, one| {
        pages(one, 20 * MIB * cycle);
        one.known_page_cache -= one.known_page_cache / 45;
    });
    assert_eq!(made.verdicts(), [PageCache]);
}
