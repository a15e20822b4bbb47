//! The start-up self-check: bytes allocated on each side appear where they should, and only there.

use std::alloc::Layout;

use libsqlite3_sys as ffi;

use super::ranges::{self, Tag};
use super::{
    Error, MallocProvider, RustAllocator, SqliteAllocator, global, malloc_provider, sqlite,
};

/// Large enough that no thread cache and no free list serves it from what is there.
const PROBE_BYTES: usize = 300_000;

/// Allocates through SQLite and through Rust and follows the bytes. Initialises SQLite.
///
/// Returns what was seen, for the record.
///
/// # Errors
/// [`Error::Route`] says which bytes were not where they should be.
pub fn verify(rust: RustAllocator, allocator: SqliteAllocator) -> Result<String, Error> {
    if global::unknown_choice() {
        return Err(Error::Route(format!(
            "{} names no Rust allocator",
            global::CHOICE_VARIABLE
        )));
    }
    if sqlite::installed() != Some(allocator) {
        return Err(Error::Route(format!(
            "SQLite's methods are {:?}, not {allocator:?}",
            sqlite::installed()
        )));
    }
    let rust_evidence = verify_rust(rust)?;
    let sqlite_evidence = verify_sqlite(allocator)?;
    Ok(format!("{sqlite_evidence}; {rust_evidence}"))
}

fn check(holds: bool, wrong: impl FnOnce() -> String) -> Result<(), Error> {
    if holds {
        Ok(())
    } else {
        Err(Error::Route(wrong()))
    }
}

fn memory_used() -> i64 {
    let (mut now, mut high) = (0, 0);
    // SAFETY: both out pointers are valid; without MEMSTATUS the value stays 0.
    unsafe {
        ffi::sqlite3_status64(
            ffi::SQLITE_STATUS_MEMORY_USED,
            &raw mut now,
            &raw mut high,
            0,
        )
    };
    now
}

fn verify_sqlite(allocator: SqliteAllocator) -> Result<String, Error> {
    // SAFETY: initialising is idempotent.
    let code = unsafe { ffi::sqlite3_initialize() };
    check(code == ffi::SQLITE_OK, || {
        format!("sqlite3_initialize answered {code}")
    })?;
    let rust_before = global::counters().unwrap_or_default().live_bytes;
    let used_before = memory_used();
    // SAFETY: a plain allocation, freed below.
    let block = unsafe { ffi::sqlite3_malloc64(PROBE_BYTES as u64) };
    check(!block.is_null(), || {
        format!("SQLite could not allocate {PROBE_BYTES} bytes")
    })?;
    let used = memory_used() - used_before;
    let through_rust = global::counters().unwrap_or_default().live_bytes - rust_before;
    let tag = ranges::tag_of(block as usize);
    // SAFETY: allocated above.
    unsafe { ffi::sqlite3_free(block) };

    check(used >= PROBE_BYTES as i64, || {
        format!(
            "{PROBE_BYTES} bytes from SQLite moved SQLITE_STATUS_MEMORY_USED by {used}: is SQLITE_CONFIG_MEMSTATUS off?"
        )
    })?;
    check(memory_used() == used_before, || {
        "freed bytes stay in SQLITE_STATUS_MEMORY_USED".into()
    })?;
    let expected_tag = match allocator {
        SqliteAllocator::Arena | SqliteAllocator::ArenaNative => Some(Tag::SqliteArena),
        SqliteAllocator::Memsys5 => Some(Tag::SqliteHeap),
        SqliteAllocator::Rust if global::chosen() == RustAllocator::Jemalloc => {
            Some(Tag::RustArena)
        }
        SqliteAllocator::Rust | SqliteAllocator::System => None,
    };
    check(tag == expected_tag, || {
        format!("SQLite's block lies in {tag:?}, expected {expected_tag:?}")
    })?;
    let expected_rust = if allocator == SqliteAllocator::Rust {
        used + 8
    } else {
        0
    };
    check(
        global::counters().is_none() || through_rust == expected_rust,
        || {
            format!(
                "SQLite's block moved Rust's counters by {through_rust} bytes, expected {expected_rust}"
            )
        },
    )?;
    Ok(match expected_tag {
        Some(tag) => format!("SQLite's {used} bytes lie in {tag:?}"),
        None => format!("SQLite's {used} bytes lie in {}", malloc_name()),
    })
}

fn malloc_name() -> &'static str {
    match malloc_provider() {
        MallocProvider::Glibc => "glibc's malloc",
        MallocProvider::Other => "a malloc that is not glibc's",
    }
}

fn verify_rust(rust: RustAllocator) -> Result<String, Error> {
    if cfg!(feature = "dhat-heap") {
        return Ok("Rust's allocator is dhat's".into());
    }
    check(global::chosen() == rust, || {
        format!("Rust's allocator is {:?}, not {rust:?}", global::chosen())
    })?;
    let Some(before) = global::counters() else {
        return Err(Error::Route(
            "the process does not run under the counting global allocator".into(),
        ));
    };
    let Ok(layout) = Layout::from_size_align(PROBE_BYTES, 16) else {
        return Err(Error::Route("no layout for the probe".into()));
    };
    // SAFETY: the layout is not of size zero; the block is freed with the same layout.
    let address = unsafe { std::alloc::alloc(layout) };
    let moved = global::counters().unwrap_or_default().live_bytes - before.live_bytes;
    let tag = ranges::tag_of(address as usize);
    if !address.is_null() {
        // SAFETY: allocated above with this layout.
        unsafe { std::alloc::dealloc(address, layout) };
    }
    check(!address.is_null() && moved == PROBE_BYTES as i64, || {
        format!("{PROBE_BYTES} bytes from Rust moved the counters by {moved}")
    })?;
    let expected = (rust == RustAllocator::Jemalloc).then_some(Tag::RustArena);
    check(tag == expected, || {
        format!("Rust's block lies in {tag:?}, expected {expected:?}")
    })?;
    Ok(match rust {
        RustAllocator::System => format!("Rust's lie in {}", malloc_name()),
        RustAllocator::Jemalloc => "Rust's lie in RustArena".into(),
    })
}
