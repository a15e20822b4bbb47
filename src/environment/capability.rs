//! What cannot be measured here, and why.

use std::fs::{File, OpenOptions};
use std::io;

use super::Root;
use super::machine::GOVERNOR;
use super::software::Software;

/// One thing that a ledger or a record will lack.
#[derive(Debug)]
pub(super) struct Absent {
    pub(super) what: &'static str,
    pub(super) why: String,
}

/// The kernel's files, what each is for, and whether it is written.
const SOURCES: [(&str, &str, bool); 6] = [
    (
        "proc/self/smaps_rollup",
        "resident bytes, and samples from outside",
        false,
    ),
    (
        "proc/self/smaps",
        "mapped files, thread stacks and program data",
        false,
    ),
    (
        "proc/self/pagemap",
        "resident bytes of an allocator's own extents",
        false,
    ),
    (
        "proc/self/clear_refs",
        "the peak of each phase (the peak of the whole process stays)",
        true,
    ),
    ("proc/self/fd", "open files", false),
    ("proc/self/status", "peak and swap", false),
];

pub(super) fn absent(root: &Root, software: &Software) -> Vec<Absent> {
    let mut list = Vec::new();
    let mut add = |what, why: String| list.push(Absent { what, why });
    for (path, what, written) in SOURCES {
        let opened = match written {
            true => OpenOptions::new()
                .write(true)
                .open(root.path(path))
                .map(drop),
            false => readable(root, path),
        };
        if let Err(error) = opened {
            add(what, format!("/{path}: {error}"));
        }
    }
    for source in crate::memory::absent_here() {
        add(source.what, source.why);
    }
    let governor = readable(root, GOVERNOR);
    if let Err(error) = governor {
        let what = "the processor's frequency governor, which times depend on";
        add(what, format!("/{GOVERNOR}: {error}"));
    }
    if !software.has_sqlite_option("ENABLE_MEMSYS5") {
        let why = "SQLite was compiled without SQLITE_ENABLE_MEMSYS5; build in the checkout, where \
                   .cargo/config.toml sets LIBSQLITE3_FLAGS";
        add("sqlite_allocator=memsys5", why.into());
    }
    if software.has_sqlite_option("DEFAULT_MEMSTATUS=0") {
        let why = "SQLite was compiled with SQLITE_DEFAULT_MEMSTATUS=0, so it counts nothing";
        add("SQLite's live bytes", why.into());
    }
    list
}

fn readable(root: &Root, path: &str) -> io::Result<()> {
    let path = root.path(path);
    if path.is_dir() {
        std::fs::read_dir(path).map(drop)
    } else {
        File::open(path).map(drop)
    }
}
