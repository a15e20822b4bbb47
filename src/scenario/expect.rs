//! The verdicts that a scenario should get, as its declaration says.
//!
//! `expect = ["sqlite-leak"]`, or a table for each case: `[[expect]]` with `verdicts`, and `when`
//! with the values for which it holds. The first that fits is the scenario's.

use toml::de::{DeTable, DeValue};

use super::Declaration;
use super::declaration::{Item, Reader};
use super::error::{Error, Problem, nearest};
use super::key::{Key, Parameter};
use super::matrix::Cell;
use super::setting::Setting;
use crate::verdict::Verdict;

/// One case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// All of them, and no other.
    pub verdicts: Vec<Verdict>,
    /// Keys with the values for which it holds; empty: it always does.
    pub when: Vec<Setting>,
}

/// What is expected of `cell`, where nothing was changed that a verdict may rest on.
pub(super) fn of(
    declaration: &Declaration,
    overrides: &[Setting],
    cell: &Cell<'_>,
) -> Option<Vec<Verdict>> {
    if !overrides
        .iter()
        .all(|setting| leaves_verdict(declaration, setting))
    {
        return None;
    }
    let holds = |setting: &Setting| {
        let mut of_cell = cell.iter();
        let found = of_cell.find(|(key, _)| **key == setting.key);
        found.is_some_and(|(_, value)| {
            setting
                .values
                .iter()
                .any(|one| is_same(&one.text, &value.text))
        })
    };
    let fits = |one: &&Expectation| one.when.iter().all(holds);
    let found = declaration.expect.iter().find(fits)?;
    Some(found.verdicts.clone())
}

/// `1` is `1.0`.
fn is_same(one: &str, other: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().ok();
    one == other || number(one).is_some_and(|one| Some(one) == number(other))
}

/// A verdict is about a shape, which the size and the length of a run do not change; and a choice
/// among what the declaration lists was thought of there.
fn leaves_verdict(declaration: &Declaration, setting: &Setting) -> bool {
    let size = [
        Parameter::Scale,
        Parameter::Cycles,
        Parameter::Seed,
        Parameter::Readings,
    ];
    if size.iter().any(|one| setting.key == Key::Parameter(*one)) {
        return true;
    }
    let mut own = declaration.settings.iter();
    own.find(|one| one.key == setting.key).is_some_and(|own| {
        let listed = |text: &str| own.values.iter().any(|value| value.text == text);
        setting.values.iter().all(|value| listed(&value.text))
    })
}

impl Reader<'_> {
    pub(super) fn expect(&self, table: &DeTable<'_>) -> Result<Vec<Expectation>, Error> {
        let Some(item) = table.get("expect") else {
            return Ok(Vec::new());
        };
        let expected = "an array of verdicts, or of tables with `verdicts` and `when`";
        let DeValue::Array(items) = item.get_ref() else {
            return Err(self.wrong_type("expect", expected, item));
        };
        let is_table = |item: &Item<'_>| matches!(item.get_ref(), DeValue::Table(_));
        if !items.is_empty() && items.iter().all(is_table) {
            return items.iter().map(|item| self.case(item)).collect();
        }
        Ok(vec![Expectation {
            verdicts: self.verdicts(item)?,
            when: Vec::new(),
        }])
    }

    fn case(&self, item: &Item<'_>) -> Result<Expectation, Error> {
        let DeValue::Table(table) = item.get_ref() else {
            return Err(self.wrong_type("expect", "a table", item));
        };
        let mut case = Expectation {
            verdicts: Vec::new(),
            when: Vec::new(),
        };
        for (name, value) in table {
            match (name.get_ref().as_ref(), value.get_ref()) {
                ("verdicts", _) => case.verdicts = self.verdicts(value)?,
                ("when", DeValue::Table(when)) => {
                    for (name, item) in when {
                        let key = Key::parse(name.get_ref());
                        let key = key.map_err(|problem| self.error(name.span(), problem))?;
                        let values = self.values(&key, item)?;
                        case.when.push(Setting { key, values });
                    }
                }
                ("when", _) => return Err(self.wrong_type("when", "a table", value)),
                (other, _) => {
                    let problem = Problem::UnknownKey {
                        key: other.to_owned(),
                        nearest: nearest(other, ["verdicts", "when"]),
                    };
                    return Err(self.error(name.span(), problem));
                }
            }
        }
        if case.verdicts.is_empty() {
            let problem = Problem::Missing {
                key: "expect.verdicts",
                what: "the verdicts that the scenario should get",
            };
            return Err(self.error(item.span(), problem));
        }
        Ok(case)
    }

    fn verdicts(&self, item: &Item<'_>) -> Result<Vec<Verdict>, Error> {
        let expected = "an array of verdicts";
        let DeValue::Array(names) = item.get_ref() else {
            return Err(self.wrong_type("expect", expected, item));
        };
        if names.is_empty() {
            return Err(self.error(item.span(), Problem::NoValue("expect".into())));
        }
        let mut verdicts: Vec<Verdict> = Vec::new();
        for item in names {
            let DeValue::String(name) = item.get_ref() else {
                return Err(self.wrong_type("expect", expected, item));
            };
            let verdict: Verdict = name.parse().map_err(|_| {
                let all = Verdict::ALL.map(Verdict::name);
                let problem = Problem::NotAChoice {
                    key: "expect".into(),
                    value: name.to_string(),
                    allowed: all.join(", "),
                    nearest: nearest(name, all),
                };
                self.error(item.span(), problem)
            })?;
            if verdicts.contains(&verdict) {
                let (key, value) = ("expect".into(), name.to_string());
                return Err(self.error(item.span(), Problem::Repeated { key, value }));
            }
            verdicts.push(verdict);
        }
        Ok(verdicts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declaration(expect: &str) -> Result<Declaration, Error> {
        let text = format!(
            "name = \"s\"\nworkload = \"insert\"\nsummary = \"s\"\nabout = \"a\"\n{expect}\n\
             [parameters]\nrows = 5\nsqlite_allocator = [\"system\", \"arena\"]\n\
             [pragmas]\npage_size = [512, 4096]\n"
        );
        Declaration::parse("s.toml", &text)
    }

    fn expected(declaration: &Declaration, settings: &[&str]) -> Vec<Option<Vec<Verdict>>> {
        let settings = settings.iter().map(|text| Setting::parse(text).unwrap());
        let settings: Vec<Setting> = settings.collect();
        let scenarios = declaration.scenarios(&settings).unwrap();
        scenarios.into_iter().map(|one| one.expect).collect()
    }

    #[test]
    fn one_list_is_for_every_cell_and_a_table_for_those_that_it_names() {
        let all = declaration(r#"expect = ["page-cache", "size-class-waste"]"#).unwrap();
        let both = Some(vec![Verdict::PageCache, Verdict::SizeClassWaste]);
        assert_eq!(expected(&all, &[]), vec![both.clone(); 4]);
        let cases = declaration(
            "[[expect]]\nverdicts = [\"page-cache\", \"size-class-waste\"]\n\
             when = { sqlite_allocator = \"arena\", page_size = [512, 1024] }\n\
             [[expect]]\nverdicts = [\"page-cache\"]",
        )
        .unwrap();
        let plain = Some(vec![Verdict::PageCache]);
        let found = expected(&cases, &[]);
        assert_eq!(found, [plain.clone(), plain.clone(), both, plain]);
    }

    #[test]
    fn a_case_may_be_of_one_size() {
        let text = "[[expect]]\nverdicts = [\"steady\"]\nwhen = { scale = 1.0 }";
        let cases = declaration(text).unwrap();
        let steady = Some(vec![Verdict::Steady]);
        assert_eq!(expected(&cases, &["scale=1"]), vec![steady; 4]);
        assert_eq!(expected(&cases, &["scale=0.5"]), vec![None; 4]);
    }

    #[test]
    fn what_a_verdict_may_rest_on_takes_the_expectation_away() {
        let all = declaration(r#"expect = ["steady"]"#).unwrap();
        let steady = Some(vec![Verdict::Steady]);
        for harmless in [
            "scale=0.5",
            "readings=40",
            "sqlite_allocator=arena",
            "page_size=512",
        ] {
            assert!(
                expected(&all, &[harmless]).iter().all(|one| *one == steady),
                "{harmless}"
            );
        }
        for other in [
            "rows=7",
            "sqlite_allocator=rust",
            "page_size=1024",
            "cache_size=5",
        ] {
            assert!(
                expected(&all, &[other]).iter().all(Option::is_none),
                "{other}"
            );
        }
    }

    #[test]
    fn a_wrong_verdict_is_named_with_the_nearest() {
        let error = declaration(r#"expect = ["sqlite-leek"]"#)
            .unwrap_err()
            .to_string();
        assert!(error.contains("did you mean sqlite-leak?"), "{error}");
        for wrong in [
            "expect = \"steady\"",
            "expect = []",
            "expect = [\"steady\", \"steady\"]",
            "[[expect]]\nwhen = { sqlite_allocator = \"arena\" }",
            "[[expect]]\nverdict = [\"steady\"]",
            "[[expect]]\nverdicts = [\"steady\"]\nwhen = { cash_size = 1 }",
        ] {
            assert!(declaration(wrong).is_err(), "{wrong}");
        }
    }
}
