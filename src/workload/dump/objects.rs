//! What there is to dump: tables by name with the SQL that reads and writes each, and the DDL of the
//! rest.

use std::ffi::CString;

use super::DumpOptions;
use super::cursor::{self, Cursor, Encoding};
use super::literal::{push_name, push_text};
use super::session::Session;

/// A table whose rows are dumped.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// For people: the name, what is not UTF-8 in it replaced.
    pub name: String,
    /// Statements before the rows, each with its end of line.
    pub before: Vec<u8>,
    /// Reads the rows.
    pub select: Vec<u8>,
    /// `INSERT INTO "t" VALUES(`
    pub insert: Vec<u8>,
    /// SQLite keeps it for itself: `sqlite_sequence`, `sqlite_stat1`.
    pub is_internal: bool,
}

/// A whole schema.
#[derive(Debug, Default)]
pub struct Objects {
    /// By name; what SQLite keeps for itself at the end.
    pub tables: Vec<Table>,
    /// Statements after all rows, each with its end of line.
    pub after: Vec<u8>,
    /// Loading writes to `sqlite_schema` or to shadow tables, which SQLITE_DBCONFIG_DEFENSIVE forbids.
    pub needs_undefended: bool,
}

/// How the database stores text.
pub fn encoding(session: &Session<'_>) -> rusqlite::Result<Encoding> {
    let mut encoding = Encoding::Utf8;
    session.rows(b"PRAGMA encoding", |row| {
        encoding = match text(row, 0)?.as_slice() {
            b"UTF-16le" => Encoding::Utf16le,
            b"UTF-16be" => Encoding::Utf16be,
            _ => Encoding::Utf8,
        };
        Ok(())
    })?;
    Ok(encoding)
}

/// Reads the schema that `options` names.
pub fn read(session: &Session<'_>, options: &DumpOptions) -> rusqlite::Result<Objects> {
    let mut objects = Objects::default();
    let entries = entries(session, options)?;
    let mut has_autoincrement = false;
    for entry in entries.iter().filter(|entry| entry.kind == Kind::Ordinary) {
        let columns = Columns::read(session, options, entry)?;
        has_autoincrement |= columns.has_autoincrement;
        let mut before = Vec::new();
        if options.schema {
            push_statement(&entry.sql, &mut before);
        } else if entry.is_shadow {
            // Its virtual table filled it when it was created.
            objects.needs_undefended = true;
            before = sql(b"DELETE FROM ", &[&entry.name], b";\n");
        }
        let (select, insert) = columns.statements(options, entry);
        objects.tables.push(Table {
            name: String::from_utf8_lossy(&entry.name).into_owned(),
            before,
            select,
            insert,
            is_internal: false,
        });
    }
    let internal = internal(session, options, &entries, has_autoincrement)?;
    objects.tables.extend(internal);
    if options.schema {
        objects.needs_undefended = entries.iter().any(|entry| entry.kind == Kind::Virtual);
        objects.after = after(session, options, &entries)?;
    }
    Ok(objects)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ordinary,
    Virtual,
    Internal,
}

/// A table as `sqlite_schema` has it.
#[derive(Debug)]
struct Entry {
    name: Vec<u8>,
    sql: Vec<u8>,
    kind: Kind,
    is_shadow: bool,
    is_without_rowid: bool,
}

fn entries(session: &Session<'_>, options: &DumpOptions) -> rusqlite::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let query = sql(
        b"SELECT name, sql, rootpage FROM ",
        &[options.of.as_bytes()],
        b".sqlite_schema WHERE type = 'table' ORDER BY name",
    );
    session.rows(&query, |row| {
        let name = text(row, 0)?;
        let is_internal = name.to_ascii_lowercase().starts_with(b"sqlite_");
        let has_pages = row.integer(2) > 0;
        entries.push(Entry {
            kind: match (is_internal, has_pages) {
                (true, _) => Kind::Internal,
                (_, true) => Kind::Ordinary,
                (_, false) => Kind::Virtual,
            },
            name,
            sql: text(row, 1)?,
            is_shadow: false,
            is_without_rowid: false,
        });
        Ok(())
    })?;
    let query = sql(b"PRAGMA ", &[options.of.as_bytes()], b".table_list");
    session.rows(&query, |row| {
        let name = text(row, 1)?;
        if let Some(entry) = entries.iter_mut().find(|entry| entry.name == name) {
            entry.is_shadow = text(row, 2)? == b"shadow";
            entry.is_without_rowid = row.integer(4) == 1;
        }
        Ok(())
    })?;
    Ok(entries)
}

/// The columns of a table that hold content.
#[derive(Debug, Default)]
struct Columns {
    names: Vec<Vec<u8>>,
    /// By this name the rowid can be had.
    rowid: Option<Vec<u8>>,
    /// The rowid is one of the columns.
    is_alias: bool,
    /// What a table without rowids is stored as.
    key_index: Option<Vec<u8>>,
    has_generated: bool,
    has_autoincrement: bool,
}

impl Columns {
    fn read(
        session: &Session<'_>,
        options: &DumpOptions,
        entry: &Entry,
    ) -> rusqlite::Result<Columns> {
        let mut columns = Columns::default();
        let mut all: Vec<Vec<u8>> = Vec::new();
        let mut keys = 0;
        let mut integer_key = None;
        session.rows(&pragma(options, b"table_xinfo", &entry.name), |row| {
            let name = text(row, 1)?;
            let is_integer = text(row, 2)?.eq_ignore_ascii_case(b"integer");
            if row.integer(5) != 0 {
                keys += 1;
                integer_key = is_integer.then(|| name.clone());
            }
            // 1 is a hidden column of a virtual table; 2 and 3 are generated ones.
            if row.integer(6) == 0 {
                columns.names.push(name.clone());
            } else {
                columns.has_generated = true;
            }
            all.push(name);
            Ok(())
        })?;
        session.rows(&pragma(options, b"index_list", &entry.name), |row| {
            let name = text(row, 1)?;
            if text(row, 3)? == b"pk" {
                columns.key_index = Some(name);
            }
            Ok(())
        })?;
        if entry.is_without_rowid {
            return Ok(columns);
        }
        // INTEGER PRIMARY KEY DESC is no alias: it has an index.
        let has_key_index = columns.key_index.take().is_some();
        let alias = integer_key.filter(|_| keys == 1 && !has_key_index);
        columns.is_alias = alias.is_some();
        if let Some(alias) = &alias {
            let [schema, table, column] = [options.of.as_bytes(), &entry.name, alias]
                .map(|name| CString::new(name).unwrap_or_default());
            columns.has_autoincrement =
                cursor::is_autoincrement(session.connection, &schema, &table, &column);
        }
        columns.rowid = alias.or_else(|| {
            let is_free =
                |name: &&[u8]| !all.iter().any(|column| column.eq_ignore_ascii_case(name));
            let names: [&[u8]; 3] = [b"rowid", b"_rowid_", b"oid"];
            names.into_iter().find(is_free).map(<[u8]>::to_vec)
        });
        Ok(columns)
    }

    /// The SELECT and the beginning of the INSERT.
    fn statements(&self, options: &DumpOptions, entry: &Entry) -> (Vec<u8>, Vec<u8>) {
        let mut list = Vec::new();
        let rowid = self
            .rowid
            .iter()
            .filter(|_| options.rowids && !self.is_alias);
        for name in rowid.clone().chain(&self.names) {
            if !list.is_empty() {
                list.push(b',');
            }
            push_name(name, &mut list);
        }
        let mut select = b"SELECT ".to_vec();
        select.extend_from_slice(&list);
        let table = [options.of.as_bytes(), &entry.name];
        // The order of the scan is that of the key, so nothing is sorted. NOT INDEXED alone would
        // leave the choice of an index where there is no rowid.
        match &self.key_index {
            Some(index) => {
                select.extend(sql(b" FROM ", &table, b" INDEXED BY "));
                push_name(index, &mut select);
            }
            None => select.extend(sql(b" FROM ", &table, b" NOT INDEXED")),
        }
        if let Some(rowid) = &self.rowid {
            select.extend(sql(b" ORDER BY ", &[rowid], b""));
        }
        let mut insert = sql(b"INSERT INTO ", &[&entry.name], b"");
        if self.has_generated || rowid.count() > 0 {
            insert.push(b'(');
            insert.extend_from_slice(&list);
            insert.push(b')');
        }
        insert.extend_from_slice(b" VALUES(");
        (select, insert)
    }
}

/// `sqlite_sequence`, and with the DDL `sqlite_stat1`; nothing else of SQLite's own. The samples in
/// `sqlite_stat4` are left out: not every build of SQLite has that table, and ANALYZE makes it again.
fn internal(
    session: &Session<'_>,
    options: &DumpOptions,
    entries: &[Entry],
    has_autoincrement: bool,
) -> rusqlite::Result<Vec<Table>> {
    let has = |name: &[u8]| entries.iter().any(|entry| entry.name == name);
    let mut tables = Vec::new();
    let table = |name: &str, before: Vec<u8>| {
        let from = [options.of.as_bytes(), name.as_bytes()];
        Table {
            name: name.to_owned(),
            before,
            select: sql(b"SELECT * FROM ", &from, b" ORDER BY rowid"),
            insert: format!("INSERT INTO {name} VALUES(").into_bytes(),
            is_internal: true,
        }
    };
    if options.schema && has(b"sqlite_stat1") {
        tables.push(table("sqlite_stat1", b"ANALYZE sqlite_schema;\n".to_vec()));
    }
    if has(b"sqlite_sequence") {
        let mut sequence = table("sqlite_sequence", Vec::new());
        let mut has_rows = false;
        session.rows(&sequence.select, |_| {
            has_rows = true;
            Ok(())
        })?;
        if options.schema && has_rows && !has_autoincrement {
            // It outlived its last table. Nothing but such a table creates it.
            let free = (0_u64..).map(|n| format!("autoincrement{n}").into_bytes());
            if let Some(name) = free.into_iter().find(|name| !has(name)) {
                let columns = b"(a INTEGER PRIMARY KEY AUTOINCREMENT);\n";
                sequence.before = sql(b"CREATE TABLE ", &[&name], columns);
                sequence
                    .before
                    .extend(sql(b"DROP TABLE ", &[&name], b";\n"));
            }
        }
        if has_rows || has_autoincrement {
            sequence
                .before
                .extend_from_slice(b"DELETE FROM sqlite_sequence;\n");
            tables.push(sequence);
        }
    }
    Ok(tables)
}

/// Indexes, virtual tables, views and triggers, in the order in which they were made: which of two
/// triggers runs first goes by that.
fn after(
    session: &Session<'_>,
    options: &DumpOptions,
    entries: &[Entry],
) -> rusqlite::Result<Vec<u8>> {
    let mut after = Vec::new();
    let from: &[&[u8]] = &[options.of.as_bytes()];
    for kind in ["index", "view", "trigger"] {
        if kind == "view" {
            push_virtual_tables(entries, &mut after);
        }
        let condition =
            format!(".sqlite_schema WHERE type = '{kind}' AND sql NOT NULL ORDER BY rowid");
        session.rows(
            &sql(b"SELECT sql FROM ", from, condition.as_bytes()),
            |row| {
                push_statement(&text(row, 0)?, &mut after);
                Ok(())
            },
        )?;
    }
    Ok(after)
}

/// Not by CREATE VIRTUAL TABLE, which would create and fill the shadow tables too.
fn push_virtual_tables(entries: &[Entry], out: &mut Vec<u8>) {
    let mut virtual_tables = entries
        .iter()
        .filter(|entry| entry.kind == Kind::Virtual)
        .peekable();
    if virtual_tables.peek().is_none() {
        return;
    }
    out.extend_from_slice(b"PRAGMA writable_schema=ON;\n");
    for entry in virtual_tables {
        out.extend_from_slice(
            b"INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql) VALUES('table',",
        );
        push_text(&entry.name, out);
        out.push(b',');
        push_text(&entry.name, out);
        out.extend_from_slice(b",0,");
        push_text(&entry.sql, out);
        out.extend_from_slice(b");\n");
    }
    // As OFF, and the new rows are read.
    out.extend_from_slice(b"PRAGMA writable_schema=RESET;\n");
}

/// Appends a statement with its `;`, which must not end up in a comment that the statement ends with.
fn push_statement(statement: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(statement);
    let ends: [&[u8]; 3] = [b";", b"\n;", b"*/;"];
    let is_complete = |end: &&&[u8]| cursor::is_complete([statement, end].concat());
    out.extend_from_slice(ends.iter().find(is_complete).unwrap_or(&ends[0]));
    out.push(b'\n');
}

/// `before "a"."b" after`, the names quoted.
fn sql(before: &[u8], names: &[&[u8]], after: &[u8]) -> Vec<u8> {
    let mut out = before.to_vec();
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            out.push(b'.');
        }
        push_name(name, &mut out);
    }
    out.extend_from_slice(after);
    out
}

fn pragma(options: &DumpOptions, name: &[u8], table: &[u8]) -> Vec<u8> {
    let function = [b".", name, b"("].concat();
    let mut out = sql(b"PRAGMA ", &[options.of.as_bytes()], &function);
    push_name(table, &mut out);
    out.push(b')');
    out
}

/// NULL is empty.
fn text(row: &mut Cursor<'_>, column: usize) -> rusqlite::Result<Vec<u8>> {
    Ok(row.text(column)?.unwrap_or_default())
}
