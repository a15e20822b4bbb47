//! One iteration, one process: this executable again.
//!
//! ```no_run
//! use criterion::Criterion;
//! use sqlite_membench::measurement::{IterMemory, PeakRssBytes, take, testee};
//!
//! # fn load() -> Vec<u8> { vec![1; 1 << 20] }
//! // First thing in `main`: a testee runs its part and ends here.
//! testee::serve("load", |_| take(load).0);
//! let mut criterion = Criterion::default().with_measurement(PeakRssBytes);
//! criterion.bench_function("load", |bencher| bencher.iter_testee("load", &[]));
//! ```

use std::env;
use std::io::{self, Write};
use std::process::{Command, ExitStatus, Stdio, exit};

use super::Taken;

/// The first argument of a testee.
const TESTEE: &str = "sqlite-membench-testee";

/// The beginning of the line by which a testee tells what its work took. The work may print as well.
const LINE: &str = "sqlite-membench-taken ";

/// Why a testee gave no measurement.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be started.
    #[error("cannot start the testee `{name}`: {source}")]
    Start {
        /// What it was asked for.
        name: String,
        /// The system's word.
        source: io::Error,
    },
    /// It failed; its own words are on standard error.
    #[error("the testee `{name} {arguments}` failed, {status}: see above")]
    Failed {
        /// What it was asked for.
        name: String,
        /// With what.
        arguments: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// It ended without a word.
    #[error(
        "the testee `{name}` took no measurement: does `main` begin with `testee::serve({name:?}, ...)`?"
    )]
    Silent {
        /// What it was asked for.
        name: String,
    },
}

/// In a process that was started for `name`: runs `work` with its arguments, tells what it took, and
/// ends the process. In any other it does nothing. Call it first thing in `main`, once for each name.
pub fn serve(name: &str, work: impl FnOnce(&[String]) -> Taken) {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [TESTEE, asked] = arguments
        .iter()
        .map(String::as_str)
        .take(2)
        .collect::<Vec<_>>()[..]
        && asked == name
    {
        end_with_parent();
        let taken = work(&arguments[2..]);
        let told = writeln!(io::stdout(), "\n{LINE}{taken}");
        exit(i32::from(told.is_err()));
    }
}

/// Nobody is left to read what a testee takes when its parent has ended.
fn end_with_parent() {
    // SAFETY: a request to the kernel without a pointer. Where it is refused the testee ends by itself.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) };
}

/// Runs `name` in a process of its own and reads what it took. Its standard error is this process's. It is
/// ended when the thread that calls this is.
///
/// # Errors
/// Where it cannot be started, fails, or says nothing.
pub fn run(name: &str, arguments: &[&str]) -> Result<Taken, Error> {
    let start = |source| Error::Start {
        name: name.to_owned(),
        source,
    };
    let output = Command::new(env::current_exe().map_err(start)?)
        .args([TESTEE, name])
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(start)?;
    if !output.status.success() {
        return Err(Error::Failed {
            name: name.to_owned(),
            arguments: arguments.join(" "),
            status: output.status,
        });
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().rev().find_map(|line| line.strip_prefix(LINE));
    (line.and_then(|line| line.parse().ok())).ok_or_else(|| Error::Silent {
        name: name.to_owned(),
    })
}
