//! A ledger as the rules see it: its terms by name, without their sources.

use crate::memory::Ledger;

/// A PiB: sums of such numbers, and their products with small ones, fit.
pub(super) const MOST_BYTES: i64 = 1 << 50;

/// One reading. All in bytes but for what is named otherwise.
///
/// A term that a ledger does not have is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Moment {
    /// Where it lies in the series: a cycle's number, or rows.
    pub at: f64,
    /// Resident.
    pub rss: i64,
    /// Of RSS, what no file backs.
    pub anonymous: i64,
    /// RSS less every term that counts.
    pub unattributed: i64,
    /// SQLite's live blocks.
    pub sqlite_live: i64,
    /// How many there are.
    pub sqlite_blocks: i64,
    /// The 8 bytes of SQLite's allocator before each.
    pub sqlite_header: i64,
    /// What size classes add to them.
    pub sqlite_rounding: i64,
    /// Of live: the page caches of all connections, known or not.
    pub page_cache: i64,
    /// Of live: schemas of the known connections.
    pub schema: i64,
    /// Of live: statements of the known connections.
    pub statements: i64,
    /// Of live: what is none of these.
    pub other: i64,
    /// Known connections.
    pub connections: i64,
    /// The page caches of the known connections; a shared one once.
    pub known_page_cache: i64,
    /// Pages of the known connections' in-memory databases: those in page caches and the images of
    /// memdb. Those in page caches are in `known_page_cache` too.
    pub memory_database: i64,
    /// Of them, the images of memdb, which are in `other`.
    pub memdb_image: i64,
    /// Statements of the known connections that are not finalized.
    pub statement_count: i64,
    /// Pages that the known connections wrote out because their cache was full.
    pub cache_spills: i64,
    /// Live blocks of Rust.
    pub rust_live: i64,
    /// How many there are.
    pub rust_blocks: i64,
    /// What size classes add to them.
    pub rust_rounding: i64,
    /// Live blocks of other C code.
    pub other_c_live: i64,
    /// Free slots in pages with live blocks, in all arenas of jemalloc.
    pub jemalloc_fragmentation: i64,
    /// The blocks in those pages, as reserved.
    pub jemalloc_reserved: i64,
    /// Pages of jemalloc's arenas that are counted and not resident, negative: of free pages, of live
    /// blocks, and the pad that each large block has.
    pub jemalloc_untouched: i64,
    /// Free pages that jemalloc's arenas (or a fixed heap) keep resident, at least.
    pub jemalloc_kept: i64,
    /// Free chunks of glibc that are resident.
    pub glibc_free: i64,
    /// glibc's arenas.
    pub glibc_arenas: Option<u64>,
    /// Stacks of all threads.
    pub stacks: i64,
    /// Mapped files but for the program's own and the WAL index, and shared memory.
    pub mapped_files: i64,
    /// `-shm` files.
    pub wal_index: i64,
    /// Entries of `/proc/self/fd`.
    pub open_files: i64,
}

/// A ledger, wherever it is kept.
pub trait Terms {
    /// Of each term its owner, its name and its bytes, in the order of the ledger; of those within
    /// another term too.
    fn each(&self, see: &mut dyn FnMut(&str, &str, i64));
}

impl Terms for Ledger {
    fn each(&self, see: &mut dyn FnMut(&str, &str, i64)) {
        for term in &self.terms {
            see(term.owner.name(), term.term, term.bytes);
        }
    }
}

impl Moment {
    /// The whole of a ledger; where it lies in its series is the caller's to say.
    pub fn of(ledger: &Ledger) -> Moment {
        let beside = &ledger.beside;
        let mut moment = Moment {
            rss: ledger.rss_bytes as i64,
            anonymous: beside.anonymous_bytes as i64,
            unattributed: ledger.unattributed_bytes(),
            sqlite_blocks: beside.sqlite_blocks,
            rust_blocks: beside.rust_blocks,
            glibc_arenas: beside.glibc_arenas,
            connections: ledger.connections.len() as i64,
            ..Moment::of_terms(ledger)
        };
        for one in &ledger.connections {
            moment.known_page_cache += one.page_cache_bytes;
            moment.memory_database += one.memory_database_bytes;
            moment.memdb_image += one.memdb_image_bytes;
            moment.statement_count += one.statements;
            moment.cache_spills += one.cache_spills;
        }
        moment
    }

    /// The part of it that `terms` tells.
    pub fn of_terms(terms: &dyn Terms) -> Moment {
        let mut moment = Moment::default();
        let mut arenas = Arenas::default();
        terms.each(&mut |owner, term, bytes| {
            arenas.see(owner, term, bytes);
            let field = match (owner, term) {
                ("sqlite", "live") => &mut moment.sqlite_live,
                ("sqlite", "header") => &mut moment.sqlite_header,
                ("sqlite", "rounding") => &mut moment.sqlite_rounding,
                ("sqlite", "page cache") => &mut moment.page_cache,
                ("sqlite", "schema") => &mut moment.schema,
                ("sqlite", "statements") => &mut moment.statements,
                ("sqlite", "other") => &mut moment.other,
                ("rust", "live") => &mut moment.rust_live,
                ("rust", "rounding") => &mut moment.rust_rounding,
                ("other_c", "live") => &mut moment.other_c_live,
                ("allocator", "free but resident") => &mut moment.glibc_free,
                ("stacks", _) => &mut moment.stacks,
                ("files", "mapped" | "shared memory") => &mut moment.mapped_files,
                ("files", "wal index") => &mut moment.wal_index,
                _ => return,
            };
            *field = field.saturating_add(bytes);
        });
        arenas.close();
        moment.jemalloc_kept = arenas.kept;
        moment.jemalloc_fragmentation = arenas.fragmentation;
        moment.jemalloc_untouched = arenas.untouched;
        let sum = |terms: &[i64]| terms.iter().fold(0i64, |sum, one| sum.saturating_add(*one));
        let sqlite = [
            moment.sqlite_live,
            moment.sqlite_header,
            moment.sqlite_rounding,
        ];
        let (sqlite, rust) = (sum(&sqlite), sum(&[moment.rust_live, moment.rust_rounding]));
        moment.jemalloc_reserved = match (arenas.sqlite, arenas.rust, arenas.shared) {
            (_, _, true) => sum(&[sqlite, rust, moment.other_c_live]),
            (true, true, _) => sum(&[sqlite, rust]),
            (true, false, _) => sqlite,
            (false, true, _) => rust,
            (false, false, _) => 0,
        };
        moment
    }

    /// What rules can reckon with: neither wrapped around nor beyond all memory.
    pub(super) fn sound(&self) -> Moment {
        self.bounded().unwrapped()
    }

    /// SQLite computes the size of one page cache in an `int`, which wraps around at 2 GiB. Its
    /// count of all page caches does not, and tells how often.
    fn unwrapped(self) -> Moment {
        const WRAP: i64 = 1 << 32;
        let beside_memory = self.known_page_cache - (self.memory_database - self.memdb_image);
        let missing = self.page_cache - self.known_page_cache;
        let wrapped = (missing + WRAP / 2).div_euclid(WRAP).max(0) * WRAP;
        let known = self.known_page_cache + wrapped;
        // Not where unknown connections have them.
        if wrapped == 0 || self.connections == 0 || known - known / 16 > self.page_cache {
            return self;
        }
        // A cache of a file that wrapped leaves less than nothing beside the memory's.
        let of_memory = i64::from(beside_memory >= 0) * wrapped;
        Moment {
            known_page_cache: known,
            memory_database: self.memory_database + of_memory,
            ..self
        }
    }

    /// A record may say anything. What is beyond a PiB is no memory, and would overflow a sum.
    fn bounded(&self) -> Moment {
        let within = |bytes: i64| bytes.clamp(-MOST_BYTES, MOST_BYTES);
        Moment {
            at: self.at,
            rss: within(self.rss),
            anonymous: within(self.anonymous),
            unattributed: within(self.unattributed),
            sqlite_live: within(self.sqlite_live),
            sqlite_blocks: within(self.sqlite_blocks),
            sqlite_header: within(self.sqlite_header),
            sqlite_rounding: within(self.sqlite_rounding),
            page_cache: within(self.page_cache),
            schema: within(self.schema),
            statements: within(self.statements),
            other: within(self.other),
            connections: within(self.connections),
            known_page_cache: within(self.known_page_cache),
            memory_database: within(self.memory_database),
            memdb_image: within(self.memdb_image),
            statement_count: within(self.statement_count),
            cache_spills: within(self.cache_spills),
            rust_live: within(self.rust_live),
            rust_blocks: within(self.rust_blocks),
            rust_rounding: within(self.rust_rounding),
            other_c_live: within(self.other_c_live),
            jemalloc_fragmentation: within(self.jemalloc_fragmentation),
            jemalloc_reserved: within(self.jemalloc_reserved),
            jemalloc_kept: within(self.jemalloc_kept),
            jemalloc_untouched: within(self.jemalloc_untouched),
            glibc_free: within(self.glibc_free),
            glibc_arenas: self.glibc_arenas,
            stacks: within(self.stacks),
            mapped_files: within(self.mapped_files),
            wal_index: within(self.wal_index),
            open_files: within(self.open_files),
        }
    }
}

/// What the terms say of jemalloc's arenas, which stand together: `fragmentation`, `unreturned`,
/// `metadata`, `untouched` and sometimes `retained but resident`. glibc's own `untouched` comes
/// later, after terms that are none of these.
#[derive(Default)]
struct Arenas {
    open: Option<i64>,
    kept: i64,
    fragmentation: i64,
    untouched: i64,
    sqlite: bool,
    rust: bool,
    shared: bool,
}

impl Arenas {
    fn see(&mut self, owner: &str, term: &str, bytes: i64) {
        match term {
            "fragmentation" => {
                self.close();
                self.fragmentation = self.fragmentation.saturating_add(bytes);
                match owner {
                    "sqlite" => self.sqlite = true,
                    "rust" => self.rust = true,
                    _ => self.shared = true,
                }
            }
            "unreturned" => {
                self.close();
                self.open = Some(bytes);
            }
            // An upper bound on what is not resident of the free pages: live blocks may have
            // untouched pages too. So the rest is the least that is kept.
            "untouched" | "retained but resident" => {
                if let Some(kept) = &mut self.open {
                    *kept = kept.saturating_add(bytes);
                    if term == "untouched" {
                        self.untouched = self.untouched.saturating_add(bytes);
                    }
                }
            }
            "metadata" => {}
            _ => self.close(),
        }
    }

    fn close(&mut self) {
        let kept = self.open.take().unwrap_or(0).max(0);
        self.kept = self.kept.saturating_add(kept);
    }
}
