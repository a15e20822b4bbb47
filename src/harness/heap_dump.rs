//! What a testee that was killed has left of its heap profile, in a build with the feature `dhat-heap`.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, test_kill_process_group};

use crate::testee::heap_dump::unfinished;

/// A child of a testee that was killed finishes what it writes, but is not waited for longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for a child of testee `pid`, which has ended, that still writes `profile`; what is not whole
/// then is removed. Returns at once where there is none.
pub(super) fn settle(profile: &Path, pid: u32) {
    let unfinished = unfinished(profile);
    let group = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let writes = || group.is_some_and(|group| test_kill_process_group(group).is_ok());
    let patience = Instant::now() + PATIENCE;
    while unfinished.exists() && writes() && Instant::now() < patience {
        thread::sleep(Duration::from_millis(5));
    }
    let _ = fs::remove_file(unfinished);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_writes_any_more_is_removed_at_once_and_a_whole_profile_stays() {
        let directory = tempfile::tempdir().unwrap();
        let profile = directory.path().join("dhat-heap.json");
        fs::write(&profile, "{}").unwrap();
        fs::write(unfinished(&profile), "{").unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let began = Instant::now();
        settle(&profile, child.id());
        assert!(began.elapsed() < PATIENCE / 2);
        assert!(!unfinished(&profile).exists());
        assert_eq!(fs::read(&profile).unwrap(), b"{}");
    }
}
