//! The page of a real run.

use std::collections::HashSet;

use crate::made::{self, lines, page, run};

/// The values of an attribute, wherever it stands.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!(" {name}=\"");
    let parts = page.split(start.as_str()).skip(1);
    parts.map(|part| &part[..part.find('"').unwrap()]).collect()
}

#[test]
fn every_section_is_there_once_and_every_link_leads_to_one() {
    let page = page(run());
    for id in [
        "headlines",
        "cycles",
        "allocators",
        "environment",
        "sources",
    ] {
        assert_eq!(page.matches(&format!("id=\"{id}\"")).count(), 1, "{id}");
    }
    for id in ["snapshot-memory-1", "snapshot-file-2"] {
        assert!(page.contains(&format!("<section id=\"{id}\"")), "{id}");
    }
    for words in [
        "Who owned how much, when",
        "The ledger at its end",
        "Verdicts</h3>",
        "Probes</h3>",
        "Phases</h3>",
        "malloc_trim(0)",
        "Flame graph of the heap at its peak",
        "How each number was taken",
        "counting global allocator",
    ] {
        assert!(page.contains(words), "{words}");
    }
    // Not a diagnosis, and everything ran once.
    assert!(!page.contains("id=\"remedies\"") && !page.contains("id=\"executions\""));
    let ids = attributes(&page, "id");
    let unique: HashSet<&&str> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
    let links: Vec<&str> = (attributes(&page, "href").into_iter())
        .filter_map(|address| address.strip_prefix('#'))
        .collect();
    assert!(links.len() >= 9, "{links:?}");
    assert!(links.iter().all(|link| ids.contains(link)), "{links:?}");
}

#[test]
fn nothing_outside_of_the_file_is_referred_to() {
    let page = page(run());
    assert!(attributes(&page, "src").is_empty());
    let addresses = attributes(&page, "data-src");
    // Two scenarios with a profile, each at its peak and at its end.
    assert_eq!(addresses.len(), 4);
    let inside = |address: &&str| address.starts_with("data:image/svg+xml;base64,");
    assert!(addresses.iter().all(inside));
    let links = attributes(&page, "href");
    assert!(
        links.iter().all(|address| address.starts_with('#')),
        "{links:?}"
    );
    let namespace = "http://www.w3.org/2000/svg";
    let without = page.replace(namespace, "");
    for outside in [
        "http://",
        "https://",
        "<link",
        "@import",
        "url(",
        "fetch(",
        "XMLHttpRequest",
    ] {
        assert!(!without.contains(outside), "{outside}");
    }
    let policy = attributes(&page, "content");
    assert!(
        policy
            .iter()
            .any(|policy| policy.starts_with("default-src &#39;none&#39;"))
    );
    assert!(page.len() < 3 << 20, "{}", page.len());
}

#[test]
fn the_headline_has_the_numbers_of_the_record() {
    let page = page(run());
    for phase in lines("phase")
        .iter()
        .filter(|phase| phase["cycle"] == 11 && phase["phase"] == "dispose")
    {
        let rss = phase["ledger"]["rss_bytes"].as_i64().unwrap() as f64 / 1048576.0;
        assert!(page.contains(&format!("<dd>{rss:.1} MiB</dd>")), "{rss}");
    }
    for verdict in lines("verdict") {
        for finding in verdict["findings"].as_array().unwrap() {
            let name = finding["verdict"].as_str().unwrap();
            assert!(
                page.contains(&format!("\">{name} <small>"))
                    || page.contains(&format!("\">{name}</span>"))
            );
        }
    }
}

#[test]
fn what_a_record_says_is_text_and_never_markup() {
    let image = "x\\\"><img src=x onerror=alert(2)>";
    let hostile = made::text()
        .replace("\"snapshot-file\"", "\"<script>alert(1)</script>\"")
        .replace("counting global allocator", image)
        .replace(
            "\"suite_version\": \"",
            "\"suite_version\": \"</title><script>alert(3)</script>",
        )
        .replace(
            "\"suite_version\":\"",
            "\"suite_version\":\"</title><script>alert(3)</script>",
        );
    let (_directory, record) = made::record(&hostile);
    let page = page(&record);
    for marker in ["alert(1)", "alert(2)", "alert(3)"] {
        assert!(page.contains(marker), "{marker}");
    }
    for markup in [
        "<script>alert",
        "<img",
        "onerror=alert(2)>",
        "</title><script",
    ] {
        assert!(!page.contains(markup), "{markup}");
    }
    // The page's own, and what pictures hold as data.
    let scripts = page.matches("<script").count();
    let data = page.matches("<script type=\"application/json\"").count();
    assert_eq!(scripts - data, 1);
    let markdown = made::report(&record, &["--format", "markdown"]);
    assert!(!markdown.contains("<script") && markdown.contains("&lt;script&gt;"));
}

#[test]
fn flame_graphs_of_another_scenario_or_too_large_are_not_shown() {
    let (directory, record) = made::record(&made::text());
    for file in [
        "heap.jsonl",
        "heap.peak.svg",
        "heap-1.jsonl",
        "heap-1.peak.svg",
    ] {
        std::fs::copy(run().join(file), directory.path().join(file)).unwrap();
    }
    let frames = |page: &str| page.matches("<iframe").count();
    assert_eq!(frames(&page(&record)), 2);
    // The raw profile says whose it is.
    std::fs::copy(
        run().join("heap.jsonl"),
        directory.path().join("heap-1.jsonl"),
    )
    .unwrap();
    assert_eq!(frames(&page(&record)), 1);
    std::fs::write(
        directory.path().join("heap.peak.svg"),
        vec![b' '; (1 << 20) + 1],
    )
    .unwrap();
    let page = page(&record);
    assert_eq!(frames(&page), 0);
    assert!(page.contains("is not in this page: heap.peak.svg is 1.0 MiB"));
}
