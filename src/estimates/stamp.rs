//! What Criterion's files do not say, written beside them by the bench that made them.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::files::{self, ESTIMATES, STAMP, Texts};
use super::read::INVENTED;
use super::{CRITERION_VERSION, Error, SCHEMA_VERSION, Unit, shape};
use crate::environment::{environment, git_revision, rfc3339};
use crate::whole_file;

/// `membench.json`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stamp {
    /// Of stamps.
    pub schema_version: u32,
    /// Of this suite.
    pub suite_version: String,
    /// Of this suite; absent outside a checkout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_revision: Option<String>,
    /// The line of Criterion that wrote the files: `0.8`.
    pub criterion_version: String,
    /// XXH3-128 over `benchmark.json`, `estimates.json` and `sample.json`, each after its length in
    /// eight bytes, hexadecimal: the files that this is of.
    pub content_hash: String,
    /// Of every number in them.
    pub unit: Unit,
    /// What the bench was asked for: rows, PRAGMAs, samples.
    pub settings: BTreeMap<String, String>,
    /// Says which results may be compared; see `environment`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_key: Option<String>,
    /// The machine and the software: see `environment`.
    pub environment: Map<String, Value>,
    /// When the bench began: RFC 3339, UTC.
    pub started_at: String,
}

impl Stamp {
    /// That the files beside it are of the line of Criterion that is known here.
    pub(super) fn check(&self, path: &Path) -> Result<(), Error> {
        if self.criterion_version == CRITERION_VERSION {
            return Ok(());
        }
        Err(Error::OtherCriterion {
            path: path.to_owned(),
            found: self.criterion_version.clone(),
        })
    }
}

#[derive(Deserialize)]
struct Header {
    schema_version: u64,
}

/// The stamp in `bytes`; `path` is for messages.
pub(super) fn decode(path: &Path, bytes: &[u8]) -> Result<Stamp, Error> {
    let json = |cause| Error::Json {
        path: path.to_owned(),
        cause,
    };
    let found = serde_json::from_slice::<Header>(bytes)
        .map_err(json)?
        .schema_version;
    if found != u64::from(SCHEMA_VERSION) {
        return Err(Error::Schema {
            path: path.to_owned(),
            found,
        });
    }
    serde_json::from_slice(bytes).map_err(json)
}

/// Where a bench's Criterion writes: `CRITERION_HOME`, or `criterion` in `CARGO_TARGET_DIR` or else in
/// `target`, which a library cannot know.
pub fn directory(target: &Path) -> PathBuf {
    directory_by(|name| env::var_os(name), target)
}

fn directory_by(variable: impl Fn(&str) -> Option<OsString>, target: &Path) -> PathBuf {
    match variable("CRITERION_HOME") {
        Some(home) => home.into(),
        None => variable("CARGO_TARGET_DIR")
            .map_or(target.to_owned(), PathBuf::from)
            .join("criterion"),
    }
}

/// Stamps what Criterion has written into its directory since `since`: the last run and baselines of
/// every benchmark whose group is among `units`. Says how many directories that were: 0 where nothing
/// was written. May be called again as a run goes on: what it has stamped is left as it is.
///
/// Results of `--quick` get no stamp, and lose an old one.
///
/// # Errors
/// The system's, with the path that it is about.
pub fn write(
    criterion_directory: &Path,
    since: SystemTime,
    units: &BTreeMap<String, Unit>,
    settings: &BTreeMap<String, String>,
) -> io::Result<usize> {
    if !criterion_directory.is_dir() {
        return Ok(0);
    }
    let environment = environment();
    let machine_key = environment.get("machine_key").and_then(Value::as_str);
    let mut stamp = Stamp {
        schema_version: SCHEMA_VERSION,
        suite_version: env!("CARGO_PKG_VERSION").into(),
        git_revision: git_revision().map(str::to_owned),
        criterion_version: CRITERION_VERSION.into(),
        content_hash: String::new(),
        unit: Unit::Nanoseconds,
        settings: settings.clone(),
        machine_key: machine_key.map(str::to_owned),
        environment,
        started_at: rfc3339(since),
    };
    let mut stamped = 0;
    for directory in files::directories(criterion_directory).map_err(io::Error::other)? {
        if !is_written_since(&directory.join(ESTIMATES), since) {
            continue;
        }
        match judged(&directory, units) {
            Some(Judged::Real(unit, content_hash)) => {
                (stamp.unit, stamp.content_hash) = (unit, content_hash);
                if !is_there(&directory, &stamp) {
                    put(&directory, &stamp).map_err(about(&directory))?;
                    stamped += 1;
                }
            }
            Some(Judged::Invented) => remove(&directory).map_err(about(&directory))?,
            None => {}
        }
    }
    Ok(stamped)
}

/// To the second: a file's time may come from a coarser clock than `since`, and lie before it.
fn is_written_since(file: &Path, since: SystemTime) -> bool {
    let seconds = |time: SystemTime| {
        time.duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO)
            .as_secs()
    };
    let written = fs::metadata(file).and_then(|metadata| metadata.modified());
    written.is_ok_and(|written| seconds(written) >= seconds(since))
}

/// Whether this run has stamped these files before.
fn is_there(directory: &Path, stamp: &Stamp) -> bool {
    let path = directory.join(STAMP);
    let bytes = files::stamp(directory).ok().flatten();
    let there = bytes.and_then(|bytes| decode(&path, &bytes).ok());
    there.is_some_and(|there| {
        there.content_hash == stamp.content_hash && there.started_at == stamp.started_at
    })
}

/// What lies in a directory.
enum Judged {
    /// Results in this unit, with this hash.
    Real(Unit, String),
    Invented,
}

/// `None` where it is another's, or cannot be read: the reader says why.
fn judged(directory: &Path, units: &BTreeMap<String, Unit>) -> Option<Judged> {
    let texts = Texts::read(directory).ok()?;
    let unit = units.get(&shape::identity(directory, &texts).ok()?.group)?;
    let (_, samples) = shape::samples(directory, &texts).ok()?;
    Some(match samples.len() {
        INVENTED => Judged::Invented,
        _ => Judged::Real(*unit, texts.hash()),
    })
}

fn put(directory: &Path, stamp: &Stamp) -> io::Result<()> {
    whole_file::write(&directory.join(STAMP), |out| {
        serde_json::to_writer(&mut *out, stamp)?;
        out.write_all(b"\n")
    })
}

fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_file(directory.join(STAMP)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn about(directory: &Path) -> impl Fn(io::Error) -> io::Error {
    let path = directory.join(STAMP);
    move |cause| io::Error::new(cause.kind(), format!("{}: {cause}", path.display()))
}

#[cfg(test)]
mod tests;
