//! Which statement a thread runs, and its text.
//!
//! Nothing is copied until a sample needs it: while SQLite is inside `sqlite3_step`, the thread keeps the
//! pointer to the statement, and while it is inside `sqlite3_prepare`, the pointer to the text.

use std::ffi::{c_char, c_int};
use std::ptr;

use libsqlite3_sys as ffi;

use super::is_on;
use super::thread::THREAD;

/// Of a longer text, the beginning is kept.
pub const MOST_TEXT_BYTES: usize = 512;

/// What a thread is about, in one word, because it is put in place for every row: null, a statement, or a
/// [`Text`] with the lowest bit set. Valid while the call lasts that put it in place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Current(*const ());

/// A text, of which the first statement counts or the whole.
#[derive(Debug, Clone, Copy)]
#[repr(align(8))]
struct Text {
    start: *const u8,
    /// It ends there, or at a zero before.
    bytes: usize,
    whole: bool,
}

const IS_TEXT: usize = 1;

impl Current {
    pub(super) const NONE: Current = Current(ptr::null());

    fn of_text(text: &Text) -> Self {
        let text = ptr::from_ref(text).cast::<()>();
        Current(text.map_addr(|address| address | IS_TEXT))
    }
}

/// For calls into C, which do not unwind.
#[inline(always)]
fn during<T>(current: Current, call: impl FnOnce() -> T) -> T {
    THREAD.with(|thread| {
        let before = thread.statement.replace(current);
        let result = call();
        thread.statement.set(before);
        result
    })
}

/// Shows what is allocated on this thread while `run` runs under the text of `sql`, of which it is
/// the first statement that counts. For programs that are linked without [`know_statements`](crate::know_statements).
pub fn with_statement<T>(sql: &str, run: impl FnOnce() -> T) -> T {
    if !is_on() {
        return run();
    }
    /// Also when `run` unwinds.
    struct Restore(Current);
    impl Drop for Restore {
        fn drop(&mut self) {
            THREAD.with(|thread| thread.statement.set(self.0));
        }
    }
    let text = Text {
        start: sql.as_ptr(),
        bytes: sql.len(),
        whole: false,
    };
    let current = Current::of_text(&text);
    let _restore = Restore(THREAD.with(|thread| thread.statement.replace(current)));
    run()
}

/// For [`know_statements`](crate::know_statements): a call that reads the text of one statement.
///
/// # Safety
/// `sql` is null or ends at a zero or, where `bytes` is not negative, after so many bytes; it stays as it is
/// until `call` is over.
#[doc(hidden)]
#[inline]
pub unsafe fn in_prepare<T>(sql: *const c_char, bytes: c_int, call: impl FnOnce() -> T) -> T {
    if !is_on() || sql.is_null() {
        return call();
    }
    let text = Text {
        start: sql.cast(),
        bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
        whole: false,
    };
    during(Current::of_text(&text), call)
}

/// For [`know_statements`](crate::know_statements): a call that runs a text of statements.
///
/// # Safety
/// `sql` is null or ends at a zero; it stays as it is until `call` is over.
#[doc(hidden)]
#[inline]
pub unsafe fn in_exec<T>(sql: *const c_char, call: impl FnOnce() -> T) -> T {
    if !is_on() || sql.is_null() {
        return call();
    }
    let text = Text {
        start: sql.cast(),
        bytes: usize::MAX,
        whole: true,
    };
    during(Current::of_text(&text), call)
}

/// For [`know_statements`](crate::know_statements): a call about a statement.
///
/// # Safety
/// `statement` is null or a statement that is not finalized before `call` is over.
#[doc(hidden)]
#[inline(always)]
pub unsafe fn in_statement<T>(statement: *mut ffi::sqlite3_stmt, call: impl FnOnce() -> T) -> T {
    if !is_on() || statement.is_null() {
        return call();
    }
    during(Current(statement.cast_const().cast()), call)
}

/// Writes the text of `current`, with nothing around it that says nothing, and returns its length.
///
/// # Safety
/// The pointers of `current` are valid.
pub(super) unsafe fn text(current: Current, buffer: &mut [u8; MOST_TEXT_BYTES]) -> usize {
    let Current(what) = current;
    if what.is_null() {
        return 0;
    }
    // SAFETY: the caller's contract; what SQLite answers for a statement ends at a zero and lives as long.
    unsafe {
        if what.addr() & IS_TEXT != 0 {
            let text = *what.map_addr(|address| address - IS_TEXT).cast::<Text>();
            return tidy(characters(text.start, text.bytes), text.whole, buffer);
        }
        let sql = ffi::sqlite3_sql(what.cast::<ffi::sqlite3_stmt>().cast_mut());
        if sql.is_null() {
            return 0;
        }
        tidy(characters(sql.cast(), usize::MAX), false, buffer)
    }
}

/// # Safety
/// The text from `start` ends at a zero or after `bytes`; it must stay while the iterator is used.
unsafe fn characters(start: *const u8, bytes: usize) -> impl Iterator<Item = u8> {
    (0..bytes)
        // SAFETY: the bytes before this one are not zero and lie within the bound.
        .map(move |at| unsafe { start.add(at).read() })
        .take_while(|&byte| byte != 0)
}

/// The same text for a statement while it is prepared and while it runs: without what surrounds it, to the
/// end of the first statement or of the whole text, and as valid UTF-8.
fn tidy(text: impl Iterator<Item = u8>, whole: bool, buffer: &mut [u8; MOST_TEXT_BYTES]) -> usize {
    let is_empty = |byte: &u8| is_space(*byte) || *byte == b';';
    let mut len = 0;
    for (place, byte) in buffer.iter_mut().zip(text.skip_while(is_empty)) {
        *place = byte;
        len += 1;
    }
    let mut text = &mut buffer[..len];
    if !whole {
        let end = first_statement(text);
        text = &mut text[..end];
    }
    let len = text
        .iter()
        .rposition(|byte| !is_empty(byte))
        .map_or(0, |last| last + 1);
    make_valid(&mut text[..len])
}

/// Replaces what is not UTF-8; where the end is a part of a character, leaves it out.
fn make_valid(text: &mut [u8]) -> usize {
    let mut valid = 0;
    while let Err(error) = std::str::from_utf8(&text[valid..]) {
        valid += error.valid_up_to();
        let Some(bytes) = error.error_len() else {
            return valid;
        };
        text[valid..valid + bytes].fill(b'?');
    }
    text.len()
}

/// As SQLite's tokenizer.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0c | b'\r')
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Explain,
    Create,
    Normal,
    /// In a trigger, where semicolons end its steps.
    Trigger,
    TriggerSemicolon,
    TriggerEnd,
}

/// Where the first statement ends, its semicolon excluded: by the rules of `sqlite3_complete`.
fn first_statement(text: &[u8]) -> usize {
    let mut state = State::Start;
    let mut at = 0;
    while at < text.len() {
        let len = token(&text[at..]);
        let token = &text[at..at + len];
        if token == b";" {
            match state {
                State::Start => {}
                State::Trigger | State::TriggerSemicolon => state = State::TriggerSemicolon,
                _ => return at,
            }
        } else if !is_space(token[0]) && !token.starts_with(b"--") && !token.starts_with(b"/*") {
            state = after(state, token);
        }
        at += len;
    }
    text.len()
}

/// After a token that is neither a semicolon nor space.
fn after(state: State, token: &[u8]) -> State {
    let is = |word: &str| token.eq_ignore_ascii_case(word.as_bytes());
    match state {
        State::Start if is("explain") => State::Explain,
        State::Start | State::Explain if is("create") => State::Create,
        State::Explain if !is("temp") && !is("temporary") && !is("trigger") && !is("end") => {
            State::Explain
        }
        State::Create if is("temp") || is("temporary") => State::Create,
        State::Create if is("trigger") => State::Trigger,
        State::TriggerSemicolon if is("end") => State::TriggerEnd,
        State::Trigger | State::TriggerSemicolon | State::TriggerEnd => State::Trigger,
        _ => State::Normal,
    }
}

/// The length of the first token, comments and spaces included; `text` is not empty.
fn token(text: &[u8]) -> usize {
    let until = |from: usize, end: &[u8]| {
        let rest = &text[from.min(text.len())..];
        let found = rest.windows(end.len()).position(|bytes| bytes == end);
        found.map_or(text.len(), |at| from + at + end.len())
    };
    match text {
        [b'-', b'-', ..] => until(2, b"\n"),
        [b'/', b'*', ..] => until(2, b"*/"),
        [b'[', ..] => until(1, b"]"),
        [quote @ (b'\'' | b'"' | b'`'), ..] => until(1, &[*quote]),
        [first, ..] if is_word(*first) => text
            .iter()
            .position(|&byte| !is_word(byte))
            .unwrap_or(text.len()),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tidied(sql: &[u8], whole: bool) -> String {
        let mut buffer = [0; MOST_TEXT_BYTES];
        let len = tidy(sql.iter().copied(), whole, &mut buffer);
        String::from_utf8(buffer[..len].to_vec()).unwrap()
    }

    #[test]
    fn a_text_is_its_first_statement_without_what_surrounds_it() {
        for (sql, first) in [
            ("  SELECT 1 ;  SELECT 2", "SELECT 1"),
            (";; \n SELECT 1;", "SELECT 1"),
            (
                "SELECT ';', \"a;\", [b;], `c;`; x",
                "SELECT ';', \"a;\", [b;], `c;`",
            ),
            ("SELECT 'it''s;' ; x", "SELECT 'it''s;'"),
            ("SELECT 1 -- a; b\n, 2; x", "SELECT 1 -- a; b\n, 2"),
            ("/* ; */ SELECT /* ; */ 1; x", "/* ; */ SELECT /* ; */ 1"),
            ("-- a\n;SELECT 1; x", "-- a\n;SELECT 1"),
            ("SELECT 3-1/2*4; x", "SELECT 3-1/2*4"),
            ("SELECT 'open; x", "SELECT 'open; x"),
            (
                "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; SELECT 2; END; x",
                "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; SELECT 2; END",
            ),
            (
                "create table trigger_end(a); x",
                "create table trigger_end(a)",
            ),
            (
                "EXPLAIN QUERY PLAN SELECT 1; x",
                "EXPLAIN QUERY PLAN SELECT 1",
            ),
            (" \n;", ""),
            ("", ""),
        ] {
            assert_eq!(tidied(sql.as_bytes(), false), first, "{sql}");
        }
    }

    #[test]
    fn a_whole_text_keeps_all_its_statements() {
        assert_eq!(tidied(b" BEGIN; SELECT 1;\n", true), "BEGIN; SELECT 1");
    }

    #[test]
    fn a_long_text_is_cut_between_characters_and_an_invalid_one_made_valid() {
        let long = format!("x{}", "\u{e9}".repeat(MOST_TEXT_BYTES));
        let cut = tidied(long.as_bytes(), false);
        assert_eq!(cut.len(), MOST_TEXT_BYTES - 1);
        assert!(long.starts_with(&cut));
        assert_eq!(tidied(b"SELECT '\xff\xc3(a\xe2'", false), "SELECT '??(a?'");
    }

    #[test]
    fn a_bound_or_a_zero_ends_a_text() {
        let sql = b"SELECT 1\0SELECT 2";
        let read = |bytes| {
            let mut buffer = [0; MOST_TEXT_BYTES];
            let whole = Text {
                start: sql.as_ptr(),
                bytes,
                whole: true,
            };
            // SAFETY: the text has a zero, and the bounds lie before it.
            let len = unsafe { text(Current::of_text(&whole), &mut buffer) };
            String::from_utf8(buffer[..len].to_vec()).unwrap()
        };
        assert_eq!(
            (read(6).as_str(), read(usize::MAX).as_str()),
            ("SELECT", "SELECT 1")
        );
    }
}
