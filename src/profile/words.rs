//! Numbers for people, in titles and tables.

use super::moments::Quantity;
use super::raw::{Side, Source};
use super::scale::Accuracy;
use super::view::Profile;
use crate::record::HeapSource;

/// `1.5 MiB`, `12.0 KiB`, `0`.
pub(super) fn bytes(bytes: u64) -> String {
    match bytes {
        0 => "0".to_owned(),
        1..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

/// Bytes of a heap; of a CPU profile samples.
pub(super) fn value(source: Source, value: u64) -> String {
    match source {
        Source::Heap { .. } => bytes(value),
        Source::Cpu { interval_ns } => seconds(value.saturating_mul(interval_ns)),
    }
}

/// With its sign: `+1.5 MiB`, `-3.0 MiB`, `0`; of what is no bytes a number.
pub(super) fn signed(unit: &str, value: i128) -> String {
    let size = u64::try_from(value.unsigned_abs()).unwrap_or(u64::MAX);
    let sign = match value {
        0 => "",
        1.. => "+",
        _ => "-",
    };
    match unit {
        "bytes" => format!("{sign}{}", bytes(size)),
        _ => format!("{sign}{size}"),
    }
}

/// `12.34 s`
pub(super) fn seconds(nanoseconds: u64) -> String {
    format!("{:.2} s", nanoseconds as f64 / 1e9)
}

/// `61.3 %`; nothing of nothing.
pub(super) fn share(part: u64, whole: u64) -> String {
    match whole {
        0 => String::new(),
        _ => format!("{:.1} %", 100.0 * part as f64 / whole as f64),
    }
}

/// Whose.
pub(super) fn side(side: Side) -> &'static str {
    match side {
        Side::Sqlite => "SQLite",
        Side::Rust => "Rust",
        Side::Unknown => "all",
    }
}

/// The beginning of a text that is wider than this many columns.
pub(super) fn cut(text: &str, columns: usize) -> String {
    match text.char_indices().nth(columns) {
        None => text.to_owned(),
        Some(_) => {
            let start: String = text.chars().take(columns.saturating_sub(1)).collect();
            format!("{start}…")
        }
    }
}

/// What each side's numbers rest on, a line each.
pub(super) fn accuracy(profile: &Profile, quantity: Quantity) -> Vec<String> {
    let lines = profile.accuracy(quantity).map(|one| match profile.source {
        Source::Heap { .. } => of_side(one),
        Source::Cpu { interval_ns } => format!(
            "{} samples, {} of CPU time: one every {} ms of a running thread",
            one.unscaled.blocks,
            seconds(one.unscaled.bytes),
            interval_ns as f64 / 1e6
        ),
    });
    lines.collect()
}

fn of_side(one: &Accuracy) -> String {
    let name = side(one.side);
    let samples = match one.samples {
        Some(samples) => format!("{samples} samples"),
        None => "samples".to_owned(),
    };
    let error = bytes(one.standard_error_bytes().round() as u64);
    let estimate = bytes(one.unscaled.bytes);
    match one.exact {
        Some(exact) => format!(
            "{name}: {} counted in {} blocks; {samples} came to {estimate} before they were scaled to that, \
             with a standard error of at most {error}",
            bytes(exact.bytes),
            exact.blocks
        ),
        None => format!(
            "{name}: {samples} come to {estimate}, with a standard error of at most {error}; nothing was \
             counted, so nothing is scaled"
        ),
    }
}

/// What makes the profile worth less than it looks.
pub(super) fn warnings(profile: &Profile, quantity: Quantity) -> Vec<String> {
    let misfits = profile.accuracy(quantity).filter(|one| one.misfits());
    let misfits = misfits.map(|one| {
        format!(
            "WARNING: the samples of {}'s heap do not fit what was counted: {} where {} is right, more than 4 \
             standard errors apart; do not rely on this profile",
            side(one.side),
            bytes(one.unscaled.bytes),
            bytes(one.shown().bytes)
        )
    });
    let lost = (profile.lost > 0).then(|| match profile.source {
        Source::Heap { .. } => format!(
            "WARNING: {} samples found no room and are missing",
            profile.lost
        ),
        Source::Cpu { .. } => format!(
            "WARNING: {} samples are missing: they were due while another one was taken",
            profile.lost
        ),
    });
    let absent = profile.absent.iter().map(|why| format!("no names: {why}"));
    misfits.chain(lost).chain(absent).collect()
}

/// How it was sampled.
pub(super) fn source(source: Source) -> String {
    match source {
        Source::Heap { by, interval_bytes } => {
            let by = match by {
                HeapSource::Sampled => "",
                HeapSource::Jemalloc => " by jemalloc",
            };
            format!("sampled{by} every {}", bytes(interval_bytes))
        }
        Source::Cpu { interval_ns } => {
            format!("sampled every {:.2} ms", interval_ns as f64 / 1e6)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_keep_to_their_units_and_columns() {
        assert_eq!((bytes(0), bytes(6144)), ("0".into(), "6.0 KiB".into()));
        assert_eq!(bytes(3 << 20), "3.0 MiB");
        assert_eq!(share(1, 0), "");
        let cpu = Source::Cpu {
            interval_ns: 10_000_000,
        };
        assert_eq!(value(cpu, 250), "2.50 s");
        assert_eq!(cut("SELECT ä", 8), "SELECT ä");
        assert_eq!(cut("SELECT äö", 8), "SELECT …");
    }
}
