//! From readings to terms: who owns what within each heap.
//!
//! A heap has tenants (SQLite, Rust, other C code), each with live bytes and what the allocator
//! reserves for them, and overheads of its own. Overheads belong to the tenant where it lives
//! alone, else to `allocator`.

use super::claims::Claimant;
use super::glibc::{self, heaps::NotResident};
use super::jemalloc::ArenaCounters;
use super::ledger::{Owner, Term};
use super::rust_heap::RustHeap;
use super::smaps::{Backing, Mapping};
use super::sqlite::{ConnectionStatus, Status};
use crate::allocator::global::has_dhat;
use crate::allocator::sqlite::Counters as SqliteCounters;
use crate::allocator::{RustAllocator, SqliteAllocator};

/// Everything that was read for one ledger.
#[derive(Debug)]
pub struct Readings<'a> {
    pub resident: [u64; Claimant::COUNT],
    pub residency_source: &'static str,
    pub mappings: &'a [Mapping],
    pub program: &'a [super::program::Segment],
    pub sqlite: Status,
    pub sqlite_methods: Option<(SqliteAllocator, SqliteCounters)>,
    pub connections: ConnectionStatus,
    pub connection_count: usize,
    pub rust: Option<RustHeap>,
    pub rust_allocator: RustAllocator,
    pub sqlite_arena: Option<ArenaCounters>,
    pub rust_arenas: Option<ArenaCounters>,
    pub glibc: Option<(glibc::Counters, NotResident)>,
    /// Of a jemalloc in the place of `malloc`.
    pub preloaded: Option<ArenaCounters>,
}

/// A user of a heap.
struct Tenant {
    owner: Owner,
    live_bytes: i64,
    header_bytes: i64,
    reserved_bytes: i64,
    live_source: &'static str,
}

/// Adds all terms to `terms`, which has room for them.
pub fn add_all(readings: &Readings<'_>, terms: &mut Vec<Term>) {
    let mut builder = Builder { terms };
    let sqlite = sqlite_tenant(readings);
    let rust = readings.rust.map(rust_tenant);
    let route = readings
        .sqlite_methods
        .map_or(SqliteAllocator::System, |(allocator, _)| allocator);
    match route {
        SqliteAllocator::Arena | SqliteAllocator::ArenaNative => {
            builder.jemalloc_heap(
                &[&sqlite],
                readings.sqlite_arena,
                readings.resident[Claimant::SqliteArena as usize],
            );
        }
        SqliteAllocator::Memsys5 => {
            builder.fixed_heap(&sqlite, readings.resident[Claimant::SqliteHeap as usize])
        }
        SqliteAllocator::System | SqliteAllocator::Rust => builder.tenant(&sqlite),
    }
    builder.within_sqlite(readings);
    let rust_in_jemalloc = readings.rust_allocator == RustAllocator::Jemalloc;
    let resident = readings.resident[Claimant::RustArenas as usize];
    match (&rust, rust_in_jemalloc, route) {
        (Some(rust), true, SqliteAllocator::Rust) => {
            builder.tenant(rust);
            builder.overheads(
                &[&sqlite, rust],
                Owner::Allocator,
                readings.rust_arenas,
                resident,
            );
        }
        (Some(rust), true, _) => builder.jemalloc_heap(&[rust], readings.rust_arenas, resident),
        (Some(rust), false, _) => builder.tenant(rust),
        (None, ..) => {}
    }
    if let Some((counters, not_resident)) = &readings.glibc {
        let mut tenants = 0;
        if route == SqliteAllocator::System || (route == SqliteAllocator::Rust && !rust_in_jemalloc)
        {
            tenants += sqlite.reserved_bytes;
        }
        if let (Some(rust), false) = (&rust, rust_in_jemalloc) {
            tenants += rust.reserved_bytes;
        }
        if let Some(heap) = readings.rust.filter(|_| has_dhat()) {
            tenants += heap.bookkeeping_bytes;
            let source = "counting global allocator: what dhat allocates for itself";
            builder.add(Owner::Instrument, "dhat", heap.bookkeeping_bytes, source);
        }
        builder.glibc_heap(counters, not_resident, tenants);
    }
    if let Some(counters) = readings.preloaded {
        let sqlite_is_there = route == SqliteAllocator::System
            || (route == SqliteAllocator::Rust && !rust_in_jemalloc);
        let rust = rust.as_ref().filter(|_| !rust_in_jemalloc);
        let resident = readings.resident[Claimant::Preloaded as usize];
        let sqlite = Some(&sqlite).filter(|_| sqlite_is_there);
        builder.preloaded_heap(sqlite, rust, counters, resident);
    }
    builder.rest(readings);
}

fn sqlite_tenant(readings: &Readings<'_>) -> Tenant {
    let live_bytes = readings.sqlite.live_bytes;
    let (header_bytes, reserved_bytes) = match readings.sqlite_methods {
        Some((allocator, counters)) => {
            let header = crate::allocator::sqlite::header_bytes(allocator) * counters.live_blocks;
            (header, counters.reserved_bytes)
        }
        // SQLite's allocator is its own: what it reserves beyond the live bytes is not known.
        None => (0, live_bytes),
    };
    let live_source = "sqlite3_status64(MEMORY_USED)";
    Tenant {
        owner: Owner::Sqlite,
        live_bytes,
        header_bytes,
        reserved_bytes,
        live_source,
    }
}

fn rust_tenant(heap: RustHeap) -> Tenant {
    Tenant {
        owner: Owner::Rust,
        live_bytes: heap.live_bytes,
        header_bytes: 0,
        reserved_bytes: heap.reserved_bytes,
        live_source: "counting global allocator",
    }
}

struct Builder<'a> {
    terms: &'a mut Vec<Term>,
}

impl Builder<'_> {
    fn push(&mut self, term: Term) {
        // The vector has its room from the start: a ledger must not allocate.
        if self.terms.len() < self.terms.capacity() {
            self.terms.push(term);
        }
    }

    fn add(&mut self, owner: Owner, term: &'static str, bytes: i64, source: &'static str) {
        self.push(Term {
            owner,
            term,
            bytes,
            source,
            counts: true,
            within: None,
        });
    }

    fn add_within(
        &mut self,
        owner: Owner,
        within: &'static str,
        term: &'static str,
        bytes: i64,
        source: &'static str,
    ) {
        self.push(Term {
            owner,
            term,
            bytes,
            source,
            counts: false,
            within: Some(within),
        });
    }

    fn tenant(&mut self, tenant: &Tenant) {
        self.add(tenant.owner, "live", tenant.live_bytes, tenant.live_source);
        if tenant.owner == Owner::Sqlite {
            self.add(
                tenant.owner,
                "header",
                tenant.header_bytes,
                "8 bytes for each block, counted by the memory methods",
            );
        }
        let rounding = tenant.reserved_bytes - tenant.live_bytes - tenant.header_bytes;
        self.add(
            tenant.owner,
            "rounding",
            rounding,
            "size reserved for each block less live and header",
        );
    }

    /// A jemalloc heap with one tenant.
    fn jemalloc_heap(
        &mut self,
        tenants: &[&Tenant; 1],
        counters: Option<ArenaCounters>,
        resident: u64,
    ) {
        self.tenant(tenants[0]);
        self.overheads(tenants, tenants[0].owner, counters, resident);
    }

    fn overheads(
        &mut self,
        tenants: &[&Tenant],
        owner: Owner,
        counters: Option<ArenaCounters>,
        resident: u64,
    ) {
        let Some(counters) = counters else { return };
        let reserved: i64 = tenants.iter().map(|t| t.reserved_bytes).sum();
        let unreturned = counters.dirty_bytes + counters.muzzy_bytes;
        let sum = counters.active_bytes + unreturned + counters.base_bytes;
        self.add(
            owner,
            "fragmentation",
            counters.active_bytes - reserved,
            "stats.arenas.<i>.pactive less the blocks' size classes",
        );
        self.add(
            owner,
            "unreturned",
            unreturned,
            "stats.arenas.<i>.pdirty + pmuzzy, resident or not",
        );
        self.add(
            owner,
            "metadata",
            counters.base_bytes,
            "stats.arenas.<i>.base",
        );
        let net = resident as i64 - sum;
        let source = "resident pages of the recorded extents less the above";
        self.add(owner, "untouched", net.min(0), source);
        if net > 0 {
            // A transparent huge page is resident whole, with parts that jemalloc counts as
            // retained or has not handed out yet.
            self.add(owner, "retained but resident", net, source);
        }
    }

    /// The heap of a jemalloc that serves `malloc`, whose other tenant is C code.
    fn preloaded_heap(
        &mut self,
        sqlite: Option<&Tenant>,
        rust: Option<&Tenant>,
        counters: ArenaCounters,
        resident: u64,
    ) {
        let known = [sqlite, rust].into_iter().flatten();
        let live_bytes = counters.allocated_bytes - known.map(|t| t.reserved_bytes).sum::<i64>();
        let source = "stats.arenas.<i>.{small,large}.allocated less the blocks of SQLite and Rust";
        self.add(Owner::OtherC, "live", live_bytes, source);
        let all = Tenant {
            owner: Owner::OtherC,
            live_bytes: counters.allocated_bytes,
            header_bytes: 0,
            reserved_bytes: counters.allocated_bytes,
            live_source: "",
        };
        self.overheads(&[&all], Owner::Allocator, Some(counters), resident);
    }

    fn fixed_heap(&mut self, tenant: &Tenant, resident: u64) {
        self.add(
            tenant.owner,
            "live",
            tenant.live_bytes,
            "sqlite3_status64(MEMORY_USED), rounding included",
        );
        let rest = resident as i64 - tenant.live_bytes;
        self.add(
            tenant.owner,
            "unreturned",
            rest.max(0),
            "resident pages of the fixed heap less live",
        );
        self.add(
            tenant.owner,
            "untouched",
            rest.min(0),
            "resident pages of the fixed heap less live",
        );
    }

    fn glibc_heap(
        &mut self,
        counters: &glibc::Counters,
        not_resident: &NotResident,
        tenants_bytes: i64,
    ) {
        let in_use = counters.heap_in_use_bytes + counters.mapped_bytes;
        self.add(
            Owner::OtherC,
            "live",
            in_use - tenants_bytes,
            "mallinfo2 uordblks + hblkhd less the chunks of SQLite and Rust",
        );
        let free = counters.heap_free_bytes - not_resident.free_bytes + not_resident.behind_bytes;
        self.add(
            Owner::Allocator,
            "free but resident",
            free,
            "mallinfo2 fordblks less the free chunks' pages that are not resident, and what is resident behind a heap",
        );
        self.add(
            Owner::Allocator,
            "untouched",
            -not_resident.in_use_bytes,
            "pages of chunks in use that are not resident",
        );
    }

    /// SQLite's live bytes by use.
    fn within_sqlite(&mut self, readings: &Readings<'_>) {
        let connections = &readings.connections;
        let page_cache = readings.sqlite.page_cache_bytes;
        self.add_within(
            Owner::Sqlite,
            "live",
            "page cache",
            page_cache,
            "sqlite3_status64(PAGECACHE_OVERFLOW)",
        );
        let mut named = page_cache;
        if readings.connection_count > 0 {
            let lookaside = connections.statement_lookaside_bytes.unwrap_or(0);
            let statements = connections.statement_bytes - lookaside;
            self.add_within(
                Owner::Sqlite,
                "live",
                "schema",
                connections.schema_bytes,
                "sqlite3_db_status64(SCHEMA_USED)",
            );
            self.add_within(
                Owner::Sqlite,
                "live",
                "statements",
                statements,
                "sqlite3_db_status64(STMT_USED) less lookaside",
            );
            self.add_within(
                Owner::Sqlite,
                "live",
                "lookaside",
                lookaside,
                "the part of STMT_USED in lookaside buffers",
            );
            named += connections.schema_bytes + statements + lookaside;
        }
        self.add_within(
            Owner::Sqlite,
            "live",
            "other",
            readings.sqlite.live_bytes - named,
            "live less the uses above",
        );
    }

    fn rest(&mut self, readings: &Readings<'_>) {
        let resident = |claimant: Claimant| readings.resident[claimant as usize] as i64;
        let source = readings.residency_source;
        self.add(
            Owner::Allocator,
            "jemalloc shared",
            resident(Claimant::JemallocShared),
            "resident pages of jemalloc's own blocks and arena 0",
        );
        let sums = MappingSums::of(readings.mappings, readings.program);
        self.add(
            Owner::Stacks,
            "main thread",
            sums.main_stack,
            "smaps [stack]",
        );
        self.add(Owner::Stacks, "threads", resident(Claimant::Stack), source);
        self.add(
            Owner::Program,
            "data",
            sums.program_private + resident(Claimant::Program),
            "smaps Anonymous of the loaded objects, and .bss",
        );
        self.add(Owner::Program, "kernel pages", sums.kernel, "smaps [vdso]");
        self.add(
            Owner::Instrument,
            "buffers",
            resident(Claimant::Instrument),
            source,
        );
        self.add(
            Owner::Files,
            "program",
            sums.program_pages,
            "smaps Rss less Anonymous of the loaded objects",
        );
        self.add(
            Owner::Files,
            "mapped",
            sums.files,
            "smaps Rss of other mapped files",
        );
        self.add(
            Owner::Files,
            "wal index",
            sums.wal_index,
            "smaps Rss of -shm files",
        );
        self.add(
            Owner::Files,
            "shared memory",
            sums.shared,
            "smaps Rss of memfd, POSIX and System V shared memory",
        );
    }
}

/// What the kernel counts for mappings that need no claims.
#[derive(Debug, Default)]
struct MappingSums {
    main_stack: i64,
    kernel: i64,
    shared: i64,
    wal_index: i64,
    files: i64,
    program_pages: i64,
    program_private: i64,
}

impl MappingSums {
    fn of(mappings: &[Mapping], program: &[super::program::Segment]) -> Self {
        let mut sums = MappingSums::default();
        for mapping in mappings {
            let (rss, private) = (mapping.rss_bytes as i64, mapping.anonymous_bytes as i64);
            match mapping.backing {
                Backing::MainStack => sums.main_stack += rss,
                Backing::Kernel => sums.kernel += rss,
                Backing::SharedMemory => sums.shared += rss,
                Backing::WalIndex => sums.wal_index += rss,
                Backing::File => {
                    let at = program.partition_point(|s| s.end <= mapping.start);
                    if program.get(at).is_some_and(|s| s.start < mapping.end) {
                        sums.program_pages += rss - private;
                        sums.program_private += private;
                    } else {
                        sums.files += rss;
                    }
                }
                Backing::Anonymous | Backing::Break => {}
            }
        }
        sums
    }
}
