use super::*;
use crate::record::{
    ErrorRecord, Instrument, Line, Reader, RemedyRecord, ResultRecord, TurnRecord, encode,
};
use crate::report::cycles::samples::{MIB, lines};
use crate::report::samples;

fn gather(lines: &[Line]) -> Gathered {
    let mut bytes = Vec::new();
    lines
        .iter()
        .for_each(|line| encode(line, &mut bytes).unwrap());
    Gathered::of(Reader::over(bytes.as_slice(), "r")).unwrap()
}

/// A whole run with cycles, which are a second apart.
fn snapshot(name: &str, rss: &[i64]) -> Vec<Line> {
    let mut scenario = samples::scenario();
    scenario.scenario = name.into();
    let mut all = vec![Line::Scenario(scenario)];
    for (second, mut line) in (1..).zip(lines(name, rss)) {
        if let Line::Phase(phase) = &mut line {
            phase.at_ns = second * 1_000_000_000;
        }
        all.push(line);
    }
    all
}

fn turn(of: &str, round: u32, side: Option<Side>) -> (String, Line) {
    let side_name = side.map_or(String::new(), |side| format!(" {}", side.name()));
    let scenario = format!("{of} #{round}{side_name}");
    let line = Line::Turn(TurnRecord {
        scenario: scenario.clone(),
        of: of.into(),
        round,
        side,
    });
    (scenario, line)
}

fn error(scenario: &str) -> Line {
    Line::Error(ErrorRecord {
        scenario: Some(scenario.into()),
        what: "limit_rss".into(),
        message: "too much".into(),
    })
}

#[test]
fn a_scenario_with_cycles_is_measured_at_the_end_of_the_last_whole_one() {
    let mut run = snapshot("s", &[560, 1000, 1500]);
    // The begin of a third, which was killed.
    let mut third = snapshot("s", &[560, 1, 1, 9999]);
    run.truncate(run.len() - 1);
    run.push(third.swap_remove(8));
    let all = of(&gather(&run));
    let [one] = all.as_slice() else { panic!() };
    let value = |what: What| one.find(&what).map(Measure::median);
    let mib = |mib: i64| Some((mib * MIB) as f64);
    assert_eq!(value(What::EndRss), mib(1500));
    assert_eq!(value(What::Growth), mib(940));
    assert_eq!(value(What::SqliteLive), mib(551));
    assert_eq!(value(What::Retained), mib(940));
    // The ledger after the second cycle is no longer there, and another is none of it.
    assert_eq!(value(What::Owner("sqlite".into())), None);
    assert_eq!(value(What::Cycle), Some(6e9));
    assert_eq!(value(What::CyclesPerSecond), Some(1e9 / 6e9));
    assert_eq!(value(What::Phase("dump".into())), Some(2e9));
}

#[test]
fn terms_that_count_and_the_unattributed_add_up_and_parts_stand_beside_them() {
    let report = samples::report();
    let lines = report.phases.iter().cloned().map(Line::Phase);
    let all = of(&gather(&lines.collect::<Vec<_>>()));
    let mut sums = [0.0; 3];
    for measure in &all[0].measures {
        let sum = match measure.what {
            What::Term(..) | What::Unattributed => &mut sums[0],
            What::Owner(_) => &mut sums[1],
            What::Part(..) => &mut sums[2],
            _ => continue,
        };
        *sum += measure.median();
    }
    let ledger = &report.phases[0].ledger;
    assert_eq!(sums[0], ledger.rss_bytes as f64);
    let unattributed = ledger.unattributed_bytes;
    assert_eq!(sums[1], (ledger.rss_bytes - unattributed) as f64);
    let parts = (80 << 20) + (6 << 10);
    assert_eq!(sums[2], f64::from(parts));
    // No scenario line, no cycles, no result: nothing stands for them.
    assert_eq!((&all[0].workload, all[0].verified), (&None, None));
    assert_eq!(all[0].find(&What::RowsPerSecond), None);
    assert_eq!(all[0].find(&What::Cycle), None);
}

#[test]
fn executions_of_a_scenario_are_one_by_side_with_their_median_and_ends() {
    let mut run = Vec::new();
    for (round, rss) in [(1, 1000), (2, 1300), (3, 1100), (4, 900)] {
        for side in [Side::New, Side::Base] {
            let (name, line) = turn("s", round, Some(side));
            run.push(line);
            let more = if side == Side::New { 50 } else { 0 };
            run.extend(snapshot(&name, &[560, rss + more]));
        }
    }
    let all = of(&gather(&run));
    let names: Vec<String> = all.iter().map(Measured::name).collect();
    assert_eq!(names, ["s new", "s base"]);
    assert_eq!((all[1].side, all[1].executions), (Some(Side::Base), 4));
    let base = all[1].find(&What::EndRss).unwrap();
    assert_eq!(base.median(), (1050 * MIB) as f64);
    assert_eq!(
        base.range(),
        Some(((900 * MIB) as f64, (1300 * MIB) as f64))
    );
    let new = all[0].find(&What::EndRss).unwrap();
    assert_eq!(new.median(), (1100 * MIB) as f64);
}

#[test]
fn rounds_of_a_remedy_are_executions_of_one() {
    let remedy = |name: &str, round: u32, set: &[&str]| {
        Line::Remedy(RemedyRecord {
            scenario: name.into(),
            of: "s".into(),
            round,
            set: set.iter().map(|one| (*one).to_owned()).collect(),
        })
    };
    let mut run = Vec::new();
    for (name, round, set) in [
        ("s", 1, &[][..]),
        ("s + trim=per-cycle", 1, &["trim=per-cycle"]),
        ("s #2", 2, &[]),
        ("s + trim=per-cycle #2", 2, &["trim=per-cycle"]),
    ] {
        run.push(remedy(name, round, set));
        run.extend(snapshot(name, &[560, 1000]));
    }
    let all = of(&gather(&run));
    let names: Vec<(&str, usize)> = all.iter().map(|one| (&*one.of, one.executions)).collect();
    assert_eq!(names, [("s", 2), ("s + trim=per-cycle", 2)]);
}

#[test]
fn an_execution_that_failed_counts_only_where_none_went_well() {
    let mut run = Vec::new();
    for (round, rss, fails) in [(1, 5000, true), (2, 1000, false), (3, 7000, true)] {
        let (name, line) = turn("s", round, None);
        run.push(line);
        run.extend(snapshot(&name, &[560, rss]));
        if fails {
            run.push(error(&name));
        }
    }
    let all = of(&gather(&run));
    let [one] = all.as_slice() else { panic!() };
    assert_eq!((one.executions, one.errors), (3, 2));
    assert_eq!(one.incomparable(), None);
    let end = one.find(&What::EndRss).unwrap();
    assert_eq!((end.median(), end.range()), ((1000 * MIB) as f64, None));

    let failed = [snapshot("s", &[560, 5000]), vec![error("s")]].concat();
    let all = of(&gather(&failed));
    assert!(all[0].incomparable().unwrap().contains("failed"));
    assert!(all[0].find(&What::EndRss).is_some());
    let mut wrong = snapshot("s", &[560, 5000]);
    wrong.push(Line::Result(ResultRecord {
        scenario: "s".into(),
        verified: false,
        cycles: Some(1),
        rows_per_second: 7.0,
        ..ResultRecord::default()
    }));
    let all = of(&gather(&wrong));
    assert_eq!(all[0].verified, Some(false));
    assert!(all[0].incomparable().is_some());
}

#[test]
fn what_distorts_is_told_and_services_do_not_get_it() {
    let mut run = snapshot("slow", &[560, 1000]);
    if let Line::Scenario(scenario) = &mut run[0] {
        scenario.instruments = vec![Instrument::CpuProfile { hertz: 99 }];
    }
    let gathered = gather(&[run, snapshot("clean", &[560, 1000])].concat());
    let told = super::super::left_out(&gathered);
    assert!(
        told.len() == 1 && told[0].starts_with("slow is left out: instrumented by cpu-profile"),
        "{told:?}"
    );
    let text = |write: fn(&mut dyn std::io::Write, &Gathered) -> std::io::Result<()>| {
        let mut out = Vec::new();
        write(&mut out, &gathered).unwrap();
        String::from_utf8(out).unwrap()
    };
    for services in [
        text(super::super::bmf::write),
        text(super::super::github::write),
    ] {
        assert!(
            !services.contains("slow") && services.contains("clean"),
            "{services}"
        );
    }
    let all = text(super::super::prometheus::write);
    assert!(all.contains("scenario=\"slow\",allocator_rust=\"system\",allocator_sqlite=\"arena\",instrumented=\"cpu-profile\""));
    assert!(all.contains(
        "scenario=\"clean\",allocator_rust=\"system\",allocator_sqlite=\"arena\",statistic="
    ));
}
