//! What is allocated while a statement is prepared, bound or run is its own.
//!
//! The linker wraps nothing here: the macro's functions are called by the names that it would send calls to,
//! and what they call in turn is SQLite itself.

mod support {
    pub mod sampled;
}

use std::ffi::{CString, c_char, c_int, c_uchar, c_uint, c_void};
use std::hint::black_box;
use std::ptr;

use ffi::{sqlite3, sqlite3_destructor_type, sqlite3_stmt, sqlite3_uint64};
use libsqlite3_sys as ffi;
use sqlite_membench::allocator::sampler::{self, Estimate, Profile, Reader, Side};
use sqlite_membench::allocator::{SqliteAllocator, global};
use support::sampled::{self, Case, sum_where};

#[global_allocator]
static ALLOCATOR: global::Switchable = global::Switchable::new();

sqlite_membench::know_statements!();

type Each =
    Option<unsafe extern "C" fn(*mut c_void, c_int, *mut *mut c_char, *mut *mut c_char) -> c_int>;
type Out = *mut *mut sqlite3_stmt;
type Tail = *mut *const c_char;

unsafe extern "C" {
    /// Not among the bindings.
    fn sqlite3_prepare(
        db: *mut sqlite3,
        sql: *const c_char,
        n: c_int,
        out: Out,
        tail: Tail,
    ) -> c_int;
}
use ffi::{
    sqlite3_bind_blob, sqlite3_bind_blob64, sqlite3_bind_text, sqlite3_bind_text64, sqlite3_exec,
    sqlite3_prepare_v2, sqlite3_prepare_v3, sqlite3_step,
};

/// The names that the linker gives: in front of the macro's functions, and for what they call.
macro_rules! linked {
    ($($wrap:ident, $real:ident, $target:ident($($name:ident: $type:ty),*);)*) => {
        unsafe extern "C" {
            $(fn $wrap($($name: $type),*) -> c_int;)*
        }
        $(
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $real($($name: $type),*) -> c_int {
                // SAFETY: the caller keeps to the contract of the function of SQLite's.
                unsafe { $target($($name),*) }
            }
        )*
    };
}

linked! {
    __wrap_sqlite3_prepare, __real_sqlite3_prepare,
        sqlite3_prepare(db: *mut sqlite3, sql: *const c_char, n: c_int, out: Out, tail: Tail);
    __wrap_sqlite3_prepare_v2, __real_sqlite3_prepare_v2,
        sqlite3_prepare_v2(db: *mut sqlite3, sql: *const c_char, n: c_int, out: Out, tail: Tail);
    __wrap_sqlite3_prepare_v3, __real_sqlite3_prepare_v3,
        sqlite3_prepare_v3(db: *mut sqlite3, sql: *const c_char, n: c_int, flags: c_uint, out: Out, tail: Tail);
    __wrap_sqlite3_exec, __real_sqlite3_exec,
        sqlite3_exec(db: *mut sqlite3, sql: *const c_char, each: Each, argument: *mut c_void, message: *mut *mut c_char);
    __wrap_sqlite3_step, __real_sqlite3_step, sqlite3_step(stmt: *mut sqlite3_stmt);
    __wrap_sqlite3_bind_text, __real_sqlite3_bind_text,
        sqlite3_bind_text(stmt: *mut sqlite3_stmt, at: c_int, text: *const c_char, n: c_int, destructor: sqlite3_destructor_type);
    __wrap_sqlite3_bind_text64, __real_sqlite3_bind_text64,
        sqlite3_bind_text64(stmt: *mut sqlite3_stmt, at: c_int, text: *const c_char, n: sqlite3_uint64, destructor: sqlite3_destructor_type, encoding: c_uchar);
    __wrap_sqlite3_bind_blob, __real_sqlite3_bind_blob,
        sqlite3_bind_blob(stmt: *mut sqlite3_stmt, at: c_int, blob: *const c_void, n: c_int, destructor: sqlite3_destructor_type);
    __wrap_sqlite3_bind_blob64, __real_sqlite3_bind_blob64,
        sqlite3_bind_blob64(stmt: *mut sqlite3_stmt, at: c_int, blob: *const c_void, n: sqlite3_uint64, destructor: sqlite3_destructor_type);
}

/// Without lookaside memory: every block is one of the heap.
fn open() -> *mut sqlite3 {
    let mut db = ptr::null_mut();
    // SAFETY: the name is a C string and the place valid; the third argument of LOOKASIDE is none.
    unsafe {
        assert_eq!(
            ffi::sqlite3_open(c":memory:".as_ptr(), &raw mut db),
            ffi::SQLITE_OK
        );
        let off = (ptr::null_mut::<c_void>(), 0 as c_int, 0 as c_int);
        let code = ffi::sqlite3_db_config(db, ffi::SQLITE_DBCONFIG_LOOKASIDE, off.0, off.1, off.2);
        assert_eq!(code, ffi::SQLITE_OK);
        let create = c"CREATE TABLE t(a INTEGER PRIMARY KEY, b)".as_ptr();
        assert_eq!(
            sqlite3_exec(db, create, None, ptr::null_mut(), ptr::null_mut()),
            ffi::SQLITE_OK
        );
    }
    db
}

/// Through the function of that version; returns the statement and what is left of the text.
fn prepare(db: *mut sqlite3, sql: &str, version: usize) -> (*mut sqlite3_stmt, String) {
    let text = CString::new(sql).unwrap();
    let (mut stmt, mut tail) = (ptr::null_mut(), ptr::null());
    let (out, rest) = (&raw mut stmt, &raw mut tail);
    // SAFETY: the database is open, the text a C string, and the places valid; the tail points into the text.
    unsafe {
        let code = match version {
            1 => __wrap_sqlite3_prepare(db, text.as_ptr(), -1, out, rest),
            2 => __wrap_sqlite3_prepare_v2(db, text.as_ptr(), sql.len() as c_int, out, rest),
            _ => __wrap_sqlite3_prepare_v3(db, text.as_ptr(), -1, 0, out, rest),
        };
        assert_eq!(code, ffi::SQLITE_OK, "{sql}");
        let at = tail.offset_from(text.as_ptr()) as usize;
        (stmt, sql[at..].to_owned())
    }
}

fn memory_used() -> i64 {
    // SAFETY: a plain call.
    unsafe { ffi::sqlite3_memory_used() }
}

/// SQLite's live bytes under the statement of that very text.
fn live_of(profile: &Profile<'_>, sql: &str) -> Estimate {
    sum_where(
        profile,
        |site| site.side == Side::Sqlite && profile.statement(site.statement) == sql,
        |site| site.now,
    )
}

fn texts(profile: &Profile<'_>) -> Vec<String> {
    (1..=profile.statements())
        .map(|id| profile.statement(id).to_owned())
        .collect()
}

/// At an interval of a byte nearly every block is a sample.
#[track_caller]
fn assert_all_of(profile: &Profile<'_>, sql: &str, bytes: i64) {
    let estimate = live_of(profile, sql).bytes;
    let off = (estimate - bytes as f64).abs();
    assert!(
        bytes > 0 && off < 0.001 * bytes as f64,
        "{sql}: {estimate}, not {bytes}"
    );
}

fn statements_that_nobody_finalizes_are_found_by_their_own_sql() {
    let mut reader = Reader::new().unwrap();
    let db = open();
    let sql = [
        "SELECT a FROM t WHERE b = ?1",
        "SELECT 'a;b', b FROM t",
        "DELETE FROM t",
    ];
    let mut grown = [0; 3];
    for _ in 0..30 {
        for (at, sql) in sql.iter().enumerate() {
            let before = memory_used();
            let (stmt, rest) = prepare(db, &format!(" {sql} ; SELECT 2"), at + 1);
            assert_eq!((stmt.is_null(), rest.as_str()), (false, " SELECT 2"));
            grown[at] += memory_used() - before;
        }
    }
    let profile = reader.read().unwrap();
    assert_eq!(texts(&profile), sql);
    for (sql, bytes) in sql.iter().zip(grown) {
        assert_all_of(&profile, sql, bytes);
    }
}

fn what_a_statement_allocates_as_it_runs_is_under_the_text_that_was_prepared() {
    const SQL: &str = "INSERT INTO t(b) VALUES (?1)";
    let mut reader = Reader::new().unwrap();
    let db = open();
    let before = memory_used();
    let (stmt, _) = prepare(db, "\n INSERT INTO t(b) VALUES (?1);\n", 2);
    let prepared = memory_used() - before;
    assert_all_of(&reader.read().unwrap(), SQL, prepared);
    let (text, blob) = ([b'x'; 50_000].as_ptr(), [1u8; 60_000].as_ptr());
    let copied = ffi::SQLITE_TRANSIENT();
    for turn in 0..4 {
        // SAFETY: the statement is live, text and blob as long as is said, and copied.
        let codes = unsafe {
            let bound = match turn {
                0 => __wrap_sqlite3_bind_text(stmt, 1, text.cast(), 50_000, copied),
                1 => __wrap_sqlite3_bind_text64(
                    stmt,
                    1,
                    text.cast(),
                    50_000,
                    copied,
                    ffi::SQLITE_UTF8 as u8,
                ),
                2 => __wrap_sqlite3_bind_blob(stmt, 1, blob.cast(), 60_000, copied),
                _ => __wrap_sqlite3_bind_blob64(stmt, 1, blob.cast(), 60_000, copied),
            };
            let held = memory_used() - before;
            assert_all_of(&reader.read().unwrap(), SQL, held);
            (bound, __wrap_sqlite3_step(stmt), ffi::sqlite3_reset(stmt))
        };
        assert_eq!(codes, (ffi::SQLITE_OK, ffi::SQLITE_DONE, ffi::SQLITE_OK));
    }
    let held = memory_used() - before;
    let profile = reader.read().unwrap();
    assert!(held > 220_000, "{held}");
    assert_all_of(&profile, SQL, held);
    assert_eq!(texts(&profile), [SQL]);
}

/// Prepares a statement, and leaves it.
unsafe extern "C" fn inner(
    db: *mut c_void,
    _: c_int,
    _: *mut *mut c_char,
    _: *mut *mut c_char,
) -> c_int {
    prepare(db.cast(), "SELECT 'inner'", 2);
    0
}

fn a_statement_inside_another_one_leaves_that_one_in_place() {
    const SQL: &str = "SELECT 'outer'; INSERT INTO t(b) VALUES (zeroblob(100000))";
    let mut reader = Reader::new().unwrap();
    let db = open();
    let before = memory_used();
    let text = CString::new(SQL).unwrap();
    // SAFETY: the database is open, the text a C string; the callback gets the database.
    let code =
        unsafe { __wrap_sqlite3_exec(db, text.as_ptr(), Some(inner), db.cast(), ptr::null_mut()) };
    assert_eq!(code, ffi::SQLITE_OK);
    let held = memory_used() - before;
    let profile = reader.read().unwrap();
    assert_eq!(texts(&profile), [SQL, "SELECT 'inner'"]);
    let [outer, inner] = [SQL, "SELECT 'inner'"].map(|sql| live_of(&profile, sql).bytes);
    assert!(
        outer > 100_000.0 && inner > 300.0 && inner < 10_000.0,
        "{outer} {inner}"
    );
    assert!(
        (outer + inner - held as f64).abs() < 0.001 * held as f64,
        "{outer} {inner} {held}"
    );
    let nobodys = live_of(&profile, "").bytes;
    // SAFETY: a plain allocation, leaked.
    assert!(!unsafe { ffi::sqlite3_malloc(77_000) }.is_null());
    let more = live_of(&reader.read().unwrap(), "").bytes - nobodys;
    assert_eq!(more.round(), 77_000.0);
}

fn a_scope_names_what_rust_allocates_in_it_also_when_it_unwinds() {
    let mut reader = Reader::new().unwrap();
    let large = || black_box(vec![1u8; 100_000]);
    let mut kept = sampler::with_statement("SELECT 'outer'; more", || {
        let first = large();
        let second = sampler::with_statement("SELECT 'inner'", large);
        vec![first, second, large()]
    });
    // What a message and a backtrace take is not what this is about.
    std::panic::set_hook(Box::new(|_| {}));
    let unwound = std::panic::catch_unwind(|| {
        sampler::with_statement("SELECT 'panic'", || panic!("expected"))
    });
    assert!(unwound.is_err());
    kept.push(large());
    let profile = reader.read().unwrap();
    let large_under = |sql: &str| {
        let is_it = |site: &&sampler::Site| {
            site.side == Side::Rust
                && site.now.bytes > 99_999.0
                && profile.statement(site.statement) == sql
        };
        profile
            .sites
            .iter()
            .filter(is_it)
            .map(|site| site.now.bytes as u64 / 100_000)
            .sum::<u64>()
    };
    let under = ["SELECT 'outer'", "SELECT 'inner'", "SELECT 'panic'", ""].map(large_under);
    assert_eq!(under, [2, 1, 0, 1]);
}

fn main() {
    let case = |(name, run)| Case {
        name,
        rust: "system",
        sqlite: SqliteAllocator::System,
        interval_bytes: 1,
        run,
    };
    let cases: [(&str, fn()); 4] = [
        (
            "statements_that_nobody_finalizes_are_found_by_their_own_sql",
            statements_that_nobody_finalizes_are_found_by_their_own_sql,
        ),
        (
            "what_a_statement_allocates_as_it_runs_is_under_the_text_that_was_prepared",
            what_a_statement_allocates_as_it_runs_is_under_the_text_that_was_prepared,
        ),
        (
            "a_statement_inside_another_one_leaves_that_one_in_place",
            a_statement_inside_another_one_leaves_that_one_in_place,
        ),
        (
            "a_scope_names_what_rust_allocates_in_it_also_when_it_unwinds",
            a_scope_names_what_rust_allocates_in_it_also_when_it_unwinds,
        ),
    ];
    sampled::main(cases.into_iter().map(case).collect());
}
