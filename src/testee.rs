//! A stand-in: the testee is built elsewhere.

use std::process::ExitCode;

/// Does nothing.
pub fn main() -> ExitCode {
    ExitCode::from(3)
}
