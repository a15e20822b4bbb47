//! One value of each key: the product of everything that has several.

use super::error::Error;
use super::key::Key;
use super::setting::{Setting, Value};

/// One cell: each key with one value, in the order of the declaration.
pub(super) type Cell<'a> = Vec<(&'a Key, &'a Value)>;

/// No machine runs more in one sitting.
const MOST: u128 = 1000;

/// All cells, the last key that varies running fastest.
pub(super) fn cells<'a>(name: &str, settings: &'a [Setting]) -> Result<Vec<Cell<'a>>, Error> {
    let count = settings
        .iter()
        .fold(1u128, |n, s| n.saturating_mul(s.values.len() as u128));
    if count > MOST {
        let keys: Vec<_> = varying(settings)
            .map(|setting| setting.key.to_string())
            .collect();
        let (scenario, keys) = (name.to_owned(), keys.join(", "));
        return Err(Error::TooMany {
            scenario,
            count,
            most: MOST,
            keys,
        });
    }
    let mut cells: Vec<Cell<'a>> = vec![Vec::new()];
    for setting in settings {
        let longer = |cell: Cell<'a>| {
            let with = move |value| {
                let mut cell = cell.clone();
                cell.push((&setting.key, value));
                cell
            };
            setting.values.iter().map(with)
        };
        cells = cells.into_iter().flat_map(longer).collect();
    }
    Ok(cells)
}

/// `name[key=value,...]` with the keys that vary, or the bare name.
pub(super) fn cell_name(name: &str, settings: &[Setting], cell: &Cell<'_>) -> String {
    let choices: Vec<String> = varying(settings)
        .filter_map(|setting| cell.iter().find(|(key, _)| **key == setting.key))
        .map(|(key, value)| format!("{key}={}", value.text))
        .collect();
    if choices.is_empty() {
        name.to_owned()
    } else {
        format!("{name}[{}]", choices.join(","))
    }
}

fn varying(settings: &[Setting]) -> impl Iterator<Item = &Setting> {
    settings.iter().filter(|setting| setting.values.len() > 1)
}
