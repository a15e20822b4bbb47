//! The floor: the report's insert through raw `rusqlite::ffi` calls, and nothing else.
//!
//! The same PRAGMAs, DDL, commits and `shrink_memory` as [`sqlite_membench::workload::insert`], the
//! same bindings that rusqlite makes (three texts a row, copied by SQLite). Whatever a row costs above
//! this is the price of the workload's Rust. Between BEGIN and COMMIT it allocates nothing in Rust, so
//! that Rust's global allocator neither favours nor burdens it.

use std::ffi::{CStr, CString, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use rusqlite::ffi;
use sqlite_membench::workload::pragmas::{self, Pragma};

const DDL: &str = "
    CREATE TABLE IF NOT EXISTS \"user\" (\"id\" TEXT, \"username\" TEXT, \"password\" TEXT);
    CREATE UNIQUE INDEX IF NOT EXISTS \"id\" ON \"user\" (\"id\");";

/// Sets `pragmas` in their order and creates the table.
fn setup(pragmas: &[Pragma]) -> CString {
    let set = |pragma: &Pragma| format!("PRAGMA {} = {};", pragma.name, pragma.value);
    let sql: String = pragmas.iter().map(set).chain([DDL.to_owned()]).collect();
    CString::new(sql).expect("SQL without NUL")
}

/// The ids that the floor can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawKeys {
    /// The code point `i` in UTF-8, or U+FFFD.
    GoRune,
    /// `i` in decimal.
    Decimal,
}

/// Inserts `rows` rows into a fresh database file and commits after every row `i` with
/// `i % batch == 0`. `measure` is handed what runs from the first BEGIN to the last COMMIT, and calls
/// it once. Panics on any error: a floor with a hole in it is none.
pub fn raw_insert<T>(
    path: &Path,
    rows: u64,
    batch: u64,
    keys: RawKeys,
    measure: impl FnOnce(&mut dyn FnMut()) -> T,
) -> T {
    raw_insert_with(path, rows, batch, keys, &pragmas::seed(), measure)
}

/// The same, with other PRAGMAs than the report's.
pub fn raw_insert_with<T>(
    path: &Path,
    rows: u64,
    batch: u64,
    keys: RawKeys,
    pragmas: &[Pragma],
    measure: impl FnOnce(&mut dyn FnMut()) -> T,
) -> T {
    let setup = setup(pragmas);
    let path = CString::new(path.as_os_str().as_bytes()).expect("a path without NUL");
    let flags = ffi::SQLITE_OPEN_READWRITE | ffi::SQLITE_OPEN_CREATE | ffi::SQLITE_OPEN_NOMUTEX;
    let mut db = ptr::null_mut();
    let mut insert = ptr::null_mut();
    let sql = c"INSERT OR REPLACE INTO \"user\" VALUES (?, ?, ?);";
    // SAFETY: all strings end in NUL and outlive the calls; `db` and `insert` are written before
    // they are read, and are closed once, below.
    unsafe {
        let opened = ffi::sqlite3_open_v2(path.as_ptr(), &raw mut db, flags, ptr::null());
        assert_eq!(opened, ffi::SQLITE_OK);
        execute(db, &setup);
        let prepared =
            ffi::sqlite3_prepare_v2(db, sql.as_ptr(), -1, &raw mut insert, ptr::null_mut());
        assert_eq!(prepared, ffi::SQLITE_OK);
    }
    // SAFETY: both handles are open, and used by this thread only.
    let measured = measure(&mut || unsafe { fill(db, insert, rows, batch, keys) });
    // SAFETY: as above; nothing uses either afterwards.
    unsafe {
        ffi::sqlite3_finalize(insert);
        assert_eq!(ffi::sqlite3_close(db), ffi::SQLITE_OK);
    }
    measured
}

/// # Safety
/// `db` is open and `insert` is the INSERT, prepared on it.
unsafe fn fill(
    db: *mut ffi::sqlite3,
    insert: *mut ffi::sqlite3_stmt,
    rows: u64,
    batch: u64,
    keys: RawKeys,
) {
    let mut text = [0_u8; 20];
    // SAFETY: the caller's promise, and the bound texts outlive their calls: SQLite copies them.
    unsafe {
        execute(db, c"BEGIN");
        for i in 0..rows {
            let id: &[u8] = match keys {
                RawKeys::GoRune => go_rune(i).encode_utf8(&mut text).as_bytes(),
                RawKeys::Decimal => decimal(i, &mut text),
            };
            bind(insert, 1, id);
            bind(insert, 2, b"foo");
            bind(insert, 3, b"bar");
            let stepped = ffi::sqlite3_step(insert);
            let reset = ffi::sqlite3_reset(insert);
            assert!(
                stepped == ffi::SQLITE_DONE && reset == ffi::SQLITE_OK,
                "row {i}: {stepped}"
            );
            if i % batch == 0 {
                execute(db, c"COMMIT");
                execute(db, c"PRAGMA shrink_memory");
                execute(db, c"BEGIN");
            }
        }
        execute(db, c"COMMIT");
    }
}

/// # Safety
/// `statement` is prepared and takes `index`.
unsafe fn bind(statement: *mut ffi::sqlite3_stmt, index: c_int, text: &[u8]) {
    // SAFETY: the caller's promise; SQLITE_TRANSIENT has SQLite copy `text` before it returns.
    let bound = unsafe {
        let (bytes, length) = (text.as_ptr().cast(), text.len() as u64);
        let utf8 = ffi::SQLITE_UTF8 as u8;
        ffi::sqlite3_bind_text64(
            statement,
            index,
            bytes,
            length,
            ffi::SQLITE_TRANSIENT(),
            utf8,
        )
    };
    assert_eq!(bound, ffi::SQLITE_OK);
}

/// # Safety
/// `db` is open.
unsafe fn execute(db: *mut ffi::sqlite3, sql: &CStr) {
    // SAFETY: the caller's promise; no callback, no message.
    let result =
        unsafe { ffi::sqlite3_exec(db, sql.as_ptr(), None, ptr::null_mut(), ptr::null_mut()) };
    assert_eq!(result, ffi::SQLITE_OK, "{}", sql.to_string_lossy());
}

fn go_rune(i: u64) -> char {
    u32::try_from(i)
        .ok()
        .and_then(char::from_u32)
        .unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn decimal(mut i: u64, text: &mut [u8; 20]) -> &[u8] {
    let mut start = text.len();
    loop {
        start -= 1;
        text[start] = b'0' + (i % 10) as u8;
        i /= 10;
        if i == 0 {
            return &text[start..];
        }
    }
}
