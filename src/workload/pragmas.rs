//! PRAGMAs, set in order and read back.

use serde::{Deserialize, Serialize};

/// One `PRAGMA name = value`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pragma {
    /// Lower case, letters, digits and `_`.
    pub name: String,
    /// As written after `=`.
    pub value: String,
}
