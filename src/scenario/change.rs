//! A scenario with some of its settings changed: what a remedy is measured by.

use std::path::Path;

use super::error::{Error, Problem};
use super::resolve::Draft;
use super::setting::Setting;
use super::{Scenario, Workload};

impl Scenario {
    /// This scenario with each of `settings`, which have one value each; under the name `name`. It
    /// expects no verdict any more.
    ///
    /// # Errors
    /// As for a scenario that is declared so: a key that its workload does not have, a value that is
    /// none, settings that cannot be together, a library that is not installed.
    pub fn changed(&self, settings: &[Setting], name: String) -> Result<Scenario, Error> {
        let kind = self.workload.kind();
        let mut draft = Draft::of(self.clone(), Path::new(""));
        for Setting { key, values } in settings {
            let Some(value) = values.first() else {
                continue;
            };
            if !key.applies_to(kind) {
                let problem = Problem::NotApplicable {
                    key: key.to_string(),
                    workload: kind.name(),
                };
                return Err(problem.at(Some(&self.name), &value.place));
            }
            let taken = draft.take(key, value);
            taken.map_err(|problem| problem.at(Some(&self.name), &value.place))?;
        }
        let scenario = draft.scenario(name, self.limits);
        scenario.check()?;
        Ok(scenario)
    }

    /// Whether `other` would do anything else.
    pub fn does_the_same_as(&self, other: &Scenario) -> bool {
        let nameless = |scenario: &Scenario| Scenario {
            name: String::new(),
            expect: None,
            ..scenario.clone()
        };
        nameless(self) == nameless(other)
    }

    /// Settings that are right one by one, together.
    pub(super) fn check(&self) -> Result<(), Error> {
        let together = |problem: crate::workload::Error| Error::Together {
            scenario: self.name.clone(),
            problem: problem.to_string(),
        };
        match &self.workload {
            Workload::Insert(_) => Ok(()),
            Workload::Snapshot(options) => options.check().map_err(together),
            Workload::Fault(options) => options.check().map_err(together),
        }
    }
}
