//! The rows of a database that is to be copied, from a seed and a scale.
//!
//! Keys are uuids in the order of time, as version 7 has them: the first 48 bits count up with the
//! row, the others come from the seed. So a table is filled from its end, in a few seconds and into
//! full pages; keys in no order would take twice as long. Every value can be told from the seed, the
//! table, the column and the row alone.

use std::io::Write;

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, Statement};

use super::schema::{Holds, Schema, Table, check_scale};
use crate::workload::keys::{UUID_LEN, mix, write_uuid};
use crate::workload::steps::{Steps, one_step};
use crate::workload::{Error, doing};

/// Rows of a transaction.
const BATCH_ROWS: u64 = 32_768;

/// Rows of a step; whole steps make a transaction.
const STEP_ROWS: u64 = 4096;

/// Creates the tables of `schema` and fills them, in the attached database `schema_name` or in main;
/// gives back the rows that went in.
///
/// No PRAGMA is set. Whether foreign keys are enforced is the connection's `foreign_keys`, which
/// SQLite has off; they hold either way, and each parent is there before its children.
///
/// All of SQLite's work is done in [`Steps::run`], and progress is counted in rows. Where it fails or is stopped, the open transaction is rolled back and those before it stay.
pub fn fill(
    connection: &Connection,
    schema_name: Option<&str>,
    schema: Schema,
    scale: f64,
    seed: u64,
    steps: &mut dyn Steps,
) -> Result<u64, Error> {
    check_scale(scale)?;
    run(connection, steps, &schema.ddl(schema_name))?;
    let total = schema.total_rows(scale);
    let mut fill = Fill {
        connection,
        schema,
        scale,
        seed,
        done: 0,
        total,
        steps,
    };
    let filled = fill.tables(schema_name);
    if filled.is_err() && !connection.is_autocommit() {
        // What was wrong is known already, and closing rolls back as well.
        let _ = run(connection, steps, "ROLLBACK");
    }
    filled.map(|()| total)
}

struct Fill<'a> {
    connection: &'a Connection,
    schema: Schema,
    scale: f64,
    seed: u64,
    /// Rows of all tables so far.
    done: u64,
    total: u64,
    steps: &'a mut dyn Steps,
}

impl Fill<'_> {
    fn tables(&mut self, schema_name: Option<&str>) -> Result<(), Error> {
        run(self.connection, self.steps, "BEGIN")?;
        for (number, table) in self.schema.tables().iter().enumerate() {
            self.table(table, number, &table.insert(schema_name))?;
        }
        run(self.connection, self.steps, "COMMIT")?;
        one_step(self.steps, self.connection, |connection| {
            connection.flush_prepared_statement_cache();
            Ok(())
        })?;
        Ok(self.steps.progress(self.done, self.total)?)
    }

    fn table(&mut self, table: &Table, number: usize, sql: &str) -> Result<(), Error> {
        let mut row = Row::new(self.schema, number, self.scale, self.seed);
        let rows = table.rows_at(self.scale);
        let mut next = 0;
        while next < rows {
            // Up to where a step ends that began with the first row of the first table.
            let end = rows.min(next + STEP_ROWS - self.done % STEP_ROWS);
            one_step(self.steps, self.connection, |connection| {
                // Prepared once: it goes back into the connection's cache.
                let preparing = doing(|| format!("preparing the INSERT into {}", table.name));
                let mut statement = connection.prepare_cached(sql).map_err(preparing)?;
                for i in next..end {
                    let inserting = doing(|| format!("inserting row {i} into {}", table.name));
                    row.insert(&mut statement, table, i).map_err(inserting)?;
                }
                Ok(())
            })?;
            self.done += end - next;
            next = end;
            if self.done.is_multiple_of(BATCH_ROWS) {
                run(self.connection, self.steps, "COMMIT")?;
                run(self.connection, self.steps, "BEGIN")?;
            }
            if self.done.is_multiple_of(STEP_ROWS) {
                self.steps.progress(self.done, self.total)?;
            }
        }
        Ok(())
    }
}

/// Bytes of UTF-8 by the way they are made.
struct Text<'a>(&'a [u8]);

impl ToSql for Text<'_> {
    #[inline]
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.0)))
    }
}

/// One row of a table after the other.
struct Row {
    /// Rows of this table.
    rows: u64,
    /// Rows of each table.
    parents: Vec<u64>,
    seed: u64,
    /// What random values of this table start from.
    table_seed: u64,
    text: Vec<u8>,
}

impl Row {
    fn new(schema: Schema, table: usize, scale: f64, seed: u64) -> Row {
        let parents: Vec<u64> = schema.rows(scale).map(|(_, rows)| rows).collect();
        Row {
            rows: parents[table],
            parents,
            seed,
            table_seed: seed_of(seed, table),
            text: Vec::with_capacity(64),
        }
    }

    #[inline]
    fn insert(
        &mut self,
        statement: &mut Statement<'_>,
        table: &Table,
        i: u64,
    ) -> rusqlite::Result<()> {
        for (at, column) in table.columns.iter().enumerate() {
            let random = mix(self.table_seed.wrapping_add((at as u64) << 48) ^ i);
            self.bind(statement, at + 1, column.holds, i, random)?;
        }
        statement.raw_query().next().map(drop)
    }

    #[inline]
    fn bind(
        &mut self,
        statement: &mut Statement<'_>,
        at: usize,
        holds: Holds,
        i: u64,
        random: u64,
    ) -> rusqlite::Result<()> {
        let mut uuid = [0; UUID_LEN];
        let text = match holds {
            Holds::Time => {
                let time = FIRST_MS.wrapping_add(i.wrapping_mul(10)).cast_signed();
                return statement.raw_bind_parameter(at, time);
            }
            Holds::Measure => {
                let measure = (random >> 11) as f64 / (1_u64 << 53) as f64 * 1000.0;
                return statement.raw_bind_parameter(at, measure);
            }
            Holds::Key => key(self.table_seed, i, &mut uuid),
            Holds::InTurn(parent) => {
                let of = i % self.parents[parent];
                key(seed_of(self.seed, parent), of, &mut uuid)
            }
            Holds::Grouped(parent) => {
                let of = u128::from(i) * u128::from(self.parents[parent]) / u128::from(self.rows);
                key(seed_of(self.seed, parent), of as u64, &mut uuid)
            }
            Holds::Numbered(name) => {
                self.text.clear();
                // Writing to a Vec does not fail.
                let _ = write!(self.text, "{name}{i:07}");
                &self.text
            }
            Holds::Word(from, to) => {
                let length = from + random % (to - from + 1);
                word(&mut self.text, length as usize, random);
                &self.text
            }
        };
        statement.raw_bind_parameter(at, Text(text))
    }
}

/// The first moment of all tables, in milliseconds since 1970.
const FIRST_MS: u64 = 1_700_000_000_000;

/// What the random bits of a table start from.
#[inline]
const fn seed_of(seed: u64, table: usize) -> u64 {
    mix(mix(seed) ^ table as u64)
}

/// The uuid of row `i`: 48 bits of time, version 7, and random bits, RFC 9562's layout.
#[inline]
fn key(table_seed: u64, i: u64, text: &mut [u8; UUID_LEN]) -> &[u8] {
    let a = mix(table_seed.wrapping_add(i));
    let b = mix(a ^ table_seed);
    let time = u128::from(FIRST_MS + i) << 80;
    let high = 0x7000 | u128::from(a & 0xfff);
    let low = (1 << 63) | u128::from(b >> 2);
    write_uuid(time | high << 64 | low, text)
}

/// Lower-case letters.
#[inline]
fn word(text: &mut Vec<u8>, length: usize, mut random: u64) {
    text.clear();
    while text.len() < length {
        random = mix(random);
        let letters = random.to_le_bytes().map(|byte| b'a' + byte % 26);
        let left = length - text.len();
        text.extend_from_slice(&letters[..left.min(letters.len())]);
    }
}

fn run(connection: &Connection, steps: &mut dyn Steps, sql: &str) -> Result<(), Error> {
    one_step(steps, connection, |connection| {
        let running = doing(|| sql.lines().next().unwrap_or_default().to_owned());
        connection.execute_batch(sql).map_err(running)
    })
}
