//! The table of bounds.
//!
//! Inserts are compared within rounds, each of which runs every part once and begins with another one.
//! Both clocks are shown, because a busy machine disturbs one of them and a slow disk the other: wall
//! time is what a user waits, CPU time is what the instruments burn.

use std::fs;
use std::time::Duration;

use sqlite_membench::allocator::SqliteAllocator;

use super::instrumented::{self, Insert, SAMPLE_INTERVAL};
use super::ledgers::{self, Heap, PAGE_BLOCK_BYTES};
use super::parts;
use super::plan::Plan;
use super::profiled;
use super::statistics::{self, Bound, Estimate, Row};
use super::testee;

/// Ledgers of one heap.
const LEDGERS: u64 = 25;

/// False where a bound does not hold.
pub fn measure_and_print(plan: &Plan) -> bool {
    println!(
        "\nBounds: {} rows an insert, {} rounds, {} ledgers inside a fill; load {}",
        plan.rows_of_bounds(),
        plan.rounds,
        plan.readings,
        fs::read_to_string("/proc/loadavg").unwrap_or_default()
    );
    let mut rows = inserts(plan);
    rows.extend(profiled::rows(plan));
    for heap in ledgers::all(plan.is_test) {
        rows.extend(ledger(plan, heap));
    }
    rows.extend(harness(plan));
    rows.extend(standard_set(plan));
    statistics::print(&rows)
}

/// Instruments without a bound run in every third round: of 16 that is six, as few as an interval
/// takes that is to hold at 95 %.
const COMPARED_EVERY: u64 = 3;

/// What an instrument costs by itself. dhat's is for comparison: its profile of every block is not what
/// this program takes, and its times are nobody's.
const COMPARED: [(&str, Insert); 4] = [
    (
        "SQLite's methods counted",
        Insert::Methods(SqliteAllocator::System),
    ),
    (
        "SQLite through counted Rust",
        Insert::Methods(SqliteAllocator::Rust),
    ),
    ("sampled outside", Insert::Sampled(SAMPLE_INTERVAL)),
    ("dhat, for comparison", Insert::Dhat),
];

/// The samples of all rounds, by part and in the order of the rounds.
#[derive(Default)]
struct Rounds {
    raw: Vec<instrumented::Span>,
    rusqlite: Vec<instrumented::Span>,
    arena: Vec<testee::Span>,
    system: Vec<testee::Span>,
    /// Those that are in every third round, one for each of [`COMPARED`].
    compared: [Vec<instrumented::Span>; COMPARED.len()],
}

impl Rounds {
    fn run(plan: &Plan) -> Rounds {
        let rows = plan.rows_of_bounds();
        let through = |sqlite_allocator| testee::Insert {
            rows,
            readings: plan.readings,
            sqlite_allocator,
            keys: "go-rune",
            is_profiled: false,
        };
        let mut rounds = Rounds::default();
        for round in 0..plan.rounds {
            let compared = match round.is_multiple_of(COMPARED_EVERY) {
                true => COMPARED.len(),
                false => 0,
            };
            let parts = 4 + compared;
            for turn in 0..parts {
                match (round as usize + turn) % parts {
                    0 => rounds.raw.push(Insert::Raw.sample(rows)),
                    1 => rounds.rusqlite.push(Insert::Rusqlite.sample(rows)),
                    2 => rounds.arena.push(through("arena").sample()),
                    3 => rounds.system.push(through("system").sample()),
                    part => rounds.compared[part - 4].push(COMPARED[part - 4].1.sample(rows)),
                }
            }
        }
        let in_the_floor = rounds.raw.iter().map(|span| span.rust_blocks).max();
        assert_eq!(in_the_floor, Some(0), "the floor allocates through Rust");
        rounds
    }

    /// A row for each clock. `times` are wall and CPU time of every `every`th round, in their order.
    fn over_raw(
        &self,
        what: &str,
        bound: Option<Bound>,
        every: u64,
        times: impl Iterator<Item = (Duration, Duration)>,
    ) -> [Row; 2] {
        let (walls, cpus): (Vec<f64>, Vec<f64>) = times
            .zip(self.raw.iter().step_by(every as usize))
            .map(|((wall, cpu), raw)| {
                let over =
                    |time: Duration, floor: Duration| time.as_secs_f64() / floor.as_secs_f64();
                (over(wall, raw.wall), over(cpu, raw.cpu))
            })
            .unzip();
        [("wall", walls), ("CPU", cpus)].map(|(clock, ratios)| Row {
            what: format!("insert, {what} / raw ffi, {clock} time"),
            unit: "",
            estimate: Estimate::of(ratios),
            bound,
        })
    }
}

fn inserts(plan: &Plan) -> Vec<Row> {
    let rounds = Rounds::run(plan);
    let bare = rounds.rusqlite.iter().map(|span| (span.wall, span.cpu));
    let bound = Some(Bound::AtMost(1.03));
    let mut rows = Vec::from(rounds.over_raw("rusqlite, no instruments", bound, 1, bare));
    for (name, bound, spans) in [
        ("arena", Some(Bound::AtMost(1.05)), &rounds.arena),
        ("system", None, &rounds.system),
    ] {
        let whole = spans.iter().map(|span| (span.wall, span.cpu));
        rows.extend(rounds.over_raw(&format!("{name}, ledgers, sampling"), bound, 1, whole));
        let fill = spans.iter().map(|span| (span.fill_wall, span.fill_cpu));
        rows.extend(rounds.over_raw(&format!("{name}, without its ledgers"), None, 1, fill));
    }
    for ((what, _), spans) in COMPARED.iter().zip(&rounds.compared) {
        let times = spans.iter().map(|span| (span.wall, span.cpu));
        rows.extend(rounds.over_raw(what, None, COMPARED_EVERY, times));
    }
    let seconds = rounds.raw.iter().map(|span| span.wall.as_secs_f64());
    let ledgers = rounds
        .arena
        .iter()
        .map(|span| span.ledger.as_secs_f64() * 1e3);
    rows.push(Row {
        what: "insert, raw ffi, million rows a second".into(),
        unit: "",
        estimate: Estimate::of(seconds.map(|seconds| plan.rows_of_bounds() as f64 / seconds / 1e6)),
        bound: None,
    });
    rows.push(Row {
        what: "insert, arena, one ledger inside the fill".into(),
        unit: "ms",
        estimate: Estimate::of(ledgers),
        bound: None,
    });
    rows
}

/// What ledgers of `heap` took, and whether they allocated.
fn ledger(plan: &Plan, heap: Heap) -> Vec<Row> {
    let count = if plan.is_test { 2 } else { LEDGERS };
    let sample = parts::Ledgers::of(heap).take(count);
    let held = format!(
        "{}, {} MB resident, blocks of {} bytes, {}",
        format!("{:?}", heap.allocator).to_lowercase(),
        sample.rss_bytes / 1_000_000,
        heap.block_bytes,
        if heap.half_free {
            "every other freed"
        } else {
            "all live"
        }
    );
    let is_bounded = heap.megabytes >= 600 && heap.block_bytes == PAGE_BLOCK_BYTES;
    let mut rows = vec![Row {
        what: format!("ledger, {held}"),
        unit: "ms",
        estimate: Estimate::of(sample.took.iter().map(|took| took.as_secs_f64() * 1e3)),
        bound: is_bounded.then_some(Bound::AtMost(10.0)),
    }];
    if is_bounded || sample.counted_allocations > 0 {
        rows.push(Row {
            what: format!("allocations in {count} ledgers, {held}"),
            unit: "",
            estimate: Estimate::of([sample.counted_allocations as f64]),
            bound: Some(Bound::AtMost(0.0)),
        });
    }
    rows
}

/// The harness over a short run and over one of eight times its length.
fn harness(plan: &Plan) -> [Row; 2] {
    let rows = plan.rows_of_bounds();
    [rows.div_ceil(2), rows * 4].map(|rows| {
        let insert = testee::Insert {
            rows,
            readings: plan.readings,
            sqlite_allocator: "arena",
            keys: "go-rune",
            is_profiled: false,
        };
        Row {
            what: format!("harness, own peak RSS over {rows} rows"),
            unit: "MB",
            estimate: Estimate::of([insert.sample_watched().harness_peak_bytes as f64 / 1e6]),
            bound: Some(Bound::AtMost(30.0)),
        }
    })
}

/// The standard set, once: it is as long as it says that it may be.
fn standard_set(plan: &Plan) -> Option<Row> {
    if plan.is_test {
        println!("left out of a test: the standard set, which takes its two minutes anywhere");
        return None;
    }
    Some(Row {
        what: "the standard set".into(),
        unit: "s",
        estimate: Estimate::of([testee::standard_set().as_secs_f64()]),
        bound: Some(Bound::AtMost(150.0)),
    })
}
