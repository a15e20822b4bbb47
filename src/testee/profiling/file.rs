//! A raw profile's file: whole lines, through a buffer that no ledger counts as anybody's heap.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::allocator::region::Region;
use crate::profile::raw::Line;

use super::Error;

/// A longer line is written in parts.
const BUFFER_BYTES: usize = 256 * 1024;

/// Appends lines. Allocates nothing after it was created.
#[derive(Debug)]
pub(super) struct RawFile {
    path: PathBuf,
    output: Buffered,
    /// Bytes of the lines that are in the file.
    whole_bytes: u64,
}

impl RawFile {
    pub(super) fn create(path: &Path) -> Result<Self, Error> {
        let file = OpenOptions::new().append(true).create_new(true).open(path);
        Ok(RawFile {
            path: path.to_owned(),
            output: Buffered {
                file: file.map_err(Error::file(path))?,
                buffer: Region::new(BUFFER_BYTES).map_err(Error::Buffers)?,
                filled: 0,
                written_bytes: 0,
            },
            whole_bytes: 0,
        })
    }

    /// Appends to the buffer; to the file with [`Self::flush`] at the latest.
    pub(super) fn line(&mut self, line: &Line<'_>) -> Result<(), Error> {
        let written = serde_json::to_writer(&mut self.output, line)
            .map_err(io::Error::from)
            .and_then(|()| self.output.write_all(b"\n"));
        self.checked(written)
    }

    /// From here on a reader has all lines until now.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        let flushed = self.output.flush();
        self.checked(flushed)?;
        self.whole_bytes = self.output.written_bytes;
        Ok(())
    }

    /// What was flushed before stays readable, and nothing behind it is a torn line.
    fn checked(&mut self, result: io::Result<()>) -> Result<(), Error> {
        result.map_err(|cause| {
            let _ = self.output.file.set_len(self.whole_bytes);
            Error::file(&self.path)(cause)
        })
    }
}

#[derive(Debug)]
struct Buffered {
    file: File,
    buffer: Region<u8>,
    filled: usize,
    written_bytes: u64,
}

impl Write for Buffered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.filled == BUFFER_BYTES {
            self.flush()?;
        }
        let filled = self.filled;
        let fitting = bytes.len().min(BUFFER_BYTES - filled);
        self.buffer.whole()[filled..filled + fitting].copy_from_slice(&bytes[..fitting]);
        self.filled += fitting;
        Ok(fitting)
    }

    fn flush(&mut self) -> io::Result<()> {
        let filled = std::mem::take(&mut self.filled);
        self.file.write_all(&self.buffer.whole()[..filled])?;
        self.written_bytes += filled as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn stack(id: u32, addresses: &[u64]) -> Line<'_> {
        let addresses = Cow::Borrowed(addresses);
        Line::Stack { id, addresses }
    }

    #[test]
    fn a_line_longer_than_the_buffer_arrives_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("heap.jsonl");
        let mut file = RawFile::create(&path).unwrap();
        let addresses: Vec<u64> = (0..100_000).collect();
        let line = stack(7, &addresses);
        file.line(&line).unwrap();
        file.flush().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.len() > BUFFER_BYTES && text.ends_with('\n'));
        assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line);
    }

    #[test]
    fn what_could_not_be_written_leaves_no_torn_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("heap.jsonl");
        let mut file = RawFile::create(&path).unwrap();
        file.line(&stack(0, &[1])).unwrap();
        file.flush().unwrap();
        let good = std::fs::read(&path).unwrap();
        file.output.write_all(b"half a li").unwrap();
        file.output.flush().unwrap();
        let error = file.checked(Err(io::ErrorKind::StorageFull.into()));
        assert!(error.unwrap_err().to_string().contains("heap.jsonl"));
        assert_eq!(std::fs::read(&path).unwrap(), good);
    }
}
