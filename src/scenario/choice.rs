//! The enums that a scenario chooses from, by the names under which serde writes them.

use std::fmt;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;

use super::error::{Problem, nearest};
use super::key::Key;
use super::setting::Value;

/// serde's complaint about a variant, kept for the list of those that there are.
#[derive(Debug)]
struct NoVariant(&'static [&'static str]);

impl fmt::Display for NoVariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such variant")
    }
}

impl std::error::Error for NoVariant {}

impl serde::de::Error for NoVariant {
    fn custom<T: fmt::Display>(_: T) -> Self {
        NoVariant(&[])
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        NoVariant(expected)
    }
}

/// `value` as one of the variants of `T`.
pub(super) fn choice<T: for<'de> Deserialize<'de>>(key: &Key, value: &Value) -> Result<T, Problem> {
    let text = value.string(key)?;
    let deserializer: StrDeserializer<'_, NoVariant> = text.into_deserializer();
    T::deserialize(deserializer).map_err(|NoVariant(allowed)| Problem::NotAChoice {
        key: key.to_string(),
        value: text.to_owned(),
        allowed: allowed.join(", "),
        nearest: nearest(text, allowed.iter().copied()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Setting;
    use crate::workload::database::DatabaseKind;

    #[test]
    fn a_wrong_choice_names_the_nearest_and_all() {
        let setting = Setting::parse("database=file-wall").unwrap();
        let problem = choice::<DatabaseKind>(&setting.key, &setting.values[0]).unwrap_err();
        let text = problem.to_string();
        assert!(text.contains("did you mean file-wal?"), "{text}");
        assert!(
            text.contains("memory-shared, memory-named, memdb, temporary"),
            "{text}"
        );
    }
}
