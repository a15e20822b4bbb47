//! One row for each scenario, phase and term, in bytes and nanoseconds.

use std::borrow::Cow;
use std::io::{self, Write};

use super::ScenarioReport;

/// The names of the columns.
pub fn write_header(out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "scenario,phase,partial,elapsed_ns,rss_bytes,peak_rss_bytes,owner,term,within,counts,bytes,source"
    )
}

/// The rows of one scenario; `unattributed` has a row like any term.
pub fn write(out: &mut dyn Write, report: &ScenarioReport) -> io::Result<()> {
    for phase in &report.phases {
        let ledger = &phase.ledger;
        let start = format!(
            "{},{},{},{},{},{}",
            field(&report.name),
            field(&phase.phase),
            phase.partial,
            phase.elapsed_ns,
            ledger.rss_bytes,
            phase.peak_rss_bytes
        );
        for term in &ledger.terms {
            writeln!(
                out,
                "{start},{},{},{},{},{},{}",
                field(&term.owner),
                field(&term.term),
                field(term.within.as_deref().unwrap_or("")),
                term.counts,
                term.bytes,
                field(&term.source)
            )?;
        }
        let unattributed = ledger.unattributed_bytes;
        writeln!(
            out,
            "{start},unattributed,unattributed,,true,{unattributed},rss less every term that counts"
        )?;
    }
    Ok(())
}

/// Quoted where a comma, a quote or a line's end would part it.
fn field(text: &str) -> Cow<'_, str> {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\"")).into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;

    #[test]
    fn counted_rows_of_a_phase_add_up_to_its_rss() {
        let mut out = Vec::new();
        super::write(&mut out, &samples::report()).unwrap();
        let text = String::from_utf8(out).unwrap();
        let fill: Vec<Vec<&str>> = text
            .lines()
            .filter_map(|line| line.strip_prefix("\"s[a=1,b=2]\",fill,"))
            .map(|line| line.split(',').collect())
            .collect();
        let counted = fill.iter().filter(|row| row[7] == "true");
        let sum: i64 = counted.map(|row| row[8].parse::<i64>().unwrap()).sum();
        assert_eq!(sum.to_string(), fill[0][2]);
        assert!(text.contains("\"a \"\"test\"\", no more\""));
    }
}
