//! How much is run: from the command line that Cargo and Criterion share, and the environment.

use std::env;
use std::fmt::Write as _;

use sqlite_membench::allocator::global;
use sqlite_membench::workload::database::{Database, Place};
use sqlite_membench::workload::pragmas::{self, Pragma};

const SET: &str = "SQLITE_MEMBENCH_BENCH_SET";
const ROWS: &str = "SQLITE_MEMBENCH_BENCH_ROWS";
const FULL_ROWS: &str = "SQLITE_MEMBENCH_BENCH_FULL_ROWS";
const MEGABYTES: &str = "SQLITE_MEMBENCH_BENCH_MB";
const SAMPLES: &str = "SQLITE_MEMBENCH_BENCH_SAMPLES";
const PRAGMAS: &str = "SQLITE_MEMBENCH_BENCH_PRAGMAS";
const ROUNDS: &str = "SQLITE_MEMBENCH_BENCH_ROUNDS";
const READINGS: &str = "SQLITE_MEMBENCH_BENCH_READINGS";
const ENFORCE: &str = "SQLITE_MEMBENCH_ENFORCE";
const PROFILE: &str = "SQLITE_MEMBENCH_BENCH_PROFILE";

/// The variables, and what each is for. The README has the same list.
const VARIABLES: [(&str, &str); 10] = [
    (
        SET,
        "quick, default, or full: with insert/10m and the tables of bounds",
    ),
    (
        ROWS,
        "rows of an insert [200000; quick 20000; bounds 1000000]",
    ),
    (FULL_ROWS, "rows of the insert at full size [10000000]"),
    (
        MEGABYTES,
        "size of a snapshot's and a dump's database [50; quick 5; bounds 200]",
    ),
    (
        SAMPLES,
        "samples of a benchmark, 10 or more [10]; Criterion's own --sample-size does not count here",
    ),
    (
        PRAGMAS,
        "name=value,...: in every insert, in the place of the report's or beside them",
    ),
    (ROUNDS, "rounds in a table of bounds [16]"),
    (READINGS, "ledgers inside an insert in its table [4]"),
    (ENFORCE, "1: a bound that does not hold is exit code 1"),
    (
        PROFILE,
        "1: with --profile-time, a CPU profile of each benchmark in Criterion's directory",
    ),
];

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

/// How much of the suite is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Set {
    /// Small sizes: all five in two minutes.
    Quick,
    Default,
    /// With what takes more than a few minutes by itself.
    Full,
}

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// `cargo test --benches`: everything once, and tiny. Names are those of a real run.
    pub is_test: bool,
    /// `--list`
    pub is_list: bool,
    /// `--profile-time`: somebody looks at the benchmark, and no testee is wanted.
    pub is_profile: bool,
    /// `--profile-time`, and whoever looks is this process itself.
    pub profiles_itself: bool,
    /// `--quick`, whose second point is invented: nothing of it is kept.
    pub is_invented: bool,
    pub set: Set,
    /// Criterion's filter, a regular expression.
    pub filter: Option<String>,
    /// Criterion's samples of a benchmark.
    pub samples: usize,
    /// Rounds of inserts in the table.
    pub rounds: u64,
    /// Ledgers inside a fill.
    pub readings: u32,
    /// Set over the report's.
    pub pragmas: Vec<Pragma>,
    /// A bound that does not hold is exit code 1.
    pub enforce: bool,
}

impl Plan {
    /// An error is for the person who set a variable.
    pub fn read() -> Result<Plan, String> {
        let arguments: Vec<String> = env::args().skip(1).collect();
        let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
        if has("--help") || has("-h") {
            println!("{}", help());
        }
        // As Criterion has it: whoever runs a bench without --bench tests it.
        let is_test = has("--test") || !has("--bench");
        let is_list = has("--list");
        let is_profile = has("--profile-time");
        if global::has_dhat() && !is_test && !is_list {
            return Err(
                "this build has the feature dhat-heap: its times and its RSS are not SQLite's. \
                        Run cargo bench without it; dhat's cost is in the bench `instrument`"
                    .into(),
            );
        }
        for variable in [ROWS, FULL_ROWS, MEGABYTES] {
            number(variable, 1)?;
        }
        Ok(Plan {
            is_test,
            is_list,
            is_profile,
            profiles_itself: is_profile && env::var(PROFILE).is_ok_and(|value| value == "1"),
            is_invented: has("--quick"),
            set: set()?,
            filter: filter(&arguments).cloned(),
            samples: samples()?,
            rounds: number(ROUNDS, if is_test { 1 } else { 16 })?,
            readings: number(READINGS, 4)? as u32,
            pragmas: pragmas()?,
            enforce: !is_test && env::var(ENFORCE).is_ok_and(|value| value == "1"),
        })
    }

    /// The table of bounds is wanted: by name, or with all there is.
    pub fn wants_bounds(&self) -> bool {
        let is_all = self.filter.is_none() && (self.set == Set::Full || self.is_test);
        !self.is_list && !self.is_profile && (self.only_bounds() || is_all)
    }

    /// The table of bounds, and nothing else.
    pub fn only_bounds(&self) -> bool {
        self.filter.as_deref() == Some(BOUNDS)
    }

    /// What takes minutes is run where it is asked for by its name, or with all there is.
    pub fn wants_long(&self, name: &str) -> bool {
        let is_named = (self.filter.as_ref()).is_some_and(|filter| filter.contains(name));
        is_named || self.set == Set::Full || self.is_test || self.is_list
    }

    /// What says little that another does not is left out of a quick run, unless it is asked for.
    pub fn wants_more(&self, name: &str) -> bool {
        self.set != Set::Quick || self.wants_long(name)
    }

    /// Rows of an insert along an axis.
    pub fn rows(&self) -> Size {
        let rows = match self.set {
            Set::Quick => 20_000,
            Set::Default | Set::Full => 200_000,
        };
        self.size(ROWS, rows, 500)
    }

    /// Rows of the insert at full size.
    pub fn full_rows(&self) -> Size {
        self.size(FULL_ROWS, 10_000_000, 2_000)
    }

    /// Rows of an insert in the table of bounds.
    pub fn rows_of_bounds(&self) -> u64 {
        self.size(ROWS, 1_000_000, 2_000).run
    }

    /// Megabytes of a database.
    pub fn megabytes(&self) -> Size {
        let megabytes = match self.set {
            Set::Quick => 5,
            Set::Default | Set::Full => 50,
        };
        self.size(MEGABYTES, megabytes, 1)
    }

    /// Megabytes of a database in a table of bounds.
    pub fn megabytes_of_bounds(&self) -> u64 {
        self.size(MEGABYTES, 200, 1).run
    }

    /// What [`Plan::read`] has found to be a number.
    fn size(&self, variable: &str, nominal: u64, tiny: u64) -> Size {
        let nominal = number(variable, nominal).unwrap_or(nominal);
        Size {
            nominal,
            run: if self.is_test {
                tiny.min(nominal)
            } else {
                nominal
            },
        }
    }
}

/// A size by its name and as it is run, which differ in a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub nominal: u64,
    pub run: u64,
}

impl Size {
    pub fn divided(self, by: u64) -> Size {
        Size {
            nominal: self.nominal.div_ceil(by),
            run: self.run.div_ceil(by),
        }
    }

    /// `10m`, `200k`, `50`: for the names of benchmarks, so that two sizes are never compared.
    pub fn label(self) -> String {
        match self.nominal {
            rows if rows.is_multiple_of(1_000_000) => format!("{}m", rows / 1_000_000),
            rows if rows.is_multiple_of(1000) => format!("{}k", rows / 1000),
            rows => rows.to_string(),
        }
    }
}

fn help() -> String {
    let mut text = String::from("Environment:\n");
    for (name, what) in VARIABLES {
        writeln!(text, "  {name:<32} {what}").expect("a string");
    }
    text.push_str("\nA filter `bounds` prints the table of bounds and runs no benchmark.\n");
    text
}

/// The filter, where there is one.
fn filter(arguments: &[String]) -> Option<&String> {
    let mut filter = None;
    let mut is_value = false;
    for argument in arguments {
        let is_option = argument.starts_with('-');
        if !is_option && !is_value {
            filter = Some(argument);
        }
        is_value = is_option && !argument.contains('=') && !FLAGS.contains(&argument.as_str());
    }
    filter
}

fn set() -> Result<Set, String> {
    match env::var(SET).as_deref() {
        Err(_) | Ok("default") => Ok(Set::Default),
        Ok("quick") => Ok(Set::Quick),
        Ok("full") => Ok(Set::Full),
        Ok(other) => Err(format!("{SET} is {other:?}: quick, default or full")),
    }
}

fn samples() -> Result<usize, String> {
    match number(SAMPLES, 10)? {
        samples @ 10..=10_000 => Ok(samples as usize),
        few => Err(format!("{SAMPLES} is {few}: 10 to 10000")),
    }
}

fn pragmas() -> Result<Vec<Pragma>, String> {
    let text = env::var(PRAGMAS).unwrap_or_default();
    let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
    let known = pragmas::known().map_err(|error| error.to_string())?;
    pairs
        .map(|pair| {
            let (name, value) = (pair.split_once('='))
                .ok_or_else(|| format!("{PRAGMAS} has {pair:?}: name=value,name=value"))?;
            let name = name.trim();
            if !known.iter().any(|known| known == name) {
                return Err(format!("{PRAGMAS}: SQLite has no PRAGMA {name}"));
            }
            let pragma = Pragma::new(name, value.trim()).map_err(|error| error.to_string());
            let is_taken = pragma.and_then(|pragma| taken(&pragma).map(|()| pragma));
            is_taken.map_err(|error| format!("{PRAGMAS}: {error}"))
        })
        .collect()
}

/// SQLite passes over a value that it cannot use: better said before an hour of it.
fn taken(pragma: &Pragma) -> Result<(), String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let read_back = || {
        let connection = Database::default().open(&Place::unique(directory.path()))?;
        pragma.set(&connection, None)?;
        pragma.read_back(&connection, None, 0)
    };
    match read_back().map_err(|error| error.to_string())?.read_back {
        Some(found) if !pragmas::took(&pragma.name, &pragma.value, &found) => Err(format!(
            "SQLite does not take {} = {}: it has {found}",
            pragma.name, pragma.value
        )),
        _ => Ok(()),
    }
}

/// A variable of the environment, if it is set.
fn number(variable: &str, otherwise: u64) -> Result<u64, String> {
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
