//! Databases in files that testees open, each made once, when it is first wanted.
//!
//! A file is made in a process of its own, so that whoever wants it first, a bench or a testee, has
//! nothing of its making in memory. It is in the system's file cache when it is read.

use std::path::{Path, PathBuf};

use sqlite_membench::measurement::testee;

/// What `testee::serve` knows the maker by. Its first argument is the file.
pub const MAKE: &str = "make";

/// The file `NAME.db` in `directory`, made with `arguments` where it is not there.
pub fn file(directory: &Path, name: &str, arguments: &[&str]) -> PathBuf {
    let path = directory.join(format!("{name}.db"));
    if !path.exists() {
        let mut all = vec![path.to_str().expect("a UTF-8 temporary directory")];
        all.extend(arguments);
        testee::run(MAKE, &all).unwrap_or_else(|error| panic!("{error}"));
    }
    path
}
