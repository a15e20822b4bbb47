//! A report of a real run in a real browser: on a phone, a laptop and a desk, by day and by night. That
//! nothing overlaps, that what is said is what was recorded, that it works.

#[path = "support/browser.rs"]
mod browser;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;

use browser::{Look, Opened, assert_readable, looks};

/// Snapshots of two kinds and inserts, small, and their report.
static REPORT: LazyLock<Report> = LazyLock::new(Report::new);

struct Report {
    directory: TempDir,
}

impl Report {
    fn new() -> Self {
        let report = Report {
            directory: TempDir::new().unwrap(),
        };
        program(
            report.path(),
            &[
                "run",
                "insert-10m",
                "snapshot-memory",
                "snapshot-file",
                "--scale",
                "0.01",
                "--cycles",
                "12",
                "--set",
                "sqlite_allocator=system,arena",
                "--out",
                "run",
                "--quiet",
            ],
        );
        program(report.path(), &["report", "run", "-o", "report.html"]);
        report
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn page(&self) -> PathBuf {
        self.path().join("report.html")
    }

    /// The lines of the record that are ledgers of a scenario.
    fn ledgers(&self, scenario: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path().join("run/record.jsonl")).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let of = |line: &Value| line["kind"] == "phase" && line["scenario"] == scenario;
        lines.filter(of).collect()
    }

    fn scenarios(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path().join("run/record.jsonl")).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let begins = lines.filter(|line: &Value| line["kind"] == "scenario");
        begins
            .map(|line| line["scenario"].as_str().unwrap().to_owned())
            .collect()
    }
}

fn program(directory: &Path, arguments: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_sqlite-membench"))
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
}

/// The pictures of ledgers, each by the id of its figure.
fn pictures(page: &Opened) -> Vec<String> {
    page.texts("asked.seen('figure[data-plot=ledger]').map((figure) => figure.id)")
}

#[test]
fn a_report_is_readable_at_every_width_by_day_and_by_night() {
    let page = Opened::new(&REPORT.page());
    for look in looks() {
        page.look(look);
        page.value("document.querySelectorAll('details').forEach((one) => { one.open = true; })");
        page.screenshot(&format!("report-{}", look.name()));
        assert_readable(&page, look);
        assert_eq!(
            pictures(&page).len(),
            REPORT.scenarios().len(),
            "one for each scenario"
        );
        assert!(
            page.value("asked.seen('figure[data-plot=lines]').length")
                .as_u64()
                >= Some(1)
        );
        assert!(
            page.value("asked.seen('figure[data-plot=scatter]').length")
                .as_u64()
                >= Some(1)
        );
    }
}

#[test]
fn owners_are_taken_out_and_put_back_in_every_picture() {
    let page = Opened::new(&REPORT.page());
    for width in [360, 1024] {
        page.look(Look { width, dark: false });
        for id in pictures(&page) {
            let drawn = format!("asked.drawn('#{id}')");
            let before = page.value(&drawn);
            let owners = format!(
                "[...document.querySelectorAll('#{id} .plot-legend button')].map((one) => one.dataset.of)"
            );
            let owners = page.texts(&owners);
            assert!(owners.iter().any(|owner| owner == "o-sqlite"), "{owners:?}");
            // What is left without them is little, so that the axis becomes another.
            for owner in owners
                .iter()
                .filter(|owner| owner.starts_with("o-"))
                .take(2)
            {
                page.click(&format!("#{id} [data-of='{owner}']"));
            }
            let pressed = format!("document.querySelector('#{id} [data-of=o-sqlite]').ariaPressed");
            assert_eq!(page.value(&pressed), "false");
            let without = page.value(&drawn);
            assert_ne!(without["labels"], before["labels"], "{id}: {owners:?}");
            assert_ne!(without["shapes"], before["shapes"], "{id}");
            for owner in owners
                .iter()
                .filter(|owner| owner.starts_with("o-"))
                .take(2)
            {
                page.click(&format!("#{id} [data-of='{owner}']"));
            }
            assert_eq!(page.value(&drawn), before, "{id}");
        }
    }
    assert_eq!(page.complaints(), Vec::<String>::new());
}

#[test]
fn pointing_at_a_picture_tells_the_bytes_of_the_record() {
    let page = Opened::new(&REPORT.page());
    let scenarios = REPORT.scenarios();
    for width in [360, 1024] {
        page.look(Look { width, dark: true });
        for (id, scenario) in pictures(&page).iter().zip(&scenarios) {
            let ledgers = REPORT.ledgers(scenario);
            page.point_at(&format!("#{id} .plot-stage > svg"), 0.6);
            let heading = format!("document.querySelector('#{id} .plot-values p').textContent");
            let heading = page.value(&heading);
            let table = page.value(&format!("asked.table('#{id}')"));
            let rows = table.as_array().unwrap();
            let bytes = |name: &str| {
                let row = rows.iter().find(|row| row[0] == name);
                let row = row.unwrap_or_else(|| panic!("{id}: {name}: {table}"));
                row[2]
                    .as_str()
                    .unwrap()
                    .replace(',', "")
                    .parse::<i64>()
                    .unwrap()
            };
            let seconds = |line: &Value| format!("{:.3} s", line["at_ns"].as_f64().unwrap() / 1e9);
            let heading = heading.as_str().unwrap();
            let found = ledgers.iter().find(|line| {
                heading.starts_with(line["phase"].as_str().unwrap())
                    && heading.ends_with(&seconds(line))
                    && line["ledger"]["rss_bytes"].as_i64() == Some(bytes("RSS"))
            });
            let found = found.unwrap_or_else(|| panic!("{id}: {heading} is of no ledger"));
            let terms = found["ledger"]["terms"].as_array().unwrap();
            let sqlite = terms
                .iter()
                .filter(|term| term["owner"] == "sqlite" && term["counts"] == true);
            let sqlite: i64 = sqlite.map(|term| term["bytes"].as_i64().unwrap()).sum();
            assert_eq!(bytes("sqlite"), sqlite, "{id}: {heading}");
            let owners = rows.iter().skip(2).filter_map(|row| row[0].as_str());
            assert_eq!(owners.map(bytes).sum::<i64>(), bytes("RSS"), "they add up");
            page.value(&format!(
                "document.querySelector('#{id} .plot-stage').focus()"
            ));
            page.press("End");
            let table = page.value(&format!("asked.table('#{id}')"));
            let last = &ledgers[ledgers.len() - 1]["ledger"]["rss_bytes"];
            let said = table[1][2].as_str().unwrap().replace(',', "");
            assert_eq!(said, last.to_string(), "{id}: the last key");
        }
        page.screenshot_of_window(&format!("report-pointed-{width}"));
    }
}

#[test]
fn a_report_on_paper_has_its_pictures_and_its_tables() {
    let page = Opened::new(&REPORT.page());
    let headings = "asked.seen('h1, h2, h3').map((one) => one.textContent)";
    page.look(Look {
        width: 1024,
        dark: true,
    });
    let on_screen = page.texts(headings);
    page.media("print", true);
    assert_eq!(page.texts(headings), on_screen);
    let wide = page.value("asked.seen('.plot-wide').length");
    assert_eq!(
        wide,
        page.value("document.querySelectorAll('.plot-wide').length")
    );
    assert_eq!(page.texts("asked.tooFaint(4.5)"), Vec::<String>::new());
    let pdf = page.pdf();
    assert!(pdf.starts_with(b"%PDF") && pdf.len() > 20_000);
}
