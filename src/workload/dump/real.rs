//! Reals as decimal text that SQLite reads back bit for bit, old versions too.
//!
//! SQLite 3.40, for one, reads the first 18 or 19 digits into an integer, and scales it by a power of
//! ten in a `long double` of 64 bits that is then rounded once more. So the shortest text of a double,
//! which any correct reader takes back, is misread about once in 8000 times, and below 1e-290 many are
//! misread with any number of digits. Three spellings:
//! * the shortest, where a division shows that the second rounding cannot go wrong;
//! * 18 digits, ten times as close to the double as to any of its neighbours' halfway points;
//! * near the bottom a product of two reals that are read exactly: the second is a power of two, so
//!   multiplying them is exact.
//!
//! `tests/dump.rs` has the `sqlite3` shell and the bundled SQLite read all kinds of them.

use std::io::Write;

/// Reals closer to 0 than this are spelt as products.
const SMALL: f64 = 1e-250;
/// 2^-600, which makes any real below [`SMALL`] one that the old reader takes, and its text.
const SCALE: (f64, &str) = (
    f64::from_bits((1023 - 600) << 52),
    "2.40991986510288412e-181",
);
/// In units of the 64th bit. One division is half of one off; ten factors, one after the other, ten.
const ERROR_MAX: u128 = 32;
/// Every integer up to here is a double.
const INTEGERS: f64 = 9_007_199_254_740_992.0;

/// Appends `real`, with a point or an exponent, so that it is no integer.
pub fn push(real: f64, out: &mut Vec<u8>) {
    if real.is_infinite() {
        let text: &[u8] = if real < 0.0 {
            b"-9.0e+999"
        } else {
            b"9.0e+999"
        };
        out.extend_from_slice(text);
    } else if real.abs() < INTEGERS && real.trunc() == real {
        push_integral(real, out);
    } else if real.abs() < SMALL {
        push_18_digits(real / SCALE.0, out);
        out.push(b'*');
        out.extend_from_slice(SCALE.1.as_bytes());
    } else {
        let mut buffer = zmij::Buffer::new();
        let shortest = buffer.format_finite(real);
        if reads_back(shortest.as_bytes()) {
            out.extend_from_slice(shortest.as_bytes());
        } else {
            push_18_digits(real, out);
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "an integer below 2^53")]
fn push_integral(real: f64, out: &mut Vec<u8>) {
    if real == 0.0 && real.is_sign_negative() {
        out.push(b'-');
    }
    out.extend_from_slice(itoa::Buffer::new().format(real as i64).as_bytes());
    out.extend_from_slice(b".0");
}

fn push_18_digits(real: f64, out: &mut Vec<u8>) {
    // Writing into a Vec cannot fail.
    let _ = write!(out, "{real:.17e}");
}

/// Old readers take this decimal as a correct one does. They divide an integer by a power of ten with
/// 64 bits, up to [`ERROR_MAX`] off; where the 11 of them that a double has not are further than that
/// from one half, rounding twice is rounding once. False where that does not say: an exponent, an
/// integer, more than 19 places.
fn reads_back(decimal: &[u8]) -> bool {
    let mut digits: u64 = 0;
    let mut places = None;
    for &byte in decimal {
        match byte {
            b'0'..=b'9' => {
                digits = digits.wrapping_mul(10) + u64::from(byte - b'0');
                places = places.map(|places: u32| places + 1);
            }
            b'.' => places = Some(0),
            b'-' => {}
            _ => return false,
        }
    }
    let Some(places @ 1..=19) = places else {
        return false;
    };
    if digits == 0 {
        return false;
    }
    let dividend = u128::from(digits);
    let quotient = (dividend << dividend.leading_zeros()) / u128::from(10_u64.pow(places));
    // 64 bits or more, since the divisor has at most 64.
    let first_64 = quotient >> (64 - quotient.leading_zeros());
    let lost = first_64 & 0x7ff;
    lost.abs_diff(0x400) > ERROR_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(real: f64) -> String {
        let mut out = Vec::new();
        push(real, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_real_never_looks_like_an_integer() {
        for (real, expected) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-3.0, "-3.0"),
            (0.5, "0.5"),
            (9_007_199_254_740_991.0, "9007199254740991.0"),
            (f64::INFINITY, "9.0e+999"),
            (f64::NEG_INFINITY, "-9.0e+999"),
        ] {
            assert_eq!(text(real), expected);
        }
        for real in [1e300, 9_007_199_254_740_992.0, 1e15 + 0.5] {
            assert!(text(real).contains(['.', 'e']), "{}", text(real));
        }
    }

    #[test]
    fn a_short_decimal_mostly_stays_short() {
        let long = (1..4096).filter(|&cents| {
            let real = f64::from(cents) / 100.0;
            text(real).len() > 8
        });
        assert!(long.count() < 4096 / 20);
    }

    #[test]
    fn the_scale_is_a_power_of_two_and_every_product_is_exact() {
        assert_eq!(SCALE.1.parse::<f64>().unwrap().to_bits(), SCALE.0.to_bits());
        assert_eq!(SCALE.0, 2_f64.powi(-600));
        for bits in [
            1,
            2,
            0x000f_ffff_ffff_ffff,
            0x0010_0000_0000_0000,
            0x0012_3456_789a_bcde,
        ] {
            let real = f64::from_bits(bits);
            let text = text(-real);
            let (factor, scale) = text.split_once('*').unwrap();
            let product = factor.parse::<f64>().unwrap() * scale.parse::<f64>().unwrap();
            assert_eq!(product.to_bits(), (-real).to_bits(), "{text}");
        }
    }
}
