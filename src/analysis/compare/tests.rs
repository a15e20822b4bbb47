//! Words by hand-made values.

use super::*;

fn rule() -> Rule {
    Rule {
        threshold: 0.03,
        threshold_bytes: 0.03,
        times: 4,
        sizes: 4,
        resamples: 2000,
    }
}

/// Values around `level` that no two are the same of, without a trend.
fn around(level: f64, count: usize, noise: f64, seed: &str) -> Vec<f64> {
    let mut random = resample::Random::of(seed);
    let unit = |bits: u64| (bits >> 11) as f64 / (1_u64 << 53) as f64;
    (0..count)
        .map(|_| level * (1.0 + noise * (2.0 * unit(random.next()) - 1.0)))
        .collect()
}

fn apart(quantity: Quantity, base: &[f64], new: &[f64]) -> Judged {
    judge("row", quantity, Values::Apart(base, new), &rule())
}

#[test]
fn a_change_beyond_threshold_floor_and_chance_is_called_with_its_direction() {
    let base = around(1e9, 12, 0.02, "a");
    let same = around(1e9, 12, 0.02, "b");
    let slower = around(1.2e9, 12, 0.02, "c");
    assert_eq!(apart(Quantity::Time, &base, &same).word, Word::NoChange);
    assert_eq!(apart(Quantity::Time, &base, &slower).word, Word::Slower);
    assert_eq!(apart(Quantity::Time, &slower, &base).word, Word::Faster);
    let bytes = Quantity::ResidentBytes;
    assert_eq!(apart(bytes, &base, &slower).word, Word::More);
    assert_eq!(apart(bytes, &slower, &base).word, Word::Less);
}

#[test]
fn a_sure_change_below_the_threshold_is_none() {
    let base = around(1e9, 12, 0.001, "a");
    let new = around(1.02e9, 12, 0.001, "b");
    let judged = apart(Quantity::Time, &base, &new);
    assert_eq!(judged.word, Word::NoChange);
    assert!(judged.statistics.judged.unwrap().low > 1.0);
}

#[test]
fn what_noise_could_hide_is_undecided_and_says_how_many_would_tell() {
    let base = around(1e9, 6, 0.3, "a");
    let new = around(1e9, 6, 0.3, "b");
    let judged = apart(Quantity::Time, &base, &new);
    assert_eq!(judged.word, Word::Undecided);
    assert!(judged.statistics.executions_needed.unwrap() > 50);
}

#[test]
fn a_drift_inside_of_the_runs_is_a_floor_that_no_change_between_them_gets_over() {
    let drifting = |level: f64, seed: &str| -> Vec<f64> {
        let noise = around(level, 12, 0.002, seed);
        let drift = |(at, value): (usize, &f64)| value * (1.0 + 0.02 * at as f64);
        noise.iter().enumerate().map(drift).collect()
    };
    let (base, new) = (drifting(1e9, "a"), drifting(1.1e9, "b"));
    let judged = apart(Quantity::Time, &base, &new);
    assert!(judged.statistics.floor.unwrap().drift.unwrap() > 0.1);
    assert_eq!(judged.word, Word::Undecided);
    // Pairs that drift together do not mind.
    let pairs: Vec<(f64, f64)> = base.iter().copied().zip(new).collect();
    let judged = judge("row", Quantity::Time, Values::Pairs(&pairs), &rule());
    assert_eq!(judged.word, Word::Slower);
}

#[test]
fn bytes_that_never_vary_are_compared_as_they_are() {
    let (base, more) = ([1_000_000.0; 6], [1_050_000.0; 6]);
    let same = apart(Quantity::Counted, &base, &base);
    assert_eq!(same.word, Word::NoChange);
    let change = same.statistics.change.unwrap();
    assert_eq!((change.low, change.value, change.high), (1.0, 1.0, 1.0));
    assert_eq!(same.statistics.floor.unwrap().value(), 0.0);
    assert_eq!(apart(Quantity::Counted, &base, &more).word, Word::More);
}

#[test]
fn what_has_no_ratio_is_judged_by_its_difference() {
    let (none, much, little) = ([0.0; 6], [2.0 * MIB; 6], [1000.0; 6]);
    assert_eq!(apart(Quantity::Counted, &none, &much).word, Word::More);
    assert_eq!(apart(Quantity::Counted, &much, &none).word, Word::Less);
    let judged = apart(Quantity::Counted, &none, &little);
    assert_eq!(
        (judged.word, judged.statistics.change),
        (Word::NoChange, None)
    );
    assert_eq!(apart(Quantity::Counted, &none, &none).word, Word::NoChange);
    let negative = [-3.0 * MIB; 6];
    assert_eq!(
        apart(Quantity::ResidentBytes, &negative, &none).word,
        Word::More
    );
    let few = |base: &[f64], new: &[f64]| {
        few::judge(
            "row",
            Quantity::Counted,
            Values::Apart(base, new),
            None,
            &rule(),
        )
        .word
    };
    assert_eq!(few(&[0.0], &[2.0 * MIB]), Word::More);
}

#[test]
fn of_few_executions_a_time_is_called_only_where_it_is_large_and_its_inside_says_the_same() {
    let inside_base = around(1e7, 20, 0.05, "a");
    let inside_new = around(1.4e7, 20, 0.05, "b");
    let inside: Vec<(f64, f64)> = inside_base.into_iter().zip(inside_new).collect();
    let word = |new: f64, inside: Option<&[(f64, f64)]>| {
        let inside = inside.map(Values::Pairs);
        few::judge(
            "row",
            Quantity::Time,
            Values::Apart(&[1e9], &[new]),
            inside,
            &rule(),
        )
        .word
    };
    assert_eq!(word(1.4e9, Some(&inside)), Word::Slower);
    assert_eq!(word(1.2e9, Some(&inside)), Word::TooFew);
    assert_eq!(
        word(0.5e9, Some(&inside)),
        Word::TooFew,
        "the inside says otherwise"
    );
    assert_eq!(word(1.4e9, Some(&inside[..9])), Word::TooFew);
    assert_eq!(word(1.4e9, None), Word::TooFew);
    let judged = judge(
        "row",
        Quantity::Time,
        Values::Apart(&[1e9; 4], &[2e9; 4]),
        &rule(),
    );
    assert_eq!(judged.word, Word::TooFew);
}

#[test]
fn of_few_executions_counted_bytes_are_exact_and_resident_ones_are_not() {
    let word = |quantity, base: f64, new: f64| {
        few::judge(
            "row",
            quantity,
            Values::Apart(&[base], &[new]),
            None,
            &rule(),
        )
        .word
    };
    assert_eq!(word(Quantity::Counted, 1e6, 1.04e6), Word::More);
    assert_eq!(word(Quantity::Counted, 1e6, 1.02e6), Word::NoChange);
    let resident = Quantity::ResidentBytes;
    assert_eq!(word(resident, 100.0 * MIB, 104.0 * MIB), Word::NoChange);
    assert_eq!(word(resident, 100.0 * MIB, 106.0 * MIB), Word::More);
    assert_eq!(
        word(resident, 10.0 * MIB, 10.9 * MIB),
        Word::NoChange,
        "no MiB"
    );
    assert_eq!(word(resident, 100.0 * MIB, 90.0 * MIB), Word::Less);
}

#[test]
fn the_same_row_has_the_same_interval_each_time_and_it_holds_the_median() {
    let (base, new) = (around(1e9, 16, 0.03, "a"), around(1e9, 16, 0.03, "b"));
    let pairs: Vec<(f64, f64)> = base.into_iter().zip(new).collect();
    let once = judge("row", Quantity::Time, Values::Pairs(&pairs), &rule());
    let again = judge("row", Quantity::Time, Values::Pairs(&pairs), &rule());
    assert_eq!(once, again);
    let change = once.statistics.change.unwrap();
    assert!(change.low < change.value && change.value < change.high);
    let ratios: Vec<f64> = pairs.iter().map(|(a, b)| b / a).collect();
    assert!((change.value / median(&ratios) - 1.0).abs() < 1e-3);
}
