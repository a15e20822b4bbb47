//! Numbers for people. Records never come here.

/// `1.5 MiB`, `12.0 KiB`, `-3.0 MiB`, `0`.
pub fn bytes(bytes: i64) -> String {
    let size = bytes.unsigned_abs() as f64;
    match bytes {
        0 => "0".to_owned(),
        _ if size < 1024.0 * 1024.0 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1048576.0),
    }
}

/// [`bytes`] of what cannot be negative.
pub fn unsigned_bytes(count: u64) -> String {
    bytes(i64::try_from(count).unwrap_or(i64::MAX))
}

/// [`bytes`] with its sign: `+1.5 MiB`, `-3.0 MiB`, `0`.
pub fn signed_bytes(count: i64) -> String {
    let sign = if count > 0 { "+" } else { "" };
    format!("{sign}{}", bytes(count))
}

/// `10,000,000`
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// [`count`] with its sign: `+12`, `-3`, `0`.
pub fn signed_count(number: i64) -> String {
    let sign = match number {
        0 => "",
        1.. => "+",
        _ => "-",
    };
    format!("{sign}{}", count(number.unsigned_abs()))
}

/// MiB without the unit: `1,429.9`, `-0.3`.
pub fn mebibytes(bytes: i64) -> String {
    let tenths = (bytes as f64 / 1048576.0 * 10.0).round() as i64;
    let sign = if tenths < 0 { "-" } else { "" };
    let tenths = tenths.unsigned_abs();
    format!("{sign}{}.{}", count(tenths / 10), tenths % 10)
}

/// `12 ms`, `20.8 s`, `3 m 20 s`.
pub fn nanoseconds(time: u64) -> String {
    let seconds = time as f64 / 1e9;
    if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1e3)
    } else if seconds < 120.0 {
        format!("{seconds:.1} s")
    } else {
        format!(
            "{} m {:02} s",
            time / 60_000_000_000,
            time / 1_000_000_000 % 60
        )
    }
}

/// A part of `whole` as a percentage: `61.3 %`.
pub fn share(part: i64, whole: i64) -> String {
    if whole == 0 {
        String::new()
    } else {
        format!("{:.1} %", 100.0 * part as f64 / whole as f64)
    }
}

/// A bar of `width` columns, in eighths of a column; nothing for what is not positive.
pub fn bar(part: i64, whole: i64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if part <= 0 || whole <= 0 {
        return " ".repeat(width);
    }
    let most = width * 8;
    let eighths = ((part as f64 / whole as f64 * most as f64).round() as usize).clamp(1, most);
    let text = "█".repeat(eighths / 8) + EIGHTHS[eighths % 8];
    format!("{text:<width$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(bytes(0), "0");
        assert_eq!(bytes(6144), "6.0 KiB");
        assert_eq!(bytes(-(3 << 20)), "-3.0 MiB");
        assert_eq!(count(7), "7");
        assert_eq!(count(1_112_064), "1,112,064");
        assert_eq!(signed_count(1200), "+1,200");
        assert_eq!(
            (signed_count(0), signed_count(-3)),
            ("0".into(), "-3".into())
        );
        assert_eq!(signed_bytes(3 << 20), "+3.0 MiB");
        assert_eq!(mebibytes(1500 << 20), "1,500.0");
        assert_eq!(mebibytes(-(300 << 10)), "-0.3");
        assert_eq!(mebibytes(-1), "0.0");
        assert_eq!(nanoseconds(12_000_000), "12 ms");
        assert_eq!(nanoseconds(200_000_000_000), "3 m 20 s");
        assert_eq!(share(1, 0), "");
    }

    #[test]
    fn a_bar_is_as_wide_as_asked_and_never_wider() {
        for part in [-5, 0, 1, 33, 50, 99, 100, 250] {
            assert_eq!(bar(part, 100, 10).chars().count(), 10, "{part}");
        }
        assert_eq!(bar(50, 100, 4), "██  ");
    }
}
