//! From the ledger that the program thinks in to the one that is written down.

use crate::allocator::dhat_heap;
use crate::memory::Ledger;
use crate::memory::jemalloc::GlobalCounters;
use crate::memory::ledger::{Beside, CgroupBytes};
use crate::memory::sqlite::ConnectionStatus;
use crate::record::{
    BesideRecord, CgroupRecord, ConnectionRecord, DhatRecord, JemallocRecord, LedgerRecord,
    TermRecord,
};

/// A ledger on the wire, in the room that `terms` has.
pub(super) fn ledger(ledger: &Ledger, mut terms: Vec<TermRecord>) -> LedgerRecord {
    terms.extend(ledger.terms.iter().map(|term| TermRecord {
        owner: term.owner.name().into(),
        term: term.term.into(),
        bytes: term.bytes,
        source: term.source.into(),
        counts: term.counts,
        within: term.within.map(Into::into),
    }));
    LedgerRecord {
        rss_bytes: i64::try_from(ledger.rss_bytes).unwrap_or(i64::MAX),
        unattributed_bytes: ledger.unattributed_bytes(),
        terms,
        beside: beside(&ledger.beside),
        connections: ledger.connections.iter().map(connection).collect(),
    }
}

fn beside(beside: &Beside) -> BesideRecord {
    BesideRecord {
        anonymous_bytes: beside.anonymous_bytes,
        swap_bytes: beside.swap_bytes,
        huge_page_bytes: beside.huge_page_bytes,
        sqlite_highwater_bytes: beside.sqlite_highwater_bytes,
        sqlite_blocks: beside.sqlite_blocks,
        rust_blocks: beside.rust_blocks,
        rust_peak_bytes: beside.rust_peak_bytes,
        rust_total_bytes: beside.rust_total_bytes,
        rust_total_blocks: beside.rust_total_blocks,
        jemalloc_retained_bytes: beside.jemalloc_retained_bytes,
        glibc_arenas: beside.glibc_arenas,
        cgroup: beside.cgroup.as_ref().map(cgroup),
        jemalloc: beside.jemalloc.as_ref().map(jemalloc),
        dhat: beside.dhat.as_ref().map(dhat),
    }
}

fn jemalloc(counters: &GlobalCounters) -> JemallocRecord {
    JemallocRecord {
        allocated_bytes: counters.allocated_bytes,
        active_bytes: counters.active_bytes,
        resident_bytes: counters.resident_bytes,
    }
}

fn dhat(stats: &dhat_heap::Stats) -> DhatRecord {
    DhatRecord {
        current_bytes: stats.current_bytes,
        current_blocks: stats.current_blocks,
        peak_bytes: stats.peak_bytes,
        peak_blocks: stats.peak_blocks,
        total_bytes: stats.total_bytes,
        total_blocks: stats.total_blocks,
        before_live_bytes: stats.before.live_bytes,
        before_live_blocks: stats.before.live_blocks,
        before_total_bytes: stats.before.total_bytes,
        before_total_blocks: stats.before.total_blocks,
    }
}

fn cgroup(bytes: &CgroupBytes) -> CgroupRecord {
    CgroupRecord {
        current_bytes: bytes.current_bytes,
        anon_bytes: bytes.anon_bytes,
        file_bytes: bytes.file_bytes,
        shmem_bytes: bytes.shmem_bytes,
        kernel_bytes: bytes.kernel_bytes,
    }
}

fn connection(status: &ConnectionStatus) -> ConnectionRecord {
    ConnectionRecord {
        page_cache_bytes: status.page_cache_bytes,
        schema_bytes: status.schema_bytes,
        statement_bytes: status.statement_bytes,
        statements: status.statements,
        lookaside_slots: status.lookaside_slots,
        cache_spills: status.cache_spills,
        memory_database_bytes: status.memory_database_bytes,
        memdb_image_bytes: status.memdb_image_bytes,
    }
}
