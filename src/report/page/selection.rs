//! Which scenarios of a record are shown in full: of several executions of one the first, and of a
//! diagnosis the scenario as it is. The others are in tables.

use super::super::gathered::{Course, Gathered};
use crate::record::Side;

/// More sections than this are left out, and the page says so.
const MOST_SECTIONS: usize = 40;

/// The executions of one scenario, on one side where two programs are compared.
#[derive(Debug, Clone)]
pub(in crate::report) struct Group<'a> {
    /// The scenario.
    pub of: &'a str,
    /// Whose testees they are.
    pub side: Option<Side>,
    /// In the order of the record; never empty.
    pub runs: Vec<&'a Course>,
}

/// What is shown, and where.
#[derive(Debug, Clone, Default)]
pub(in crate::report) struct Selection<'a> {
    /// With a section of their own.
    pub full: Vec<&'a Course>,
    /// Scenarios that have none, because there are too many.
    pub left_out: usize,
    /// The first execution of each scenario and each remedy.
    pub firsts: Vec<&'a Course>,
    /// Those that are neither remedies nor alone.
    pub groups: Vec<Group<'a>>,
    /// Scenarios as they are and with remedies, in the order of the record.
    pub diagnosed: Vec<&'a Course>,
}

impl<'a> Selection<'a> {
    /// Of a record.
    pub fn of(run: &'a Gathered) -> Selection<'a> {
        let mut selection = Selection::default();
        for course in &run.scenarios {
            selection.see(course);
        }
        selection.left_out = selection.full.len().saturating_sub(MOST_SECTIONS);
        selection.full.truncate(MOST_SECTIONS);
        selection
    }

    fn see(&mut self, course: &'a Course) {
        if let Some(remedy) = &course.remedy {
            self.diagnosed.push(course);
            if remedy.round == 1 {
                self.firsts.push(course);
            }
            if remedy.round == 1 && remedy.set.is_empty() {
                self.full.push(course);
            }
            return;
        }
        let (of, side) = match &course.turn {
            Some(turn) => (turn.of.as_str(), turn.side),
            None => (course.report.name.as_str(), None),
        };
        let same = |group: &&mut Group<'_>| group.of == of && group.side == side;
        // Without turns each name is one scenario's.
        match self.groups.iter_mut().find(same) {
            Some(group) if course.turn.is_some() => group.runs.push(course),
            _ => {
                self.groups.push(Group {
                    of,
                    side,
                    runs: vec![course],
                });
                self.firsts.push(course);
                self.full.push(course);
            }
        }
    }

    /// Groups of which some have several executions.
    pub fn repeated(&self) -> &[Group<'a>] {
        let any = self.groups.iter().any(|group| group.runs.len() > 1);
        if any { &self.groups } else { &[] }
    }

    /// The place of a scenario's section, from 1.
    pub fn place(&self, course: &Course) -> Option<usize> {
        let same = |one: &&Course| std::ptr::eq(*one, course);
        self.full.iter().position(same).map(|at| at + 1)
    }
}

impl Group<'_> {
    /// `snapshot-memory`, `snapshot-memory, base`
    pub fn name(&self) -> String {
        match self.side {
            Some(side) => format!("{}, {}", self.of, side.name()),
            None => self.of.to_owned(),
        }
    }
}
