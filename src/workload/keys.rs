//! The ids that the insert workload writes.
//!
//! Row `i` has one id and always the same one, made in a buffer on the stack: what is written can
//! be told, and hashed, without a database and without an allocation.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What the id of row `i` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyMode {
    /// Go's `string(i)`: the code point `i` in UTF-8, U+FFFD for surrogates and beyond U+10FFFF.
    #[default]
    GoRune,
    /// `i` in decimal.
    Decimal,
    /// A uuid-like text, from the seed and `i`.
    Random,
}

impl KeyMode {
    /// Every mode.
    pub const ALL: [KeyMode; 3] = [KeyMode::GoRune, KeyMode::Decimal, KeyMode::Random];

    /// The name in scenarios and records.
    pub const fn name(self) -> &'static str {
        match self {
            KeyMode::GoRune => "go-rune",
            KeyMode::Decimal => "decimal",
            KeyMode::Random => "random",
        }
    }
}

impl fmt::Display for KeyMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for KeyMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        (KeyMode::ALL.into_iter().find(|mode| mode.name() == text))
            .ok_or_else(|| format!("no keys `{text}`: go-rune, decimal or random"))
    }
}

/// The id of every row, one at a time.
#[derive(Debug, Clone)]
pub struct Keys {
    mode: KeyMode,
    /// [`mix`] of the seed, so that neighbouring seeds have nothing in common.
    seed: u64,
    text: [u8; UUID_LEN],
    /// Of decimals: the number that `text[start..]` says, from which the next is one step.
    shown: u64,
    start: usize,
}

/// Bytes of a uuid in text.
pub(super) const UUID_LEN: usize = 36;

impl Keys {
    /// `seed` matters to [`KeyMode::Random`] only.
    pub fn new(mode: KeyMode, seed: u64) -> Self {
        Keys {
            mode,
            seed: mix(seed),
            text: [b'0'; UUID_LEN],
            shown: 0,
            start: UUID_LEN - 1,
        }
    }

    /// The id of row `i`, counted from 0, in UTF-8. Rows in order are the fast way.
    #[inline(always)]
    pub fn key(&mut self, i: u64) -> &[u8] {
        match self.mode {
            KeyMode::GoRune => go_rune(i).encode_utf8(&mut self.text).as_bytes(),
            KeyMode::Decimal => self.decimal(i),
            KeyMode::Random => uuid(self.seed, i, &mut self.text),
        }
    }

    #[inline]
    fn decimal(&mut self, i: u64) -> &[u8] {
        if i == self.shown.wrapping_add(1) {
            self.count_up();
        } else if i != self.shown {
            self.divide(i);
        }
        self.shown = i;
        &self.text[self.start..]
    }

    /// Adds one to the digits: no division, and one digit nine times in ten.
    #[inline]
    fn count_up(&mut self) {
        for at in (self.start..UUID_LEN).rev() {
            if self.text[at] != b'9' {
                self.text[at] += 1;
                return;
            }
            self.text[at] = b'0';
        }
        self.start -= 1;
        self.text[self.start] = b'1';
    }

    #[inline(never)]
    fn divide(&mut self, mut i: u64) {
        self.start = UUID_LEN;
        loop {
            self.start -= 1;
            self.text[self.start] = b'0' + (i % 10) as u8;
            i /= 10;
            if i == 0 {
                return;
            }
        }
    }
}

/// What Go's `string(i)` holds.
#[inline]
pub(super) fn go_rune(i: u64) -> char {
    u32::try_from(i)
        .ok()
        .and_then(char::from_u32)
        .unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// A uuid of row `i`. Two rows never have the same: the first 64 bits are a bijection of `i`, which
/// is why no bits are spent on a version.
#[inline(never)]
fn uuid(seed: u64, i: u64, text: &mut [u8; UUID_LEN]) -> &[u8] {
    let high = mix(i.wrapping_add(seed));
    let low = mix(high ^ seed);
    write_uuid(u128::from(high) << 64 | u128::from(low), text)
}

/// 128 bits in hexadecimal, 8-4-4-4-12.
#[inline]
pub(super) fn write_uuid(bits: u128, text: &mut [u8; UUID_LEN]) -> &[u8] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut at = 0;
    for (n, byte) in bits.to_be_bytes().into_iter().enumerate() {
        if matches!(n, 4 | 6 | 8 | 10) {
            text[at] = b'-';
            at += 1;
        }
        text[at] = DIGITS[usize::from(byte >> 4)];
        text[at + 1] = DIGITS[usize::from(byte & 15)];
        at += 2;
    }
    text
}

/// What SplitMix64's state grows by with each number.
pub(super) const SPLIT_MIX_STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// SplitMix64's step: a bijection whose every output bit depends on every input bit.
#[inline]
pub(super) const fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(SPLIT_MIX_STEP);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys_of(mode: KeyMode, seed: u64, rows: impl IntoIterator<Item = u64>) -> Vec<String> {
        let mut keys = Keys::new(mode, seed);
        let text = |i| String::from_utf8(keys.key(i).to_owned()).unwrap();
        rows.into_iter().map(text).collect()
    }

    #[test]
    fn go_runes_are_code_points_and_the_replacement_character_elsewhere() {
        let rows = [
            0, 65, 0x7f, 0x80, 0xd7ff, 0xd800, 0xdfff, 0xe000, 0xfffd, 0x10_ffff,
        ];
        let expected = [
            "\0", "A", "\x7f", "\u{80}", "\u{d7ff}", "\u{fffd}", "\u{fffd}", "\u{e000}",
        ];
        let keys = keys_of(KeyMode::GoRune, 0, rows);
        assert_eq!(keys[..8], expected);
        assert_eq!(keys[8..], ["\u{fffd}", "\u{10ffff}"]);
        let beyond = [
            0x11_0000,
            u64::from(u32::MAX),
            1 << 32,
            (1 << 32) + 65,
            u64::MAX,
        ];
        assert_eq!(keys_of(KeyMode::GoRune, 0, beyond), ["\u{fffd}"; 5]);
    }

    #[test]
    fn decimals_are_what_format_writes() {
        let rows = [0, 9, 10, 99, 100, 32_768, 9_999_999, u64::MAX];
        assert_eq!(
            keys_of(KeyMode::Decimal, 7, rows),
            rows.map(|i| i.to_string())
        );
    }

    #[test]
    fn random_keys_look_like_uuids_and_are_distinct() {
        let mut keys = keys_of(KeyMode::Random, 42, 0..20_000);
        for key in &keys {
            let lengths: Vec<usize> = key.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12], "{key}");
            assert!(
                key.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit()),
                "{key}"
            );
        }
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 20_000);
    }

    #[test]
    fn random_keys_depend_on_the_seed_and_on_nothing_else() {
        assert_eq!(
            keys_of(KeyMode::Random, 1, 0..100),
            keys_of(KeyMode::Random, 1, 0..100)
        );
        let (one, two) = (
            keys_of(KeyMode::Random, 1, 0..100),
            keys_of(KeyMode::Random, 2, 0..100),
        );
        assert!(one.iter().all(|key| !two.contains(key)));
    }

    #[test]
    fn names_are_those_of_serde() {
        for mode in KeyMode::ALL {
            assert_eq!(serde_json::to_string(&mode).unwrap(), format!("\"{mode}\""));
            assert_eq!(mode.name().parse(), Ok(mode));
        }
        assert!("gorune".parse::<KeyMode>().is_err());
    }
}
