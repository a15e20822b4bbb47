//! How each number was taken: the source of every term as its own record names it, and how everything
//! that no ledger says is derived.

use std::collections::BTreeMap;

use super::super::gathered::Course;
use super::super::timeline::OWNERS;
use super::html::{Cell, Html, Table};
use crate::record::PhaseRecord;

/// What stands on the page and is no term of a ledger.
const DERIVED: [(&str, &str); 11] = [
    (
        "RSS",
        "the kernel's: Rss of smaps_rollup, read by the testee itself when it takes its ledger",
    ),
    (
        "unattributed",
        "RSS less every term that counts: what no source of its own accounts for. Its bound is 1 % of \
         RSS, and at least 1 MiB, on either side of zero",
    ),
    (
        "share",
        "bytes of RSS of the same ledger; a term that is not resident, such as untouched, is negative",
    ),
    (
        "looks from outside",
        "Rss of smaps_rollup, read by another process on an interval, whatever the testee does",
    ),
    (
        "peak",
        "the highest of: VmHWM of each phase, which is reset at its begin where the kernel allows; what \
         wait4 says of the testee; and the largest look from outside",
    ),
    (
        "growth",
        "the ledger after the last whole cycle less the one after the fill; without cycles, the last \
         reading of the fill less its first",
    ),
    (
        "elapsed",
        "a monotonic clock in the testee, of each phase alone, without the taking of ledgers",
    ),
    ("rows/s", "rows of the fill over its elapsed time"),
    (
        "cycles/s",
        "one over the median time of a whole cycle: the phases of it together",
    ),
    (
        "allocator retained",
        "free but resident of glibc; of jemalloc unreturned and retained but resident, less untouched: \
         the least that a trim or a purge could give back",
    ),
    (
        "gave back",
        "the ledger before a probe less the ledger after it",
    ),
];

/// Owner and term, and the sources that were found for it.
pub(in crate::report) fn sources(courses: &[Course]) -> Vec<(String, String, Vec<String>)> {
    let mut found: BTreeMap<(usize, &str, &str), Vec<&str>> = BTreeMap::new();
    let phases = courses.iter().flat_map(|course| &course.report.phases);
    for term in phases.flat_map(|phase: &PhaseRecord| &phase.ledger.terms) {
        let order = OWNERS.iter().position(|owner| *owner == term.owner);
        let key = (order.unwrap_or(OWNERS.len()), &*term.owner, &*term.term);
        let sources = found.entry(key).or_default();
        if !sources.contains(&&*term.source) {
            sources.push(&term.source);
        }
    }
    let owned = |sources: Vec<&str>| sources.into_iter().map(str::to_owned).collect();
    (found.into_iter())
        .map(|((_, owner, term), sources)| (owner.to_owned(), term.to_owned(), owned(sources)))
        .collect()
}

/// Writes the section.
pub(super) fn write(out: &mut Html, courses: &[Course]) {
    out.raw("<section id=\"sources\"><h2>How each number was taken</h2>\n");
    out.paragraph(
        "",
        "Bytes of every ledger add up to RSS, because each term has a source of its own and what is \
         left over is shown as unattributed.",
    );
    let mut derived = Table::new("Derived", vec![Cell::text("number"), Cell::text("how")]);
    for (number, how) in DERIVED {
        derived.row(vec![Cell::text(number), Cell::text(how).class("wrap")]);
    }
    derived.write(out);
    let heads = ["term", "read from"].map(Cell::text).to_vec();
    let mut table = Table::new("Terms of the ledger", heads);
    for (owner, term, sources) in sources(courses) {
        let name = Cell::text(format_args!("{owner}: {term}"));
        table.row(vec![name, Cell::text(sources.join("; or ")).class("wrap")]);
    }
    table.write(out);
    out.close("section");
}
