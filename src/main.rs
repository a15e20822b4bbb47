//! The program: parse, dispatch, exit code. All of it is `sqlite_membench::cli`.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: sqlite_membench::allocator::global::Switchable =
    sqlite_membench::allocator::global::Switchable::new();

sqlite_membench::know_statements!();

fn main() -> ExitCode {
    sqlite_membench::cli::main()
}
