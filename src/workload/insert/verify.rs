//! What is in the table, against what went in.

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::InsertOptions;
use crate::workload::content::{Content, ContentHash};
use crate::workload::{Error, Marks, Phase, doing, schema};

/// Rows between two calls of [`Marks::progress`].
const PROGRESS_ROWS: u64 = 4096;

/// Reads the table whole and compares it with [`Content::expected`]; [`Error::Wrong`] where it
/// holds anything else.
pub fn verify(
    connection: &Connection,
    options: &InsertOptions,
    marks: &mut dyn Marks,
) -> Result<Content, Error> {
    let expected = Content::expected(options.keys, options.seed, options.rows);
    let found = read(connection, options.database.schema(), expected.rows, marks)?;
    if found != expected {
        return Err(Error::Wrong(format!("found {found}; expected {expected}")));
    }
    Ok(found)
}

fn read(
    connection: &Connection,
    schema: Option<&str>,
    total: u64,
    marks: &mut dyn Marks,
) -> Result<Content, Error> {
    let count = schema::count_user(schema);
    let (rows, distinct_rows, last_rowid): (i64, i64, i64) = connection
        .query_row(&count, [], |row| row.try_into())
        .map_err(doing(|| "counting the rows".into()))?;
    let hash = hash(connection, schema, total, marks)?;
    let (rows, distinct_rows) = (rows.cast_unsigned(), distinct_rows.cast_unsigned());
    Ok(Content {
        rows,
        distinct_rows,
        last_rowid,
        hash,
    })
}

fn hash(
    connection: &Connection,
    schema: Option<&str>,
    total: u64,
    marks: &mut dyn Marks,
) -> Result<u128, Error> {
    let reading = || doing(|| "reading the rows".into());
    let mut statement = connection
        .prepare(&schema::select_user(schema))
        .map_err(reading())?;
    let mut rows = statement.query([]).map_err(reading())?;
    let mut hash = ContentHash::default();
    let mut done = 0_u64;
    while let Some(row) = rows.next().map_err(reading())? {
        let rowid = row.get(0).map_err(reading())?;
        let texts = [1, 2, 3].map(|column| row.get_ref(column));
        let [
            Ok(ValueRef::Text(id)),
            Ok(ValueRef::Text(name)),
            Ok(ValueRef::Text(password)),
        ] = texts
        else {
            return Err(Error::Wrong(format!(
                "row {rowid} holds something that is not text"
            )));
        };
        hash.row(rowid, id, name, password);
        done += 1;
        if done.is_multiple_of(PROGRESS_ROWS) {
            marks.progress(Phase::Verify, done, total)?;
        }
    }
    Ok(hash.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::NoMarks;
    use crate::workload::database::{DatabaseKind, Place};
    use crate::workload::insert::{Pool, fill};

    fn filled(rows: u64) -> (Pool, InsertOptions) {
        let database = DatabaseKind::Memory.into();
        let options = InsertOptions {
            rows,
            database,
            ..Default::default()
        };
        let place = Place::unique(std::path::Path::new("."));
        let (pool, _) = Pool::open(&options, &place).unwrap();
        fill(&pool, &options, &mut NoMarks).unwrap();
        (pool, options)
    }

    #[test]
    fn whatever_is_changed_in_the_table_is_found() {
        let changes = [
            "DELETE FROM user WHERE rowid = 5",
            "DELETE FROM user WHERE rowid = 100",
            "UPDATE user SET rowid = 1000 WHERE rowid = 5",
            "UPDATE user SET id = 'x' WHERE rowid = 5",
            "UPDATE user SET password = 'baz' WHERE rowid = 100",
            "UPDATE user SET username = NULL WHERE rowid = 100",
            "INSERT INTO user VALUES ('new', 'foo', 'bar')",
        ];
        for change in changes {
            let (pool, options) = filled(100);
            verify(pool.first(), &options, &mut NoMarks).unwrap();
            pool.first().execute_batch(change).unwrap();
            let error = verify(pool.first(), &options, &mut NoMarks).unwrap_err();
            assert!(matches!(error, Error::Wrong(_)), "{change}: {error}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_in_figures() {
        let (pool, options) = filled(100);
        pool.first()
            .execute_batch("DELETE FROM user WHERE rowid = 7")
            .unwrap();
        let message = verify(pool.first(), &options, &mut NoMarks)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("found 99 rows, 99 distinct, last rowid 100, hash "),
            "{message}"
        );
        assert!(
            message.contains("expected 100 rows, 100 distinct, last rowid 100, "),
            "{message}"
        );
    }
}
