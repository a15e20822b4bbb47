//! How much is run: from the command line that Cargo and Criterion share, and the environment.

use std::env;

/// Criterion's options without a value. Whatever follows another option is that option's value.
const FLAGS: [&str; 13] = [
    "--bench",
    "--test",
    "--list",
    "--exact",
    "--ignored",
    "--nocapture",
    "--noplot",
    "--quick",
    "--quiet",
    "--verbose",
    "--discard-baseline",
    "-n",
    "-v",
];

/// The word by which a filter asks for the table and no benchmark.
const BOUNDS: &str = "bounds";

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// `cargo test --benches`: everything once, and tiny.
    pub is_test: bool,
    /// The table of bounds is wanted.
    pub bounds: bool,
    /// Rows of an insert in the table.
    pub rows: u64,
    /// Rounds of inserts in the table.
    pub rounds: u64,
    /// Ledgers inside a fill.
    pub readings: u32,
    /// A bound that does not hold is exit code 1.
    pub enforce: bool,
}

impl Plan {
    /// An error is for the person who set a variable.
    pub fn read() -> Result<Plan, String> {
        let arguments: Vec<String> = env::args().skip(1).collect();
        let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
        // As Criterion has it: whoever runs a bench without --bench tests it.
        let is_test = has("--test") || !has("--bench");
        let (rows, rounds) = if is_test { (2_000, 1) } else { (1_000_000, 16) };
        Ok(Plan {
            is_test,
            bounds: !has("--list") && !has("--profile-time") && asks_for_bounds(&arguments),
            rows: number("SQLITE_MEMBENCH_BENCH_ROWS", rows)?,
            rounds: number("SQLITE_MEMBENCH_BENCH_ROUNDS", rounds)?,
            readings: number("SQLITE_MEMBENCH_BENCH_READINGS", 4)? as u32,
            enforce: !is_test
                && env::var("SQLITE_MEMBENCH_ENFORCE").is_ok_and(|value| value == "1"),
        })
    }
}

/// Whether the filter, where there is one, is of the table.
fn asks_for_bounds(arguments: &[String]) -> bool {
    let mut filter = None;
    let mut is_value = false;
    for argument in arguments {
        let is_option = argument.starts_with('-');
        if !is_option && !is_value {
            filter = Some(argument);
        }
        is_value = is_option && !argument.contains('=') && !FLAGS.contains(&argument.as_str());
    }
    filter.is_none_or(|filter| filter == BOUNDS)
}

/// A variable of the environment, if it is set.
pub fn number(variable: &str, otherwise: u64) -> Result<u64, String> {
    let Ok(text) = env::var(variable) else {
        return Ok(otherwise);
    };
    match text.parse() {
        Ok(number @ 1..=1_000_000_000) => Ok(number),
        _ => Err(format!(
            "{variable} is {text:?}: a number from 1 to 1000000000"
        )),
    }
}
