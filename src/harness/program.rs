//! Two programs whose testees take turns in one run: which executables they are, and whether they
//! still are what was recorded of them.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use xxhash_rust::xxh3::Xxh3;

use crate::record::{ProgramRecord, Side};

/// One of two programs that are compared.
#[derive(Debug, Clone)]
pub struct Program {
    /// As it goes into the record.
    pub record: ProgramRecord,
    /// What is started.
    pub executable: PathBuf,
    identity: Identity,
}

/// What changes where a file is written again, or another one takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl Identity {
    fn of(path: &Path) -> io::Result<Identity> {
        let file = path.metadata()?;
        Ok(Identity {
            device: file.dev(),
            inode: file.ino(),
            bytes: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
        })
    }
}

impl Program {
    /// Reads `executable`, which was named `program`, and says `environment` of itself.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(
        side: Side,
        program: String,
        executable: PathBuf,
        environment: Map<String, Value>,
    ) -> io::Result<Program> {
        let identity = Identity::of(&executable)?;
        let content_hash = content_hash(&executable)?;
        Ok(Program {
            record: ProgramRecord {
                side,
                program,
                content_hash,
                environment,
            },
            executable,
            identity,
        })
    }

    /// Whether the file is the one that was read: a build while the run goes on makes another.
    pub fn is_unchanged(&self) -> bool {
        Identity::of(&self.executable).is_ok_and(|now| now == self.identity)
    }
}

/// XXH3-128, hexadecimal.
fn content_hash(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Xxh3::new();
    let mut chunk = vec![0; 256 * 1024];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(format!("{:032x}", hash.digest128())),
            Ok(bytes) => hash.update(&chunk[..bytes]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xxhash_rust::xxh3::xxh3_128;

    fn program(path: &Path) -> Program {
        Program::read(Side::Base, "p".into(), path.to_owned(), Map::new()).unwrap()
    }

    #[test]
    fn a_program_is_known_by_what_is_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let (one, other) = (directory.path().join("one"), directory.path().join("other"));
        let content = vec![7; 600 * 1024];
        std::fs::write(&one, &content).unwrap();
        std::fs::write(&other, &content).unwrap();
        let hash = format!("{:032x}", xxh3_128(&content));
        assert_eq!(program(&one).record.content_hash, hash);
        assert_eq!(program(&other).record.content_hash, hash);
    }

    #[test]
    fn one_that_is_built_again_or_gone_is_not_what_was_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("program");
        std::fs::write(&path, "one").unwrap();
        let read = program(&path);
        assert!(read.is_unchanged());
        std::fs::write(directory.path().join("next"), "two").unwrap();
        std::fs::rename(directory.path().join("next"), &path).unwrap();
        assert!(!read.is_unchanged());
        let read = program(&path);
        std::fs::remove_file(&path).unwrap();
        assert!(!read.is_unchanged());
    }
}
