//! Every reading of a record, whatever its length: for JSON, and as `cycles.csv`.

use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};

use super::{Collector, CycleReading};
use crate::record::{Input, Line, ReadError, Reader};
use crate::report::csv::field;
use crate::report::instrumented::names;
use crate::report::scenario_of;
use crate::whole_file;

/// The file in a run directory.
pub const FILE: &str = "cycles.csv";

/// Whose a reading is.
#[derive(Debug, Clone, Default)]
pub struct Whose {
    /// The scenario's name.
    pub scenario: String,
    /// What else was at work in its testee, as [`names`] writes it.
    pub instruments: String,
}

/// The readings of a record with the names of their scenarios, in its order. Holds one cycle.
#[derive(Debug)]
pub struct Readings<R> {
    reader: Reader<R>,
    whose: Whose,
    collector: Collector,
    /// Made of the line that also ended the one before.
    ahead: Option<(Whose, CycleReading)>,
    over: bool,
}

impl Readings<Input> {
    /// Of the record at `path`.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        Reader::open(path).map(Readings::of)
    }
}

impl<R: BufRead> Readings<R> {
    /// Of a record from anywhere.
    pub fn of(reader: Reader<R>) -> Self {
        Readings {
            reader,
            whose: Whose::default(),
            collector: Collector::default(),
            ahead: None,
            over: false,
        }
    }

    fn step(&mut self) -> Result<Option<(Whose, CycleReading)>, ReadError> {
        if let Some(reading) = self.ahead.take() {
            return Ok(Some(reading));
        }
        while let Some(line) = self.reader.next().transpose()? {
            let Some(scenario) = scenario_of(&line) else {
                continue;
            };
            let mut ended = None;
            if scenario != self.whose.scenario {
                let last = self.collector.end();
                let next = Whose {
                    scenario: scenario.to_owned(),
                    ..Whose::default()
                };
                let whose = std::mem::replace(&mut self.whose, next);
                ended = last.map(|reading| (whose, reading));
                self.collector = Collector::default();
            }
            if let Line::Scenario(scenario) = &line {
                self.whose.instruments = names(&scenario.instruments);
            }
            let found = self.collector.line(&line);
            let found = found.map(|reading| (self.whose.clone(), reading));
            // A scenario's first line ends no cycle of its own.
            if ended.is_some() {
                self.ahead = found;
                return Ok(ended);
            }
            if found.is_some() {
                return Ok(found);
            }
        }
        let last = self.collector.end();
        Ok(last.map(|reading| (self.whose.clone(), reading)))
    }
}

impl<R: BufRead> Iterator for Readings<R> {
    type Item = Result<(Whose, CycleReading), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let item = self.step().transpose();
        self.over = !matches!(item, Some(Ok(_)));
        item
    }
}

/// Writes `cycles.csv` beside `record`, whole or not at all: a row for each scenario and cycle.
/// `None` where nothing in the record has cycles.
pub fn write_file(record: &Path) -> io::Result<Option<PathBuf>> {
    let mut readings = Readings::open(record).map_err(io::Error::other)?.peekable();
    if readings.peek().is_none() {
        return Ok(None);
    }
    let path = record.with_file_name(FILE);
    whole_file::create(&path, |out| write_csv(out, readings))?;
    Ok(Some(path))
}

/// A header and a row for each reading, in bytes and nanoseconds.
pub fn write_csv(
    out: &mut dyn Write,
    readings: impl Iterator<Item = Result<(Whose, CycleReading), ReadError>>,
) -> io::Result<()> {
    writeln!(
        out,
        "scenario,cycle,partial,rss_bytes,sqlite_live_bytes,retained_bytes,open_files,arenas,\
         peak_rss_bytes,elapsed_ns,unattributed_bytes,instruments"
    )?;
    for item in readings {
        let (whose, one) = item.map_err(io::Error::other)?;
        let arenas = one.arenas.map(|arenas| arenas.to_string());
        writeln!(
            out,
            "{},{},{},{},{},{},{},{},{},{},{},{}",
            field(&whose.scenario),
            one.cycle,
            one.partial,
            one.rss_bytes,
            one.sqlite_live_bytes,
            one.retained_bytes,
            one.open_files,
            arenas.unwrap_or_default(),
            one.peak_rss_bytes,
            one.elapsed_ns,
            one.unattributed_bytes,
            whose.instruments
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::samples::{MIB, lines};
    use super::*;
    use crate::record::Writer;

    fn record(directory: &Path, lines: &[Line]) -> PathBuf {
        let path = directory.join("record.jsonl");
        let mut writer = Writer::create(&path).unwrap();
        for line in lines {
            writer.append(line).unwrap();
        }
        path
    }

    #[test]
    fn the_file_has_a_row_for_each_scenario_and_cycle_and_reads_back() {
        let directory = tempfile::tempdir().unwrap();
        let mut all = lines("snapshot-memory[a=1,b=2]", &[560, 1000, 1500]);
        all.extend(lines("insert", &[]));
        let mut cut = lines("snapshot-file", &[570, 571]);
        cut.truncate(2);
        all.extend(cut);
        let path = write_file(&record(directory.path(), &all)).unwrap();
        let text = std::fs::read_to_string(path.unwrap()).unwrap();
        let rows: Vec<&str> = text.lines().collect();
        assert_eq!(rows.len(), 1 + 3 + 2, "{text}");
        assert!(rows[0].starts_with("scenario,cycle,partial,rss_bytes,"));
        let columns = rows[0].split(',').count();
        let last = rows[3].strip_prefix("\"snapshot-memory[a=1,b=2]\",2,false,");
        // Nothing was at work in it, which the last column says.
        let cells: Vec<i64> = (last.unwrap().strip_suffix(','))
            .unwrap()
            .split(',')
            .map(|n| n.parse().unwrap())
            .collect();
        assert_eq!(cells.len() + 4, columns);
        assert_eq!(cells[0], 1500 * MIB);
        assert_eq!(cells[1..5], [551 * MIB, 940 * MIB, 4, 3]);
        assert_eq!(cells[6], 6_000_000_000);
        assert!(rows[4].starts_with("snapshot-file,0,false,"), "{text}");
        assert!(rows[5].starts_with("snapshot-file,1,true,"), "{text}");
        // Nothing is left beside it.
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_run_without_cycles_has_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = record(directory.path(), &lines("insert", &[]));
        assert_eq!(write_file(&path).unwrap(), None);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_record_that_cannot_be_read_leaves_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = record(directory.path(), &lines("s", &[560, 1000]));
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("{\"schema\n{}\n");
        std::fs::write(&path, text).unwrap();
        assert!(write_file(&path).is_err());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
