//! A run for a pull request: the headlines, the tables, and the rest behind a fold.
//!
//! GitHub takes 65,536 characters of a comment. What does not fit is left out, section by section, and
//! the text says so.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::cycles::Quantity;
use super::describe;
use super::format::{bytes, count, signed_bytes, unsigned_bytes};
use super::gathered::Gathered;
use super::page::cycles::{Grid, grid, repeating};
use super::page::environment::{flat, in_few_words};
use super::page::executions::{Spread, ran};
use super::page::headline::{Headline, Part};
use super::page::remedies::{Diagnosis, Tried, change, diagnoses};
use super::page::selection::{Group, Selection};
use super::remedies::Ran;
use crate::environment::cannot_measure;

/// Characters that GitHub takes, less what says that something is left out.
const MOST: usize = 65_536 - 300;
/// Scenarios that have a row and a sentence.
const MOST_SCENARIOS: usize = 60;
/// Columns of a table of cycles.
const MOST_COLUMNS: usize = 12;
/// Characters of a text of the record.
const MOST_TEXT: usize = 300;

/// Writes it.
///
/// # Errors
/// Those of `out`.
pub fn write(out: &mut dyn Write, run: &Gathered) -> io::Result<()> {
    let selection = Selection::of(run);
    let mut text = Text::default();
    text.must(&head(run));
    text.must(&headlines(&selection));
    text.may("the remedies", &remedies(&selection));
    text.may("the executions", &executions(selection.repeated()));
    text.may("the cycles", &cycles(&selection));
    text.may("the environment", &environment(run));
    out.write_all(text.finish().as_bytes())
}

/// As much as fits.
#[derive(Default)]
struct Text {
    text: String,
    left: usize,
    left_out: Vec<&'static str>,
}

impl Text {
    fn room(&self) -> usize {
        MOST.saturating_sub(self.left)
    }

    fn push(&mut self, part: &str) {
        self.text.push_str(part);
        self.left += part.chars().count();
    }

    /// What is never left out; cut between two lines where it is too long by itself.
    fn must(&mut self, part: &str) {
        if part.chars().count() <= self.room() {
            return self.push(part);
        }
        for line in part.split_inclusive('\n') {
            if line.chars().count() > self.room() {
                break;
            }
            self.push(line);
        }
        self.left_out.push("some scenarios");
    }

    fn may(&mut self, name: &'static str, part: &str) {
        match part.chars().count() <= self.room() {
            true => self.push(part),
            false => self.left_out.push(name),
        }
    }

    fn finish(mut self) -> String {
        if !self.left_out.is_empty() {
            let left_out = self.left_out.join(", ");
            self.text.push_str(&format!(
                "\n*Left out, because a comment of GitHub's has 65,536 characters: {left_out}. \
                 `report --format html` has everything.*\n"
            ));
        }
        self.text
    }
}

/// Text of the record: on one line, and nothing in it is markup.
fn plain(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut characters = text.chars();
    for character in characters.by_ref().take(MOST_TEXT) {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // A mention would call somebody.
            '@' => escaped.push_str("&#64;"),
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '#' | '~' | '!' => {
                escaped.push('\\');
                escaped.push(character);
            }
            control if control.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    if characters.next().is_some() {
        escaped.push('…');
    }
    escaped
}

fn head(run: &Gathered) -> String {
    let mut text = format!("## sqlite-membench: {}\n\n", plain(&run.name()));
    let mut facts = Vec::new();
    if let Some(record) = &run.run {
        facts.push(record.started_utc.clone());
        facts.push(format!("suite {}", record.suite_version));
    }
    facts.push(in_few_words(&run.environment));
    facts.retain(|fact| !fact.is_empty());
    if !facts.is_empty() {
        let _ = writeln!(text, "{}\n", plain(&facts.join(" · ")));
    }
    for note in &run.notes {
        let _ = writeln!(text, "> **Note:** {}\n", plain(note));
    }
    for error in &run.errors {
        let _ = writeln!(text, "> **Error:** {}\n", plain(&describe(error)));
    }
    text
}

/// A table with a row for each scenario, and a sentence each.
fn headlines(selection: &Selection<'_>) -> String {
    let mut text = String::new();
    if selection.full.is_empty() {
        return "The record has no scenario.\n\n".into();
    }
    text.push_str(
        "| scenario | verdict | RSS at the end | peak | growth | largest owner | throughput |\n\
         |---|---|--:|--:|--:|---|--:|\n",
    );
    let shown = selection.full.iter().take(MOST_SCENARIOS);
    let shown: Vec<_> = shown.map(|course| (course, Headline::of(course))).collect();
    for (course, headline) in &shown {
        let chips = headline
            .chips()
            .into_iter()
            .map(|(name, tone)| match name == tone.words() {
                true => name.to_owned(),
                false => format!("{name} ({})", tone.words()),
            });
        let mark = plain(headline.mark);
        let none = || "–".to_owned();
        let marked = |words: Option<String>| {
            words.map_or_else(none, |words| format!("{}{mark}", plain(&words)))
        };
        let _ = writeln!(
            text,
            "| {}{mark} | {} | {} | {} | {} | {} | {} |",
            plain(&course.report.name),
            plain(&chips.collect::<Vec<_>>().join(", ")),
            marked(headline.end.as_ref().map(|(rss, _)| bytes(*rss))),
            marked(headline.peak_words()),
            marked(headline.growth_words()),
            headline
                .largest_words()
                .map_or_else(none, |words| plain(&words)),
            marked(headline.rate.map(|rate| rate.words())),
        );
    }
    text.push('\n');
    let mut distorted = shown
        .iter()
        .filter_map(|(course, _)| course.report.distorted_by());
    if let Some(by) = distorted.next() {
        let by = plain(&by);
        let _ = writeln!(
            text,
            "\\* instrumented by {by}: not the times and RSS of a run without it.\n"
        );
    }
    for (course, headline) in &shown {
        let _ = write!(text, "* **{}**: ", plain(&course.report.name));
        for part in &headline.sentence {
            match part {
                Part::Plain(part) => text.push_str(&plain(part)),
                Part::Strong(part) => {
                    let _ = write!(text, "**{}**", plain(part));
                }
            }
        }
        if headline.is_judged_here {
            text.push_str(" (The record has no verdict: judged by what is there.)");
        }
        text.push('\n');
    }
    let left_out = selection.full.len() - shown.len() + selection.left_out;
    if left_out > 0 {
        let _ = writeln!(
            text,
            "\n*{} more scenarios are left out.*",
            count(left_out as u64)
        );
    }
    text.push('\n');
    text
}

fn table(heads: &[String], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = format!("| {} |\n|---|", heads.join(" | "));
    text.push_str(&"--:|".repeat(heads.len().saturating_sub(1)));
    text.push('\n');
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text.push('\n');
    text
}

fn cycles(selection: &Selection<'_>) -> String {
    let courses = repeating(&selection.firsts);
    if courses.is_empty() {
        return String::new();
    }
    let shown = &courses[..courses.len().min(MOST_COLUMNS)];
    let Grid {
        heads,
        rows,
        left_out,
        has_partial,
    } = grid(shown, Quantity::Rss);
    let heads = std::iter::once("cycle".to_owned()).chain(heads.iter().map(|one| plain(one)));
    let heads: Vec<String> = heads.collect();
    let rows = rows.into_iter().map(|(label, cells)| {
        let is_sum = label.starts_with(|first: char| first.is_ascii_alphabetic());
        let style = |text: String| match is_sum {
            true => format!("**{text}**"),
            false => text,
        };
        let cells = cells.into_iter().map(|cell| style(cell.text));
        std::iter::once(style(label.clone())).chain(cells).collect()
    });
    let mut text = "### RSS after each cycle, MiB\n\n".to_owned();
    text.push_str(&table(&heads, rows));
    let mut notes = Vec::new();
    if has_partial {
        notes.push("…: stopped in this cycle.".to_owned());
    }
    if left_out > 0 {
        notes.push(format!("{} cycles are not shown.", count(left_out)));
    }
    if courses.len() > shown.len() {
        let more = count((courses.len() - shown.len()) as u64);
        notes.push(format!("{more} more scenarios with cycles are not shown."));
    }
    if !notes.is_empty() {
        let _ = writeln!(text, "{}\n", notes.join(" "));
    }
    text
}

fn remedies(selection: &Selection<'_>) -> String {
    diagnoses(&selection.diagnosed)
        .iter()
        .map(remedies_of)
        .collect()
}

fn remedies_of(one: &Diagnosis<'_>) -> String {
    let rounds = one.base.runs.len();
    let mut text = format!(
        "### Remedies for {}, medians of {rounds} rounds, best first\n\n",
        plain(one.of)
    );
    let heads = ["remedy", "peak", "at the end", "growth", "throughput"].map(str::to_owned);
    let row = |name: String, tried: &Tried| {
        vec![
            name,
            unsigned_bytes(tried.ran.peak_rss_bytes),
            bytes(tried.ran.end_rss_bytes),
            signed_bytes(tried.ran.growth_bytes),
            change(tried),
        ]
    };
    let tried = one.tried.iter().enumerate().map(|(at, tried)| {
        let title = plain(&tried.title);
        let name = match one.best == Some(at) {
            true => format!("**→ {title}**"),
            false => title,
        };
        row(name, tried)
    });
    let base = row(one.base.title.clone(), &one.base);
    text.push_str(&table(&heads, tried.chain([base])));
    text
}

fn executions(groups: &[Group<'_>]) -> String {
    if groups.is_empty() {
        return String::new();
    }
    let heads = [
        "scenario",
        "executions",
        "peak, median",
        "least",
        "most",
        "at the end, median",
    ];
    let rows = groups.iter().map(|group| {
        let ran = ran(&group.runs);
        let numbers = |number: fn(&Ran) -> f64| ran.iter().map(number).collect::<Vec<f64>>();
        let peak = Spread::of(&numbers(|one| one.peak_rss_bytes as f64));
        let end = Spread::of(&numbers(|one| one.end_rss_bytes as f64));
        let size = |number: Option<f64>| number.map_or("–".into(), |number| bytes(number as i64));
        vec![
            plain(&group.name()),
            count(group.runs.len() as u64),
            size(peak.map(|one| one.median)),
            size(peak.map(|one| one.least)),
            size(peak.map(|one| one.most)),
            size(end.map(|one| one.median)),
        ]
    });
    let table = table(&heads.map(str::to_owned), rows);
    format!("### Executions\n\n{table}")
}

fn environment(run: &Gathered) -> String {
    if run.environment.is_empty() {
        return String::new();
    }
    let mut text = "<details><summary>Environment</summary>\n\n".to_owned();
    let heads = ["fact", "value"].map(str::to_owned);
    let rows = flat(&run.environment).into_iter();
    let rows = rows.map(|(name, value)| vec![plain(&name), plain(&value.replace('\n', ", "))]);
    text.push_str(&table(&heads, rows).replace("|--:|", "|---|"));
    for (what, why) in cannot_measure(&run.environment) {
        let _ = writeln!(
            text,
            "* cannot be measured here: {}: {}",
            plain(what),
            plain(why)
        );
    }
    text.push_str("\n</details>\n");
    text
}

#[cfg(test)]
mod tests;
