//! A comparison for a pull request.

use std::io::{self, Write};

use super::Comparison;
use super::table::{change, executions, floor, legend, name, number, remarks, shown, word};

/// A cell, or a line, in which nothing is markup.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(
            letter,
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#'
        ) {
            plain.push('\\');
        }
        plain.push(if letter.is_control() { ' ' } else { letter });
    }
    plain
}

/// The outcome first, then a table of each scenario; what stands around is folded.
///
/// # Errors
/// What `out` says.
pub fn write_markdown(out: &mut dyn Write, comparison: &Comparison, all: bool) -> io::Result<()> {
    let benchmarks = comparison.is_of_benchmarks();
    let (base, new) = (plain(&comparison.base.name), plain(&comparison.new.name));
    writeln!(
        out,
        "**{}**\n\nbase {base}, new {new}\n",
        plain(&comparison.outcome)
    )?;
    for scenario in &comparison.scenarios {
        let about = executions(scenario, benchmarks);
        writeln!(out, "### {}\n\n{about}\n", plain(&scenario.name))?;
        let settings = scenario
            .settings
            .iter()
            .map(|one| format!("differs: {one}"));
        for text in settings.chain(scenario.notes.iter().cloned()) {
            writeln!(out, "- {}", plain(&text))?;
        }
        if !scenario.settings.is_empty() || !scenario.notes.is_empty() {
            writeln!(out)?;
        }
        writeln!(
            out,
            "| | | base | new | change, 95 % interval | A/A floor | |"
        )?;
        writeln!(out, "|---|---|--:|--:|--:|--:|---|")?;
        for row in shown(scenario, all) {
            let statistics = &row.judged.statistics;
            let word = plain(&word(row, benchmarks));
            let is_change = row.judged.word.is_regression() || row.judged.word.is_improvement();
            writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} | {} |",
                plain(name(row)),
                row.what.name(),
                number(row.what, statistics.base_median),
                number(row.what, statistics.new_median),
                plain(&change(row)),
                floor(row),
                if is_change {
                    format!("**{word}**")
                } else {
                    word
                }
            )?;
        }
        writeln!(out)?;
    }
    let remarks = remarks(comparison);
    for (_, text) in remarks.iter().filter(|(is_warning, _)| *is_warning) {
        writeln!(out, "- {}", plain(text))?;
    }
    writeln!(
        out,
        "\n<details><summary>What differs around it, and how it was judged</summary>\n"
    )?;
    for (_, text) in remarks.iter().filter(|(is_warning, _)| !is_warning) {
        writeln!(out, "- {}", plain(text))?;
    }
    writeln!(out, "\n{}\n\n</details>", plain(&legend(comparison)))
}
