//! What a sampled heap profile costs the report's insert, in the executable that users have.
//!
//! Both parts of a ratio are the whole program with SQLite in its arena, with and without
//! `--heap-profile`, in rounds of which every other one goes backwards. All that the testee burns more than
//! the one without is put to the fill: the samples, the names of the statements, the files that are
//! written at marks, and what is set up before the first row.
//!
//! What a profile costs goes with what is allocated, so there is a ratio for each kind of key: the report's,
//! and decimal ones, for which SQLite allocates twice as much at this size.

use super::plan::Plan;
use super::statistics::{Bound, Estimate, Row};
use super::testee::{Insert, Span};

/// Rows for each clock and each kind of key.
pub fn rows(plan: &Plan) -> Vec<Row> {
    ["go-rune", "decimal"]
        .into_iter()
        .flat_map(|keys| of_keys(plan, keys))
        .collect()
}

fn of_keys(plan: &Plan, keys: &'static str) -> [Row; 2] {
    let insert = |is_profiled| Insert {
        rows: plan.rows_of_bounds(),
        readings: plan.readings,
        sqlite_allocator: "arena",
        keys,
        is_profiled,
    };
    let (mut walls, mut cpus) = (Vec::new(), Vec::new());
    for round in 0..plan.rounds {
        let first = insert(round % 2 == 1).sample_of_program();
        let second = insert(round % 2 == 0).sample_of_program();
        let (plain, profiled) = match round % 2 {
            0 => (first, second),
            _ => (second, first),
        };
        walls.push(profiled.wall.as_secs_f64() / plain.wall.as_secs_f64());
        cpus.push(cpu_ratio(&plain, &profiled));
    }
    [("wall", walls), ("CPU", cpus)].map(|(clock, ratios)| Row {
        what: format!("insert, {keys}, arena, heap profile / without, {clock} time"),
        unit: "",
        estimate: Estimate::of(ratios),
        bound: Some(Bound::AtMost(1.03)),
    })
}

fn cpu_ratio(plain: &Span, profiled: &Span) -> f64 {
    let more = profiled.whole_cpu.as_secs_f64() - plain.whole_cpu.as_secs_f64();
    1.0 + more / plain.fill_cpu.as_secs_f64()
}
