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
        let directory = format!("/sys/fs/cgroup{}", path.trim_end_matches('/'));
        let open = |file: &str, capacity| {
            let path = format!("{directory}/{file}");
            Lines::open(&path, capacity)
                .map_err(|e| io::Error::new(e.kind(), format!("{path}: {e}")))
        };
        Ok(Cgroup {
            current: open("memory.current", 4096)?,
            stat: open("memory.stat", 16 * 1024)?,
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
