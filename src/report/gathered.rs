//! A whole record, read once from its begin to its end, as what a report needs of it. What it holds
//! does not grow with the length of the run.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::timeline::{OWNERS, Timeline, by_owner};
use super::{ScenarioReport, repeats, scenario_of};
use crate::record::{
    ErrorRecord, Line, PhaseRecord, ProgramRecord, ReadError, Reader, RemedyRecord, RunRecord,
    TurnRecord,
};

/// More scenarios than this of one record are left out, and a note says so.
const MOST_SCENARIOS: usize = 1000;
/// More errors of the run itself than this are left out.
const MOST_ERRORS: usize = 100;

/// One scenario of a record.
#[derive(Debug, Clone, Default)]
pub struct Course {
    /// What the record says of it.
    pub report: ScenarioReport,
    /// Its ledgers over time.
    pub timeline: Timeline,
    /// What was changed in it, in a diagnosis.
    pub remedy: Option<RemedyRecord>,
    /// Which of several executions it is.
    pub turn: Option<TurnRecord>,
    first: Option<PhaseRecord>,
    last: Option<PhaseRecord>,
}

/// What became more from the first ledger of a series to its last: after the fill and after the last
/// whole cycle, or at the first reading inside the fill and at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Growth {
    /// Of RSS.
    pub rss_bytes: i64,
    /// By owner, the largest growth first; in all of [`OWNERS`] that changed.
    pub by_owner: Vec<(&'static str, i64)>,
    /// By owner and term that counts, the largest growth first.
    pub by_term: Vec<(String, String, i64)>,
    /// `after the fill`, `at 500,000 rows`.
    pub from: String,
    /// `after cycle 20`, `at the end of the fill`.
    pub to: String,
}

/// A record.
#[derive(Debug, Clone, Default)]
pub struct Gathered {
    /// The file.
    pub record: PathBuf,
    /// The run's own line; absent where the record does not begin with it.
    pub run: Option<RunRecord>,
    /// The machine and the software; empty where the record does not say.
    pub environment: Map<String, Value>,
    /// The programs that are compared, where there are two.
    pub programs: Vec<ProgramRecord>,
    /// In the order of the record.
    pub scenarios: Vec<Course>,
    /// Of the run itself.
    pub errors: Vec<ErrorRecord>,
    /// What could not be read, or was left out, in words.
    pub notes: Vec<String>,
}

impl Gathered {
    /// Reads the record at `path`. What stands before a line that cannot be read is kept, and a note
    /// says which line that is.
    ///
    /// # Errors
    /// The file cannot be opened, or not even its first line can be read.
    pub fn read(path: &Path) -> Result<Gathered, ReadError> {
        let mut gathered = Gathered::of(Reader::open(path)?)?;
        gathered.record = path.to_owned();
        Ok(gathered)
    }

    /// The same of a record from anywhere.
    ///
    /// # Errors
    /// Not even the first line can be read.
    pub fn of<R: BufRead>(reader: Reader<R>) -> Result<Gathered, ReadError> {
        let mut gathered = Gathered::default();
        let mut left_out = 0_u64;
        let readable = reader.read_readable(|line| left_out += u64::from(!gathered.line(line)))?;
        gathered.notes = readable.notes;
        if left_out > 0 {
            gathered.notes.push(format!(
                "only the first {MOST_SCENARIOS} scenarios are shown: {left_out} lines of others are \
                 left out"
            ));
        }
        gathered.end_scenario();
        gathered.see_left_out();
        Ok(gathered)
    }

    /// `name` is the run's, or the record's file where it has none.
    pub fn name(&self) -> String {
        match &self.run {
            Some(run) => run.run_id.clone(),
            None => self.record.display().to_string(),
        }
    }

    fn see_left_out(&mut self) {
        for Course { report, .. } in &self.scenarios {
            if report.left_out() > 0 {
                let (name, many) = (&report.name, report.left_out());
                let note = format!("{name}: {many} phases and errors of very many are left out");
                self.notes.push(note);
            }
        }
    }

    /// False where the line is of a scenario too many.
    fn line(&mut self, line: Line) -> bool {
        if let Some(name) = scenario_of(&line) {
            let current = self.scenarios.last();
            if current.is_none_or(|course| course.report.name != name) {
                self.end_scenario();
                if self.scenarios.len() == MOST_SCENARIOS {
                    return false;
                }
                let mut course = Course::default();
                name.clone_into(&mut course.report.name);
                self.scenarios.push(course);
            }
            if let Some(course) = self.scenarios.last_mut() {
                course.line(&line);
            }
            return true;
        }
        match line {
            Line::Run(run) => self.run = Some(run),
            Line::Environment(environment) => self.environment = environment,
            Line::Program(program) if self.programs.len() < 2 => self.programs.push(program),
            Line::Error(error) if self.errors.len() < MOST_ERRORS => self.errors.push(error),
            _ => {}
        }
        true
    }

    fn end_scenario(&mut self) {
        if let Some(course) = self.scenarios.last_mut() {
            course.report.ended();
        }
    }
}

impl Course {
    fn line(&mut self, line: &Line) {
        self.report.line(line);
        self.timeline.line(line);
        match line {
            Line::Remedy(remedy) => self.remedy = Some(remedy.clone()),
            Line::Turn(turn) => self.turn = Some(turn.clone()),
            Line::Phase(phase) => self.phase(phase),
            _ => {}
        }
    }

    fn phase(&mut self, phase: &PhaseRecord) {
        let inside = phase.reading.is_some();
        match phase.cycle {
            Some(0) if !inside => self.first = Some(phase.clone()),
            Some(_) => {}
            None if phase.phase == "fill" => {
                if self.first.is_none() {
                    self.first = Some(phase.clone());
                }
                self.last = Some(phase.clone());
            }
            None => {}
        }
    }

    /// The ledgers that a series begins and ends with; `None` where there are no two.
    pub fn ends(&self) -> Option<(&PhaseRecord, &PhaseRecord)> {
        let first = self.first.as_ref()?;
        let last = match first.cycle {
            Some(_) => {
                let mut phases = self.report.phases.iter().rev();
                phases.find(|phase| repeats(phase) && !phase.partial)?
            }
            None => self.last.as_ref()?,
        };
        (first.at_ns < last.at_ns).then_some((first, last))
    }

    /// What grew; `None` where there are no two ledgers to compare.
    pub fn growth(&self) -> Option<Growth> {
        let (first, last) = self.ends()?;
        let owners = OWNERS.into_iter().zip(by_owner(&last.ledger));
        let owners = owners.zip(by_owner(&first.ledger));
        let mut by_owner: Vec<(&str, i64)> = owners
            .map(|((owner, after), before)| (owner, after - before))
            .filter(|(_, change)| *change != 0)
            .collect();
        by_owner.sort_by_key(|(_, change)| std::cmp::Reverse(*change));
        let mut by_term: Vec<(String, String, i64)> = Vec::new();
        for (ledger, sign) in [(&last.ledger, 1), (&first.ledger, -1)] {
            for term in ledger.terms.iter().filter(|term| term.counts) {
                let same = |(owner, name, _): &&mut (String, String, i64)| {
                    *owner == term.owner && *name == term.term
                };
                match by_term.iter_mut().find(same) {
                    Some((_, _, change)) => *change += sign * term.bytes,
                    None => {
                        let names = (term.owner.to_string(), term.term.to_string());
                        by_term.push((names.0, names.1, sign * term.bytes));
                    }
                }
            }
        }
        by_term.retain(|(_, _, change)| *change != 0);
        by_term.sort_by_key(|(_, _, change)| std::cmp::Reverse(*change));
        Some(Growth {
            rss_bytes: last.ledger.rss_bytes - first.ledger.rss_bytes,
            by_owner,
            by_term,
            from: moment(first),
            to: moment(last),
        })
    }
}

/// `after the fill`, `after cycle 20`, `at 500,000 rows`, `at the end of the fill`.
pub(super) fn moment(phase: &PhaseRecord) -> String {
    use super::format::count;
    match (phase.cycle, phase.reading, phase.rows) {
        (Some(0), ..) => "after the fill".to_owned(),
        (Some(cycle), ..) => format!("after cycle {}", count(cycle.into())),
        (None, Some(_), Some(rows)) => format!("at {} rows", count(rows)),
        (None, Some(reading), None) => format!("at reading {}", count(reading.into())),
        (None, None, _) => format!("at the end of the {}", phase.phase),
    }
}

#[cfg(test)]
mod tests {
    use super::super::cycles::samples::{MIB, in_time};
    use super::*;
    use crate::record::encode;

    fn gather(text: &[u8]) -> Result<Gathered, String> {
        Gathered::of(Reader::over(text, "r.jsonl")).map_err(|error| error.to_string())
    }

    fn encoded(lines: &[Line]) -> Vec<u8> {
        let mut bytes = Vec::new();
        lines
            .iter()
            .for_each(|line| encode(line, &mut bytes).unwrap());
        bytes
    }

    #[test]
    fn growth_names_the_owner_that_grew_and_its_term() {
        let gathered = gather(&encoded(&in_time("s", &[560, 1000, 1500]))).unwrap();
        let growth = gathered.scenarios[0].growth().unwrap();
        assert_eq!(growth.rss_bytes, 940 * MIB);
        assert_eq!(growth.by_owner, [("allocator", 940 * MIB)]);
        let (owner, term, change) = &growth.by_term[0];
        let found = (owner.as_str(), term.as_str(), *change);
        assert_eq!(found, ("allocator", "free but resident", 940 * MIB));
        assert_eq!(
            (&*growth.from, &*growth.to),
            ("after the fill", "after cycle 2")
        );
    }

    #[test]
    fn scenarios_are_parted_and_each_has_its_own_time() {
        let both = [in_time("a", &[560, 600]), in_time("b", &[560])].concat();
        let gathered = gather(&encoded(&both)).unwrap();
        let names: Vec<&str> = (gathered.scenarios.iter())
            .map(|course| course.report.name.as_str())
            .collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(gathered.scenarios[0].timeline.ledgers(), 5);
        assert_eq!(gathered.scenarios[1].growth(), None);
    }

    #[test]
    fn what_stands_before_an_unreadable_line_is_kept_with_a_note() {
        let good = encoded(&in_time("a", &[560, 600]));
        let newer = br#"{"schema_version":99,"kind":"phase"}"#;
        for (tail, words) in [
            (&good[..good.len() / 2], "cut off"),
            (&newer[..], "newer"),
            (
                &b"{\"schema_version\":1,\"kind\":\"weather\"}\n"[..],
                "weather",
            ),
            (&b"garbage\n"[..], "line 6"),
        ] {
            let text = [&good[..], tail].concat();
            let gathered = gather(&text).unwrap();
            assert!(!gathered.scenarios.is_empty());
            assert!(
                gathered.notes.join("\n").contains(words),
                "{:?}",
                gathered.notes
            );
        }
    }

    #[test]
    fn a_record_that_only_a_later_version_reads_is_an_error_that_says_so() {
        let error = gather(br#"{"schema_version":99,"kind":"run"}"#).unwrap_err();
        assert!(
            error.contains("line 1") && error.contains("newer"),
            "{error}"
        );
    }
}
