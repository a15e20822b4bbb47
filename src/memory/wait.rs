//! What the kernel accounts to a process: `getrusage` for oneself, `wait4` for a child.

use std::io;
use std::mem::MaybeUninit;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

/// CPU time and page faults of this process, all its threads together, since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// `ru_utime`
    pub user_ns: u64,
    /// `ru_stime`
    pub system_ns: u64,
    /// `ru_minflt + ru_majflt`
    pub page_faults: u64,
}

impl Usage {
    /// User and system time.
    pub fn cpu(&self) -> Duration {
        Duration::from_nanos(self.user_ns + self.system_ns)
    }
}

/// A child that has ended, and what it used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waited {
    /// How it ended.
    pub status: ExitStatus,
    /// `ru_maxrss`: the highest RSS since the last reset of the peak, and at least the peak of the
    /// process that started the child, because the kernel counts the time before `exec`.
    pub peak_rss_bytes: u64,
    /// `ru_utime`
    pub user_ns: u64,
    /// `ru_stime`
    pub system_ns: u64,
}

/// `getrusage(RUSAGE_SELF)`.
pub fn own_usage() -> io::Result<Usage> {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the kernel writes one `rusage` to the pointer, which is valid for one.
    if unsafe { libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was zeroed, which is a valid `rusage`, and then filled in.
    let usage = unsafe { usage.assume_init() };
    Ok(Usage {
        user_ns: nanoseconds(usage.ru_utime),
        system_ns: nanoseconds(usage.ru_stime),
        page_faults: unsigned(usage.ru_minflt) + unsigned(usage.ru_majflt),
    })
}

/// `wait4(pid, WNOHANG)`: `None` while the child runs. It is reaped when this gives `Some`; its pid
/// may then belong to another process, and must not be waited for or signalled again.
pub fn wait_with_usage(pid: u32) -> io::Result<Option<Waited>> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    if pid == 0 {
        return Err(io::Error::from_raw_os_error(libc::ECHILD));
    }
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    let waited = loop {
        // SAFETY: both pointers are valid for one value of what the kernel writes there.
        let waited = unsafe { libc::wait4(pid, &mut status, libc::WNOHANG, usage.as_mut_ptr()) };
        if waited >= 0 {
            break waited;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    };
    if waited == 0 {
        return Ok(None);
    }
    // SAFETY: it was zeroed, which is a valid `rusage`, and then filled in.
    let usage = unsafe { usage.assume_init() };
    Ok(Some(Waited {
        status: ExitStatus::from_raw(status),
        peak_rss_bytes: unsigned(usage.ru_maxrss) * 1024,
        user_ns: nanoseconds(usage.ru_utime),
        system_ns: nanoseconds(usage.ru_stime),
    }))
}

fn nanoseconds(time: libc::timeval) -> u64 {
    unsigned(time.tv_sec) * 1_000_000_000 + unsigned(time.tv_usec) * 1_000
}

/// The kernel's counters are signed by type and never negative.
fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;
    use std::thread::sleep;
    use std::time::Duration;

    #[expect(
        clippy::zombie_processes,
        reason = "it is waited for by its pid: that is the test"
    )]
    fn wait(command: &mut Command) -> Waited {
        let child = command.spawn().unwrap();
        loop {
            if let Some(waited) = wait_with_usage(child.id()).unwrap() {
                assert!(wait_with_usage(child.id()).is_err(), "reaped twice");
                return waited;
            }
            sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_child_is_reaped_once_with_its_status_and_usage() {
        let waited = wait(Command::new("sh").args(["-c", "exit 7"]));
        assert_eq!(waited.status.code(), Some(7));
        assert!(waited.peak_rss_bytes > 100_000, "{waited:?}");
    }

    #[test]
    fn a_killed_child_says_by_which_signal() {
        let waited = wait(Command::new("sh").args(["-c", "kill -9 $$"]));
        assert_eq!(waited.status.signal(), Some(9));
    }

    #[test]
    fn any_child_and_no_child_are_refused() {
        assert!(wait_with_usage(0).is_err());
        assert!(wait_with_usage(u32::MAX).is_err());
    }

    #[test]
    fn own_usage_grows_with_work() {
        let before = own_usage().unwrap();
        let pages = vec![1u8; 8 << 20];
        std::hint::black_box(&pages);
        assert!(own_usage().unwrap().page_faults > before.page_faults);
    }
}
