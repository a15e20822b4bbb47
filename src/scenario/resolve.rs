//! A cell of the matrix, read as the scenario that it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::choice::choice;
use super::error::{Error, Problem};
use super::expect;
use super::key::{Key, Parameter, WorkloadKind};
use super::matrix::{Cell, cell_name, cells};
use super::setting::{Setting, UNSET, Value};
use super::{Declaration, Limits, Scenario, Workload, default_memsys5_heap_bytes, library, units};
use crate::allocator::{RustAllocator, SqliteAllocator};
use crate::workload::database::{Database, DatabaseKind};
use crate::workload::fault::{Fault, FaultOptions};
use crate::workload::insert::{InsertOptions, PragmaScope, Shrink, Statements, Transaction};
use crate::workload::keys::KeyMode;
use crate::workload::pragmas::Pragma;
use crate::workload::snapshot::SnapshotOptions;

/// What a rowid can count.
const MOST_ROWS: u64 = i64::MAX as u64;

/// Enough to see how a fill grows; together they take some milliseconds.
const DEFAULT_READINGS: u32 = 20;

/// A record line each for some phases of each.
const MOST_CYCLES: u64 = 1_000_000;
/// Each has a stack and, under glibc, perhaps an arena.
const MOST_WORKERS: u64 = 256;

/// `sqlite3_config(SQLITE_CONFIG_HEAP)` takes an `int`.
const MOST_HEAP_BYTES: u64 = i32::MAX as u64;

impl Declaration {
    /// Every scenario that this declaration makes with `overrides` over its own settings; those
    /// that apply to another workload are passed over.
    pub(super) fn scenarios(&self, overrides: &[Setting]) -> Result<Vec<Scenario>, Error> {
        let applies = |setting: &&Setting| setting.key.applies_to(self.workload);
        let overrides: Vec<Setting> = overrides.iter().filter(applies).cloned().collect();
        let settings = Setting::overlay(&self.settings, &overrides);
        let cell = |cell| self.scenario(&settings, &overrides, &cell);
        cells(&self.name, &settings)?
            .into_iter()
            .map(cell)
            .collect()
    }

    fn scenario(
        &self,
        settings: &[Setting],
        overrides: &[Setting],
        cell: &Cell<'_>,
    ) -> Result<Scenario, Error> {
        let mut draft = Draft::new(self.workload, &self.directory);
        for (key, value) in cell {
            draft
                .take(key, value)
                .map_err(|problem| problem.at(Some(&self.name), &value.place))?;
        }
        if let (Some((scale, value)), Workload::Insert(options)) =
            (&draft.scale, &mut draft.workload)
        {
            options.rows = scaled(options.rows, *scale)
                .map_err(|problem| problem.at(Some(&self.name), &value.place))?;
        }
        let name = cell_name(&self.name, settings, cell);
        let scenario = Scenario {
            expect: expect::of(self, overrides, cell),
            ..draft.scenario(name, self.limits)
        };
        scenario.check()?;
        Ok(scenario)
    }
}

/// A scenario that grows key by key.
pub(super) struct Draft<'a> {
    directory: &'a Path,
    /// Of an insert, until its rows are known.
    scale: Option<(f64, Value)>,
    workload: Workload,
    rust_allocator: RustAllocator,
    sqlite_allocator: SqliteAllocator,
    memsys5_heap_bytes: u64,
    env: BTreeMap<String, String>,
    preload: Option<PathBuf>,
}

impl<'a> Draft<'a> {
    fn new(workload: WorkloadKind, directory: &'a Path) -> Self {
        let workload = match workload {
            WorkloadKind::Insert => Workload::Insert(InsertOptions {
                rows: 1,
                keys: KeyMode::default(),
                seed: 1,
                batch: 32768,
                transaction: Transaction::default(),
                statements: Statements::default(),
                shrink: Shrink::default(),
                pragma_scope: PragmaScope::default(),
                pragmas: Vec::new(),
                database: DatabaseKind::default().into(),
                readings: DEFAULT_READINGS,
            }),
            WorkloadKind::Snapshot => Workload::Snapshot(SnapshotOptions::default()),
            // A declaration says which fault, and on what database.
            WorkloadKind::Fault => Workload::Fault(FaultOptions::new(Fault::LeakedStatement)),
        };
        Draft {
            directory,
            scale: None,
            workload,
            rust_allocator: RustAllocator::default(),
            sqlite_allocator: SqliteAllocator::default(),
            memsys5_heap_bytes: default_memsys5_heap_bytes(),
            env: BTreeMap::new(),
            preload: None,
        }
    }

    /// `scenario`, to be changed.
    pub(super) fn of(scenario: Scenario, directory: &'a Path) -> Self {
        Draft {
            directory,
            scale: None,
            workload: scenario.workload,
            rust_allocator: scenario.rust_allocator,
            sqlite_allocator: scenario.sqlite_allocator,
            memsys5_heap_bytes: scenario.memsys5_heap_bytes,
            env: scenario.env,
            preload: scenario.preload,
        }
    }

    /// What it has become, expecting no verdict.
    pub(super) fn scenario(self, name: String, limits: Limits) -> Scenario {
        Scenario {
            name,
            workload: self.workload,
            rust_allocator: self.rust_allocator,
            sqlite_allocator: self.sqlite_allocator,
            memsys5_heap_bytes: self.memsys5_heap_bytes,
            env: self.env,
            preload: self.preload,
            limits,
            expect: None,
        }
    }

    fn pragmas(&mut self) -> &mut Vec<Pragma> {
        match &mut self.workload {
            Workload::Insert(options) => &mut options.pragmas,
            Workload::Snapshot(options) => &mut options.pragmas,
            Workload::Fault(options) => &mut options.pragmas,
        }
    }

    pub(super) fn take(&mut self, key: &Key, value: &Value) -> Result<(), Problem> {
        match key {
            Key::Parameter(parameter) => self.parameter(*parameter, key, value),
            Key::Pragma(name) if value.text == UNSET => {
                self.pragmas().retain(|one| one.name != *name);
                Ok(())
            }
            Key::Pragma(name) => {
                let pragma = Pragma {
                    name: name.clone(),
                    value: pragma_value(name, value)?,
                };
                // What changes keeps its place: the order matters.
                let pragmas = self.pragmas();
                match pragmas.iter_mut().find(|one| one.name == pragma.name) {
                    Some(known) => *known = pragma,
                    None => pragmas.push(pragma),
                }
                Ok(())
            }
            Key::Env(name) => {
                if value.text.contains('\0') {
                    let why = "its value cannot have NUL in it";
                    return Err(Problem::Env {
                        name: name.clone(),
                        why,
                    });
                }
                self.env.insert(name.clone(), value.text.clone());
                Ok(())
            }
        }
    }

    fn parameter(&mut self, parameter: Parameter, key: &Key, value: &Value) -> Result<(), Problem> {
        match (parameter, &mut self.workload) {
            (Parameter::Scale, Workload::Insert(_)) => {
                self.scale = Some((value.factor(key)?, value.clone()));
            }
            (Parameter::RustAllocator, _) => self.rust_allocator = choice(key, value)?,
            (Parameter::SqliteAllocator, _) => self.sqlite_allocator = choice(key, value)?,
            (Parameter::Memsys5Heap, _) => self.memsys5_heap_bytes = heap_bytes(key, value)?,
            (Parameter::Preload, _) => {
                self.preload = library::preload(value.string(key)?, value, self.directory)?;
            }
            (_, Workload::Insert(options)) => insert(options, parameter, key, value)?,
            (_, Workload::Snapshot(options)) => snapshot(options, parameter, key, value)?,
            (_, Workload::Fault(options)) => fault(options, parameter, key, value)?,
        }
        Ok(())
    }
}

/// A parameter of workload `insert` alone, or one that every workload has for itself.
fn insert(
    options: &mut InsertOptions,
    parameter: Parameter,
    key: &Key,
    value: &Value,
) -> Result<(), Problem> {
    match parameter {
        Parameter::Rows => options.rows = value.integer(key, 1, MOST_ROWS)?,
        Parameter::Seed => options.seed = value.integer(key, 0, u64::MAX)?,
        Parameter::Keys => options.keys = choice(key, value)?,
        Parameter::Batch => options.batch = value.integer(key, 1, MOST_ROWS)?,
        Parameter::Transaction => options.transaction = choice(key, value)?,
        Parameter::Statements => options.statements = choice(key, value)?,
        Parameter::Shrink => options.shrink = choice(key, value)?,
        Parameter::PragmaScope => options.pragma_scope = choice(key, value)?,
        Parameter::Database => options.database = database(key, value)?,
        Parameter::Readings => {
            let readings = value.integer(key, 0, 100_000)?;
            options.readings = u32::try_from(readings).unwrap_or(u32::MAX);
        }
        _ => return Err(not_applicable(key, WorkloadKind::Insert)),
    }
    Ok(())
}

/// A parameter of workload `snapshot` alone, or one that every workload has for itself.
fn snapshot(
    options: &mut SnapshotOptions,
    parameter: Parameter,
    key: &Key,
    value: &Value,
) -> Result<(), Problem> {
    match parameter {
        Parameter::Scale => options.scale = value.factor(key)?,
        Parameter::Seed => options.seed = value.integer(key, 0, u64::MAX)?,
        Parameter::Database => options.database = database(key, value)?,
        Parameter::Cycles => options.cycles = Some(count(key, value, MOST_CYCLES)?),
        Parameter::Workers => options.workers = count(key, value, MOST_WORKERS)?,
        Parameter::Placement => options.placement = choice(key, value)?,
        Parameter::Schema => options.schema = choice(key, value)?,
        Parameter::Snapshot if value.text == "none" => options.snapshot = None,
        Parameter::Snapshot => options.snapshot = Some(choice(key, value)?),
        Parameter::Copy => options.copy = choice(key, value)?,
        Parameter::BackupPages if value.text == "-1" => options.backup_pages = -1,
        Parameter::BackupPages => {
            let pages = value.integer(key, 1, i32::MAX as u64)?;
            options.backup_pages = i32::try_from(pages).unwrap_or(i32::MAX);
        }
        Parameter::Dump => options.dump = choice(key, value)?,
        Parameter::Trim => options.trim = choice(key, value)?,
        _ => return Err(not_applicable(key, WorkloadKind::Snapshot)),
    }
    Ok(())
}

/// A parameter of workload `fault` alone, or one that every workload has for itself.
fn fault(
    options: &mut FaultOptions,
    parameter: Parameter,
    key: &Key,
    value: &Value,
) -> Result<(), Problem> {
    match parameter {
        Parameter::Fault => options.fault = choice(key, value)?,
        Parameter::Mended => options.mended = value.truth(key)?,
        Parameter::Scale => options.scale = value.factor(key)?,
        Parameter::Seed => options.seed = value.integer(key, 0, u64::MAX)?,
        Parameter::Database => options.database = database(key, value)?,
        Parameter::Cycles => options.cycles = count(key, value, MOST_CYCLES)?,
        _ => return Err(not_applicable(key, WorkloadKind::Fault)),
    }
    Ok(())
}

/// From 1 to `most`.
fn count(key: &Key, value: &Value, most: u64) -> Result<u32, Problem> {
    let number = value.integer(key, 1, most)?;
    Ok(u32::try_from(number).unwrap_or(u32::MAX))
}

fn not_applicable(key: &Key, workload: WorkloadKind) -> Problem {
    Problem::NotApplicable {
        key: key.to_string(),
        workload: workload.name(),
    }
}

/// A kind, or `attach:` and a kind.
fn database(key: &Key, value: &Value) -> Result<Database, Problem> {
    let Some(kind) = value.text.strip_prefix("attach:") else {
        return choice::<DatabaseKind>(key, value).map(Database::from);
    };
    let kind = Value {
        text: kind.to_owned(),
        ..value.clone()
    };
    Ok(Database {
        kind: choice(key, &kind)?,
        attached: true,
    })
}

fn scaled(rows: u64, scale: f64) -> Result<u64, Problem> {
    let product = rows as f64 * scale;
    if (1.0..MOST_ROWS as f64).contains(&product) {
        return Ok(product.round() as u64);
    }
    Err(Problem::OutOfRange {
        key: "rows times scale".into(),
        value: format!("{rows} x {scale}"),
        allowed: format!("an integer from 1 to {MOST_ROWS}"),
    })
}

fn heap_bytes(key: &Key, value: &Value) -> Result<u64, Problem> {
    let bytes = units::size(value.string(key)?).map_err(|problem| Problem::Unit {
        key: key.to_string(),
        problem,
    })?;
    if (1 << 20..=MOST_HEAP_BYTES).contains(&bytes) {
        return Ok(bytes);
    }
    Err(Problem::OutOfRange {
        key: key.to_string(),
        value: value.text.clone(),
        allowed: "1MiB up to, but not with, 2GiB".into(),
    })
}

/// Nothing that could end the statement and begin another.
fn pragma_value(name: &str, value: &Value) -> Result<String, Problem> {
    let text = value.text.trim();
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_word = !unsigned.is_empty() && unsigned.chars().all(word);
    let quoted = text
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''));
    let is_quoted = quoted.is_some_and(|inner| !inner.contains(['\'', ';', '\0', '\n']));
    if is_word || is_quoted {
        return Ok(text.to_owned());
    }
    Err(Problem::PragmaValue {
        name: name.to_owned(),
        value: value.text.clone(),
    })
}
