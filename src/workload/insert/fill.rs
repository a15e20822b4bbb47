//! The report's loop.
//!
//! Rows go in by segments: between a segment's ends there is nothing but an id and an INSERT, and
//! all that can be due (a commit, a reading, progress) is due at an end.

use std::mem;

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, Statement};

use super::{InsertOptions, Pool, Shrink, Statements, Transaction};
use crate::workload::keys::Keys;
use crate::workload::schema::{self, PASSWORD, USERNAME};
use crate::workload::{Error, Marks, Phase, doing};

/// Rows between two calls of [`Marks::progress`].
const PROGRESS_ROWS: u64 = 4096;

/// Inserts the rows into the table that [`Pool::open`] made. Where it fails or is stopped, the
/// transaction of the first connection stays open.
pub fn fill(pool: &Pool, options: &InsertOptions, marks: &mut dyn Marks) -> Result<(), Error> {
    let sql = schema::insert_user(options.database.schema());
    let connection = pool.first();
    match options.statements {
        Statements::Reuse => {
            let preparing = doing(|| "preparing the INSERT".into());
            let mut statement = connection.prepare(&sql).map_err(preparing)?;
            insert_all(pool, options, marks, |id| insert(&mut statement, id))
        }
        Statements::PreparePerRow => insert_all(pool, options, marks, |id| {
            insert(&mut connection.prepare(&sql)?, id)
        }),
        Statements::LeakPerRow => insert_all(pool, options, marks, |id| {
            let mut statement = connection.prepare(&sql)?;
            let inserted = insert(&mut statement, id);
            // The fault that is shown: nobody finalizes it.
            mem::forget(statement);
            inserted
        }),
    }
}

/// An id. What `Keys` makes is UTF-8; as a `&str` it would be checked once a row.
struct Id<'a>(&'a [u8]);

impl ToSql for Id<'_> {
    #[inline]
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.0)))
    }
}

/// One row, all three columns bound, as the seed does. One by one: `execute((id, ...))` does the
/// same in 50 instructions more, a quarter of all that a row costs outside of SQLite. And as a query
/// without rows: `raw_execute` asks after each row how many it changed, which nobody here wants.
#[inline(always)]
fn insert(statement: &mut Statement<'_>, id: Id<'_>) -> rusqlite::Result<()> {
    statement.raw_bind_parameter(1, id)?;
    statement.raw_bind_parameter(2, USERNAME)?;
    statement.raw_bind_parameter(3, PASSWORD)?;
    statement.raw_query().next().map(drop)
}

fn insert_all(
    pool: &Pool,
    options: &InsertOptions,
    marks: &mut dyn Marks,
    mut insert: impl FnMut(Id<'_>) -> rusqlite::Result<()>,
) -> Result<(), Error> {
    let connection = pool.first();
    let mut keys = Keys::new(options.keys, options.seed);
    let mut readings = Readings {
        rows: options.rows,
        count: options.readings,
        next: 1,
    };
    let mut next_progress = PROGRESS_ROWS;
    let mut done = 0;
    run(connection, "BEGIN")?;
    while done < options.rows {
        let end = segment_end(options, &readings, done, next_progress);
        for i in done..end {
            insert(Id(keys.key(i))).map_err(doing(|| format!("inserting row {i}")))?;
        }
        done = end;
        match options.transaction {
            Transaction::Batched if (done - 1).is_multiple_of(options.batch) => {
                run(connection, "COMMIT")?;
                shrink(pool, options.shrink)?;
                if readings.due(done) {
                    pool.show(|connections| marks.reading(Phase::Fill, connections));
                }
                run(connection, "BEGIN")?;
            }
            Transaction::Single if readings.due(done) => {
                pool.show(|connections| marks.reading(Phase::Fill, connections));
            }
            Transaction::Batched | Transaction::Single => {}
        }
        if done >= next_progress || done == options.rows {
            marks.progress(Phase::Fill, done, options.rows)?;
            next_progress = done + PROGRESS_ROWS;
            if options.readings > 0 && done < options.rows && marks.wants_reading() {
                pool.show(|connections| marks.reading(Phase::Fill, connections));
            }
        }
    }
    run(connection, "COMMIT")
}

/// The row after the next one at whose end something is due.
fn segment_end(options: &InsertOptions, readings: &Readings, done: u64, progress: u64) -> u64 {
    let due = match options.transaction {
        // One past the next multiple of the batch: the seed commits after row i, i % batch == 0.
        Transaction::Batched => done.next_multiple_of(options.batch).saturating_add(1),
        Transaction::Single => readings.mark().unwrap_or(u64::MAX).max(done + 1),
    };
    due.min(progress).min(options.rows)
}

fn shrink(pool: &Pool, shrink: Shrink) -> Result<(), Error> {
    let connection = match shrink {
        Shrink::Never => return Ok(()),
        Shrink::SameConnection => Some(pool.first()),
        Shrink::OtherConnection => pool.other(),
    };
    connection.map_or(Ok(()), |connection| run(connection, "PRAGMA shrink_memory"))
}

fn run(connection: &Connection, sql: &str) -> Result<(), Error> {
    connection
        .execute_batch(sql)
        .map_err(doing(|| sql.to_owned()))
}

/// Even marks over the rows: `count` of them, none at the end, which has a reading of its own.
struct Readings {
    rows: u64,
    count: u32,
    /// The mark to come, from 1.
    next: u64,
}

impl Readings {
    /// Rows done at which the next reading is due.
    fn mark(&self) -> Option<u64> {
        let at = u128::from(self.rows) * u128::from(self.next);
        let parts = u128::from(self.count) + 1;
        (self.next <= u64::from(self.count)).then(|| at.div_ceil(parts) as u64)
    }

    /// True once for each mark that `done` is past; marks that were passed together count once.
    fn due(&mut self, done: u64) -> bool {
        let due = self.mark().is_some_and(|mark| mark <= done);
        if due {
            let parts = u128::from(self.count) + 1;
            self.next = (u128::from(done) * parts / u128::from(self.rows)) as u64 + 1;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due_at(rows: u64, count: u32, step: usize) -> Vec<u64> {
        let mut readings = Readings {
            rows,
            count,
            next: 1,
        };
        (1..=rows)
            .step_by(step)
            .filter(|&done| readings.due(done))
            .collect()
    }

    #[test]
    fn readings_are_spread_evenly_and_leave_the_end_to_the_end() {
        assert_eq!(due_at(100, 3, 1), [25, 50, 75]);
        assert_eq!(due_at(10, 2, 1), [4, 7]);
        assert!(due_at(100, 0, 1).is_empty());
    }

    #[test]
    fn marks_that_are_passed_together_make_one_reading() {
        assert_eq!(due_at(100, 3, 30), [31, 61, 91]);
        assert_eq!(due_at(100, 9, 60), [61]);
        assert_eq!(due_at(3, u32::MAX, 1), [1, 2, 3]);
    }

    #[test]
    fn a_segment_ends_where_the_seed_commits() {
        let options = InsertOptions {
            rows: 10_000,
            batch: 3000,
            ..Default::default()
        };
        let readings = Readings {
            rows: 10_000,
            count: 0,
            next: 1,
        };
        let end = |done, progress| segment_end(&options, &readings, done, progress);
        assert_eq!(
            [end(0, 4096), end(1, 4096), end(3001, 4096)],
            [1, 3001, 4096]
        );
        assert_eq!(
            [end(4096, 8192), end(6001, 10_097), end(9001, 13_097)],
            [6001, 9001, 10_000]
        );
    }
}
