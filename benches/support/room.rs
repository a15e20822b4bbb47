//! Where a bench has its databases, and how it leaves: whatever ends it but SIGKILL, they go with it, and
//! so do its children.

use std::env;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};
use std::thread;
use std::time::Duration;

use rustix::process::{Signal, set_parent_process_death_signal};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tempfile::TempDir;

/// A directory of this bench's, below `TMPDIR`, gone when it is dropped.
#[derive(Debug)]
pub struct Room(#[expect(dead_code, reason = "it is there to be dropped")] TempDir);

impl Room {
    /// Makes it, and makes it the `TMPDIR` of this process and its children. A signal removes it.
    /// Called once, before any thread is started.
    pub fn enter() -> io::Result<Room> {
        let directory = tempfile::Builder::new()
            .prefix("sqlite-membench-bench-")
            .tempdir()?;
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        // SAFETY: no other thread is there to read the environment.
        unsafe { env::set_var("TMPDIR", directory.path()) };
        let path = directory.path().to_owned();
        thread::spawn(move || {
            if let Some(signal) = signals.forever().next() {
                remove(&path);
                exit(128 + signal);
            }
        });
        Ok(Room(directory))
    }
}

/// Children that were stopped with it may still be writing for a moment.
fn remove(path: &Path) {
    for _ in 0..20 {
        if fs::remove_dir_all(path).is_ok() || !path.exists() {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
    eprintln!("{} could not be removed", PathBuf::from(path).display());
}

/// A child of another executable is told to end when this process has ended. The children of this
/// executable ask for it themselves.
pub fn bind(command: &mut Command) -> &mut Command {
    // SAFETY: one system call, no allocation and no lock between fork and exec.
    unsafe { command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::TERM))?)) }
}

/// In a child of this executable: ends with its parent.
pub fn end_with_parent() {
    set_parent_process_death_signal(Some(Signal::TERM)).expect("a word to the kernel");
}
