//! One process for each pair of allocators: the choice is made once in a process's life.

use std::process::Command;

use libtest_mimic::Failed;
use sqlite_membench::allocator::{RustAllocator, SqliteAllocator, global, route, sqlite};

pub const RUST: [RustAllocator; 2] = [RustAllocator::System, RustAllocator::Jemalloc];
pub const SQLITE: [SqliteAllocator; 5] = SqliteAllocator::ALL;

const CASE: &str = "LEDGER_TEST_CASE";
const ROUTE: &str = "LEDGER_TEST_SQLITE";

/// Runs `case` in a process of its own under the pair, with `variables` in its environment.
pub fn spawn(
    case: &str,
    rust: RustAllocator,
    sqlite: SqliteAllocator,
    variables: &[(&str, &str)],
) -> Result<(), Failed> {
    let output = Command::new(std::env::current_exe()?)
        .envs(variables.iter().copied())
        .env(CASE, case)
        .env(ROUTE, format!("{sqlite:?}"))
        .env(global::CHOICE_VARIABLE, format!("{rust:?}").to_lowercase())
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Err(format!(
        "{}\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    )
    .into())
}

/// In a child: the case's name, with SQLite's allocator installed and both routes verified.
pub fn case() -> Option<String> {
    let case = std::env::var(CASE).ok()?;
    let wanted = std::env::var(ROUTE).unwrap();
    let choice = SQLITE
        .into_iter()
        .find(|s| format!("{s:?}") == wanted)
        .unwrap();
    sqlite::install(choice, 256 << 20).unwrap();
    route::verify(global::chosen(), choice).unwrap();
    Some(case)
}
