//! What grew between two profiles: a picture, and what grew most by statement and by function.
//!
//! Of two moments of one run, of two runs, or of collapsed stacks from anywhere: names are compared, not
//! addresses.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io::{self, Write};

use inferno::differential;

use super::folded::Folded;
use super::plumbing::asking;
use super::svg::{self, Caption};
use super::words::{cut, signed};

/// Rows of a table.
const MOST: usize = 15;
/// Columns of a name.
const NAME: usize = 72;
/// Functions of a stack in a row.
const CALLERS: usize = 4;

/// One of two: what it is, and its stacks.
#[derive(Debug, Clone)]
pub struct Sampled {
    /// `a-leak at cycle=2`
    pub name: String,
    /// `bytes`, `samples`.
    pub unit: String,
    /// What one sample stands for on average, in that unit; unknown of collapsed stacks.
    pub interval: Option<u64>,
    /// With the number of each.
    pub folded: Folded,
}

/// `after` less `before`.
#[derive(Debug)]
pub struct Difference<'a> {
    before: &'a Sampled,
    after: &'a Sampled,
}

/// Before and after.
type Change = (u64, u64);

impl<'a> Difference<'a> {
    /// # Errors
    /// They are not of the same kind.
    pub fn new(before: &'a Sampled, after: &'a Sampled) -> Result<Self, String> {
        if before.unit != after.unit {
            return Err(format!(
                "{} is in {} and {} in {}: only profiles of one kind can be compared",
                before.name, before.unit, after.name, after.unit
            ));
        }
        Ok(Difference { before, after })
    }

    /// Each stack with its number before and after.
    ///
    /// # Errors
    /// Those of reading what is in memory.
    pub fn folded(&self) -> io::Result<String> {
        let mut lines = Vec::new();
        let (before, after) = (self.before.folded.text(), self.after.folded.text());
        let options = differential::Options::default();
        differential::from_readers(options, before.as_bytes(), after.as_bytes(), &mut lines)?;
        let lines = String::from_utf8(lines).map_err(io::Error::other)?;
        // They come in no order.
        let mut lines: Vec<&str> = lines.lines().collect();
        lines.sort_unstable();
        Ok(lines.into_iter().flat_map(|line| [line, "\n"]).collect())
    }

    fn totals(&self) -> Change {
        (self.before.folded.total(), self.after.folded.total())
    }

    fn amount(&self, value: i128) -> String {
        signed(&self.after.unit, value)
    }

    fn headline(&self) -> String {
        let (before, after) = self.totals();
        let plain = |value: u64| self.amount(value.into()).replace('+', "");
        format!(
            "{} → {}: {}",
            plain(before),
            plain(after),
            self.amount(i128::from(after) - i128::from(before))
        )
    }

    /// As wide as `after` is, red where it grew and blue where it shrank.
    ///
    /// # Errors
    /// `after` is empty, or `out` cannot be written.
    pub fn svg(&self, out: impl Write) -> io::Result<()> {
        let caption = Caption {
            title: format!("{} against {}", self.after.name, self.before.name),
            subtitle: format!(
                "{} · tips: red grew, blue shrank · as wide as afterwards; what is gone has no width",
                self.headline()
            ),
            unit: self.after.unit.clone(),
        };
        svg::write_difference(&self.folded()?, &caption, out)
    }

    /// The standard error of a row, at most: that of both numbers.
    fn error(&self, change: &Change) -> String {
        let part = |one: &Sampled, value: u64| Some(one.interval? as f64 * value as f64);
        let variance = part(self.before, change.0).zip(part(self.after, change.1));
        variance.map_or(String::new(), |(before, after)| {
            let error = (before + after).sqrt().round() as i128;
            self.amount(error).replace('+', "±")
        })
    }

    /// What changed most, for a terminal.
    pub fn table(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "{} against {}", self.after.name, self.before.name);
        let _ = writeln!(out, "  {}", self.headline());
        let statement = |stack: &str| stack.split(';').next().unwrap_or_default().to_owned();
        self.rows(&mut out, "by statement", &statement);
        self.rows(&mut out, "by function, innermost first", &site);
        out
    }

    fn rows(&self, out: &mut String, head: &str, key: &dyn Fn(&str) -> String) {
        let mut changes: HashMap<String, Change> = HashMap::new();
        for (stack, value) in &self.before.folded.stacks {
            changes.entry(key(stack)).or_default().0 += value;
        }
        for (stack, value) in &self.after.folded.stacks {
            changes.entry(key(stack)).or_default().1 += value;
        }
        let difference = |change: &Change| i128::from(change.1) - i128::from(change.0);
        let changes: BTreeMap<_, _> = changes.into_iter().collect();
        let mut changes: Vec<_> = changes.into_iter().collect();
        changes.retain(|(_, change)| difference(change) != 0);
        // What grew most first, what shrank most last.
        changes.sort_by_key(|(_, change)| std::cmp::Reverse(difference(change)));
        let _ = writeln!(
            out,
            "  {:>12} {:>12} {:>12} {:>12}  {head}",
            "before", "after", "difference", "std. error"
        );
        if changes.is_empty() {
            let _ = writeln!(out, "  {:>51}  nothing changed", "");
        }
        let left_out = changes.len().saturating_sub(MOST);
        // From the middle: both ends are what is asked about.
        if left_out > 0 {
            let by_size = |(_, change): &(String, Change)| difference(change).unsigned_abs();
            changes.sort_by_key(|one| std::cmp::Reverse(by_size(one)));
            changes.truncate(MOST);
            changes.sort_by_key(|(_, change)| std::cmp::Reverse(difference(change)));
        }
        for (name, change) in changes {
            let plain = |value: u64| self.amount(value.into()).replace('+', "");
            let _ = writeln!(
                out,
                "  {:>12} {:>12} {:>12} {:>12}  {}",
                plain(change.0),
                plain(change.1),
                self.amount(difference(&change)),
                self.error(&change),
                cut(&name, NAME)
            );
        }
        if left_out > 0 {
            let _ = writeln!(out, "  {left_out:>12} more, each of which changed less");
        }
    }
}

/// The function that asked, and who called it: `pcache1AllocPage < pcache1FetchStage2 < …`.
fn site(stack: &str) -> String {
    let mut names: Vec<&str> = stack.split(';').skip(1).collect();
    names.reverse();
    let names = asking(&names);
    let shown = &names[..names.len().min(CALLERS)];
    shown.join(" < ")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn sampled(name: &str, text: &str) -> Sampled {
        Sampled {
            name: name.to_owned(),
            unit: "bytes".to_owned(),
            interval: Some(524_288),
            folded: Folded::parse(Path::new(name), text).unwrap(),
        }
    }

    #[test]
    fn what_grew_most_is_the_first_row_and_what_shrank_most_the_last() {
        let before = sampled(
            "a",
            "INSERT ?;m;f;sqlite3Malloc 1048576\nSELECT ?;m;g 4194304\nx;y 7\n",
        );
        let after = sampled(
            "b",
            "INSERT ?;m;f;sqlite3Malloc 9437184\nSELECT ?;m;g 1048576\nx;y 7\n",
        );
        let difference = Difference::new(&before, &after).unwrap();
        let table = difference.table();
        let rows: Vec<&str> = table.lines().collect();
        assert_eq!(rows[0], "b against a");
        assert!(rows[1].contains("5.0 MiB → 10.0 MiB: +5.0 MiB"), "{table}");
        assert!(
            rows[3].ends_with("1.0 MiB      9.0 MiB     +8.0 MiB     ±2.2 MiB  INSERT ?"),
            "{table}"
        );
        assert!(
            rows[4].ends_with("4.0 MiB      1.0 MiB     -3.0 MiB     ±1.6 MiB  SELECT ?"),
            "{table}"
        );
        assert!(rows[6].ends_with("+8.0 MiB     ±2.2 MiB  f < m"), "{table}");
        assert_eq!(rows.len(), 8, "{table}");
        assert_eq!(
            difference.folded().unwrap(),
            "INSERT ?;m;f;sqlite3Malloc 1048576 9437184\nSELECT ?;m;g 4194304 1048576\nx;y 7 7\n"
        );
    }

    #[test]
    fn the_picture_is_red_where_it_grew_and_blue_where_it_shrank() {
        let before = sampled("a", "grew;leaf 10\nshrank;leaf 30\n");
        let after = sampled("b", "grew;leaf 30\nshrank;leaf 10\n");
        let mut svg = Vec::new();
        let difference = Difference::new(&before, &after).unwrap();
        difference.svg(&mut svg).unwrap();
        let svg = String::from_utf8(svg).unwrap();
        assert!(svg.contains("b against a"));
        // Its leaf is the only one of its width.
        let fill = |percent: &str| {
            let (_, rest) = svg.split_once(&format!("{percent})</title>")).unwrap();
            let (_, rest) = rest.split_once("rgb(").unwrap();
            let (colour, _) = rest.split_once(')').unwrap();
            let parts = colour.split(',').map(|part| part.parse::<u8>().unwrap());
            parts.collect::<Vec<_>>()
        };
        let (grew, shrank) = (fill("75.00%; +50.00%"), fill("25.00%; -50.00%"));
        assert!(
            grew[0] > grew[2] && shrank[2] > shrank[0],
            "{grew:?} {shrank:?}"
        );
    }

    #[test]
    fn profiles_of_two_kinds_are_not_compared() {
        let before = sampled("a", "x 1\n");
        let after = Sampled {
            unit: "samples".to_owned(),
            ..sampled("b", "x 1\n")
        };
        assert!(Difference::new(&before, &after).is_err());
    }
}
