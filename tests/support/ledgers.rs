//! Ledgers as tests take and show them.

use sqlite_membench::memory::{Ledger, Observer};

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
