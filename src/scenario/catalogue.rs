//! Every scenario there is: those built in, and those of a directory.

use std::path::{Path, PathBuf};

use super::error::{Error, nearest};
use super::{Declaration, Problem, Scenario, Setting};

/// What `sqlite-membench` runs when it is asked for nothing.
pub const STANDARD_SET: &str = "standard";

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        [$((
            concat!("profiles/scenarios/", $name, ".toml"),
            include_str!(concat!("../../profiles/scenarios/", $name, ".toml")),
        )),*]
    };
}

/// Embedded, so that an installed binary works anywhere.
const BUILT_IN: [(&str, &str); 42] = built_in![
    "insert-10m",
    "insert-decimal",
    "insert-no-shrink",
    "insert-shrink-other-connection",
    "insert-single-transaction",
    "insert-leak-per-row",
    "insert-prepare-per-row",
    "insert-database-kinds",
    "insert-allocators",
    "snapshot-memory",
    "snapshot-file",
    "snapshot-no-dump",
    "snapshot-no-snapshot",
    "snapshot-one-thread",
    "snapshot-rotate-per-step",
    "snapshot-flat",
    "snapshot-arena-max",
    "snapshot-trim",
    "snapshot-tcache-off",
    "snapshot-arena",
    "snapshot-jemalloc-preload",
    "snapshot-vacuum-into",
    "snapshot-serialize",
    "snapshot-database-kinds",
    "fault-leaked-statement",
    "fault-leaked-connection",
    "fault-leaked-buffer",
    "fault-leaked-backup",
    "fault-open-blob",
    "fault-large-cache",
    "fault-many-connections",
    "fault-growing-memdb",
    "fault-huge-transaction",
    "fault-growing-vec",
    "fault-rust-fragmentation",
    "fault-mapped-database",
    "fault-page-size",
    "fault-large-sort",
    "fault-statement-cache",
    "fault-thread-stacks",
    "healthy-insert",
    "healthy-snapshot",
];

/// Declarations by name.
#[derive(Debug, Clone)]
pub struct Catalogue {
    declarations: Vec<Declaration>,
}

/// What to run, as a command line says it.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Scenarios by name; `NAME[KEY=VALUE]` for one cell of a matrix, as a run names it.
    pub names: Vec<String>,
    /// Sets by name.
    pub sets: Vec<String>,
    /// What replaces the declarations' own settings.
    pub settings: Vec<Setting>,
}

/// What a [`Selection`] comes to.
#[derive(Debug, Clone, Default)]
pub struct Resolved {
    /// In the order in which they run; each name once.
    pub scenarios: Vec<Scenario>,
    /// Members of a set that cannot run on this machine, and why. Asked for by its name, such a
    /// scenario is an error.
    pub left_out: Vec<(String, String)>,
}

impl Catalogue {
    /// Those that are built in.
    pub fn built_in() -> Result<Catalogue, Error> {
        let parse = |(file, text): &(&str, &str)| Declaration::parse(file, text);
        Ok(Catalogue {
            declarations: BUILT_IN.iter().map(parse).collect::<Result<_, _>>()?,
        })
    }

    /// Adds every `*.toml` of a directory, by file name.
    pub fn add_directory(&mut self, directory: &Path) -> Result<(), Error> {
        let unreadable = |cause| Error::Unreadable {
            path: directory.to_owned(),
            cause,
        };
        let mut files: Vec<PathBuf> = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "toml")
            {
                files.push(path);
            }
        }
        if files.is_empty() {
            return Err(Error::NoScenarios(directory.to_owned()));
        }
        files.sort();
        files
            .iter()
            .try_for_each(|file| self.add(Declaration::read(file)?))
    }

    /// Adds one declaration whose name is not taken yet.
    pub fn add(&mut self, declaration: Declaration) -> Result<(), Error> {
        match self
            .declarations
            .iter()
            .find(|known| known.name == declaration.name)
        {
            Some(known) => Err(Error::NameClash {
                file: declaration.file,
                name: declaration.name,
                other: match BUILT_IN.iter().any(|(file, _)| *file == known.file) {
                    true => "a built-in scenario".into(),
                    false => known.file.clone(),
                },
            }),
            None => {
                self.declarations.push(declaration);
                Ok(())
            }
        }
    }

    /// All, the built-in ones first.
    pub fn declarations(&self) -> &[Declaration] {
        &self.declarations
    }

    /// By its name.
    pub fn find(&self, name: &str) -> Result<&Declaration, Error> {
        self.declarations
            .iter()
            .find(|known| known.name == name)
            .ok_or_else(|| {
                let known = self
                    .declarations
                    .iter()
                    .map(|declaration| declaration.name.as_str());
                Error::UnknownScenario {
                    name: name.to_owned(),
                    nearest: nearest(name, known),
                }
            })
    }

    /// The scenarios to run; the standard set where nothing is named.
    pub fn resolve(&self, selection: &Selection) -> Result<Resolved, Error> {
        let settings = Setting::joined(&selection.settings)?;
        let mut chosen: Vec<&Declaration> = Vec::new();
        let mut scenarios: Vec<Scenario> = Vec::new();
        let mut left_out = Vec::new();
        for name in &selection.names {
            let before = scenarios.len();
            match name.split_once('[') {
                None => {
                    let declaration = self.find(name)?;
                    scenarios.extend(declaration.scenarios(&settings)?);
                    chosen.push(declaration);
                }
                Some((whole, _)) => {
                    let declaration = self.find(whole)?;
                    scenarios.push(cell(declaration.scenarios(&settings)?, name)?);
                }
            }
            let (earlier, added) = scenarios.split_at(before);
            if added
                .iter()
                .any(|new| earlier.iter().any(|old| old.name == new.name))
            {
                return Err(Error::NamedTwice(name.clone()));
            }
        }
        let standard = [STANDARD_SET.to_owned()];
        let nothing_named = selection.names.is_empty() && selection.sets.is_empty();
        for set in if nothing_named {
            &standard[..]
        } else {
            &selection.sets
        } {
            for declaration in self.set(set)? {
                if !chosen.iter().any(|known| known.name == declaration.name) {
                    chosen.push(declaration);
                    let made = match declaration.scenarios(&settings) {
                        Err(error) if is_not_installed(&error) => {
                            left_out.push((declaration.name.clone(), error.to_string()));
                            continue;
                        }
                        made => made?,
                    };
                    let new = |made: &Scenario| scenarios.iter().all(|old| old.name != made.name);
                    let made: Vec<Scenario> = made.into_iter().filter(new).collect();
                    scenarios.extend(made);
                }
            }
        }
        for setting in &settings {
            let applies = |one: &Scenario| setting.key.applies_to(one.workload.kind());
            if !scenarios.iter().any(applies) {
                return Err(applies_to_none(setting));
            }
        }
        Ok(Resolved {
            scenarios,
            left_out,
        })
    }

    fn set(&self, name: &str) -> Result<Vec<&Declaration>, Error> {
        let belongs = |declaration: &&Declaration| declaration.sets.iter().any(|set| set == name);
        let members: Vec<_> = self.declarations.iter().filter(belongs).collect();
        if members.is_empty() {
            let mut sets: Vec<_> = self
                .declarations
                .iter()
                .flat_map(|d| d.sets.clone())
                .collect();
            sets.sort();
            sets.dedup();
            return Err(Error::UnknownSet {
                name: name.to_owned(),
                sets,
            });
        }
        Ok(members)
    }
}

fn is_not_installed(error: &Error) -> bool {
    matches!(error, Error::At { problem, .. } if matches!(**problem, Problem::NotInstalled { .. }))
}

fn applies_to_none(setting: &Setting) -> Error {
    let workload = super::WorkloadKind::ALL
        .into_iter()
        .find(|workload| setting.key.applies_to(*workload));
    Error::AppliesToNone {
        place: setting.place(),
        key: setting.key.to_string(),
        workload: workload.map_or("none", super::WorkloadKind::name),
    }
}

/// The one that a run would call `name`.
fn cell(scenarios: Vec<Scenario>, name: &str) -> Result<Scenario, Error> {
    let nearest = nearest(
        name,
        scenarios.iter().map(|scenario| scenario.name.as_str()),
    );
    let found = scenarios.into_iter().find(|scenario| scenario.name == name);
    found.ok_or_else(|| Error::UnknownScenario {
        name: name.to_owned(),
        nearest,
    })
}

impl Declaration {
    /// How many scenarios its arrays make.
    pub fn cells(&self) -> usize {
        self.settings
            .iter()
            .map(|setting| setting.values.len())
            .product()
    }
}
