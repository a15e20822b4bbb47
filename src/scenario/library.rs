//! The library of `preload`, where it is.

use std::path::{Path, PathBuf};

use super::error::Problem;
use super::setting::{Kind, Value};

/// Where distributions keep shared libraries.
const DIRECTORIES: [&str; 9] = [
    "/usr/local/lib",
    "/usr/local/lib64",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib/riscv64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/lib64",
    "/lib",
];

/// `none`; a library that is there; or the bare name of one that is installed, `libNAME.so.2`. A
/// path that is declared in a file starts from the file's directory.
pub(super) fn preload(
    text: &str,
    value: &Value,
    directory: &Path,
) -> Result<Option<PathBuf>, Problem> {
    if text == "none" {
        return Ok(None);
    }
    let path = match value.kind {
        Kind::Bare => PathBuf::from(text),
        _ => directory.join(text),
    };
    if is_bare_name(text) && !path.exists() {
        return installed(text).map(Some);
    }
    let wrong = |path: PathBuf, why: String| Problem::Preload { path, why };
    let metadata = std::fs::metadata(&path).map_err(|e| wrong(path.clone(), e.to_string()))?;
    if !metadata.is_file() {
        return Err(wrong(path, "it is not a file".into()));
    }
    // The loader parts LD_PRELOAD at these.
    if path.to_string_lossy().contains([' ', ':']) {
        return Err(wrong(
            path,
            "the loader cannot take a path with a space or a colon".into(),
        ));
    }
    std::path::absolute(&path)
        .map(Some)
        .map_err(|e| wrong(path, e.to_string()))
}

fn is_bare_name(text: &str) -> bool {
    text.starts_with("lib") && text.contains(".so") && !text.contains('/')
}

/// Where the system has the library of this name.
fn installed(name: &str) -> Result<PathBuf, Problem> {
    let places = DIRECTORIES.iter().map(|place| Path::new(place).join(name));
    places
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| {
            let package = match name.split_once(".so") {
                Some((stem, version)) => format!("{stem}{}", version.trim_start_matches('.')),
                None => name.to_owned(),
            };
            Problem::NotInstalled {
                name: name.to_owned(),
                package,
            }
        })
}
