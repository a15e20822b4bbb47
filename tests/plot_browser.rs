//! Pictures by themselves in a real browser, drawn from records that no run would leave: names of any
//! length and with markup in them, owners that nobody knows, sums below zero, one ledger only.

#[path = "support/browser.rs"]
mod browser;

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use sqlite_membench::report::gathered::Gathered;
use sqlite_membench::report::plot::{self, Line, Spot};
use tempfile::TempDir;

use browser::{Look, Opened, assert_readable, looks};

const MIB: i64 = 1 << 20;
const HOSTILE: &str =
    "</script><script>alert('x')</script><b>\"bold\"</b> & a name of eighty letters or so";

/// A page with these figures.
struct Written {
    directory: TempDir,
    record: Vec<Value>,
}

impl Written {
    fn new() -> Self {
        let mut record = vec![json!({ "schema_version": 1, "kind": "run", "run_id": "r",
            "started_utc": "2026-11-21T09:38:04Z", "suite_version": "0.1.0", "argv": [] })];
        record.extend(snapshot("snapshot-memory", "dump", 20));
        record.extend(snapshot("many", HOSTILE, 500));
        record.push(phase("one", "fill", 0, 1, 1_000_000, [7 * MIB; 10]));
        Written {
            directory: TempDir::new().unwrap(),
            record,
        }
    }

    fn page(&self, script: &str) -> PathBuf {
        let lines: String = self.record.iter().map(|line| format!("{line}\n")).collect();
        let record = self.directory.path().join("record.jsonl");
        fs::write(&record, lines).unwrap();
        let gathered = Gathered::read(&record).unwrap();
        assert_eq!(gathered.notes, Vec::<String>::new());
        let mut body = String::new();
        for course in &gathered.scenarios {
            let name = &course.report.name;
            body.push_str(&format!("<h2>{name}</h2>"));
            body.push_str(&plot::ledger(&course.timeline, name));
        }
        body.push_str("<h2>lines</h2>");
        body.push_str(&plot::lines(&series(), "cycle", "lines"));
        body.push_str("<h2>scatter</h2>");
        body.push_str(&plot::scatter(&spots(), "rows/s", "scatter"));
        self.write(&format!(
            "<style>{PAGE}{}</style><body><main>{body}</main><script>{script}</script>",
            plot::STYLE
        ))
    }

    fn write(&self, page: &str) -> PathBuf {
        let file = self.directory.path().join("page.html");
        let head = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
            <meta name=\"viewport\" content=\"width=device-width\"><title>t</title>";
        fs::write(&file, format!("{head}{page}</html>")).unwrap();
        file
    }

    /// The ledger that is the `n`th of a scenario.
    fn ledger(&self, scenario: &str, n: usize) -> &Value {
        let of = |line: &&Value| line["kind"] == "phase" && line["scenario"] == scenario;
        &self.record.iter().filter(of).nth(n).unwrap()["ledger"]
    }
}

/// As little of a page as there can be.
const PAGE: &str = ":root{color-scheme:light dark}body{margin:0;font:16px/1.5 system-ui,sans-serif}\
    main{max-width:1100px;margin:0 auto;padding:16px}";

const OWNERS: [&str; 9] = [
    "sqlite",
    "rust",
    "other_c",
    "allocator",
    "stacks",
    "program",
    "instrument",
    "files",
    "martian",
];

fn phase(
    scenario: &str,
    name: &str,
    cycle: u32,
    from_ms: i64,
    ns: i64,
    owners: [i64; 10],
) -> Value {
    let term = |(owner, bytes): (&str, &i64)| json!({ "owner": owner, "term": "live", "bytes": bytes, "source": "a test", "counts": true });
    let terms: Vec<Value> = OWNERS.into_iter().zip(&owners).map(term).collect();
    json!({ "schema_version": 1, "kind": "phase", "scenario": scenario, "phase": name, "cycle": cycle,
        "at_ns": from_ms * 1_000_000 + ns, "elapsed_ns": ns, "user_ns": 0, "system_ns": 0,
        "page_faults": 0, "peak_rss_bytes": 0, "open_files": 0, "rows": 0, "ledger_ns": 0,
        "ledger": { "rss_bytes": owners.iter().sum::<i64>(), "unattributed_bytes": owners[9],
            "terms": terms } })
}

/// One that grows for four cycles.
fn snapshot(scenario: &str, dump: &str, cycles: i64) -> Vec<Value> {
    let owners = |sqlite: i64, cycle: i64| {
        let kept = cycle.min(4) * 50 * MIB + 12_345;
        let rust = if dump == HOSTILE { -30 } else { 30 };
        [
            sqlite * MIB + 7,
            rust * MIB,
            kept,
            3 * MIB,
            2 * MIB,
            5 * MIB,
            MIB,
            9 * MIB,
            4 * MIB,
            -8191,
        ]
    };
    let mut lines = vec![phase(scenario, "fill", 0, 0, 900_000_000, owners(60, 0))];
    for cycle in 1..=cycles {
        let from = 900 + (cycle - 1) * 250;
        let number = u32::try_from(cycle).unwrap();
        for (name, after, long, sqlite) in [
            ("backup", 0, 60, 110),
            (dump, 60, 180, 115),
            ("dispose", 240, 9, 60),
        ] {
            let from = from + after;
            lines.push(json!({ "schema_version": 1, "kind": "sample", "scenario": scenario,
                "at_ns": (from + long / 2) * 1_000_000, "rss_bytes": 120 * MIB + cycle.min(4) * 50 * MIB,
                "anonymous_bytes": 0, "swap_bytes": 0, "disk_bytes": 0 }));
            let ns = long * 1_000_000;
            lines.push(phase(
                scenario,
                name,
                number,
                from,
                ns,
                owners(sqlite, cycle),
            ));
        }
    }
    lines
}

fn series() -> Vec<Line> {
    let names = [
        "memory",
        "file",
        "no-dump",
        "no-snapshot",
        "one-thread",
        HOSTILE,
    ];
    let line = |(n, name): (u32, &str)| Line {
        name: name.into(),
        points: (0..=20)
            .map(|x| {
                (
                    f64::from(x),
                    f64::from((n + 1) * 40 * MIB as u32 + n * x.min(5) * 9_999_999),
                )
            })
            .collect(),
    };
    (0..).zip(names).map(line).collect()
}

fn spots() -> Vec<Spot> {
    let spot = |n: u32| Spot {
        name: if n == 5 {
            HOSTILE.into()
        } else {
            format!("insert-10m[sqlite_allocator=kind-{n}]")
        },
        group: ["insert", "snapshot", "a third"][n as usize % 3].into(),
        bytes: f64::from(20 + n * n % 7 * 30) * MIB as f64,
        throughput: f64::from(100_000 + n * n % 11 * 40_000),
        best: n.is_multiple_of(4),
    };
    let close = Spot {
        bytes: 21.0 * MIB as f64,
        ..spot(0)
    };
    let none = Spot {
        throughput: f64::NAN,
        ..spot(1)
    };
    (0..14).map(spot).chain([close, none]).collect()
}

#[test]
fn pictures_are_readable_at_every_width_by_day_and_by_night() {
    let written = Written::new();
    let page = Opened::new(&written.page(plot::SCRIPT));
    for look in looks() {
        page.look(look);
        assert_readable(&page, look);
        let drawings = page.value("asked.seen('.plot-stage > svg').length");
        assert_eq!(drawings, 5, "{look:?}: of two drawings one is to be seen");
        page.screenshot(&format!("plot-{}", look.name()));
    }
    let wide = "asked.seen('.plot-wide').length";
    page.look(Look {
        width: 360,
        dark: false,
    });
    assert_eq!(page.value(wide), 0);
    page.look(Look {
        width: 1024,
        dark: false,
    });
    assert_eq!(page.value(wide), 5);
}

#[test]
fn a_click_takes_an_owner_out_and_a_second_one_puts_it_back() {
    let written = Written::new();
    let page = Opened::new(&written.page(plot::SCRIPT));
    for width in [360, 1024] {
        page.look(Look { width, dark: false });
        let before = page.value("asked.drawn('#snapshot-memory')");
        let button = "#snapshot-memory [data-of=o-other_c]";
        let pressed = format!("document.querySelector('{button}').ariaPressed");
        assert_eq!(page.value(&pressed), "true");
        page.click(button);
        assert_eq!(page.value(&pressed), "false");
        let without = page.value("asked.drawn('#snapshot-memory')");
        assert_ne!(
            without["labels"], before["labels"],
            "the axis fits what is left"
        );
        let classes = |drawn: &Value| drawn["shapes"].to_string().matches("area o-").count();
        assert_eq!(classes(&without), classes(&before) - 1);
        let sqlite = |drawn: &Value| drawn["shapes"][0].clone();
        assert_ne!(sqlite(&without), sqlite(&before), "the others are larger");
        page.screenshot(&format!("plot-toggled-{width}"));
        page.click("#snapshot-memory [data-of=o-rust]");
        page.click(button);
        page.click("#snapshot-memory [data-of=o-rust]");
        assert_eq!(page.value("asked.drawn('#snapshot-memory')"), before);
        let before = page.value("asked.drawn('#lines')");
        page.click("#lines [data-of='5']");
        assert_ne!(page.value("asked.drawn('#lines')"), before);
        page.click("#lines [data-of='5']");
        assert_eq!(page.value("asked.drawn('#lines')"), before);
        assert_eq!(page.complaints(), Vec::<String>::new());
    }
}

#[test]
fn areas_that_a_script_stacks_are_those_that_were_drawn() {
    let written = Written::new();
    let page = Opened::new(&written.page(plot::SCRIPT));
    page.look(Look {
        width: 1024,
        dark: false,
    });
    let area = "[...document.querySelectorAll('#snapshot-memory .plot-wide .area')]\
        .map((area) => area.getAttribute('points').split(' ').map((point) => Number(point.split(',')[1])))";
    let before = page.value(area);
    // Without the looks everything is computed again, to the same height.
    page.click("#snapshot-memory [data-of=looks]");
    let after = page.value(area);
    let ys = |value: &Value| -> Vec<i64> {
        let areas = value.as_array().unwrap().iter();
        areas
            .flat_map(|area| area.as_array().unwrap())
            .map(|y| y.as_i64().unwrap())
            .collect()
    };
    let (before, after) = (ys(&before), ys(&after));
    assert!(before.len() > 1000 && before.len() == after.len());
    let off = before
        .iter()
        .zip(&after)
        .map(|(one, other)| (one - other).abs())
        .max();
    assert!(off <= Some(1), "{off:?} tenths of a pixel");
}

#[test]
fn pointing_and_keys_tell_the_bytes_of_the_record() {
    let written = Written::new();
    let page = Opened::new(&written.page(plot::SCRIPT));
    for width in [360, 1024] {
        page.look(Look {
            width,
            dark: width == 360,
        });
        page.point_at("#snapshot-memory .plot-stage > svg", 0.999);
        let ledger = written.ledger("snapshot-memory", 60);
        assert_table(&page, ledger, "dispose, cycle 20, 5.899 s");
        page.value("document.querySelector('#snapshot-memory .plot-stage').focus()");
        page.press("ArrowLeft");
        assert_table(
            &page,
            written.ledger("snapshot-memory", 59),
            "dump, cycle 20, 5.890 s",
        );
        page.press("Home");
        assert_table(
            &page,
            written.ledger("snapshot-memory", 0),
            "fill, cycle 0, 0.900 s",
        );
        page.press("Escape");
        assert_eq!(page.value("asked.table('#snapshot-memory')"), json!([]));
        page.point_at("#snapshot-memory .plot-stage > svg", 0.4);
        page.screenshot_of_window(&format!("plot-pointed-{width}"));
    }
    page.point_at("#scatter .plot-stage > svg", 0.5);
    assert_eq!(page.value("asked.seen('#scatter .plot-values').length"), 1);
    page.point_at("#lines .plot-stage > svg", 0.5);
    let table = page.value("asked.table('#lines')");
    assert_eq!(table.as_array().unwrap().len(), 7, "{table}");
    assert_eq!(table[6][0], HOSTILE, "as text");
}

fn assert_table(page: &Opened, ledger: &Value, heading: &str) {
    let said = page.value("document.querySelector('#snapshot-memory .plot-values p').textContent");
    assert_eq!(said, heading);
    let table = page.value("asked.table('#snapshot-memory')");
    let rows = table.as_array().unwrap();
    let bytes = |name: &str| {
        let row = rows
            .iter()
            .find(|row| row[0] == name)
            .unwrap_or_else(|| panic!("{name}: {table}"));
        row[2]
            .as_str()
            .unwrap()
            .replace(',', "")
            .parse::<i64>()
            .unwrap()
    };
    assert_eq!(Some(bytes("RSS")), ledger["rss_bytes"].as_i64());
    assert_eq!(
        Some(bytes("unattributed")),
        ledger["unattributed_bytes"].as_i64()
    );
    for term in ledger["terms"].as_array().unwrap() {
        let owner = term["owner"].as_str().unwrap();
        let owner = if owner == "martian" { "others" } else { owner };
        assert_eq!(Some(bytes(owner)), term["bytes"].as_i64(), "{owner}");
    }
}

#[test]
fn a_theme_of_the_page_goes_before_that_of_the_system() {
    let written = Written::new();
    let page = Opened::new(&written.page(plot::SCRIPT));
    let sqlite = "getComputedStyle(document.querySelector('.plot-stage .o-sqlite')).fill";
    page.look(Look {
        width: 1024,
        dark: false,
    });
    let light = page.value(sqlite);
    page.value("document.documentElement.dataset.theme = 'dark'");
    let dark = page.value(sqlite);
    assert_ne!(light, dark);
    page.look(Look {
        width: 1024,
        dark: true,
    });
    assert_eq!(page.value(sqlite), dark);
    page.value("document.documentElement.dataset.theme = 'light'");
    assert_eq!(page.value(sqlite), light);
}

#[test]
fn pictures_are_whole_on_paper_and_without_a_script() {
    let written = Written::new();
    let page = Opened::new(&written.page(""));
    for look in looks() {
        page.look(look);
        assert_readable(&page, look);
    }
    page.look(Look {
        width: 360,
        dark: true,
    });
    page.media("print", true);
    assert_eq!(page.value("asked.seen('.plot-wide').length"), 5);
    assert_eq!(page.value("asked.seen('.plot-narrow').length"), 0);
    assert!(
        page.value("asked.seen('.plot-legend button').length")
            .as_u64()
            > Some(20)
    );
    assert!(page.pdf().starts_with(b"%PDF"));
}

#[test]
fn without_a_browser_it_is_said_how_to_get_one() {
    let message = browser::first_of(&["no-such-browser"]).unwrap_err();
    assert!(message.contains("no-such-browser") && message.contains("apt-get install chromium"));
}

#[test]
fn what_is_wrong_with_a_page_is_found() {
    let written = Written::new();
    let page = Opened::new(&written.write(
        "<style>body{margin:0;background:#fff;color:#ccc}div{width:3000px}p{margin:0 0 -9px}</style>\
         <body><div>wide</div><p>one</p><p>two</p><img src=\"http://127.0.0.1:9/x.png\">\
         <script>setTimeout(() => { throw new Error(\"a mistake\") }); console.warn(\"careful\")</script>",
    ));
    let look = Look {
        width: 360,
        dark: false,
    };
    page.look(look);
    let complaints = page.complaints().join("\n");
    for expected in [
        "a mistake",
        "careful",
        "it asked for http://127.0.0.1:9/x.png",
    ] {
        assert!(complaints.contains(expected), "{expected}: {complaints}");
    }
    assert_eq!(page.texts("asked.overlaps()").len(), 1);
    assert_eq!(page.texts("asked.tooFaint(4.5)").len(), 2);
    assert!(page.value("document.documentElement.scrollWidth").as_i64() > Some(2000));
    let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        assert_readable(&page, look)
    }));
    assert!(found.is_err());
}
