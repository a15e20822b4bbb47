//! Values and names as SQL text.

use memchr::memchr;

use super::cursor::{Encoding, Value};
use super::real;

/// Appends `value` as an expression whose value it is, type and all. `encoding` is the database's.
#[inline]
pub fn push(value: Value<'_>, encoding: Encoding, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"NULL"),
        Value::Integer(integer) => {
            out.extend_from_slice(itoa::Buffer::new().format(integer).as_bytes());
        }
        Value::Real(real) => real::push(real, out),
        Value::Text(text) => push_text(text, out),
        Value::Text16(text) => push_text16(text, encoding, out),
        Value::Blob(bytes) => push_blob(bytes, out),
    }
}

/// Appends text in UTF-8. What the line reader of the `sqlite3` shell, or any reader of UTF-8, would
/// change is spelt so that it cannot: bytes that are no UTF-8 and NUL by their bytes, carriage
/// returns through `char(13)`, because the shell drops one before a newline.
#[inline]
pub fn push_text(text: &[u8], out: &mut Vec<u8>) {
    if !push_short(text, out) {
        push_any_text(text, out);
    }
}

/// Appends text of 8 to 64 bytes that needs no change, copied and looked at in one pass; says false
/// and appends nothing where it is not such text.
#[inline]
fn push_short(text: &[u8], out: &mut Vec<u8>) -> bool {
    let length = text.len();
    if !(8..=64).contains(&length) {
        return false;
    }
    out.reserve(length + 2);
    let (start, mut special) = (out.len(), 0);
    // SAFETY: the vector has room for the text and two quotes, and both pointers stay within the
    // `length` bytes of text: the last eight are taken again, whatever was taken of them before.
    unsafe {
        let from = text.as_ptr();
        let to = out.as_mut_ptr().add(start);
        to.write(b'\'');
        let mut copy = |at: usize| {
            let word = from.add(at).cast::<u64>().read_unaligned();
            to.add(1 + at).cast::<u64>().write_unaligned(word);
            special |= special_bytes(word);
        };
        let mut at = 0;
        while at + 8 < length {
            copy(at);
            at += 8;
        }
        copy(length - 8);
        to.add(1 + length).write(b'\'');
        if special == 0 {
            out.set_len(start + length + 2);
        }
    }
    special == 0
}

/// Not 0 where one of eight bytes is a quote, NUL, a carriage return, or no ASCII. Among bytes that
/// are, none but a 0 has its highest bit set when 1 is taken from it, or is the first to borrow.
#[inline]
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    let zero = |word: u64| word.wrapping_sub(ONES);
    let quote = zero(word ^ (ONES * b'\'' as u64));
    let carriage_return = zero(word ^ (ONES * b'\r' as u64));
    (word | zero(word) | quote | carriage_return) & (ONES << 7)
}

fn push_any_text(text: &[u8], out: &mut Vec<u8>) {
    if is_plain(text) {
        out.reserve(text.len() + 2);
        out.push(b'\'');
        out.extend_from_slice(text);
        out.push(b'\'');
    } else if std::str::from_utf8(text).is_err() || memchr(0, text).is_some() {
        push_cast(text.iter().copied(), text.len(), out);
    } else if memchr(b'\r', text).is_some() {
        push_replaced(text, out);
    } else {
        push_quoted(text, b'\'', out);
    }
}

/// Appends `name` as an identifier.
pub fn push_name(name: &[u8], out: &mut Vec<u8>) {
    push_quoted(name, b'"', out);
}

/// ASCII without quotes, NUL and carriage returns. Without a branch in it, many bytes at once.
#[inline]
fn is_plain(text: &[u8]) -> bool {
    let is_special = |byte: u8| (byte == b'\'') | (byte == 0) | (byte == b'\r') | (byte >= 0x80);
    !text.iter().fold(false, |any, &byte| any | is_special(byte))
}

fn push_quoted(text: &[u8], quote: u8, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(quote);
    let mut rest = text;
    while let Some(at) = memchr(quote, rest) {
        out.extend_from_slice(&rest[..=at]);
        out.push(quote);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(quote);
}

/// `replace('a\rb', '\r', char(13))`, with a stand-in that is not in the text.
fn push_replaced(text: &[u8], out: &mut Vec<u8>) {
    let mut stand_in = b"\\r".to_vec();
    let mut count = 0_u64;
    while memchr::memmem::find(text, &stand_in).is_some() {
        stand_in = format!("\\r{count}").into_bytes();
        count += 1;
    }
    let mut replaced = Vec::with_capacity(text.len() + text.len() / 8);
    let mut rest = text;
    while let Some(at) = memchr(b'\r', rest) {
        replaced.extend_from_slice(&rest[..at]);
        replaced.extend_from_slice(&stand_in);
        rest = &rest[at + 1..];
    }
    replaced.extend_from_slice(rest);
    out.extend_from_slice(b"replace(");
    push_quoted(&replaced, b'\'', out);
    out.push(b',');
    push_quoted(&stand_in, b'\'', out);
    out.extend_from_slice(b",char(13))");
}

/// Text in UTF-16, of this machine's byte order. What SQLite would not make of its UTF-8 again (lone
/// surrogates, U+FFFE, U+FFFF) is spelt by its bytes, in the order of the database's `encoding`.
fn push_text16(text: &[u8], encoding: Encoding, out: &mut Vec<u8>) {
    let (pairs, odd) = text.as_chunks::<2>();
    let units = pairs.iter().map(|&pair| u16::from_ne_bytes(pair));
    let is_kept = odd.is_empty() && !units.clone().any(|unit| unit >= 0xfffe);
    let decoded: Result<String, _> = char::decode_utf16(units.clone()).collect();
    match decoded {
        Ok(decoded) if is_kept && !decoded.contains('\0') => push_text(decoded.as_bytes(), out),
        _ => {
            let stored = units.flat_map(|unit| match encoding {
                Encoding::Utf16be => unit.to_be_bytes(),
                _ => unit.to_le_bytes(),
            });
            push_cast(stored.chain(odd.iter().copied()), text.len(), out);
        }
    }
}

fn push_cast(bytes: impl Iterator<Item = u8>, length: usize, out: &mut Vec<u8>) {
    out.reserve(length * 2 + 20);
    out.extend_from_slice(b"CAST(X'");
    bytes.for_each(|byte| out.extend_from_slice(&hexadecimal(byte)));
    out.extend_from_slice(b"' AS TEXT)");
}

fn push_blob(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len() * 2 + 3);
    out.extend_from_slice(b"X'");
    // A block at a time, so that the compiler takes many bytes at once.
    for block in bytes.chunks(256) {
        let mut digits = [[0_u8; 2]; 256];
        for (pair, &byte) in digits.iter_mut().zip(block) {
            *pair = hexadecimal(byte);
        }
        out.extend_from_slice(digits[..block.len()].as_flattened());
    }
    out.push(b'\'');
}

/// The two digits of a byte, by arithmetic.
#[inline]
fn hexadecimal(byte: u8) -> [u8; 2] {
    let digit = |half: u8| half + b'0' + if half > 9 { 7 } else { 0 };
    [digit(byte >> 4), digit(byte & 15)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(value: Value<'_>) -> String {
        let mut out = Vec::new();
        push(value, Encoding::Utf8, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_storage_class_has_its_literal() {
        assert_eq!(sql(Value::Null), "NULL");
        assert_eq!(sql(Value::Integer(i64::MIN)), "-9223372036854775808");
        assert_eq!(sql(Value::Integer(i64::MAX)), "9223372036854775807");
        assert_eq!(sql(Value::Real(1.0)), "1.0");
        assert_eq!(sql(Value::Text(b"")), "''");
        assert_eq!(sql(Value::Blob(b"")), "X''");
        assert_eq!(sql(Value::Blob(&[0, 9, 10, 0xff])), "X'00090AFF'");
    }

    #[test]
    fn a_long_blob_is_whole() {
        let bytes: Vec<u8> = (0..1000).map(|i: u32| i.to_le_bytes()[0]).collect();
        let expected: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
        assert_eq!(sql(Value::Blob(&bytes)), format!("X'{expected}'"));
    }

    #[test]
    fn text_is_spelt_so_that_no_reader_changes_it() {
        for (text, expected) in [
            (&b"it's ''"[..], "'it''s '''''"),
            (b"a\nb", "'a\nb'"),
            ("é'\u{ffff}".as_bytes(), "'é''\u{ffff}'"),
            (b"a\0b", "CAST(X'610062' AS TEXT)"),
            (b"\xff'", "CAST(X'FF27' AS TEXT)"),
            (b"a\r\n'", "replace('a\\r\n''','\\r',char(13))"),
            (b"\\r\r", "replace('\\r\\r0','\\r0',char(13))"),
        ] {
            assert_eq!(sql(Value::Text(text)), expected);
        }
    }

    #[test]
    fn a_special_byte_is_seen_wherever_it_stands() {
        for length in [0, 1, 7, 8, 9, 16, 36, 64, 65] {
            let plain = vec![b'a'; length];
            assert_eq!(sql(Value::Text(&plain)).len(), length + 2);
            for at in 0..length {
                for byte in [
                    0, 1, 12, 13, 14, b'&', b'\'', b'(', 0x7f, 0x80, 0x8d, 0xa7, 0xff,
                ] {
                    let mut text = plain.clone();
                    text[at] = byte;
                    let is_special = byte >= 0x80 || b"'\r\0".contains(&byte);
                    let is_as_it_was = sql(Value::Text(&text)).as_bytes()[1..].starts_with(&text);
                    let is_quoted = sql(Value::Text(&text)).len() == length + 2;
                    assert_eq!(
                        is_as_it_was && is_quoted,
                        !is_special,
                        "{length} {at} {byte}"
                    );
                }
            }
        }
    }

    #[test]
    fn utf_16_is_spelt_in_utf_8_where_that_can_be_read_back() {
        let of = |units: &[u16], encoding| {
            let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_ne_bytes()).collect();
            let mut out = Vec::new();
            push(Value::Text16(&bytes), encoding, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(of(&[0xd83d, 0xde00], Encoding::Utf16le), "'😀'");
        assert_eq!(of(&[0xd83d], Encoding::Utf16le), "CAST(X'3DD8' AS TEXT)");
        assert_eq!(of(&[0xd83d], Encoding::Utf16be), "CAST(X'D83D' AS TEXT)");
        assert_eq!(of(&[0xffff], Encoding::Utf16be), "CAST(X'FFFF' AS TEXT)");
        assert_eq!(
            of(&[0x61, 0], Encoding::Utf16le),
            "CAST(X'61000000' AS TEXT)"
        );
    }

    #[test]
    fn a_name_doubles_its_quotes() {
        let mut out = Vec::new();
        push_name(b"a\"b'c", &mut out);
        assert_eq!(out, b"\"a\"\"b'c\"");
    }
}
