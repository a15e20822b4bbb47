//! The DDL of the workloads, and the SQL that names their tables.
//!
//! Every function takes the schema that the table lives in: `None` writes the report's own text,
//! `Some("aux1")` the same for an attached database.

/// What every row has for a username.
pub const USERNAME: &str = "foo";
/// What every row has for a password.
pub const PASSWORD: &str = "bar";

/// The report's table and its unique index.
pub fn create_user(schema: Option<&str>) -> String {
    let dot = prefix(schema);
    format!(
        r#"CREATE TABLE IF NOT EXISTS {dot}"user" (
    "id" TEXT,
    "username" TEXT,
    "password" TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS {dot}"id" ON "user" ("id");"#
    )
}

/// The report's INSERT.
pub fn insert_user(schema: Option<&str>) -> String {
    format!(
        r#"INSERT OR REPLACE INTO {}"user" VALUES (?, ?, ?);"#,
        prefix(schema)
    )
}

/// Rows, distinct ids and greatest rowid in one row; each counted on its own, so that each can
/// take the index that suits it.
pub fn count_user(schema: Option<&str>) -> String {
    let dot = prefix(schema);
    format!(
        r#"SELECT (SELECT count(*) FROM {dot}"user"), (SELECT count(DISTINCT "id") FROM {dot}"user"), (SELECT ifnull(max(rowid), 0) FROM {dot}"user")"#
    )
}

/// Every row, in rowid order.
pub fn select_user(schema: Option<&str>) -> String {
    format!(
        r#"SELECT rowid, "id", "username", "password" FROM {}"user" ORDER BY rowid"#,
        prefix(schema)
    )
}

/// `aux1.` or nothing.
pub(super) fn prefix(schema: Option<&str>) -> String {
    schema.map_or(String::new(), |schema| format!("{schema}."))
}
