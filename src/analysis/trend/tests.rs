//! Shapes of made series.

use proptest::prelude::*;

use super::*;

/// Values over 0, 1, 2 and so on.
fn over_index(values: &[f64]) -> Vec<(f64, f64)> {
    (0u32..)
        .map(f64::from)
        .zip(values.iter().copied())
        .collect()
}

fn made(points: usize, value: impl Fn(usize) -> f64) -> Vec<f64> {
    (0..points).map(value).collect()
}

fn trend(values: &[f64], tolerance: f64) -> Trend {
    Trend::of(&over_index(values), tolerance)
}

fn shape(values: &[f64], tolerance: f64) -> Shape {
    trend(values, tolerance).shape
}

/// SplitMix64: the same numbers on every machine.
struct Noise(u64);

impl Noise {
    /// Even, from -1 to 1.
    fn even(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    /// Nearly normal, with a deviation of 1.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.even()).sum::<f64>() / 2.0
    }
}

const MIB: f64 = 1024.0 * 1024.0;

#[test]
fn warm_up_is_a_tenth_and_at_least_one_and_never_all() {
    let drops = [
        (0, 0),
        (1, 0),
        (2, 1),
        (10, 1),
        (11, 1),
        (21, 2),
        (1025, 102),
    ];
    for (points, dropped) in drops {
        assert_eq!(warm_up(points), dropped, "{points}");
    }
}

#[test]
fn fewer_than_ten_points_are_not_judged() {
    assert_eq!(shape(&[], 0.0), Shape::TooShort);
    let short = trend(&made(9, |at| at as f64), 0.0);
    assert_eq!((short.shape, short.points), (Shape::TooShort, 9));
    assert_eq!(short.slope.map(|slope| slope.per_x), Some(1.0));
    assert_eq!(short.change(), 8.0);
    assert_eq!(shape(&made(FEWEST, |at| at as f64), 0.0), Shape::Rising);
}

#[test]
fn constant_is_flat() {
    for value in [0.0, 7.0, 1e13] {
        let flat = trend(&made(21, |_| value), 0.0);
        assert_eq!(flat.shape, Shape::Flat);
        assert_eq!((flat.least, flat.most, flat.change()), (value, value, 0.0));
        assert_eq!(flat.plateau.map(|plateau| plateau.from), Some(0));
        assert_eq!(flat.mann_kendall.map(|test| test.p), Some(1.0));
        assert!(flat.steps.is_empty());
    }
}

#[test]
fn straight_line_rises_however_long_it_is_and_however_wide_the_tolerance() {
    for points in [10, 11, 12, 13, 16, 21, 40, 100, 101, 399, 1025] {
        for slope in [1.0, 4096.0, 1e10] {
            let up = made(points, |at| slope * at as f64);
            let down = made(points, |at| slope * (points - at) as f64);
            let judged = slope * (points - 1 - warm_up(points)) as f64;
            for tolerance in
                [0.0, 0.01, 0.1, 0.25, 0.49, 0.51, 0.75, 0.999].map(|part| part * judged)
            {
                let rises = trend(&up, tolerance);
                assert_eq!(rises.shape, Shape::Rising, "{points} {slope} {tolerance}");
                assert_eq!(rises.plateau, None);
                assert!(rises.is_rising() && !trend(&down, tolerance).is_rising());
                assert_eq!(shape(&down, tolerance), Shape::Falling);
            }
            assert_eq!(shape(&up, judged), Shape::Flat);
        }
    }
}

#[test]
fn noisy_line_rises() {
    let mut noise = Noise(11);
    for points in [21, 101, 401] {
        for rise in [5.0, 10.0, 50.0] {
            let line = made(points, |at| rise * MIB * at as f64 / points as f64);
            let wrong = (0..200).filter(|_| {
                let noisy: Vec<f64> = line.iter().map(|y| y + 0.5 * MIB * noise.even()).collect();
                shape(&noisy, MIB) != Shape::Rising
            });
            let wrong = wrong.count();
            // With few points and much noise the end looks flat now and then.
            assert!(
                wrong <= 6,
                "{wrong} of 200 with {points} points, {rise} MiB"
            );
        }
    }
}

#[test]
fn noise_alone_seldom_rises_or_falls() {
    let mut noise = Noise(5);
    for points in [10, 21, 60] {
        for tolerance in [0.0, 0.5] {
            let wrong = (0..500).filter(|_| {
                let noisy: Vec<f64> = (0..points).map(|_| noise.normal()).collect();
                shape(&noisy, tolerance) != Shape::Flat
            });
            let wrong = wrong.count();
            assert!(
                wrong <= 35,
                "{wrong} of 500 with {points} points, tolerance {tolerance}"
            );
        }
    }
}

#[test]
fn noise_within_the_tolerance_is_flat() {
    let mut noise = Noise(3);
    for _ in 0..500 {
        let noisy: Vec<f64> = (0..21)
            .map(|_| 64.0 * MIB + 0.5 * MIB * noise.even())
            .collect();
        assert_eq!(shape(&noisy, MIB), Shape::Flat);
    }
}

#[test]
fn fill_that_ends_is_a_plateau_even_with_noise() {
    for points in [11, 21, 101, 1025] {
        let full = points * 2 / 5;
        let fill = made(points, |at| 100.0 * MIB * at.min(full) as f64 / full as f64);
        let filled = trend(&fill, 4096.0);
        assert_eq!(filled.shape, Shape::Plateau, "{points}");
        let plateau = filled.plateau.unwrap();
        assert!(plateau.from <= full && plateau.from * 20 >= full * 18);
        assert_eq!((plateau.level, filled.change()), (100.0 * MIB, 100.0 * MIB));
    }
    let mut noise = Noise(8);
    for points in [21, 101] {
        let wrong = (0..300).filter(|_| {
            let fill = made(points, |at| {
                20.0 * MIB * at.min(points * 2 / 5) as f64 / points as f64
            });
            let noisy: Vec<f64> = fill.iter().map(|y| y + 0.5 * MIB * noise.even()).collect();
            shape(&noisy, MIB) != Shape::Plateau
        });
        let wrong = wrong.count();
        assert!(wrong <= 3, "{wrong} of 300 with {points} points");
    }
}

#[test]
fn jump_in_the_warm_up_is_a_plateau() {
    let jump = trend(&made(21, |at| if at == 0 { 0.0 } else { 100.0 }), 1.0);
    assert_eq!(jump.shape, Shape::Plateau);
    assert_eq!(
        jump.plateau,
        Some(Plateau {
            from: 1,
            level: 100.0
        })
    );
    assert_eq!(
        (jump.least, jump.most, jump.change()),
        (100.0, 100.0, 100.0)
    );
}

#[test]
fn approach_to_a_level_is_a_plateau() {
    let near = made(60, |at| MIB * (1.0 - (-(at as f64) / 6.0).exp()));
    assert_eq!(shape(&near, 4096.0), Shape::Plateau);
}

#[test]
fn vector_that_doubles_is_a_plateau_once_a_quarter_is_flat() {
    let sizes = [(1, 1), (2, 1), (4, 1), (8, 2), (16, 4), (32, 8), (64, 16)];
    let values: Vec<f64> = (sizes.iter())
        .flat_map(|&(size, times)| vec![f64::from(size); times])
        .collect();
    let doubled = trend(&values, 0.0);
    assert_eq!(doubled.shape, Shape::Plateau);
    assert_eq!(doubled.plateau.map(|plateau| plateau.from), Some(17));
    // Of 16, 32 and the first three of 64: no quarter is flat yet.
    assert_eq!(shape(&values[5..20], 0.0), Shape::Steps);
}

#[test]
fn small_leak_after_a_great_fill_rises() {
    let mut noise = Noise(2);
    for points in [21, 101] {
        let leak = made(points, |at| 1000.0 * at.min(4) as f64 + at as f64);
        assert_eq!(shape(&leak, 1.0), Shape::Rising, "{points}");
        let noisy: Vec<f64> = leak.iter().map(|y| y + 0.5 * noise.even()).collect();
        assert_eq!(shape(&noisy, 2.0), Shape::Rising, "{points}");
    }
}

#[test]
fn leak_that_begins_late_rises() {
    for begin in [30, 60, 80] {
        let late = made(101, |at| at.saturating_sub(begin) as f64);
        assert_eq!(shape(&late, 1.0), Shape::Rising, "{begin}");
    }
}

#[test]
fn counter_that_rises_every_other_cycle_rises() {
    for points in [12, 21, 101] {
        assert_eq!(
            shape(&made(points, |at| (at / 2) as f64), 0.0),
            Shape::Rising
        );
    }
    // Every fourth of very many: no jump is a tenth of the range.
    assert_eq!(shape(&made(1025, |at| (at / 4) as f64), 0.0), Shape::Rising);
}

#[test]
fn staircase_is_steps_until_the_last_step_is_a_quarter_of_all() {
    // Four threads, five cycles each.
    let stairs = |points| made(points, |at| 64.0 * (at / 5).min(3) as f64);
    let done = trend(&stairs(22), 1.0);
    assert_eq!(done.shape, Shape::Plateau);
    assert_eq!(
        done.plateau,
        Some(Plateau {
            from: 15,
            level: 192.0
        })
    );
    let at = |at| Step { at, by: 64.0 };
    assert_eq!(done.steps, [at(5), at(10), at(15)]);
    assert_eq!(trend(&stairs(18), 1.0).shape, Shape::Steps);
    let down: Vec<f64> = stairs(18).iter().map(|y| -y).collect();
    assert_eq!(shape(&down, 1.0), Shape::Steps);
    // With a leak on each stair it is none.
    let leaks: Vec<f64> = (stairs(18).iter().zip(0..))
        .map(|(y, at)| y + 2.0 * f64::from(at))
        .collect();
    assert_eq!(shape(&leaks, 1.0), Shape::Rising);
}

#[test]
fn noisy_staircase_is_steps() {
    let mut noise = Noise(6);
    let wrong = (0..300).filter(|_| {
        let stairs: Vec<f64> = (0..54)
            .map(|at| f64::from(64 * (at / 12)) * MIB + 0.5 * MIB * noise.even())
            .collect();
        shape(&stairs, MIB) != Shape::Steps
    });
    assert_eq!(wrong.count(), 0);
}

#[test]
fn sawtooth_is_flat() {
    for period in 4..12 {
        for points in 20..110 {
            let saw = made(points, |at| (at % period) as f64);
            for tolerance in [0.0, 0.5, 1.0, 1.5, 2.0, 3.0] {
                let shape = shape(&saw, tolerance);
                let periods = points / period;
                if periods >= 5 {
                    assert_eq!(shape, Shape::Flat, "{points} of {period}, {tolerance}");
                }
                assert_ne!(shape, Shape::Plateau, "{points} of {period}, {tolerance}");
            }
        }
    }
    let ends: Vec<f64> = made(60, |at| if at < 40 { (at % 8) as f64 } else { 7.0 });
    assert_eq!(shape(&ends, 0.5), Shape::Plateau);
}

#[test]
fn what_comes_back_is_flat() {
    let spike = made(40, |at| if at == 12 { 100.0 } else { 5.0 });
    assert_eq!(shape(&spike, 1.0), Shape::Flat);
    let late = made(40, |at| if at == 36 { 100.0 } else { 5.0 });
    assert_eq!(shape(&late, 1.0), Shape::Flat);
    let square = made(40, |at| if at / 5 % 2 == 0 { 0.0 } else { 10.0 });
    assert_eq!(shape(&square[..35], 1.0), Shape::Flat);
}

#[test]
fn rise_over_x_that_stands_still_is_a_rise() {
    let points: Vec<(f64, f64)> = (0..21).map(|at| (1000.0, f64::from(at))).collect();
    let rises = Trend::of(&points, 0.0);
    assert_eq!((rises.shape, rises.slope), (Shape::Rising, None));
}

#[test]
fn line_over_rows_rises_where_the_last_readings_have_few_new_rows() {
    let rows = |at: u32| f64::from(1_000_000 - 1_000_000 / (at + 1));
    let points: Vec<(f64, f64)> = (0..40).map(|at| (rows(at), 100.0 * rows(at))).collect();
    let rises = Trend::of(&points, 4096.0);
    assert_eq!(rises.shape, Shape::Rising);
    assert_eq!(rises.slope.map(|slope| slope.per_x), Some(100.0));
}

#[test]
fn huge_values_keep_every_byte() {
    let huge = trend(&made(1025, |at| 1e13 + at as f64), 0.0);
    assert_eq!(huge.shape, Shape::Rising);
    let slope = huge.slope.unwrap();
    assert_eq!((slope.low, slope.per_x, slope.high), (1.0, 1.0, 1.0));
}

fn any_float() -> impl Strategy<Value = f64> {
    let special = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        f64::MIN,
        -0.0,
        0.0,
        1.0,
    ];
    prop_oneof![
        any::<f64>(),
        -9.0..9.0,
        proptest::sample::select(special.to_vec())
    ]
}

proptest! {
    #[test]
    fn nothing_panics(
        points in prop::collection::vec((any_float(), any_float()), 0..40),
        tolerance in any_float(),
    ) {
        let trend = Trend::of(&points, tolerance);
        prop_assert!(trend.points <= points.len());
        prop_assert_eq!(trend.shape == Shape::TooShort, trend.points < FEWEST);
        let values: Vec<f64> = points.iter().map(|point| point.1).collect();
        theil_sen(&points);
        mann_kendall(&values);
        plateau(&values, tolerance);
        steps(&values, tolerance);
    }

    #[test]
    fn shape_does_not_ask_where_zero_is(
        values in prop::collection::vec(-1000i32..1000, 10..40),
        add in -1_000_000i32..1_000_000,
        tolerance in 0u32..500,
    ) {
        let values: Vec<f64> = values.into_iter().map(f64::from).collect();
        let moved: Vec<f64> = values.iter().map(|y| y + f64::from(add)).collect();
        let tolerance = f64::from(tolerance);
        prop_assert_eq!(shape(&values, tolerance), shape(&moved, tolerance));
    }

    #[test]
    fn falling_is_rising_upside_down(
        values in prop::collection::vec(-1000i32..1000, 10..40),
        tolerance in 0u32..500,
    ) {
        let values: Vec<f64> = values.into_iter().map(f64::from).collect();
        let down: Vec<f64> = values.iter().map(|y| -y).collect();
        let expected = match shape(&values, f64::from(tolerance)) {
            Shape::Rising => Shape::Falling,
            Shape::Falling => Shape::Rising,
            other => other,
        };
        prop_assert_eq!(shape(&down, f64::from(tolerance)), expected);
    }
}
