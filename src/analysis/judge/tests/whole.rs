//! A judgement as a whole: its order, its bounds, and that nothing makes it panic.

use proptest::prelude::*;

use super::made::{MIB, Made, buffers, memory, statements};
use crate::analysis::series::Probed;
use crate::analysis::{Facts, Moment, Per, Series, judge};
use crate::verdict::Verdict::{
    AllocatorRetention, DatabaseInMemory, FilePages, RustLeak, SqliteLeak, Steady,
};
use crate::verdict::{Confidence, Probe, Verdict};

/// SplitMix64, even from -1 to 1: the same numbers on every machine.
fn noise(seed: &mut u64) -> f64 {
    *seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *seed;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

#[test]
fn nothing_that_moves_is_steady() {
    assert_eq!(Made::insert().verdicts(), [Steady]);
    assert_eq!(Made::insert().confidence(Steady), Confidence::High);
}

#[test]
fn half_a_mib_of_noise_is_steady() {
    for mut seed in 0..100 {
        let made = Made::insert().each(|_, one| {
            one.unattributed = (noise(&mut seed) * 0.5 * MIB as f64) as i64;
        });
        assert_eq!(made.verdicts(), [Steady]);
    }
}

#[test]
fn several_at_once_come_largest_first() {
    let made = Made::insert().each(|cycle, one| {
        memory(one, 300 * MIB);
        buffers(one, 2 * MIB * cycle, 5 * cycle);
        one.rust_live += MIB * cycle;
        one.glibc_free = 30 * MIB * cycle.min(4);
        one.mapped_files = 80 * MIB;
    });
    let expected = [
        DatabaseInMemory,
        AllocatorRetention,
        FilePages,
        SqliteLeak,
        RustLeak,
    ];
    assert_eq!(made.verdicts(), expected);
}

#[test]
fn ten_cycles_are_enough_and_nine_are_too_few() {
    let leak = |cycles| Made::cycles(cycles).each(|cycle, one| buffers(one, MIB * cycle, cycle));
    assert_eq!(leak(10).verdicts(), [SqliteLeak]);
    let short = leak(9).judge();
    assert!(short.findings.is_empty());
    let none = short.none.unwrap_or_default();
    assert!(
        none.contains("9 cycles") && none.contains("at least 10"),
        "{none}"
    );
}

#[test]
fn ten_readings_with_a_block_each_are_enough() {
    let mut made = Made::cycles(9).each(|cycle, one| buffers(one, MIB * cycle, cycle));
    made.series.per = Per::Reading;
    assert_eq!(made.verdicts(), [SqliteLeak]);
}

#[test]
fn sizes_do_not_matter_where_thresholds_are_far() {
    let made = Made::snapshot().each(|cycle, one| {
        statements(one, 3 * MIB * cycle, 1000 * cycle);
        one.glibc_free = 50 * MIB * cycle.min(4);
        one.sqlite_rounding = 100 * MIB;
    });
    let made = made.probe(Probe::Trim, |one| one.glibc_free = 0);
    let expected = made.verdicts();
    assert_eq!(expected.len(), 4);
    for factor in [0.5, 2.0] {
        assert_eq!(made.clone().scaled(factor).verdicts(), expected, "{factor}");
    }
}

prop_compose! {
    /// Anything.
    fn moment(within: i64)(
        numbers in proptest::collection::vec(-within..=within, 30),
        arenas in any::<Option<u64>>(),
        at in any::<f64>(),
        small in any::<bool>(),
    ) -> Moment {
        let [rss, anonymous, unattributed, sqlite_live, sqlite_blocks, sqlite_header, sqlite_rounding,
            page_cache, schema, statements, other, connections, known_page_cache, memory_database,
            memdb_image, statement_count, cache_spills, rust_live, rust_blocks, rust_rounding,
            other_c_live, jemalloc_fragmentation, jemalloc_reserved, jemalloc_kept,
            jemalloc_untouched, glibc_free, stacks, mapped_files, wal_index, open_files]: [i64; 30] = numbers.try_into().unwrap();
        let connections = if small { connections.signum().abs() } else { connections };
        Moment {
            at, rss, anonymous, unattributed, sqlite_live, sqlite_blocks, sqlite_header,
            sqlite_rounding, page_cache, schema, statements, other, connections, known_page_cache,
            memory_database, memdb_image, statement_count, cache_spills, rust_live, rust_blocks,
            rust_rounding, other_c_live, jemalloc_fragmentation, jemalloc_reserved, jemalloc_kept,
            jemalloc_untouched, glibc_free, glibc_arenas: arenas, stacks, mapped_files, wal_index, open_files,
        }
    }
}

prop_compose! {
    fn series(within: i64)(
        moments in proptest::collection::vec(moment(within), 0..30),
        baseline in proptest::option::of(moment(within)),
        probes in proptest::collection::vec((0..6usize, moment(within), moment(within)), 0..6),
        allowance in proptest::option::of(-within..=within),
        spill_off in any::<Option<bool>>(),
        per in prop_oneof![Just(Per::Reading), Just(Per::Cycle), Just(Per::Row)],
        rising in any::<bool>(),
    ) -> Series {
        let probes = probes.into_iter().map(|(probe, before, after)| Probed {
            probe: Probe::ALL[probe],
            before,
            after,
            statements: Vec::new(),
        });
        let mut series = Series::default();
        series.baseline = baseline;
        series.probes = probes.collect();
        series.facts = Facts { cache_allowance_bytes: allowance, cache_spill_off: spill_off };
        series.per = per;
        let mut moments = moments;
        if rising {
            moments.sort_by_key(|one| one.sqlite_live);
        }
        for (at, moment) in moments.into_iter().enumerate() {
            let at = if rising { at as f64 } else { moment.at };
            series.push(Moment { at, ..moment });
        }
        series
    }
}

fn check(series: &Series) -> Result<(), TestCaseError> {
    let judgement = judge(series);
    let found: Vec<Verdict> = judgement.verdicts().collect();
    prop_assert_eq!(found.is_empty(), judgement.none.is_some());
    let sorted = judgement
        .findings
        .is_sorted_by(|one, next| one.bytes >= next.bytes);
    prop_assert!(sorted);
    for verdict in &found {
        let times = found.iter().filter(|one| *one == verdict).count();
        prop_assert_eq!(times, 1, "{}", verdict);
    }
    prop_assert!(!found.contains(&Steady) || found.len() == 1);
    Ok(())
}

proptest! {
    #[test]
    fn no_series_makes_it_panic(series in series(1_000_000_000_000_000)) {
        check(&series)?;
    }

    #[test]
    fn no_number_makes_it_panic(series in series(i64::MAX)) {
        check(&series)?;
    }
}
