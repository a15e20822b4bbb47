//! SQL without the data in it.
//!
//! Reads tokens as SQLite's own tokenizer does, so that none is taken for what it is not.

/// `sql` with every literal replaced by `?`: strings, blobs and numbers. Comments go, since they can
/// hold anything, and white space is one space. Names, keywords and parameters stay as they are.
///
/// A text in "double quotes" is a name to the SQL standard, and to SQLite a string where no column
/// has that name. So it stays only where nothing but a name can stand: right after `FROM`, `JOIN`,
/// `INSERT INTO`, `TABLE`, `UPDATE` or `EXISTS`, and beside a dot. Elsewhere it becomes `"?"`. Names
/// in `[brackets]` and backticks are names always, and stay.
///
/// What is not terminated is replaced to the end of the text.
pub fn redact(sql: &str) -> String {
    // To SQLite the text ends there.
    let mut rest = sql.split('\0').next().unwrap_or_default();
    let mut shown = String::with_capacity(rest.len());
    let mut space = false;
    // The two tokens before: a word or a dot as it is, and nothing for any other.
    let (mut before, mut last) = ("", "");
    while !rest.is_empty() {
        let (token, length) = token(rest.as_bytes());
        let (text, after) = rest.split_at(length);
        rest = after;
        if matches!(token, Token::Space) {
            space = !shown.is_empty();
            continue;
        }
        if std::mem::take(&mut space) {
            shown.push(' ');
        }
        match token {
            Token::Space => {}
            Token::Literal => shown.push('?'),
            Token::DoubleQuoted if is_name(before, last, after) => shown.push_str(text),
            Token::DoubleQuoted | Token::UnterminatedName => shown.push_str("\"?\""),
            Token::Indexed { name } => {
                shown.push_str(&text[..name]);
                shown.push_str("(?)");
            }
            Token::Word | Token::Kept => shown.push_str(text),
        }
        before = last;
        last = match token {
            Token::Word => text,
            Token::Kept if text == "." => text,
            _ => "",
        };
    }
    shown
}

/// Whether a text in double quotes can be nothing but a name, after these tokens and before `after`.
fn is_name(before: &str, last: &str, after: &str) -> bool {
    let is = |word: &str, any: &[&str]| any.iter().any(|one| word.eq_ignore_ascii_case(one));
    let dot = after.strip_prefix('.');
    last == "."
        || dot.is_some_and(|after| !after.starts_with(|c: char| c.is_ascii_digit()))
        || is(last, &["JOIN", "TABLE", "UPDATE", "EXISTS"])
        // And not a value: `IS NOT DISTINCT FROM`.
        || is(last, &["FROM"]) && !is(before, &["DISTINCT"])
        // And not a file: `VACUUM INTO`.
        || is(last, &["INTO"])
            && is(before, &["INSERT", "REPLACE", "ROLLBACK", "ABORT", "FAIL", "IGNORE"])
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    /// White space, a comment, a byte order mark.
    Space,
    /// A string, a blob, a number.
    Literal,
    /// Terminated, its quotes in it.
    DoubleQuoted,
    /// In double quotes, not terminated.
    UnterminatedName,
    /// A parameter with an index in parentheses, as Tcl has them; its name ends before them.
    Indexed { name: usize },
    /// A name without quotes, or a keyword.
    Word,
    /// Any other that holds no data.
    Kept,
}

const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// The length of what `is` holds for, from `from`.
fn run(sql: &[u8], from: usize, is: impl Fn(u8) -> bool) -> usize {
    let rest = sql.get(from..).unwrap_or_default();
    from + rest.iter().take_while(|byte| is(**byte)).count()
}

/// The first token of `sql`, which is not empty, and its length.
fn token(sql: &[u8]) -> (Token, usize) {
    let at = |index: usize| sql.get(index).copied().unwrap_or(0);
    match (at(0), at(1)) {
        (first, _) if is_space(first) => (Token::Space, run(sql, 1, is_space)),
        (b'-', b'-') => (Token::Space, run(sql, 2, |byte| byte != b'\n')),
        (b'/', b'*') if sql.len() > 2 => (Token::Space, comment(sql)),
        (0xEF, 0xBB) if at(2) == 0xBF => (Token::Space, 3),
        (b'x' | b'X', b'\'') => match run(sql, 2, |byte| byte != b'\'') {
            end if end < sql.len() => (Token::Literal, end + 1),
            end => (Token::Literal, end),
        },
        (quote @ (b'\'' | b'"' | b'`'), _) => quoted(sql, quote),
        (b'[', _) => match run(sql, 1, |byte| byte != b']') {
            end if end < sql.len() => (Token::Kept, end + 1),
            end => (Token::Literal, end),
        },
        (b'0'..=b'9', _) | (b'.', b'0'..=b'9') => (Token::Literal, number(sql)),
        (b'?', _) => (Token::Kept, run(sql, 1, |byte| byte.is_ascii_digit())),
        (b'$' | b'@' | b':' | b'#', _) => parameter(sql),
        (first, _) if is_name_byte(first) => (Token::Word, run(sql, 1, is_name_byte)),
        _ => (Token::Kept, 1),
    }
}

fn comment(sql: &[u8]) -> usize {
    let end = sql[2..].windows(2).position(|two| two == b"*/");
    end.map_or(sql.len(), |end| 2 + end + 2)
}

/// A quote inside is written twice.
fn quoted(sql: &[u8], quote: u8) -> (Token, usize) {
    let mut end = 1;
    loop {
        end = run(sql, end, |byte| byte != quote);
        match (sql.get(end), sql.get(end + 1)) {
            (Some(_), Some(next)) if *next == quote => end += 2,
            (Some(_), _) => {
                let token = match quote {
                    b'\'' => Token::Literal,
                    b'"' => Token::DoubleQuoted,
                    _ => Token::Kept,
                };
                return (token, end + 1);
            }
            (None, _) if quote == b'"' => return (Token::UnterminatedName, sql.len()),
            (None, _) => return (Token::Literal, sql.len()),
        }
    }
}

/// Digits with separators, hexadecimal ones, a fraction, an exponent, and whatever hangs on to them,
/// which SQLite refuses.
fn number(sql: &[u8]) -> usize {
    let at = |index: usize| sql.get(index).copied().unwrap_or(0);
    let digits = |from| run(sql, from, |byte| byte.is_ascii_digit() || byte == b'_');
    let mut end = digits(0);
    if at(end) == b'.' {
        end = digits(end + 1);
    }
    let sign = usize::from(matches!(at(end + 1), b'+' | b'-'));
    if matches!(at(end), b'e' | b'E') && at(end + 1 + sign).is_ascii_digit() {
        end = digits(end + 1 + sign);
    }
    run(sql, end, is_name_byte)
}

/// `:name`, `@name`, `$name`, and Tcl's `$space::name(index)`.
fn parameter(sql: &[u8]) -> (Token, usize) {
    let at = |index: usize| sql.get(index).copied().unwrap_or(0);
    let (mut end, mut named) = (1, false);
    loop {
        match at(end) {
            byte if is_name_byte(byte) => {
                named = true;
                end += 1;
            }
            b':' if at(end + 1) == b':' => end += 2,
            b'(' if named => {
                let close = run(sql, end + 1, |byte| !is_space(byte) && byte != b')');
                let length = close + usize::from(at(close) == b')');
                return (Token::Indexed { name: end }, length);
            }
            _ => return (Token::Kept, end),
        }
    }
}

#[cfg(test)]
#[path = "redact/tests.rs"]
mod tests;
