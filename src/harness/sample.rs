//! The disk that a testee takes, as seen from outside.

use std::fs;
use std::path::Path;

/// Bytes of the files in `directory`, and of those that `pid` holds open there though they have no
/// name any more: SQLite unlinks a temporary database as soon as it is open.
pub(super) fn disk_bytes(directory: &Path, pid: u32) -> u64 {
    named_bytes(directory) + unlinked_bytes(directory, pid)
}

/// Files come and go while this looks; what is gone counts nothing.
fn named_bytes(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => named_bytes(&entry.path()),
            Ok(metadata) if metadata.is_file() => metadata.len(),
            _ => 0,
        })
        .sum()
}

fn unlinked_bytes(directory: &Path, pid: u32) -> u64 {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return 0;
    };
    entries
        .flatten()
        .filter(|entry| {
            fs::read_link(entry.path()).is_ok_and(|target| {
                target.starts_with(directory)
                    && target
                        .as_os_str()
                        .as_encoded_bytes()
                        .ends_with(b" (deleted)")
            })
        })
        .filter_map(|entry| fs::metadata(entry.path()).ok())
        .map(|metadata| metadata.len())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Write;

    #[test]
    fn files_count_with_and_without_a_name() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("sub")).unwrap();
        fs::write(directory.path().join("sub/a"), [0; 1000]).unwrap();
        let mut unlinked = File::create(directory.path().join("b")).unwrap();
        unlinked.write_all(&[0; 300]).unwrap();
        assert_eq!(disk_bytes(directory.path(), std::process::id()), 1300);
        fs::remove_file(directory.path().join("b")).unwrap();
        assert_eq!(disk_bytes(directory.path(), std::process::id()), 1300);
        drop(unlinked);
        assert_eq!(disk_bytes(directory.path(), std::process::id()), 1000);
    }
}
