//! The process's mappings, from `/proc/self/smaps`: addresses, kinds, and the kernel's counts.

use std::io;

use super::process::Rollup;
use super::text::{Lines, hexadecimal, kilobytes};
use crate::allocator::region::Region;

/// What backs a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backing {
    /// Nothing: private memory.
    Anonymous,
    /// Nothing: the program break, `[heap]`.
    Break,
    /// Nothing: the main thread's stack.
    MainStack,
    /// The kernel's own pages: `[vdso]` and its like.
    Kernel,
    /// Memory shared between processes: memfd, POSIX and System V shared memory.
    SharedMemory,
    /// The `-shm` file of a database in WAL mode.
    WalIndex,
    /// Any other file.
    File,
}

/// One mapping. Sizes in bytes, as the kernel counts them.
#[derive(Debug, Clone, Copy)]
pub struct Mapping {
    pub start: usize,
    pub end: usize,
    pub readable: bool,
    pub writable: bool,
    pub backing: Backing,
    pub rss_bytes: u64,
    /// The part of `rss_bytes` that is private to the process: never written, it would be the file's.
    pub anonymous_bytes: u64,
    pub swap_bytes: u64,
}

impl Mapping {
    /// Bytes of it that are not resident.
    pub fn missing_bytes(&self) -> usize {
        (self.end - self.start).saturating_sub(self.rss_bytes as usize)
    }

    /// Every page of it is resident, so that nobody needs to ask which.
    pub fn is_whole(&self) -> bool {
        self.missing_bytes() == 0
    }
}

/// The kernel's default limit is 65,530 mappings for one process.
const MOST_MAPPINGS: usize = 262_144;

/// Reads the mappings into a buffer of its own.
#[derive(Debug)]
pub struct Mappings {
    lines: Lines,
    mappings: Region<Mapping>,
    sums: Rollup,
}

impl Mappings {
    pub fn new() -> io::Result<Self> {
        Ok(Mappings {
            lines: Lines::open("/proc/self/smaps", 64 * 1024)?,
            mappings: Region::new(MOST_MAPPINGS)?,
            sums: Rollup::default(),
        })
    }

    /// As of the last [`read`](Self::read).
    pub fn last(&self) -> &[Mapping] {
        &self.mappings
    }

    /// The sums over all lines of the last [`read`](Self::read), also those of a mapping whose header
    /// was not understood. What `smaps_rollup` says, without a second walk over every page, and at
    /// the moment at which the mappings were read.
    pub fn sums(&self) -> Rollup {
        self.sums
    }

    /// Reads them now. In order of address.
    pub fn read(&mut self) -> io::Result<&[Mapping]> {
        let Mappings {
            lines,
            mappings,
            sums,
        } = self;
        mappings.clear();
        *sums = Rollup::default();
        lines.read(|line| {
            if let Some((name, bytes)) = kilobytes(line) {
                sums.add((name, bytes));
                if let Some(mapping) = mappings.last_mut() {
                    match name {
                        b"Rss" => mapping.rss_bytes = bytes,
                        b"Anonymous" => mapping.anonymous_bytes = bytes,
                        b"Swap" => mapping.swap_bytes = bytes,
                        _ => {}
                    }
                }
            } else if let Some(mapping) = header(line) {
                mappings.push(mapping);
            }
        })?;
        if mappings.lost() > 0 {
            return Err(io::Error::new(
                io::ErrorKind::OutOfMemory,
                "more mappings than the ledger has room for",
            ));
        }
        Ok(mappings)
    }
}

/// `start-end perms offset device inode   path`
fn header(line: &[u8]) -> Option<Mapping> {
    let mut fields = line.splitn(6, |b| *b == b' ');
    let range = fields.next()?;
    let dash = range.iter().position(|b| *b == b'-')?;
    let (start, end) = (
        hexadecimal(&range[..dash])?,
        hexadecimal(&range[dash + 1..])?,
    );
    let permissions = fields.next()?;
    let (_offset, _device) = (fields.next()?, fields.next()?);
    let inode = fields.next()?;
    let path = fields.next().unwrap_or_default().trim_ascii();
    Some(Mapping {
        start,
        end,
        readable: permissions.first() == Some(&b'r'),
        writable: permissions.get(1) == Some(&b'w'),
        backing: backing(inode, path),
        rss_bytes: 0,
        anonymous_bytes: 0,
        swap_bytes: 0,
    })
}

fn backing(inode: &[u8], path: &[u8]) -> Backing {
    const SHARED: [&[u8]; 5] = [
        b"/memfd:",
        b"/dev/shm/",
        b"/SYSV",
        b"/dev/zero",
        b"[anon_shmem:",
    ];
    match path {
        b"" => Backing::Anonymous,
        b"[heap]" => Backing::Break,
        b"[stack]" => Backing::MainStack,
        path if SHARED.iter().any(|p| path.starts_with(p)) => Backing::SharedMemory,
        path if path.starts_with(b"[anon") => Backing::Anonymous,
        path if path.starts_with(b"[") && inode == b"0" => Backing::Kernel,
        path if path
            .strip_suffix(b" (deleted)")
            .unwrap_or(path)
            .ends_with(b"-shm") =>
        {
            Backing::WalIndex
        }
        _ => Backing::File,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_are_those_of_the_rollup() {
        let mut mappings = Mappings::new().unwrap();
        // Other tests allocate meanwhile.
        let close = (0..20).any(|_| {
            let rollup = super::super::process::rollup(None).unwrap();
            mappings.read().unwrap();
            let sums = mappings.sums();
            sums.rss_bytes.abs_diff(rollup.rss_bytes) <= 1 << 20
                && sums.anonymous_bytes.abs_diff(rollup.anonymous_bytes) <= 1 << 20
        });
        assert!(close);
        let total: u64 = mappings.last().iter().map(|m| m.rss_bytes).sum();
        assert_eq!(total, mappings.sums().rss_bytes);
    }

    #[test]
    fn headers_of_every_kind_are_read() {
        let backing_of = |line: &str| header(line.as_bytes()).map(|m| m.backing);
        assert_eq!(
            backing_of("7f00-8f00 rw-p 00000000 00:00 0 "),
            Some(Backing::Anonymous)
        );
        assert_eq!(
            backing_of("7f00-8f00 rw-p 00000000 00:00 0"),
            Some(Backing::Anonymous)
        );
        assert_eq!(
            backing_of("7f00-8f00 rw-p 00000000 00:00 0          [heap]"),
            Some(Backing::Break)
        );
        assert_eq!(
            backing_of("7f00-8f00 rw-p 00000000 00:00 0   [anon: glibc: malloc]"),
            Some(Backing::Anonymous)
        );
        assert_eq!(
            backing_of("7f00-8f00 r-xp 00000000 00:00 0   [vdso]"),
            Some(Backing::Kernel)
        );
        assert_eq!(
            backing_of("7f00-8f00 rw-s 00000000 08:01 77  /a b/test.db-shm"),
            Some(Backing::WalIndex)
        );
        assert_eq!(
            backing_of("7f00-8f00 r--s 00000000 08:01 77  /a b/test.db"),
            Some(Backing::File)
        );
        assert_eq!(
            backing_of("7f00-8f00 rw-s 00000000 00:01 77  /memfd:x (deleted)"),
            Some(Backing::SharedMemory)
        );
        assert_eq!(backing_of("Rss:            4 kB"), None);
    }

    #[test]
    fn the_mappings_add_up_to_the_rollup() {
        let mut mappings = Mappings::new().unwrap();
        mappings.read().unwrap();
        let sum: u64 = mappings.read().unwrap().iter().map(|m| m.rss_bytes).sum();
        let rollup = crate::memory::process::rollup(None).unwrap().rss_bytes;
        // Other tests of this binary run meanwhile.
        assert!(sum.abs_diff(rollup) < 64 << 20 && sum > 0, "{sum} {rollup}");
    }
}
