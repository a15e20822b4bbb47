//! A statement read through SQLite's own functions: values borrowed where SQLite holds them, text as
//! bytes, valid UTF-8 or not.
//!
//! rusqlite's statement says no to SQL that is not UTF-8, and a name may be anything; and a row
//! through it costs several times what the copy into the dump does.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::{ptr, slice};

use rusqlite::{Connection, ffi};

// The bindings leave out what is of UTF-16.
unsafe extern "C" {
    fn sqlite3_value_text16(value: *mut ffi::sqlite3_value) -> *const c_void;
    fn sqlite3_value_bytes16(value: *mut ffi::sqlite3_value) -> c_int;
}

/// How a database stores text. Every database of a connection stores it as the main one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// UTF-8.
    #[default]
    Utf8,
    /// UTF-16, the lower byte first.
    Utf16le,
    /// UTF-16, the higher byte first.
    Utf16be,
}

/// A value of the row that the cursor stands on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// A signed integer.
    Integer(i64),
    /// A double, never NaN.
    Real(f64),
    /// Text of a database in UTF-8: the bytes as stored, valid or not.
    Text(&'a [u8]),
    /// Text of a database in UTF-16: its code units in this machine's byte order, valid or not.
    Text16(&'a [u8]),
    /// Bytes.
    Blob(&'a [u8]),
}

/// A prepared statement; finalized when it is dropped, on the thread that drops it.
#[derive(Debug)]
pub struct Cursor<'c> {
    statement: *mut ffi::sqlite3_stmt,
    encoding: Encoding,
    _connection: PhantomData<&'c Connection>,
}

impl<'c> Cursor<'c> {
    /// Prepares the first statement of `sql`, which must hold one. `encoding` is the database's.
    pub fn prepare(
        connection: &'c Connection,
        sql: &[u8],
        encoding: Encoding,
    ) -> rusqlite::Result<Cursor<'c>> {
        let length =
            c_int::try_from(sql.len()).map_err(|_| failure(ffi::SQLITE_TOOBIG, ptr::null_mut()))?;
        let mut statement = ptr::null_mut();
        // SAFETY: the connection is open as long as it is borrowed, `sql` has `length` bytes, and
        // what is not wanted of the results is null, as the function allows.
        let (database, code) = unsafe {
            let database = connection.handle();
            let text = sql.as_ptr().cast::<c_char>();
            let code = ffi::sqlite3_prepare_v2(
                database,
                text,
                length,
                &raw mut statement,
                ptr::null_mut(),
            );
            (database, code)
        };
        if code != ffi::SQLITE_OK || statement.is_null() {
            return Err(failure(code, database));
        }
        Ok(Cursor {
            statement,
            encoding,
            _connection: PhantomData,
        })
    }

    /// Steps to the next row; false where there is none.
    pub fn step(&mut self) -> rusqlite::Result<bool> {
        // SAFETY: the statement is not finalized before `self` is dropped.
        match unsafe { ffi::sqlite3_step(self.statement) } {
            ffi::SQLITE_ROW => Ok(true),
            ffi::SQLITE_DONE => Ok(false),
            // SAFETY: as above.
            code => Err(failure(code, unsafe {
                ffi::sqlite3_db_handle(self.statement)
            })),
        }
    }

    /// Columns of a row.
    pub fn columns(&self) -> usize {
        // SAFETY: as in `step`.
        let columns = unsafe { ffi::sqlite3_column_count(self.statement) };
        usize::try_from(columns).unwrap_or(0)
    }

    /// Keeps the connection's mutex, where it has one, until the guard is dropped: on this thread.
    pub fn hold(&self) -> Held<'c> {
        // SAFETY: the statement's connection is open; a mutex that is null is not entered.
        let mutex = unsafe { ffi::sqlite3_db_mutex(ffi::sqlite3_db_handle(self.statement)) };
        // SAFETY: as above.
        unsafe { ffi::sqlite3_mutex_enter(mutex) };
        Held {
            mutex,
            _connection: PhantomData,
        }
    }

    /// The value in `column`, from 0, of the row that the cursor stands on; NULL outside of it. It
    /// is read once: asking for the same column again may move it, which the borrow forbids. The
    /// connection's mutex is held, or SQLite's own functions for values may not be used.
    #[inline]
    pub fn value(&mut self, column: usize, _: &Held<'c>) -> rusqlite::Result<Value<'_>> {
        let column = c_int::try_from(column).unwrap_or(c_int::MAX);
        // SAFETY: as in `step`; a column that there is not reads as NULL. The value lives until the
        // cursor is used again.
        unsafe {
            let value = ffi::sqlite3_column_value(self.statement, column);
            Ok(match ffi::sqlite3_value_type(value) {
                ffi::SQLITE_TEXT if self.encoding == Encoding::Utf8 => {
                    // The same bytes as value_text gives, which might copy them to add a NUL byte.
                    let text = ffi::sqlite3_value_blob(value);
                    Value::Text(self.bytes(text, ffi::sqlite3_value_bytes(value))?)
                }
                ffi::SQLITE_INTEGER => Value::Integer(ffi::sqlite3_value_int64(value)),
                ffi::SQLITE_FLOAT => Value::Real(ffi::sqlite3_value_double(value)),
                ffi::SQLITE_TEXT => {
                    let text = sqlite3_value_text16(value);
                    Value::Text16(self.bytes(text, sqlite3_value_bytes16(value))?)
                }
                ffi::SQLITE_BLOB => {
                    let bytes = ffi::sqlite3_value_blob(value);
                    Value::Blob(self.bytes(bytes, ffi::sqlite3_value_bytes(value))?)
                }
                _ => Value::Null,
            })
        }
    }

    /// The value in `column` as an integer; 0 where it is none.
    pub fn integer(&mut self, column: usize) -> i64 {
        let column = c_int::try_from(column).unwrap_or(c_int::MAX);
        // SAFETY: as in `value`.
        unsafe { ffi::sqlite3_column_int64(self.statement, column) }
    }

    /// The value in `column` as text in UTF-8, whatever it is stored as; NULL is `None`.
    pub fn text(&mut self, column: usize) -> rusqlite::Result<Option<Vec<u8>>> {
        let column = c_int::try_from(column).unwrap_or(c_int::MAX);
        // SAFETY: as in `value`.
        unsafe {
            if ffi::sqlite3_column_type(self.statement, column) == ffi::SQLITE_NULL {
                return Ok(None);
            }
            let text = ffi::sqlite3_column_text(self.statement, column);
            let length = ffi::sqlite3_column_bytes(self.statement, column);
            Ok(Some(self.bytes(text.cast(), length)?.to_vec()))
        }
    }

    /// # Safety
    /// `bytes` is null or has `length` bytes that live until the cursor is used again.
    #[inline]
    unsafe fn bytes(&self, bytes: *const c_void, length: c_int) -> rusqlite::Result<&[u8]> {
        match usize::try_from(length) {
            Ok(0) | Err(_) => Ok(&[]),
            Ok(_) if bytes.is_null() => Err(failure(ffi::SQLITE_NOMEM, ptr::null_mut())),
            // SAFETY: by this function's own conditions.
            Ok(length) => Ok(unsafe { slice::from_raw_parts(bytes.cast::<u8>(), length) }),
        }
    }
}

impl Drop for Cursor<'_> {
    fn drop(&mut self) {
        // SAFETY: finalized here and nowhere else. Its code repeats what the last step said.
        unsafe { ffi::sqlite3_finalize(self.statement) };
    }
}

/// A connection's mutex, held by the thread that made this.
#[derive(Debug)]
pub struct Held<'c> {
    mutex: *mut ffi::sqlite3_mutex,
    _connection: PhantomData<&'c Connection>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // SAFETY: entered by this thread, since the type is not Send; null is left as it is.
        unsafe { ffi::sqlite3_mutex_leave(self.mutex) };
    }
}

/// `sql` ends where a statement does; false too where it has a NUL byte.
pub fn is_complete(mut sql: Vec<u8>) -> bool {
    sql.push(0);
    // SAFETY: the text ends with a NUL byte.
    CStr::from_bytes_with_nul(&sql)
        .is_ok_and(|sql| unsafe { ffi::sqlite3_complete(sql.as_ptr()) } == 1)
}

/// For a column that is an INTEGER PRIMARY KEY: whether it is AUTOINCREMENT.
pub fn is_autoincrement(
    connection: &Connection,
    schema: &CStr,
    table: &CStr,
    column: &CStr,
) -> bool {
    let mut autoincrement = 0;
    // SAFETY: the connection is open, the names end with NUL bytes, and null takes no result.
    let code = unsafe {
        ffi::sqlite3_table_column_metadata(
            connection.handle(),
            schema.as_ptr(),
            table.as_ptr(),
            column.as_ptr(),
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
            &raw mut autoincrement,
        )
    };
    code == ffi::SQLITE_OK && autoincrement != 0
}

/// SQLite's code, and its words where the database is given.
fn failure(code: c_int, database: *mut ffi::sqlite3) -> rusqlite::Error {
    let words = (!database.is_null()).then(|| {
        // SAFETY: the database is open, and its message lives until it is used again.
        let words = unsafe { CStr::from_ptr(ffi::sqlite3_errmsg(database)) };
        words.to_string_lossy().into_owned()
    });
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), words)
}
