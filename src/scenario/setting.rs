//! A key with the values that a file or a command line gives it.

use super::error::{Error, Place, Problem};
use super::key::{Key, Parameter};

/// What a value was written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A TOML integer.
    Integer,
    /// A TOML float.
    Float,
    /// A TOML boolean.
    Boolean,
    /// A TOML string.
    Text,
    /// On a command line, where everything looks the same.
    Bare,
}

/// One value, not yet read as what its key needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// As written, without quotes.
    pub text: String,
    /// What it was written as.
    pub kind: Kind,
    /// Where.
    pub place: Place,
}

/// A key and its values; several make a matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The key.
    pub key: Key,
    /// One or more, each different from the others.
    pub values: Vec<Value>,
}

/// On the command line: leave this PRAGMA out.
pub(crate) const UNSET: &str = "unset";

impl Setting {
    /// `KEY=VALUE` as `--set` takes it; commas part values, save in `env.NAME` and `preload`.
    pub fn parse(argument: &str) -> Result<Setting, Error> {
        let place = Place::Argument(format!("--set {argument}"));
        let Some((key, values)) = argument.split_once('=') else {
            return Err(Problem::NoEquals.at(None, &place));
        };
        let key = Key::parse(key.trim()).map_err(|problem| problem.at(None, &place))?;
        Setting::with_values(key, values, place)
    }

    /// `--rows`, `--scale` and their like: an option of its own that stands for a key.
    pub fn of_option(parameter: Parameter, values: &str) -> Result<Setting, Error> {
        let place = Place::Argument(format!("--{} {values}", parameter.name()));
        Setting::with_values(Key::Parameter(parameter), values, place)
    }

    fn with_values(key: Key, values: &str, place: Place) -> Result<Setting, Error> {
        let texts: Vec<&str> = if key.commas_part() {
            values.split(',').map(str::trim).collect()
        } else {
            vec![values]
        };
        if texts.iter().any(|text| text.is_empty()) && !matches!(key, Key::Env(_)) {
            return Err(Problem::NoValue(key.to_string()).at(None, &place));
        }
        let value = |text: &str| Value {
            text: text.into(),
            kind: Kind::Bare,
            place: place.clone(),
        };
        let setting = Setting {
            values: texts.into_iter().map(value).collect(),
            key,
        };
        setting.checked(None)
    }

    /// Where its first value stands.
    pub(crate) fn place(&self) -> Place {
        match self.values.first() {
            Some(value) => value.place.clone(),
            None => Place::Argument(format!("--set {}", self.key)),
        }
    }

    /// This setting, if no value stands in it twice.
    pub(crate) fn checked(self, scenario: Option<&str>) -> Result<Setting, Error> {
        for (index, value) in self.values.iter().enumerate() {
            if self.values[..index]
                .iter()
                .any(|earlier| earlier.text == value.text)
            {
                let (key, text) = (self.key.to_string(), value.text.clone());
                return Err(Problem::Repeated { key, value: text }.at(scenario, &value.place));
            }
        }
        Ok(self)
    }

    /// `later` over `earlier`: a key of both keeps its place and takes the later values.
    pub(crate) fn overlay(earlier: &[Setting], later: &[Setting]) -> Vec<Setting> {
        let mut all = earlier.to_vec();
        for setting in later {
            match all.iter_mut().find(|known| known.key == setting.key) {
                Some(known) => known.values.clone_from(&setting.values),
                None => all.push(setting.clone()),
            }
        }
        all
    }

    /// The settings of one command line: values of a key that is there twice come together.
    pub(crate) fn joined(settings: &[Setting]) -> Result<Vec<Setting>, Error> {
        let mut all: Vec<Setting> = Vec::new();
        for setting in settings {
            match all.iter_mut().find(|known| known.key == setting.key) {
                Some(known) => known.values.extend_from_slice(&setting.values),
                None => all.push(setting.clone()),
            }
        }
        all.into_iter()
            .map(|setting| setting.checked(None))
            .collect()
    }
}

impl Value {
    /// An integer of `least..=most`; `_` between digits is fine.
    pub(crate) fn integer(&self, key: &Key, least: u64, most: u64) -> Result<u64, Problem> {
        let expected = "an integer";
        let digits = self
            .text
            .strip_prefix(['-', '+'])
            .unwrap_or(&self.text)
            .replace('_', "");
        let is_integer = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        if !matches!(self.kind, Kind::Integer | Kind::Bare) || !is_integer {
            return Err(self.wrong_type(key, expected));
        }
        let parsed = if self.text.starts_with('-') {
            None
        } else {
            digits.parse().ok()
        };
        parsed
            .filter(|value| (least..=most).contains(value))
            .ok_or_else(|| Problem::OutOfRange {
                key: key.to_string(),
                value: self.text.clone(),
                allowed: format!("an integer from {least} to {most}"),
            })
    }

    /// A number above 0.
    pub(crate) fn factor(&self, key: &Key) -> Result<f64, Problem> {
        let number = self
            .text
            .replace('_', "")
            .parse::<f64>()
            .ok()
            .filter(|n| n.is_finite());
        match (self.kind, number) {
            (Kind::Text | Kind::Boolean, _) | (_, None) => {
                Err(self.wrong_type(key, "a number above 0"))
            }
            (_, Some(number)) if number > 0.0 => Ok(number),
            _ => Err(Problem::OutOfRange {
                key: key.to_string(),
                value: self.text.clone(),
                allowed: "a number above 0".into(),
            }),
        }
    }

    /// `true` or `false`.
    pub(crate) fn truth(&self, key: &Key) -> Result<bool, Problem> {
        match (self.kind, self.text.as_str()) {
            (Kind::Boolean | Kind::Bare, "true") => Ok(true),
            (Kind::Boolean | Kind::Bare, "false") => Ok(false),
            _ => Err(self.wrong_type(key, "true or false")),
        }
    }

    /// Text, and nothing else.
    pub(crate) fn string(&self, key: &Key) -> Result<&str, Problem> {
        match self.kind {
            Kind::Text | Kind::Bare => Ok(&self.text),
            _ => Err(self.wrong_type(key, "a string")),
        }
    }

    pub(crate) fn wrong_type(&self, key: &Key, expected: &'static str) -> Problem {
        let found = match self.kind {
            Kind::Integer => format!("the integer {}", self.text),
            Kind::Float => format!("the float {}", self.text),
            Kind::Boolean => format!("the boolean {}", self.text),
            Kind::Text => format!("the string {:?}", self.text),
            Kind::Bare => self.text.clone(),
        };
        Problem::WrongType {
            key: key.to_string(),
            expected,
            found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(setting: &Setting) -> Vec<&str> {
        setting
            .values
            .iter()
            .map(|value| value.text.as_str())
            .collect()
    }

    #[test]
    fn commas_part_values_but_not_those_of_the_environment() {
        assert_eq!(
            texts(&Setting::parse("batch=1,32_768").unwrap()),
            ["1", "32_768"]
        );
        let conf = Setting::parse("env._RJEM_MALLOC_CONF=narenas:1,tcache:false").unwrap();
        assert_eq!(texts(&conf), ["narenas:1,tcache:false"]);
    }

    #[test]
    fn a_key_that_is_set_twice_has_both_values() {
        let both = [
            Setting::parse("batch=1").unwrap(),
            Setting::parse("batch=2").unwrap(),
        ];
        let joined = Setting::joined(&both).unwrap();
        assert_eq!(joined.len(), 1);
        assert_eq!(texts(&joined[0]), ["1", "2"]);
        assert!(Setting::joined(&[both[0].clone(), both[0].clone()]).is_err());
    }

    #[test]
    fn numbers_past_any_integer_are_out_of_range_and_words_are_of_the_wrong_type() {
        let rows = Key::Parameter(Parameter::Rows);
        let read = |text: &str| {
            Setting::parse(&format!("rows={text}")).unwrap().values[0].integer(&rows, 1, 100)
        };
        assert_eq!(read("1_00"), Ok(100));
        for text in ["0", "-1", "101", "18446744073709551616", &"9".repeat(60)] {
            assert!(
                matches!(read(text), Err(Problem::OutOfRange { .. })),
                "{text}"
            );
        }
        for text in ["many", "1.5", "1e6", "0x10", "-", "_"] {
            assert!(
                matches!(read(text), Err(Problem::WrongType { .. })),
                "{text}"
            );
        }
    }
}
