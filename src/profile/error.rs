//! What can be wrong with a profile.

use std::io;
use std::path::{Path, PathBuf};

/// Each names the file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error("{path}: cannot {what} it: {source}", path = path.display())]
    File {
        /// Of the profile, or made of it.
        path: PathBuf,
        /// What was tried: `read`, `write`.
        what: &'static str,
        /// The system's word.
        source: io::Error,
    },
    /// A line that no profile has; of the last one only where it is whole.
    #[error("{path}:{line}: {why}", path = path.display())]
    Line {
        /// The raw profile, or collapsed stacks.
        path: PathBuf,
        /// Counts from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// A file that no picture can be made of.
    #[error("{path}: {why}", path = path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: String,
    },
    /// A moment that the profile does not have.
    #[error("{path}: it has no moment {asked}; it has {there}", path = path.display())]
    Moment {
        /// The raw profile.
        path: PathBuf,
        /// As it was asked for.
        asked: String,
        /// Those that there are.
        there: String,
    },
}

impl Error {
    pub(super) fn file(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::File {
            path: path.to_owned(),
            what,
            source,
        }
    }

    pub(super) fn line(path: &Path, line: usize, why: impl ToString) -> Error {
        Error::Line {
            path: path.to_owned(),
            line,
            why: why.to_string(),
        }
    }

    pub(super) fn unusable(path: &Path, why: impl ToString) -> Error {
        Error::Unusable {
            path: path.to_owned(),
            why: why.to_string(),
        }
    }

    /// Whether it is what was asked that is wrong, not the system.
    pub fn is_usage(&self) -> bool {
        match self {
            Error::File { what, .. } => *what == "read",
            Error::Line { .. } | Error::Unusable { .. } | Error::Moment { .. } => true,
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        let kind = match &error {
            Error::File { source, .. } => source.kind(),
            _ => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, error)
    }
}
