//! The process's cgroup: what a container's limit counts.

use std::io;

use super::ledger::CgroupBytes;
use super::text::{Lines, decimal};

/// `memory.current` and `memory.stat` of the process's cgroup, kept open.
#[derive(Debug)]
pub struct Cgroup {
    current: Lines,
    stat: Lines,
}

impl Cgroup {
    /// # Errors
    /// `NotFound` where the process is in no cgroup v2, or in the root, which counts nothing.
    pub fn new() -> io::Result<Self> {
        let text = std::fs::read_to_string("/proc/self/cgroup")?;
        let path = text
            .lines()
            .find_map(|line| line.strip_prefix("0::"))
            .ok_or_else(|| {
                io::Error::new(io::ErrorKind::NotFound, "the process is in no cgroup v2")
            })?;
        // In a container the path is the host's, and the mount's root is the container's own.
        let directories = [
            format!("/sys/fs/cgroup{}", path.trim_end_matches('/')),
            "/sys/fs/cgroup".into(),
        ];
        let open = |directory: &String| -> io::Result<Cgroup> {
            Ok(Cgroup {
                current: Lines::open(&format!("{directory}/memory.current"), 4096)?,
                stat: Lines::open(&format!("{directory}/memory.stat"), 16 * 1024)?,
            })
        };
        directories.iter().find_map(|directory| open(directory).ok()).ok_or_else(|| {
            let why = "no memory.current of cgroup version 2; version 1, and the root of version 2, have none";
            io::Error::new(io::ErrorKind::NotFound, why)
        })
    }

    /// Reads them now.
    pub fn read(&mut self) -> io::Result<CgroupBytes> {
        let mut bytes = CgroupBytes::default();
        self.current
            .read(|line| bytes.current_bytes = decimal(line).unwrap_or(0))?;
        self.stat.read(|line| {
            let Some(space) = line.iter().position(|b| *b == b' ') else {
                return;
            };
            let value = decimal(&line[space + 1..]).unwrap_or(0);
            match &line[..space] {
                b"anon" => bytes.anon_bytes = value,
                b"file" => bytes.file_bytes = value,
                b"shmem" => bytes.shmem_bytes = value,
                b"kernel" => bytes.kernel_bytes = value,
                _ => {}
            }
        })?;
        Ok(bytes)
    }
}
