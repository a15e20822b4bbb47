//! What a scenario was profiled by, in words.

use super::format::{count, unsigned_bytes};
use crate::record::{HeapSource, Instrument};

/// `profiled: heap, sampled every 512 KiB; CPU, 199 times a second`; nothing where nothing was.
pub fn words(instruments: &[Instrument]) -> Option<String> {
    let parts: Vec<String> = instruments.iter().filter_map(part).collect();
    (!parts.is_empty()).then(|| format!("profiled: {}", parts.join("; ")))
}

fn part(instrument: &Instrument) -> Option<String> {
    match instrument {
        Instrument::Dhat => None,
        Instrument::HeapProfile {
            source,
            interval_bytes,
        } => {
            let by = match source {
                HeapSource::Sampled => "sampled",
                HeapSource::Jemalloc => "sampled by jemalloc",
            };
            let interval = unsigned_bytes(*interval_bytes).replace(".0 ", " ");
            Some(format!("heap, {by} every {interval}"))
        }
        Instrument::CpuProfile { hertz } => {
            Some(format!("CPU, {} times a second", count((*hertz).into())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profilers_are_told_with_how_often_they_sample() {
        let heap = |source| Instrument::HeapProfile {
            source,
            interval_bytes: 512 * 1024,
        };
        let both = [
            heap(HeapSource::Sampled),
            Instrument::CpuProfile { hertz: 99 },
        ];
        let text = "profiled: heap, sampled every 512 KiB; CPU, 99 times a second";
        assert_eq!(words(&both).as_deref(), Some(text));
        let text = words(&[heap(HeapSource::Jemalloc)]).unwrap();
        assert!(text.contains("by jemalloc"), "{text}");
        assert_eq!(words(&[Instrument::Dhat]), None);
    }
}
