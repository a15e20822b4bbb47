//! Which files are a benchmark's, where they lie, and what tells one run's from another's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use super::Error;

pub(super) const BENCHMARK: &str = "benchmark.json";
pub(super) const ESTIMATES: &str = "estimates.json";
pub(super) const SAMPLE: &str = "sample.json";
pub(super) const STAMP: &str = "membench.json";

/// Beside baselines, and none: what Criterion draws, and how a run differs from its baseline.
const NO_BASELINES: [&str; 2] = ["change", "report"];

/// Every directory below `root` that holds results, of the last run or of a baseline; sorted.
pub(super) fn directories(root: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        let failed = |cause| Error::Io {
            path: directory.clone(),
            cause,
        };
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // A link is not followed: it could lead around in a circle.
            if entry.file_type().map_err(failed)?.is_dir() {
                left.push(entry.path());
            }
        }
        let is_baseline = |name: &std::ffi::OsStr| !NO_BASELINES.iter().any(|no| name == *no);
        let is_named = directory != root && directory.file_name().is_some_and(is_baseline);
        if is_named && directory.join(BENCHMARK).is_file() {
            found.push(directory);
        }
    }
    found.sort();
    Ok(found)
}

/// The three files of a benchmark.
pub(super) struct Texts {
    pub(super) benchmark: Vec<u8>,
    pub(super) estimates: Vec<u8>,
    pub(super) sample: Vec<u8>,
}

impl Texts {
    pub(super) fn read(directory: &Path) -> Result<Texts, Error> {
        let read = |name| {
            let path = directory.join(name);
            fs::read(&path).map_err(|cause| Error::Io { path, cause })
        };
        Ok(Texts {
            benchmark: read(BENCHMARK)?,
            estimates: read(ESTIMATES)?,
            sample: read(SAMPLE)?,
        })
    }

    /// XXH3-128 over length and bytes of each, hexadecimal.
    pub(super) fn hash(&self) -> String {
        let mut hash = Xxh3::new();
        for text in [&self.benchmark, &self.estimates, &self.sample] {
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        format!("{:032x}", hash.digest128())
    }
}

/// The stamp's bytes; `None` where there is none.
pub(super) fn stamp(directory: &Path) -> Result<Option<Vec<u8>>, Error> {
    let path = directory.join(STAMP);
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(Error::Io { path, cause }),
    }
}
