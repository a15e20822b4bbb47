//! What could prevent the growth that a verdict is about. Candidates: whether one helps, and what it
//! costs, is measured.

use crate::verdict::Verdict;

/// What a user changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// An environment variable, `NAME=VALUE`.
    Environment(&'static str),
    /// A line of Rust or SQL.
    Code(&'static str),
}

impl Change {
    /// As it is written.
    pub const fn line(self) -> &'static str {
        match self {
            Change::Environment(line) | Change::Code(line) => line,
        }
    }

    /// `environment` or `code`.
    pub const fn kind(self) -> &'static str {
        match self {
            Change::Environment(_) => "environment",
            Change::Code(_) => "code",
        }
    }
}

/// One candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remedy {
    /// What it does, in few words.
    pub title: &'static str,
    /// The settings of a scenario that do it, as `--set` takes them.
    pub set: &'static [&'static str],
    /// What does it in a program of one's own.
    pub change: Change,
}

const fn code(title: &'static str, set: &'static [&'static str], line: &'static str) -> Remedy {
    Remedy {
        title,
        set,
        change: Change::Code(line),
    }
}

const fn environment(
    title: &'static str,
    set: &'static [&'static str],
    line: &'static str,
) -> Remedy {
    Remedy {
        title,
        set,
        change: Change::Environment(line),
    }
}

macro_rules! decay_at_once {
    () => {
        "_RJEM_MALLOC_CONF=dirty_decay_ms:0,muzzy_decay_ms:0"
    };
}

macro_rules! decay_in_background {
    () => {
        "_RJEM_MALLOC_CONF=background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0"
    };
}

const TRIM: Remedy = code(
    "trim after each cycle",
    &["trim=per-cycle"],
    "unsafe { libc::malloc_trim(0) }; // after each cycle",
);
const ONE_ARENA: Remedy = environment(
    "one malloc arena",
    &["env.MALLOC_ARENA_MAX=1"],
    "MALLOC_ARENA_MAX=1",
);
const TWO_ARENAS: Remedy = environment(
    "two malloc arenas",
    &["env.MALLOC_ARENA_MAX=2"],
    "MALLOC_ARENA_MAX=2",
);
const NO_THREAD_CACHES: Remedy = environment(
    "no thread caches, no fast bins",
    &["env.GLIBC_TUNABLES=glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0"],
    "GLIBC_TUNABLES=glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0",
);
const ARENA: Remedy = code(
    "SQLite in an arena of its own",
    &["sqlite_allocator=arena"],
    "sqlite_membench::allocator::sqlite::install(SqliteAllocator::Arena, 0)?; // before the first connection",
);
const ARENA_AT_ONCE: Remedy = code(
    "an arena that decays at once",
    &["sqlite_allocator=arena", concat!("env.", decay_at_once!())],
    concat!(
        "sqlite_membench::allocator::sqlite::install(SqliteAllocator::Arena, 0)?; // and ",
        decay_at_once!(),
        " in the environment"
    ),
);
const ARENA_IN_BACKGROUND: Remedy = code(
    "an arena that a background thread decays",
    &[
        "sqlite_allocator=arena",
        concat!("env.", decay_in_background!()),
    ],
    concat!(
        "sqlite_membench::allocator::sqlite::install(SqliteAllocator::Arena, 0)?; // and ",
        decay_in_background!(),
        " in the environment"
    ),
);
const DECAY_AT_ONCE: Remedy = environment(
    "decay at once",
    &[concat!("env.", decay_at_once!())],
    decay_at_once!(),
);
const DECAY_IN_BACKGROUND: Remedy = environment(
    "decay by a background thread",
    &[concat!("env.", decay_in_background!())],
    decay_in_background!(),
);
const PURGE: Remedy = code(
    "purge after each cycle",
    &["trim=per-cycle"],
    "sqlite_membench::memory::jemalloc::purge_all(); // after each cycle",
);
const PRELOAD: Remedy = environment(
    "jemalloc in the place of malloc",
    &["preload=libjemalloc.so.2"],
    "LD_PRELOAD=libjemalloc.so.2",
);
const MALLOC: Remedy = code(
    "SQLite on the C library's malloc",
    &["sqlite_allocator=system"],
    "// no sqlite3_config(SQLITE_CONFIG_MALLOC): SQLite's default allocator",
);
const IN_A_FILE: Remedy = code(
    "the snapshot in a file",
    &["snapshot=file"],
    "Connection::open(temporary_path)? // instead of Connection::open_in_memory()? for the snapshot",
);
const ONE_THREAD: Remedy = code(
    "SQLite on one thread",
    &["placement=one-thread"],
    "tokio::runtime::Builder::new_multi_thread().max_blocking_threads(1) // all of SQLite on one thread",
);
const SHRINK: Remedy = code(
    "shrink_memory on the connection that inserts",
    &["shrink=same-connection"],
    "connection.execute_batch(\"PRAGMA shrink_memory\")?; // on the connection that wrote, after COMMIT",
);
const SMALL_CACHE: Remedy = code(
    "a small page cache",
    &["pragma.cache_size=-2000"],
    "PRAGMA cache_size = -2000;",
);
const TINY_CACHE: Remedy = code(
    "a very small page cache",
    &["pragma.cache_size=-500"],
    "PRAGMA cache_size = -500;",
);
const SPILL: Remedy = code(
    "dirty pages may be spilled",
    &["pragma.cache_spill=ON"],
    "PRAGMA cache_spill = ON;",
);
const BATCHES: Remedy = code(
    "transactions of 32,768 rows",
    &["transaction=batched", "batch=32768"],
    "if row % 32_768 == 0 { connection.execute_batch(\"COMMIT; BEGIN\")?; }",
);
const SMALL_BATCHES: Remedy = code(
    "transactions of 1,024 rows",
    &["transaction=batched", "batch=1024"],
    "if row % 1_024 == 0 { connection.execute_batch(\"COMMIT; BEGIN\")?; }",
);
const REUSE: Remedy = code(
    "the statement prepared once",
    &["statements=reuse"],
    "let mut statement = connection.prepare(sql)?; // once, before the loop",
);
const FINALIZE: Remedy = code(
    "each statement finalized",
    &["statements=prepare-per-row"],
    "drop(statement); // sqlite3_finalize, for each sqlite3_prepare",
);
const MEND: Remedy = code(
    "the same done right",
    &["mended=true"],
    "drop(it); // finalize, close, free or commit what was opened",
);
const FILE_DATABASE: Remedy = code(
    "the database in a file",
    &["database=file-wal"],
    "Connection::open(path)? // instead of Connection::open_in_memory()?",
);
const NO_MAP: Remedy = code(
    "no memory map",
    &["pragma.mmap_size=0"],
    "PRAGMA mmap_size = 0;",
);
const RUST_JEMALLOC: Remedy = code(
    "jemalloc for Rust",
    &["rust_allocator=jemalloc"],
    "#[global_allocator] static A: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;",
);

macro_rules! page_size {
    ($size:literal) => {
        code(
            concat!("pages of ", $size, " bytes"),
            &[concat!("pragma.page_size=", $size)],
            concat!(
                "PRAGMA page_size = ",
                $size,
                "; -- before the first write, or before VACUUM"
            ),
        )
    };
}

const PAGE_1024: Remedy = page_size!("1024");
const PAGE_2048: Remedy = page_size!("2048");
const PAGE_4096: Remedy = page_size!("4096");
const PAGE_8192: Remedy = page_size!("8192");
const PAGE_16384: Remedy = page_size!("16384");

/// What could help against a verdict, the likeliest first. Which of them a workload can have, and
/// whether it has it already, the scenario knows.
pub const fn candidates(verdict: Verdict) -> &'static [Remedy] {
    match verdict {
        Verdict::SqliteLeak => &[REUSE, FINALIZE, MEND],
        Verdict::PageCache => &[SHRINK, SMALL_CACHE, TINY_CACHE, PAGE_1024, PAGE_16384, MEND],
        Verdict::DatabaseInMemory => &[FILE_DATABASE, MEND],
        Verdict::PinnedDirtyPages => &[SPILL, BATCHES, SMALL_BATCHES, SMALL_CACHE, MEND],
        Verdict::LazyReturn => &[
            PURGE,
            DECAY_AT_ONCE,
            DECAY_IN_BACKGROUND,
            MALLOC,
            IN_A_FILE,
            MEND,
        ],
        Verdict::AllocatorRetention => &[
            TRIM,
            ONE_ARENA,
            TWO_ARENAS,
            NO_THREAD_CACHES,
            ARENA,
            ARENA_AT_ONCE,
            ARENA_IN_BACKGROUND,
            PRELOAD,
            IN_A_FILE,
            ONE_THREAD,
            MEND,
        ],
        Verdict::Fragmentation => &[ARENA, RUST_JEMALLOC, PRELOAD, MEND],
        Verdict::SizeClassWaste => &[
            MALLOC, PAGE_1024, PAGE_2048, PAGE_4096, PAGE_8192, PAGE_16384,
        ],
        Verdict::RustLeak | Verdict::ThreadStacks => &[MEND],
        Verdict::FilePages => &[NO_MAP, MEND],
        Verdict::OtherCLeak | Verdict::Steady | Verdict::Unexplained => &[],
    }
}

/// What one run came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// The most that was resident.
    pub peak_bytes: u64,
    /// Resident at the end of the series.
    pub end_bytes: i64,
    /// Work a second: rows or cycles.
    pub throughput: f64,
}

/// Sizes that are as near as this are the same: a share,
const SAME: f64 = 0.02;
/// and bytes beside it, which one run of the same has more than another.
const SAME_BYTES: f64 = 1024.0 * 1024.0;
/// What is less than this part of the scenario as it is, is better.
const BETTER: f64 = 0.95;
/// A remedy that leaves so much of the throughput is preferred.
const AFFORDABLE: f64 = 0.8;

/// The order of `all`: by peak, then by what is resident at the end, then by throughput. Sizes within
/// 2 % and 1 MiB of the smallest of their group are the same.
pub fn ranking(all: &[Measured]) -> Vec<usize> {
    let peaks: Vec<f64> = all.iter().map(|one| one.peak_bytes as f64).collect();
    let ends: Vec<f64> = all.iter().map(|one| one.end_bytes as f64).collect();
    let (by_peak, by_end) = (groups(&peaks), groups(&ends));
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by(|a, b| {
        let sizes = (by_peak[*a], by_end[*a]).cmp(&(by_peak[*b], by_end[*b]));
        sizes.then(all[*b].throughput.total_cmp(&all[*a].throughput))
    });
    order
}

/// The group of each size, the smallest first: one begins where a size is no longer the same as that
/// which its group began with.
fn groups(sizes: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by(|a, b| sizes[*a].total_cmp(&sizes[*b]));
    let mut groups = vec![0; sizes.len()];
    let (mut group, mut began) = (0, order.first().map_or(0.0, |at| sizes[*at]));
    for at in order {
        if sizes[at] > (1.0 + SAME) * began + SAME_BYTES {
            (group, began) = (group + 1, sizes[at]);
        }
        groups[at] = group;
    }
    groups
}

/// The one to recommend: the first in the ranking that lowers the peak or the end by at least 5 %
/// and raises neither, and keeps four fifths of the throughput; where none keeps so much, the first
/// of them.
pub fn recommended(base: &Measured, all: &[Measured]) -> Option<usize> {
    let peak = |one: &Measured| one.peak_bytes as f64 / (base.peak_bytes as f64).max(1.0);
    let end = |one: &Measured| one.end_bytes as f64 / (base.end_bytes as f64).max(1.0);
    let better = |one: &Measured| {
        let (peak, end) = (peak(one), end(one));
        peak.min(end) <= BETTER && peak.max(end) <= 1.0 + SAME
    };
    let order = ranking(all);
    let mut better = order.into_iter().filter(|at| better(&all[*at]));
    let first = better.next()?;
    let affordable = |at: &usize| all[*at].throughput >= AFFORDABLE * base.throughput;
    Some(first)
        .filter(affordable)
        .or_else(|| better.find(affordable))
        .or(Some(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(peak: u64, end: i64, throughput: f64) -> Measured {
        Measured {
            peak_bytes: peak << 20,
            end_bytes: end << 20,
            throughput,
        }
    }

    #[test]
    fn a_ranking_goes_by_peak_then_end_then_throughput() {
        let all = [
            measured(300, 100, 1.0),
            measured(200, 90, 1.0),
            measured(201, 60, 0.5),
            measured(200, 60, 0.9),
        ];
        assert_eq!(ranking(&all), [3, 2, 1, 0]);
        // Less than a MiB is no reason to take the slower one.
        let slower = Measured {
            peak_bytes: (11 << 20) - 100_000,
            ..measured(11, 9, 2.5)
        };
        assert_eq!(ranking(&[slower, measured(11, 9, 7.0)]), [1, 0]);
    }

    #[test]
    fn the_cheapest_of_the_good_is_recommended_and_none_where_none_helps() {
        let base = measured(300, 240, 1.0);
        let slow = measured(120, 60, 0.3);
        let good = measured(130, 66, 0.97);
        assert_eq!(recommended(&base, &[slow, good]), Some(1));
        assert_eq!(recommended(&base, &[slow]), Some(0));
        let same = measured(299, 239, 1.1);
        let worse_at_its_peak = measured(400, 60, 1.0);
        assert_eq!(recommended(&base, &[same, worse_at_its_peak]), None);
        assert_eq!(recommended(&base, &[]), None);
    }

    #[test]
    fn each_verdict_that_is_a_fault_has_a_candidate() {
        for verdict in Verdict::ALL {
            let none = matches!(
                verdict,
                Verdict::Steady | Verdict::Unexplained | Verdict::OtherCLeak
            );
            assert_eq!(candidates(verdict).is_empty(), none, "{verdict}");
        }
    }
}
