//! A profile in some lines for a terminal: by side, by statement, by function.

use std::collections::HashMap;
use std::fmt::Write;

use super::moments::Quantity;
use super::plumbing::asking;
use super::raw::Source;
use super::view::{NO_STATEMENT, Profile};
use super::words::{self, cut, share};

/// Rows of a table.
const MOST: usize = 10;
/// Columns of a name.
const NAME: usize = 60;

/// What the profile shows, in lines.
pub fn text(profile: &Profile) -> String {
    let mut out = String::new();
    let quantity = profile.quantity();
    let kind = match profile.source {
        Source::Heap { .. } => "heap profile",
        Source::Cpu { .. } => "CPU profile",
    };
    let _ = writeln!(
        out,
        "{kind} of {}, at {}: {}",
        profile.scenario,
        profile.when,
        words::source(profile.source)
    );
    for line in words::warnings(profile, quantity) {
        let _ = writeln!(out, "  {line}");
    }
    for line in words::accuracy(profile, quantity) {
        let _ = writeln!(out, "  {line}");
    }
    match profile.source {
        Source::Heap { .. } => by_statement(&mut out, profile, quantity),
        Source::Cpu { .. } => {}
    }
    by_function(&mut out, profile, quantity);
    out
}

/// What is shown of each statement.
#[derive(Debug, Default, Clone, Copy)]
struct Statement {
    shown: u64,
    peak: u64,
    sqlite: u64,
}

/// The statements, and at last what ran under none: it is the rest, not one of them.
fn by_statement(out: &mut String, profile: &Profile, quantity: Quantity) {
    let mut statements: HashMap<&str, Statement> = HashMap::new();
    for row in &profile.rows {
        let one = statements.entry(profile.statement(row)).or_default();
        one.shown += row.amount(quantity).bytes;
        one.peak += row.peak.bytes;
        if row.side == super::raw::Side::Sqlite {
            one.sqlite += row.amount(quantity).bytes;
        }
    }
    let whole = statements.values().map(|one| one.shown).sum();
    let rest = statements.remove(NO_STATEMENT);
    let mut statements: Vec<_> = statements.into_iter().collect();
    statements.retain(|(_, one)| one.shown > 0 || one.peak > 0);
    statements.sort_by(|a, b| (b.1.shown, b.1.peak, a.0).cmp(&(a.1.shown, a.1.peak, b.0)));
    let more = statements.len().saturating_sub(MOST);
    statements.truncate(MOST);
    statements.extend(rest.map(|rest| (NO_STATEMENT, rest)));
    let interval = match profile.source {
        Source::Heap { interval_bytes, .. } => interval_bytes,
        Source::Cpu { interval_ns } => interval_ns,
    };
    let error = |bytes: u64| (interval as f64 * bytes as f64).sqrt().round() as u64;
    let head = match quantity {
        Quantity::Now => "live",
        Quantity::Peak => "at the peak",
        Quantity::Total => "allocated",
    };
    let _ = writeln!(
        out,
        "  {:>12} {:>8} {:>12} {:>12} {:>12}  by statement",
        head, "share", "std. error", "of SQLite", "at the peak"
    );
    for (name, one) in statements {
        let _ = writeln!(
            out,
            "  {:>12} {:>8} {:>12} {:>12} {:>12}  {}",
            words::bytes(one.shown),
            share(one.shown, whole),
            format!("±{}", words::bytes(error(one.shown))),
            words::bytes(one.sqlite),
            words::bytes(one.peak),
            cut(name, NAME)
        );
    }
    if more > 0 {
        let _ = writeln!(out, "  {:>12} more statements", more);
    }
}

/// By the function that asked, of a heap without those that allocate for others; and by what is in its
/// stack at all.
fn by_function(out: &mut String, profile: &Profile, quantity: Quantity) {
    let mut functions: HashMap<&str, (u64, u64)> = HashMap::new();
    let mut whole = 0;
    for row in &profile.rows {
        let value = profile.value(row, quantity);
        whole += value;
        let names: Vec<&str> = profile
            .functions(row)
            .map(|one| one.name.as_str())
            .collect();
        let names = match profile.source {
            Source::Heap { .. } => asking(&names),
            Source::Cpu { .. } => &names,
        };
        if let Some(first) = names.first() {
            functions.entry(first).or_default().0 += value;
        }
        for (index, name) in names.iter().enumerate() {
            // A recursive function is in its stack once.
            if !names[..index].contains(name) {
                functions.entry(name).or_default().1 += value;
            }
        }
    }
    let mut functions: Vec<_> = functions.into_iter().filter(|one| one.1.0 > 0).collect();
    functions.sort_by(|a, b| (b.1, a.0).cmp(&(a.1, b.0)));
    let _ = writeln!(
        out,
        "  {:>12} {:>8} {:>12} {:>8}  by function",
        "itself", "share", "with callees", "share"
    );
    for (name, (own, all)) in functions.into_iter().take(MOST) {
        let _ = writeln!(
            out,
            "  {:>12} {:>8} {:>12} {:>8}  {}",
            words::value(profile.source, own),
            share(own, whole),
            words::value(profile.source, all),
            share(all, whole),
            cut(name, NAME)
        );
    }
}
