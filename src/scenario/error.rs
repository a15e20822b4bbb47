//! What can be wrong with a scenario, where, and what to do about it.

use std::fmt;
use std::path::PathBuf;

/// Where something stands that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a file, built in or not.
    File {
        /// As the user would name it.
        file: String,
        /// From 1.
        line: usize,
    },
    /// On the command line: `--set rows=0`.
    Argument(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File { file, line } => write!(f, "{file} line {line}"),
            Place::Argument(argument) => f.write_str(argument),
        }
    }
}

/// A scenario, a file or a `--set` that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something at a place.
    #[error("{}{place}: {problem}", scenario_prefix(.scenario))]
    At {
        /// Where known and not plain from the place.
        scenario: Option<String>,
        /// Where.
        place: Place,
        /// What, and what to do.
        problem: Box<Problem>,
    },
    /// No such scenario.
    #[error("unknown scenario {name:?}{}; `sqlite-membench list` shows them all", nearest_suffix(.nearest))]
    UnknownScenario {
        /// As asked for.
        name: String,
        /// The most similar of those that there are.
        nearest: Option<String>,
    },
    /// No scenario says that it belongs to this set.
    #[error("no scenario belongs to the set {name}; the sets are: {}", sets.join(", "))]
    UnknownSet {
        /// As asked for.
        name: String,
        /// Those that there are.
        sets: Vec<String>,
    },
    /// The same scenario twice on one command line.
    #[error("scenario {0} is named twice; a run holds each scenario once")]
    NamedTwice(String),
    /// Two declarations of one name.
    #[error("{file}: the name {name} is taken by {other}; give this scenario another name")]
    NameClash {
        /// The later file.
        file: String,
        /// The name.
        name: String,
        /// The earlier one.
        other: String,
    },
    /// A directory or a file that cannot be read.
    #[error("{}: {cause}; --scenarios takes a directory of *.toml files", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why; part of the message, so not its `source`, which would say it again.
        cause: std::io::Error,
    },
    /// `--scenarios` without a single scenario.
    #[error("{}: no *.toml file in this directory", .0.display())]
    NoScenarios(PathBuf),
    /// A setting of the command line that no chosen scenario has a use for.
    #[error(
        "{place}: {key} applies to workload {workload}, and no scenario of that was chosen; leave it out"
    )]
    AppliesToNone {
        /// Where.
        place: Place,
        /// The key.
        key: String,
        /// The workload that has it.
        workload: &'static str,
    },
    /// Settings that are right one by one and cannot be together.
    #[error("scenario {scenario}: {problem}")]
    Together {
        /// Which.
        scenario: String,
        /// What, and what to do.
        problem: String,
    },
    /// The arrays multiply out to too many.
    #[error(
        "scenario {scenario}: its arrays make {count} scenarios; at most {most} run at once, so fix some of: {keys}"
    )]
    TooMany {
        /// Which.
        scenario: String,
        /// The product.
        count: u128,
        /// The bound.
        most: u128,
        /// The keys that vary.
        keys: String,
    },
}

/// What is wrong at a place.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Problem {
    /// Not TOML.
    #[error("{0}")]
    Syntax(String),
    /// A key that nothing knows.
    #[error("unknown key {key}{}", nearest_suffix(.nearest))]
    UnknownKey {
        /// As written.
        key: String,
        /// The most similar.
        nearest: Option<String>,
    },
    /// A key of another workload.
    #[error("{key} does not apply to workload {workload}; leave it out")]
    NotApplicable {
        /// The key.
        key: String,
        /// The scenario's workload.
        workload: &'static str,
    },
    /// A PRAGMA that SQLite does not have: it would be passed over in silence.
    #[error("SQLite has no PRAGMA {name}{}", nearest_suffix(.nearest))]
    UnknownPragma {
        /// As written.
        name: String,
        /// The most similar.
        nearest: Option<String>,
    },
    /// Text where a number belongs, and the like.
    #[error("{key} takes {expected}, not {found}")]
    WrongType {
        /// The key.
        key: String,
        /// In words.
        expected: &'static str,
        /// In words.
        found: String,
    },
    /// A number past its bounds.
    #[error("{key} is {value}; it takes {allowed}")]
    OutOfRange {
        /// The key.
        key: String,
        /// As written.
        value: String,
        /// In words.
        allowed: String,
    },
    /// None of the choices.
    #[error("{key} cannot be {value}{}; it takes one of: {allowed}", nearest_suffix(.nearest))]
    NotAChoice {
        /// The key.
        key: String,
        /// As written.
        value: String,
        /// The choices.
        allowed: String,
        /// The most similar.
        nearest: Option<String>,
    },
    /// `key = []`, `--set key=`
    #[error("{0} has no value; give it one, or leave it out")]
    NoValue(String),
    /// The same value twice in one array.
    #[error("{key} has {value} twice; each value makes a scenario, so write it once")]
    Repeated {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
    /// A key that a declaration cannot do without.
    #[error("the key {key} is missing: {what}")]
    Missing {
        /// The key.
        key: &'static str,
        /// What it is for.
        what: &'static str,
    },
    /// A size or a time that cannot be read.
    #[error("{key}: {problem}")]
    Unit {
        /// The key.
        key: String,
        /// What, and what to write.
        problem: super::units::Error,
    },
    /// A PRAGMA value that is more than a value.
    #[error(
        "PRAGMA {name} cannot be {value}: a value is a number, a word or one 'quoted text', without ;"
    )]
    PragmaValue {
        /// The PRAGMA.
        name: String,
        /// As written.
        value: String,
    },
    /// A preload library that is not there, or is no file.
    #[error("preload library {}: {why}; give the path of a shared library, or none", path.display())]
    Preload {
        /// As it would be loaded.
        path: PathBuf,
        /// In words.
        why: String,
    },
    /// A preload library that is asked for by its name and not installed.
    #[error(
        "preload library {name} is not installed; Debian has it in the package {package}, or give the path of one"
    )]
    NotInstalled {
        /// The library.
        name: String,
        /// By Debian's rule for the names of such packages.
        package: String,
    },
    /// An environment variable that cannot be set so.
    #[error("environment variable {name}: {why}")]
    Env {
        /// The variable.
        name: String,
        /// What, and what to do.
        why: &'static str,
    },
    /// `--set` without a `=`.
    #[error("write KEY=VALUE")]
    NoEquals,
    /// A scenario's name with letters that a file name or a matrix needs.
    #[error("{0:?} is no name for a scenario: use lower-case letters, digits and -")]
    BadName(String),
}

impl Problem {
    /// This problem, there.
    pub(crate) fn at(self, scenario: Option<&str>, place: &Place) -> Error {
        Error::At {
            scenario: scenario.map(str::to_owned),
            place: place.clone(),
            problem: Box::new(self),
        }
    }
}

/// The most similar of `known`, where there is one that is similar at all.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let lower = name.to_lowercase();
    known
        .into_iter()
        .map(|candidate| {
            (
                strsim::jaro_winkler(&lower, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(similarity, _)| *similarity > 0.65)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate.to_owned())
}

fn scenario_prefix(scenario: &Option<String>) -> String {
    scenario
        .as_ref()
        .map(|name| format!("scenario {name}, "))
        .unwrap_or_default()
}

fn nearest_suffix(nearest: &Option<String>) -> String {
    nearest
        .as_ref()
        .map(|name| format!(", did you mean {name}?"))
        .unwrap_or_default()
}
