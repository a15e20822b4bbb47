//! Several executions of each scenario, in rounds: of one program, or of two that take turns.
//!
//! What a machine does beside the run drifts, so nothing may come always first: every other round
//! goes backwards, and of two sides each comes first in every other round (ABBA), right beside the
//! other. Which one begins is drawn for each scenario.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher, RandomState};

use super::pace::Pace;
use crate::record::{Side, TurnRecord};
use crate::scenario::Scenario;

/// What is executed how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rounds {
    /// From 1.
    pub rounds: u32,
    /// Whether two programs take turns.
    pub paired: bool,
}

/// One execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// Which of the scenarios.
    pub of: usize,
    /// From 1.
    pub round: u32,
    /// Of two programs.
    pub side: Option<Side>,
}

/// All executions of a run, the next one first.
#[derive(Debug)]
pub(super) struct Turns {
    scenarios: Vec<Scenario>,
    rounds: Rounds,
    /// Of each scenario, the side of its first execution.
    begins: Vec<Side>,
    queue: VecDeque<Turn>,
    /// The round after the last one in the queue.
    round: u32,
    now: Option<Turn>,
}

impl Turns {
    pub(super) fn new(scenarios: Vec<Scenario>, rounds: Rounds) -> Self {
        let begins = (0..scenarios.len()).map(|_| drawn()).collect();
        Turns::beginning(scenarios, rounds, begins)
    }

    fn beginning(scenarios: Vec<Scenario>, rounds: Rounds, begins: Vec<Side>) -> Self {
        let mut turns = Turns {
            scenarios,
            rounds,
            begins,
            queue: VecDeque::new(),
            round: 1,
            now: None,
        };
        turns.fill();
        turns
    }

    /// Another round, where the one before is over.
    fn fill(&mut self) {
        if !self.queue.is_empty() || self.round > self.rounds.rounds {
            return;
        }
        let round = self.round;
        let backwards = round.is_multiple_of(2);
        let mut order: Vec<usize> = (0..self.scenarios.len()).collect();
        if backwards {
            order.reverse();
        }
        for of in order {
            let begins = self.begins[of];
            let sides = match (self.rounds.paired, backwards) {
                (false, _) => vec![None],
                (true, false) => vec![Some(begins), Some(other(begins))],
                (true, true) => vec![Some(other(begins)), Some(begins)],
            };
            let turns = sides.into_iter().map(|side| Turn { of, round, side });
            self.queue.extend(turns);
        }
        self.round += 1;
    }

    /// The scenarios of the first round, for a harness that asks for more when they have run.
    pub(super) fn first_round(&self) -> Vec<Scenario> {
        self.queue.iter().map(|turn| self.named(*turn)).collect()
    }

    /// The scenario that comes after those of the first round, if one does.
    pub(super) fn more(&mut self) -> Option<Scenario> {
        self.fill();
        self.queue.front().map(|turn| self.named(*turn))
    }

    /// The next execution begins: its scenario, as `pace` wants it, and its line.
    pub(super) fn begin(&mut self, pace: Option<&mut Pace>) -> Option<(Scenario, TurnRecord)> {
        let turn = self.queue.pop_front()?;
        self.now = Some(turn);
        let mut scenario = self.named(turn);
        if let Some(pace) = pace {
            pace.prepare(&mut scenario);
        }
        let record = TurnRecord {
            scenario: scenario.name.clone(),
            of: self.scenarios[turn.of].name.clone(),
            round: turn.round,
            side: turn.side,
        };
        Some((scenario, record))
    }

    /// The execution that began last.
    pub(super) fn now(&self) -> Option<Turn> {
        self.now
    }

    /// For a person: `insert-10m · round 3 of 10, new`.
    pub(super) fn label(&self) -> Option<String> {
        let Turn { of, round, side } = self.now?;
        let (name, rounds) = (&self.scenarios[of].name, self.rounds.rounds);
        let side = side.map_or_else(String::new, |side| format!(", {}", side.name()));
        Some(format!("{name} · round {round} of {rounds}{side}"))
    }

    /// The names of the scenarios, without turns.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.scenarios.iter().map(|one| one.name.as_str())
    }

    /// Whether two programs take turns.
    pub(super) fn is_paired(&self) -> bool {
        self.rounds.paired
    }

    /// With a name of its own in the record.
    fn named(&self, Turn { of, round, side }: Turn) -> Scenario {
        let mut scenario = self.scenarios[of].clone();
        scenario.name += &format!(" #{round}");
        if let Some(side) = side {
            scenario.name += &format!(" {}", side.name());
        }
        scenario
    }
}

fn other(side: Side) -> Side {
    match side {
        Side::Base => Side::New,
        Side::New => Side::Base,
    }
}

/// One of both. The keys of a `RandomState` come from the operating system.
fn drawn() -> Side {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u8(0);
    match hasher.finish() % 2 {
        0 => Side::Base,
        _ => Side::New,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Catalogue, Selection};

    fn scenarios(count: usize) -> Vec<Scenario> {
        let catalogue = Catalogue::built_in().unwrap();
        let mut all = catalogue.resolve(&Selection::default()).unwrap().scenarios;
        all.truncate(count);
        for (number, scenario) in all.iter_mut().enumerate() {
            scenario.name = char::from(b'a' + number as u8).to_string();
        }
        all
    }

    /// The names in the order in which a harness runs them.
    fn order(mut turns: Turns) -> Vec<String> {
        let mut names = Vec::new();
        let first = turns.first_round();
        for expected in first {
            let (scenario, record) = turns.begin(None).unwrap();
            assert_eq!(
                (&scenario.name, &record.scenario),
                (&expected.name, &scenario.name)
            );
            names.push(scenario.name);
        }
        while let Some(expected) = turns.more() {
            let (scenario, record) = turns.begin(None).unwrap();
            assert_eq!(expected.name, scenario.name);
            assert!(
                scenario
                    .name
                    .starts_with(&format!("{} #{}", record.of, record.round))
            );
            names.push(scenario.name);
        }
        assert!(turns.begin(None).is_none());
        names
    }

    #[test]
    fn one_program_runs_the_set_in_rounds_and_every_other_one_backwards() {
        let rounds = Rounds {
            rounds: 3,
            paired: false,
        };
        assert_eq!(
            order(Turns::new(scenarios(2), rounds)),
            ["a #1", "b #1", "b #2", "a #2", "a #3", "b #3"]
        );
    }

    #[test]
    fn two_programs_run_abba_side_by_side_whichever_begins() {
        let rounds = Rounds {
            rounds: 4,
            paired: true,
        };
        let begins = vec![Side::New, Side::Base];
        assert_eq!(
            order(Turns::beginning(scenarios(2), rounds, begins)),
            [
                "a #1 new",
                "a #1 base",
                "b #1 base",
                "b #1 new", //
                "b #2 new",
                "b #2 base",
                "a #2 base",
                "a #2 new", //
                "a #3 new",
                "a #3 base",
                "b #3 base",
                "b #3 new", //
                "b #4 new",
                "b #4 base",
                "a #4 base",
                "a #4 new",
            ]
        );
    }

    #[test]
    fn either_side_may_begin() {
        let drawn: Vec<Side> = (0..200).map(|_| drawn()).collect();
        for side in [Side::Base, Side::New] {
            let share = drawn.iter().filter(|one| **one == side).count();
            assert!((50..150).contains(&share), "{side:?}: {share} of 200");
        }
    }

    #[test]
    fn a_turn_is_told_without_its_name_in_the_record() {
        let rounds = Rounds {
            rounds: 10,
            paired: true,
        };
        let mut turns = Turns::beginning(scenarios(1), rounds, vec![Side::New]);
        assert_eq!(turns.label(), None);
        turns.begin(None);
        assert_eq!(turns.label().as_deref(), Some("a · round 1 of 10, new"));
    }
}
