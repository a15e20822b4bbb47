//! As much of a record as can be read, with what is missing in words.

use std::io::BufRead;

use super::{Line, Notes, ReadError, Reader};

/// How far a record could be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readable {
    /// Lines that were understood.
    pub lines: u64,
    /// What was passed over, and why there is no more.
    pub notes: Vec<String>,
}

impl<R: BufRead> Reader<R> {
    /// Hands every line to `see`, up to the first that cannot be read, which a note names.
    ///
    /// # Errors
    /// Not even the first line can be read.
    pub fn read_readable(mut self, mut see: impl FnMut(Line)) -> Result<Readable, ReadError> {
        let mut readable = Readable::default();
        loop {
            match self.next() {
                None => break,
                Some(Ok(line)) => {
                    readable.lines += 1;
                    see(line);
                }
                Some(Err(error)) if readable.lines == 0 => return Err(error),
                Some(Err(error)) => {
                    let note = format!("read up to here, and no further: {error}");
                    readable.notes.push(note);
                    break;
                }
            }
        }
        readable.notes.extend(words(self.notes()));
        Ok(readable)
    }
}

fn words(notes: &Notes) -> impl Iterator<Item = String> {
    let Notes {
        skipped,
        first_unknown_kind,
        cut_off_line,
    } = notes;
    let unknown = first_unknown_kind.as_ref().map(|kind| {
        format!(
            "{skipped} lines of kinds that this version does not know were passed over, the first of \
             kind {kind:?}: a later version wrote them"
        )
    });
    let cut_off = cut_off_line.map(|number| {
        format!(
            "the last line, {number}, is cut off: whoever wrote it was stopped in the middle of it; \
             everything before it is here"
        )
    });
    unknown.into_iter().chain(cut_off)
}
