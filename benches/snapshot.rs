//! How fast a database in memory is copied into another one, as a ratio to a plain copy of its bytes.
//!
//! ```sh
//! cargo bench --bench snapshot                # the benchmarks, then the table of bounds
//! cargo bench --bench snapshot -- bounds      # the table alone
//! ```
//!
//! `SQLITE_MEMBENCH_BENCH_SNAPSHOT_MB` and `SQLITE_MEMBENCH_BENCH_ROUNDS` set the size of the database
//! and the rounds of the table. A bound that does not hold fails nothing on a noisy machine, unless
//! `SQLITE_MEMBENCH_ENFORCE=1`: exit code 1.
//!
//! A copy is timed from the opening of its target to its last page, and memcpy from its allocation to
//! its last byte; what frees them is not timed. Both are into fresh memory, which the kernel clears and
//! maps as it is touched: glibc gives back what it holds before each. A pair is run within a round, and
//! each round begins with another part. Where transparent huge pages are on, memcpy into one block
//! gets them and a page cache in many small blocks may not; that is part of what is compared.

#[allow(dead_code, reason = "the benches share it, and none of them uses all")]
mod support {
    pub mod plan;
    pub mod statistics;
}

use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, Throughput};
use rusqlite::Connection;
use sqlite_membench::memory::wait::own_usage;
use sqlite_membench::workload::database::{DatabaseKind, Place};
use sqlite_membench::workload::snapshot::copy::{CopyMethod, CopyOptions, copy};
use sqlite_membench::workload::snapshot::fill::fill;
use sqlite_membench::workload::snapshot::schema::{PAGE_BYTES, PAGES, Schema};
use sqlite_membench::workload::steps::Here;
use support::plan::{Plan, number};
use support::statistics::{self, Bound, Estimate, Row};

/// What a backup must reach: of memcpy's throughput.
const BOUND: f64 = 0.7;

/// A page with SQLite's headers.
const PAGE_BLOCK_BYTES: usize = 4376;

fn main() -> ExitCode {
    let plan = Plan::read().and_then(|plan| {
        let megabytes = if plan.is_test { 1 } else { 200 };
        let megabytes = number("SQLITE_MEMBENCH_BENCH_SNAPSHOT_MB", megabytes)?;
        Ok((plan, megabytes))
    });
    let (plan, megabytes) = match plan {
        Ok(read) => read,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    let source = Source::of(megabytes);
    let mut criterion = Criterion::default().configure_from_args();
    copies(&mut criterion, &source);
    criterion.final_summary();
    if plan.bounds && !measure_and_print(&plan, &source) && plan.enforce {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Both clocks: a busy machine disturbs one of them more than the other.
struct Span {
    wall: Duration,
    /// User and system.
    cpu: Duration,
}

fn cpu_time() -> Duration {
    let usage = own_usage().expect("getrusage");
    Duration::from_nanos(usage.user_ns + usage.system_ns)
}

/// A database in memory, and a block of as many bytes.
struct Source {
    connection: Connection,
    block: Vec<u8>,
}

/// What is timed.
#[derive(Clone, Copy)]
enum Part {
    Memcpy,
    /// Into as many blocks as SQLite allocates, of the same size: what its allocator costs alone.
    Blocks,
    Copy {
        method: CopyMethod,
        backup_pages: i32,
    },
}

/// Memcpy comes first, since all others are ratios to it.
const PARTS: [(&str, Part); 6] = [
    ("memcpy", Part::Memcpy),
    ("memcpy, a page a block", Part::Blocks),
    (
        "backup, 250 pages a step",
        Part::Copy {
            method: CopyMethod::Backup,
            backup_pages: 250,
        },
    ),
    (
        "backup, all in one step",
        Part::Copy {
            method: CopyMethod::Backup,
            backup_pages: -1,
        },
    ),
    (
        "serialize, deserialize",
        Part::Copy {
            method: CopyMethod::Serialize,
            backup_pages: 250,
        },
    ),
    (
        "VACUUM INTO",
        Part::Copy {
            method: CopyMethod::VacuumInto,
            backup_pages: 250,
        },
    ),
];

impl Source {
    fn of(megabytes: u64) -> Source {
        let connection = Connection::open_with_flags(
            "file::memory:",
            rusqlite::OpenFlags::default() | rusqlite::OpenFlags::SQLITE_OPEN_URI,
        )
        .expect("a database in memory");
        let scale = megabytes as f64 * 1e6 / (PAGES * PAGE_BYTES) as f64;
        fill(&connection, None, Schema::Nested, scale, 1, &mut Here).expect("rows go in");
        let pages: i64 = connection
            .query_row("PRAGMA page_count", [], |row| row.get(0))
            .expect("its pages");
        let bytes = pages.cast_unsigned() * PAGE_BYTES;
        // Bytes that are not zero: a block of zeros would be the kernel's one zero page.
        let block = vec![0x5a; bytes as usize];
        Source { connection, block }
    }

    fn bytes(&self) -> u64 {
        self.block.len() as u64
    }

    /// What one copy takes.
    fn time(&self, part: Part) -> Span {
        // SAFETY: gives free memory back to the kernel; no argument is a pointer.
        unsafe { libc::malloc_trim(0) };
        let (cpu, began) = (cpu_time(), Instant::now());
        let span = || Span {
            wall: began.elapsed(),
            cpu: cpu_time() - cpu,
        };
        match part {
            Part::Memcpy => {
                let copied = black_box(self.block.as_slice()).to_vec();
                let took = span();
                drop(black_box(copied));
                took
            }
            Part::Blocks => {
                let pages = black_box(self.block.as_slice()).chunks(PAGE_BYTES as usize);
                let mut blocks: Vec<Vec<u8>> = Vec::with_capacity(pages.len());
                for page in pages {
                    let mut block = Vec::with_capacity(PAGE_BLOCK_BYTES);
                    block.extend_from_slice(page);
                    blocks.push(block);
                }
                let took = span();
                drop(black_box(blocks));
                took
            }
            Part::Copy {
                method,
                backup_pages,
            } => {
                let options = CopyOptions {
                    method,
                    backup_pages,
                    ..CopyOptions::default()
                };
                let kind = match method {
                    CopyMethod::VacuumInto => DatabaseKind::MemoryNamed,
                    CopyMethod::Backup | CopyMethod::Serialize => DatabaseKind::Memory,
                };
                let place = Place::unique(Path::new("."));
                let (snapshot, copied) =
                    copy(&self.connection, None, kind, &place, &options, &mut Here)
                        .expect("a copy");
                let took = span();
                assert!(copied.bytes > 0, "{copied:?}");
                snapshot.dispose(&mut Here).expect("a copy that goes");
                took
            }
        }
    }
}

fn copies(criterion: &mut Criterion, source: &Source) {
    let mut group = criterion.benchmark_group("snapshot/copy");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.warm_up_time(Duration::from_millis(1));
    group.measurement_time(Duration::from_secs(2));
    group.throughput(Throughput::Bytes(source.bytes()));
    for (name, part) in PARTS {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|count| (0..count).map(|_| source.time(part).wall).sum());
        });
    }
    group.finish();
}

/// False where the bound does not hold.
fn measure_and_print(plan: &Plan, source: &Source) -> bool {
    let bytes = source.bytes() as f64;
    println!(
        "\nSnapshot: {:.0} MB in memory, {} rounds",
        bytes / 1e6,
        plan.rounds
    );
    let mut spans: [Vec<Span>; PARTS.len()] = Default::default();
    for round in 0..plan.rounds as usize {
        for turn in 0..PARTS.len() {
            let number = (round + turn) % PARTS.len();
            spans[number].push(source.time(PARTS[number].1));
        }
    }
    let clocks: [(&str, Clock); 2] = [("wall", |span| span.wall), ("CPU", |span| span.cpu)];
    let mut rows = Vec::new();
    for (clock, read) in clocks {
        let seconds = spans.each_ref().map(|spans| {
            let seconds = spans.iter().map(|span| read(span).as_secs_f64());
            seconds.collect::<Vec<f64>>()
        });
        rows.extend(table(clock, &seconds, bytes));
    }
    statistics::print(&rows)
}

type Clock = fn(&Span) -> Duration;

/// The seconds of each part by one clock, as rates and ratios.
fn table(clock: &str, seconds: &[Vec<f64>; PARTS.len()], bytes: f64) -> Vec<Row> {
    let memcpy = &seconds[0];
    let rate = |seconds: &f64| bytes / seconds / 1e9;
    let mut rows = vec![Row {
        what: format!("memcpy into fresh memory, {clock} time"),
        unit: "GB/s",
        estimate: Estimate::of(memcpy.iter().map(rate)),
        bound: None,
    }];
    for ((name, part), took) in PARTS.iter().zip(seconds).skip(1) {
        let is_bounded = matches!(
            part,
            Part::Copy {
                method: CopyMethod::Backup,
                backup_pages: 250
            }
        );
        rows.push(Row {
            what: format!("{name} / memcpy, throughput, {clock} time"),
            unit: "",
            estimate: Estimate::of(memcpy.iter().zip(took).map(|(memcpy, took)| memcpy / took)),
            bound: is_bounded.then_some(Bound::AtLeast(BOUND)),
        });
    }
    rows
}
