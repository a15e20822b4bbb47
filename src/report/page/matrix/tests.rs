use super::super::selection::Selection;
use super::*;
use crate::record::{Instrument, Line, Reader, encode};
use crate::report::gathered::Gathered;
use crate::report::samples::{phase, report, scenario};

/// A scenario with a peak in MiB and its rows a second, under a SQLite allocator.
fn lines(
    name: &str,
    allocator: &str,
    peak: u64,
    rows: u64,
    instruments: &[Instrument],
) -> Vec<Line> {
    let mut about = scenario();
    about.scenario = name.into();
    about.sqlite_allocator = allocator.into();
    about.instruments = instruments.to_vec();
    for (key, value) in [
        ("workload", "insert"),
        ("keys", "decimal"),
        ("sqlite_allocator", allocator),
    ] {
        about.parameters.insert(key.into(), value.into());
    }
    let mut lines = vec![Line::Scenario(about)];
    for reading in [Some(1), None] {
        let mut fill = phase("fill", 0);
        fill.scenario = name.into();
        fill.reading = reading;
        fill.at_ns = reading.map_or(2, |_| 1);
        (fill.peak_rss_bytes, fill.rows) = (peak << 20, Some(rows));
        fill.elapsed_ns = 1_000_000_000;
        lines.push(Line::Phase(fill));
    }
    let mut result = report().result.unwrap();
    (result.scenario, result.peak_rss_bytes) = (name.into(), peak << 20);
    lines.push(Line::Result(result));
    lines
}

fn gathered(lines: &[Line]) -> Gathered {
    let mut bytes = Vec::new();
    lines
        .iter()
        .for_each(|line| encode(line, &mut bytes).unwrap());
    Gathered::of(Reader::over(&bytes[..], "r")).unwrap()
}

fn entries_of(lines: &[Line]) -> Vec<Entry> {
    entries(&Selection::of(&gathered(lines)).groups)
}

#[test]
fn the_front_is_what_nothing_of_the_same_work_beats_in_both() {
    let all = [
        lines("i[sqlite_allocator=system]", "system", 200, 1000, &[]),
        lines("i[sqlite_allocator=arena]", "arena", 150, 900, &[]),
        lines("i[sqlite_allocator=rust]", "rust", 210, 900, &[]),
        lines(
            "i[sqlite_allocator=memsys5]",
            "memsys5",
            100,
            2000,
            &[Instrument::Dhat],
        ),
    ];
    let entries = entries_of(&all.concat());
    let best: Vec<bool> = entries.iter().map(|one| one.best).collect();
    // The fastest and smallest is distorted, and on no front.
    assert_eq!(best, [true, true, false, false]);
    assert!(entries.iter().all(|one| one.base == "i"));
    assert_eq!(entries[1].allocators, "rust system, sqlite arena");
    assert_eq!((entries[3].mark, &entries[3].work), ("*", &None));
}

#[test]
fn what_did_other_work_or_ended_early_is_compared_with_nothing() {
    let mut other = lines("other", "arena", 100, 5000, &[]);
    if let Line::Scenario(about) = &mut other[0] {
        about.parameters.insert("keys".into(), "random".into());
    }
    let mut early = lines("early", "rust", 10, 9000, &[]);
    early.pop();
    let one = lines("one", "system", 200, 1000, &[]);
    let entries = entries_of(&[one, other, early].concat());
    assert!(entries.iter().all(|one| !one.best), "{entries:?}");
    assert!(entries[2].ended_early && entries[2].work.is_none());
}

#[test]
fn of_a_name_the_choices_that_are_no_allocators_are_kept() {
    for (name, base) in [
        ("insert-10m[sqlite_allocator=arena]", "insert-10m"),
        ("a[env.MALLOC_ARENA_MAX=1,workers=2]", "a[workers=2]"),
        ("snapshot-memory", "snapshot-memory"),
    ] {
        assert_eq!(base_name(name), base);
    }
}
