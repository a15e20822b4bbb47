//! How values are written for people: bytes in B, KiB, MiB and GiB, blocks in thousands.

use criterion::Throughput;
use criterion::measurement::ValueFormatter;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Bytes,
    Blocks,
}

/// From this on, what is divided by, and the names of the units: of a value, of a value for each
/// element, for each byte and for each bit.
type Scale = (f64, [&'static str; 4]);

const BYTES: [Scale; 4] = [
    (1.0, ["B", "B/elem", "B/B", "B/b"]),
    (1024.0, ["KiB", "KiB/elem", "KiB/B", "KiB/b"]),
    (1_048_576.0, ["MiB", "MiB/elem", "MiB/B", "MiB/b"]),
    (1_073_741_824.0, ["GiB", "GiB/elem", "GiB/B", "GiB/b"]),
];

const BLOCKS: [Scale; 4] = [
    (1.0, ["blocks", "blocks/elem", "blocks/B", "blocks/b"]),
    (1e3, ["Kblocks", "Kblocks/elem", "Kblocks/B", "Kblocks/b"]),
    (1e6, ["Mblocks", "Mblocks/elem", "Mblocks/B", "Mblocks/b"]),
    (1e9, ["Gblocks", "Gblocks/elem", "Gblocks/B", "Gblocks/b"]),
];

impl Unit {
    fn scale(self, typical: f64) -> Scale {
        let scales = match self {
            Unit::Bytes => BYTES,
            Unit::Blocks => BLOCKS,
        };
        let fits = |(from, _): &&Scale| typical.abs() >= *from;
        *scales.iter().rev().find(fits).unwrap_or(&scales[0])
    }
}

impl ValueFormatter for Unit {
    fn format_value(&self, value: f64) -> String {
        // Whole bytes as they are, and what stands for nothing as nothing.
        let (divisor, names) = self.scale(value);
        let digits = if divisor > 1.0 { 3 } else { 0 };
        format!("{:.digits$} {}", value / divisor, names[0])
    }

    fn scale_values(&self, typical: f64, values: &mut [f64]) -> &'static str {
        let (divisor, names) = self.scale(typical);
        values.iter_mut().for_each(|value| *value /= divisor);
        names[0]
    }

    fn scale_throughputs(
        &self,
        typical: f64,
        throughput: &Throughput,
        values: &mut [f64],
    ) -> &'static str {
        let (of, name) = match *throughput {
            Throughput::Elements(count) => (count, 1),
            Throughput::ElementsAndBytes { elements, .. } => (elements, 1),
            Throughput::Bytes(count) | Throughput::BytesDecimal(count) => (count, 2),
            Throughput::Bits(count) => (count, 3),
        };
        let of = of.max(1) as f64;
        let (divisor, names) = self.scale(typical / of);
        values.iter_mut().for_each(|value| *value /= of * divisor);
        names[name]
    }

    fn scale_for_machines(&self, _: &mut [f64]) -> &'static str {
        match self {
            Unit::Bytes => "bytes",
            Unit::Blocks => "blocks",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_in_binary_units_and_nothing_as_nothing() {
        let shown = |value| Unit::Bytes.format_value(value).trim().to_owned();
        assert_eq!(shown(super::super::NOTHING), "0 B");
        assert_eq!(shown(1000.0), "1000 B");
        assert_eq!(shown(1536.0), "1.500 KiB");
        assert_eq!(shown(80.0 * 1024.0 * 1024.0), "80.000 MiB");
        assert_eq!(shown(4.0 * 1024.0 * 1024.0 * 1024.0), "4.000 GiB");
        assert_eq!(Unit::Blocks.format_value(2_500.0).trim(), "2.500 Kblocks");
    }

    #[test]
    fn a_throughput_is_what_an_element_takes() {
        let rows = Throughput::Elements(1000);
        let shown = Unit::Bytes.format_throughput(&rows, 2_140_000.0);
        assert_eq!(shown.trim(), "2.0898 KiB/elem");
        let of_input = Unit::Bytes.format_throughput(&Throughput::Bytes(0), 5.0);
        assert_eq!(of_input.trim(), "5.0000 B/B");
    }

    #[test]
    fn machines_read_plain_bytes() {
        let mut values = [1024.0];
        assert_eq!(Unit::Bytes.scale_for_machines(&mut values), "bytes");
        assert_eq!(values, [1024.0]);
    }
}
