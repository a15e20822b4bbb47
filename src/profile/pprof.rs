//! The interchange format: pprof's protobuf, gzipped, with names, so that no viewer needs the executable.

use std::collections::HashMap;
use std::hash::Hash;
use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;

use super::moments::Quantity;
use super::proto::{self, Label, Line, Location, Mapping, Sample, ValueType};
use super::raw::{self, Side, Source};
use super::symbols::{file_name, module_of};
use super::view::{Profile, Row};
use super::words;

/// Numbers for what is written once, from 1 or from 0.
#[derive(Debug)]
struct Table<K> {
    numbers: HashMap<K, u64>,
    first: u64,
}

impl<K: Hash + Eq + Clone> Table<K> {
    fn new(first: u64) -> Self {
        Table {
            numbers: HashMap::new(),
            first,
        }
    }

    /// Its number, and whether it is new.
    fn number(&mut self, key: &K) -> (u64, bool) {
        if let Some(number) = self.numbers.get(key) {
            return (*number, false);
        }
        let number = self.first + self.numbers.len() as u64;
        self.numbers.insert(key.clone(), number);
        (number, true)
    }
}

struct Writer<'a> {
    profile: &'a Profile,
    out: proto::Profile,
    strings: Table<String>,
    functions: Table<(String, Option<String>)>,
    locations: Table<(u64, Vec<Line>)>,
}

/// `profile` as a file. Of a heap what is live at its moment, or at its peak, and everything that was
/// allocated until then; of a CPU profile samples and time.
pub fn write(profile: &Profile, out: impl Write) -> io::Result<()> {
    let mut writer = Writer::new(profile);
    writer.add_types();
    writer.add_mappings();
    for row in &profile.rows {
        writer.add_row(row);
    }
    for comment in comments(profile) {
        let comment = writer.string(&comment);
        writer.out.comment.push(comment);
    }
    let mut gzip = GzEncoder::new(out, Compression::default());
    gzip.write_all(&writer.out.encode_to_vec())?;
    gzip.finish()?.flush()
}

/// What the numbers are and how far they may be wrong.
fn comments(profile: &Profile) -> Vec<String> {
    let head = format!("scenario {}, moment {}", profile.scenario, profile.when);
    let mut comments = vec![head];
    comments.extend(words::accuracy(profile, profile.quantity()));
    comments.extend(words::warnings(profile, profile.quantity()));
    comments
}

impl<'a> Writer<'a> {
    fn new(profile: &'a Profile) -> Self {
        let mut writer = Writer {
            profile,
            out: proto::Profile::default(),
            strings: Table::new(0),
            functions: Table::new(1),
            locations: Table::new(1),
        };
        writer.string("");
        writer.out.duration_nanos = signed(profile.at_ns);
        writer
    }

    fn string(&mut self, text: &str) -> i64 {
        let (number, is_new) = self.strings.number(&text.to_owned());
        if is_new {
            self.out.string_table.push(text.to_owned());
        }
        signed(number)
    }

    fn value_type(&mut self, kind: &str, unit: &str) -> ValueType {
        ValueType {
            kind: self.string(kind),
            unit: self.string(unit),
        }
    }

    fn add_types(&mut self) {
        let (types, period_type, period): (&[_], _, _) = match self.profile.source {
            Source::Heap { interval_bytes, .. } => (
                &[
                    ("inuse_objects", "count"),
                    ("inuse_space", "bytes"),
                    ("alloc_objects", "count"),
                    ("alloc_space", "bytes"),
                ],
                ("space", "bytes"),
                interval_bytes,
            ),
            Source::Cpu { interval_ns } => (
                &[("samples", "count"), ("cpu", "nanoseconds")],
                ("cpu", "nanoseconds"),
                interval_ns,
            ),
        };
        for (kind, unit) in types {
            let one = self.value_type(kind, unit);
            self.out.sample_type.push(one);
        }
        self.out.period_type = Some(self.value_type(period_type.0, period_type.1));
        self.out.period = signed(period);
        self.out.default_sample_type = self.string(match self.profile.quantity() {
            _ if types.len() == 2 => "cpu",
            Quantity::Total => "alloc_space",
            Quantity::Now | Quantity::Peak => "inuse_space",
        });
    }

    fn add_mappings(&mut self) {
        let profile = self.profile;
        for (index, module) in profile.modules.iter().enumerate() {
            let filename = self.string(file_name(module));
            let build_id = self.string(module.build_id.as_deref().unwrap_or_default());
            self.out.mapping.push(Mapping {
                id: index as u64 + 1,
                memory_start: module.start,
                memory_limit: module.end,
                file_offset: module.file_offset,
                filename,
                build_id,
                // A viewer that finds one of these missing looks for the file itself.
                has_functions: true,
                has_filenames: true,
                has_line_numbers: true,
                has_inline_frames: true,
            });
        }
    }

    fn function(&mut self, name: &str, file: Option<&str>) -> u64 {
        let key = (name.to_owned(), file.map(str::to_owned));
        let (id, is_new) = self.functions.number(&key);
        if is_new {
            let name = self.string(name);
            let filename = self.string(file.unwrap_or_default());
            self.out.function.push(proto::Function {
                id,
                name,
                system_name: name,
                filename,
            });
        }
        id
    }

    fn location(&mut self, address: u64, line: Vec<Line>) -> u64 {
        let key = (address, line);
        let (id, is_new) = self.locations.number(&key);
        if is_new {
            let mapping = module_of(&self.profile.modules, address);
            self.out.location.push(Location {
                id,
                mapping_id: mapping.map_or(0, |index| index as u64 + 1),
                address,
                line: key.1,
            });
        }
        id
    }

    fn line(&mut self, function: &raw::Function) -> Line {
        Line {
            function_id: self.function(&function.name, function.file.as_deref()),
            line: function.line.map_or(0, i64::from),
        }
    }

    fn add_row(&mut self, row: &Row) {
        let profile = self.profile;
        let live = match profile.quantity() {
            Quantity::Peak => row.peak,
            _ => row.now,
        };
        let value = match profile.source {
            Source::Heap { .. } => vec![live.blocks, live.bytes, row.total.blocks, row.total.bytes],
            Source::Cpu { .. } => vec![row.total.blocks, row.total.bytes],
        };
        if value.iter().all(|value| *value == 0) {
            return;
        }
        let mut location_id = Vec::new();
        let mut lines = Vec::new();
        for place in &row.stack {
            let frame = &profile.frames[*place];
            lines.push(self.line(&frame.function));
            if !frame.inlined {
                location_id.push(self.location(frame.address, std::mem::take(&mut lines)));
            }
        }
        if let Some(statement) = profile.root(row) {
            let root = Line {
                function_id: self.function(statement, None),
                line: 0,
            };
            location_id.push(self.location(0, vec![root]));
        }
        let label = self.labels(row);
        self.out.sample.push(Sample {
            location_id,
            value: value.into_iter().map(signed).collect(),
            label,
        });
    }

    fn labels(&mut self, row: &Row) -> Vec<Label> {
        let heap = match row.side {
            Side::Sqlite => Some("sqlite"),
            Side::Rust => Some("rust"),
            Side::Unknown => None,
        };
        let statement = row.statement.map(|_| self.profile.statement(row));
        let labels = [("heap", heap), ("statement", statement)];
        let labels = labels.into_iter().filter_map(|(key, value)| {
            Some(Label {
                key: self.string(key),
                str: self.string(value?),
            })
        });
        labels.collect()
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
