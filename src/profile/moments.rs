//! The moments of a profile, as they are asked for: `FILE@MOMENT`.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use super::error::Error;
use super::raw::{Moment, Source};
use super::read::Raw;

/// When, and which of a site's numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// What is live at the end of the work: before the content is verified, remedies are probed and the
    /// databases are closed. Of a testee that was killed, the last that is known.
    End,
    /// What was live until then when both sides together were at their most.
    Peak,
    /// Everything that was allocated until then.
    Total,
    /// What is live at the end of a cycle.
    Cycle(u32),
    /// What is live at the end of a phase, or at one of its readings; the last of that name.
    Phase {
        /// The phase.
        name: String,
        /// A reading inside it.
        reading: Option<u32>,
    },
}

/// Which of a site's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// Live.
    Now,
    /// Live at the peak.
    Peak,
    /// Ever allocated; of a CPU profile, all samples.
    Total,
}

impl FromStr for When {
    type Err = Infallible;

    /// Whatever is no word of this program's is a phase, which is looked for in the profile.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let cycle = text
            .strip_prefix("cycle=")
            .and_then(|cycle| cycle.parse().ok());
        Ok(match text {
            "end" => When::End,
            "peak" => When::Peak,
            "total" => When::Total,
            _ => match (cycle, text.split_once('/')) {
                (Some(cycle), _) => When::Cycle(cycle),
                (None, Some((name, reading))) if reading.parse::<u32>().is_ok() => When::Phase {
                    name: name.to_owned(),
                    reading: reading.parse().ok(),
                },
                _ => When::Phase {
                    name: text.to_owned(),
                    reading: None,
                },
            },
        })
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            When::End => f.write_str("end"),
            When::Peak => f.write_str("peak"),
            When::Total => f.write_str("total"),
            When::Cycle(cycle) => write!(f, "cycle={cycle}"),
            When::Phase {
                name,
                reading: None,
            } => f.write_str(name),
            When::Phase {
                name,
                reading: Some(reading),
            } => write!(f, "{name}/{reading}"),
        }
    }
}

impl When {
    /// Which of a site's numbers it is about.
    pub fn quantity(&self) -> Quantity {
        match self {
            When::Peak => Quantity::Peak,
            When::Total => Quantity::Total,
            When::End | When::Cycle(_) | When::Phase { .. } => Quantity::Now,
        }
    }
}

/// Phases before and after the work.
fn is_work(moment: &Moment<'_>) -> bool {
    !matches!(&*moment.phase, "start" | "probe" | "verify" | "close")
}

impl Raw {
    fn marked(&self) -> impl DoubleEndedIterator<Item = (usize, &Moment<'static>)> + Clone {
        let steps = self.steps.iter().enumerate();
        steps.filter_map(|(index, step)| Some((index, step.moment.as_ref()?)))
    }

    /// The line of values that a moment is at.
    pub(super) fn step(&self, when: &When) -> Result<usize, Error> {
        let last = self.steps.len() - 1;
        let found = match when {
            When::Peak if matches!(self.header.source, Source::Cpu { .. }) => None,
            When::End | When::Peak | When::Total => {
                let work = self.marked().rfind(|(_, moment)| is_work(moment));
                let Some((work, _)) = work else {
                    return Ok(last);
                };
                // Without a mark behind it, what follows is work that never ended.
                let ended = self.marked().any(|(index, _)| index > work);
                Some(if ended { work } else { last })
            }
            When::Cycle(cycle) => self.end_of_cycle(*cycle),
            When::Phase { name, reading } => self
                .marked()
                .rfind(|(_, moment)| moment.phase == name.as_str() && moment.reading == *reading)
                .map(|(index, _)| index),
        };
        found.ok_or_else(|| Error::Moment {
            path: self.path.clone(),
            asked: when.to_string(),
            there: self.moments(),
        })
    }

    /// Of the work of that cycle.
    fn end_of_cycle(&self, cycle: u32) -> Option<usize> {
        let mut of_cycle = self
            .marked()
            .filter(|(_, moment)| moment.cycle == Some(cycle) && is_work(moment));
        of_cycle.next_back().map(|(index, _)| index)
    }

    /// Those that can be asked for, in words.
    pub fn moments(&self) -> String {
        let mut there = match self.header.source {
            Source::Heap { .. } => vec!["peak".to_owned(), "end".to_owned(), "total".to_owned()],
            Source::Cpu { .. } => vec!["end".to_owned(), "total".to_owned()],
        };
        let cycles = self
            .marked()
            .filter_map(|(_, moment)| moment.cycle.filter(|_| is_work(moment)));
        let (first, last) = (cycles.clone().min(), cycles.max());
        match (first, last) {
            (Some(first), Some(last)) if first == last => there.push(format!("cycle={first}")),
            (Some(first), Some(last)) => there.push(format!("cycle={first} to cycle={last}")),
            _ => {}
        }
        for (_, moment) in self.marked() {
            let name = When::Phase {
                name: moment.phase.to_string(),
                reading: moment.reading,
            };
            let name = name.to_string();
            if !there.contains(&name) {
                there.push(name);
            }
        }
        there.join(", ")
    }
}
