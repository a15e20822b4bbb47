//! How the sampler comes to know which statement runs: by standing in front of the functions that run them.
//!
//! The linker's `--wrap=NAME` sends every call of `NAME` from outside the library that defines it to
//! `__wrap_NAME`, which [`know_statements`](crate::know_statements) defines, and which calls `__real_NAME`.

#[doc(hidden)]
pub use libsqlite3_sys as ffi;

/// The functions that a program which uses [`know_statements`](crate::know_statements) must be linked with
/// `-Wl,--wrap=NAME` for, each.
pub const WRAPPED: [&str; 9] = include!("wrapped.in");

/// Tells the sampler which statements run. For the root of a binary's crate, whose `build.rs` prints for each
/// name in [`WRAPPED`](crate::allocator::sampler::WRAPPED):
///
/// ```text
/// cargo:rustc-link-arg-bins=-Wl,--wrap=NAME
/// ```
///
/// Without these arguments it does not link. What SQLite's own code calls inside itself is not seen, so a
/// statement that `sqlite3_exec` or a virtual table prepares counts as the one that the program runs.
#[macro_export]
macro_rules! know_statements {
    () => {
        const _: () = {
            use ::std::ffi::{c_char, c_int, c_uchar, c_uint, c_void};
            use $crate::allocator::sampler::{
                ffi::{sqlite3, sqlite3_destructor_type, sqlite3_stmt, sqlite3_uint64},
                in_exec, in_prepare, in_statement,
            };
            type Exec = Option<
                unsafe extern "C" fn(
                    *mut c_void,
                    c_int,
                    *mut *mut c_char,
                    *mut *mut c_char,
                ) -> c_int,
            >;
            type Prepared = *mut *mut sqlite3_stmt;
            type Tail = *mut *const c_char;

            $crate::__know_statements! {
                in_prepare(sql, bytes): __wrap_sqlite3_prepare, __real_sqlite3_prepare,
                    (db: *mut sqlite3, sql: *const c_char, bytes: c_int, out: Prepared, tail: Tail);
                in_prepare(sql, bytes): __wrap_sqlite3_prepare_v2, __real_sqlite3_prepare_v2,
                    (db: *mut sqlite3, sql: *const c_char, bytes: c_int, out: Prepared, tail: Tail);
                in_prepare(sql, bytes): __wrap_sqlite3_prepare_v3, __real_sqlite3_prepare_v3,
                    (db: *mut sqlite3, sql: *const c_char, bytes: c_int, flags: c_uint,
                     out: Prepared, tail: Tail);
                in_exec(sql): __wrap_sqlite3_exec, __real_sqlite3_exec,
                    (db: *mut sqlite3, sql: *const c_char, each: Exec, argument: *mut c_void,
                     message: *mut *mut c_char);
                in_statement(stmt): __wrap_sqlite3_step, __real_sqlite3_step,
                    (stmt: *mut sqlite3_stmt);
                in_statement(stmt): __wrap_sqlite3_bind_text, __real_sqlite3_bind_text,
                    (stmt: *mut sqlite3_stmt, at: c_int, text: *const c_char, bytes: c_int,
                     destructor: sqlite3_destructor_type);
                in_statement(stmt): __wrap_sqlite3_bind_text64, __real_sqlite3_bind_text64,
                    (stmt: *mut sqlite3_stmt, at: c_int, text: *const c_char, bytes: sqlite3_uint64,
                     destructor: sqlite3_destructor_type, encoding: c_uchar);
                in_statement(stmt): __wrap_sqlite3_bind_blob, __real_sqlite3_bind_blob,
                    (stmt: *mut sqlite3_stmt, at: c_int, blob: *const c_void, bytes: c_int,
                     destructor: sqlite3_destructor_type);
                in_statement(stmt): __wrap_sqlite3_bind_blob64, __real_sqlite3_bind_blob64,
                    (stmt: *mut sqlite3_stmt, at: c_int, blob: *const c_void, bytes: sqlite3_uint64,
                     destructor: sqlite3_destructor_type);
            }
        };
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __know_statements {
    ($($scope:ident($($about:ident),*): $wrap:ident, $real:ident,
        ($($name:ident: $type:ty),* $(,)?);)*) => {
        unsafe extern "C" {
            $(fn $real($($name: $type),*) -> c_int;)*
        }
        $(
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $wrap($($name: $type),*) -> c_int {
                // SAFETY: the caller calls a function of SQLite's by its contract, which holds the text and
                // the statement until the call is over; it is passed on as it is.
                unsafe { $scope($($about),*, || $real($($name),*)) }
            }
        )*
    };
}

#[cfg(test)]
mod tests {
    use super::WRAPPED;

    /// What the macro defines beyond it would keep the program from being linked.
    #[test]
    fn the_macro_defines_what_the_linker_is_told_to_wrap() {
        let source = include_str!("wrap.rs");
        for name in WRAPPED {
            assert!(
                source.contains(&format!("__wrap_{name}, __real_{name},")),
                "{name}"
            );
        }
    }
}
