use super::*;
use crate::record::{Line, SampleRecord};
use crate::report::cycles::samples::lines;
use crate::report::samples;

fn timeline(points: &[(u64, [i64; 10])]) -> Timeline {
    let mut timeline = Timeline::default();
    for (at_ns, owners) in points {
        let mut phase = samples::phase("fill", owners[9]);
        phase.at_ns = *at_ns;
        phase.elapsed_ns = 1;
        let terms = OWNERS[..9].iter().zip(owners);
        let terms = terms.map(|(owner, bytes)| samples::term(owner, "live", *bytes));
        phase.ledger.terms = terms.collect();
        phase.ledger.rss_bytes = owners.iter().sum();
        timeline.line(&Line::Phase(phase));
    }
    timeline
}

fn snapshot() -> Timeline {
    let mut timeline = Timeline::default();
    let mut at = 0;
    let rss: Vec<i64> = (0..21).map(|cycle| 560 + 100 * cycle.min(4)).collect();
    for mut line in lines("s", &rss) {
        if let Line::Phase(phase) = &mut line {
            at += 3_000_000_000;
            phase.at_ns = at;
        }
        timeline.line(&line);
    }
    timeline
}

/// Of all polygons of a drawing, by owner.
fn areas(drawing: &str) -> Vec<(String, Vec<(i32, i32)>)> {
    let areas = drawing.split("<polygon class=\"area o-").skip(1);
    areas
        .map(|area| {
            let (owner, rest) = area.split_once("\" points=\"").unwrap();
            let points = rest.split('"').next().unwrap().split(' ');
            let points = points.map(|point| {
                let (x, y) = point.split_once(',').unwrap();
                (x.parse().unwrap(), y.parse().unwrap())
            });
            (owner.to_owned(), points.collect())
        })
        .collect()
}

#[test]
fn areas_stack_up_to_rss_at_each_point() {
    let mib = 1 << 20;
    let mut below = [0_i64; 10];
    below[0] = 80 * mib;
    below[2] = 20 * mib;
    below[9] = -8 * mib;
    let timeline = timeline(&[
        (0, [10 * mib; 10]),
        (500, below),
        (1000, [mib, 0, 3, 0, 5 * mib, 0, 0, 0, 7, 0]),
    ]);
    let picture = Picture::of(&timeline);
    let bands = stacked(timeline.points(), &picture.owners);
    for (n, point) in timeline.points().iter().enumerate() {
        let high = bands.iter().map(|band| band[n].1).max().unwrap();
        let low = bands.iter().map(|band| band[n].0).min().unwrap();
        assert_eq!(high + low, point.rss_bytes, "the point {n}");
        let sum: i64 = bands.iter().map(|band| band[n].1 - band[n].0).sum();
        assert_eq!(sum, high - low, "without a gap and without an overlap");
    }
}

#[test]
fn what_is_drawn_is_what_was_stacked() {
    let timeline = snapshot();
    let picture = Picture::of(&timeline);
    for width in Width::BOTH {
        let drawing = picture.drawing(width);
        let frame = drawing.split("data-frame=\"").nth(1).unwrap();
        let frame: Vec<i32> = frame
            .split('"')
            .next()
            .unwrap()
            .split(' ')
            .map(|n| n.parse().unwrap())
            .collect();
        let [_, _, top, bottom, zero] = frame[..] else {
            panic!("{frame:?}")
        };
        assert_eq!(bottom, zero, "nothing is negative");
        let areas = areas(&drawing);
        assert_eq!(areas.len(), picture.owners.len());
        let points = timeline.points();
        for (n, point) in points.iter().enumerate() {
            let highest = areas.iter().map(|(_, area)| area[n].1).min().unwrap();
            let bytes = f64::from(zero - highest) / f64::from(zero - top) * picture.top();
            let unit = picture.top() / f64::from(zero - top);
            let off = (bytes - point.rss_bytes as f64).abs();
            assert!(off <= unit, "{off} of {unit} at {n}");
        }
    }
}

#[test]
fn an_owner_that_is_always_zero_is_neither_drawn_nor_in_the_legend() {
    let mut owners = [0; 10];
    (owners[0], owners[9]) = (5 << 20, 1 << 20);
    let drawn = ledger(&timeline(&[(1, owners), (2, owners)]), "l");
    assert!(drawn.contains("data-of=\"o-sqlite\"") && drawn.contains("data-of=\"o-unattributed\""));
    assert!(!drawn.contains("o-rust"));
    assert!(!drawn.contains("data-of=\"looks\""), "nobody looked");
}

#[test]
fn degenerate_timelines_are_a_picture_or_a_sentence() {
    assert!(ledger(&Timeline::default(), "l").contains("<figcaption>No ledger was taken."));
    let huge = [10_i64 << 40; 10];
    for points in [
        vec![(0, [0; 10])],
        vec![(0, [0; 10]), (0, [0; 10])],
        vec![(7, [1; 10])],
        vec![(1, huge), (u64::MAX, huge)],
        vec![(1, [-5 << 20; 10]), (2, [-1; 10])],
        vec![(1, [i64::MAX / 10; 10])],
    ] {
        let drawn = ledger(&timeline(&points), "l");
        assert_eq!(drawn.matches("<svg class=\"plot-").count(), 2, "{points:?}");
        assert!(
            !drawn.contains("NaN") && !drawn.contains("inf"),
            "{points:?}"
        );
    }
}

#[test]
fn what_is_negative_hangs_below_zero_within_the_frame() {
    let mut owners = [0; 10];
    (owners[0], owners[1]) = (100 << 20, -40 << 20);
    let timeline = timeline(&[(1, owners), (2, owners)]);
    let drawing = Picture::of(&timeline).drawing(Width::Wide);
    let frame = drawing.split("data-frame=\"").nth(1).unwrap();
    let frame: Vec<i32> = frame
        .split('"')
        .next()
        .unwrap()
        .split(' ')
        .map(|n| n.parse().unwrap())
        .collect();
    let (bottom, zero) = (frame[3], frame[4]);
    assert!(bottom > zero);
    let rust = &areas(&drawing)[1];
    assert_eq!(rust.0, "rust");
    let lowest = rust.1.iter().map(|point| point.1).max().unwrap();
    assert!(lowest > zero && lowest <= bottom && bottom - lowest < 2 * PIXEL);
}

#[test]
fn a_name_of_a_record_is_text_wherever_it_stands() {
    let mut timeline = Timeline::default();
    let mut phase = samples::phase("<script>alert(1)</script>\"'&", 0);
    for at in 1..4 {
        phase.at_ns = at * 3_000_000_000;
        timeline.line(&Line::Phase(phase.clone()));
        phase.phase.push('<');
    }
    let drawn = ledger(&timeline, "l");
    assert_eq!(drawn.matches("<script").count(), 1, "the data's own");
    assert_eq!(drawn.matches("</script>").count(), 1);
    assert!(drawn.contains("&lt;script&gt;"), "the key names it");
}

#[test]
fn seven_scenarios_of_150_ledgers_are_well_under_a_megabyte() {
    let points = |n: u64| (n * 40_000_000, [(n as i64 * 7919 % 400) << 20; 10]);
    let mut timeline = timeline(&(0..150).map(points).collect::<Vec<_>>());
    for n in 0..700_u64 {
        timeline.line(&Line::Sample(SampleRecord {
            scenario: "s".into(),
            at_ns: n * 8_000_000,
            rss_bytes: n << 21,
            anonymous_bytes: 0,
            swap_bytes: 0,
            disk_bytes: 0,
        }));
    }
    let drawn = ledger(&timeline, "l");
    assert!(drawn.len() < 130_000, "{}", drawn.len());
    assert!(ledger(&snapshot(), "l").len() < 60_000);
}

#[test]
fn a_thinned_timeline_says_of_how_many_ledgers_it_shows_how_many() {
    let points = |n: u64| (n, [n as i64; 10]);
    let timeline = timeline(&(0..5000).map(points).collect::<Vec<_>>());
    let drawn = ledger(&timeline, "l");
    let sentence = format!(
        "Of 5,000 ledgers, the {} that stand out",
        timeline.points().len()
    );
    assert!(drawn.contains(&sentence));
    assert!(!ledger(&snapshot(), "l").contains("<figcaption>"));
}
