//! The build id of a file on disk: whether it is the one that was mapped.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::memory::modules::build_id;

const PT_NOTE: u32 = 4;
/// More than any file's; what is said of more is no ELF file's.
const MOST_NOTES: u64 = 1 << 20;

/// Of a 64-bit ELF file in this machine's byte order; `None` where it has none.
///
/// # Errors
/// The file cannot be read.
pub(super) fn build_id_of(path: &Path) -> io::Result<Option<String>> {
    let file = File::open(path)?;
    let mut header = [0; 64];
    match file.read_exact_at(&mut header, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    if !header.starts_with(b"\x7fELF\x02") {
        return Ok(None);
    }
    let (start, size) = (long(&header, 32), u64::from(short(&header, 54)));
    for index in 0..u64::from(short(&header, 56)) {
        let mut segment = [0; 56];
        file.read_exact_at(&mut segment, start + index * size)?;
        let length = long(&segment, 32);
        if word(&segment, 0) != PT_NOTE || length > MOST_NOTES {
            continue;
        }
        let mut notes = vec![0; length as usize];
        file.read_exact_at(&mut notes, long(&segment, 8))?;
        if let Some(id) = build_id(&notes, long(&segment, 48)) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

fn short(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(std::array::from_fn(|index| bytes[at + index]))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(std::array::from_fn(|index| bytes[at + index]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_the_executable_has_the_build_id_that_is_mapped() {
        let mapped = &crate::memory::modules::loaded()[0];
        let on_disk = build_id_of(Path::new(&mapped.path)).unwrap();
        assert_eq!(on_disk, mapped.build_id);
        let libc = crate::memory::modules::loaded();
        let libc = libc
            .iter()
            .find(|one| one.path.contains("libc.so"))
            .unwrap();
        let on_disk = build_id_of(Path::new(&libc.path)).unwrap();
        assert!(on_disk.is_some());
        assert_eq!(on_disk, libc.build_id);
    }

    #[test]
    fn a_file_that_is_no_program_has_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("text");
        std::fs::write(&path, "no program").unwrap();
        assert_eq!(build_id_of(&path).unwrap(), None);
        std::fs::write(&path, [b' '; 100]).unwrap();
        assert_eq!(build_id_of(&path).unwrap(), None);
    }
}
