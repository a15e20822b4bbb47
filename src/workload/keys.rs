//! The ids that the insert workload writes.

use serde::{Deserialize, Serialize};

/// What the id of row `i` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyMode {
    /// Go's `string(i)`: the code point `i` in UTF-8, U+FFFD for surrogates and beyond U+10FFFF.
    #[default]
    GoRune,
    /// `i` in decimal.
    Decimal,
    /// A uuid-like text, from the seed and `i`.
    Random,
}
