//! One ledger as a table: owners with their share of RSS, their terms and splits below them.

use super::super::format::{bytes, share};
use super::super::gathered::moment;
use super::super::timeline::OWNERS;
use super::super::tree::branches;
use super::super::{bound_bytes, within_bound};
use super::html::{Cell, Html, Table};
use crate::record::PhaseRecord;

/// Writes it.
pub(super) fn write(out: &mut Html, phase: &PhaseRecord) {
    let ledger = &phase.ledger;
    let caption = format!("Who owns {} {}", bytes(ledger.rss_bytes), moment(phase));
    let heads = vec![
        Cell::text("owner and term"),
        Cell::number("bytes"),
        Cell::number("share of RSS"),
        Cell::text(""),
    ];
    let mut table = Table::new(caption, heads);
    for branch in branches(ledger) {
        let mut name = Html::new();
        name.element("span", &[("class", "guide")], &branch.guides);
        match branch.source {
            Some(source) => name.element("span", &[("title", source)], branch.name),
            None => name.text(branch.name),
        };
        let is_owner = branch.depth == 0;
        let bar = match is_owner {
            true => bar(branch.name, branch.bytes, ledger.rss_bytes),
            false => Html::new(),
        };
        let cells = vec![
            Cell::html(name),
            Cell::number(bytes(branch.bytes)),
            Cell::number(share(branch.bytes, ledger.rss_bytes)),
            Cell::html(bar).class("bar"),
        ];
        table.row_in(if is_owner { "owner" } else { "term" }, cells);
    }
    let unattributed = ledger.unattributed_bytes;
    let mut name = Html::of("unattributed");
    let bound = bytes(bound_bytes(ledger.rss_bytes));
    let (class, words) = match within_bound(ledger) {
        true => ("chip steady", "within its bound"),
        false => ("chip fault", "over its bound"),
    };
    name.raw(" ").element(
        "span",
        &[("class", class)],
        format_args!("{words}, ±{bound}"),
    );
    let cells = vec![
        Cell::html(name),
        Cell::number(bytes(unattributed)),
        Cell::number(share(unattributed, ledger.rss_bytes)),
        Cell::html(bar("unattributed", unattributed, ledger.rss_bytes)).class("bar"),
    ];
    table.row_in("owner", cells);
    table.write(out);
}

/// As long as its share, in the colour that the owner has in pictures; nothing for what is not positive.
fn bar(owner: &str, part: i64, whole: i64) -> Html {
    let mut bar = Html::new();
    if part > 0 && whole > 0 {
        let width = (100.0 * part as f64 / whole as f64).min(100.0);
        let known = OWNERS.into_iter().find(|known| *known == owner);
        let color = known.unwrap_or("others");
        let style = format!("width:{width:.1}%;background:var(--owner-{color},var(--bar))");
        bar.open("i", &[("style", &style)]).raw("</i>");
    }
    bar
}
