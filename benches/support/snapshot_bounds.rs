//! How fast a database in memory is copied, as a ratio to memcpy of its bytes.

use std::time::Duration;

use sqlite_membench::workload::snapshot::copy::CopyMethod;
use sqlite_membench::workload::snapshot::schema::Schema;

use super::clocks::Span;
use super::plan::Plan;
use super::snapshot_parts::{Part, Source};
use super::statistics::{self, Bound, Estimate, Row};

/// What a backup must reach: of memcpy's throughput.
const BOUND: f64 = 0.7;

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

/// False where the bound does not hold.
pub fn measure_and_print(plan: &Plan) -> bool {
    let source = Source::of(Schema::Nested, plan.megabytes_of_bounds());
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
