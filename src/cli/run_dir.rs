//! Where a run is written: its identity, and a directory that is not there yet.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use xxhash_rust::xxh3::xxh3_64;

use crate::environment::rfc3339;

/// A run's start and its name.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    /// UTC start and a short random part: `20260131T235959Z-1a2b3c`.
    pub(super) run_id: String,
    /// RFC 3339.
    pub(super) started_utc: String,
}

impl Identity {
    pub(super) fn now() -> Self {
        let now = SystemTime::now();
        let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let salt = format!("{}.{}", since.as_nanos(), std::process::id());
        Identity::at(now, xxh3_64(salt.as_bytes()) & 0xff_ffff)
    }

    fn at(time: SystemTime, random: u64) -> Self {
        let started_utc = rfc3339(time);
        let digits = started_utc.replace(['-', ':'], "");
        Identity {
            run_id: format!("{digits}-{random:06x}"),
            started_utc,
        }
    }
}

/// The directory that the user asked for: it must not exist, and it must be possible to make it.
pub(super) fn asked_for(out: &Path) -> anyhow::Result<PathBuf> {
    if out.symlink_metadata().is_ok() {
        bail!(
            "--out {}: it exists; a run is never written over another, so name a new directory",
            out.display()
        );
    }
    // Only making it proves that it can be made: a superuser passes every check of permissions.
    std::fs::create_dir(out)
        .and_then(|()| std::fs::remove_dir(out))
        .with_context(|| format!("--out {}: cannot make this directory; name one whose parent exists and can be written", out.display()))?;
    Ok(out.to_owned())
}

/// Where a run goes that says nothing of it: `./profiles/runs` in a checkout, a name that tells
/// where it comes from elsewhere. Makes the parent.
pub(super) fn default(identity: &Identity) -> anyhow::Result<PathBuf> {
    let parent = match Path::new("profiles").is_dir() {
        true => Path::new("profiles/runs"),
        false => Path::new("sqlite-membench-runs"),
    };
    std::fs::create_dir_all(parent).with_context(|| {
        format!(
            "{}: cannot make this directory; say where to write with --out DIR",
            parent.display()
        )
    })?;
    Ok(parent.join(&identity.run_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_named_by_its_start() {
        let time = UNIX_EPOCH + Duration::from_secs(951_782_400);
        let identity = Identity::at(time, 0xabc);
        assert_eq!(identity.run_id, "20000229T000000Z-000abc");
        assert_eq!(identity.started_utc, "2000-02-29T00:00:00Z");
    }

    #[test]
    fn a_directory_that_is_there_or_cannot_be_made_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        assert!(asked_for(parent.path()).is_err());
        assert!(asked_for(&parent.path().join("a/b")).is_err());
        let new = parent.path().join("new");
        assert_eq!(asked_for(&new).unwrap(), new);
        assert!(!new.exists());
    }
}
