//! Reading the kernel's text files without allocating.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use crate::allocator::region::Region;

/// Bytes of one read. The kernel writes records into a page of its own until the read is full, and
/// what does not fit into the page it throws away and makes again: in `smaps` that is a second walk
/// over all pages of a mapping, often of the heap. From half a page on it never begins such a record.
const MOST_AT_ONCE: usize = 2048;

/// A file under `/proc`, kept open, read from its start each time.
#[derive(Debug)]
pub struct Lines {
    file: File,
    buffer: Region<u8>,
}

impl Lines {
    /// `capacity` bounds the length of a line, not of the file.
    pub fn open(path: &str, capacity: usize) -> io::Result<Self> {
        Ok(Lines {
            file: File::open(path)?,
            buffer: Region::new(capacity)?,
        })
    }

    /// Calls `each` with every line, without its newline.
    pub fn read(&mut self, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        let buffer = self.buffer.whole();
        let mut filled = 0;
        loop {
            let room = buffer.len().min(filled + MOST_AT_ONCE);
            let got = match self.file.read(&mut buffer[filled..room]) {
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            filled += got;
            let mut start = 0;
            while let Some(length) = buffer[start..filled].iter().position(|b| *b == b'\n') {
                each(&buffer[start..start + length]);
                start += length + 1;
            }
            if got == 0 {
                if start < filled {
                    each(&buffer[start..filled]);
                }
                return Ok(());
            }
            if start == 0 && filled == buffer.len() {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a line longer than the buffer",
                ));
            }
            buffer.copy_within(start..filled, 0);
            filled -= start;
        }
    }
}

/// `Name:   123 kB` as name and bytes.
pub fn kilobytes(line: &[u8]) -> Option<(&[u8], u64)> {
    let colon = line.iter().position(|b| *b == b':')?;
    let rest = line[colon + 1..].strip_suffix(b" kB")?;
    let digits = rest.trim_ascii_start();
    Some((&line[..colon], decimal(digits)? * 1024))
}

/// All of `digits` as a decimal number.
pub fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |value, digit| {
        digit
            .is_ascii_digit()
            .then(|| value * 10 + u64::from(digit - b'0'))
    })
}

/// All of `digits` as a hexadecimal number.
pub fn hexadecimal(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0usize, |value, digit| {
        Some(value << 4 | char::from(*digit).to_digit(16)? as usize)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_line_is_bytes() {
        assert_eq!(
            kilobytes(b"Rss:                 12 kB"),
            Some((&b"Rss"[..], 12 * 1024))
        );
        assert_eq!(kilobytes(b"VmFlags: rd wr"), None);
        assert_eq!(kilobytes(b"Rss:  x kB"), None);
    }

    #[test]
    fn a_file_longer_than_the_buffer_is_read_whole() {
        let expected = std::fs::read_to_string("/proc/self/status")
            .unwrap()
            .lines()
            .count();
        let mut lines = Lines::open("/proc/self/status", 4096).unwrap();
        for _ in 0..2 {
            let mut count = 0;
            lines.read(|_| count += 1).unwrap();
            assert_eq!(count, expected);
        }
    }
}
