//! Markup, and text that cannot become markup.
//!
//! Everything that a record says is somebody else's. It gets into a page through [`Html::text`] and
//! through the values of attributes, which escape it; markup itself is `&'static str`, so that only
//! what stands in this program can be it.

use std::fmt::{Display, Write};

/// A piece of a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::report) struct Html {
    markup: String,
}

/// Writes what is formatted with its special characters escaped.
struct Escaping<'a>(&'a mut String);

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // Not allowed in HTML, whichever way it is written.
                control if control.is_control() && !control.is_whitespace() => {
                    self.0.push('\u{fffd}');
                }
                other => self.0.push(other),
            }
        }
        Ok(())
    }
}

impl Html {
    /// Nothing yet.
    pub fn new() -> Self {
        Html::default()
    }

    /// What is to be shown as it is.
    pub fn of(text: impl Display) -> Self {
        let mut html = Html::new();
        html.text(text);
        html
    }

    /// Markup that this program is made with.
    pub fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.markup.push_str(markup);
        self
    }

    /// Text, escaped.
    pub fn text(&mut self, text: impl Display) -> &mut Self {
        // A `String` takes everything.
        let _ = write!(Escaping(&mut self.markup), "{text}");
        self
    }

    /// A scenario's name, which may be broken behind each choice.
    pub fn name(&mut self, name: &str) -> &mut Self {
        for part in name.split_inclusive([',', '[', '=']) {
            self.text(part).raw("<wbr>");
        }
        self
    }

    /// What another piece says.
    pub fn html(&mut self, piece: &Html) -> &mut Self {
        self.markup.push_str(&piece.markup);
        self
    }

    /// A picture of [`plot`](crate::report::plot), which escapes what it writes.
    pub fn plot(&mut self, picture: &str) -> &mut Self {
        self.markup.push_str(picture);
        self
    }

    /// `<tag name="value">`
    pub fn open(&mut self, tag: &'static str, attributes: &[(&'static str, &str)]) -> &mut Self {
        self.raw("<").raw(tag);
        for (name, value) in attributes {
            self.raw(" ").raw(name).raw("=\"").text(value).raw("\"");
        }
        self.raw(">")
    }

    /// `</tag>`
    pub fn close(&mut self, tag: &'static str) -> &mut Self {
        self.raw("</").raw(tag).raw(">\n")
    }

    /// An element with nothing but text in it.
    pub fn element(
        &mut self,
        tag: &'static str,
        attributes: &[(&'static str, &str)],
        text: impl Display,
    ) -> &mut Self {
        self.open(tag, attributes).text(text).raw("</").raw(tag);
        self.raw(">")
    }

    /// A paragraph of text.
    pub fn paragraph(&mut self, class: &str, text: impl Display) -> &mut Self {
        match class {
            "" => self.element("p", &[], text),
            class => self.element("p", &[("class", class)], text),
        }
        .raw("\n")
    }

    /// Nothing was written.
    pub fn is_empty(&self) -> bool {
        self.markup.is_empty()
    }

    /// As it goes into the file.
    pub fn as_str(&self) -> &str {
        &self.markup
    }
}

/// One cell of a [`Table`].
#[derive(Debug, Clone, Default)]
pub(in crate::report) struct Cell {
    content: Html,
    class: &'static str,
}

impl Cell {
    /// Words.
    pub fn text(text: impl Display) -> Self {
        Cell {
            content: Html::of(text),
            class: "",
        }
    }

    /// A number: to the right.
    pub fn number(text: impl Display) -> Self {
        Cell {
            content: Html::of(text),
            class: "n",
        }
    }

    /// Anything.
    pub fn html(content: Html) -> Self {
        Cell { content, class: "" }
    }

    /// The same cell in another look.
    pub fn class(self, class: &'static str) -> Self {
        Cell { class, ..self }
    }
}

/// A table in a box of its own that scrolls. The first cell of a row is its head.
#[derive(Debug, Clone, Default)]
pub(in crate::report) struct Table {
    /// What it shows.
    pub caption: String,
    /// Above the columns; a number's column is to the right.
    pub heads: Vec<Cell>,
    /// Cells from left to right, with a class for the row.
    pub rows: Vec<(Vec<Cell>, &'static str)>,
}

impl Table {
    /// Without rows.
    pub fn new(caption: impl Into<String>, heads: Vec<Cell>) -> Self {
        Table {
            caption: caption.into(),
            heads,
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push((cells, ""));
    }

    /// Adds a row with a look of its own.
    pub fn row_in(&mut self, class: &'static str, cells: Vec<Cell>) {
        self.rows.push((cells, class));
    }

    /// Writes it; nothing where it has no rows.
    pub fn write(&self, out: &mut Html) {
        if self.rows.is_empty() {
            return;
        }
        // A box that scrolls must be reachable by the keyboard.
        let named = [
            ("class", "scroll"),
            ("tabindex", "0"),
            ("role", "region"),
            ("aria-label", self.caption.as_str()),
        ];
        out.open("div", &named).raw("<table>");
        if !self.caption.is_empty() {
            out.element("caption", &[], &self.caption).raw("\n");
        }
        if !self.heads.is_empty() {
            out.raw("<thead><tr>");
            for head in &self.heads {
                head_cell(out, head, "col");
            }
            out.raw("</tr></thead>\n");
        }
        out.raw("<tbody>\n");
        for (cells, class) in &self.rows {
            match *class {
                "" => out.raw("<tr>"),
                class => out.open("tr", &[("class", class)]),
            };
            for (at, cell) in cells.iter().enumerate() {
                match (at, cell.class) {
                    (0, _) => head_cell(out, cell, "row"),
                    (_, "") => {
                        out.raw("<td>").html(&cell.content).raw("</td>");
                    }
                    (_, class) => {
                        out.open("td", &[("class", class)]);
                        out.html(&cell.content).raw("</td>");
                    }
                }
            }
            out.raw("</tr>\n");
        }
        out.raw("</tbody></table></div>\n");
    }
}

fn head_cell(out: &mut Html, cell: &Cell, scope: &str) {
    match cell.class {
        "" => out.open("th", &[("scope", scope)]),
        class => out.open("th", &[("scope", scope), ("class", class)]),
    };
    out.html(&cell.content).raw("</th>");
}

/// Letters and digits of `text` and hyphens, for the id of an element; `number` makes it unique.
pub(in crate::report) fn slug(text: &str, number: usize) -> String {
    let mut slug = String::new();
    for character in text.chars().take(60) {
        match character {
            'a'..='z' | '0'..='9' => slug.push(character),
            'A'..='Z' => slug.push(character.to_ascii_lowercase()),
            _ if slug.ends_with('-') || slug.is_empty() => {}
            _ => slug.push('-'),
        }
    }
    let slug = slug.trim_end_matches('-');
    match slug.starts_with(|first: char| first.is_ascii_alphabetic()) {
        true => format!("{slug}-{number}"),
        false => format!("s-{slug}-{number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "\"><script>alert('1')</script>&amp;\u{0}";

    #[test]
    fn text_and_attributes_never_become_markup() {
        let mut html = Html::new();
        html.element("p", &[("title", HOSTILE)], HOSTILE);
        let mut table = Table::new(HOSTILE, vec![Cell::text(HOSTILE)]);
        table.row(vec![Cell::text(HOSTILE), Cell::number(HOSTILE)]);
        table.write(&mut html);
        let text = html.as_str();
        assert!(!text.contains("<script"), "{text}");
        assert!(!text.contains('\0') && !text.contains("('"), "{text}");
        assert_eq!(text.matches("&lt;script&gt;").count(), 7, "{text}");
        assert_eq!(text.matches("&amp;amp;").count(), 7);
    }

    #[test]
    fn an_id_is_made_of_letters_digits_and_hyphens_alone() {
        for (name, expected) in [
            ("snapshot-memory", "snapshot-memory-1"),
            ("Insert[a=1, b=2]", "insert-a-1-b-2-1"),
            ("<script>", "script-1"),
            ("10m", "s-10m-1"),
            ("", "s--1"),
        ] {
            assert_eq!(slug(name, 1), expected);
        }
    }
}
