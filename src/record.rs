//! The record: one JSON object on one line. Read and written by everything else.
//!
//! Sizes in bytes, times in nanoseconds, raw values only: what can be derived is derived again by
//! the reader. A reader skips kinds that it does not know.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// The version that this build writes.
pub const SCHEMA_VERSION: u32 = 1;

type Text = Cow<'static, str>;

/// One term of a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TermRecord {
    /// `sqlite`, `rust`, `other_c`, `allocator`, `stacks`, `program`, `instrument`, `files`.
    pub owner: Text,
    /// The term's name: `live`, `header`, `rounding`, ...
    pub term: Text,
    /// Signed: `untouched` is negative.
    pub bytes: i64,
    /// Where the number was read.
    pub source: Text,
    /// True for the terms that, with `unattributed_bytes`, add up to `rss_bytes`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub counts: bool,
    /// For a finer split: the term of the same owner that it is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Text>,
}

/// A ledger on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerRecord {
    /// Resident bytes, the kernel's word.
    pub rss_bytes: i64,
    /// RSS less every term that counts.
    pub unattributed_bytes: i64,
    /// The terms.
    pub terms: Vec<TermRecord>,
}
