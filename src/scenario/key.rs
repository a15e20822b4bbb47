//! The keys of a scenario, the same in TOML and in `--set`.

use super::error::{Problem, nearest};

/// One key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// Of the workload or of the testee.
    Parameter(Parameter),
    /// `pragma.NAME`, lower case.
    Pragma(String),
    /// `env.NAME`
    Env(String),
}

/// The keys that are neither a PRAGMA nor an environment variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the key of the same name")]
pub enum Parameter {
    Rows,
    Scale,
    Seed,
    Keys,
    Batch,
    Transaction,
    Statements,
    Shrink,
    PragmaScope,
    Database,
    Readings,
    Cycles,
    Workers,
    Placement,
    Schema,
    Snapshot,
    Copy,
    BackupPages,
    Dump,
    Trim,
    Fault,
    Mended,
    RustAllocator,
    SqliteAllocator,
    Memsys5Heap,
    Preload,
}

/// What a scenario drives SQLite with, by the name that a declaration gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkloadKind {
    /// The batched insert.
    Insert,
    /// The backup, dump and dispose cycle.
    Snapshot,
    /// One thing done wrong, or by design, again and again.
    Fault,
}

impl WorkloadKind {
    /// Every workload.
    pub const ALL: [WorkloadKind; 3] = [
        WorkloadKind::Insert,
        WorkloadKind::Snapshot,
        WorkloadKind::Fault,
    ];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            WorkloadKind::Insert => "insert",
            WorkloadKind::Snapshot => "snapshot",
            WorkloadKind::Fault => "fault",
        }
    }
}

const EACH: &[WorkloadKind] = &WorkloadKind::ALL;
const INSERT: &[WorkloadKind] = &[WorkloadKind::Insert];
const SNAPSHOT: &[WorkloadKind] = &[WorkloadKind::Snapshot];
const FAULT: &[WorkloadKind] = &[WorkloadKind::Fault];
const IN_CYCLES: &[WorkloadKind] = &[WorkloadKind::Snapshot, WorkloadKind::Fault];

/// Every parameter, its name, and the workloads that it applies to.
const PARAMETERS: [(&str, Parameter, &[WorkloadKind]); 26] = [
    ("rows", Parameter::Rows, INSERT),
    ("scale", Parameter::Scale, EACH),
    ("seed", Parameter::Seed, EACH),
    ("keys", Parameter::Keys, INSERT),
    ("batch", Parameter::Batch, INSERT),
    ("transaction", Parameter::Transaction, INSERT),
    ("statements", Parameter::Statements, INSERT),
    ("shrink", Parameter::Shrink, INSERT),
    ("pragma_scope", Parameter::PragmaScope, INSERT),
    ("database", Parameter::Database, EACH),
    ("readings", Parameter::Readings, INSERT),
    ("cycles", Parameter::Cycles, IN_CYCLES),
    ("workers", Parameter::Workers, SNAPSHOT),
    ("placement", Parameter::Placement, SNAPSHOT),
    ("schema", Parameter::Schema, SNAPSHOT),
    ("snapshot", Parameter::Snapshot, SNAPSHOT),
    ("copy", Parameter::Copy, SNAPSHOT),
    ("backup_pages", Parameter::BackupPages, SNAPSHOT),
    ("dump", Parameter::Dump, SNAPSHOT),
    ("trim", Parameter::Trim, SNAPSHOT),
    ("fault", Parameter::Fault, FAULT),
    ("mended", Parameter::Mended, FAULT),
    ("rust_allocator", Parameter::RustAllocator, EACH),
    ("sqlite_allocator", Parameter::SqliteAllocator, EACH),
    ("memsys5_heap", Parameter::Memsys5Heap, EACH),
    ("preload", Parameter::Preload, EACH),
];

/// Every PRAGMA of SQLite that takes a value and does not run a check or a report instead.
const PRAGMAS: [&str; 45] = [
    "analysis_limit",
    "application_id",
    "auto_vacuum",
    "automatic_index",
    "busy_timeout",
    "cache_size",
    "cache_spill",
    "case_sensitive_like",
    "cell_size_check",
    "checkpoint_fullfsync",
    "count_changes",
    "data_store_directory",
    "default_cache_size",
    "defer_foreign_keys",
    "empty_result_callbacks",
    "encoding",
    "foreign_keys",
    "full_column_names",
    "fullfsync",
    "hard_heap_limit",
    "ignore_check_constraints",
    "journal_mode",
    "journal_size_limit",
    "legacy_alter_table",
    "locking_mode",
    "max_page_count",
    "mmap_size",
    "page_size",
    "query_only",
    "read_uncommitted",
    "recursive_triggers",
    "reverse_unordered_selects",
    "schema_version",
    "secure_delete",
    "short_column_names",
    "soft_heap_limit",
    "synchronous",
    "temp_store",
    "temp_store_directory",
    "threads",
    "trusted_schema",
    "user_version",
    "wal_autocheckpoint",
    "wal_checkpoint",
    "writable_schema",
];

impl Parameter {
    /// As it is written.
    pub fn name(self) -> &'static str {
        PARAMETERS
            .iter()
            .find(|(_, p, _)| *p == self)
            .map_or("?", |(name, _, _)| name)
    }

    /// The workloads that it is a parameter of.
    pub fn workloads(self) -> &'static [WorkloadKind] {
        PARAMETERS
            .iter()
            .find(|(_, p, _)| *p == self)
            .map_or(&[], |(_, _, workloads)| workloads)
    }

    /// By its name.
    pub fn parse(name: &str) -> Result<Parameter, Problem> {
        if let Some((_, parameter, _)) = PARAMETERS.iter().find(|(known, ..)| *known == name) {
            return Ok(*parameter);
        }
        let known = PARAMETERS.iter().map(|(name, ..)| *name);
        Err(Problem::UnknownKey {
            key: name.to_owned(),
            nearest: nearest(name, known),
        })
    }
}

impl Key {
    /// As `--set` writes it; a known PRAGMA needs no `pragma.` before it.
    pub fn parse(text: &str) -> Result<Key, Problem> {
        if let Some(name) = text.strip_prefix("pragma.") {
            return Key::pragma(name);
        }
        if let Some(name) = text.strip_prefix("env.") {
            return Key::env(name);
        }
        if is_pragma(text) {
            return Key::pragma(text);
        }
        Parameter::parse(text)
            .map(Key::Parameter)
            .map_err(|problem| match problem {
                Problem::UnknownKey { key, .. } => {
                    let known = PARAMETERS.iter().map(|(name, ..)| *name).chain(PRAGMAS);
                    Problem::UnknownKey {
                        nearest: nearest(&key, known),
                        key,
                    }
                }
                other => other,
            })
    }

    /// A PRAGMA by its name.
    pub fn pragma(name: &str) -> Result<Key, Problem> {
        if is_pragma(name) {
            return Ok(Key::Pragma(name.to_lowercase()));
        }
        Err(Problem::UnknownPragma {
            name: name.to_owned(),
            nearest: nearest(name, PRAGMAS),
        })
    }

    /// An environment variable by its name.
    pub fn env(name: &str) -> Result<Key, Problem> {
        let why = match name {
            "" => "it needs a name after the dot",
            "LD_PRELOAD" => "use the key preload, which checks that the library is there",
            _ if name.starts_with("SQLITE_MEMBENCH_") => {
                "this program sets it itself; use the keys rust_allocator and sqlite_allocator"
            }
            _ if name.contains(['=', '\0']) => "its name cannot have = or NUL in it",
            _ => return Ok(Key::Env(name.to_owned())),
        };
        Err(Problem::Env {
            name: name.to_owned(),
            why,
        })
    }

    /// Whether a scenario of this workload can have it.
    pub fn applies_to(&self, workload: WorkloadKind) -> bool {
        match self {
            Key::Parameter(parameter) => parameter.workloads().contains(&workload),
            Key::Pragma(_) | Key::Env(_) => true,
        }
    }

    /// Whether a comma in a `--set` value parts two values.
    pub(crate) fn commas_part(&self) -> bool {
        !matches!(self, Key::Env(_) | Key::Parameter(Parameter::Preload))
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Key::Parameter(parameter) => f.write_str(parameter.name()),
            Key::Pragma(name) => write!(f, "pragma.{name}"),
            Key::Env(name) => write!(f, "env.{name}"),
        }
    }
}

fn is_pragma(name: &str) -> bool {
    PRAGMAS.contains(&name.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_pragma_may_stand_for_itself() {
        assert_eq!(Key::parse("cache_spill"), Key::parse("pragma.cache_spill"));
        assert_eq!(
            Key::parse("pragma.Cache_Spill"),
            Ok(Key::Pragma("cache_spill".into()))
        );
    }

    #[test]
    fn an_unknown_key_names_the_nearest_of_keys_and_pragmas() {
        let nearest_of = |text| match Key::parse(text) {
            Err(Problem::UnknownKey { nearest, .. } | Problem::UnknownPragma { nearest, .. }) => {
                nearest
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(nearest_of("rowz").as_deref(), Some("rows"));
        assert_eq!(nearest_of("cach_spill").as_deref(), Some("cache_spill"));
        assert_eq!(
            nearest_of("pragma.sinchronous").as_deref(),
            Some("synchronous")
        );
    }

    #[test]
    fn each_parameter_is_found_by_its_name_and_belongs_to_a_workload() {
        for (name, parameter, workloads) in PARAMETERS {
            assert_eq!(Key::parse(name), Ok(Key::Parameter(parameter)));
            assert_eq!(parameter.name(), name);
            for workload in WorkloadKind::ALL {
                assert_eq!(
                    Key::Parameter(parameter).applies_to(workload),
                    workloads.contains(&workload)
                );
            }
        }
    }

    #[test]
    fn every_pragma_of_the_list_is_one_that_sqlite_has() {
        let db = rusqlite::Connection::open_in_memory().unwrap();
        let mut statement = db.prepare("SELECT name FROM pragma_pragma_list").unwrap();
        let known: Vec<String> = statement
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let absent: Vec<_> = PRAGMAS
            .iter()
            .filter(|p| !known.iter().any(|k| k == *p))
            .collect();
        // Present only where SQLite is compiled for them.
        assert!(
            absent.iter().all(|p| ["data_store_directory"].contains(p)),
            "{absent:?}"
        );
    }
}
