//! One row for each scenario, phase and term, in bytes and nanoseconds.
//!
//! Made of the record, a phase at a time: a run of any length is held in memory nowhere.

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;

use super::instrumented::names;
use super::scenario_of;
use crate::record::{Line, PhaseRecord, ReadError, Reader};

/// The names of the columns.
pub fn write_header(out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "scenario,phase,cycle,partial,elapsed_ns,rss_bytes,peak_rss_bytes,owner,term,within,counts,bytes,source,instruments"
    )
}

/// The rows of one scenario, from its lines: the ends of its phases, and the last reading of one
/// that never ended.
pub fn write(
    out: &mut dyn Write,
    lines: impl Iterator<Item = Result<Line, ReadError>>,
) -> io::Result<()> {
    let mut rows = Rows::default();
    for line in lines {
        rows.line(out, line.map_err(io::Error::other)?)?;
    }
    rows.end(out)
}

/// The names of the columns, and the rows of every scenario of the record at `path`. Of a record that
/// cannot be read to its end, what stands before.
///
/// # Errors
/// Those of `out`, and of opening the record.
pub fn write_record(out: &mut dyn Write, path: &Path) -> io::Result<()> {
    let lines = Reader::open(path).map_err(io::Error::other)?;
    write_header(out)?;
    let mut rows = Rows::default();
    let mut current = String::new();
    for line in lines.map_while(Result::ok) {
        let Some(scenario) = scenario_of(&line) else {
            continue;
        };
        if scenario != current {
            scenario.clone_into(&mut current);
            std::mem::take(&mut rows).end(out)?;
        }
        rows.line(out, line)?;
    }
    rows.end(out)
}

/// What a scenario's rows need of its lines before them.
#[derive(Default)]
struct Rows {
    last_reading: Option<PhaseRecord>,
    instruments: String,
}

impl Rows {
    fn line(&mut self, out: &mut dyn Write, line: Line) -> io::Result<()> {
        match line {
            Line::Phase(phase) if phase.reading.is_some() => self.last_reading = Some(phase),
            Line::Phase(phase) => {
                self.last_reading = None;
                write_phase(out, &phase, &self.instruments)?;
            }
            Line::Scenario(scenario) => self.instruments = names(&scenario.instruments),
            _ => {}
        }
        Ok(())
    }

    fn end(self, out: &mut dyn Write) -> io::Result<()> {
        self.last_reading.map_or(Ok(()), |mut reading| {
            reading.partial = true;
            write_phase(out, &reading, &self.instruments)
        })
    }
}

/// `unattributed` has a row like any term.
fn write_phase(out: &mut dyn Write, phase: &PhaseRecord, instruments: &str) -> io::Result<()> {
    let ledger = &phase.ledger;
    let cycle = phase.cycle.map(|cycle| cycle.to_string());
    let name = match phase.probe {
        Some(probe) => format!("{} {probe}", phase.phase),
        None => phase.phase.clone(),
    };
    let start = format!(
        "{},{},{},{},{},{},{}",
        field(&phase.scenario),
        field(&name),
        cycle.unwrap_or_default(),
        phase.partial,
        phase.elapsed_ns,
        ledger.rss_bytes,
        phase.peak_rss_bytes
    );
    for term in &ledger.terms {
        writeln!(
            out,
            "{start},{},{},{},{},{},{},{instruments}",
            field(&term.owner),
            field(&term.term),
            field(term.within.as_deref().unwrap_or("")),
            term.counts,
            term.bytes,
            field(&term.source)
        )?;
    }
    let unattributed = ledger.unattributed_bytes;
    writeln!(
        out,
        "{start},unattributed,unattributed,,true,{unattributed},rss less every term that counts,{instruments}"
    )
}

/// Quoted where a comma, a quote or a line's end would part it.
pub(super) fn field(text: &str) -> Cow<'_, str> {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\"")).into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::super::cycles::samples::lines;
    use super::super::samples;
    use super::*;

    fn text(lines: impl IntoIterator<Item = Line>) -> String {
        let mut out = Vec::new();
        write(&mut out, lines.into_iter().map(Ok)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn counted_rows_of_a_phase_add_up_to_its_rss() {
        let text = text(samples::report().phases.into_iter().map(Line::Phase));
        let fill: Vec<Vec<&str>> = text
            .lines()
            .filter_map(|line| line.strip_prefix("\"s[a=1,b=2]\",fill,"))
            .map(|line| line.split(',').collect())
            .collect();
        let counted = fill.iter().filter(|row| row[8] == "true");
        let sum: i64 = counted.map(|row| row[9].parse::<i64>().unwrap()).sum();
        assert_eq!(sum.to_string(), fill[0][3]);
        assert!(text.contains("\"a \"\"test\"\", no more\""));
    }

    #[test]
    fn each_row_names_the_instruments_of_its_run() {
        let mut scenario = samples::scenario();
        scenario.instruments = vec![crate::record::Instrument::Dhat];
        let phases = samples::report().phases.into_iter().map(Line::Phase);
        let text = text([Line::Scenario(scenario)].into_iter().chain(phases));
        assert!(text.lines().count() > 10 && text.lines().all(|row| row.ends_with(",dhat")));
        let mut header = Vec::new();
        write_header(&mut header).unwrap();
        assert!(header.ends_with(b",source,instruments\n"));
    }

    #[test]
    fn every_phase_of_every_cycle_has_its_rows_and_so_has_one_that_never_ended() {
        let mut lines = lines("s", &[560, 1000, 1500]);
        let text_of_all = text(lines.clone());
        for start in [
            "s,fill,0,false,",
            "s,dump,1,false,",
            "s,dump,2,false,",
            "s,close,,false,",
        ] {
            assert!(text_of_all.contains(&format!("\n{start}")) || text_of_all.starts_with(start));
        }
        let Some(Line::Phase(phase)) = lines.get_mut(6) else {
            panic!()
        };
        phase.reading = Some(1);
        lines.truncate(7);
        assert!(text(lines).contains("\ns,dispose,2,true,"));
    }
}
