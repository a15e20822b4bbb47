//! Some lines at the end of a terminal that are written over again and again: only those that have
//! changed, all in one write, and with nothing left of them at the end.

use std::fmt::Write as _;

/// Columns and rows of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub columns: usize,
    pub rows: usize,
}

/// What stands on the terminal, above the line that the cursor is on.
#[derive(Debug, Default)]
pub(super) struct Screen {
    shown: Vec<String>,
    size: Option<Size>,
}

impl Screen {
    /// What to write so that `lines` stand there, none of which is wider than the terminal, and which
    /// are fewer than it has rows. Nothing where nothing has changed.
    pub(super) fn show(&mut self, lines: Vec<String>, size: Size) -> String {
        let mut text = String::new();
        if self.size.is_some_and(|before| before != size) {
            text = self.clear(size);
        }
        self.size = Some(size);
        if self.shown == lines {
            return text;
        }
        if !self.shown.is_empty() {
            let _ = write!(text, "\x1b[{}A", self.shown.len());
        }
        for (number, line) in lines.iter().enumerate() {
            match self.shown.get(number) == Some(line) {
                true => text.push_str("\r\n"),
                false => {
                    let _ = write!(text, "\r{line}\x1b[K\r\n");
                }
            }
        }
        if lines.len() < self.shown.len() {
            text.push_str("\x1b[J");
        }
        self.shown = lines;
        text
    }

    /// What to write so that nothing is left of it. Of a terminal that has become narrower a line may
    /// take several rows.
    pub(super) fn clear(&mut self, size: Size) -> String {
        let columns = size.columns.max(1);
        let shown = std::mem::take(&mut self.shown);
        let rows: usize = (shown.iter())
            .map(|line| line.chars().count().div_ceil(columns).max(1))
            .sum();
        self.size = None;
        match rows {
            0 => String::new(),
            rows => format!("\x1b[{rows}A\r\x1b[J"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size {
        columns: 20,
        rows: 10,
    };

    fn lines(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn only_lines_that_have_changed_are_written() {
        let mut screen = Screen::default();
        assert_eq!(
            screen.show(lines("a b c"), SIZE),
            "\ra\x1b[K\r\n\rb\x1b[K\r\n\rc\x1b[K\r\n"
        );
        assert_eq!(screen.show(lines("a b c"), SIZE), "");
        assert_eq!(
            screen.show(lines("a x c"), SIZE),
            "\x1b[3A\r\n\rx\x1b[K\r\n\r\n"
        );
        assert_eq!(screen.show(lines("a"), SIZE), "\x1b[3A\r\n\x1b[J");
        assert_eq!(screen.clear(SIZE), "\x1b[1A\r\x1b[J");
        assert_eq!(screen.clear(SIZE), "");
    }

    #[test]
    fn a_terminal_of_another_size_is_written_anew() {
        let mut screen = Screen::default();
        screen.show(lines("a 0123456789"), SIZE);
        let narrow = Size { columns: 5, ..SIZE };
        let text = screen.show(lines("a"), narrow);
        assert_eq!(text, "\x1b[3A\r\x1b[J\ra\x1b[K\r\n");
    }
}
