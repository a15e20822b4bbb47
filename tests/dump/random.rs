//! Random databases: a table's shape is drawn, and what it refuses of the rows is left out.

use proptest::collection::vec;
use proptest::prelude::*;
use rusqlite::Connection;
use rusqlite::types::Value;

const NAMES: [&str; 10] = [
    "t",
    "select",
    "a b",
    "quo\"te",
    "it's",
    "",
    "größe",
    "line\nbreak",
    "ROWID",
    "semi;colon",
];
const TYPES: [&str; 10] = [
    "",
    "INT",
    "INTEGER",
    "REAL",
    "TEXT",
    "BLOB",
    "NUMERIC",
    "VARCHAR(10) COLLATE NOCASE",
    "DATETIME DEFAULT CURRENT_TIMESTAMP",
    "TEXT DEFAULT 'x''y' COLLATE RTRIM",
];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Key {
    None,
    Integer,
    Autoincrement,
    First,
    Descending,
    WithoutRowid,
}

#[derive(Debug, Clone)]
struct Table {
    key: Key,
    types: Vec<usize>,
    /// Stored or not, after this many columns.
    generated: Option<(bool, usize)>,
    index: Option<bool>,
    has_trigger: bool,
    has_view: bool,
    rows: Vec<Vec<Value>>,
}

/// Of up to as many tables as there are names.
#[derive(Debug, Clone)]
pub struct Database {
    encoding: &'static str,
    first_name: usize,
    tables: Vec<Table>,
}

pub fn database() -> impl Strategy<Value = Database> {
    let encoding = prop_oneof![8 => Just("UTF-8"), 1 => Just("UTF-16le"), 1 => Just("UTF-16be")];
    (encoding, 0..NAMES.len(), vec(table(), 0..5)).prop_map(|(encoding, first_name, tables)| {
        Database {
            encoding,
            first_name,
            tables,
        }
    })
}

fn table() -> impl Strategy<Value = Table> {
    let key = prop_oneof![
        Just(Key::None),
        Just(Key::Integer),
        Just(Key::Autoincrement),
        Just(Key::First),
        Just(Key::Descending),
        Just(Key::WithoutRowid),
    ];
    let shape = (
        key,
        vec(0..TYPES.len(), 1..6),
        prop::option::of((any::<bool>(), 0..6_usize)),
        prop::option::of(any::<bool>()),
        any::<bool>(),
        any::<bool>(),
    );
    (shape, vec(vec(value(), 6), 0..12)).prop_map(|(shape, rows)| {
        let (key, types, generated, index, has_trigger, has_view) = shape;
        Table {
            key,
            types,
            generated,
            index,
            has_trigger,
            has_view,
            rows,
        }
    })
}

fn value() -> impl Strategy<Value = Value> {
    let piece = prop_oneof![
        Just("'".to_owned()),
        Just("\n".to_owned()),
        Just("\r\n".to_owned()),
        Just("\0".to_owned()),
        Just("\\r".to_owned()),
        Just(";".to_owned()),
        Just("\u{ffff}".to_owned()),
        any::<String>(),
        "[0-9]{1,20}",
        "-?[0-9]{1,3}\\.[0-9]{1,3}",
    ];
    prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::Integer),
        (-2..3_i64).prop_map(Value::Integer),
        prop_oneof![Just(i64::MIN), Just(i64::MAX)].prop_map(Value::Integer),
        any::<u64>()
            .prop_map(f64::from_bits)
            .prop_filter("NULL", |r| !r.is_nan())
            .prop_map(Value::Real),
        (-1000..1000_i32).prop_map(|i| Value::Real(f64::from(i) / 8.0)),
        vec(piece, 0..4).prop_map(|pieces| Value::Text(pieces.concat())),
        vec(any::<u8>(), 0..300).prop_map(Value::Blob),
    ]
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Database {
    pub fn make(&self, connection: &Connection) {
        let encoding = format!("PRAGMA encoding='{}'", self.encoding);
        connection.execute_batch(&encoding).unwrap();
        for (number, table) in self.tables.iter().enumerate() {
            let name = NAMES[(self.first_name + number) % NAMES.len()];
            let ddl = table.ddl(name, number);
            (connection.execute_batch(&ddl)).unwrap_or_else(|error| panic!("{error}: {ddl}"));
            table.fill(connection, name);
        }
    }
}

impl Table {
    fn column(&self, number: usize) -> String {
        quoted(&format!("{}{number}", NAMES[number % NAMES.len()]))
    }

    fn ddl(&self, name: &str, number: usize) -> String {
        let key = |column: usize, declared: &str| match (column, self.key) {
            (0, Key::Integer) => "INTEGER PRIMARY KEY".to_owned(),
            (0, Key::Autoincrement) => "INTEGER PRIMARY KEY AUTOINCREMENT".to_owned(),
            (0, Key::First | Key::WithoutRowid) => format!("{declared} PRIMARY KEY"),
            (0, Key::Descending) => "INTEGER PRIMARY KEY DESC".to_owned(),
            _ => declared.to_owned(),
        };
        let types = self.types.iter().enumerate();
        let mut columns: Vec<String> = types
            .map(|(column, &t)| format!("{} {}", self.column(column), key(column, TYPES[t])))
            .collect();
        if let Some((is_stored, after)) = self.generated {
            let stored = if is_stored { "STORED" } else { "VIRTUAL" };
            let first = self.column(0);
            // Nothing that is computed from text or a real: versions of SQLite differ in it.
            let text = format!("iif(typeof({first}) = 'real', 'r', {first})");
            let generated = format!("\"gen\" AS ({text}) {stored}");
            columns.insert(after.clamp(1, columns.len()), generated);
        }
        let without = if self.key == Key::WithoutRowid {
            "WITHOUT ROWID"
        } else {
            ""
        };
        let (table, last) = (quoted(name), self.column(self.types.len() - 1));
        let mut ddl = format!("CREATE TABLE {table}({}) {without};\n", columns.join(",\n"));
        if let Some(is_partial) = self.index {
            let condition = if is_partial {
                format!("WHERE {last} NOT NULL")
            } else {
                String::new()
            };
            ddl += &format!(
                "CREATE INDEX \"i {number}\" ON {table}({last} DESC, {}) {condition};\n",
                self.column(0)
            );
        }
        if self.has_view {
            ddl += &format!("CREATE VIEW \"v {number}\" AS SELECT {last}, 'a;b' FROM {table};\n");
        }
        if self.has_trigger {
            ddl += &format!(
                "CREATE TRIGGER \"r {number}\" AFTER DELETE ON {table} BEGIN SELECT 1; SELECT ';'; END;\n"
            );
        }
        ddl
    }

    fn fill(&self, connection: &Connection, name: &str) {
        let columns: Vec<String> = (0..self.types.len())
            .map(|column| self.column(column))
            .collect();
        let marks = vec!["?"; columns.len()].join(",");
        let insert = format!(
            "INSERT OR IGNORE INTO {}({}) VALUES ({marks})",
            quoted(name),
            columns.join(",")
        );
        let mut statement = connection.prepare(&insert).unwrap();
        for row in &self.rows {
            // A text for an INTEGER PRIMARY KEY is refused, whatever IGNORE says.
            let _ = statement.execute(rusqlite::params_from_iter(&row[..columns.len()]));
        }
    }
}
