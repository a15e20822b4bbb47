use super::*;

const SMALL: Sizes = Sizes {
    stacks: 4,
    frames: 100,
    statements: 4,
    text_bytes: 1_000,
    sites: 8,
    live: 16,
};

fn found(address: usize, stack: &[u64]) -> Found<'_> {
    Found {
        address,
        bytes: 1_000,
        side: Side::Sqlite,
        frames: stack,
        statement: b"",
    }
}

/// Every block is sampled, nearly: each stands for itself.
fn tables(sizes: Sizes) -> Tables {
    Tables::new(1, sizes).unwrap()
}

fn now(bytes: u64) -> Now {
    let sqlite = Counted {
        now_bytes: bytes,
        ..Counted::default()
    };
    Now {
        sqlite,
        ..Now::default()
    }
}

fn read(tables: &mut Tables) -> Vec<Site> {
    let mut sites = Region::new(100).unwrap();
    tables.read(now(0), &mut sites);
    sites.to_vec()
}

#[test]
fn a_sample_stands_for_its_size_by_its_probability() {
    let mut tables = Tables::new(4_096, SMALL).unwrap();
    tables.allocated(&found(8, &[1]), now(1_000));
    let [site] = read(&mut tables)[..] else {
        panic!("one site")
    };
    let p = 1.0 - (-1_000.0f64 / 4_096.0).exp();
    assert!((site.now.bytes - 1_000.0 / p).abs() < 0.001);
    assert!((site.now.blocks - 1.0 / p).abs() < 0.001);
    assert_eq!(
        (site.now, site.total, site.peak),
        (site.now, site.now, site.now)
    );
}

#[test]
fn what_does_not_fit_is_counted_as_lost() {
    let mut tables = tables(SMALL);
    (0..20).for_each(|n| tables.allocated(&found(8 + n * 8, &[1]), now(0)));
    assert_eq!((tables.lost, read(&mut tables)[0].now.samples), (4, 16));
    assert_eq!(read(&mut tables)[0].total.samples, 16);
    // Stacks: four fit, of which one is there.
    assert!(tables.freed(8, now(0)).is_some());
    for stack in 2..8 {
        tables.allocated(&found(8, &[stack]), now(0));
    }
    assert_eq!((tables.lost, read(&mut tables).len()), (4 + 3, 4));
}

#[test]
fn statements_that_do_not_fit_are_kept_under_one_text() {
    let mut tables = tables(SMALL);
    for (n, text) in ["a", "b", "c", "d", "e", "a"].into_iter().enumerate() {
        let found = Found {
            statement: text.as_bytes(),
            ..found(8 + n * 8, &[1])
        };
        tables.allocated(&found, now(0));
    }
    let view = tables.statements.view();
    // SAFETY: the tables live to the end of the test.
    let texts: Vec<_> = (0..4).map(|n| unsafe { view.get(n) }).collect();
    assert_eq!(texts, [b"a", b"b", b"c", OTHERS]);
    let by_statement: Vec<_> = read(&mut tables)
        .iter()
        .map(|site| (site.statement, site.now.samples))
        .collect();
    assert_eq!(by_statement, [(1, 2), (2, 1), (3, 1), (4, 2)]);
    assert_eq!(tables.lost, 0);
}

#[test]
fn the_peak_is_what_was_live_when_most_was() {
    let mut tables = tables(SMALL);
    let samples = |tables: &mut Tables| -> Vec<_> {
        read(tables)
            .iter()
            .map(|s| (s.now.samples, s.peak.samples))
            .collect()
    };
    tables.allocated(&found(8, &[1]), now(1_000));
    tables.allocated(&found(16, &[1]), now(2_000));
    tables.allocated(&found(24, &[2]), now(3_000));
    assert_eq!(samples(&mut tables), [(2, 2), (1, 1)]);
    tables.freed(8, now(3_000));
    tables.freed(24, now(2_000));
    tables.allocated(&found(32, &[3]), now(2_000));
    assert_eq!(samples(&mut tables), [(1, 2), (0, 1), (1, 0)]);
    // What was not sampled counts for when: this free comes at a new peak.
    tables.freed(16, now(9_000));
    assert_eq!(samples(&mut tables), [(0, 1), (0, 0), (1, 1)]);
}

#[test]
fn a_block_that_stays_where_it_is_changes_nothing() {
    let mut tables = tables(SMALL);
    tables.allocated(&found(8, &[1]), now(1_000));
    let taken = tables.freed(8, now(1_000)).unwrap();
    assert_eq!(read(&mut tables)[0].now.samples, 0);
    tables.put_back(taken);
    let site = read(&mut tables)[0];
    assert_eq!((site.now, site.peak), (site.total, site.total));
    assert_eq!(tables.freed(8, now(1_000)), Some(taken));
}

#[test]
fn everything_freed_leaves_nothing_at_any_interval() {
    for interval in [3, 1_000, 524_288, 1 << 40] {
        let mut tables = Tables::new(interval, SMALL).unwrap();
        for n in 1..16 {
            let found = Found {
                bytes: n * n * n * 17,
                ..found(n * 8, &[1])
            };
            tables.allocated(&found, now(0));
        }
        (1..16).for_each(|n| assert!(tables.freed(n * 8, now(0)).is_some()));
        assert_eq!(read(&mut tables)[0].now, Estimate::default());
        assert_eq!(read(&mut tables)[0].total.samples, 15);
    }
}
