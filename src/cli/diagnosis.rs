//! The course of a diagnosis: which scenario comes next, and what each came to.

use std::collections::VecDeque;

use super::output::{Output, complain, layout};
use super::progress::Progress;
use super::{Exit, Failure, Format};
use crate::analysis::remedy::{self, Remedy};
use crate::harness::{self, Outcome, RunOptions, Watcher};
use crate::record::{Line, RemedyRecord};
use crate::report::remedies::{self, Candidate, Diagnosed, Ran};
use crate::report::{ScenarioReport, describe};
use crate::scenario::{Scenario, Setting};
use crate::verdict::Verdict;

/// A scenario, its remedies once they are known, and the runs that are still to come.
#[derive(Debug)]
pub(super) struct Diagnosis {
    base: Scenario,
    rounds: u32,
    progress: Progress,
    /// Of the scenario as it is, the first time.
    first: Option<ScenarioReport>,
    candidates: Vec<(Remedy, Scenario)>,
    left_out: Vec<String>,
    queue: VecDeque<Turn>,
    now: Turn,
    current: Option<ScenarioReport>,
    base_runs: Vec<Ran>,
    runs: Vec<Vec<Ran>>,
    /// Something went wrong that is no limit.
    broken: bool,
}

/// What a run is of.
#[derive(Debug, Clone, Copy, Default)]
struct Turn {
    /// `None`: the scenario as it is.
    candidate: Option<usize>,
    /// From 1; 0 before the first run.
    round: u32,
}

impl Diagnosis {
    pub(super) fn new(base: Scenario, rounds: u32, quiet: bool) -> Self {
        Diagnosis {
            base,
            rounds,
            progress: Progress::live(quiet),
            first: None,
            candidates: Vec::new(),
            left_out: Vec::new(),
            queue: VecDeque::new(),
            now: Turn {
                candidate: None,
                round: 1,
            },
            current: None,
            base_runs: Vec::new(),
            runs: Vec::new(),
            broken: false,
        }
    }

    /// After the first run: the remedies that could apply to what it shows, and in which order all
    /// is run. In every other round backwards, so that nothing comes always after the same.
    fn plan(&mut self, verdicts: &[Verdict]) {
        for remedy in verdicts.iter().flat_map(|one| remedy::candidates(*one)) {
            let known = |(known, _): &(Remedy, Scenario)| known.set == remedy.set;
            if self.candidates.iter().any(known) {
                continue;
            }
            match changed(&self.base, remedy) {
                Ok(Some(scenario)) => self.candidates.push((*remedy, scenario)),
                Ok(None) => {}
                Err(why) => self.left_out.push(format!("{}: {why}", remedy.title)),
            }
        }
        if self.candidates.is_empty() {
            return;
        }
        self.runs = vec![Vec::new(); self.candidates.len()];
        for round in 1..=self.rounds {
            let base = (round > 1).then_some(None);
            let all = (0..self.candidates.len()).map(Some);
            let mut turns: Vec<Option<usize>> = base.into_iter().chain(all).collect();
            if round % 2 == 0 {
                turns.reverse();
            }
            let turns = turns.into_iter().map(|candidate| Turn { candidate, round });
            self.queue.extend(turns);
        }
    }

    /// Writes what was found.
    pub(super) fn finish(
        mut self,
        format: Format,
        outcome: Outcome,
        options: &RunOptions,
    ) -> Result<Exit, Failure> {
        if outcome == Outcome::Interrupted {
            let why = "what had not run to its end when it was interrupted";
            self.left_out.push(why.into());
        }
        let mut output = Output::default();
        let measured = |runs: &[Ran]| Ran::median(runs);
        let base = measured(&self.base_runs);
        let candidates: Vec<Candidate> = (self.candidates.into_iter().zip(self.runs))
            .map(|((remedy, scenario), runs)| Candidate {
                remedy,
                name: scenario.name,
                runs,
            })
            .collect();
        if let (Some(first), Some(base)) = (self.first, base) {
            let diagnosed = Diagnosed {
                first,
                base,
                base_runs: self.base_runs,
                candidates,
                left_out: self.left_out,
            };
            output.write(|out| match format {
                Format::Table => remedies::write(out, &diagnosed, layout()),
                Format::Json => {
                    let record = options.out.join(harness::RECORD_FILE);
                    remedies::write_json(
                        out,
                        &diagnosed,
                        &options.run_id,
                        &options.environment,
                        &record,
                    )
                }
            });
        }
        output.finish(match outcome {
            Outcome::Interrupted => Exit::Interrupted,
            _ if self.broken => Exit::Failed,
            Outcome::Done | Outcome::Failed => Exit::Done,
        })
    }

    fn end(&mut self, ok: bool) {
        self.progress.clear();
        let Some(mut report) = self.current.take() else {
            return;
        };
        report.ended();
        // A limit is how a leak is stopped, and its verdict is there all the same.
        let limited = (report.errors.first()).is_some_and(|one| one.what.starts_with("limit_"));
        self.broken |= !ok && !limited;
        for error in &report.errors {
            complain(format_args!("{}: {}", report.name, describe(error)));
        }
        // What ended in the middle for any other reason can be compared with nothing.
        let ran = Ran::of(&report, self.now.round).filter(|_| ok || limited);
        match self.now.candidate {
            Some(candidate) => self.runs[candidate].extend(ran),
            None => self.base_runs.extend(ran),
        }
        if self.first.is_none() {
            let judgement = report.verdict.as_ref().map(|one| &one.judgement);
            let verdicts: Vec<Verdict> = judgement
                .map(|one| one.verdicts().collect())
                .unwrap_or_default();
            self.first = Some(report);
            if ok || limited {
                self.plan(&verdicts);
            }
        }
    }
}

/// `base` with a remedy; `None` where it has it already, or where its workload has no such key.
fn changed(base: &Scenario, remedy: &Remedy) -> Result<Option<Scenario>, crate::scenario::Error> {
    let settings: Result<Vec<Setting>, _> =
        remedy.set.iter().map(|set| Setting::parse(set)).collect();
    let settings = settings?;
    let kind = base.workload.kind();
    if !settings.iter().all(|setting| setting.key.applies_to(kind)) {
        return Ok(None);
    }
    let name = format!("{} + {}", base.name, remedy.set.join(" "));
    let scenario = base.changed(&settings, name)?;
    Ok(Some(scenario).filter(|changed| !changed.does_the_same_as(base)))
}

impl Watcher for Diagnosis {
    fn more(&mut self) -> Option<Scenario> {
        let turn = self.queue.pop_front()?;
        self.now = turn;
        let mut scenario = match turn.candidate {
            None => self.base.clone(),
            Some(candidate) => self.candidates[candidate].1.clone(),
        };
        if turn.round > 1 {
            scenario.name = format!("{} #{}", scenario.name, turn.round);
        }
        Some(scenario)
    }

    fn prepare(&mut self, scenario: &mut Scenario) -> Option<Line> {
        let set = self.now.candidate.map(|at| self.candidates[at].0.set);
        Some(Line::Remedy(RemedyRecord {
            scenario: scenario.name.clone(),
            of: self.base.name.clone(),
            round: self.now.round,
            set: set
                .unwrap_or_default()
                .iter()
                .map(|one| (*one).to_owned())
                .collect(),
        }))
    }

    fn scenario_started(&mut self, scenario: &Scenario) {
        self.current = Some(ScenarioReport::new(scenario));
        self.progress.start(&scenario.name);
    }

    fn line(&mut self, line: &Line) {
        self.progress.line(line);
        match (line, &mut self.current) {
            (Line::Progress(_), _) => {}
            (_, Some(report)) => report.line(line),
            (Line::Error(error), None) => complain(format_args!("{}", describe(error))),
            (_, None) => {}
        }
    }

    fn conclude(&mut self, scenario: &Scenario) -> Option<Line> {
        let verdict = self.current.as_ref()?.judge(scenario.expect.clone());
        Some(Line::Verdict(verdict))
    }

    fn scenario_ended(&mut self, _: &Scenario, ok: bool) {
        self.end(ok);
    }
}
