//! Appending to a record, so that it is readable at every moment.
//!
//! A line is encoded first and then handed to the file in one `write`. Where the file system takes
//! only a part of it, that part is cut off again: a record ends with a complete line.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Line, SCHEMA_VERSION};

/// The line buffer is given back to this size after an unusually long line.
const BUFFER_BYTES: usize = 64 * 1024;

/// Why a line could not be appended.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The file could not be created; nothing was written.
    #[error("cannot create the record {}: {cause}", path.display())]
    Create {
        /// The record.
        path: PathBuf,
        /// The system's words.
        cause: io::Error,
    },
    /// The file took the line in part or not at all. What was there before is kept.
    #[error(
        "cannot write to the record {}: {cause}; its first {lines} lines are complete and kept",
        path.display()
    )]
    Write {
        /// The record.
        path: PathBuf,
        /// Complete lines in it.
        lines: u64,
        /// The system's words.
        cause: io::Error,
    },
    /// An earlier line could not be taken back; appending would glue two lines together.
    #[error(
        "the record {} ends in a cut-off line after {lines} complete ones; nothing more is appended",
        path.display()
    )]
    Torn {
        /// The record.
        path: PathBuf,
        /// Complete lines in it.
        lines: u64,
    },
}

/// What a [`Writer`] writes to: a file, or a test's stand-in for one that fills up.
pub trait Sink: Write {
    /// Drops everything past the first `bytes` bytes.
    fn cut_to(&mut self, bytes: u64) -> io::Result<()>;
}

impl Sink for File {
    fn cut_to(&mut self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)
    }
}

/// Appends lines to a record. Holds one line, however long the run.
#[derive(Debug)]
pub struct Writer<S = File> {
    sink: S,
    path: PathBuf,
    buffer: Vec<u8>,
    complete_bytes: u64,
    lines: u64,
    torn: bool,
}

impl Writer<File> {
    /// A new record at `path`, which must not exist.
    pub fn create(path: &Path) -> Result<Self, WriteError> {
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(path)
            .map_err(|cause| WriteError::Create {
                path: path.to_owned(),
                cause,
            })?;
        Ok(Writer::over(file, path))
    }
}

impl<S: Sink> Writer<S> {
    /// A record in `sink`, which is empty; `path` is for messages.
    pub fn over(sink: S, path: &Path) -> Self {
        Writer {
            sink,
            path: path.to_owned(),
            buffer: Vec::with_capacity(BUFFER_BYTES),
            complete_bytes: 0,
            lines: 0,
            torn: false,
        }
    }

    /// Appends `line`. On an error the record ends with the line before, and can be appended to
    /// again when there is room.
    pub fn append(&mut self, line: &Line) -> Result<(), WriteError> {
        if self.torn {
            return Err(WriteError::Torn {
                path: self.path.clone(),
                lines: self.lines,
            });
        }
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES);
        let written = encode(line, &mut self.buffer)
            .map_err(io::Error::from)
            .and_then(|()| self.sink.write_all(&self.buffer))
            .and_then(|()| self.sink.flush());
        if let Err(cause) = written {
            self.torn = self.sink.cut_to(self.complete_bytes).is_err();
            return Err(WriteError::Write {
                path: self.path.clone(),
                lines: self.lines,
                cause,
            });
        }
        self.complete_bytes += self.buffer.len() as u64;
        self.lines += 1;
        Ok(())
    }

    /// Complete lines so far.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Where the record is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[derive(Serialize)]
struct Versioned<'a> {
    schema_version: u32,
    #[serde(flatten)]
    line: &'a Line,
}

/// Appends `line` and its line end to `buffer`, as it stands in a record and as it travels from
/// testee to harness.
pub fn encode(line: &Line, buffer: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    serde_json::to_writer(
        &mut *buffer,
        &Versioned {
            schema_version: SCHEMA_VERSION,
            line,
        },
    )?;
    buffer.push(b'\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{ErrorRecord, Reader};

    /// A file system with `room` bytes that takes what fits and then says that it is full.
    #[derive(Debug, Default)]
    struct Disk {
        bytes: Vec<u8>,
        room: usize,
        writes: u32,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.writes += 1;
            let fits = bytes.len().min(self.room - self.bytes.len());
            if fits == 0 {
                return Err(io::Error::from_raw_os_error(libc::ENOSPC));
            }
            self.bytes.extend_from_slice(&bytes[..fits]);
            Ok(fits)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Sink for Disk {
        fn cut_to(&mut self, bytes: u64) -> io::Result<()> {
            self.bytes
                .truncate(usize::try_from(bytes).map_err(io::Error::other)?);
            Ok(())
        }
    }

    fn error(message: &str) -> Line {
        Line::Error(ErrorRecord {
            scenario: None,
            what: "io".into(),
            message: message.into(),
        })
    }

    fn read(bytes: &[u8]) -> Vec<Line> {
        Reader::over(bytes, "test")
            .collect::<Result<_, _>>()
            .unwrap()
    }

    #[test]
    fn a_line_is_one_write_and_carries_version_and_kind() {
        let disk = Disk {
            room: 1000,
            ..Disk::default()
        };
        let mut writer = Writer::over(disk, Path::new("r"));
        writer.append(&error("a")).unwrap();
        assert_eq!(writer.sink.writes, 1);
        let text = String::from_utf8(writer.sink.bytes).unwrap();
        assert_eq!(
            text,
            "{\"schema_version\":1,\"kind\":\"error\",\"what\":\"io\",\"message\":\"a\"}\n"
        );
    }

    #[test]
    fn a_full_disk_leaves_the_lines_before_it_and_no_piece_of_the_next() {
        let disk = Disk {
            room: 150,
            ..Disk::default()
        };
        let mut writer = Writer::over(disk, Path::new("r"));
        writer.append(&error("a")).unwrap();
        writer.append(&error("b")).unwrap();
        let failed = writer.append(&error("c")).unwrap_err();
        assert!(
            matches!(failed, WriteError::Write { lines: 2, .. }),
            "{failed}"
        );
        assert_eq!(read(&writer.sink.bytes), [error("a"), error("b")]);
        assert_eq!(writer.sink.bytes.last(), Some(&b'\n'));

        writer.sink.room = 1000;
        writer.append(&error("d")).unwrap();
        assert_eq!(
            read(&writer.sink.bytes),
            [error("a"), error("b"), error("d")]
        );
    }

    #[test]
    fn a_device_that_is_full_is_an_error_that_names_it() {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut writer = Writer::over(full, Path::new("/dev/full"));
        let failed = writer.append(&error("a")).unwrap_err().to_string();
        assert!(
            failed.contains("/dev/full") && failed.contains("first 0 lines"),
            "{failed}"
        );
        assert!(matches!(
            writer.append(&error("b")),
            Err(WriteError::Torn { .. })
        ));
    }

    #[test]
    fn a_record_is_never_written_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("record.jsonl");
        Writer::create(&path).unwrap().append(&error("a")).unwrap();
        assert!(matches!(
            Writer::create(&path),
            Err(WriteError::Create { .. })
        ));
        assert_eq!(read(&std::fs::read(&path).unwrap()), [error("a")]);
    }
}
