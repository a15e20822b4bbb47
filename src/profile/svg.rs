//! Flamegraphs: who allocated is as wide as what it allocated, and coloured by whose code it is.

use std::io::{self, Write};

use inferno::flamegraph::color::{BackgroundColor, Color, PaletteMap};
use inferno::flamegraph::{self, Options, TextTruncateDirection};

use super::folded::Folded;
use super::moments::Quantity;
use super::raw::Source;
use super::view::Profile;
use super::words;

/// What is written around a picture.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caption {
    /// In the first line.
    pub title: String,
    /// In the second.
    pub subtitle: String,
    /// Of the numbers: `bytes`, `samples`.
    pub unit: String,
}

/// In percent of the picture; narrower frames are left out.
const LEAST_WIDTH: f64 = 0.05;

impl Caption {
    /// Of one quantity of a profile.
    pub fn of(profile: &Profile, quantity: Quantity) -> Caption {
        let Profile {
            scenario,
            when,
            source,
            ..
        } = profile;
        let (title, unit) = match (source, quantity) {
            (Source::Cpu { .. }, _) => (format!("{scenario}: CPU time"), "samples"),
            (_, Quantity::Peak) => (format!("{scenario}: live at the peak"), "bytes"),
            (_, Quantity::Total) => (format!("{scenario}: ever allocated"), "bytes"),
            (_, Quantity::Now) => (format!("{scenario}: live at {when}"), "bytes"),
        };
        let mut parts: Vec<String> = profile
            .accuracy(quantity)
            .map(|one| match source {
                Source::Heap { .. } => {
                    format!(
                        "{} {}",
                        words::side(one.side),
                        words::bytes(one.shown().bytes)
                    )
                }
                Source::Cpu { .. } => words::seconds(one.unscaled.bytes),
            })
            .collect();
        let samples: Option<u64> = profile.accuracy(quantity).map(|one| one.samples).sum();
        parts.extend(samples.map(|samples| format!("{samples} samples")));
        parts.push(words::source(*source));
        parts.extend(
            profile
                .accuracy(quantity)
                .any(|one| one.misfits())
                .then(|| "WARNING: the samples do not fit what was counted".to_owned()),
        );
        parts.push("green SQL, blue SQLite, orange Rust, grey other".to_owned());
        Caption {
            title,
            subtitle: parts.join(" · "),
            unit: unit.to_owned(),
        }
    }
}

fn options<'a>(caption: &Caption) -> Options<'a> {
    let mut options = Options::default();
    options.title.clone_from(&caption.title);
    options.subtitle = Some(caption.subtitle.clone());
    options.count_name.clone_from(&caption.unit);
    options.min_width = LEAST_WIDTH;
    options.text_truncate_direction = TextTruncateDirection::Right;
    options.bgcolors = Some(BackgroundColor::Flat(Color {
        r: 250,
        g: 250,
        b: 250,
    }));
    options
}

/// Draws them.
///
/// # Errors
/// There is nothing to draw, or `out` cannot be written.
pub fn write(folded: &Folded, caption: &Caption, out: impl Write) -> io::Result<()> {
    let mut palette = PaletteMap::default();
    for (name, code) in &folded.codes {
        palette.insert(name, code.colour(name));
    }
    // The frame below all others.
    palette.insert(
        "",
        Color {
            r: 225,
            g: 225,
            b: 225,
        },
    );
    let mut options = options(caption);
    options.palette_map = Some(&mut palette);
    flamegraph::from_lines(&mut options, folded.text().lines(), out)
}

/// Draws `lines` that have two numbers: red is what has grown, blue what has shrunk, and white what has
/// stayed.
///
/// # Errors
/// There is nothing to draw, or `out` cannot be written.
pub(super) fn write_difference(lines: &str, caption: &Caption, out: impl Write) -> io::Result<()> {
    let mut options = options(caption);
    // White must show: it is what has stayed.
    options.bgcolors = Some(BackgroundColor::Flat(Color {
        r: 215,
        g: 215,
        b: 215,
    }));
    flamegraph::from_lines(&mut options, lines.lines(), out)
}
