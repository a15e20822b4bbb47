//! Statements that nobody has finalized, by their SQL.
//!
//! Source: `sqlite3_next_stmt`, which knows every statement of a connection, whoever prepared it.

mod redact;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ffi::CStr;
use std::ptr;

use libsqlite3_sys as ffi;
use serde::{Deserialize, Serialize};

pub use redact::redact;

use super::sqlite::Connection;

/// Statements of one SQL text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct Statements {
    /// The SQL, its literals replaced by `?`; absent for those that SQLite made itself, such as a
    /// blob handle's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
    /// How many there are.
    pub count: u64,
    /// `SQLITE_STMTSTATUS_MEMUSED` of all.
    pub bytes: i64,
    /// Of them, in the middle of a run: `sqlite3_stmt_busy`.
    pub busy: u64,
}

/// Texts that a list has one by one; the others are summed up in its last entry.
const MOST_LISTED: usize = 20;
/// Different texts that are told apart; with more of them the largest are the largest of these.
const MOST_TEXTS: usize = 4096;
/// What is shown of a longer text ends in `...`.
const TEXT_LIMIT_BYTES: usize = 2000;

/// Every statement of `connections` by its SQL, largest bytes first: at most 20 texts, and what the
/// others come to in a last entry, `(7 other texts)`. [`redact`]ed unless `literals`.
///
/// # Safety
/// Each of `connections` is open and, if it was opened with `SQLITE_OPEN_NOMUTEX`, in use by no
/// other thread.
pub unsafe fn list(connections: &[Connection], literals: bool) -> Vec<Statements> {
    let mut texts = Texts::new(literals);
    for connection in connections {
        // SAFETY: the connection is open and unused; the walk ends at null, and nothing is
        // finalized meanwhile, so each text lives until the next step.
        unsafe {
            let mut statement = ffi::sqlite3_next_stmt(*connection, ptr::null_mut());
            while !statement.is_null() {
                let sql = ffi::sqlite3_sql(statement);
                let sql = (!sql.is_null()).then(|| CStr::from_ptr(sql).to_bytes());
                let bytes = ffi::sqlite3_stmt_status(statement, ffi::SQLITE_STMTSTATUS_MEMUSED, 0);
                texts.add(sql, bytes, ffi::sqlite3_stmt_busy(statement) != 0);
                statement = ffi::sqlite3_next_stmt(*connection, statement);
            }
        }
    }
    texts.list()
}

/// Finalizes every statement of `connection`, and says how many they were.
///
/// # Safety
/// `connection` is open and in use by no other thread. Nobody uses one of its statements again, nor
/// finalizes it: no wrapper that has one in its hands is dropped after this, a blob handle is such a
/// wrapper, and no virtual table of the connection keeps statements of its own, as those of FTS and
/// R-trees do.
pub unsafe fn finalize_all(connection: Connection) -> u64 {
    let mut finalized = 0;
    // SAFETY: the caller's contract; the next one is asked for before this one is gone.
    unsafe {
        let mut statement = ffi::sqlite3_next_stmt(connection, ptr::null_mut());
        while !statement.is_null() {
            let next = ffi::sqlite3_next_stmt(connection, statement);
            // The code is of the statement's last run, which is not of interest here.
            ffi::sqlite3_finalize(statement);
            finalized += 1;
            statement = next;
        }
    }
    finalized
}

/// Adds statements up by what is shown of their SQL.
struct Texts {
    literals: bool,
    groups: Vec<Statements>,
    /// Where in `groups` a text is.
    index: HashMap<Option<String>, usize>,
    /// Statements of texts past [`MOST_TEXTS`].
    beyond: Statements,
    /// The last SQL and where it went: leaked statements are mostly of one text, which need not be
    /// redacted for each of them.
    last: Option<(Option<Vec<u8>>, Option<usize>)>,
}

impl Texts {
    fn new(literals: bool) -> Self {
        Texts {
            literals,
            groups: Vec::new(),
            index: HashMap::new(),
            beyond: nothing(None),
            last: None,
        }
    }

    fn add(&mut self, sql: Option<&[u8]>, bytes: i32, busy: bool) {
        let group = match &self.last {
            Some((last, group)) if last.as_deref() == sql => *group,
            _ => self.find(sql),
        };
        let group = match group {
            Some(group) => &mut self.groups[group],
            None => &mut self.beyond,
        };
        group.count += 1;
        group.bytes += i64::from(bytes);
        group.busy += u64::from(busy);
    }

    /// The group of a text, a new one where it is the first; `None` where there are too many.
    fn find(&mut self, sql: Option<&[u8]>) -> Option<usize> {
        let shown = sql.map(|sql| self.shown(sql));
        let group = match self.index.get(&shown) {
            Some(group) => Some(*group),
            None if self.groups.len() < MOST_TEXTS => {
                self.groups.push(nothing(shown.clone()));
                self.index.insert(shown, self.groups.len() - 1);
                Some(self.groups.len() - 1)
            }
            None => None,
        };
        self.last = Some((sql.map(<[u8]>::to_vec), group));
        group
    }

    fn shown(&self, sql: &[u8]) -> String {
        let sql = String::from_utf8_lossy(sql);
        // As whoever wrote it ended it or not.
        let sql = sql.trim_end_matches(|c: char| c == ';' || c.is_ascii_whitespace());
        let mut shown = match self.literals {
            true => sql.to_owned(),
            false => redact(sql),
        };
        if shown.len() > TEXT_LIMIT_BYTES {
            let end = (0..=TEXT_LIMIT_BYTES)
                .rev()
                .find(|at| shown.is_char_boundary(*at));
            shown.truncate(end.unwrap_or(0));
            shown.push_str("...");
        }
        shown
    }

    fn list(self) -> Vec<Statements> {
        let mut list = self.groups;
        list.sort_by_key(|group| Reverse(group.bytes));
        let others = list.split_off(list.len().min(MOST_LISTED));
        let more = if self.beyond.count > 0 { "over " } else { "" };
        let mut rest = nothing(Some(format!("({more}{} other texts)", others.len())));
        for other in others.iter().chain([&self.beyond]) {
            rest.count += other.count;
            rest.bytes += other.bytes;
            rest.busy += other.busy;
        }
        if rest.count > 0 {
            list.push(rest);
        }
        list
    }
}

fn nothing(sql: Option<String>) -> Statements {
    Statements {
        sql,
        count: 0,
        bytes: 0,
        busy: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Open(Connection);

    impl Open {
        fn new() -> Self {
            let mut connection = ptr::null_mut();
            // SAFETY: the name ends in NUL, and the handle is closed once, when this is dropped.
            let code = unsafe { ffi::sqlite3_open(c":memory:".as_ptr(), &raw mut connection) };
            assert_eq!(code, ffi::SQLITE_OK);
            Open(connection)
        }

        /// A statement that nobody finalizes, after its first step where it is to be busy.
        fn leak(&self, sql: &str, step: bool) {
            let mut statement = ptr::null_mut();
            // SAFETY: the text lives as long as the call, its length is its own.
            unsafe {
                let (text, length) = (sql.as_ptr().cast(), sql.len() as i32);
                let tail = ptr::null_mut();
                let code = ffi::sqlite3_prepare_v2(self.0, text, length, &raw mut statement, tail);
                assert_eq!(code, ffi::SQLITE_OK);
                if step {
                    assert_eq!(ffi::sqlite3_step(statement), ffi::SQLITE_ROW);
                }
            }
        }

        fn list(&self, literals: bool) -> Vec<Statements> {
            // SAFETY: the connection is open, and this test's alone.
            unsafe { list(&[self.0], literals) }
        }

        fn finalize(&self) -> u64 {
            // SAFETY: the same, and no test keeps a statement.
            unsafe { finalize_all(self.0) }
        }
    }

    impl Drop for Open {
        fn drop(&mut self) {
            // SAFETY: closed once.
            assert_eq!(unsafe { ffi::sqlite3_close(self.0) }, ffi::SQLITE_OK);
        }
    }

    #[test]
    fn statements_are_counted_by_their_text_and_their_literals_are_not_shown() {
        let open = Open::new();
        for number in 0..100 {
            open.leak(&format!("SELECT {number}, 'secret {number}'"), false);
            open.leak("VALUES (1), (2); ", true);
        }
        let list = open.list(false);
        let texts: Vec<_> = list.iter().map(|one| one.sql.as_deref().unwrap()).collect();
        let counts: Vec<_> = list.iter().map(|one| (one.count, one.busy)).collect();
        assert_eq!(list.len(), 2, "{list:?}");
        assert!(texts.contains(&"SELECT ?, ?") && texts.contains(&"VALUES (?), (?)"));
        assert!(counts.contains(&(100, 0)) && counts.contains(&(100, 100)));
        assert!(list[0].bytes >= list[1].bytes && list[1].bytes > 100 * 100);
        assert!(
            open.list(true)
                .iter()
                .any(|one| one.sql.as_deref() == Some("SELECT 7, 'secret 7'"))
        );
        assert_eq!(open.finalize(), 200);
        assert_eq!((open.list(false), open.finalize()), (Vec::new(), 0));
    }

    #[test]
    fn texts_past_the_twentieth_are_summed_up() {
        let open = Open::new();
        for number in 0..50 {
            open.leak(&format!("SELECT 1 AS c{number}"), false);
        }
        let list = open.list(false);
        assert_eq!(list.len(), 21);
        assert_eq!(list[20].sql.as_deref(), Some("(30 other texts)"));
        assert_eq!(list.iter().map(|one| one.count).sum::<u64>(), 50);
        open.finalize();
    }

    #[test]
    fn more_texts_than_are_told_apart_lose_no_statement() {
        let mut texts = Texts::new(false);
        for number in 0..5000 {
            texts.add(Some(format!("SELECT c{number}").as_bytes()), 10, true);
        }
        texts.add(None, 1000, false);
        texts.add(Some(&b"x ".repeat(TEXT_LIMIT_BYTES)), 1000, false);
        let list = texts.list();
        let last = list.last().unwrap();
        assert_eq!(last.sql.as_deref(), Some("(over 4076 other texts)"));
        let sums = list.iter().fold((0, 0, 0), |(count, bytes, busy), one| {
            (count + one.count, bytes + one.bytes, busy + one.busy)
        });
        assert_eq!(sums, (5002, 52_000, 5000));
    }

    #[test]
    fn a_long_text_is_cut_and_one_that_sqlite_made_has_none() {
        let mut texts = Texts::new(true);
        texts.add(Some("é".repeat(TEXT_LIMIT_BYTES).as_bytes()), 1, false);
        texts.add(None, 2, false);
        let list = texts.list();
        assert_eq!(list[0].sql, None);
        let cut = list[1].sql.as_deref().unwrap();
        assert!(cut.ends_with("é...") && cut.len() == TEXT_LIMIT_BYTES + 3);
    }
}
