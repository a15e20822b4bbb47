//! What a comparison is made of, found by looking at it.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Error;
use crate::estimates::LAST_RUN;
use crate::record::FILES;

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A record, compressed or not.
    Run(PathBuf),
    /// What Criterion has left.
    Criterion {
        /// Its directory.
        directory: PathBuf,
        /// `new` is the last run.
        baseline: String,
    },
}

impl Source {
    /// What `argument` names: a run's directory, a record, or DIR@BASELINE of Criterion's.
    ///
    /// # Errors
    /// There is no such thing, or it is none of these.
    pub fn find(argument: &Path) -> Result<Source, Error> {
        let missing = |path: &Path, cause| Error::Missing {
            path: path.to_owned(),
            cause,
        };
        let cause = match argument.metadata() {
            Ok(found) if found.is_dir() => return Source::directory(argument, None),
            Ok(_) => return Ok(Source::Run(argument.to_owned())),
            Err(cause) => cause,
        };
        let bytes = argument.as_os_str().as_bytes();
        let Some(at) = bytes.iter().rposition(|byte| *byte == b'@') else {
            return Err(missing(argument, cause));
        };
        let directory = Path::new(OsStr::from_bytes(&bytes[..at]));
        let baseline = String::from_utf8_lossy(&bytes[at + 1..]).into_owned();
        match directory.metadata() {
            Err(cause) => Err(missing(directory, cause)),
            Ok(found) if found.is_dir() => Source::directory(directory, Some(baseline)),
            Ok(_) => Err(Error::Usage(format!(
                "{}: a record has no baselines, so leave out @{baseline}",
                directory.display()
            ))),
        }
    }

    fn directory(directory: &Path, baseline: Option<String>) -> Result<Source, Error> {
        let records = FILES.iter().map(|name| directory.join(name));
        let record = records.into_iter().find(|path| path.exists());
        match (record, baseline) {
            (Some(record), None) => Ok(Source::Run(record)),
            (Some(_), Some(baseline)) => Err(Error::Usage(format!(
                "{}: a run has no baselines, so leave out @{baseline}",
                directory.display()
            ))),
            (None, baseline) => {
                let baseline = baseline.unwrap_or_else(|| LAST_RUN.to_owned());
                if let Err(error) = crate::estimates::read(directory, &baseline) {
                    return Err(Error::Usage(format!(
                        "{}: no run: there is no {} in it; and as Criterion's: {error}",
                        directory.display(),
                        FILES.join(" and no ")
                    )));
                }
                Ok(Source::Criterion {
                    directory: directory.to_owned(),
                    baseline,
                })
            }
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Source::Run(_) => "a run",
            Source::Criterion { .. } => "Criterion's",
        }
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Source::Run(path) => path,
            Source::Criterion { directory, .. } => directory,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Run(path) => write!(f, "{}", path.display()),
            Source::Criterion {
                directory,
                baseline,
            } => write!(f, "{}@{baseline}", directory.display()),
        }
    }
}

/// `5%`, `5 %` and `0.05` are the same.
///
/// # Errors
/// What it takes.
pub fn parse_threshold(text: &str) -> Result<f64, String> {
    let wrong = || format!("{text:?} is no threshold; it takes 5% or 0.05, above 0 and up to 100%");
    let (number, unit) = match text.trim().strip_suffix('%') {
        Some(number) => (number.trim_end(), 100.0),
        None => (text.trim(), 1.0),
    };
    let part = number.parse::<f64>().map_err(|_| wrong())? / unit;
    match part > 0.0 && part <= 1.0 {
        true => Ok(part),
        false => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_a_percentage_or_a_part_and_neither_nothing_nor_more_than_all() {
        for text in ["5%", "5 %", " 0.05 "] {
            assert_eq!(parse_threshold(text), Ok(0.05), "{text:?}");
        }
        for text in ["5", "0", "-3%", "101%", "nan", "inf", "", "%", "x%"] {
            let error = parse_threshold(text).unwrap_err();
            assert!(error.contains("5% or 0.05"), "{text:?}: {error}");
        }
    }
}
