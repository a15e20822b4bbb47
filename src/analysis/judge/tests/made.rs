//! Makes series whose numbers fit each other: RSS is the sum of its terms, live of its uses.

use crate::analysis::series::Probed;
use crate::analysis::{Moment, Per, Series, judge};
use crate::verdict::{Confidence, Finding, Judgement, Probe, Verdict};

pub const KIB: i64 = 1 << 10;
pub const MIB: i64 = 1 << 20;

/// A 4 KiB page in SQLite's page cache: by its count of all caches, and by that of one.
const PAGE: i64 = 4376;
const KNOWN_PAGE: i64 = 4360;
/// Resident in any process, and no term that rules look at.
const PROGRAM: i64 = 6 * MIB;

/// A series that is being made.
#[derive(Clone)]
pub struct Made {
    baseline: Moment,
    moments: Vec<Moment>,
    pub series: Series,
}

/// The table of pages of a cache, which doubles.
fn table(pages: i64) -> i64 {
    8 * (pages.max(256) as u64).next_power_of_two() as i64
}

/// Sets the pages of a known connection's file.
pub fn pages(one: &mut Moment, bytes: i64) {
    let (before, after) = (one.page_cache / PAGE, bytes / PAGE);
    one.sqlite_blocks += after - before;
    one.other += table(after) - table(before);
    (one.page_cache, one.known_page_cache) = (after * PAGE, after * KNOWN_PAGE);
}

/// Sets the pages of a known connection's database, which is in memory.
pub fn memory(one: &mut Moment, bytes: i64) {
    pages(one, bytes);
    one.memory_database = one.known_page_cache;
}

/// Blocks of SQLite's that nobody counts by use.
pub fn buffers(one: &mut Moment, bytes: i64, blocks: i64) {
    one.other += bytes;
    one.sqlite_blocks += blocks;
}

/// Statements of a known connection.
pub fn statements(one: &mut Moment, bytes: i64, count: i64) {
    one.statements += bytes;
    one.statement_count += count;
    one.sqlite_blocks += 4 * count;
}

/// Everything that known connections hold is gone.
pub fn close(one: &mut Moment) {
    one.sqlite_blocks = 0;
    (one.page_cache, one.schema, one.statements, one.other) = (0, 0, 0, 0);
    (one.connections, one.known_page_cache, one.statement_count) = (0, 0, 0);
    (one.memory_database, one.memdb_image) = (0, 0);
}

fn settle(one: &mut Moment) {
    one.sqlite_live = one.page_cache + one.schema + one.statements + one.other;
    let sqlite = one.sqlite_live + one.sqlite_header + one.sqlite_rounding;
    let heaps = sqlite + one.rust_live + one.rust_rounding + one.other_c_live;
    let free = one.glibc_free + one.jemalloc_kept + one.jemalloc_fragmentation;
    let files = one.mapped_files + one.wal_index;
    one.rss = PROGRAM + heaps + free + one.stacks + files + one.unattributed;
    one.anonymous = one.rss - files - PROGRAM / 2;
}

impl Made {
    /// 20 cycles of nothing: one connection to a small file.
    pub fn insert() -> Made {
        Made::cycles(20)
    }

    /// The same for as many cycles.
    pub fn cycles(cycles: usize) -> Made {
        let mut open = Moment {
            connections: 1,
            schema: 4 * KIB,
            statements: 6 * KIB,
            statement_count: 2,
            other: 140 * KIB,
            sqlite_blocks: 120,
            rust_live: 3 * MIB,
            rust_blocks: 2000,
            other_c_live: MIB,
            stacks: 256 * KIB,
            glibc_arenas: Some(2),
            open_files: 9,
            ..Moment::default()
        };
        settle(&mut open);
        let moment = |at| Moment {
            at: at as f64,
            ..open
        };
        let mut series = Series::default();
        series.per = Per::Cycle;
        Made {
            baseline: open,
            moments: (0..=cycles).map(moment).collect(),
            series,
        }
    }

    /// A database of 550 MiB in memory, copied and dropped in each cycle.
    pub fn snapshot() -> Made {
        Made::insert().each(|_, one| memory(one, 550 * MIB))
    }

    /// Changes the moment after each cycle; the first is 0, before them.
    pub fn each(mut self, mut change: impl FnMut(i64, &mut Moment)) -> Made {
        for (cycle, one) in (0..).zip(&mut self.moments) {
            change(cycle, one);
            settle(one);
        }
        self
    }

    /// Changes all moments and the baseline before them.
    pub fn all(mut self, change: impl Fn(&mut Moment)) -> Made {
        change(&mut self.baseline);
        settle(&mut self.baseline);
        self.each(|_, one| change(one))
    }

    /// Adds what a probe does to the last ledger.
    pub fn probe(mut self, probe: Probe, change: impl FnOnce(&mut Moment)) -> Made {
        let last = self.series.probes.last().map(|one| one.after);
        let before = last.unwrap_or(self.moments[self.moments.len() - 1]);
        let mut after = before;
        change(&mut after);
        settle(&mut after);
        self.series.probes.push(Probed {
            probe,
            before,
            after,
            statements: Vec::new(),
        });
        self
    }

    /// All sizes by `factor`; counts stay.
    pub fn scaled(mut self, factor: f64) -> Made {
        let scale = |one: &mut Moment| {
            let sizes = [
                &mut one.page_cache,
                &mut one.known_page_cache,
                &mut one.memory_database,
                &mut one.memdb_image,
                &mut one.schema,
                &mut one.statements,
                &mut one.other,
                &mut one.sqlite_rounding,
                &mut one.rust_live,
                &mut one.rust_rounding,
                &mut one.other_c_live,
                &mut one.glibc_free,
                &mut one.jemalloc_kept,
                &mut one.jemalloc_fragmentation,
                &mut one.jemalloc_reserved,
                &mut one.stacks,
                &mut one.mapped_files,
                &mut one.wal_index,
            ];
            for bytes in sizes {
                *bytes = (*bytes as f64 * factor) as i64;
            }
            settle(one);
        };
        scale(&mut self.baseline);
        self.moments.iter_mut().for_each(scale);
        for probed in &mut self.series.probes {
            scale(&mut probed.before);
            scale(&mut probed.after);
        }
        let allowed = &mut self.series.facts.cache_allowance_bytes;
        *allowed = allowed.map(|bytes| (bytes as f64 * factor) as i64);
        self
    }

    pub fn judge(&self) -> Judgement {
        let mut series = self.series.clone();
        series.baseline = Some(self.baseline);
        for moment in &self.moments {
            series.push(*moment);
        }
        judge(&series)
    }

    /// The verdicts, largest first.
    pub fn verdicts(&self) -> Vec<Verdict> {
        self.judge().verdicts().collect()
    }

    /// The one finding of `verdict`.
    pub fn finding(&self, verdict: Verdict) -> Finding {
        let judgement = self.judge();
        let found = (judgement.findings.iter()).find(|one| one.verdict == verdict);
        found
            .unwrap_or_else(|| panic!("{verdict} is not among {judgement:#?}"))
            .clone()
    }

    pub fn confidence(&self, verdict: Verdict) -> Confidence {
        self.finding(verdict).confidence
    }
}

/// The evidence named `what`.
pub fn evidence(finding: &Finding, what: &str) -> f64 {
    let found = finding.evidence.iter().find(|one| one.what == what);
    found
        .unwrap_or_else(|| panic!("{what} is not in {finding:#?}"))
        .value
}
