//! Profiles: what a testee's samplers wrote, and what becomes of it.
//!
//! A testee appends to a raw file ([`raw`]) as it goes, so that a killed one leaves its profile until then.
//! From it come the pprof file, collapsed stacks and pictures, symbolized after the testee has ended:
//! [`read`] replays it, [`view`] is the profile at one of its [`moments`] with names and scaled numbers, and
//! every output is made of that, so that all hold the same totals.

pub mod code;
pub mod diff;
mod elf;
mod error;
pub mod folded;
mod modules;
pub mod moments;
mod paths;
mod plumbing;
pub mod pprof;
mod proto;
pub mod raw;
pub mod read;
pub mod scale;
pub mod summary;
pub mod svg;
mod symbols;
pub mod view;
mod words;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub use error::Error;
pub use modules::modules;

use folded::Folded;
use moments::When;
use raw::{Line, Source};
use read::Raw;
use svg::Caption;
use view::{Named, Profile};

use crate::whole_file;

/// What [`finish`] made of a raw profile.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The files it wrote, the one to open first in front.
    pub files: Vec<PathBuf>,
    /// For a terminal: what the profile shows, some lines.
    pub summary: String,
}

/// Symbolizes the raw profile `raw` (`heap.jsonl`, `cpu-1.jsonl`), appends the symbols to it, and writes what
/// is made of it beside it. A second time it writes the same again.
///
/// # Errors
/// The file cannot be read, holds no sample, or its neighbours cannot be written.
pub fn finish(raw: &Path) -> io::Result<Finished> {
    Ok(finish_file(raw)?)
}

fn finish_file(path: &Path) -> Result<Finished, Error> {
    let raw = Raw::read(path)?;
    let found = symbols::look_up(&raw);
    append(&raw, &found.frames).map_err(Error::file(path, "append the symbols to"))?;
    let named = Named::with(&raw, found);
    let end = named.at(&When::End)?;
    let mut files = Vec::new();
    match raw.header.source {
        Source::Heap { .. } => {
            for when in [When::Peak, When::End, When::Total] {
                let profile = named.at(&when)?;
                draw(path, &format!("{when}."), &profile, &mut files)?;
            }
        }
        Source::Cpu { .. } => draw(path, "", &end, &mut files)?,
    }
    if files.is_empty() {
        return Err(Error::unusable(
            path,
            "no sample was taken, so there is nothing to draw",
        ));
    }
    let pprof_file = beside(path, "pb.gz");
    write_whole(&pprof_file, |out| pprof::write(&end, out))?;
    files.push(pprof_file);
    // A picture first.
    files.sort_by_key(|file| file.extension().is_none_or(|extension| extension != "svg"));
    Ok(Finished {
        files,
        summary: summary::text(&end),
    })
}

/// Collapsed stacks and a picture, where there is anything in them.
fn draw(
    path: &Path,
    moment: &str,
    profile: &Profile,
    files: &mut Vec<PathBuf>,
) -> Result<(), Error> {
    let quantity = profile.quantity();
    let folded = Folded::of(profile, quantity);
    if folded.total() == 0 {
        return Ok(());
    }
    let collapsed = beside(path, &format!("{moment}collapsed"));
    write_whole(&collapsed, |out| out.write_all(folded.text().as_bytes()))?;
    let picture = beside(path, &format!("{moment}svg"));
    let caption = Caption::of(profile, quantity);
    write_whole(&picture, |out| svg::write(&folded, &caption, out))?;
    files.extend([picture, collapsed]);
    Ok(())
}

/// `heap.jsonl` to `heap.peak.svg`.
fn beside(raw: &Path, extension: &str) -> PathBuf {
    raw.with_extension(extension)
}

/// Writes a file whole or not at all, over what is there.
///
/// # Errors
/// It cannot be written; then what was there is still there.
pub fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Error> {
    whole_file::write(path, write).map_err(Error::file(path, "write"))
}

/// Appends the symbols to the raw profile, behind its last whole line.
fn append(raw: &Raw, frames: &[raw::Symbolized]) -> io::Result<()> {
    if frames.is_empty() {
        return Ok(());
    }
    let frames = frames.to_vec();
    let mut line = match raw.ends_line {
        true => Vec::new(),
        false => vec![b'\n'],
    };
    serde_json::to_writer(&mut line, &Line::Symbols { frames })?;
    line.push(b'\n');
    let mut file = OpenOptions::new().append(true).open(&raw.path)?;
    file.set_len(raw.good_bytes as u64)?;
    file.write_all(&line)
}
