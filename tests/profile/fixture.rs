//! A raw profile whose addresses are functions of this test's own executable, with SQLite in it.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use libsqlite3_sys as ffi;
use sqlite_membench::profile;
use sqlite_membench::profile::raw::{
    Counted, Exact, Header, Line, Moment, SCHEMA_VERSION, Side, SiteValues, Source, Values,
};
use sqlite_membench::record::HeapSource;

pub const INTERVAL: u64 = 512 * 1024;
pub const LEAK: &str = "INSERT INTO leak(a) VALUES (?); -- again";
pub const OTHER: &str = "SELECT *\n  FROM other\n WHERE id = ?";

#[inline(never)]
pub fn service_handles_a_request(seed: u64) -> u64 {
    std::hint::black_box(seed.wrapping_mul(3))
}

#[inline(never)]
pub fn service_main(seed: u64) -> u64 {
    std::hint::black_box(seed.wrapping_add(7))
}

/// An address inside each of the functions: leaf first.
pub fn stacks() -> Vec<Vec<u64>> {
    let sqlite = ffi::sqlite3_malloc64 as *const () as u64 + 4;
    let prepare = ffi::sqlite3_prepare_v3 as *const () as u64 + 4;
    let step = ffi::sqlite3_step as *const () as u64 + 4;
    let handles = service_handles_a_request as *const () as u64 + 1;
    let main = service_main as *const () as u64 + 1;
    let libc = libc::qsort as *const () as u64 + 1;
    vec![
        vec![sqlite, step, handles, main],
        vec![sqlite, prepare, handles, main],
        vec![handles, main],
        vec![libc, main],
    ]
}

pub fn site(stack: u32, statement: u32, side: Side, now: u64, peak: u64, total: u64) -> SiteValues {
    let samples = |bytes: u64| bytes.div_ceil(INTERVAL);
    let blocks = |bytes: u64| bytes as f64 / 4360.7;
    SiteValues {
        stack,
        statement,
        side,
        now_samples: samples(now),
        now_bytes: now,
        now_blocks: blocks(now),
        peak_bytes: peak,
        peak_blocks: blocks(peak),
        total_bytes: total,
        total_blocks: blocks(total),
        total_samples: samples(total),
    }
}

pub fn counted(now: u64, peak: u64, total: u64) -> Counted {
    let blocks = |bytes: u64| bytes / 4096;
    Counted {
        now_bytes: now,
        now_blocks: blocks(now),
        peak_bytes: peak,
        peak_blocks: blocks(peak),
        total_bytes: total,
        total_blocks: blocks(total),
    }
}

pub fn moment(phase: &str, cycle: Option<u32>, reading: Option<u32>) -> Option<Moment<'_>> {
    Some(Moment {
        phase: Cow::Borrowed(phase),
        cycle,
        reading,
    })
}

pub fn values(
    moment: Option<Moment<'_>>,
    exact: Option<Exact>,
    sites: Vec<SiteValues>,
) -> Line<'_> {
    Line::Values(Values {
        at_ns: 1_000_000_000,
        moment,
        exact,
        lost: 0,
        sites: Cow::Owned(sites),
    })
}

/// The header, the stacks and the statements.
pub fn head(source: Source) -> Vec<Line<'static>> {
    let mut lines = vec![Line::Profile(Header {
        schema_version: SCHEMA_VERSION,
        scenario: Cow::Borrowed("a-leak"),
        source,
        modules: profile::modules(),
    })];
    for (id, addresses) in (0..).zip(stacks()) {
        lines.push(Line::Stack {
            id,
            addresses: Cow::Owned(addresses),
        });
    }
    for (id, sql) in [(1, LEAK), (2, OTHER)] {
        lines.push(Line::Statement {
            id,
            sql: Cow::Borrowed(sql),
        });
    }
    lines
}

pub const HEAP: Source = Source::Heap {
    by: HeapSource::Sampled,
    interval_bytes: INTERVAL,
};
pub const CPU: Source = Source::Cpu {
    interval_ns: 10_000_000,
};

/// What was counted at the end of the work of [`heap`]: odd numbers, so that rounding shows.
pub const END: Exact = Exact {
    sqlite: Counted {
        now_bytes: 100_000_003,
        now_blocks: 23_001,
        peak_bytes: 120_000_007,
        peak_blocks: 27_001,
        total_bytes: 900_000_011,
        total_blocks: 200_003,
    },
    rust: Counted {
        now_bytes: 10_000_019,
        now_blocks: 301,
        peak_bytes: 20_000_003,
        peak_blocks: 601,
        total_bytes: 50_000_017,
        total_blocks: 1201,
    },
};

/// Three cycles of work, then the content is verified and everything is closed.
pub fn heap() -> Vec<Line<'static>> {
    let mut lines = head(HEAP);
    let nothing = Exact::default();
    lines.push(values(moment("start", None, None), Some(nothing), vec![]));
    for cycle in 1..=3 {
        let now = 30_000_000 * u64::from(cycle);
        let exact = Exact {
            sqlite: counted(now + 777, now + 777, 9 * now),
            rust: counted(9_000_000, 9_000_000, 9_000_000),
        };
        let sites = vec![
            site(0, 1, Side::Sqlite, now, now, 9 * now),
            site(2, 0, Side::Rust, 9_300_000, 9_300_000, 9_300_000),
        ];
        lines.push(values(
            moment("work", Some(cycle), Some(1)),
            Some(exact),
            sites,
        ));
        lines.push(values(
            moment("work", Some(cycle), None),
            Some(exact),
            vec![],
        ));
    }
    let sites = vec![
        site(0, 1, Side::Sqlite, 93_000_000, 93_000_000, 800_000_000),
        site(1, 2, Side::Sqlite, 2_200_001, 20_000_000, 60_000_000),
        site(2, 1, Side::Rust, 5_500_000, 6_000_000, 40_000_000),
        site(3, 0, Side::Rust, 0, 12_000_000, 12_000_000),
    ];
    lines.push(values(moment("dump", Some(3), None), Some(END), sites));
    let verify = vec![site(
        1,
        0,
        Side::Sqlite,
        500_000_000,
        500_000_000,
        600_000_000,
    )];
    lines.push(values(None, Some(END), verify));
    lines.push(values(moment("verify", None, None), Some(END), vec![]));
    let closed = vec![site(0, 1, Side::Sqlite, 0, 93_000_000, 800_000_000)];
    lines.push(values(moment("close", None, None), Some(nothing), closed));
    lines
}

/// Two phases of work.
pub fn cpu() -> Vec<Line<'static>> {
    let mut lines = head(CPU);
    let sampled = |stack, statement, samples: u64| SiteValues {
        stack,
        statement,
        side: Side::Unknown,
        now_samples: 0,
        now_bytes: 0,
        now_blocks: 0.0,
        peak_bytes: 0,
        peak_blocks: 0.0,
        total_bytes: samples * 10_000_000,
        total_blocks: samples as f64,
        total_samples: samples,
    };
    let sites = vec![sampled(0, 1, 300), sampled(2, 0, 50)];
    lines.push(values(moment("fill", None, None), None, sites));
    let sites = vec![sampled(0, 1, 310), sampled(1, 2, 40)];
    lines.push(values(moment("work", Some(1), None), None, sites));
    lines
}

/// As the testee writes it.
pub fn text(lines: &[Line<'_>]) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(&serde_json::to_string(line).unwrap());
        text.push('\n');
    }
    text
}

pub fn write(directory: &Path, name: &str, lines: &[Line<'_>]) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, text(lines)).unwrap();
    path
}
