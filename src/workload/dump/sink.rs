//! Where the text goes: as it is or compressed, and counted on both sides.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::DumpFormat;

/// The dump's text, on its way to the writer.
pub enum Sink<'w> {
    Plain(Counted<'w>),
    Gzip(GzEncoder<Counted<'w>>),
}

impl<'w> Sink<'w> {
    pub fn new(format: DumpFormat, to: &'w mut dyn Write) -> Sink<'w> {
        let counted = Counted {
            to,
            bytes: 0,
            is_open: true,
        };
        match format {
            DumpFormat::Plain => Sink::Plain(counted),
            DumpFormat::Gzip { level } => {
                Sink::Gzip(GzEncoder::new(counted, Compression::new(level)))
            }
        }
    }

    /// Writes all of `text`.
    pub fn write(&mut self, text: &[u8]) -> io::Result<()> {
        match self {
            Sink::Plain(counted) => counted.write_all(text),
            Sink::Gzip(encoder) => encoder.write_all(text),
        }
    }

    /// Ends what is compressed, flushes the writer, and gives the bytes that it took.
    pub fn finish(&mut self) -> io::Result<u64> {
        if let Sink::Gzip(encoder) = self {
            encoder.try_finish()?;
        }
        let counted = self.counted();
        counted.flush()?;
        counted.is_open = false;
        Ok(counted.bytes)
    }

    fn counted(&mut self) -> &mut Counted<'w> {
        match self {
            Sink::Plain(counted) => counted,
            Sink::Gzip(encoder) => encoder.get_mut(),
        }
    }
}

/// An encoder that is dropped would end its stream, and make a whole file of half a dump.
impl Drop for Sink<'_> {
    fn drop(&mut self) {
        self.counted().is_open = false;
    }
}

/// A writer with a count of what it took. Takes everything and does nothing once it is closed.
pub struct Counted<'w> {
    to: &'w mut dyn Write,
    bytes: u64,
    is_open: bool,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_open {
            return Ok(bytes.len());
        }
        let taken = self.to.write(bytes)?;
        self.bytes += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.is_open {
            self.to.flush()
        } else {
            Ok(())
        }
    }
}
