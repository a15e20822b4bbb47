//! One testee: its process, its pipes, its directory, and the certain end of all three.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use crate::allocator::RustAllocator;
use crate::allocator::dhat_heap::FILE_VARIABLE;
use crate::allocator::global::{CHOICE_VARIABLE, has_dhat};
use crate::memory::wait::{Waited, wait_with_usage};
use crate::record::{Decoded, Line, decode};
use crate::scenario::Scenario;
use crate::testee::Input;
use crate::testee::profiling::Wish;

use super::{RunOptions, heap_dump};

/// How much of a testee's standard error is kept.
const TAIL_BYTES: usize = 64 * 1024;
/// How much of it an error message shows.
const LAST_LINES: usize = 12;
/// jemalloc's settings; of two of the same, it takes the last.
const JEMALLOC_CONF: &str = "_RJEM_MALLOC_CONF";
/// A longer line of a testee is not a record line.
const LINE_LIMIT_BYTES: u64 = 1024 * 1024;

/// What the supervising thread waits for.
#[derive(Debug)]
pub(super) enum Event {
    /// Testee number so-and-so wrote a line.
    Line(usize, Box<Line>),
    /// It closed its standard output: it has ended, or is about to.
    Closed(usize),
    /// SIGINT, SIGTERM or SIGHUP arrived.
    Signal,
}

/// A running testee. Dropping it kills it, waits for it, and removes its directory.
#[derive(Debug)]
pub(super) struct Testee {
    pub pid: u32,
    pub started: Instant,
    pub waited: Option<Waited>,
    stdin: Option<ChildStdin>,
    tail: Arc<Mutex<Tail>>,
    stderr_thread: JoinHandle<()>,
    directory: TempDir,
}

impl Testee {
    /// Starts `executable testee` for `scenario`; its lines arrive at `events` under `index`.
    /// Where its workload is served over HTTP, then as `options` say. dhat's profile of it, in a build
    /// with `dhat-heap`, goes to `heap_profile`.
    ///
    /// To be called on a thread that outlives the testee: see `PR_SET_PDEATHSIG`.
    pub(super) fn start(
        executable: &Path,
        scenario: &Scenario,
        index: usize,
        events: SyncSender<Event>,
        heap_profile: &Path,
        options: &RunOptions,
    ) -> io::Result<Testee> {
        let directory = tempfile::Builder::new()
            .prefix("sqlite-membench-")
            .tempdir()?;
        let input = Input {
            scenario: scenario.clone(),
            directory: directory.path().to_owned(),
            harness_pid: std::process::id(),
            service: options.serve.clone().unwrap_or_default(),
            probes: options.probes,
            literals: options.literals,
            profiling: Wish::new(options.profiling, &options.out, index),
        };
        let mut line = serde_json::to_vec(&input)?;
        line.push(b'\n');
        let started = Instant::now();
        let mut child = command(
            executable,
            scenario,
            directory.path(),
            heap_profile,
            options,
        )
        .spawn()?;
        let tail = Arc::new(Mutex::new(Tail::default()));
        // From here on the child is this guard's to end.
        let mut guard = Guard {
            pid: child.id(),
            armed: true,
        };
        let mut stdin = child.stdin.take();
        let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let stderr = child.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let lines_tail = Arc::clone(&tail);
        thread::Builder::new()
            .name("testee-stdout".into())
            .spawn(move || read_lines(stdout, index, &events, &lines_tail))?;
        let errors_tail = Arc::clone(&tail);
        let stderr_thread = thread::Builder::new()
            .name("testee-stderr".into())
            .spawn(move || read_errors(stderr, &errors_tail))?;
        // A testee that is gone already is told by its closed output; no error here.
        if let Some(pipe) = &mut stdin {
            let _ = pipe.write_all(&line);
        }
        guard.armed = false;
        let pid = child.id();
        Ok(Testee {
            pid,
            started,
            waited: None,
            stdin,
            tail,
            stderr_thread,
            directory,
        })
    }

    /// The directory of its database.
    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Asks it to stop at its next step; `reason` says whether it may probe before.
    pub(super) fn ask_to_stop(&mut self, reason: &str) {
        if let Some(stdin) = &mut self.stdin {
            // In one write, so that it is read in one.
            let _ = stdin.write_all(format!("stop {reason}\n").as_bytes());
        }
    }

    /// Ends it and what it may have started, at once.
    pub(super) fn kill(&self) {
        if self.waited.is_none() {
            kill_group(self.pid);
        }
    }

    /// See [`heap_dump::settle`]. For a testee that has ended.
    pub(super) fn settle(&self, heap_profile: &Path) {
        heap_dump::settle(heap_profile, self.pid);
    }

    /// Sets `waited` if it has ended.
    pub(super) fn look(&mut self) -> io::Result<()> {
        if self.waited.is_none() {
            self.waited = wait_with_usage(self.pid)?;
        }
        Ok(())
    }

    /// The end of its standard error, indented, or nothing. For a testee that has ended.
    pub(super) fn last_words(&self) -> String {
        let patience = Instant::now() + Duration::from_millis(200);
        while !self.stderr_thread.is_finished() && Instant::now() < patience {
            thread::sleep(Duration::from_millis(1));
        }
        let text = self
            .tail
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .text();
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
        if last.is_empty() {
            return String::new();
        }
        format!("; the end of its standard error:\n  {}", last.join("\n  "))
    }
}

impl Drop for Testee {
    fn drop(&mut self) {
        let _guard = Guard {
            pid: self.pid,
            armed: self.waited.is_none(),
        };
        // The guard goes first, at the end of this block; the directory after it, with the fields.
    }
}

/// Kills and reaps a child that nobody else will.
struct Guard {
    pid: u32,
    armed: bool,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        kill_group(self.pid);
        while let Ok(None) = wait_with_usage(self.pid) {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The testee leads a process group of its own. Only for a pid that was not waited for yet.
fn kill_group(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = rustix::process::kill_process_group(pid, Signal::KILL);
    }
}

fn command(
    executable: &Path,
    scenario: &Scenario,
    directory: &Path,
    heap_profile: &Path,
    options: &RunOptions,
) -> Command {
    let rust_allocator = match scenario.rust_allocator {
        RustAllocator::System => "system",
        RustAllocator::Jemalloc => "jemalloc",
    };
    let mut command = Command::new(executable);
    command
        .arg("testee")
        // SQLite's temporary files are on the same disk as its database, and within its limit.
        .env("SQLITE_TMPDIR", directory)
        // A profiler's too, so that a testee that is killed leaves none behind.
        .env("TMPDIR", directory)
        .envs(&scenario.env)
        .env(CHOICE_VARIABLE, rust_allocator)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    if has_dhat() {
        command.env(FILE_VARIABLE, heap_profile);
    }
    if let Some(preload) = &scenario.preload {
        command.env("LD_PRELOAD", preload);
    }
    if let Some(asked) = options.profiling.jemalloc_conf() {
        let own = scenario.env.get(JEMALLOC_CONF).cloned();
        let own = own.or_else(|| std::env::var(JEMALLOC_CONF).ok());
        let both = own.map(|own| format!("{own},{asked}")).unwrap_or(asked);
        command.env(JEMALLOC_CONF, both);
    }
    command
}

/// What is not a record line, a preloaded library's greeting for instance, is kept with the errors.
fn read_lines(stdout: ChildStdout, index: usize, events: &SyncSender<Event>, tail: &Mutex<Tail>) {
    let mut input = BufReader::new(stdout);
    let mut line = Vec::new();
    loop {
        line.clear();
        line.shrink_to(TAIL_BYTES);
        match (&mut input)
            .take(LINE_LIMIT_BYTES)
            .read_until(b'\n', &mut line)
        {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        match decode(&line) {
            Ok(Decoded::Line(decoded)) => {
                if events.send(Event::Line(index, decoded)).is_err() {
                    return;
                }
            }
            Ok(Decoded::UnknownKind(_)) | Err(_) => {
                tail.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(&line);
            }
        }
    }
    let _ = events.send(Event::Closed(index));
}

fn read_errors(mut stderr: impl Read, tail: &Mutex<Tail>) {
    let mut chunk = [0u8; 4096];
    loop {
        match stderr.read(&mut chunk) {
            Ok(0) => break,
            Ok(bytes) => tail
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(&chunk[..bytes]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
}

/// The last [`TAIL_BYTES`] of what was pushed.
#[derive(Debug, Default)]
struct Tail(VecDeque<u8>);

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(TAIL_BYTES)..];
        let surplus = (self.0.len() + bytes.len()).saturating_sub(TAIL_BYTES);
        self.0.drain(..surplus);
        self.0.extend(bytes);
    }

    fn text(&mut self) -> String {
        String::from_utf8_lossy(self.0.make_contiguous()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_keeps_the_end_and_no_more() {
        let mut tail = Tail::default();
        tail.push(&vec![b'a'; TAIL_BYTES]);
        tail.push(b"end");
        assert_eq!(tail.0.len(), TAIL_BYTES);
        assert!(tail.text().ends_with("aend"));
        tail.push(&vec![b'b'; 3 * TAIL_BYTES]);
        assert_eq!(tail.text(), "b".repeat(TAIL_BYTES));
    }
}
