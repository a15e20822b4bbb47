//! Sizes and times as people write them: `600MiB`, `1.5GB`, `10m`, `500ms`.

use std::time::Duration;

/// A size or a time that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A number without a unit, or with one that is none.
    #[error(
        "{text:?} is no {what}; write a number with one of the units {units}, such as {example}"
    )]
    Unreadable {
        /// As written.
        text: String,
        /// `size` or `time`.
        what: &'static str,
        /// All of them.
        units: &'static str,
        /// A good one.
        example: &'static str,
    },
    /// Nothing could stay below it.
    #[error("{text:?} is too small; it takes at least 1 {unit}")]
    TooSmall {
        /// As written.
        text: String,
        /// The smallest unit.
        unit: &'static str,
    },
    /// Past 64 bits.
    #[error("{0:?} is more than 64 bits can hold")]
    TooLarge(String),
}

const SIZES: [(&str, f64); 9] = [
    ("b", 1.0),
    ("kib", 1024.0),
    ("mib", 1048576.0),
    ("gib", 1073741824.0),
    ("tib", 1099511627776.0),
    ("kb", 1e3),
    ("mb", 1e6),
    ("gb", 1e9),
    ("tb", 1e12),
];

const TIMES: [(&str, f64); 4] = [("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9)];

/// Bytes; KiB and its like are powers of 1024, KB and its like of 1000. The unit is a must.
pub fn size(text: &str) -> Result<u64, Error> {
    let unreadable = || Error::Unreadable {
        text: text.to_owned(),
        what: "size",
        units: "B, KiB, MiB, GiB, TiB, KB, MB, GB, TB",
        example: "600MiB",
    };
    scaled(text, &SIZES, "B", unreadable)
}

/// A span of time, at least a nanosecond. The unit is a must.
pub fn time(text: &str) -> Result<Duration, Error> {
    let unreadable = || Error::Unreadable {
        text: text.to_owned(),
        what: "time",
        units: "ms, s, m, h",
        example: "10m",
    };
    scaled(text, &TIMES, "ns", unreadable).map(Duration::from_nanos)
}

fn scaled(
    text: &str,
    units: &[(&str, f64)],
    smallest: &'static str,
    unreadable: impl Fn() -> Error,
) -> Result<u64, Error> {
    let text = text.trim();
    let split = text
        .find(|c: char| c.is_ascii_alphabetic())
        .ok_or_else(&unreadable)?;
    let (number, unit) = (
        text[..split].trim().replace('_', ""),
        text[split..].to_lowercase(),
    );
    if !number.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return Err(unreadable());
    }
    let number: f64 = number.parse().map_err(|_| unreadable())?;
    let factor = units
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(&unreadable)?
        .1;
    let value = number * factor;
    if value < 1.0 {
        Err(Error::TooSmall {
            text: text.to_owned(),
            unit: smallest,
        })
    } else if value >= u64::MAX as f64 {
        Err(Error::TooLarge(text.to_owned()))
    } else {
        Ok(value as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_carry_their_units() {
        assert_eq!(size("600MiB"), Ok(600 << 20));
        assert_eq!(size("1.5 gb"), Ok(1_500_000_000));
        assert_eq!(size("1_000B"), Ok(1000));
        assert_eq!(time("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(time("250ms"), Ok(Duration::from_millis(250)));
    }

    #[test]
    fn a_number_without_a_unit_is_neither_size_nor_time() {
        for text in [
            "600", "600 M", "MiB", "-1MiB", "1e3B", "", "600MiBs", "NaNMiB", "infs",
        ] {
            assert!(
                matches!(size(text), Err(Error::Unreadable { .. })),
                "{text}"
            );
        }
        assert!(matches!(time("10"), Err(Error::Unreadable { .. })));
        assert!(matches!(time("10MiB"), Err(Error::Unreadable { .. })));
        assert!(matches!(size("0MiB"), Err(Error::TooSmall { .. })));
        assert!(matches!(size("99999999TiB"), Err(Error::TooLarge(_))));
    }
}
