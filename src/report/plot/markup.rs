//! Words of a record inside of HTML and of JSON inside of HTML: a record may come from anywhere.

use serde_json::Value;

/// Without what no page may contain: control characters.
pub(super) fn plain(text: &str) -> String {
    let shown = |letter: char| match letter {
        '\t' | '\n' | '\r' => ' ',
        letter if letter.is_control() => char::REPLACEMENT_CHARACTER,
        letter => letter,
    };
    text.chars().map(shown).collect()
}

/// As text or as the value of an attribute.
pub(super) fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in plain(text).chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            letter => out.push(letter),
        }
    }
    out
}

/// As an element that a script reads. No text in it can end it.
pub(super) fn data(value: &Value) -> String {
    let json = value.to_string();
    let json = json.replace('<', "\\u003c").replace('>', "\\u003e");
    let json = json.replace('&', "\\u0026");
    format!("<script type=\"application/json\">{json}</script>\n")
}

/// At most so many characters, the last an ellipsis where there were more.
pub(super) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept = text.chars().take(most.saturating_sub(1));
    kept.chain(['…']).collect()
}

/// A picture: its two drawings, and what stands below. `kind` tells the script what it is.
pub(super) fn figure(kind: &str, id: &str, drawings: &str, below: &str) -> String {
    let id = text(id);
    format!(
        "<figure class=\"plot\" id=\"{id}\" data-plot=\"{kind}\">\n\
         <div class=\"plot-stage\">{drawings}</div>\n{below}</figure>\n"
    )
}

/// A sentence in the place of a picture that there is not.
pub(super) fn absent(id: &str, sentence: &str) -> String {
    format!(
        "<figure class=\"plot\" id=\"{}\"><figcaption>{}</figcaption></figure>\n",
        text(id),
        text(sentence)
    )
}

/// A button that takes something away and puts it back. `key` is markup.
pub(super) fn button(of: &str, name: &str, key: &str) -> String {
    format!(
        "<button type=\"button\" aria-pressed=\"true\" data-of=\"{}\">{key}<span>{}</span></button>\n",
        text(of),
        text(name)
    )
}

/// The buttons together.
pub(super) fn legend(about: &str, buttons: &str) -> String {
    let about = text(about);
    format!("<div class=\"plot-legend\" role=\"group\" aria-label=\"{about}\">\n{buttons}</div>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_what_it_stands_in() {
        let hostile = "</script><script>alert('x')</script>&\"\u{0}";
        let data = data(&serde_json::json!({ "name": hostile }));
        assert_eq!(data.matches("</script>").count(), 1);
        let json = data.trim_end().trim_end_matches("</script>");
        let json = json.split_once('>').unwrap().1;
        let back: Value = serde_json::from_str(json).unwrap();
        assert_eq!(back["name"], hostile);
        assert!(!text(hostile).contains(['<', '>', '"', '\'', '\0']));
        let button = button(hostile, hostile, "");
        assert_eq!(button.matches('<').count(), 4, "{button}");
    }

    #[test]
    fn a_text_that_is_too_long_ends_in_an_ellipsis() {
        assert_eq!(shortened("snapshot", 8), "snapshot");
        assert_eq!(shortened("snapshots", 8), "snapsho…");
        assert_eq!(shortened("snapshots", 0), "…");
    }
}
