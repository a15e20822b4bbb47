//! Where two environments differ, field by field.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

/// A field with both of its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// `sqlite.version`
    pub field: String,
    /// Absent where the base does not have it. Of a list, what the new one lacks.
    pub base: Option<String>,
    /// The other way round.
    pub new: Option<String>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        write!(
            f,
            "{}: {} → {}",
            self.field,
            shown(&self.base),
            shown(&self.new)
        )
    }
}

/// All fields that differ, sorted.
pub(super) fn differences(base: &Map<String, Value>, new: &Map<String, Value>) -> Vec<Difference> {
    let (mut base_fields, mut new_fields) = (BTreeMap::new(), BTreeMap::new());
    flatten("", base, &mut base_fields);
    flatten("", new, &mut new_fields);
    let mut fields: Vec<&String> = base_fields.keys().chain(new_fields.keys()).collect();
    fields.sort();
    fields.dedup();
    let differ = fields.into_iter().filter_map(|field| {
        let values = (
            base_fields.get(field).copied(),
            new_fields.get(field).copied(),
        );
        (values.0 != values.1).then(|| difference(field, values))
    });
    differ.collect()
}

fn flatten<'a>(prefix: &str, map: &'a Map<String, Value>, into: &mut BTreeMap<String, &'a Value>) {
    for (name, value) in map {
        let field = match prefix {
            "" => name.clone(),
            prefix => format!("{prefix}.{name}"),
        };
        match value {
            Value::Object(inner) => flatten(&field, inner, into),
            value => {
                into.insert(field, value);
            }
        }
    }
}

fn difference(field: &str, values: (Option<&Value>, Option<&Value>)) -> Difference {
    let of = |values: &[Value]| values.iter().map(text).collect::<Vec<String>>().join(" ");
    let (base, new) = match values {
        (Some(Value::Array(base)), Some(Value::Array(new))) => {
            let without = |all: &[Value], those: &[Value]| {
                let others = all.iter().filter(|one| !those.contains(one));
                let others: Vec<Value> = others.cloned().collect();
                (!others.is_empty()).then(|| of(&others))
            };
            (without(base, new), without(new, base))
        }
        (base, new) => (base.map(text), new.map(text)),
    };
    Difference {
        field: field.to_owned(),
        base,
        new,
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn each_field_that_differs_is_named_by_its_path_and_lists_by_what_the_other_lacks() {
        let base = map(json!({
            "governor": "performance", "kernel": "a", "sqlite": {"version": "3.54.0", "compile_options": ["A", "B"]},
            "variables": {"MALLOC_ARENA_MAX": "1"},
        }));
        let new = map(json!({
            "kernel": "a", "sqlite": {"version": "3.54.1", "compile_options": ["B", "C=1"]}, "variables": {},
        }));
        let shown: Vec<String> = (differences(&base, &new).iter())
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            shown,
            [
                "governor: performance → -",
                "sqlite.compile_options: A → C=1",
                "sqlite.version: 3.54.0 → 3.54.1",
                "variables.MALLOC_ARENA_MAX: 1 → -",
            ]
        );
        assert_eq!(differences(&base, &base), []);
    }
}
