//! How wide things are: columns of a terminal, and text that keeps within them.

use anstream::adapter::strip_str;

/// Columns of a name in a tree, of a bar, and of a size.
pub const NAME: usize = 28;
const BAR: usize = 24;
/// Columns of a size.
pub const SIZE: usize = 12;
const SHARE: usize = 9;
/// ` ok bound ±1234.5 MiB` and the spaces before it.
const BOUND: usize = 23;
const TREE: usize = 2 + NAME + SIZE + SHARE;

/// How many columns there are; `None` where nobody looks at columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Layout {
    /// Of a terminal.
    pub columns: Option<usize>,
}

impl Layout {
    fn columns(self) -> usize {
        self.columns.unwrap_or(usize::MAX)
    }

    /// Whether the bound stands behind the remainder.
    pub fn has_bound(self) -> bool {
        self.columns() >= TREE + BOUND
    }

    /// Columns of a bar; 0 where there is no room for one that says anything.
    pub fn bar(self) -> usize {
        const LEAST: usize = 4;
        let behind = if self.has_bound() { BOUND } else { 5 };
        match self.columns().saturating_sub(TREE + behind).min(BAR) {
            0..LEAST => 0,
            columns => columns,
        }
    }

    /// Whether a line of so many columns fits.
    pub fn has_room_for(self, columns: usize) -> bool {
        self.columns() >= columns
    }

    /// `parts` joined by `between`, in as many lines as it takes; a part is never divided.
    /// Escape sequences take no columns.
    pub fn lines<'a>(
        self,
        parts: impl IntoIterator<Item = &'a str>,
        between: &str,
        indent: usize,
    ) -> Vec<String> {
        let room = self.columns().saturating_sub(indent).max(1);
        let width = |text: &str| strip_str(text).to_string().chars().count();
        let mut lines: Vec<(String, usize)> = Vec::new();
        for part in parts {
            let more = width(part) + width(between);
            match lines.last_mut() {
                Some((line, columns)) if *columns + more <= room => {
                    line.push_str(between);
                    line.push_str(part);
                    *columns += more;
                }
                _ => lines.push((part.to_owned(), width(part))),
            }
        }
        lines.into_iter().map(|(line, _)| line).collect()
    }

    /// A text for a person, parted at its spaces.
    pub fn wrapped(self, text: &str, indent: usize) -> Vec<String> {
        self.lines(text.split(' '), " ", indent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_parted_at_its_spaces_and_only_where_there_are_columns() {
        let narrow = Layout { columns: Some(12) };
        assert_eq!(
            narrow.wrapped("one two three four", 2),
            ["one two", "three four"]
        );
        assert_eq!(
            narrow.wrapped("a-word-wider-than-all x", 2),
            ["a-word-wider-than-all", "x"]
        );
        let styled = "\u{1b}[1mone\u{1b}[0m two";
        assert_eq!(narrow.wrapped(styled, 5), [styled]);
        assert_eq!(Layout::default().wrapped("one two", 2), ["one two"]);
    }

    #[test]
    fn a_bar_gives_way_before_anything_else_does() {
        let bar = |columns| {
            Layout {
                columns: Some(columns),
            }
            .bar()
        };
        assert_eq!((bar(200), bar(60), bar(40)), (24, 4, 0));
        assert_eq!(Layout::default().bar(), 24);
    }
}
