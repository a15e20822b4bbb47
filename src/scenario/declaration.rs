//! A scenario as a TOML file declares it, with the line of everything that it says.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Error, Place, Problem, nearest};
use super::expect::Expectation;
use super::key::{Key, Parameter, WorkloadKind};
use super::setting::{Kind, Setting, Value};
use super::{Limits, units};
use crate::workload::fault::Fault;

/// A file of `profiles/scenarios`, or one of the user's own.
#[derive(Debug, Clone)]
pub struct Declaration {
    /// Unique among all.
    pub name: String,
    /// One line.
    pub summary: String,
    /// What it is, where it came from, what to expect.
    pub about: String,
    /// What drives SQLite.
    pub workload: WorkloadKind,
    /// The sets that it belongs to.
    pub sets: Vec<String>,
    /// The verdicts that it should get.
    pub expect: Vec<Expectation>,
    /// Parameters, PRAGMAs and environment, in the order of the file.
    pub settings: Vec<Setting>,
    /// What stops each of its testees.
    pub limits: Limits,
    /// The file, as a user would name it.
    pub file: String,
    /// What a relative `preload` starts from; the current directory for one that is built in.
    pub directory: PathBuf,
}

const KEYS: [&str; 10] = [
    "name",
    "summary",
    "about",
    "workload",
    "sets",
    "expect",
    "parameters",
    "pragmas",
    "env",
    "limits",
];

/// Reads one file; knows where in it everything stands.
pub(super) struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    scenario: Option<String>,
}

pub(super) type Item<'a> = Spanned<DeValue<'a>>;

impl Declaration {
    /// From `text`, which is what `file` holds.
    pub fn parse(file: &str, text: &str) -> Result<Declaration, Error> {
        let mut reader = Reader {
            file,
            text,
            scenario: None,
        };
        let table = DeTable::parse(text).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            reader.error(span, Problem::Syntax(error.message().to_owned()))
        })?;
        let end = text.len()..text.len();
        let table = table.get_ref();
        reader.known_keys(table)?;

        let name = reader.name(table)?;
        reader.scenario = Some(name.clone());
        let workload = reader.workload(table)?;
        let (summary, _) = reader.required(table, "summary", "one line for `list`")?;
        let (about, _) = reader.required(
            table,
            "about",
            "what it is, where it came from, what to expect",
        )?;
        let settings = reader.settings(table, workload)?;
        let (sets, limits) = (reader.sets(table)?, reader.limits(table)?);
        let expect = reader.expect(table)?;
        if let Some((parameter, problem)) = needed(workload) {
            let key = Key::Parameter(parameter);
            if !settings.iter().any(|setting| setting.key == key) {
                return Err(reader.error(end, problem));
            }
        }
        Ok(Declaration {
            sets,
            expect,
            limits,
            workload,
            name,
            summary,
            about: about.trim().to_owned(),
            settings,
            file: file.to_owned(),
            directory: PathBuf::new(),
        })
    }

    /// From a file of the user's.
    pub fn read(path: &Path) -> Result<Declaration, Error> {
        let text = std::fs::read_to_string(path).map_err(|cause| Error::Unreadable {
            path: path.to_owned(),
            cause,
        })?;
        let mut declaration = Declaration::parse(&path.display().to_string(), &text)?;
        declaration.directory = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(declaration)
    }
}

/// What a scenario of this workload cannot do without, and what is wrong where it is missing.
fn needed(workload: WorkloadKind) -> Option<(Parameter, Problem)> {
    let (parameter, key, what) = match workload {
        WorkloadKind::Insert => (Parameter::Rows, "parameters.rows", "how many rows go in"),
        WorkloadKind::Snapshot => return None,
        WorkloadKind::Fault => (Parameter::Fault, "parameters.fault", Fault::CHOICES),
    };
    Some((parameter, Problem::Missing { key, what }))
}

impl Reader<'_> {
    fn place(&self, span: Range<usize>) -> Place {
        let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Place::File {
            file: self.file.to_owned(),
            line,
        }
    }

    pub(super) fn error(&self, span: Range<usize>, problem: Problem) -> Error {
        problem.at(self.scenario.as_deref(), &self.place(span))
    }

    pub(super) fn wrong_type(&self, key: &str, expected: &'static str, item: &Item<'_>) -> Error {
        let found = format!("a {}", item.get_ref().type_str());
        let found = if found == "a integer" || found == "a array" {
            found.replacen('a', "an", 1)
        } else {
            found
        };
        self.error(
            item.span(),
            Problem::WrongType {
                key: key.to_owned(),
                expected,
                found,
            },
        )
    }

    fn known_keys(&self, table: &DeTable<'_>) -> Result<(), Error> {
        match table
            .keys()
            .find(|key| !KEYS.contains(&key.get_ref().as_ref()))
        {
            None => Ok(()),
            Some(key) => {
                let name = key.get_ref().to_string();
                let nearest = nearest(&name, KEYS);
                Err(self.error(key.span(), Problem::UnknownKey { key: name, nearest }))
            }
        }
    }

    fn required(
        &self,
        table: &DeTable<'_>,
        key: &'static str,
        what: &'static str,
    ) -> Result<(String, Range<usize>), Error> {
        let Some(item) = table.get(key) else {
            return Err(self.error(0..0, Problem::Missing { key, what }));
        };
        match item.get_ref() {
            DeValue::String(text) => Ok((text.trim().to_owned(), item.span())),
            _ => Err(self.wrong_type(key, "a string", item)),
        }
    }

    fn name(&self, table: &DeTable<'_>) -> Result<String, Error> {
        let (name, span) = self.required(table, "name", "what `run` and the record call it")?;
        let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if name.is_empty() || !name.bytes().all(fits) {
            return Err(self.error(span, Problem::BadName(name)));
        }
        Ok(name)
    }

    fn workload(&self, table: &DeTable<'_>) -> Result<WorkloadKind, Error> {
        let what = "what drives SQLite: insert, snapshot or fault";
        let (value, span) = self.required(table, "workload", what)?;
        let named = |kind: &WorkloadKind| kind.name() == value;
        if let Some(kind) = WorkloadKind::ALL.into_iter().find(named) {
            return Ok(kind);
        }
        let names = WorkloadKind::ALL.map(WorkloadKind::name);
        let (key, allowed) = ("workload".to_owned(), names.join(", "));
        let nearest = nearest(&value, names);
        Err(self.error(
            span,
            Problem::NotAChoice {
                key,
                value,
                allowed,
                nearest,
            },
        ))
    }

    fn sets(&self, table: &DeTable<'_>) -> Result<Vec<String>, Error> {
        let Some(item) = table.get("sets") else {
            return Ok(Vec::new());
        };
        let expected = "an array of strings";
        let DeValue::Array(names) = item.get_ref() else {
            return Err(self.wrong_type("sets", expected, item));
        };
        let name = |item: &Item<'_>| match item.get_ref() {
            DeValue::String(name) => Ok(name.to_string()),
            _ => Err(self.wrong_type("sets", expected, item)),
        };
        names.iter().map(name).collect()
    }

    fn table<'t, 'i>(
        &self,
        table: &'t DeTable<'i>,
        key: &'static str,
    ) -> Result<Option<&'t DeTable<'i>>, Error> {
        match table.get(key) {
            None => Ok(None),
            Some(item) => match item.get_ref() {
                DeValue::Table(inner) => Ok(Some(inner)),
                _ => Err(self.wrong_type(key, "a table", item)),
            },
        }
    }

    fn settings(&self, table: &DeTable<'_>, workload: WorkloadKind) -> Result<Vec<Setting>, Error> {
        type ParseKey = fn(&str) -> Result<Key, Problem>;
        let parameter: ParseKey = |name| Parameter::parse(name).map(Key::Parameter);
        let groups: [(_, ParseKey); 3] = [
            ("parameters", parameter),
            ("pragmas", Key::pragma),
            ("env", Key::env),
        ];
        let mut settings: Vec<Setting> = Vec::new();
        for (group, parse) in groups {
            let Some(inner) = self.table(table, group)? else {
                continue;
            };
            for (name, item) in inner {
                let parsed = parse(name.get_ref()).and_then(|key| {
                    let twice = settings.iter().any(|setting| setting.key == key);
                    let value = name.get_ref().to_string();
                    if twice {
                        Err(Problem::Repeated {
                            key: group.into(),
                            value,
                        })
                    } else if !key.applies_to(workload) {
                        Err(Problem::NotApplicable {
                            key: value,
                            workload: workload.name(),
                        })
                    } else {
                        Ok(key)
                    }
                });
                let key = parsed.map_err(|problem| self.error(name.span(), problem))?;
                let values = self.values(&key, item)?;
                settings.push(Setting { key, values }.checked(self.scenario.as_deref())?);
            }
        }
        Ok(settings)
    }

    pub(super) fn values(&self, key: &Key, item: &Item<'_>) -> Result<Vec<Value>, Error> {
        let DeValue::Array(items) = item.get_ref() else {
            return Ok(vec![self.value(key, item)?]);
        };
        if items.is_empty() {
            return Err(self.error(item.span(), Problem::NoValue(key.to_string())));
        }
        items.iter().map(|item| self.value(key, item)).collect()
    }

    fn value(&self, key: &Key, item: &Item<'_>) -> Result<Value, Error> {
        let (text, kind) = match item.get_ref() {
            DeValue::String(text) => (text.to_string(), Kind::Text),
            DeValue::Integer(number) => {
                let decimal = i128::from_str_radix(number.as_str(), number.radix());
                let text = decimal.map_or_else(|_| number.to_string(), |number| number.to_string());
                (text, Kind::Integer)
            }
            DeValue::Float(number) => (number.as_str().to_owned(), Kind::Float),
            DeValue::Boolean(truth) => (truth.to_string(), Kind::Boolean),
            DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                let expected = "a string, a number, a boolean, or an array of those";
                return Err(self.wrong_type(&key.to_string(), expected, item));
            }
        };
        Ok(Value {
            text,
            kind,
            place: self.place(item.span()),
        })
    }

    fn limits(&self, table: &DeTable<'_>) -> Result<Limits, Error> {
        let mut limits = Limits::default();
        let Some(inner) = self.table(table, "limits")? else {
            return Ok(limits);
        };
        for (name, item) in inner {
            let key = format!("limits.{}", name.get_ref());
            let DeValue::String(text) = item.get_ref() else {
                return Err(self.wrong_type(
                    &key,
                    "a string with a unit, such as \"600MiB\"",
                    item,
                ));
            };
            let unit = |problem| {
                self.error(
                    item.span(),
                    Problem::Unit {
                        key: key.clone(),
                        problem,
                    },
                )
            };
            match name.get_ref().as_ref() {
                "rss" => limits.rss_bytes = Some(units::size(text).map_err(unit)?),
                "disk" => limits.disk_bytes = Some(units::size(text).map_err(unit)?),
                "time" => limits.time_ns = Some(nanoseconds(units::time(text).map_err(unit)?)),
                other => {
                    let nearest = nearest(other, ["rss", "time", "disk"]);
                    let key = other.to_owned();
                    return Err(self.error(name.span(), Problem::UnknownKey { key, nearest }));
                }
            }
        }
        Ok(limits)
    }
}

fn nanoseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
