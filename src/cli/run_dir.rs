//! Where a run is written: its identity, and a directory that is not there yet.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use xxhash_rust::xxh3::xxh3_64;

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
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        let salt = format!("{}.{}", since.as_nanos(), std::process::id());
        Identity::at(since.as_secs(), xxh3_64(salt.as_bytes()) & 0xff_ffff)
    }

    fn at(seconds: u64, random: u64) -> Self {
        let (year, month, day) = civil(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        Identity {
            run_id: format!(
                "{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z-{random:06x}"
            ),
            started_utc: format!(
                "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
            ),
        }
    }
}

/// Year, month and day of a number of days since 1970 (Howard Hinnant's `civil_from_days`).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
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
    fn times_are_those_of_the_calendar() {
        let at = |seconds| Identity::at(seconds, 0xabc).started_utc;
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(at(4_107_542_399), "2100-02-28T23:59:59Z");
        assert_eq!(at(4_107_542_400), "2100-03-01T00:00:00Z");
        assert_eq!(
            Identity::at(951_782_400, 0xabc).run_id,
            "20000229T000000Z-000abc"
        );
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
