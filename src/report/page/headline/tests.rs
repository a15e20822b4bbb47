use super::super::super::cycles::samples::{MIB, lines};
use super::*;
use crate::record::{ErrorRecord, Line, Reader, encode};
use crate::report::gathered::Gathered;
use crate::verdict::Probe;

/// A snapshot scenario that had so many MiB after the fill and after each cycle, with `findings`.
fn course(rss: &[i64], findings: Vec<Finding>, error: Option<&str>) -> Course {
    let mut all = lines("s", rss);
    for (second, line) in (1..).zip(&mut all) {
        if let Line::Phase(phase) = line {
            phase.at_ns = second * 1_000_000_000;
        }
    }
    all.extend(error.map(|message| {
        Line::Error(ErrorRecord {
            scenario: Some("s".into()),
            what: "limit_rss".into(),
            message: message.into(),
        })
    }));
    if !findings.is_empty() {
        all.push(Line::Verdict(VerdictRecord {
            scenario: "s".into(),
            expected: None,
            judgement: Judgement {
                findings,
                per: "cycle".into(),
                ..Judgement::default()
            },
        }));
    }
    let mut bytes = Vec::new();
    all.iter()
        .for_each(|line| encode(line, &mut bytes).unwrap());
    let mut gathered = Gathered::of(Reader::over(&bytes[..], "r")).unwrap();
    gathered.scenarios.remove(0)
}

fn finding(verdict: Verdict, terms: &[&'static str], probe: Option<(Probe, i64, i64)>) -> Finding {
    Finding {
        verdict,
        bytes: 940 * MIB,
        confidence: Confidence::High,
        terms: terms.iter().map(|term| (*term).into()).collect(),
        evidence: Vec::new(),
        detail: None,
        probe: probe.map(|(probe, rss_bytes, sqlite_live_bytes)| GaveBack {
            probe,
            rss_bytes,
            sqlite_live_bytes,
            sqlite_blocks: 0,
            page_cache_bytes: 0,
        }),
        statements: Vec::new(),
    }
}

fn retention() -> Finding {
    let probe = Some((Probe::Trim, 930 * MIB, 0));
    finding(
        Verdict::AllocatorRetention,
        &["allocator free but resident"],
        probe,
    )
}

fn text(headline: &Headline) -> String {
    let parts = headline.sentence.iter().map(|part| match part {
        Part::Plain(text) | Part::Strong(text) => text.as_str(),
    });
    parts.collect()
}

fn said(rss: &[i64], findings: Vec<Finding>) -> String {
    text(&Headline::of(&course(rss, findings, None)))
}

#[test]
fn the_owner_that_grew_is_named_and_why_it_is_no_leak() {
    let course = course(&[560, 1000, 1500], vec![retention()], None);
    let headline = Headline::of(&course);
    assert_eq!(
        text(&headline),
        "RSS grew by 940.0 MiB in 2 cycles, all of it allocator: free but resident. Not a leak: freed, \
         and kept by glibc's malloc, once for each arena; malloc_trim(0) gave 930.0 MiB back."
    );
    let strong = |part: &&Part| matches!(part, Part::Strong(_));
    let strong: Vec<&Part> = headline.sentence.iter().filter(strong).collect();
    assert_eq!(
        strong,
        [
            &Part::Strong("allocator: free but resident".into()),
            &Part::Strong("Not a leak".into())
        ]
    );
    assert_eq!(headline.largest, Some(("allocator", 940 * MIB)));
    assert_eq!(headline.end, Some((1500 * MIB, "after cycle 2".into())));
    assert_eq!(headline.chips(), [("allocator-retention", Tone::Kept)]);
}

#[test]
fn with_a_leak_beside_it_nothing_is_called_no_leak() {
    for leak in [Verdict::SqliteLeak, Verdict::RustLeak, Verdict::OtherCLeak] {
        let text = said(
            &[560, 1000],
            vec![retention(), finding(leak, &["sqlite live"], None)],
        );
        assert!(
            text.contains(" A leak: ") && !text.contains("Not a leak"),
            "{text}"
        );
    }
    for unknown in [Verdict::Unexplained, Verdict::ThreadStacks] {
        let text = said(&[560, 1000], vec![retention(), finding(unknown, &[], None)]);
        assert!(
            !text.contains("Not a leak") && !text.contains(" A leak"),
            "{text}"
        );
    }
}

#[test]
fn what_is_not_sure_is_not_said_as_if_it_were() {
    let unsure = |mut finding: Finding| {
        finding.confidence = Confidence::Low;
        said(&[560, 1000], vec![finding])
    };
    assert!(unsure(retention()).contains("Probably not a leak: "));
    let leak = finding(Verdict::RustLeak, &[], None);
    assert!(unsure(leak).contains("Probably a leak: "));
}

#[test]
fn what_is_held_by_design_says_so_and_what_is_flat_did_not_grow() {
    let probe = Some((Probe::Close, 0, 551 * MIB));
    let held = finding(Verdict::DatabaseInMemory, &["sqlite live"], probe);
    assert_eq!(
        said(&[560, 560, 561], vec![held]),
        "RSS did not grow in 2 cycles (+1.0 MiB). No leak found; 940.0 MiB are held by design: the pages \
         of an in-memory database."
    );
    let steady = || vec![finding(Verdict::Steady, &[], None)];
    assert_eq!(
        said(&[560, 560, 560], steady()),
        "RSS did not grow in 2 cycles. Steady: no significant slope."
    );
    assert!(
        said(&[560, 590], steady()).contains("grew by 30.0 MiB in 1 cycle, once and with no slope")
    );
}

#[test]
fn a_verdict_about_something_else_does_not_explain_the_growth() {
    let held = || {
        finding(
            Verdict::DatabaseInMemory,
            &["sqlite live", "sqlite page cache"],
            None,
        )
    };
    assert_eq!(
        said(&[560, 590], vec![held()]),
        "RSS grew by 30.0 MiB in 1 cycle, all of it allocator: free but resident. No leak found; 940.0 \
         MiB are held by design: the pages of an in-memory database."
    );
    // A split of what grew is about it.
    let ledger = &crate::report::samples::phase("fill", 0).ledger;
    let cached = finding(Verdict::PageCache, &["sqlite page cache"], None);
    assert!(rests_on(&cached, "sqlite", "live", ledger));
    assert!(!rests_on(&cached, "sqlite", "untouched", ledger));
    assert!(!rests_on(&cached, "rust", "live", ledger));
    let lazy = finding(Verdict::LazyReturn, &["unreturned"], None);
    assert!(rests_on(&lazy, "sqlite", "unreturned", ledger));
}

#[test]
fn without_a_verdict_it_says_why_and_that_it_was_judged_from_what_is_there() {
    let course = course(
        &[560, 1000, 1500],
        Vec::new(),
        Some("resident memory is past the limit."),
    );
    let headline = Headline::of(&course);
    let text = text(&headline);
    assert!(headline.is_judged_here);
    assert!(text.contains(" No verdict: "), "{text}");
    assert!(
        text.ends_with("Ended early: limit_rss: resident memory is past the limit."),
        "{text}"
    );
    assert_eq!(headline.chips(), [("no verdict", Tone::Unknown)]);
}

#[test]
fn a_scenario_that_came_to_nothing_says_so() {
    let headline = Headline::of(&Course::default());
    assert!(text(&headline).starts_with("It came to no ledger."));
    assert_eq!(headline.growth_words(), None);
    assert_eq!(headline.peak_words(), None);
}

#[test]
fn rates_have_three_digits() {
    for (number, expected) in [
        (512_345.6, "512,346"),
        (999.6, "1000"),
        (42.13, "42.1"),
        (4.213, "4.21"),
        (0.0421, "0.042"),
    ] {
        assert_eq!(per_second(number), expected);
    }
}
