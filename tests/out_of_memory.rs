//! Out of memory is an answer: SQLite says `SQLITE_NOMEM`, and goes on when there is memory again.
//!
//! Each route runs in a process of its own, whose address space is limited.

mod support {
    pub mod children;
}

use libsqlite3_sys as ffi;
use libtest_mimic::{Arguments, Trial};
use support::children::{self, RUST, SQLITE};

#[global_allocator]
static ALLOCATOR: sqlite_membench::allocator::global::Switchable =
    sqlite_membench::allocator::global::Switchable::new();

const BLOCK: u64 = 4 << 20;
const MOST_BLOCKS: usize = 4_096;

/// Leaves the process `bytes` more than it has mapped now.
fn limit_address_space(bytes: u64) {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split_whitespace().next().unwrap().parse().unwrap();
    let most = pages * 4096 + bytes;
    let limit = libc::rlimit {
        rlim_cur: most,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: setrlimit reads the structure.
    let code = unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) };
    assert_eq!(code, 0);
}

fn execute(connection: *mut ffi::sqlite3, sql: &std::ffi::CStr) -> i32 {
    // SAFETY: an open connection and a C string.
    unsafe {
        ffi::sqlite3_exec(
            connection,
            sql.as_ptr(),
            None,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
        )
    }
}

fn run_child() {
    let mut connection = std::ptr::null_mut();
    // SAFETY: opens a database in memory.
    let code = unsafe { ffi::sqlite3_open(c":memory:".as_ptr(), &raw mut connection) };
    assert_eq!(code, ffi::SQLITE_OK);
    assert_eq!(execute(connection, c"CREATE TABLE t(b)"), ffi::SQLITE_OK);
    let mut blocks = Vec::with_capacity(MOST_BLOCKS);
    limit_address_space(96 << 20);
    loop {
        // SAFETY: a plain allocation; null is what the loop waits for.
        let block = unsafe { ffi::sqlite3_malloc64(BLOCK) };
        if block.is_null() {
            break;
        }
        blocks.push(block);
        assert!(blocks.len() < MOST_BLOCKS, "the limit does not limit");
    }
    let insert = c"INSERT INTO t SELECT randomblob(50000000)";
    assert_eq!(execute(connection, insert), ffi::SQLITE_NOMEM);
    for block in blocks {
        // SAFETY: allocated above, freed once.
        unsafe { ffi::sqlite3_free(block) };
    }
    assert_eq!(
        execute(connection, c"INSERT INTO t SELECT randomblob(5000000)"),
        ffi::SQLITE_OK
    );
    // SAFETY: closed once.
    assert_eq!(unsafe { ffi::sqlite3_close(connection) }, ffi::SQLITE_OK);
    // SAFETY: no precondition.
    assert_eq!(unsafe { ffi::sqlite3_memory_used() }, 0);
}

fn main() {
    if children::case().is_some() {
        return run_child();
    }
    let mut trials = Vec::new();
    for rust in RUST {
        for sqlite in SQLITE {
            let name =
                format!("no_memory_is_an_answer::rust_{rust:?}::sqlite_{sqlite:?}").to_lowercase();
            trials.push(Trial::test(name, move || {
                children::spawn("nomem", rust, sqlite, &[])
            }));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
