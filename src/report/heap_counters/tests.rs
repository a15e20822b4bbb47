use super::super::samples::{phase, scenario, term};
use super::*;
use crate::record::{Instrument, JemallocRecord, Line};

const MIB: i64 = 1 << 20;

/// 60 MiB of SQLite's and 2 of Rust's, with dhat's bookkeeping beside; dhat lacks 5,000 bytes that are
/// older than it.
fn report(sqlite_allocator: &str) -> ScenarioReport {
    let mut one = phase("fill", 0);
    let ledger = &mut one.ledger;
    ledger.terms = vec![
        term("sqlite", "live", 60 * MIB),
        term("sqlite", "header", 120_000),
        term("sqlite", "rounding", 130_000),
        term("rust", "live", 2 * MIB),
        term("allocator", "untouched", -70_000),
        term("instrument", "dhat", 5 * MIB),
        term("files", "program", 3 * MIB),
    ];
    let counted: i64 = ledger.terms.iter().map(|term| term.bytes).sum();
    (ledger.rss_bytes, ledger.unattributed_bytes) = (counted + 4096, 4096);
    let sqlites = 60 * MIB + 120_000;
    let known = if sqlite_allocator == "rust" {
        sqlites
    } else {
        0
    } + 2 * MIB;
    let beside = &mut ledger.beside;
    (beside.sqlite_blocks, beside.rust_blocks) = (15_000, 80);
    beside.sqlite_highwater_bytes = 61 * MIB;
    beside.rust_peak_bytes = known + MIB;
    (beside.rust_total_bytes, beside.rust_total_blocks) = (500 << 20, 2_000_000);
    beside.jemalloc = Some(JemallocRecord {
        allocated_bytes: (sqlites + 130_000 + 4_000) as u64,
        ..JemallocRecord::default()
    });
    beside.dhat = Some(DhatRecord {
        current_bytes: (known - 5_000) as u64,
        peak_bytes: (known + MIB - 6_000) as u64,
        total_bytes: (500 << 20) - 9_000,
        total_blocks: 1_999_900,
        before_live_bytes: 5_500,
        before_live_blocks: 40,
        before_total_bytes: 9_000,
        ..DhatRecord::default()
    });
    let mut close = phase("close", 0);
    close.ledger.beside.dhat = Some(DhatRecord::default());
    let mut report = ScenarioReport::default();
    let mut scenario = scenario();
    scenario.sqlite_allocator = sqlite_allocator.into();
    scenario.instruments = vec![Instrument::Dhat];
    report.line(&Line::Scenario(scenario));
    report.line(&Line::Phase(one));
    report.line(&Line::Phase(close));
    report.ended();
    report
}

fn text(report: &ScenarioReport, columns: Option<usize>) -> String {
    let mut out = Vec::new();
    write(&mut out, report, Layout { columns }).unwrap();
    anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string()
}

#[test]
fn the_parts_of_each_difference_add_up_to_it() {
    for allocator in ["rust", "arena", "system"] {
        let report = report(allocator);
        let differences = Moment::of(&report).unwrap().differences();
        assert_eq!(differences.len(), 5);
        for one in differences {
            let sum: i64 = one.parts.iter().map(|(bytes, _)| bytes).sum();
            assert_eq!(sum, one.bytes, "{allocator}: {}", one.what);
        }
    }
}

#[test]
fn what_is_older_than_dhat_is_no_more_than_there_was_and_the_rest_is_unexplained() {
    let report = report("rust");
    let differences = Moment::of(&report).unwrap().differences();
    let parts = |at: usize| differences[at].parts.iter().map(|(bytes, _)| *bytes);
    assert_eq!(parts(0).collect::<Vec<_>>(), [5_000, 0]);
    assert_eq!(parts(1).collect::<Vec<_>>(), [5_500, 500]);
    assert_eq!(parts(2).collect::<Vec<_>>(), [9_000, 0]);
}

#[test]
fn the_moment_is_the_end_of_the_work() {
    let report = report("rust");
    assert_eq!(Moment::of(&report).unwrap().phase.phase, "fill");
    let text = text(&report, None);
    assert!(
        text.contains("fill at its end: what each counter knows of"),
        "{text}"
    );
    assert!(text.contains("unexplained"), "{text}");
    assert!(!text.contains("are not in dhat, because"), "{text}");
}

#[test]
fn where_sqlites_blocks_are_not_in_dhat_that_is_said_with_what_to_do() {
    for allocator in ["arena", "system"] {
        let text = text(&report(allocator), None);
        assert!(text.contains("SQLite live, which is not in dhat"), "{text}");
        let said = format!("because its allocator is {allocator}: --set sqlite_allocator=rust");
        assert!(text.contains(&said), "{text}");
    }
}

#[test]
fn without_dhat_there_is_no_table() {
    assert_eq!(text(&super::super::samples::report(), None), "");
}

#[test]
fn a_narrow_terminal_gets_the_same_numbers() {
    for columns in [60, 80, 84, 85] {
        let text = text(&report("arena"), Some(columns));
        let wide = text.lines().find(|line| line.chars().count() > columns);
        assert_eq!(wide, None, "{columns}");
        assert!(text.contains("1,999,900"), "{text}");
    }
}
