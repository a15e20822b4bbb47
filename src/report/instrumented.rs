//! How numbers of a run with a profiler in it are marked, wherever they are shown.

use std::io::{self, Write};

use super::ScenarioReport;
use super::layout::Layout;
use super::style::WARN;
use crate::record::{Instrument, ScenarioRecord};

/// Stands behind what an instrument distorts.
pub const MARK: &str = "*";

/// `dhat`, `dhat+cpu-profile`; empty where there is none.
pub fn names<'a>(instruments: impl IntoIterator<Item = &'a Instrument>) -> String {
    let names = instruments.into_iter().map(Instrument::to_string);
    names.collect::<Vec<_>>().join("+")
}

/// The instruments that make times and RSS of a scenario other than they were without them.
pub fn distorting(scenario: &ScenarioRecord) -> Option<String> {
    let distorting = scenario.instruments.iter().filter(|one| one.distorts());
    Some(names(distorting)).filter(|names| !names.is_empty())
}

impl ScenarioReport {
    /// See [`distorting`].
    pub fn distorted_by(&self) -> Option<String> {
        self.scenario.as_ref().and_then(distorting)
    }

    /// [`MARK`], or nothing.
    pub(super) fn mark(&self) -> &'static str {
        match self.distorted_by() {
            Some(_) => MARK,
            None => "",
        }
    }
}

/// What [`MARK`] says, below a table; nothing where there is no mark.
pub fn write_footnote(
    out: &mut dyn Write,
    by: Option<&str>,
    indent: usize,
    layout: Layout,
) -> io::Result<()> {
    let Some(by) = by else { return Ok(()) };
    let text = format!("{MARK} instrumented by {by}: not the times and RSS of a run without it");
    let mut lines = layout.wrapped(&text, indent).into_iter();
    lines.try_for_each(|line| writeln!(out, "{:indent$}{WARN}{line}{WARN:#}", ""))
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::record::HeapSource;

    #[test]
    fn only_what_distorts_is_marked_and_everything_is_named() {
        let sampled = Instrument::HeapProfile {
            source: HeapSource::Sampled,
            interval_bytes: 1,
        };
        let mut scenario = samples::scenario();
        assert_eq!(distorting(&scenario), None);
        scenario.instruments = vec![sampled.clone()];
        assert_eq!(distorting(&scenario), None);
        scenario.instruments = vec![Instrument::Dhat, sampled];
        assert_eq!(distorting(&scenario).as_deref(), Some("dhat"));
        assert_eq!(names(&scenario.instruments), "dhat+heap-profile");
    }
}
