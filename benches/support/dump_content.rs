//! Tables of one storage class each, of so many megabytes of SQL text.
//!
//! A row is an integer key of seven digits and four cells of the class. What is in a cell is drawn by
//! splitmix64 from its row and column, and is the same in every run.

use std::fs::File;

use rusqlite::Connection;
use rusqlite::types::Value;
use sqlite_membench::workload::dump::{DumpFormat, DumpOptions, Dumped, dump};
use sqlite_membench::workload::steps::Here;

use super::mixed::mixed;

/// What the cells of a table hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Of all lengths up to 64 bits, and of both signs.
    Integer,
    /// From 0 to 1000, with all their digits.
    Real,
    /// 32 to 63 letters.
    Text,
    /// As many, of which some are quotes and newlines.
    TextQuoted,
    /// 16 to 31 letters of two bytes each.
    TextUtf8,
    /// 32 to 63 bytes.
    Blob,
    Null,
    /// All of the above by turns.
    Mixed,
    /// 256 KiB: a row is 1 MiB, and 2 MiB of text.
    LongBlob,
}

/// The first key: as many rows as fit below ten million have keys of the same length.
const FIRST_KEY: i64 = 1_000_000;
const CELLS: u64 = 4;

impl Class {
    /// Those that are timed.
    pub const TIMED: [Class; 8] = [
        Class::Integer,
        Class::Real,
        Class::Text,
        Class::TextQuoted,
        Class::TextUtf8,
        Class::Blob,
        Class::Null,
        Class::Mixed,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Class::Integer => "integer",
            Class::Real => "real",
            Class::Text => "text",
            Class::TextQuoted => "text-quoted",
            Class::TextUtf8 => "text-utf8",
            Class::Blob => "blob",
            Class::Null => "null",
            Class::Mixed => "mixed",
            Class::LongBlob => "long-blob",
        }
    }

    pub fn named(name: &str) -> Class {
        let mut all = Class::TIMED.into_iter().chain([Class::LongBlob]);
        all.find(|class| class.name() == name)
            .unwrap_or_else(|| panic!("no class is called {name}"))
    }

    fn cell(self, row: u64, column: u64) -> Value {
        let seed = mixed(row * CELLS + column);
        let letters = 32 + (seed % 32) as usize;
        match self {
            Class::Integer => Value::Integer(mixed(seed).cast_signed() >> (seed % 60)),
            Class::Real => Value::Real((seed >> 11) as f64 / (1_u64 << 53) as f64 * 1000.0),
            Class::Text => Value::Text(text(seed, letters, letter)),
            Class::TextQuoted => Value::Text(text(seed, letters, |byte| match byte {
                0..16 => '\'',
                16..24 => '\n',
                byte => letter(byte),
            })),
            Class::TextUtf8 => Value::Text(text(seed, letters / 2, |byte| {
                char::from_u32(0x3b1 + u32::from(byte % 24)).unwrap_or('α')
            })),
            Class::Blob => Value::Blob(bytes(seed).take(letters).collect()),
            Class::Null => Value::Null,
            Class::Mixed => {
                let class = Class::TIMED[((row + column) % 7) as usize];
                class.cell(row, column)
            }
            Class::LongBlob => Value::Blob(bytes(seed).take(256 << 10).collect()),
        }
    }

    /// Rows by which the text of all the others is told.
    fn sample_rows(self) -> u64 {
        match self {
            Class::LongBlob => 1,
            _ => 1000,
        }
    }

    /// Makes the table, whose plain dump is of `megabytes`, to 2 % but for rows that are longer.
    pub fn fill(self, connection: &Connection, megabytes: u64) {
        connection
            .execute_batch("CREATE TABLE cells (id INTEGER PRIMARY KEY, a, b, c, d)")
            .expect("a table");
        let sample = self.sample_rows();
        self.insert(connection, 0, sample);
        let text_bytes = plain(connection).text_bytes;
        let rows = megabytes * 1_000_000 * sample / text_bytes;
        self.insert(connection, sample, rows.max(sample));
    }

    fn insert(self, connection: &Connection, from: u64, to: u64) {
        connection.execute_batch("BEGIN").expect("a transaction");
        let mut insert = connection
            .prepare_cached("INSERT INTO cells VALUES (?, ?, ?, ?, ?)")
            .expect("an INSERT");
        for row in from..to {
            let key = FIRST_KEY + row.cast_signed();
            let [a, b, c, d] = [0, 1, 2, 3].map(|column| self.cell(row, column));
            insert.execute((key, a, b, c, d)).expect("a row");
        }
        connection.execute_batch("COMMIT").expect("all rows");
    }
}

/// Dumps the table to `/dev/null`.
pub fn dumped(connection: &Connection, format: DumpFormat) -> Dumped {
    let mut null = File::create("/dev/null").expect("/dev/null");
    let options = DumpOptions {
        format,
        ..DumpOptions::default()
    };
    dump(connection, &options, &mut null, &mut Here).expect("a dump")
}

/// As it is: what there is of text.
pub fn plain(connection: &Connection) -> Dumped {
    dumped(connection, DumpFormat::Plain)
}

fn bytes(seed: u64) -> impl Iterator<Item = u8> {
    (0..).flat_map(move |word| mixed(seed ^ word).to_le_bytes())
}

fn text(seed: u64, letters: usize, of: impl Fn(u8) -> char) -> String {
    bytes(seed).take(letters).map(of).collect()
}

fn letter(byte: u8) -> char {
    char::from(b'a' + byte % 26)
}
