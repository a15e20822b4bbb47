//! The memory that a testee may still take.

use std::path::PathBuf;

use super::{Root, machine};

/// Memory that can be had, in bytes, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Available {
    /// Of the system, or below a limit of the cgroup: the least of all.
    pub bytes: u64,
    /// The file that it was read from.
    pub source: String,
}

/// The least of what the kernel and each limit of the cgroup leave; `None` where none can be read.
///
/// Sources: `MemAvailable` of `/proc/meminfo`; `memory.max` less `memory.current`, its inactive file
/// pages given back, of the cgroup and all above it; the same of version 1. Swap is not counted.
pub fn available_memory() -> Option<Available> {
    available(&Root(PathBuf::from("/")))
}

fn available(root: &Root) -> Option<Available> {
    let system = machine::meminfo(root, "MemAvailable").map(|bytes| Available {
        bytes,
        source: "MemAvailable of /proc/meminfo".to_owned(),
    });
    let cgroup = machine::cgroup_directory(root).map(|(version, directory)| {
        let names = match version {
            1 => Names {
                mount: "sys/fs/cgroup/memory",
                limit: "memory.limit_in_bytes",
                used: "memory.usage_in_bytes",
                inactive: "total_inactive_file",
            },
            _ => Names {
                mount: "sys/fs/cgroup",
                limit: "memory.max",
                used: "memory.current",
                inactive: "inactive_file",
            },
        };
        below_limits(root, &directory, &names)
    });
    let all = system.into_iter().chain(cgroup.into_iter().flatten());
    all.min_by_key(|available| available.bytes)
}

struct Names {
    mount: &'static str,
    limit: &'static str,
    used: &'static str,
    inactive: &'static str,
}

/// What each limit from `directory` up to the mount leaves.
fn below_limits(root: &Root, directory: &str, names: &Names) -> Vec<Available> {
    let mut found = Vec::new();
    let mut directory = directory;
    loop {
        let number = |file: &str| {
            root.read(&format!("{directory}/{file}"))?
                .parse::<u64>()
                .ok()
        };
        if let (Some(limit), Some(used)) = (number(names.limit), number(names.used)) {
            let stat = root.read(&format!("{directory}/memory.stat"));
            let inactive = stat
                .as_deref()
                .unwrap_or_default()
                .lines()
                .find_map(|line| {
                    let (name, bytes) = line.split_once(' ')?;
                    (name == names.inactive).then(|| bytes.parse::<u64>().ok())?
                });
            let used = used.saturating_sub(inactive.unwrap_or(0));
            // A limit beyond any memory is none, in version 1.
            if limit < 1 << 60 {
                found.push(Available {
                    bytes: limit.saturating_sub(used),
                    source: format!("{} of the cgroup, /{directory}", names.limit),
                });
            }
        }
        match directory.rsplit_once('/') {
            Some((above, _)) if above.starts_with(names.mount) => directory = above,
            _ => return found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
        let directory = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let root = Root(directory.path().to_owned());
        (directory, root)
    }

    #[test]
    fn the_nearest_limit_wins_and_reclaimable_files_are_free() {
        let (_directory, root) = root(&[
            ("proc/meminfo", "MemAvailable:    8388608 kB\n"),
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("sys/fs/cgroup/a/b/memory.current", "5\n"),
            ("sys/fs/cgroup/a/memory.max", "1073741824\n"),
            ("sys/fs/cgroup/a/memory.current", "805306368\n"),
            (
                "sys/fs/cgroup/a/memory.stat",
                "file 3\ninactive_file 268435456\n",
            ),
        ]);
        let found = available(&root).unwrap();
        assert_eq!(found.bytes, 512 << 20);
        assert!(
            found.source.ends_with("/sys/fs/cgroup/a"),
            "{}",
            found.source
        );
    }

    #[test]
    fn version_1_counts_and_a_limit_beyond_any_memory_does_not() {
        let files = |limit| {
            [
                ("proc/meminfo", "MemAvailable:    8388608 kB\n"),
                ("proc/self/cgroup", "4:memory:/\n"),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", limit),
                ("sys/fs/cgroup/memory/memory.usage_in_bytes", "536870912\n"),
            ]
        };
        let (_kept, limited) = root(&files("1073741824\n"));
        assert_eq!(available(&limited).unwrap().bytes, 512 << 20);
        let (_kept, free) = root(&files("9223372036854771712\n"));
        assert_eq!(available(&free).unwrap().bytes, 8 << 30);
    }

    #[test]
    fn this_machine_has_some() {
        assert!(available_memory().unwrap().bytes > 1 << 20);
    }
}
