//! A testee as seen from outside: `/proc/PID/smaps_rollup`, and the bytes of its directory.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// `smaps_rollup` has about 25 lines; what matters is within this.
const ROLLUP_BYTES: usize = 4096;

/// `Rss`, `Anonymous` and `Swap`, counted by the kernel page by page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Memory {
    pub rss_bytes: u64,
    pub anonymous_bytes: u64,
    pub swap_bytes: u64,
}

/// The memory of process `pid`. An error for a process that has ended and was not waited for yet.
pub(super) fn memory(pid: u32) -> io::Result<Memory> {
    let mut file = File::open(format!("/proc/{pid}/smaps_rollup"))?;
    let mut buffer = [0u8; ROLLUP_BYTES];
    let mut filled = 0;
    loop {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(bytes) => filled += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    parse(&buffer[..filled])
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "smaps_rollup without Rss"))
}

/// `Rss` must be there; `Anonymous` and `Swap` are 0 on a kernel that does not tell them.
fn parse(rollup: &[u8]) -> Option<Memory> {
    let mut memory = Memory::default();
    let mut found = false;
    for line in String::from_utf8_lossy(rollup).lines() {
        let mut fields = line.split_ascii_whitespace();
        let into = match fields.next() {
            Some("Rss:") => &mut memory.rss_bytes,
            Some("Anonymous:") => &mut memory.anonymous_bytes,
            Some("Swap:") => &mut memory.swap_bytes,
            _ => continue,
        };
        found |= line.starts_with("Rss:");
        *into = fields.next()?.parse::<u64>().ok()?.checked_mul(1024)?;
    }
    found.then_some(memory)
}

/// Bytes of the files in `directory`, and of those that `pid` holds open there though they have no
/// name any more: SQLite unlinks a temporary database as soon as it is open.
pub(super) fn disk_bytes(directory: &Path, pid: u32) -> u64 {
    named_bytes(directory) + unlinked_bytes(directory, pid)
}

/// Files come and go while this looks; what is gone counts nothing.
fn named_bytes(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => named_bytes(&entry.path()),
            Ok(metadata) if metadata.is_file() => metadata.len(),
            _ => 0,
        })
        .sum()
}

fn unlinked_bytes(directory: &Path, pid: u32) -> u64 {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return 0;
    };
    entries
        .flatten()
        .filter(|entry| {
            fs::read_link(entry.path()).is_ok_and(|target| {
                target.starts_with(directory)
                    && target
                        .as_os_str()
                        .as_encoded_bytes()
                        .ends_with(b" (deleted)")
            })
        })
        .filter_map(|entry| fs::metadata(entry.path()).ok())
        .map(|metadata| metadata.len())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_rollup_is_read_by_name_and_not_by_position() {
        let text = b"55d0-7ffc ---p 00000000 00:00 0    [rollup]\nRss:    1464 kB\nPss:  9 kB\n\
                     Pss_Anon: 3 kB\nAnonymous:\t   92 kB\nSwap:  4 kB\nSwapPss: 1 kB\n";
        let expected = Memory {
            rss_bytes: 1464 * 1024,
            anonymous_bytes: 92 * 1024,
            swap_bytes: 4096,
        };
        assert_eq!(parse(text), Some(expected));
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b"Rss: lots kB\n"), None);
    }

    #[test]
    fn the_memory_of_this_process_holds_together() {
        let memory = memory(std::process::id()).unwrap();
        assert!(memory.anonymous_bytes > 0 && memory.anonymous_bytes <= memory.rss_bytes);
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        assert!(memory(u32::MAX).is_err());
    }

    #[test]
    fn files_count_with_and_without_a_name() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("sub")).unwrap();
        fs::write(directory.path().join("sub/a"), [0; 1000]).unwrap();
        let mut unlinked = File::create(directory.path().join("b")).unwrap();
        unlinked.write_all(&[0; 300]).unwrap();
        assert_eq!(disk_bytes(directory.path(), std::process::id()), 1300);
        fs::remove_file(directory.path().join("b")).unwrap();
        assert_eq!(disk_bytes(directory.path(), std::process::id()), 1300);
        drop(unlinked);
        assert_eq!(disk_bytes(directory.path(), std::process::id()), 1000);
    }
}
