//! Whose code a function is, and the colour that says so.

use inferno::flamegraph::color::Color;

use super::plumbing::is_sqlite;
use super::raw::Function;

/// Whose code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// A statement, at the root.
    Statement,
    /// sqlite3.c.
    Sqlite,
    /// Rust's, whoever wrote it.
    Rust,
    /// Any other C, and what has no name.
    Other,
}

/// Names in C libraries below SQLite, which are not its own.
const LIBC: [&str; 14] = [
    "malloc",
    "calloc",
    "realloc",
    "free",
    "memcpy",
    "memmove",
    "memset",
    "memcmp",
    "strlen",
    "read",
    "write",
    "pread64",
    "pwrite64",
    "fdatasync",
];

impl Code {
    /// By its file, where that is known.
    pub fn of(function: &Function) -> Code {
        let file = function.file.as_deref();
        match file {
            _ if is_sqlite(file) => Code::Sqlite,
            Some(file) if file.ends_with(".rs") => Code::Rust,
            Some(_) => Code::Other,
            None => Code::by_name(&function.name),
        }
    }

    /// All that there is to go by in collapsed stacks.
    fn by_name(name: &str) -> Code {
        if name.contains("::") || name.starts_with('<') {
            Code::Rust
        } else if name.starts_with("sqlite3") {
            Code::Sqlite
        } else {
            Code::Other
        }
    }

    /// Of the frames of a collapsed stack, root first: what is called by a function of SQLite and is neither
    /// Rust's nor the C library's is SQLite's too, since it calls little else.
    pub fn guessed<'a>(frames: &'a [&'a str]) -> impl Iterator<Item = (&'a str, Code)> {
        let mut in_sqlite = false;
        frames.iter().enumerate().map(move |(index, frame)| {
            let is_statement = index == 0 && frame.contains(' ') && !frame.starts_with('(');
            let code = match Code::by_name(frame) {
                _ if is_statement && !frame.contains("::") => Code::Statement,
                Code::Other if in_sqlite && Code::may_be_sqlites(frame) => Code::Sqlite,
                code => code,
            };
            in_sqlite = code == Code::Sqlite;
            (*frame, code)
        })
    }

    fn may_be_sqlites(name: &str) -> bool {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        name.bytes().all(is_name) && !name.starts_with('_') && !LIBC.contains(&name)
    }

    /// A shade of its colour, the same for the same name.
    pub fn colour(self, name: &str) -> Color {
        // FNV-1a.
        let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        let shade = (hash >> 16) as u8 % 40;
        let (r, g, b) = match self {
            Code::Statement => (80 + shade, 180 + shade / 2, 80 + shade),
            Code::Sqlite => (80 + shade, 140 + shade, 225 + shade / 2),
            Code::Rust => (235 + shade / 4, 140 + shade, 50 + shade / 2),
            Code::Other => (170 + shade / 2, 170 + shade / 2, 170 + shade / 2),
        };
        Color { r, g, b }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_functions_file_tells_whose_it_is_and_a_name_where_there_is_none() {
        let of = |name: &str, file: Option<&str>| {
            Code::of(&Function {
                name: name.to_owned(),
                file: file.map(str::to_owned),
                line: None,
            })
        };
        let sqlite = Some("libsqlite3-sys-0.39.1/sqlite3/sqlite3.c");
        assert_eq!(of("balance", sqlite), Code::Sqlite);
        assert_eq!(of("main", Some("src/main.rs")), Code::Rust);
        assert_eq!(
            of("imalloc", Some("tikv-jemalloc-sys/src/jemalloc.c")),
            Code::Other
        );
        assert_eq!(of("sqlite3VdbeExec", None), Code::Sqlite);
        assert_eq!(of("<T as core::fmt::Debug>::fmt", None), Code::Rust);
        assert_eq!(of("0x1234 (libc.so.6)", None), Code::Other);
    }

    #[test]
    fn in_collapsed_stacks_what_sqlite_calls_is_sqlites_but_for_the_c_library() {
        let frames = [
            "SELECT ?",
            "a::main",
            "sqlite3_step",
            "balance",
            "malloc",
            "0x12 (libc.so.6)",
        ];
        let codes: Vec<_> = Code::guessed(&frames).map(|(_, code)| code).collect();
        let expected = [
            Code::Statement,
            Code::Rust,
            Code::Sqlite,
            Code::Sqlite,
            Code::Other,
            Code::Other,
        ];
        assert_eq!(codes, expected);
        assert_eq!(Code::guessed(&["main"]).next(), Some(("main", Code::Other)));
    }
}
