//! The program: parse, dispatch, exit code. All of it is `sqlite_membench::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    sqlite_membench::cli::main()
}
