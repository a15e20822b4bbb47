//! The program itself, as a user runs it: harness, testee, ledgers and samples from outside.
//!
//! For a ratio its main function runs in this executable, because the floor does: SQLite's code then
//! lies at the same addresses in both. The same SQLite linked into two executables was seen to differ
//! by 3 %, as much as the bounds allow for. For the harness's memory, and for a heap profile over the same
//! without one, it is the executable that users have: only there the profile knows the statements.
//!
//! Its record is what is measured. A phase's `elapsed_ns` leaves out what its ledgers took, which is
//! right for a user's rows per second and would hide here what measuring costs. So the span goes from
//! the end of `open` until the last ledger of `fill` was taken: on top of the fill, `open`'s ledger,
//! every reading inside the fill, the line that each of them writes, and the fill's own ledger.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use sqlite_membench::memory::wait::wait_with_usage;
use sqlite_membench::record::{Line, PhaseRecord, Reader};

use super::room::bind;

/// Set where this executable is to be the program.
const PROGRAM_VARIABLE: &str = "SQLITE_MEMBENCH_INSTRUMENT_IS_THE_PROGRAM";

/// Runs the program, where this process was started to be its harness or its testee.
pub fn run_as_program() -> Option<ExitCode> {
    env::var_os(PROGRAM_VARIABLE).map(|_| sqlite_membench::cli::main())
}

/// How often a harness's memory is looked at. `VmHWM` holds the peak in between.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// An insert through the whole program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Insert {
    pub rows: u64,
    /// Ledgers inside the fill.
    pub readings: u32,
    /// As `--set sqlite_allocator=` takes it.
    pub sqlite_allocator: &'static str,
    /// As `--set keys=` takes it.
    pub keys: &'static str,
    /// With a heap profile, sampled at its default interval.
    pub is_profiled: bool,
}

/// What an insert through the program took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// With all ledgers.
    pub wall: Duration,
    /// The fill's user and system time, and what its ledgers took: they do not wait.
    pub cpu: Duration,
    /// The fill alone, as the program reports it.
    pub fill_wall: Duration,
    pub fill_cpu: Duration,
    /// Of the testee from its start to its end: with what it does for a profile outside of the fill.
    pub whole_cpu: Duration,
    /// One ledger, on average.
    pub ledger: Duration,
    /// The harness's own peak; 0 where it was not watched.
    pub harness_peak_bytes: u64,
}

impl Insert {
    pub fn sample(self) -> Span {
        let this = env::current_exe().expect("this bench's own executable");
        self.run(&this, |child| {
            let status = child.wait().expect("a harness that can be waited for");
            assert!(status.success(), "{self:?}: {status}");
            0
        })
    }

    /// The same through the executable that users have.
    pub fn sample_of_program(self) -> Span {
        let program = Path::new(env!("CARGO_BIN_EXE_sqlite-membench"));
        self.run(program, |child| {
            let status = child.wait().expect("a harness that can be waited for");
            assert!(status.success(), "{self:?}: {status}");
            0
        })
    }

    /// The same, with an eye on the harness's memory. Looking takes time: not for a ratio.
    pub fn sample_watched(self) -> Span {
        let program = Path::new(env!("CARGO_BIN_EXE_sqlite-membench"));
        self.run(program, |child| watch(child.id()))
    }

    fn run(self, program: &Path, wait: impl FnOnce(&mut Child) -> u64) -> Span {
        let place = tempfile::tempdir().expect("a temporary directory");
        let out = place.path().join("run");
        let profile: &[&str] = match self.is_profiled {
            true => &["--heap-profile"],
            false => &[],
        };
        let mut harness = bind(&mut Command::new(program))
            .env(PROGRAM_VARIABLE, "1")
            .args(["run", "insert-10m", "--format", "json", "--quiet"])
            .args(["--rows", &self.rows.to_string()])
            .args(profile)
            .args(["--set", &format!("readings={}", self.readings)])
            .args(["--set", &format!("keys={}", self.keys)])
            .args([
                "--set",
                &format!("sqlite_allocator={}", self.sqlite_allocator),
            ])
            .arg("--out")
            .arg(&out)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("the program sqlite-membench");
        let harness_peak_bytes = wait(&mut harness);
        Span {
            harness_peak_bytes,
            ..span(&out.join("record.jsonl"))
        }
    }
}

/// The standard set, as a user runs it: the executable without arguments, in a directory where its
/// record may go. Its wall time, from its start to its end. What it says of itself is passed on, such as
/// the scale that it has chosen, but for where its record was.
pub fn standard_set() -> Duration {
    let place = tempfile::tempdir().expect("a temporary directory");
    let began = Instant::now();
    let output = bind(&mut Command::new(env!("CARGO_BIN_EXE_sqlite-membench")))
        .current_dir(&place)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()
        .expect("the program sqlite-membench");
    let took = began.elapsed();
    let said = String::from_utf8_lossy(&output.stderr);
    let is_path = |line: &str| line.starts_with("record: ") || line.starts_with("cycles: ");
    for line in said.lines().filter(|line| !is_path(line)) {
        println!("the standard set: {line}");
    }
    assert!(
        output.status.success(),
        "the standard set: {}",
        output.status
    );
    took
}

fn span(record: &Path) -> Span {
    let lines = Reader::open(record).expect("a record");
    let mut open = None;
    let mut fill: Vec<PhaseRecord> = Vec::new();
    let mut whole_ns = 0;
    for line in lines {
        match line.expect("a line of the record") {
            Line::Phase(phase) if phase.phase == "open" => open = Some(phase),
            Line::Phase(phase) if phase.phase == "fill" => fill.push(phase),
            Line::Result(result) => whole_ns = result.user_ns + result.system_ns,
            _ => {}
        }
    }
    let (open, end) = (
        open.expect("phase open"),
        fill.last().expect("the end of fill"),
    );
    let ledgers_ns: u64 = fill.iter().map(|phase| phase.ledger_ns).sum();
    let cpu_ns = end.user_ns + end.system_ns;
    Span {
        wall: Duration::from_nanos(end.at_ns + end.ledger_ns - open.at_ns),
        cpu: Duration::from_nanos(cpu_ns + ledgers_ns + open.ledger_ns),
        fill_wall: Duration::from_nanos(end.elapsed_ns),
        fill_cpu: Duration::from_nanos(cpu_ns),
        whole_cpu: Duration::from_nanos(whole_ns),
        ledger: Duration::from_nanos(ledgers_ns / fill.len() as u64),
        harness_peak_bytes: 0,
    }
}

/// Waits for the harness and gives its `VmHWM`. Not `ru_maxrss`: that of a process that was waited
/// for is at least its own children's, and the testee is one.
fn watch(pid: u32) -> u64 {
    let mut peak_bytes = 0;
    loop {
        if let Some(bytes) = peak_rss_bytes(pid) {
            peak_bytes = bytes;
        }
        if let Some(waited) = wait_with_usage(pid).expect("a harness that can be waited for") {
            assert!(waited.status.success(), "the harness: {}", waited.status);
            return peak_bytes;
        }
        sleep(LOOK_INTERVAL);
    }
}

fn peak_rss_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}
