//! The databases that are copied: their tables, how many rows each has, and how large they become.
//!
//! [`Schema::Nested`] has the shape of the report's: seven `WITHOUT ROWID` tables, text keys under a
//! CHECK, five deferrable foreign keys, two compound unique constraints, and nearly all rows in one
//! table. [`Schema::Flat`] is its control: as many pages, and nothing but rows.

use serde::{Deserialize, Serialize};

use crate::workload::Error;
use crate::workload::schema::prefix;

/// Pages at scale 1, of [`PAGE_BYTES`] each: what the report's database has.
pub const PAGES: u64 = 132_189;

/// SQLite's default page size, which [`PAGES`] and [`heap_bytes`] suppose.
pub const PAGE_BYTES: u64 = 4096;

/// The largest scale.
pub const MAX_SCALE: f64 = 100.0;

/// Which tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schema {
    /// Keys, checks, references and unique constraints: the report's shape.
    #[default]
    Nested,
    /// Three rowid tables without a constraint, of as many pages.
    Flat,
}

impl Schema {
    /// Every schema.
    pub const ALL: [Schema; 2] = [Schema::Nested, Schema::Flat];

    /// The tables, parents before their children.
    pub(super) const fn tables(self) -> &'static [Table] {
        match self {
            Schema::Nested => &NESTED,
            Schema::Flat => &FLAT,
        }
    }

    /// The DDL of all tables, in `schema` where they are not in the main database.
    pub fn ddl(self, schema: Option<&str>) -> String {
        let end = match self {
            Schema::Nested => ") WITHOUT ROWID;\n",
            Schema::Flat => ");\n",
        };
        let mut ddl = String::new();
        for table in self.tables() {
            let columns = table.columns.iter().map(|column| column.ddl);
            let lines: Vec<&str> = columns.chain(table.constraints.iter().copied()).collect();
            ddl += &format!("CREATE TABLE {}{} (\n    ", prefix(schema), table.name);
            ddl += &lines.join(",\n    ");
            ddl += "\n";
            ddl += end;
        }
        ddl
    }

    /// Each table's name and rows at `scale`, in the order in which they are filled.
    pub fn rows(self, scale: f64) -> impl Iterator<Item = (&'static str, u64)> {
        let tables = self.tables().iter();
        tables.map(move |table| (table.name, table.rows_at(scale)))
    }

    /// Rows of all tables at `scale`.
    pub fn total_rows(self, scale: f64) -> u64 {
        self.rows(scale).map(|(_, rows)| rows).sum()
    }

    /// Pages of [`PAGE_BYTES`] at `scale`, to 1 % where the scale is 0.01 or more.
    pub fn pages(self, scale: f64) -> u64 {
        // The first page is SQLite's own, and a table has one at least.
        let least = self.tables().len() as u64 + 1;
        ((PAGES as f64 * scale).round() as u64).max(least)
    }
}

/// A scale that can be filled: above 0, and at most [`MAX_SCALE`].
pub fn check_scale(scale: f64) -> Result<(), Error> {
    if scale > 0.0 && scale <= MAX_SCALE {
        return Ok(());
    }
    let text = format!("scale is {scale}: above 0, and {MAX_SCALE} at most");
    Err(Error::Options(text))
}

/// What `sqlite3_memory_used` says of one in-memory database at `scale`, in bytes, as predicted from
/// SQLite 3.54: to 3 % where the scale is 0.01 or more.
pub fn heap_bytes(schema: Schema, scale: f64) -> u64 {
    /// A page with the headers of the page cache and of the b-tree.
    const PAGE_IN_CACHE_BYTES: u64 = 4368;
    /// A connection with its lookaside, and the parsed schema.
    const CONNECTION_BYTES: u64 = 75_000;
    let pages = schema.pages(scale);
    // The page cache's hash table doubles when it has a page a slot.
    let slots = (pages + 1).next_power_of_two().max(256);
    CONNECTION_BYTES + pages * PAGE_IN_CACHE_BYTES + slots * 8
}

/// One table.
#[derive(Debug)]
pub(super) struct Table {
    pub name: &'static str,
    /// At scale 1.
    rows: u64,
    pub columns: &'static [Column],
    constraints: &'static [&'static str],
}

impl Table {
    /// Rows at `scale`: at least one.
    pub fn rows_at(&self, scale: f64) -> u64 {
        ((self.rows as f64 * scale).round() as u64).max(1)
    }

    /// The INSERT of one row.
    pub fn insert(&self, schema: Option<&str>) -> String {
        let values = vec!["?"; self.columns.len()].join(", ");
        format!(
            "INSERT INTO {}{} VALUES ({values})",
            prefix(schema),
            self.name
        )
    }
}

/// One column: its line in the DDL, and what is in it.
#[derive(Debug)]
pub(super) struct Column {
    ddl: &'static str,
    pub holds: Holds,
}

/// What a column holds in row `i`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Holds {
    /// The row's own uuid.
    Key,
    /// The key of a row of the table of this number; rows of one parent stand together.
    Grouped(usize),
    /// The same; every parent in turn.
    InTurn(usize),
    /// The text and `i`.
    Numbered(&'static str),
    /// Milliseconds, rising with `i`.
    Time,
    /// A float from 0 to 1000.
    Measure,
    /// A word of so many letters, from and to.
    Word(u64, u64),
}

const fn column(ddl: &'static str, holds: Holds) -> Column {
    Column { ddl, holds }
}

/// The key of every nested table.
const KEY: Column = column(
    "id TEXT NOT NULL PRIMARY KEY CHECK (id LIKE '________-____-____-____-____________')",
    Holds::Key,
);

/// Numbers of parents in both lists.
const TENANTS: usize = 0;
const USERS: usize = 1;
const SITES: usize = 2;
const DEVICES: usize = 3;

const NESTED: [Table; 7] = [
    Table {
        name: "tenants",
        rows: 2_500,
        columns: &[
            KEY,
            column("name TEXT NOT NULL", Holds::Word(8, 24)),
            column("created_at INTEGER NOT NULL", Holds::Time),
        ],
        constraints: &[],
    },
    Table {
        name: "users",
        rows: 5_000,
        columns: &[
            KEY,
            column(
                "tenant_id TEXT NOT NULL REFERENCES tenants (id) DEFERRABLE INITIALLY DEFERRED",
                Holds::Grouped(TENANTS),
            ),
            column(
                "email TEXT NOT NULL",
                Holds::Numbered("someone@example.org/"),
            ),
            column("name TEXT", Holds::Word(8, 24)),
            column("created_at INTEGER NOT NULL", Holds::Time),
        ],
        constraints: &["UNIQUE (tenant_id, email)"],
    },
    Table {
        name: "sites",
        rows: 2_500,
        columns: &[
            KEY,
            column(
                "tenant_id TEXT NOT NULL REFERENCES tenants (id) DEFERRABLE INITIALLY DEFERRED",
                Holds::Grouped(TENANTS),
            ),
            column("name TEXT NOT NULL", Holds::Word(8, 24)),
            column("latitude REAL", Holds::Measure),
            column("longitude REAL", Holds::Measure),
        ],
        constraints: &[],
    },
    Table {
        name: "devices",
        rows: 2_500,
        columns: &[
            KEY,
            column(
                "site_id TEXT NOT NULL REFERENCES sites (id) DEFERRABLE INITIALLY DEFERRED",
                Holds::Grouped(SITES),
            ),
            column("model TEXT NOT NULL", Holds::Word(4, 12)),
            column("installed_at INTEGER NOT NULL", Holds::Time),
        ],
        constraints: &[],
    },
    Table {
        name: "readings",
        rows: 4_500_000,
        columns: &[
            KEY,
            column(
                "device_id TEXT NOT NULL REFERENCES devices (id) DEFERRABLE INITIALLY DEFERRED",
                Holds::InTurn(DEVICES),
            ),
            column("taken_at INTEGER NOT NULL", Holds::Time),
            column("value REAL", Holds::Measure),
            column("note TEXT", Holds::Word(4, 12)),
        ],
        constraints: &[],
    },
    Table {
        name: "settings",
        rows: 30,
        columns: &[
            KEY,
            column("name TEXT NOT NULL", Holds::Numbered("setting-")),
            column("value TEXT", Holds::Word(4, 40)),
        ],
        constraints: &[],
    },
    Table {
        name: "grants",
        rows: 54_000,
        columns: &[
            KEY,
            column(
                "user_id TEXT NOT NULL REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED",
                Holds::Grouped(USERS),
            ),
            column("permission TEXT NOT NULL", Holds::Numbered("permission-")),
            column("granted_at INTEGER NOT NULL", Holds::Time),
        ],
        constraints: &["UNIQUE (user_id, permission)"],
    },
];

/// What is lost with the other tables comes back as rows of the largest.
const FLAT: [Table; 3] = [
    Table {
        name: "tenants",
        rows: 2_500,
        columns: &[
            column("id TEXT", Holds::Key),
            column("name TEXT", Holds::Word(8, 24)),
            column("created_at INTEGER", Holds::Time),
        ],
        constraints: &[],
    },
    Table {
        name: "users",
        rows: 5_000,
        columns: &[
            column("id TEXT", Holds::Key),
            column("tenant_id TEXT", Holds::Grouped(TENANTS)),
            column("email TEXT", Holds::Numbered("someone@example.org/")),
            column("name TEXT", Holds::Word(8, 24)),
            column("created_at INTEGER", Holds::Time),
        ],
        constraints: &[],
    },
    Table {
        name: "readings",
        rows: 4_996_000,
        columns: &[
            column("id TEXT", Holds::Key),
            column("user_id TEXT", Holds::InTurn(USERS)),
            column("taken_at INTEGER", Holds::Time),
            column("value REAL", Holds::Measure),
            column("note TEXT", Holds::Word(4, 12)),
        ],
        constraints: &[],
    },
];
