//! What the `user` table holds, in four figures: as the generator says, and as a database says.
//!
//! The two are computed apart, one without a database and one from its rows, and compared.

use std::fmt;

use xxhash_rust::xxh3::Xxh3;

use super::keys::{self, KeyMode, Keys};
use super::schema::{PASSWORD, USERNAME};

/// A table in four figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    /// Rows.
    pub rows: u64,
    /// Distinct ids.
    pub distinct_rows: u64,
    /// The greatest rowid; 0 in an empty table.
    pub last_rowid: i64,
    /// XXH3-128 of all rows in rowid order, see [`ContentHash`].
    pub hash: u128,
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} rows, {} distinct, last rowid {}, hash {:032x}",
            self.rows, self.distinct_rows, self.last_rowid, self.hash
        )
    }
}

impl Content {
    /// What `INSERT OR REPLACE` of rows `0..rows` leaves.
    ///
    /// Row `i` gets rowid `i + 1`: the rowid is one past the greatest, and is taken before the row
    /// that it replaces is deleted. Of the rows that share an id the last one stays; in
    /// [`KeyMode::GoRune`] those of U+FFFD do, and no others.
    pub fn expected(mode: KeyMode, seed: u64, rows: u64) -> Content {
        let mut keys = Keys::new(mode, seed);
        let mut hash = ContentHash::default();
        let mut count = 0;
        let last = rows.saturating_sub(1);
        let mut insert = |i: u64| {
            hash.row(
                rowid(i),
                keys.key(i).as_bytes(),
                USERNAME.as_bytes(),
                PASSWORD.as_bytes(),
            );
            count += 1;
        };
        match mode {
            KeyMode::Decimal | KeyMode::Random => (0..rows).for_each(&mut insert),
            KeyMode::GoRune => {
                let replaced = |i: u64| keys::go_rune(i) == char::REPLACEMENT_CHARACTER;
                // Above U+10FFFF there is nothing but U+FFFD.
                let runes = rows.min(u64::from(char::MAX) + 1);
                let survivor = if rows > runes {
                    Some(last)
                } else {
                    (0..rows).rev().find(|&i| replaced(i))
                };
                (0..runes)
                    .filter(|&i| !replaced(i) || survivor == Some(i))
                    .for_each(&mut insert);
                survivor
                    .filter(|&i| i >= runes)
                    .into_iter()
                    .for_each(&mut insert);
            }
        }
        let last_rowid = if rows == 0 { 0 } else { rowid(last) };
        Content {
            rows: count,
            distinct_rows: count,
            last_rowid,
            hash: hash.finish(),
        }
    }
}

fn rowid(i: u64) -> i64 {
    i.cast_signed() + 1
}

/// XXH3-128 over rows: for each its rowid in 8 bytes, then each text after its length in 4 bytes,
/// all little-endian, so that no two tables run together into the same bytes.
#[derive(Default)]
pub struct ContentHash(Xxh3);

impl ContentHash {
    /// Adds one row, in rowid order.
    #[inline]
    pub fn row(&mut self, rowid: i64, id: &[u8], username: &[u8], password: &[u8]) {
        self.0.update(&rowid.to_le_bytes());
        for text in [id, username, password] {
            self.0.update(&(text.len() as u32).to_le_bytes());
            self.0.update(text);
        }
    }

    /// The hash of the rows so far.
    pub fn finish(&self) -> u128 {
        self.0.digest128()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same table by the rule alone: a map from id to the last rowid.
    fn by_the_rule(mode: KeyMode, seed: u64, rows: u64) -> Content {
        let mut keys = Keys::new(mode, seed);
        let mut last = std::collections::HashMap::new();
        for i in 0..rows {
            last.insert(keys.key(i).to_owned(), i as i64 + 1);
        }
        let mut table: Vec<_> = last.into_iter().map(|(id, rowid)| (rowid, id)).collect();
        table.sort_unstable();
        let mut hash = ContentHash::default();
        for (rowid, id) in &table {
            hash.row(*rowid, id.as_bytes(), b"foo", b"bar");
        }
        let rows = table.len() as u64;
        let last_rowid = table.last().map_or(0, |(rowid, _)| *rowid);
        Content {
            rows,
            distinct_rows: rows,
            last_rowid,
            hash: hash.finish(),
        }
    }

    #[test]
    fn the_expectation_is_the_last_row_of_each_id() {
        for mode in KeyMode::ALL {
            for rows in [0, 1, 2, 300, 5_000] {
                assert_eq!(
                    Content::expected(mode, 3, rows),
                    by_the_rule(mode, 3, rows),
                    "{mode} {rows}"
                );
            }
        }
    }

    #[test]
    fn the_expectation_holds_where_the_replacement_character_comes_in() {
        for rows in [0xd800, 0xd801, 0xd802, 0xe001, 0xfffe, 0xffff, 0x11_0001] {
            let expected = Content::expected(KeyMode::GoRune, 0, rows);
            assert_eq!(expected, by_the_rule(KeyMode::GoRune, 0, rows), "{rows:#x}");
        }
    }

    #[test]
    fn ten_million_go_runes_are_1112064_rows_and_end_at_rowid_ten_million() {
        let expected = Content::expected(KeyMode::GoRune, 0, 10_000_000);
        assert_eq!(
            (expected.rows, expected.distinct_rows),
            (1_112_064, 1_112_064)
        );
        assert_eq!(expected.last_rowid, 10_000_000);
    }

    #[test]
    fn the_hash_keeps_neighbouring_texts_apart() {
        let hash = |id: &[u8], username: &[u8]| {
            let mut hash = ContentHash::default();
            hash.row(1, id, username, b"bar");
            hash.finish()
        };
        assert_ne!(hash(b"ab", b"c"), hash(b"a", b"bc"));
    }
}
