//! Collapsed stacks: a line a stack, root first, its frames parted by semicolons, and a number behind.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::path::Path;

use super::code::Code;
use super::error::Error;
use super::moments::Quantity;
use super::view::Profile;

/// Stacks with the number of each, and whose code each frame is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Folded {
    /// By stack, as in a line.
    pub stacks: BTreeMap<String, u64>,
    /// By frame.
    pub codes: HashMap<String, Code>,
}

/// A name that can stand in a line.
fn frame(name: &str) -> String {
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    match name.replace(';', ",") {
        name if name.is_empty() => "(no name)".to_owned(),
        name => name,
    }
}

impl Folded {
    /// One quantity of a profile.
    pub fn of(profile: &Profile, quantity: Quantity) -> Folded {
        let mut folded = Folded::default();
        for row in &profile.rows {
            let value = profile.value(row, quantity);
            if value == 0 {
                continue;
            }
            let mut frames = Vec::new();
            if let Some(root) = profile.root(row).map(frame) {
                let code = match row.statement {
                    Some(_) => Code::Statement,
                    None => Code::Other,
                };
                folded.codes.insert(root.clone(), code);
                frames.push(root);
            }
            let functions: Vec<_> = profile.functions(row).collect();
            for function in functions.into_iter().rev() {
                let name = frame(&function.name);
                let code = Code::of(function);
                folded.codes.entry(name.clone()).or_insert(code);
                frames.push(name);
            }
            *folded.stacks.entry(frames.join(";")).or_default() += value;
        }
        folded
    }

    /// Reads lines; what is behind `# ` is a comment.
    ///
    /// # Errors
    /// A line has no number, or the text has no line.
    pub fn parse(path: &Path, text: &str) -> Result<Folded, Error> {
        let mut folded = Folded::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with("# ") {
                continue;
            }
            let wrong = |why| Error::line(path, index + 1, why);
            let (stack, value) = line.rsplit_once(' ').ok_or_else(|| {
                wrong("a line of collapsed stacks is FRAME;FRAME NUMBER, and this has one word")
            })?;
            let value: u64 = value.parse().map_err(|_| {
                wrong("a line of collapsed stacks ends with a whole number, and this does not")
            })?;
            let stack = stack.trim_end().to_owned();
            let frames: Vec<&str> = stack.split(';').collect();
            for (frame, code) in Code::guessed(&frames) {
                folded.codes.entry(frame.to_owned()).or_insert(code);
            }
            *folded.stacks.entry(stack).or_default() += value;
        }
        match folded.stacks.is_empty() {
            true => Err(Error::unusable(path, "there is no stack in it")),
            false => Ok(folded),
        }
    }

    /// Of all stacks.
    pub fn total(&self) -> u64 {
        self.stacks.values().sum()
    }

    /// As lines.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (stack, value) in &self.stacks {
            let _ = writeln!(text, "{stack} {value}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_semicolon_or_a_line_break_is_one_frame() {
        assert_eq!(frame("SELECT 1;\n  SELECT 2"), "SELECT 1, SELECT 2");
        assert_eq!(frame("core::array<[u8; 8]>"), "core::array<[u8, 8]>");
        assert_eq!(frame(" "), "(no name)");
    }

    #[test]
    fn lines_are_read_as_they_are_written_and_a_bad_one_is_named() {
        let path = Path::new("a.collapsed");
        let text = "(no statement);a::b;sqlite3Malloc 5\nSELECT ? LIMIT ?;c 7\n";
        let folded = Folded::parse(path, text).unwrap();
        assert_eq!(folded.total(), 12);
        assert_eq!(folded.text(), text);
        assert_eq!(folded.codes["sqlite3Malloc"], Code::Sqlite);
        for bad in ["a;b", "a;b x", "a;b 1.5"] {
            let text = format!("a 1\n{bad}\n");
            let error = Folded::parse(path, &text).unwrap_err().to_string();
            assert!(error.starts_with("a.collapsed:2: "), "{error}");
        }
        assert!(Folded::parse(path, "# nothing\n").is_err());
    }
}
