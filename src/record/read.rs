//! Reading a record line by line, in memory bounded by its longest line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::Line;
use super::decode::{DecodeError, Decoded, decode};

/// A line longer than this is none of ours.
const LINE_LIMIT_BYTES: u64 = 16 * 1024 * 1024;
/// Of a file, at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// Why a record could not be read on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file could not be opened or read.
    #[error("cannot read the record {name}: {cause}")]
    Io {
        /// The record.
        name: String,
        /// The system's words.
        cause: io::Error,
    },
    /// A line that no suite wrote, or a newer one.
    #[error("{name}, line {number}: {cause}")]
    Line {
        /// The record.
        name: String,
        /// From 1.
        number: u64,
        /// What is wrong with it.
        cause: DecodeError,
    },
    /// A line that does not end.
    #[error("{name}, line {number}: longer than {LINE_LIMIT_BYTES} bytes: not a record")]
    TooLong {
        /// The record.
        name: String,
        /// From 1.
        number: u64,
    },
}

/// What a [`Reader`] passed over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    /// Lines of unknown kinds.
    pub skipped: u64,
    /// The first of those kinds.
    pub first_unknown_kind: Option<String>,
    /// The number of a last line that was cut off: its writer was killed in the middle of it.
    pub cut_off_line: Option<u64>,
}

/// The lines of a record, in order. Ends at the first error.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    name: String,
    buffer: Vec<u8>,
    number: u64,
    notes: Notes,
    over: bool,
}

/// A record's file, compressed or not.
pub type Input = Box<dyn BufRead>;

impl Reader<Input> {
    /// The record at `path`, which may be gzipped: by its first bytes, not by its name.
    ///
    /// # Errors
    /// The file cannot be opened or read.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let name = path.display().to_string();
        match open(path) {
            Ok(input) => Ok(Reader::over(input, &name)),
            Err(cause) => Err(ReadError::Io { name, cause }),
        }
    }
}

fn open(path: &Path) -> io::Result<Input> {
    const GZIP: [u8; 2] = [0x1f, 0x8b];
    let mut file = BufReader::with_capacity(BUFFER_BYTES, File::open(path)?);
    Ok(match file.fill_buf()?.starts_with(&GZIP) {
        true => Box::new(BufReader::new(MultiGzDecoder::new(file))),
        false => Box::new(file),
    })
}

impl<R: BufRead> Reader<R> {
    /// A record from anywhere; `name` is for messages.
    pub fn over(input: R, name: &str) -> Self {
        Reader {
            input,
            name: name.to_owned(),
            buffer: Vec::new(),
            number: 0,
            notes: Notes::default(),
            over: false,
        }
    }

    /// What was passed over so far; complete when the iteration has ended.
    pub fn notes(&self) -> &Notes {
        &self.notes
    }

    fn step(&mut self) -> Result<Option<Line>, ReadError> {
        loop {
            self.buffer.clear();
            let bytes = (&mut self.input)
                .take(LINE_LIMIT_BYTES)
                .read_until(b'\n', &mut self.buffer)
                .map_err(|cause| ReadError::Io {
                    name: self.name.clone(),
                    cause,
                })?;
            if bytes == 0 {
                return Ok(None);
            }
            self.number += 1;
            let whole = self.buffer.last() == Some(&b'\n');
            if !whole && bytes as u64 == LINE_LIMIT_BYTES {
                return Err(ReadError::TooLong {
                    name: self.name.clone(),
                    number: self.number,
                });
            }
            if self.buffer.trim_ascii().is_empty() {
                continue;
            }
            match decode(&self.buffer) {
                Ok(Decoded::Line(line)) => return Ok(Some(*line)),
                Ok(Decoded::UnknownKind(kind)) => {
                    self.notes.skipped += 1;
                    self.notes.first_unknown_kind.get_or_insert(kind);
                }
                Err(DecodeError::Malformed(_)) if !whole => {
                    self.notes.cut_off_line = Some(self.number);
                    return Ok(None);
                }
                Err(cause) => {
                    let (name, number) = (self.name.clone(), self.number);
                    return Err(ReadError::Line {
                        name,
                        number,
                        cause,
                    });
                }
            }
        }
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Line, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let item = self.step().transpose();
        self.over = !matches!(item, Some(Ok(_)));
        item
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::statements::Statements;
    use crate::record::{
        ErrorRecord, LedgerRecord, PhaseRecord, RemedyRecord, ResultRecord, SampleRecord,
        TermRecord, VerdictRecord, encode,
    };
    use crate::verdict::{
        Confidence, Evidence, Finding, GaveBack, Judgement, Probe, Unit, Verdict,
    };
    use proptest::prelude::*;

    fn read(text: &str) -> (Vec<Result<Line, String>>, Notes) {
        let mut reader = Reader::over(text.as_bytes(), "r.jsonl");
        let lines = reader
            .by_ref()
            .map(|line| line.map_err(|error| error.to_string()))
            .collect();
        (lines, reader.notes)
    }

    const ERROR: &str = r#"{"schema_version":1,"kind":"error","what":"io","message":"m"}"#;

    #[test]
    fn a_cut_off_last_line_is_a_note_and_what_stands_before_it_is_read() {
        let (lines, notes) = read(&format!("{ERROR}\n{}", &ERROR[..40]));
        assert_eq!(lines.len(), 1);
        assert!(lines[0].is_ok());
        assert_eq!(notes.cut_off_line, Some(2));
    }

    #[test]
    fn a_last_line_without_its_line_end_is_read() {
        let (lines, notes) = read(ERROR);
        assert_eq!((lines.len(), notes), (1, Notes::default()));
    }

    #[test]
    fn a_broken_line_in_the_middle_is_an_error_with_its_number() {
        let (lines, _) = read(&format!("{ERROR}\n{{\"schema\n{ERROR}\n"));
        assert_eq!(lines.len(), 2);
        assert!(
            lines[1]
                .as_ref()
                .unwrap_err()
                .starts_with("r.jsonl, line 2: "),
            "{lines:?}"
        );
    }

    #[test]
    fn unknown_kinds_and_unknown_fields_are_skipped() {
        let (lines, notes) = read(&format!(
            "{{\"schema_version\":1,\"kind\":\"weather\",\"x\":1}}\n\n{}\n",
            ERROR.replace("\"what\"", "\"later\":[1],\"what\"")
        ));
        assert_eq!(lines.len(), 1);
        assert!(lines[0].is_ok(), "{lines:?}");
        assert_eq!(
            (notes.skipped, notes.first_unknown_kind.as_deref()),
            (1, Some("weather"))
        );
    }

    #[test]
    fn a_newer_schema_is_refused_and_says_what_to_do() {
        let (lines, _) = read(&ERROR.replace(":1,", ":2,"));
        let message = lines[0].as_ref().unwrap_err();
        assert!(
            message.contains("schema_version 2") && message.contains("later"),
            "{message}"
        );
    }

    #[test]
    fn an_environment_comes_back_without_the_fields_of_the_line() {
        let map = serde_json::json!({"cpus": 2, "nested": {"a": [1, 2.5, null]}});
        let line = Line::Environment(map.as_object().cloned().unwrap());
        let mut bytes = Vec::new();
        encode(&line, &mut bytes).unwrap();
        assert_eq!(decode(&bytes).unwrap(), Decoded::Line(Box::new(line)));
    }

    fn term() -> impl Strategy<Value = TermRecord> {
        (
            any::<String>(),
            any::<i64>(),
            any::<bool>(),
            any::<Option<String>>(),
        )
            .prop_map(|(text, bytes, counts, within)| TermRecord {
                owner: text.clone().into(),
                term: text.clone().into(),
                bytes,
                source: text.into(),
                counts,
                within: within.map(Into::into),
            })
    }

    prop_compose! {
        fn phase()(
            scenario in any::<String>(), phase in any::<String>(),
            cycle in any::<Option<u32>>(), reading in any::<Option<u32>>(), partial in any::<bool>(),
            numbers in any::<[u64; 8]>(), rows in any::<Option<u64>>(),
            rss_bytes in any::<i64>(), unattributed_bytes in any::<i64>(),
            terms in prop::collection::vec(term(), 0..6),
            probe in prop::option::of(prop::sample::select(Probe::ALL.to_vec())),
            statements in prop::collection::vec(statements(), 0..3),
        ) -> Line {
            let [at_ns, elapsed_ns, user_ns, system_ns, page_faults, peak_rss_bytes, open_files,
                ledger_ns] = numbers;
            Line::Phase(PhaseRecord {
                scenario, phase, cycle, probe, statements, reading, partial, at_ns, elapsed_ns,
                user_ns, system_ns, page_faults, peak_rss_bytes, open_files, rows, ledger_ns,
                ledger: LedgerRecord { rss_bytes, unattributed_bytes, terms, ..LedgerRecord::default() },
            })
        }
    }

    fn statements() -> impl Strategy<Value = Statements> {
        (any::<Option<String>>(), any::<u64>(), any::<i64>()).prop_map(|(sql, count, bytes)| {
            Statements {
                sql,
                count,
                bytes,
                busy: count,
            }
        })
    }

    fn finding() -> impl Strategy<Value = Finding> {
        let verdict = prop::sample::select(Verdict::ALL.to_vec());
        let texts = (any::<String>(), any::<Option<String>>());
        // serde_json reads a fraction to its last digit only where few make it up.
        let eighths = || any::<i32>().prop_map(|number| f64::from(number) / 8.0);
        let slope = (eighths(), prop::option::of((eighths(), eighths())));
        (
            verdict,
            any::<i64>(),
            texts,
            slope,
            prop::collection::vec(statements(), 0..2),
        )
            .prop_map(
                |(verdict, bytes, (text, detail), (value, interval), statements)| Finding {
                    verdict,
                    bytes,
                    confidence: Confidence::Medium,
                    terms: vec![text.clone().into()],
                    evidence: vec![Evidence {
                        what: text.into(),
                        value,
                        unit: Unit::BytesPer,
                        interval,
                    }],
                    detail,
                    probe: Some(GaveBack {
                        probe: Probe::Trim,
                        rss_bytes: bytes,
                        sqlite_live_bytes: bytes,
                        sqlite_blocks: bytes,
                        page_cache_bytes: bytes,
                    }),
                    statements,
                },
            )
    }

    prop_compose! {
        fn verdict()(
            scenario in any::<String>(), none in any::<Option<String>>(),
            findings in prop::collection::vec(finding(), 0..3),
            expected in prop::option::of(prop::collection::vec(prop::sample::select(Verdict::ALL.to_vec()), 0..3)),
            readings in any::<u32>(),
        ) -> Line {
            Line::Verdict(VerdictRecord {
                scenario, expected,
                judgement: Judgement {
                    findings, none, per: "cycle".into(), readings: readings as usize,
                    ..Judgement::default()
                },
            })
        }
    }

    fn line() -> impl Strategy<Value = Line> {
        prop_oneof![
            phase(),
            verdict(),
            (any::<String>(), any::<u32>(), any::<Vec<String>>()).prop_map(|(of, round, set)| {
                Line::Remedy(RemedyRecord {
                    scenario: of.clone(),
                    of,
                    round,
                    set,
                })
            }),
            (any::<String>(), any::<[u64; 5]>()).prop_map(|(scenario, n)| {
                Line::Sample(SampleRecord {
                    scenario,
                    at_ns: n[0],
                    rss_bytes: n[1],
                    anonymous_bytes: n[2],
                    swap_bytes: n[3],
                    disk_bytes: n[4],
                })
            }),
            (any::<Option<String>>(), any::<String>()).prop_map(|(scenario, message)| {
                Line::Error(ErrorRecord {
                    scenario,
                    what: "killed".into(),
                    message,
                })
            }),
            (any::<String>(), any::<u64>(), any::<u32>(), any::<i64>()).prop_map(
                |(scenario, rows, eighths, last_rowid)| Line::Result(ResultRecord {
                    scenario,
                    inserted: rows,
                    rows,
                    distinct_rows: (rows % 3 == 0).then_some(rows),
                    last_rowid: (rows % 3 == 0).then_some(last_rowid),
                    content_hash: "00".into(),
                    verified: true,
                    cycles: (rows % 3 == 1).then_some(eighths),
                    dump_bytes: (rows % 3 == 1).then_some(rows),
                    not_closed: (last_rowid % 2 == 0).then(|| "unable to close".to_owned()),
                    rows_per_second: f64::from(eighths) / 8.0,
                    peak_rss_bytes: rows,
                    user_ns: rows,
                    system_ns: rows,
                })
            ),
        ]
    }

    /// See [`line_schema`](crate::record::schema::line_schema).
    fn schema() -> &'static jsonschema::Validator {
        static SCHEMA: std::sync::OnceLock<jsonschema::Validator> = std::sync::OnceLock::new();
        SCHEMA.get_or_init(|| {
            jsonschema::validator_for(&crate::record::schema::line_schema()).unwrap()
        })
    }

    proptest! {
        #[test]
        fn what_is_written_validates_and_is_read_back(lines in prop::collection::vec(line(), 0..8)) {
            let mut bytes = Vec::new();
            for line in &lines {
                encode(line, &mut bytes).unwrap();
            }
            for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                let value = serde_json::from_slice(line).unwrap();
                let valid = schema().validate(&value);
                prop_assert!(valid.is_ok(), "{}: {value}", valid.unwrap_err());
            }
            let back: Vec<Line> =
                Reader::over(bytes.as_slice(), "r").collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(back, lines);
        }

        #[test]
        fn a_record_cut_anywhere_gives_its_complete_lines(
            lines in prop::collection::vec(line(), 1..5), cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = Vec::new();
            for line in &lines {
                encode(line, &mut bytes).unwrap();
            }
            let kept = &bytes[..cut.index(bytes.len())];
            // A line that lacks nothing but its line end is complete, too.
            let complete = kept.split(|byte| *byte == b'\n')
                .filter(|line| decode(line).is_ok()).count();
            let mut reader = Reader::over(kept, "r");
            let back: Vec<Line> = reader.by_ref().collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(&back[..], &lines[..complete]);
        }
    }
}
