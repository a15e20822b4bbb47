//! The process as the kernel counts it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;

use crate::allocator::region::page_size;

/// `smaps_rollup`: exact sums over all mappings, unlike the counters of `status` and `statm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rollup {
    /// `Rss`: resident bytes.
    pub rss_bytes: u64,
    /// `Anonymous`: the part that no file backs.
    pub anonymous_bytes: u64,
    /// `Swap`.
    pub swap_bytes: u64,
    /// `AnonHugePages`: the part of `anonymous_bytes` in transparent huge pages.
    pub huge_bytes: u64,
}

impl Rollup {
    /// Adds a field of `smaps` or of `smaps_rollup`; those that are not counted here change nothing.
    pub(super) fn add(&mut self, (name, bytes): (&[u8], u64)) {
        match name {
            b"Rss" => self.rss_bytes += bytes,
            b"Anonymous" => self.anonymous_bytes += bytes,
            b"Swap" => self.swap_bytes += bytes,
            b"AnonHugePages" => self.huge_bytes += bytes,
            _ => {}
        }
    }
}

fn path(pid: Option<u32>, file: &str) -> String {
    match pid {
        Some(pid) => format!("/proc/{pid}/{file}"),
        None => format!("/proc/self/{file}"),
    }
}

/// Reads `/proc/PID/smaps_rollup`, of this process for `None`. Allocates.
///
/// # Errors
/// The kernel's: `NotFound` when the process is gone, `PermissionDenied` for another user's.
pub fn rollup(pid: Option<u32>) -> io::Result<Rollup> {
    let text = fs::read(path(pid, "smaps_rollup"))?;
    let mut rollup = Rollup::default();
    text.split(|b| *b == b'\n')
        .filter_map(super::text::kilobytes)
        .for_each(|field| rollup.add(field));
    if rollup.rss_bytes == 0 {
        // A process that is exiting has an empty rollup.
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(rollup)
}

/// `VmHWM` of this process: the highest RSS since the start or the last [`reset_peak`]. The kernel
/// counts it approximately, by up to some pages for each CPU.
pub fn peak_rss_bytes() -> io::Result<u64> {
    let text = fs::read("/proc/self/status")?;
    text.split(|b| *b == b'\n')
        .filter_map(super::text::kilobytes)
        .find_map(|(name, bytes)| (name == b"VmHWM").then_some(bytes))
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no VmHWM in /proc/self/status"))
}

/// RSS of this process as `statm` has it: approximate, and cheap enough to be read often.
#[derive(Debug)]
pub struct Resident {
    statm: File,
}

impl Resident {
    /// Opens `/proc/self/statm`.
    pub fn open() -> io::Result<Self> {
        Ok(Resident {
            statm: File::open("/proc/self/statm")?,
        })
    }

    /// Allocates nothing. 0 where it cannot be read.
    pub fn bytes(&self) -> u64 {
        let mut text = [0; 128];
        let length = self.statm.read_at(&mut text, 0).unwrap_or(0);
        let mut fields = text[..length].split(|byte| *byte == b' ');
        let pages = fields
            .nth(1)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let pages: u64 = pages.and_then(|digits| digits.parse().ok()).unwrap_or(0);
        pages * page_size() as u64
    }
}

/// Sets `VmHWM` back to the present RSS, by writing 5 to `clear_refs`.
pub fn reset_peak() -> io::Result<()> {
    fs::write("/proc/self/clear_refs", "5")
}

/// Entries of `/proc/self/fd`, less the one that lists them.
pub fn open_files() -> io::Result<u64> {
    Ok((fs::read_dir("/proc/self/fd")?.count() as u64).saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollup_is_read_by_name_and_not_by_position() {
        let mut rollup = Rollup::default();
        let text = "55d0-7ffc ---p 00000000 00:00 0    [rollup]\nRss:    1464 kB\nPss:  9 kB\n\
                    Pss_Anon: 3 kB\nAnonymous:\t   92 kB\nSwap:  4 kB\nSwapPss: 1 kB\n";
        text.lines()
            .filter_map(|line| crate::memory::text::kilobytes(line.as_bytes()))
            .for_each(|field| rollup.add(field));
        let expected = Rollup {
            rss_bytes: 1464 * 1024,
            anonymous_bytes: 92 * 1024,
            swap_bytes: 4096,
            huge_bytes: 0,
        };
        assert_eq!(rollup, expected);
    }

    #[test]
    fn resident_memory_is_nearly_what_the_rollup_says() {
        let near = Resident::open().unwrap().bytes() as i64;
        let exact = rollup(None).unwrap().rss_bytes as i64;
        assert!((near - exact).abs() < 8 << 20, "{near} {exact}");
    }

    #[test]
    fn a_process_that_does_not_exist_is_not_found() {
        assert_eq!(
            rollup(Some(u32::MAX >> 1)).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
