//! Takes ledgers.

use super::cgroup::Cgroup;
use super::claims::{Claimant, Claims};
use super::databases::Images;
use super::glibc::heaps::{Heaps, NotResident};
use super::jemalloc::{self, ArenaCounters, Jemalloc};
use super::ledger::{Beside, CgroupBytes, Ledger};
use super::pagemap::Pagemap;
use super::process::Rollup;
use super::program::Program;
use super::smaps::{Backing, Mapping, Mappings};
use super::sqlite::{Connection, ConnectionStatus};
use super::stacks::Stacks;
use super::terms::{Readings, add_all};
use super::{Error, glibc, peek, rust_heap, sqlite};
use crate::allocator::region::page_size;
use crate::allocator::{arena, dhat_heap, global, preloaded, sqlite as methods};

/// A source that this process does not have, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absent {
    /// The terms that are absent for it.
    pub what: &'static str,
    /// Why.
    pub why: String,
}

/// A range of anonymous memory that no owner claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unclaimed {
    /// First address.
    pub start: usize,
    /// First address behind it.
    pub end: usize,
    /// Resident bytes in it.
    pub resident_bytes: u64,
}

/// All readers with their buffers. One for a process is enough; making one is what allocates.
#[derive(Debug)]
pub struct Observer {
    mappings: Mappings,
    pagemap: Pagemap,
    program: Program,
    stacks: Option<Stacks>,
    heaps: Heaps,
    jemalloc: Option<Jemalloc>,
    claims: Claims,
    cgroup: Option<Cgroup>,
    absent: Vec<Absent>,
    ledger: Ledger,
}

type Resident = [u64; Claimant::COUNT];
type GlibcReadings = Option<(glibc::Counters, NotResident)>;

/// More than any ledger has.
const MOST_TERMS: usize = 64;
/// Connections that a ledger lists one by one; all of them are in its sums.
const MOST_LISTED: usize = 64;

impl Observer {
    /// Opens the kernel's files and reserves the buffers.
    ///
    /// # Errors
    /// [`Error::Kernel`] where `/proc` is not there or may not be read. Sources that are merely
    /// missing are listed by [`absent`](Self::absent).
    pub fn new() -> Result<Self, Error> {
        // Arena 0 is recorded from here on; what it mapped before is found by its headers.
        let shared = arena::record_shared_arena();
        // Before a thread is started, which would have an arena of it.
        let preloaded = preloaded::jemalloc().map(|found| found.record());
        let Sources {
            stacks,
            jemalloc,
            cgroup,
            mut absent,
        } = Sources::open();
        if let Err(error) = shared {
            absent.push(Absent {
                what: "jemalloc's own growth",
                why: error.to_string(),
            });
        }
        if let Some(Err(error)) = preloaded {
            absent.push(Absent {
                what: "the growth of the jemalloc that was preloaded",
                why: error.to_string(),
            });
        }
        if global::counters().is_none() {
            let why = "the global allocator is not sqlite_membench::allocator::global::Switchable";
            absent.push(Absent {
                what: "rust heap",
                why: why.into(),
            });
        }
        if methods::installed().is_none() {
            let why = "allocator::sqlite::install was not called before SQLite was initialised";
            absent.push(Absent {
                what: "SQLite's headers and rounding",
                why: why.into(),
            });
        }
        let mut observer = Observer {
            cgroup,
            mappings: Mappings::new().map_err(Error::kernel("/proc/self/smaps"))?,
            pagemap: Pagemap::new().map_err(Error::kernel("/proc/self/pagemap"))?,
            program: Program::new().map_err(Error::kernel("the program headers"))?,
            stacks,
            heaps: Heaps::new().map_err(Error::kernel("memory for buffers"))?,
            jemalloc,
            claims: Claims::new().map_err(Error::kernel("memory for buffers"))?,
            absent,
            ledger: Ledger {
                terms: Vec::with_capacity(MOST_TERMS),
                connections: Vec::with_capacity(MOST_LISTED),
                ..Ledger::default()
            },
        };
        // Once for nothing, so that the first ledger finds its buffers resident as all later ones do.
        // SAFETY: no connection is given.
        unsafe { observer.take(&[]) }?;
        Ok(observer)
    }

    /// Whether ledgers are right while a child by `fork` shares this process's pages: only
    /// `PAGEMAP_SCAN` tells them from pages of zeros then.
    pub fn sees_shared_pages(&self) -> bool {
        self.pagemap.scans()
    }

    /// The sources that this process does not have.
    pub fn absent(&self) -> &[Absent] {
        &self.absent
    }

    /// Takes a ledger of this process now, with the uses of SQLite's memory on `connections`.
    /// Allocates nothing.
    ///
    /// Other threads may run meanwhile; what they allocate between two readings shows as
    /// `unattributed`, either way.
    ///
    /// # Safety
    /// Each of `connections` is open and, if it was opened with `SQLITE_OPEN_NOMUTEX`, in use by no
    /// other thread.
    ///
    /// # Errors
    /// [`Error::Kernel`] where a file cannot be read any more, [`Error::Overflow`] where a buffer
    /// is too small for this process.
    pub unsafe fn take(&mut self, connections: &[Connection]) -> Result<&Ledger, Error> {
        // SAFETY: the caller's contract.
        let (connection, count) =
            unsafe { read_connections(connections, &mut self.ledger.connections) };
        jemalloc::refresh();
        let sqlite_arena =
            arena::made_sqlite_arena().and_then(|a| self.jemalloc.as_ref()?.arena(a.index));
        let rust_arenas = self.rust_arenas();
        let glibc_counters = glibc::read();
        let preloaded = preloaded::jemalloc().and_then(jemalloc::preloaded);

        self.mappings
            .read()
            .map_err(Error::kernel("/proc/self/smaps"))?;
        let rollup = self.mappings.sums();
        self.program.read();
        self.claim(glibc_counters.as_ref())?;
        let (resident, glibc) = self.residency(glibc_counters)?;
        let readings = Readings {
            resident,
            residency_source: self.pagemap.source(),
            mappings: self.mappings.last(),
            program: self.program.last(),
            sqlite: sqlite::read(),
            sqlite_methods: methods::installed().zip(methods::counters()),
            connections: connection,
            connection_count: count,
            rust: rust_heap::read(),
            rust_allocator: global::chosen(),
            sqlite_arena,
            rust_arenas,
            glibc,
            preloaded,
        };
        self.ledger.rss_bytes = rollup.rss_bytes;
        let cgroup = self.cgroup.as_mut().and_then(|c| c.read().ok());
        self.ledger.beside = beside(&rollup, &readings, cgroup);
        self.ledger.beside.glibc_arenas = glibc.map(|_| self.heaps.arenas());
        self.ledger.terms.clear();
        add_all(&readings, &mut self.ledger.terms);
        Ok(&self.ledger)
    }

    /// Lets every reader that knows where its owner's memory lies claim it.
    fn claim(&mut self, glibc: Option<&glibc::Counters>) -> Result<(), Error> {
        let (mappings, claims) = (self.mappings.last(), &mut self.claims);
        claims.clear();
        if claims.add_recorded() > 0 {
            return Err(Error::Overflow("mapped ranges"));
        }
        let mut main_block = None;
        if let Some(stacks) = &mut self.stacks {
            let found = stacks.read(mappings);
            for stack in found.map_err(Error::kernel("/proc/self/task"))? {
                claims.add(stack.start, stack.end, Claimant::Stack);
            }
            main_block = stacks.main_block();
        }
        claim_program(mappings, self.program.last(), main_block, claims);
        if let Some(counters) = glibc {
            self.heaps.find(mappings, counters, claims);
        }
        claims.settle();
        claim_jemalloc_blocks(mappings, claims);
        if let Some(counters) = glibc {
            self.heaps
                .find_mapped(mappings, counters, claims, &mut self.pagemap)
                .map_err(Error::kernel("/proc/self/pagemap"))?;
            claims.settle();
        }
        match claims.lost() {
            0 => Ok(()),
            _ => Err(Error::Overflow("claims")),
        }
    }

    /// The kernel's word on what was claimed, and which of glibc's memory is not resident.
    fn residency(
        &mut self,
        glibc: Option<glibc::Counters>,
    ) -> Result<(Resident, GlibcReadings), Error> {
        let resident = self
            .claims
            .resident(self.mappings.last(), &mut self.pagemap)
            .map_err(Error::kernel("/proc/self/pagemap"))?;
        let Some(counters) = glibc else {
            return Ok((resident, None));
        };
        let holes = self.heaps.not_resident(&mut self.pagemap);
        let mut holes = holes.map_err(Error::kernel("/proc/self/pagemap"))?;
        holes.in_use_bytes +=
            self.heaps.mapped_bytes - resident[Claimant::GlibcMapped as usize] as i64;
        Ok((resident, Some((counters, holes))))
    }

    /// Where the unattributed anonymous bytes of the last ledger lie, largest first. Allocates.
    ///
    /// # Errors
    /// [`Error::Kernel`] where the page map cannot be read.
    pub fn unclaimed(&mut self) -> Result<Vec<Unclaimed>, Error> {
        let mut gaps = Vec::new();
        for mapping in self.mappings.last() {
            if mapping.rss_bytes > 0
                && matches!(mapping.backing, Backing::Anonymous | Backing::Break)
            {
                self.claims
                    .unclaimed(mapping.start, mapping.end, |start, end| {
                        gaps.push((start, end))
                    });
            }
        }
        let mut found = Vec::new();
        for (start, end) in gaps {
            let resident_bytes = self
                .pagemap
                .resident_bytes(start, end)
                .map_err(Error::kernel("/proc/self/pagemap"))?;
            if resident_bytes > 0 {
                found.push(Unclaimed {
                    start,
                    end,
                    resident_bytes,
                });
            }
        }
        found.sort_by_key(|u| std::cmp::Reverse(u.resident_bytes));
        Ok(found)
    }

    fn rust_arenas(&self) -> Option<ArenaCounters> {
        let jemalloc = self.jemalloc.as_ref()?;
        let mut sum = ArenaCounters::default();
        arena::for_each_rust_arena(|index| {
            let Some(one) = jemalloc.arena(index) else {
                return;
            };
            sum.allocated_bytes += one.allocated_bytes;
            sum.active_bytes += one.active_bytes;
            sum.dirty_bytes += one.dirty_bytes;
            sum.muzzy_bytes += one.muzzy_bytes;
            sum.retained_bytes += one.retained_bytes;
            sum.base_bytes += one.base_bytes;
        });
        Some(sum)
    }
}

/// The readers whose source a kernel, a C library or a build may lack, and which of them it does.
struct Sources {
    stacks: Option<Stacks>,
    jemalloc: Option<Jemalloc>,
    cgroup: Option<Cgroup>,
    absent: Vec<Absent>,
}

impl Sources {
    fn open() -> Self {
        let mut absent = Vec::new();
        let mut add = |what, why: String| absent.push(Absent { what, why });
        let stacks = Stacks::new()
            .map_err(|error| add("the stacks of threads", error.to_string()))
            .ok();
        let jemalloc = Jemalloc::new();
        if jemalloc.is_none() {
            let why = "jemalloc was built without statistics";
            add("jemalloc's counters", why.into());
        }
        if let Some(why) = glibc::absent().filter(|_| preloaded::jemalloc().is_none()) {
            add("the C library's heap, in use and free", why.into());
        }
        let here = 0usize;
        if peek::words::<1>(&raw const here as usize).is_none() {
            let why = "process_vm_readv is not permitted";
            add("malloc's arenas and mapped chunks", why.into());
        }
        let cgroup = Cgroup::new()
            .map_err(|error| add("the memory of the cgroup", error.to_string()))
            .ok();
        Sources {
            stacks,
            jemalloc,
            cgroup,
            absent,
        }
    }
}

/// The sources that this kernel, C library or build does not have, whatever the process does.
pub fn absent_here() -> Vec<Absent> {
    Sources::open().absent
}

/// # Safety
/// As [`Observer::take`].
unsafe fn read_connections(
    connections: &[Connection],
    listed: &mut Vec<ConnectionStatus>,
) -> (ConnectionStatus, usize) {
    listed.clear();
    let mut sum = ConnectionStatus::default();
    let mut lookaside = Some(0);
    let mut images = Images::new();
    for connection in connections {
        // SAFETY: the caller's contract.
        let one = unsafe { sqlite::read_connection(*connection, &mut images) };
        if listed.len() < listed.capacity() {
            listed.push(one);
        }
        sum.page_cache_bytes += one.page_cache_bytes;
        sum.schema_bytes += one.schema_bytes;
        sum.statement_bytes += one.statement_bytes;
        lookaside = lookaside
            .zip(one.statement_lookaside_bytes)
            .map(|(a, b)| a + b);
        sum.statements += one.statements;
        sum.lookaside_slots += one.lookaside_slots;
        sum.cache_spills += one.cache_spills;
        sum.memory_database_bytes += one.memory_database_bytes;
        sum.memdb_image_bytes += one.memdb_image_bytes;
    }
    sum.statement_lookaside_bytes = lookaside;
    (sum, connections.len())
}

fn beside(rollup: &Rollup, readings: &Readings<'_>, cgroup: Option<CgroupBytes>) -> Beside {
    let rust = global::counters().unwrap_or_default();
    Beside {
        rust_peak_bytes: rust.peak_bytes,
        rust_total_bytes: rust.total_bytes,
        rust_total_blocks: rust.total_blocks,
        anonymous_bytes: rollup.anonymous_bytes,
        swap_bytes: rollup.swap_bytes,
        huge_page_bytes: rollup.huge_bytes,
        sqlite_blocks: readings.sqlite.live_blocks,
        rust_blocks: readings.rust.map_or(0, |r| r.live_blocks),
        sqlite_highwater_bytes: readings.sqlite.live_highwater_bytes,
        glibc_arenas: None,
        cgroup,
        jemalloc: jemalloc::global(),
        dhat: dhat_heap::stats(),
        jemalloc_retained_bytes: readings.sqlite_arena.map_or(0, |a| a.retained_bytes)
            + readings.rust_arenas.map_or(0, |a| a.retained_bytes),
    }
}

/// Claims the loaded objects' zeroed data, and the loader's block for the main thread.
fn claim_program(
    mappings: &[Mapping],
    program: &[super::program::Segment],
    main_block: Option<usize>,
    claims: &mut Claims,
) {
    for mapping in mappings
        .iter()
        .filter(|m| m.backing == Backing::Anonymous && m.rss_bytes > 0)
    {
        let first = program.partition_point(|s| s.end <= mapping.start);
        for segment in program[first..]
            .iter()
            .take_while(|s| s.start < mapping.end)
        {
            claims.add(
                segment.start.max(mapping.start),
                segment.end.min(mapping.end),
                Claimant::Program,
            );
        }
    }
    let Some(block) = main_block else { return };
    let at = mappings.partition_point(|m| m.end <= block);
    const MOST_OF_A_LOADER: usize = 256 * 1024;
    match mappings.get(at) {
        Some(m) if m.start <= block && m.end - m.start <= MOST_OF_A_LOADER => {
            claims.add(m.start, m.end, Claimant::Program);
        }
        Some(m) if m.start <= block => claims.add(block, block + page_size(), Claimant::Program),
        _ => {}
    }
}

/// Claims the blocks of jemalloc's bookkeeping that nobody could record.
fn claim_jemalloc_blocks(mappings: &[Mapping], claims: &mut Claims) {
    let mut found = [(0, 0); 64];
    let mut count = 0;
    for mapping in mappings
        .iter()
        .filter(|m| m.backing == Backing::Anonymous && m.writable)
    {
        claims.unclaimed(mapping.start, mapping.end, |start, end| {
            let mut at = start.next_multiple_of(jemalloc::BASE_ALIGNMENT);
            while at < end && count < found.len() {
                let arena_0 = || jemalloc::is_arena_0_block(at).then_some(jemalloc::BASE_ALIGNMENT);
                let bytes = jemalloc::base_block_bytes(at)
                    .or_else(arena_0)
                    .filter(|bytes| at + bytes <= end);
                if let Some(bytes) = bytes {
                    found[count] = (at, at + bytes);
                    count += 1;
                }
                at += bytes.unwrap_or(jemalloc::BASE_ALIGNMENT);
            }
        });
    }
    found[..count]
        .iter()
        .for_each(|(start, end)| claims.add(*start, *end, Claimant::JemallocShared));
    claims.settle();
}
