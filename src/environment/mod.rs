//! The machine and the software that a run's numbers come from.
//!
//! A machine key, hashed from stable factors only, says which records may be compared; what can
//! change from boot to boot is provenance beside it. A fact that cannot be read is absent, never
//! guessed, and what that keeps from being measured stands in `cannot_measure` with its reason.
//! Reads `/proc`, `/sys`, the environment, and one in-memory connection of SQLite.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

mod available;
mod calendar;
mod capability;
mod machine;
mod software;

pub use available::{Available, available_memory};
pub use calendar::rfc3339;
pub use software::git_revision;

/// What a harness and a testee of two builds have to agree on: what the one writes to the other's standard
/// input, the lines that come back, and the exit codes. One more whenever a testee of the build before would
/// misunderstand, or be misunderstood.
pub const TESTEE_PROTOCOL: u32 = 1;

/// Where the kernel's files are: `/`, or a directory that stands in for it.
#[derive(Debug, Clone)]
struct Root(PathBuf);

impl Root {
    fn path(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    /// The trimmed text of a file; `None` where it is absent, unreadable or empty.
    fn read(&self, path: &str) -> Option<String> {
        let text = std::fs::read_to_string(self.path(path)).ok()?;
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The value of a `key: value` line.
    fn field(&self, path: &str, key: &str) -> Option<String> {
        let text = self.read(path)?;
        text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == key).then(|| value.trim().to_owned())
        })
    }
}

/// Adds what is there.
fn put<T: Into<Value>>(map: &mut Map<String, Value>, key: &str, value: Option<T>) {
    if let Some(value) = value {
        map.insert(key.to_owned(), value.into());
    }
}

/// Everything that is recorded about where a run takes place.
pub fn environment() -> Map<String, Value> {
    let root = Root(PathBuf::from("/"));
    let software = software::Software::read(&root);
    environment_of(&root, &software, &std::env::temp_dir())
}

fn environment_of(
    root: &Root,
    software: &software::Software,
    directory: &Path,
) -> Map<String, Value> {
    let mut map = Map::new();
    let stable = machine::stable(root);
    map.insert("machine_key".into(), machine::key(&stable).into());
    map.insert("machine".into(), Value::Object(stable));
    machine::provenance(root, &mut map);
    software.provenance(&mut map);
    map.insert(
        "variables".into(),
        Value::Object(software::variables(std::env::vars_os())),
    );
    if let Some(filesystem) = machine::filesystem(root, directory) {
        map.insert(
            "temporary_directory".into(),
            json!({ "filesystem": filesystem }),
        );
    }
    let absent = capability::absent(root, software);
    let absent = absent
        .iter()
        .map(|a| json!({"what": a.what, "why": a.why}))
        .collect();
    map.insert("cannot_measure".into(), Value::Array(absent));
    map
}

/// What is not there, as `(what, why)`.
pub fn cannot_measure(environment: &Map<String, Value>) -> impl Iterator<Item = (&str, &str)> {
    let list = environment.get("cannot_measure").and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(|item| Some((item.get("what")?.as_str()?, item.get("why")?.as_str()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_key_is_the_same_twice_and_hangs_on_stable_facts_only() {
        let (first, second) = (environment(), environment());
        assert_eq!(first["machine_key"], second["machine_key"]);
        assert_eq!(first["machine_key"].as_str().unwrap().len(), 32);
        let Value::Object(mut stable) = first["machine"].clone() else {
            panic!()
        };
        assert_eq!(machine::key(&stable), first["machine_key"]);
        stable.insert("numa_nodes".into(), 77.into());
        assert_ne!(machine::key(&stable), first["machine_key"]);
    }

    #[test]
    fn where_the_kernel_says_nothing_facts_are_absent_and_the_reasons_are_given() {
        let empty = tempfile::tempdir().unwrap();
        let root = Root(empty.path().to_owned());
        let software = software::Software::read(&root);
        let map = environment_of(&root, &software, empty.path());
        for key in [
            "memory_total_bytes",
            "cgroup",
            "governor",
            "swappiness",
            "libc",
        ] {
            assert!(!map.contains_key(key), "{key}");
        }
        let absent: Vec<_> = cannot_measure(&map).collect();
        assert!(
            absent
                .iter()
                .any(|(what, _)| what.contains("resident bytes")),
            "{absent:?}"
        );
        assert!(absent.iter().all(|(_, why)| !why.is_empty()));
    }

    #[test]
    fn a_cgroup_of_version_1_is_told_as_what_ledgers_lack() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root(directory.path().to_owned());
        let write = |path: &str, text: &str| {
            let path = root.path(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("proc/self/cgroup", "4:memory:/\n");
        write("sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n");
        write(machine::GOVERNOR, "performance\n");
        let software = software::Software::read(&root);
        let map = environment_of(&root, &software, directory.path());
        assert_eq!(map["cgroup"]["memory_max_bytes"], 1 << 30);
        assert_eq!(map["governor"], "performance");
        let absent: Vec<_> = cannot_measure(&map).collect();
        let why = |word: &str| absent.iter().find(|(what, _)| what.contains(word));
        assert!(why("cgroup").is_some_and(|(_, why)| why.contains("version 1")));
        assert_eq!(why("governor"), None);
    }

    #[test]
    fn sqlite_and_the_build_are_told() {
        let map = environment();
        assert!(map["sqlite"]["version"].as_str().unwrap().starts_with("3."));
        let options = map["sqlite"]["compile_options"].as_array().unwrap();
        assert!(options.is_sorted_by_key(|option| option.as_str()));
        assert!(map["rustc"].as_str().unwrap().starts_with("rustc 1."));
        let jemalloc = map["allocators"]["jemalloc"].as_str().unwrap();
        assert!(
            jemalloc.starts_with('5') && !jemalloc.contains('\0'),
            "{jemalloc:?}"
        );
    }
}
