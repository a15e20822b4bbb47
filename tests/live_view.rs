//! What is shown while a scenario runs: on a terminal, where there is none, and where nobody wants it.
#![cfg(feature = "cli")]

use std::process::Command;

use records::TempDir;

#[path = "support/records.rs"]
mod records;
#[path = "support/terminal.rs"]
mod terminal;

fn command(directory: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sqlite-membench"));
    command
        .current_dir(directory.path())
        .args(["run", "insert-10m", "--set", "sqlite_allocator=system"])
        .args(["--sample-interval", "10ms", "--out", "out"])
        .args(arguments);
    command
}

#[test]
fn a_terminal_shows_the_ledger_as_bars_and_then_nothing_but_the_tables() {
    let directory = TempDir::new().unwrap();
    let command = command(&directory, &["--rows", "200000", "--repeat", "2"]);
    let written = terminal::run(command, 90, 30, true);
    let bytes = &written.bytes;
    assert!(written.status.success(), "{bytes}");
    for shown in [
        "insert-10m · round 2 of 2",
        "RSS ",
        ", owners at ",
        "(after fill)",
    ] {
        assert!(bytes.contains(shown), "{shown}: {bytes}");
    }
    let drawn = |owner: &str| {
        let mut lines = bytes.lines().filter(|line| line.contains("\u{1b}[K"));
        lines.any(|line| line.contains(&format!("  {owner}")) && line.contains(" MiB"))
    };
    assert!(drawn("files "), "{bytes}");
    assert!(bytes.contains('█'), "{bytes}");
    // Neither the whole screen nor another one.
    assert!(!bytes.contains("\u{1b}[2J") && !bytes.contains("\u{1b}[?"));
    let screen = terminal::screen(bytes, 90, 30);
    assert_eq!(screen[0], "insert-10m #1", "{screen:#?}");
    let mixed = |line: &&String| line.contains("owners at") || line.contains("· round");
    assert_eq!(screen.iter().find(mixed), None, "{screen:#?}");
    let tables = screen
        .iter()
        .filter(|line| line.contains("who owns"))
        .count();
    assert!(tables > 0, "{screen:#?}");
    assert!(
        screen.iter().any(|line| line.starts_with("record: ")),
        "{screen:#?}"
    );
}

#[test]
fn a_small_terminal_has_neither_bars_nor_a_line_too_many() {
    let directory = TempDir::new().unwrap();
    let command = command(&directory, &["--rows", "200000"]);
    let written = terminal::run(command, 38, 7, false);
    let bytes = &written.bytes;
    assert!(written.status.success(), "{bytes}");
    assert!(bytes.contains("  others "), "{bytes}");
    assert!(!bytes.contains('█') && !bytes.contains('▏'), "{bytes}");
    // It fits while it is shown, or this panics; the message at the end may be longer.
    let shown = bytes.split("record: ").next().unwrap();
    assert_eq!(terminal::screen(shown, 38, 7), [""]);
}

#[test]
fn where_there_is_no_terminal_a_line_says_now_and_then_how_far_it_is() {
    let directory = TempDir::new().unwrap();
    let mut command = command(&directory, &["--rows", "20000", "--format", "json"]);
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "insert-10m: started");
    assert!(lines[1].starts_with("insert-10m: fill"), "{said}");
    let filled = lines
        .iter()
        .find(|line| line.contains("fill done"))
        .unwrap();
    let (resident, owners) = filled
        .split_once(" · RSS ")
        .unwrap()
        .1
        .split_once(" · ")
        .unwrap();
    assert!(resident.ends_with(" MiB"), "{said}");
    assert!(
        owners.starts_with("files ") && owners.ends_with(" MiB"),
        "{said}"
    );
    assert!(!said.contains('\u{1b}'), "{said}");
    let run: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(run["scenarios"][0]["name"], "insert-10m");
}

#[test]
fn a_terminal_that_cannot_be_written_over_gets_lines() {
    let directory = TempDir::new().unwrap();
    let inner = command(&directory, &["--rows", "20000"]);
    // `terminal::run` names a better one.
    let mut command = Command::new("env");
    command
        .current_dir(directory.path())
        .arg("TERM=dumb")
        .arg(inner.get_program())
        .args(inner.get_args());
    let written = terminal::run(command, 80, 24, false);
    assert!(written.status.success(), "{}", written.bytes);
    assert!(
        written.bytes.starts_with("insert-10m: started\r\n"),
        "{}",
        written.bytes
    );
    assert!(!written.bytes.contains("\u{1b}[K"), "{}", written.bytes);
}

#[test]
fn quiet_shows_nothing_of_it_anywhere() {
    let directory = TempDir::new().unwrap();
    let arguments = ["--rows", "20000", "--quiet"];
    let written = terminal::run(command(&directory, &arguments), 80, 24, false);
    assert!(written.status.success(), "{}", written.bytes);
    assert_eq!(written.bytes, "");
    let directory = TempDir::new().unwrap();
    let output = command(&directory, &arguments).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
}
