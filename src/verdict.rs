//! The words of a judgement: what kind of growth a series of ledgers shows, on which numbers that
//! rests, and what gave the memory back. Data alone; the rules are in [`analysis`](crate::analysis).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::memory::statements::Statements;

/// A word that is known when the program is built, or that was read from a record.
pub type Text = Cow<'static, str>;

/// What kind of growth it is, or what is held by design.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// SQLite's live bytes and blocks rise, and nothing that SQLite holds by design does.
    SqliteLeak,
    /// By design: pages of files, up to `cache_size` for each connection.
    PageCache,
    /// By design: the pages of in-memory databases.
    DatabaseInMemory,
    /// Dirty pages of an open transaction beyond `cache_size`, because they may not be spilled.
    PinnedDirtyPages,
    /// Freed, and kept by jemalloc as dirty or muzzy pages until its decay or a purge.
    LazyReturn,
    /// Freed, and kept by glibc's arenas until a trim.
    AllocatorRetention,
    /// Free slots between live blocks, which neither a trim nor a purge can give back.
    Fragmentation,
    /// What size classes round blocks up by.
    SizeClassWaste,
    /// Rust's live bytes rise.
    RustLeak,
    /// Live bytes of other C code rise.
    OtherCLeak,
    /// Pages of mapped files, which the kernel can take back.
    FilePages,
    /// Stacks of threads.
    ThreadStacks,
    /// Nothing of the above, and RSS does not rise.
    Steady,
    /// Bytes that no term accounts for, or growth that no other verdict is about.
    Unexplained,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Verdict; 14] = [
        Verdict::SqliteLeak,
        Verdict::PageCache,
        Verdict::DatabaseInMemory,
        Verdict::PinnedDirtyPages,
        Verdict::LazyReturn,
        Verdict::AllocatorRetention,
        Verdict::Fragmentation,
        Verdict::SizeClassWaste,
        Verdict::RustLeak,
        Verdict::OtherCLeak,
        Verdict::FilePages,
        Verdict::ThreadStacks,
        Verdict::Steady,
        Verdict::Unexplained,
    ];

    /// As in records and scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::SqliteLeak => "sqlite-leak",
            Verdict::PageCache => "page-cache",
            Verdict::DatabaseInMemory => "database-in-memory",
            Verdict::PinnedDirtyPages => "pinned-dirty-pages",
            Verdict::LazyReturn => "lazy-return",
            Verdict::AllocatorRetention => "allocator-retention",
            Verdict::Fragmentation => "fragmentation",
            Verdict::SizeClassWaste => "size-class-waste",
            Verdict::RustLeak => "rust-leak",
            Verdict::OtherCLeak => "other-c-leak",
            Verdict::FilePages => "file-pages",
            Verdict::ThreadStacks => "thread-stacks",
            Verdict::Steady => "steady",
            Verdict::Unexplained => "unexplained",
        }
    }

    /// What was asked for, and no fault.
    pub const fn is_by_design(self) -> bool {
        matches!(
            self,
            Verdict::PageCache | Verdict::DatabaseInMemory | Verdict::Steady
        )
    }

    /// For a person, in one sentence.
    pub const fn meaning(self) -> &'static str {
        match self {
            Verdict::SqliteLeak => {
                "SQLite's live bytes and blocks rise: something is opened, prepared or allocated and \
                 never given back"
            }
            Verdict::PageCache => {
                "by design: pages of files in SQLite's cache, which stop at cache_size x page_size \
                 for each connection"
            }
            Verdict::DatabaseInMemory => {
                "by design: the pages of an in-memory database; only deleting rows and VACUUM, or \
                 closing it, frees them"
            }
            Verdict::PinnedDirtyPages => {
                "an open transaction pins its dirty pages beyond cache_size, because they may not be \
                 spilled; COMMIT frees them"
            }
            Verdict::LazyReturn => {
                "freed, and kept by jemalloc as dirty pages until they decay or are purged"
            }
            Verdict::AllocatorRetention => {
                "freed, and kept by glibc's malloc, once for each arena; malloc_trim(0) gives it back"
            }
            Verdict::Fragmentation => {
                "free slots between live blocks: no trim and no purge can give them back"
            }
            Verdict::SizeClassWaste => {
                "the allocator rounds blocks up to its size classes, and the rest of each is lost"
            }
            Verdict::RustLeak => "Rust's live bytes rise; SQLite is not the cause",
            Verdict::OtherCLeak => {
                "live bytes of C code that is neither SQLite nor behind Rust's allocator rise"
            }
            Verdict::FilePages => {
                "pages of mapped files: the kernel takes them back when it needs memory"
            }
            Verdict::ThreadStacks => "stacks of threads: more of them, or deeper ones",
            Verdict::Steady => "no significant slope",
            Verdict::Unexplained => "growth that no term, or no other verdict, accounts for",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A word that is no verdict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a verdict")]
pub struct UnknownVerdict(pub String);

impl FromStr for Verdict {
    type Err = UnknownVerdict;

    fn from_str(text: &str) -> Result<Self, UnknownVerdict> {
        (Verdict::ALL.into_iter())
            .find(|verdict| verdict.name() == text)
            .ok_or_else(|| UnknownVerdict(text.to_owned()))
    }
}

/// An action that gives memory back if a verdict is right. They run in this order, once each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// `COMMIT` on each connection that has a transaction open.
    Commit,
    /// Every statement that `sqlite3_next_stmt` knows is finalized.
    Finalize,
    /// `sqlite3_db_release_memory` on each connection: what `PRAGMA shrink_memory` does.
    Shrink,
    /// `malloc_trim(0)`
    Trim,
    /// `arena.<i>.purge` of every jemalloc arena.
    Purge,
    /// Every connection is closed.
    Close,
}

impl Probe {
    /// In the order in which they run.
    pub const ALL: [Probe; 6] = [
        Probe::Commit,
        Probe::Finalize,
        Probe::Shrink,
        Probe::Trim,
        Probe::Purge,
        Probe::Close,
    ];

    /// As in records.
    pub const fn name(self) -> &'static str {
        match self {
            Probe::Commit => "commit",
            Probe::Finalize => "finalize",
            Probe::Shrink => "shrink",
            Probe::Trim => "trim",
            Probe::Purge => "purge",
            Probe::Close => "close",
        }
    }

    /// What was called.
    pub const fn action(self) -> &'static str {
        match self {
            Probe::Commit => "COMMIT",
            Probe::Finalize => "sqlite3_finalize of every known statement",
            Probe::Shrink => "sqlite3_db_release_memory on every connection",
            Probe::Trim => "malloc_trim(0)",
            Probe::Purge => "purge of every jemalloc arena",
            Probe::Close => "closing every connection",
        }
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How sure a verdict is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// The probe said otherwise, or it was seen once, or in single jumps only.
    Low,
    /// By the numbers of the series alone.
    Medium,
    /// By the numbers, and the probe did what it must; or by a count of the kernel's or the
    /// allocator's that needs none.
    High,
}

impl Confidence {
    /// As in records.
    pub const fn name(self) -> &'static str {
        match self {
            Confidence::Low => "low",
            Confidence::Medium => "medium",
            Confidence::High => "high",
        }
    }
}

/// What a number of an [`Evidence`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Bytes for each of [`Judgement::per`].
    BytesPer,
    /// Blocks, statements, connections, arenas: whatever `what` says.
    Count,
    /// Of them for each of [`Judgement::per`].
    CountPer,
    /// A part of one.
    Ratio,
}

/// One number that a verdict rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct Evidence {
    /// What it is the number of: `sqlite live, slope`.
    pub what: Text,
    /// The number.
    pub value: f64,
    /// What it counts.
    pub unit: Unit,
    /// The 95 % confidence interval, for a slope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<(f64, f64)>,
}

/// What one probe gave back: the ledger before it less the ledger after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct GaveBack {
    /// What was done.
    pub probe: Probe,
    /// Of RSS.
    pub rss_bytes: i64,
    /// Of SQLite's live bytes.
    pub sqlite_live_bytes: i64,
    /// Of SQLite's live blocks.
    pub sqlite_blocks: i64,
    /// Of the page cache.
    pub page_cache_bytes: i64,
}

/// One verdict, with what it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct Finding {
    /// The verdict.
    pub verdict: Verdict,
    /// How many bytes it is about: grown, or held.
    pub bytes: i64,
    /// How sure it is.
    pub confidence: Confidence,
    /// The ledger's terms that it rests on: `sqlite live`, `allocator free but resident`.
    pub terms: Vec<Text>,
    /// The numbers.
    pub evidence: Vec<Evidence>,
    /// What it says of this process, where there is more to say than the verdict's meaning: which
    /// kind of leak, how far below its bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The probe that shows whether it is right, and what that gave back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<GaveBack>,
    /// For a leak: what was never finalized, largest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statements: Vec<Statements>,
}

/// All verdicts over one series.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct Judgement {
    /// Largest first; empty where there is no verdict.
    pub findings: Vec<Finding>,
    /// Why there is no verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub none: Option<String>,
    /// What slopes are for each of: `cycle`, `row`, `reading`.
    #[serde(default)]
    pub per: Text,
    /// Readings that were judged, those of the warm-up among them.
    pub readings: usize,
    /// Of them, at the begin, those that slopes leave out.
    pub warm_up: usize,
    /// What each probe gave back, in the order in which they ran.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<GaveBack>,
}

impl Judgement {
    /// The verdicts, largest first.
    pub fn verdicts(&self) -> impl Iterator<Item = Verdict> {
        self.findings.iter().map(|finding| finding.verdict)
    }

    /// Whether it found `expected`, all of them and nothing else, in whatever order.
    pub fn is(&self, expected: &[Verdict]) -> bool {
        let found: Vec<Verdict> = self.verdicts().collect();
        found.len() == expected.len() && expected.iter().all(|one| found.contains(one))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_verdict_and_probe_is_read_by_the_name_that_records_have() {
        for verdict in Verdict::ALL {
            assert_eq!(verdict.name().parse(), Ok(verdict));
        }
        assert_eq!(
            "leak".parse::<Verdict>(),
            Err(UnknownVerdict("leak".into()))
        );
    }
}
