//! The flame graphs that a run has left in its directory, each in a frame of its own, from which no
//! script reaches the page.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::super::format::unsigned_bytes;
use super::html::Html;
use crate::record::{Instrument, ScenarioRecord};
use crate::testee::profiling::raw_files;

/// A picture that is larger is left where it is.
const MOST_BYTES: u64 = 1 << 20;

/// Pictures of one scenario: the end of the file's name, and what it shows.
const PICTURES: [(&str, &str, &str); 3] = [
    ("heap", "peak", "Flame graph of the heap at its peak"),
    ("heap", "end", "Flame graph of the heap at the end"),
    ("cpu", "", "Flame graph of the CPU's time"),
];

/// What a raw profile begins with.
#[derive(Deserialize)]
struct Header {
    scenario: String,
}

/// Writes those of the scenario with this number in its run.
pub(super) fn write(out: &mut Html, scenario: &ScenarioRecord, directory: &Path, number: usize) {
    let has = |stem: &str| {
        scenario.instruments.iter().any(|one| match one {
            Instrument::HeapProfile { .. } => stem == "heap",
            Instrument::CpuProfile { .. } => stem == "cpu",
            Instrument::Dhat => false,
        })
    };
    let [heap, cpu] = raw_files(directory, number);
    for (stem, moment, title) in PICTURES {
        let raw = if stem == "heap" { &heap } else { &cpu };
        if !has(stem) || is_of_another(raw, &scenario.scenario) {
            continue;
        }
        let extension = match moment {
            "" => "svg".to_owned(),
            moment => format!("{moment}.svg"),
        };
        write_one(out, &raw.with_extension(extension), title);
    }
}

/// The raw profile is there, and says that it is another scenario's.
fn is_of_another(raw: &Path, scenario: &str) -> bool {
    header(raw).is_some_and(|header| header.scenario != scenario)
}

fn header(raw: &Path) -> Option<Header> {
    const LONGEST: u64 = 1 << 20;
    let mut line = String::new();
    let file = File::open(raw).ok()?;
    io::BufRead::read_line(&mut io::BufReader::new(file.take(LONGEST)), &mut line).ok()?;
    serde_json::from_str(&line).ok()
}

fn write_one(out: &mut Html, file: &Path, title: &str) {
    let Ok(metadata) = fs::metadata(file) else {
        return;
    };
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    if metadata.len() > MOST_BYTES {
        let text = format!(
            "{title} is not in this page: {name} is {}; it is beside the record.",
            unsigned_bytes(metadata.len())
        );
        out.paragraph("note", text);
        return;
    }
    let picture = match fs::read(file) {
        Ok(picture) => picture,
        Err(error) => {
            out.paragraph("note", format_args!("{title}: cannot read {name}: {error}"));
            return;
        }
    };
    let height = height(&picture).unwrap_or(600).clamp(200, 1600).to_string();
    let address = format!("data:image/svg+xml;base64,{}", STANDARD.encode(picture));
    out.raw("<details class=\"flame\"><summary>")
        .text(title)
        .raw("</summary>\n");
    // Loaded when it is opened: a flame graph measures the frame that it is in.
    let attributes = [
        ("sandbox", "allow-scripts"),
        ("title", title),
        ("height", height.as_str()),
        ("data-src", address.as_str()),
    ];
    out.open("iframe", &attributes).raw("</iframe>");
    out.raw("<noscript>")
        .text("It needs scripts.")
        .raw("</noscript></details>\n");
}

/// Of an SVG, in pixels, with room for the frame.
fn height(picture: &[u8]) -> Option<u32> {
    const FRAME: u32 = 6;
    let head = &picture[..picture.len().min(2000)];
    let head = String::from_utf8_lossy(head);
    let (_, rest) = head.split_once("<svg ")?;
    let (_, rest) = rest.split_once(" height=\"")?;
    let (height, _) = rest.split_once('"')?;
    height.parse::<u32>().ok()?.checked_add(FRAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_as_high_as_its_picture() {
        let picture = br#"<?xml version="1.0"?><svg version="1.1" width="1200" height="534" onload="init(evt)">"#;
        assert_eq!(height(picture), Some(540));
        assert_eq!(height(b"<svg width=\"5\">"), None);
        assert_eq!(height(b"<svg height=\"100%\">"), None);
    }
}
