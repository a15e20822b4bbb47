//! What runs: SQLite, the allocators, the C library, the compiler, and the variables they obey.

use std::ffi::OsString;

use serde_json::{Map, Value, json};

use super::{Root, put};
use crate::allocator::global;

/// What this program is made of.
#[derive(Debug)]
pub(super) struct Software {
    libc: Option<String>,
    jemalloc: Option<String>,
    sqlite_source_id: Option<String>,
    /// Sorted.
    sqlite_options: Vec<String>,
}

impl Software {
    pub(super) fn read(root: &Root) -> Software {
        let (sqlite_source_id, sqlite_options) = sqlite().unwrap_or_default();
        Software {
            libc: libc(root),
            jemalloc: jemalloc(),
            sqlite_source_id,
            sqlite_options,
        }
    }

    pub(super) fn has_sqlite_option(&self, name: &str) -> bool {
        self.sqlite_options.iter().any(|option| option == name)
    }

    pub(super) fn provenance(&self, map: &mut Map<String, Value>) {
        put(map, "libc", self.libc.clone());
        map.insert("suite_version".into(), env!("CARGO_PKG_VERSION").into());
        map.insert("testee_protocol".into(), super::TESTEE_PROTOCOL.into());
        put(map, "git_revision", git_revision());
        put(map, "rustc", option_env!("SQLITE_MEMBENCH_RUSTC_VERSION"));
        put(
            map,
            "build_profile",
            option_env!("SQLITE_MEMBENCH_BUILD_PROFILE"),
        );
        put(
            map,
            "build_opt_level",
            option_env!("SQLITE_MEMBENCH_BUILD_OPT_LEVEL"),
        );
        put(
            map,
            "build_target",
            option_env!("SQLITE_MEMBENCH_BUILD_TARGET"),
        );
        put(map, "dhat_heap", global::has_dhat().then_some(true));
        let mut sqlite = Map::new();
        sqlite.insert("version".into(), rusqlite::version().into());
        put(&mut sqlite, "source_id", self.sqlite_source_id.clone());
        sqlite.insert("compile_options".into(), json!(self.sqlite_options));
        map.insert("sqlite".into(), Value::Object(sqlite));
        let mut allocators = Map::new();
        put(&mut allocators, "jemalloc", self.jemalloc.clone());
        allocators.insert(
            "memsys5".into(),
            self.has_sqlite_option("ENABLE_MEMSYS5").into(),
        );
        map.insert("allocators".into(), Value::Object(allocators));
    }
}

/// Of the checkout that this program was built from; absent outside one.
pub fn git_revision() -> Option<&'static str> {
    option_env!("SQLITE_MEMBENCH_GIT_REVISION")
}

/// Of all variables, those that move an allocator.
pub(super) fn variables(all: impl Iterator<Item = (OsString, OsString)>) -> Map<String, Value> {
    const NAMES: [&str; 4] = [
        "GLIBC_TUNABLES",
        "_RJEM_MALLOC_CONF",
        "MALLOC_CONF",
        "LD_PRELOAD",
    ];
    let mut chosen: Vec<(String, Value)> = all
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value))
        .filter(|(name, _)| name.starts_with("MALLOC_") || NAMES.contains(&name.as_str()))
        .map(|(name, value)| (name, value.to_string_lossy().into_owned().into()))
        .collect();
    chosen.sort_by(|a, b| a.0.cmp(&b.0));
    chosen.into_iter().collect()
}

fn jemalloc() -> Option<String> {
    // Its end is the end of a C string.
    let version = tikv_jemalloc_ctl::version::read().ok()?;
    Some(version.trim_end_matches('\0').to_owned())
}

/// Source id and compile options, from SQLite itself.
fn sqlite() -> Option<(Option<String>, Vec<String>)> {
    let connection = rusqlite::Connection::open_in_memory().ok()?;
    let source = connection
        .query_row("SELECT sqlite_source_id()", [], |row| row.get(0))
        .ok();
    let mut statement = connection.prepare("PRAGMA compile_options").ok()?;
    let mut options: Vec<String> = statement
        .query_map([], |row| row.get(0))
        .ok()?
        .filter_map(Result::ok)
        .collect();
    options.sort();
    Some((source, options))
}

/// The C library that is mapped into this process, by what its own file says of itself.
fn libc(root: &Root) -> Option<String> {
    let maps = root.read("proc/self/maps")?;
    let paths = || {
        maps.lines()
            .filter_map(|line| line.split_whitespace().nth(5))
    };
    if paths().any(|path| path.contains("ld-musl")) {
        return Some("musl".into());
    }
    let path = paths().find(|path| path.ends_with("/libc.so.6"))?;
    let image = std::fs::read(path).ok()?;
    const BANNER: &[u8] = b"stable release version ";
    let at = image
        .windows(BANNER.len())
        .position(|window| window == BANNER)?
        + BANNER.len();
    let digits = |byte: &&u8| byte.is_ascii_digit() || **byte == b'.';
    let version: Vec<u8> = image[at..].iter().take_while(digits).copied().collect();
    let version = String::from_utf8(version).ok()?;
    Some(format!("glibc {}", version.trim_end_matches('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_variables_that_move_an_allocator_are_recorded() {
        let all = [
            ("PATH", "/"),
            ("MALLOC_ARENA_MAX", "1"),
            ("LD_PRELOAD", "x.so"),
            ("TOKEN", "t"),
        ];
        let all = all
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()));
        let map = variables(all);
        assert_eq!(
            map.keys().collect::<Vec<_>>(),
            ["LD_PRELOAD", "MALLOC_ARENA_MAX"]
        );
    }
}
