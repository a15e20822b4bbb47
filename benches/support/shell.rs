//! The `sqlite3` shell's `.dump`.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use sqlite_membench::memory::wait::wait_with_usage;

use super::clocks::Span;
use super::room::bind;

const MISSING: &str = "the `sqlite3` shell: apt-get install sqlite3";

/// The shell from its start to its end.
pub fn dump(database: &Path, to: &Path) -> Span {
    let to = File::create(to).expect("a file to write to");
    let began = Instant::now();
    #[expect(clippy::zombie_processes, reason = "it is waited for with its usage")]
    let child = bind(&mut Command::new("sqlite3"))
        .arg(database)
        .arg(".dump")
        .stdin(Stdio::null())
        .stdout(to)
        .spawn()
        .expect(MISSING);
    let waited = loop {
        match wait_with_usage(child.id()).expect("a shell that can be waited for") {
            Some(waited) => break waited,
            None => sleep(Duration::from_micros(200)),
        }
    };
    assert!(waited.status.success(), "the shell: {}", waited.status);
    Span {
        wall: began.elapsed(),
        cpu: Duration::from_nanos(waited.user_ns + waited.system_ns),
    }
}

pub fn version() -> String {
    let output = Command::new("sqlite3")
        .arg("--version")
        .output()
        .expect(MISSING);
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    words.split(' ').next().unwrap_or_default().to_owned()
}
