//! Reads pprof's files, independently of what writes them: fields by their numbers, as the format says.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

/// A field's number, and what it holds.
enum Field<'a> {
    Number(u64, u64),
    Bytes(u64, &'a [u8]),
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return value;
        }
    }
    panic!("a number of more than 64 bits");
}

fn fields(mut bytes: &[u8]) -> Vec<Field<'_>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        match tag & 7 {
            0 => fields.push(Field::Number(tag >> 3, varint(&mut bytes))),
            2 => {
                let length = varint(&mut bytes) as usize;
                let (content, rest) = bytes.split_at(length);
                fields.push(Field::Bytes(tag >> 3, content));
                bytes = rest;
            }
            other => panic!("wire type {other}, which no pprof file has"),
        }
    }
    fields
}

/// Repeated numbers, packed or not.
fn numbers(fields: &[Field<'_>], wanted: u64) -> Vec<u64> {
    let mut all = Vec::new();
    for field in fields {
        match field {
            Field::Number(number, value) if *number == wanted => all.push(*value),
            Field::Bytes(number, bytes) if *number == wanted => {
                let mut bytes = *bytes;
                while !bytes.is_empty() {
                    all.push(varint(&mut bytes));
                }
            }
            _ => {}
        }
    }
    all
}

fn number(fields: &[Field<'_>], wanted: u64) -> u64 {
    numbers(fields, wanted).first().copied().unwrap_or(0)
}

fn messages<'a>(all: &[Field<'a>], wanted: u64) -> Vec<Vec<Field<'a>>> {
    let wanted = all.iter().filter_map(|field| match field {
        Field::Bytes(number, bytes) if *number == wanted => Some(fields(bytes)),
        _ => None,
    });
    wanted.collect()
}

pub struct Sample {
    /// Leaf first, inlined functions too.
    pub functions: Vec<String>,
    pub values: Vec<i64>,
    pub labels: HashMap<String, String>,
}

pub struct Profile {
    /// `inuse_space/bytes`
    pub types: Vec<String>,
    pub default_type: String,
    pub period: u64,
    pub samples: Vec<Sample>,
    pub comments: Vec<String>,
    pub strings: Vec<String>,
    /// Names of the mappings' files.
    pub mappings: Vec<String>,
    /// How many locations lie in a mapping.
    pub mapped: usize,
}

impl Profile {
    pub fn read(path: &Path) -> Profile {
        let file = std::fs::File::open(path).unwrap();
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(file)
            .read_to_end(&mut bytes)
            .unwrap();
        Profile::parse(&bytes)
    }

    fn parse(bytes: &[u8]) -> Profile {
        let all = fields(bytes);
        let strings = all.iter().filter_map(|field| match field {
            Field::Bytes(6, text) => Some(String::from_utf8(text.to_vec()).unwrap()),
            _ => None,
        });
        let strings: Vec<String> = strings.collect();
        assert_eq!(strings[0], "");
        let text = |index: u64| strings[index as usize].clone();
        let functions: HashMap<u64, String> = messages(&all, 5)
            .iter()
            .map(|one| (number(one, 1), text(number(one, 2))))
            .collect();
        let mapping_ids: Vec<u64> = messages(&all, 3).iter().map(|one| number(one, 1)).collect();
        let mut mapped = 0;
        let mut locations = HashMap::new();
        for one in messages(&all, 4) {
            let mapping = number(&one, 2);
            assert!(mapping == 0 || mapping_ids.contains(&mapping));
            mapped += usize::from(mapping != 0);
            let lines = messages(&one, 4);
            let names: Vec<String> = lines
                .iter()
                .map(|line| functions[&number(line, 1)].clone())
                .collect();
            assert!(!names.is_empty());
            assert!(locations.insert(number(&one, 1), names).is_none());
        }
        let samples = messages(&all, 2);
        let samples = samples.iter().map(|one| Sample {
            functions: numbers(one, 1)
                .iter()
                .flat_map(|id| locations[id].clone())
                .collect(),
            values: numbers(one, 2).iter().map(|value| *value as i64).collect(),
            labels: messages(one, 3)
                .iter()
                .map(|label| (text(number(label, 1)), text(number(label, 2))))
                .collect(),
        });
        let types = messages(&all, 1);
        let types = types
            .iter()
            .map(|one| format!("{}/{}", text(number(one, 1)), text(number(one, 2))));
        Profile {
            types: types.collect(),
            default_type: text(number(&all, 14)),
            period: number(&all, 12),
            samples: samples.collect(),
            comments: numbers(&all, 13).into_iter().map(text).collect(),
            mappings: messages(&all, 3)
                .iter()
                .map(|one| text(number(one, 5)))
                .collect(),
            mapped,
            strings: strings.clone(),
        }
    }

    /// Of all samples.
    pub fn total(&self, kind: &str) -> i64 {
        let index = self.types.iter().position(|one| one == kind).unwrap();
        self.samples.iter().map(|sample| sample.values[index]).sum()
    }
}
