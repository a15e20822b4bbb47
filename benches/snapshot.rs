//! A snapshot's phases by what they may depend on: fill, backup, dump, dispose.
//!
//! ```sh
//! cargo bench --bench snapshot                        # the benchmarks
//! cargo bench --bench snapshot -- backup/kind         # some of them
//! cargo bench --bench snapshot -- bounds              # the table of bounds alone
//! ```
//!
//! `SQLITE_MEMBENCH_BENCH_MB` and `SQLITE_MEMBENCH_BENCH_ROUNDS` set the size of the database
//! and the rounds of the table. A bound that does not hold fails nothing on a noisy machine, unless
//! `SQLITE_MEMBENCH_ENFORCE=1`: exit code 1.
//!
//! | group | what is timed | a second's |
//! |---|---|---|
//! | `snapshot/50MB/fill` | from the first CREATE TABLE to the last COMMIT | rows |
//! | `snapshot/50MB/backup` | from the opening of the target to its last page | bytes of the database |
//! | `snapshot/50MB/dump` | from BEGIN to COMMIT of the SQL text, written to `/dev/null` | bytes of the database |
//! | `snapshot/50MB/dispose` | closing the copy, and removing its files | bytes of the database |
//!
//! Each is run along one axis at a time, and all else is the default: `:memory:`, the report's nested
//! schema, 250 pages a step of a backup, 4096 rows a step of a dump, plain text.
//! * `kind`: of the database that is filled, or of the copy of a `:memory:` database. A file is in the
//!   system's temporary directory, with SQLite's own durability: its syncs are timed. A quick run
//!   leaves out those that differ in name alone, unless a filter has it: `kind/memory-uri`.
//! * `step`: pages of a backup, by which the copy was made that is disposed of, or rows of a dump. A fill
//!   has no step that can be set.
//! * `schema`: `flat` has as many pages as `nested`, in three tables without constraints.
//! * `allocator`: SQLite's, in a process of its own each time, which takes the phase alone. What counts
//!   its blocks is there in all of these, so `allocator/system` is a little slower than `kind/memory`.
//! * in `backup`, `memcpy` of as many bytes and the other methods; in `dump`, gzip (`format/gzip-6` is too
//!   slow for a quick run), and the `sqlite3` shell with the same database in a file, from its
//!   process's start to its end.
//!
//! A target is fresh each time, and made outside of what is timed. Free memory is given back to the
//! kernel before: memcpy and a copy are both into memory that the kernel clears and maps as it is
//! touched, and what frees it is timed in `dispose` alone. Where transparent huge pages are on, memcpy
//! into one block gets them and a page cache in many small blocks may not; that is part of what is
//! compared. In the table of bounds a pair is run within a round, and each round begins with another.
//!
//! Memory is measured in testees: `snapshot/50MB/copy/...` around a backup with SQLite's blocks in the
//! counting global allocator, where the source is not counted, but is in the RSS, which is the whole
//! process's; and `snapshot/50MB/cycle/peak-rss-bytes` around backup, dump and disposal together.

#[allow(dead_code, reason = "the benches share it, and none of them uses all")]
mod support {
    pub mod clocks;
    pub mod made;
    pub mod plan;
    pub mod profiler;
    pub mod room;
    pub mod shell;
    pub mod snapshot_bounds;
    pub mod snapshot_groups;
    pub mod snapshot_parts;
    pub mod snapshot_testees;
    pub mod statistics;
    pub mod suite;
}

use std::process::ExitCode;

use support::snapshot_bounds::measure_and_print;
use support::{snapshot_groups, snapshot_testees, suite};

#[global_allocator]
static ALLOCATOR: sqlite_membench::allocator::global::Switchable =
    sqlite_membench::allocator::global::Switchable::new();

fn main() -> ExitCode {
    snapshot_testees::serve();
    suite::main(
        |suite| {
            snapshot_groups::time_groups(suite);
            snapshot_testees::memory_groups(suite);
        },
        Some(measure_and_print),
    )
}
