//! PRAGMAs: checked, set in order, and read back.
//!
//! SQLite ignores a PRAGMA that it does not know, and one that stands where it can do nothing.
//! So each is read back after the last one is set, and what SQLite says is what a record shows.

use rusqlite::Connection;
use rusqlite::types::Value;
use serde::{Deserialize, Serialize};

use super::{Error, doing, schema};

/// One `PRAGMA name = value`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pragma {
    /// Lower case, letters, digits and `_`.
    pub name: String,
    /// As written after `=`.
    pub value: String,
}

/// One PRAGMA as SQLite has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PragmaReadBack {
    /// 0 for the first connection of the pool.
    pub connection: u32,
    /// The PRAGMA.
    pub name: String,
    /// What was asked for; absent where it was only read.
    pub asked: Option<String>,
    /// What SQLite says; absent where it says nothing or where asking would do something.
    pub read_back: Option<String>,
}

/// Why a PRAGMA cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PragmaError {
    /// Not a name.
    #[error("`{0}` is no PRAGMA name: letters a to z, digits and `_`, a letter first")]
    Name(String),
    /// Not a value.
    #[error(
        "`{value}` is no value for PRAGMA {name}: printable ASCII without quotes, brackets and `;`"
    )]
    Value {
        /// The PRAGMA.
        name: String,
        /// What was to be its value.
        value: String,
    },
}

/// The report's PRAGMAs, in its order.
pub const SEED: [(&str, &str); 13] = [
    ("automatic_index", "ON"),
    ("cache_size", "32768"),
    ("cache_spill", "OFF"),
    ("foreign_keys", "ON"),
    ("journal_size_limit", "67110000"),
    ("locking_mode", "NORMAL"),
    ("page_size", "4096"),
    ("recursive_triggers", "ON"),
    ("secure_delete", "ON"),
    ("synchronous", "NORMAL"),
    ("temp_store", "MEMORY"),
    ("journal_mode", "WAL"),
    ("wal_autocheckpoint", "16384"),
];

/// [`SEED`], to be changed.
pub fn seed() -> Vec<Pragma> {
    let pragma = |(name, value): (&str, &str)| Pragma {
        name: name.into(),
        value: value.into(),
    };
    SEED.map(pragma).into()
}

/// PRAGMAs that act when they are read: asking again would do it again.
const ACTIONS: [&str; 8] = [
    "foreign_key_check",
    "incremental_vacuum",
    "integrity_check",
    "optimize",
    "quick_check",
    "shrink_memory",
    "wal_checkpoint",
    "case_sensitive_like",
];

impl Pragma {
    /// A PRAGMA that can be run: see [`PragmaError`] for what cannot.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Result<Self, PragmaError> {
        let pragma = Pragma {
            name: name.into(),
            value: value.into(),
        };
        pragma.check()?;
        Ok(pragma)
    }

    /// Name and value are such that nothing but this PRAGMA can come of them.
    pub fn check(&self) -> Result<(), PragmaError> {
        let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let letter_first = self.name.starts_with(|c: char| c.is_ascii_lowercase());
        if !letter_first || !self.name.bytes().all(word) {
            return Err(PragmaError::Name(self.name.clone()));
        }
        let harmless = |b: u8| (b' '..=b'~').contains(&b) && !b"'\"`;[](){}\\".contains(&b);
        let value = &self.value;
        if value.is_empty() || value.trim() != value || !value.bytes().all(harmless) {
            return Err(PragmaError::Value {
                name: self.name.clone(),
                value: value.clone(),
            });
        }
        Ok(())
    }

    /// The SQL that sets it. A word or a number stands bare, as people write it; the rest is quoted.
    fn sql(&self, schema: Option<&str>) -> String {
        let unsigned = self.value.strip_prefix(['-', '+']).unwrap_or(&self.value);
        let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'.';
        let quote = if unsigned.bytes().all(bare) { "" } else { "'" };
        format!(
            "PRAGMA {}{} = {quote}{}{quote}",
            schema::prefix(schema),
            self.name,
            self.value
        )
    }

    /// Sets it on one connection, in one schema or wherever SQLite does by default. Whatever rows
    /// it answers with are dropped.
    pub fn set(&self, connection: &Connection, schema: Option<&str>) -> Result<(), Error> {
        self.check()?;
        let sql = self.sql(schema);
        last_value(connection, &sql)
            .map_err(doing(|| sql))
            .map(drop)
    }

    /// What SQLite says about it now.
    pub fn read_back(
        &self,
        connection: &Connection,
        schema: Option<&str>,
        number: u32,
    ) -> Result<PragmaReadBack, Error> {
        self.check()?;
        let sql = format!("PRAGMA {}{}", schema::prefix(schema), self.name);
        let value = if ACTIONS.contains(&self.name.as_str()) {
            None
        } else {
            last_value(connection, &sql).map_err(doing(|| sql))?
        };
        Ok(PragmaReadBack {
            connection: number,
            name: self.name.clone(),
            asked: Some(self.value.clone()),
            read_back: value,
        })
    }
}

/// Whether `read_back` is what `asked` asks for, in SQLite's own spelling: words of an enumeration
/// are read back as their numbers, and `cache_spill = ON` as a number of pages.
pub fn took(name: &str, asked: &str, read_back: &str) -> bool {
    let asked = asked.trim_matches('\'').to_lowercase();
    let truth = |text: &str| match text {
        "on" | "true" | "yes" => Some(1),
        "off" | "false" | "no" => Some(0),
        _ => None,
    };
    let words: &[&str] = match name {
        "synchronous" => &["off", "normal", "full", "extra"],
        "temp_store" => &["default", "file", "memory"],
        "auto_vacuum" => &["none", "full", "incremental"],
        "secure_delete" => &["off", "on", "fast"],
        _ => &[],
    };
    let word = words.iter().position(|word| *word == asked);
    let number = word.and_then(|at| i64::try_from(at).ok());
    let number = number
        .or_else(|| truth(&asked))
        .or_else(|| asked.parse().ok());
    match (number, read_back.parse::<i64>()) {
        (Some(asked), Ok(found)) => {
            asked == found || (name == "cache_spill" && asked == 1 && found > 0)
        }
        _ => asked == read_back.to_lowercase(),
    }
}

/// Every PRAGMA that the linked SQLite knows, sorted; opens a connection of its own.
pub fn known() -> Result<Vec<String>, Error> {
    let names = || -> rusqlite::Result<Vec<String>> {
        let connection = Connection::open_in_memory()?;
        let mut statement =
            connection.prepare("SELECT name FROM pragma_pragma_list ORDER BY name")?;
        statement.query_map([], |row| row.get(0))?.collect()
    };
    names().map_err(doing(|| "listing the PRAGMAs that SQLite knows".into()))
}

/// Runs `sql` to its end and gives the first column of its last row.
fn last_value(connection: &Connection, sql: &str) -> rusqlite::Result<Option<String>> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut value = None;
    while let Some(row) = rows.next()? {
        value = match row.get(0)? {
            Value::Null | Value::Blob(_) => None,
            Value::Integer(number) => Some(number.to_string()),
            Value::Real(number) => Some(number.to_string()),
            Value::Text(text) => Some(text),
        };
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_end_a_statement_or_a_string_is_no_pragma() {
        for name in [
            "",
            "1cache",
            "cache size",
            "Cache_size",
            "main.cache_size",
            "cache_size;",
            "é",
        ] {
            assert_eq!(
                Pragma::new(name, "1"),
                Err(PragmaError::Name(name.into())),
                "{name}"
            );
        }
        for value in [
            "",
            " 1",
            "1; DROP TABLE user",
            "'x'",
            "\"x\"",
            "x\n",
            "f(1)",
            "é",
            "a\0",
        ] {
            assert!(
                matches!(
                    Pragma::new("cache_size", value),
                    Err(PragmaError::Value { .. })
                ),
                "{value}"
            );
        }
    }

    #[test]
    fn words_and_numbers_stand_bare_and_the_rest_is_quoted() {
        let sql = |value: &str, schema| Pragma::new("cache_size", value).unwrap().sql(schema);
        assert_eq!(sql("-2000", None), "PRAGMA cache_size = -2000");
        assert_eq!(sql("OFF", Some("aux1")), "PRAGMA aux1.cache_size = OFF");
        assert_eq!(sql("UTF-8", None), "PRAGMA cache_size = 'UTF-8'");
        assert_eq!(sql("1 -- 2", None), "PRAGMA cache_size = '1 -- 2'");
    }

    #[test]
    fn every_pragma_of_the_report_is_known_and_valid() {
        let known = known().unwrap();
        for pragma in seed() {
            pragma.check().unwrap();
            assert!(known.contains(&pragma.name), "{}", pragma.name);
        }
        assert!(!known.contains(&"cache_sise".to_owned()));
    }

    #[test]
    fn a_pragma_that_answers_with_a_row_is_set_all_the_same() {
        let connection = Connection::open_in_memory().unwrap();
        let journal = Pragma::new("journal_mode", "off").unwrap();
        journal.set(&connection, None).unwrap();
        let read = journal.read_back(&connection, None, 1).unwrap();
        assert_eq!(
            (read.connection, read.read_back.as_deref()),
            (1, Some("off"))
        );
    }

    #[test]
    fn what_cannot_be_read_back_is_absent() {
        let connection = Connection::open_in_memory().unwrap();
        let read = |name: &str| {
            let pragma = Pragma::new(name, "1").unwrap();
            pragma.set(&connection, None).unwrap();
            pragma.read_back(&connection, None, 0).unwrap().read_back
        };
        assert_eq!(read("shrink_memory"), None);
        assert_eq!(read("no_such_pragma"), None);
        assert_eq!(read("cache_size").as_deref(), Some("1"));
    }

    #[test]
    fn what_sqlite_makes_of_a_value_is_what_is_read_back() {
        let connection = Connection::open_in_memory().unwrap();
        let journal = Pragma::new("journal_mode", "WAL").unwrap();
        journal.set(&connection, None).unwrap();
        let read = journal.read_back(&connection, None, 0).unwrap();
        assert_eq!(
            (read.asked.as_deref(), read.read_back.as_deref()),
            (Some("WAL"), Some("memory"))
        );
    }

    #[test]
    fn a_pragma_took_if_sqlite_says_the_same_in_its_own_spelling() {
        let directory = tempfile::tempdir().unwrap();
        let connection = Connection::open(directory.path().join("db")).unwrap();
        let took = |name: &str, value: &str| {
            let pragma = Pragma::new(name, value).unwrap();
            pragma.set(&connection, None).unwrap();
            let read = pragma.read_back(&connection, None, 0).unwrap();
            took(name, value, &read.read_back.unwrap())
        };
        for pragma in seed() {
            assert!(took(&pragma.name, &pragma.value), "{}", pragma.name);
        }
        for (name, value) in [
            ("cache_spill", "yes"),
            ("synchronous", "extra"),
            ("temp_store", "file"),
            ("secure_delete", "fast"),
            ("cache_size", "-2000"),
            ("encoding", "UTF-8"),
            ("journal_mode", "DELETE"),
        ] {
            assert!(took(name, value), "{name} = {value}");
        }
        assert!(!took("journal_mode", "banana"));
        connection
            .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (x)")
            .unwrap();
        assert!(!took("page_size", "8192"));
        let memory = Connection::open_in_memory().unwrap();
        let wal = Pragma::new("journal_mode", "WAL").unwrap();
        let read = wal.read_back(&memory, None, 0).unwrap();
        assert!(!super::took(
            "journal_mode",
            "WAL",
            &read.read_back.unwrap()
        ));
    }

    #[test]
    fn an_error_names_the_pragma() {
        let connection = Connection::open_in_memory().unwrap();
        let error = Pragma::new("cache_size", "1 2")
            .unwrap()
            .set(&connection, None);
        assert!(error.is_ok(), "quoted values parse");
        let error = Pragma::new("cache_size", "12abc")
            .unwrap()
            .set(&connection, None)
            .unwrap_err();
        assert!(
            error.to_string().starts_with("PRAGMA cache_size = 12abc: "),
            "{error}"
        );
    }
}
