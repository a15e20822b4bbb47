//! Whole tables of noise like that of a small virtual machine: how often a change is called that is none,
//! and how often one is found. Seeded: each run is the same.

use super::resample::Random;
use super::*;

const TABLES: usize = 200;
const ROWS: usize = 8;

/// What differs from execution to execution.
#[derive(Clone, Copy)]
struct Noise {
    /// Of the logarithm, of one execution.
    deviation: f64,
    /// How many are slowed, by up to 30 %.
    outliers: f64,
    /// Of the logarithm, from one round to the next; both of a pair have it.
    drift: f64,
}

const MACHINE: Noise = Noise {
    deviation: 0.025,
    outliers: 0.05,
    drift: 0.005,
};

fn unit(random: &mut Random) -> f64 {
    ((random.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
}

fn normal(random: &mut Random) -> f64 {
    let (radius, angle) = (unit(random), unit(random));
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

fn pairs(count: usize, noise: Noise, change: f64, random: &mut Random) -> Vec<(f64, f64)> {
    let mut level = 0.0_f64;
    let one = |level: f64, random: &mut Random| {
        let value = 1e9 * (level + noise.deviation * normal(random)).exp();
        match unit(random) < noise.outliers {
            true => value * (1.0 + 0.3 * unit(random)),
            false => value,
        }
    };
    let pair = |_| {
        level += noise.drift * normal(random);
        let base = one(level, random);
        (base, change * one(level, random))
    };
    (0..count).map(pair).collect()
}

/// The words of each table, of which the first row has changed.
fn tables(
    seed: &str,
    executions: usize,
    quantity: Quantity,
    noise: Noise,
    change: f64,
    paired: bool,
) -> Vec<[Word; ROWS]> {
    let rule = Rule {
        threshold: 0.03,
        threshold_bytes: 0.03,
        times: ROWS,
        sizes: ROWS,
        resamples: 100,
    };
    let mut random = Random::of(seed);
    let mut word = |row: usize| {
        let change = if row == 0 { change } else { 1.0 };
        let pairs = pairs(executions, noise, change, &mut random);
        if paired {
            return judge("row", quantity, Values::Pairs(&pairs), &rule).word;
        }
        let (base, new): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        judge("row", quantity, Values::Apart(&base, &new), &rule).word
    };
    (0..TABLES)
        .map(|_| std::array::from_fn(&mut word))
        .collect()
}

fn unchanged(tables: &[[Word; ROWS]]) -> usize {
    let all = |table: &&[Word; ROWS]| table.iter().all(|word| *word == Word::NoChange);
    tables.iter().filter(all).count()
}

fn found(tables: &[[Word; ROWS]], word: Word) -> usize {
    tables.iter().filter(|table| table[0] == word).count()
}

#[test]
fn a_table_of_one_program_against_itself_shows_no_change_and_five_percent_are_found() {
    for (deviation, executions) in [(0.02, 16), (0.025, 28), (0.03, 36)] {
        let noise = Noise {
            deviation,
            ..MACHINE
        };
        let run = |change| tables("pairs", executions, Quantity::Time, noise, change, true);
        let (same, slower) = (unchanged(&run(1.0)), found(&run(1.05), Word::Slower));
        assert!(same >= 199, "{deviation}: {same} of {TABLES}");
        assert!(slower >= 190, "{deviation}: {slower} of {TABLES}");
    }
}

#[test]
fn two_runs_one_after_the_other_show_the_same_where_the_machine_does_not_drift() {
    let noise = Noise {
        deviation: 0.02,
        drift: 0.0,
        ..MACHINE
    };
    let run = |change| tables("apart", 20, Quantity::Time, noise, change, false);
    let (same, slower) = (unchanged(&run(1.0)), found(&run(1.05), Word::Slower));
    assert!(same >= 199, "{same} of {TABLES}");
    assert!(slower >= 190, "{slower} of {TABLES}");
}

#[test]
fn five_percent_more_bytes_are_found_each_time() {
    let noise = Noise {
        deviation: 0.003,
        outliers: 0.0,
        drift: 0.0,
    };
    for executions in [5, 16] {
        let run = |change| {
            let quantity = Quantity::ResidentBytes;
            tables("bytes", executions, quantity, noise, change, true)
        };
        assert_eq!(unchanged(&run(1.0)), TABLES, "{executions}");
        assert_eq!(found(&run(1.05), Word::More), TABLES, "{executions}");
    }
}
