//! What the ledgers of a scenario came to at most, readings inside a phase among them: what a
//! phase held and had given back at its end would show nowhere else.

use super::bound_bytes;
use crate::record::{LedgerRecord, PhaseRecord, ScenarioRecord};
use crate::workload::database::{Database, DatabaseKind};

/// Kept in the room of one ledger, however many there are.
#[derive(Debug, Clone, Default)]
pub struct Extremes {
    /// The largest page cache.
    pub page_cache_bytes: i64,
    /// When: `fill, reading 19`.
    pub page_cache_at: String,
    /// The most in prepared statements.
    pub statement_bytes: i64,
    /// Pages written in mid-transaction because the cache was full.
    pub cache_spills: i64,
    /// The reading with the most live in SQLite.
    fullest: Option<PhaseRecord>,
}

/// A term of SQLite's; 0 where a ledger does not have it.
pub fn sqlite_bytes(ledger: &LedgerRecord, name: &str) -> i64 {
    let mut terms = ledger.terms.iter();
    let term = terms.find(|term| term.owner == "sqlite" && term.term == name);
    term.map_or(0, |term| term.bytes)
}

impl Extremes {
    pub(super) fn see(&mut self, phase: &PhaseRecord) {
        let ledger = &phase.ledger;
        let page_cache = sqlite_bytes(ledger, "page cache");
        if page_cache > self.page_cache_bytes {
            self.page_cache_bytes = page_cache;
            self.page_cache_at = moment(phase);
        }
        let statements = sqlite_bytes(ledger, "statements");
        self.statement_bytes = self.statement_bytes.max(statements);
        let spills = ledger.connections.iter().map(|one| one.cache_spills).sum();
        self.cache_spills = self.cache_spills.max(spills);
        let live = |phase: &PhaseRecord| sqlite_bytes(&phase.ledger, "live");
        let fuller = |known: &PhaseRecord| live(phase) > live(known);
        if phase.reading.is_some() && self.fullest.as_ref().is_none_or(fuller) {
            self.fullest = Some(phase.clone());
        }
    }

    /// The fullest reading, where its phase ended with clearly less: by more than a ledger's bound.
    pub fn given_back(&self, phases: &[PhaseRecord]) -> Option<&PhaseRecord> {
        let fullest = self.fullest.as_ref()?;
        let end = phases.iter().find(|end| end.phase == fullest.phase)?;
        let live = |phase: &PhaseRecord| sqlite_bytes(&phase.ledger, "live");
        let less = live(fullest) - live(end) > bound_bytes(fullest.ledger.rss_bytes);
        less.then_some(fullest)
    }
}

/// `fill, reading 19`, or the phase's end.
fn moment(phase: &PhaseRecord) -> String {
    match phase.reading {
        Some(reading) => format!("{}, reading {reading}", phase.phase),
        None => format!("{}, at its end", phase.phase),
    }
}

/// What `cache_size` allows all connections together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allowance {
    /// `cache_size` x `page_size`.
    pub bytes: i64,
    /// The same with the most that SQLite lays around a page.
    pub with_headers_bytes: i64,
}

/// More than the bundled SQLite's `SQLITE_CONFIG_PCACHE_HDRSZ` on any platform of 64 bits, and
/// rounding.
const PAGE_HEADER_BYTES: i64 = 300;

/// What SQLite adds to a page at least before it divides a `cache_size` in KiB by it.
const PAGE_EXTRA_BYTES: i64 = 100;

/// From the PRAGMAs as read back. `None` where they were not read, and where the database is in
/// memory: its pages are the database itself.
pub fn allowance(scenario: &ScenarioRecord) -> Option<Allowance> {
    let database = scenario.parameters.get("database")?.as_str()?;
    let kind = database.parse::<Database>().ok()?.kind;
    if !kind.is_file() && kind != DatabaseKind::Temporary {
        return None;
    }
    let connections = scenario.pragmas.iter().map(|pragma| pragma.connection);
    (0..=connections.max()?).try_fold(Allowance::default(), |sum, connection| {
        let one = allowance_of(scenario, connection)?;
        Some(Allowance {
            bytes: sum.bytes.checked_add(one.bytes)?,
            with_headers_bytes: sum.with_headers_bytes.checked_add(one.with_headers_bytes)?,
        })
    })
}

fn allowance_of(scenario: &ScenarioRecord, connection: u32) -> Option<Allowance> {
    let read_back = |name: &str| {
        let mut pragmas = scenario.pragmas.iter();
        let pragma =
            pragmas.find(|pragma| pragma.connection == connection && pragma.name == name)?;
        pragma.read_back.as_ref()?.parse::<i64>().ok()
    };
    let page_size = read_back("page_size")?;
    let cache_size = read_back("cache_size")?;
    // Above 0 it counts pages; below, KiB, of which SQLite makes pages with some of their headers.
    let (bytes, pages) = match cache_size {
        pages @ 0.. => (pages.checked_mul(page_size)?, pages),
        kib => {
            let bytes = kib.checked_neg()?.checked_mul(1024)?;
            (
                bytes,
                bytes / page_size.checked_add(PAGE_EXTRA_BYTES)?.max(1),
            )
        }
    };
    Some(Allowance {
        bytes,
        with_headers_bytes: pages.checked_mul(page_size.checked_add(PAGE_HEADER_BYTES)?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::record::PragmaRecord;

    fn scenario(database: &str, cache_size: &str) -> ScenarioRecord {
        let pragma = |name: &str, read_back: &str| PragmaRecord {
            connection: 0,
            name: name.into(),
            asked: None,
            read_back: Some(read_back.into()),
        };
        let mut scenario = samples::scenario();
        scenario
            .parameters
            .insert("database".into(), database.into());
        scenario.pragmas = vec![
            pragma("page_size", "4096"),
            pragma("cache_size", cache_size),
        ];
        scenario
    }

    #[test]
    fn cache_size_counts_pages_above_zero_and_kib_below() {
        let bytes = |database, size| allowance(&scenario(database, size)).map(|a| a.bytes);
        assert_eq!(bytes("file", "32768"), Some(128 << 20));
        assert_eq!(bytes("attach:file-wal", "-2000"), Some(2000 << 10));
        assert_eq!(bytes("memory", "32768"), None);
        assert_eq!(bytes("file", "9223372036854775807"), None);
    }

    #[test]
    fn each_connection_has_a_cache_of_its_own() {
        let mut two = scenario("file", "-2000");
        let again: Vec<PragmaRecord> = (two.pragmas.iter())
            .map(|pragma| PragmaRecord {
                connection: 1,
                ..pragma.clone()
            })
            .collect();
        two.pragmas.extend(again);
        assert_eq!(allowance(&two).map(|a| a.bytes), Some(4000 << 10));
    }

    #[test]
    fn what_a_phase_has_given_back_at_its_end_is_kept() {
        let mut extremes = Extremes::default();
        let mut fuller = samples::phase("fill", 0);
        fuller.reading = Some(1);
        fuller.ledger.terms[0].bytes += 50 << 20;
        fuller.ledger.terms[1].bytes += 50 << 20;
        let end = samples::phase("fill", 0);
        extremes.see(&fuller);
        extremes.see(&end);
        assert_eq!(extremes.page_cache_bytes, 120 << 20);
        assert_eq!(extremes.page_cache_at, "fill, reading 1");
        let shown = extremes.given_back(std::slice::from_ref(&end));
        assert_eq!(shown.and_then(|phase| phase.reading), Some(1));
        // A little less is not worth a ledger of its own.
        fuller.ledger.terms[0].bytes -= 50 << 20;
        assert!(extremes.given_back(&[fuller]).is_some());
        let mut same = samples::phase("fill", 0);
        same.ledger.terms[0].bytes += 50 << 20;
        assert!(extremes.given_back(&[same]).is_none());
    }
}
