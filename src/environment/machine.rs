//! The machine: processor, memory, kernel, and what bounds this process on it.

use std::path::Path;

use serde_json::{Map, Value};
use xxhash_rust::xxh3::xxh3_128;

use super::{Root, put};

/// Of the first processor.
pub(super) const GOVERNOR: &str = "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";

/// What stays the same from boot to boot.
pub(super) fn stable(root: &Root) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("architecture".into(), std::env::consts::ARCH.into());
    let cpus = std::thread::available_parallelism().ok();
    put(&mut map, "usable_cpus", cpus.map(|cpus| cpus.get() as u64));
    put(&mut map, "cpu_model", cpu_model(root));
    put(&mut map, "numa_nodes", numa_nodes(root));
    map
}

/// XXH3-128 over `name=value` lines in the order of their names, hexadecimal.
pub(super) fn key(stable: &Map<String, Value>) -> String {
    let mut lines: Vec<String> = stable
        .iter()
        .map(|(name, value)| format!("{name}={value}\n"))
        .collect();
    lines.sort();
    format!("{:032x}", xxh3_128(lines.concat().as_bytes()))
}

/// What can change: kernel, memory and its limits, and the settings that move numbers.
pub(super) fn provenance(root: &Root, map: &mut Map<String, Value>) {
    let kernel = root.read("proc/sys/kernel/osrelease");
    let system = root.read("proc/sys/kernel/ostype");
    put(
        map,
        "kernel",
        kernel
            .zip(system)
            .map(|(release, system)| format!("{system} {release}")),
    );
    put(map, "memory_total_bytes", meminfo(root, "MemTotal"));
    put(map, "swap_total_bytes", meminfo(root, "SwapTotal"));
    let cgroup = cgroup(root);
    put(map, "cgroup", (!cgroup.is_empty()).then_some(cgroup));
    put(map, "governor", root.read(GOVERNOR));
    let thp = root.read("sys/kernel/mm/transparent_hugepage/enabled");
    put(
        map,
        "transparent_hugepages",
        thp.as_deref().and_then(bracketed),
    );
    let swappiness = root
        .read("proc/sys/vm/swappiness")
        .and_then(|text| text.parse::<u64>().ok());
    put(map, "swappiness", swappiness);
    map.insert(
        "page_size_bytes".into(),
        (rustix::param::page_size() as u64).into(),
    );
}

/// The filesystem type of the mount that `directory` is on.
pub(super) fn filesystem(root: &Root, directory: &Path) -> Option<String> {
    let directory = std::fs::canonicalize(directory).ok()?;
    let mounts = root.read("proc/self/mountinfo")?;
    // Later mounts lie over earlier ones of the same depth.
    mounts
        .lines()
        .filter_map(|line| {
            let (mount, filesystem) = line.split_once(" - ")?;
            let point = mount.split(' ').nth(4)?.replace("\\040", " ");
            let point = Path::new(&point);
            let depth = directory
                .starts_with(point)
                .then(|| point.components().count())?;
            Some((depth, filesystem.split(' ').next()?.to_owned()))
        })
        .max_by_key(|(depth, _)| *depth)
        .map(|(_, filesystem)| filesystem)
}

/// The directory of this process in the unified hierarchy, or in the memory one of version 1.
pub(super) fn cgroup_directory(root: &Root) -> Option<(u64, String)> {
    let groups = root.read("proc/self/cgroup")?;
    let unified = groups.lines().find_map(|line| line.strip_prefix("0::"));
    let memory = groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let controllers = parts.next()?;
        controllers
            .split(',')
            .any(|name| name == "memory")
            .then(|| parts.next())?
    });
    // In a container the path may be the host's, and the files those of the mount's own root.
    let version_1 = memory.map(|path| (1, "sys/fs/cgroup/memory", path, "memory.limit_in_bytes"));
    let version_2 = unified.map(|path| (2, "sys/fs/cgroup", path, "memory.current"));
    version_1
        .into_iter()
        .chain(version_2)
        .find_map(|(version, mount, path, file)| {
            [format!("{mount}{path}"), mount.to_owned()]
                .into_iter()
                .map(|directory| directory.trim_end_matches('/').to_owned())
                .find(|directory| root.path(directory).join(file).exists())
                .map(|directory| (version, directory))
        })
}

fn cgroup(root: &Root) -> Map<String, Value> {
    let mut map = Map::new();
    let Some((version, directory)) = cgroup_directory(root) else {
        return map;
    };
    map.insert("version".into(), version.into());
    // `max` is no limit: absent then, as is a limit beyond any memory in version 1.
    let limit = |file: &str| {
        let text = root.read(&format!("{directory}/{file}"))?;
        text.parse::<u64>().ok().filter(|bytes| *bytes < 1 << 60)
    };
    let names: &[(&str, &str)] = match version {
        1 => &[("memory_max_bytes", "memory.limit_in_bytes")],
        _ => &[
            ("memory_max_bytes", "memory.max"),
            ("memory_high_bytes", "memory.high"),
            ("swap_max_bytes", "memory.swap.max"),
        ],
    };
    for (name, file) in names {
        put(&mut map, name, limit(file));
    }
    put(
        &mut map,
        "cpu_max",
        root.read(&format!("{directory}/cpu.max")),
    );
    map
}

fn cpu_model(root: &Root) -> Option<String> {
    ["model name", "Model", "cpu model", "cpu"]
        .iter()
        .find_map(|key| root.field("proc/cpuinfo", key))
        .or_else(|| {
            // Arm names implementer and part where others name a model.
            let implementer = root.field("proc/cpuinfo", "CPU implementer")?;
            Some(format!(
                "{implementer} {}",
                root.field("proc/cpuinfo", "CPU part")?
            ))
        })
}

fn numa_nodes(root: &Root) -> Option<u64> {
    let entries = std::fs::read_dir(root.path("sys/devices/system/node")).ok()?;
    let is_node = |name: &str| {
        name.strip_prefix("node")
            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let nodes = entries
        .flatten()
        .filter(|e| e.file_name().to_str().is_some_and(is_node))
        .count();
    (nodes > 0).then_some(nodes as u64)
}

pub(super) fn meminfo(root: &Root, key: &str) -> Option<u64> {
    let kib = root.field("proc/meminfo", key)?;
    kib.strip_suffix(" kB")?
        .trim()
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
}

/// `always [madvise] never`: the one in brackets.
fn bracketed(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('[')?;
    rest.split_once(']').map(|(word, _)| word.to_owned())
}
