//! Why results could not be read.

use std::io;
use std::path::PathBuf;

use super::{CRITERION_VERSION, SCHEMA_VERSION};

/// Why results, or those of one benchmark, could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing was ever run here.
    #[error(
        "{}: no such directory: Criterion writes it; run `cargo bench` first, or name the one that \
         CRITERION_HOME or CARGO_TARGET_DIR made it use",
        .0.display()
    )]
    NoDirectory(PathBuf),
    /// No benchmark has it.
    #[error(
        "{}: no benchmark has the baseline `{baseline}`; {}. Make it by `cargo bench -- \
         --save-baseline {baseline}`",
        directory.display(),
        listed(there)
    )]
    NoBaseline {
        /// Criterion's.
        directory: PathBuf,
        /// What was asked for.
        baseline: String,
        /// Those that there are, sorted; `new` is the last run.
        there: Vec<String>,
    },
    /// A file or directory could not be read.
    #[error("cannot read {}: {cause}; run the bench again if it was stopped half way", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's words.
        cause: io::Error,
    },
    /// Not JSON, or cut off.
    #[error("{}: not JSON, or not all of it: {cause}; run the bench again", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The parser's words.
        cause: serde_json::Error,
    },
    /// JSON of another shape.
    #[error(
        "{}: `{field}` is {found}, and must be {expected}: no file as criterion {CRITERION_VERSION} \
         writes it; run the bench again",
        path.display()
    )]
    Shape {
        /// The file.
        path: PathBuf,
        /// `mean.point_estimate`
        field: String,
        /// In words, or as it stands there.
        found: String,
        /// In words.
        expected: &'static str,
    },
    /// The stamp is of a version that this build does not know.
    #[error(
        "{}: schema_version {found}, and this reads {SCHEMA_VERSION}: read it with the version of \
         sqlite-membench that wrote it, or a later one, or run the bench again",
        path.display()
    )]
    Schema {
        /// The stamp.
        path: PathBuf,
        /// What it says.
        found: u64,
    },
    /// The files are another Criterion's.
    #[error(
        "{}: written by criterion {found}, this reads {CRITERION_VERSION}: read it with the version of \
         sqlite-membench that wrote it, or run the bench again",
        path.display()
    )]
    OtherCriterion {
        /// The stamp.
        path: PathBuf,
        /// What it says.
        found: String,
    },
    /// Two samples.
    #[error(
        "{}: of `--quick`, whose second sample is invented; run the bench again without it, with \
         SQLITE_MEMBENCH_BENCH_SET=quick for a short run",
        .0.display()
    )]
    Invented(PathBuf),
    /// Two directories say that they are the same benchmark.
    #[error(
        "{}: another directory has the id `{id}` too; remove the older one, or give one of the \
         benchmarks another name",
        path.display()
    )]
    SameId {
        /// The one that is not read.
        path: PathBuf,
        /// Of both.
        id: String,
    },
}

fn listed(baselines: &[String]) -> String {
    match baselines {
        [] => "there are no results at all".into(),
        some => format!("there are: {}", some.join(", ")),
    }
}
