//! Ledgers as tests take and show them.

use sqlite_membench::memory::{Ledger, Observer, Owner};

/// A ledger without connections.
pub fn take(observer: &mut Observer) -> Ledger {
    // SAFETY: no connection is given.
    unsafe { observer.take(&[]) }.unwrap().clone()
}

/// All terms of a ledger for a failure's message.
pub fn table(ledger: &Ledger) -> String {
    let mut text = format!(
        "rss {} unattributed {}\n",
        ledger.rss_bytes,
        ledger.unattributed_bytes()
    );
    for term in &ledger.terms {
        let indent = if term.counts { "" } else { "    " };
        text += &format!(
            "{indent}{:<10} {:<20} {:>12}\n",
            term.owner.name(),
            term.term,
            term.bytes
        );
    }
    text
}

/// Growth of each owner, and of what is unattributed as `None`.
pub fn growth(before: &Ledger, after: &Ledger) -> Vec<(Option<Owner>, i64)> {
    let mut growth: Vec<_> = Owner::ALL
        .iter()
        .map(|o| (Some(*o), after.owned_bytes(*o) - before.owned_bytes(*o)))
        .collect();
    growth.push((
        None,
        after.unattributed_bytes() - before.unattributed_bytes(),
    ));
    growth
}
