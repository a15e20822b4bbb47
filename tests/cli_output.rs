//! Standard output that is closed or full, and what `list` and `env` write to one that is not.

use std::fs::OpenOptions;
use std::process::{Command, Stdio};

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sqlite-membench"));
    command.args(arguments);
    command
}

fn stdout_of(arguments: &[&str]) -> String {
    let output = program(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    assert!(output.stderr.is_empty(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_reader_that_went_away_is_no_error() {
    for arguments in [&["list"][..], &["list", "--format", "json"], &["env"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = program(arguments)
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn standard_output_on_a_full_device_is_an_error_that_is_said() {
    let Ok(full) = OpenOptions::new().write(true).open("/dev/full") else {
        return;
    };
    let output = program(&["list"])
        .stdout(full)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("cannot write to standard output"), "{said}");
}

#[test]
fn list_shows_every_scenario_and_no_colour_where_there_is_no_terminal() {
    let table = stdout_of(&["list"]);
    assert!(
        table.contains("insert-10m") && table.contains("×2"),
        "{table}"
    );
    assert!(!table.contains('\u{1b}'));
    let json: serde_json::Value =
        serde_json::from_str(&stdout_of(&["list", "--format", "json"])).unwrap();
    assert_eq!(json[0]["name"], "insert-10m");
    assert_eq!(json[0]["settings"]["rows"][0], "10000000");
}

#[test]
fn list_keeps_within_the_columns_that_there_are() {
    for columns in [50, 60, 80] {
        let mut command = program(&["list"]);
        let output = command
            .env("COLUMNS", columns.to_string())
            .output()
            .unwrap();
        let table = String::from_utf8(output.stdout).unwrap();
        let wide = table.lines().find(|line| line.chars().count() > columns);
        assert_eq!(wide, None, "{columns}");
        assert!(table.contains("[standard, insert] ×2"), "{table}");
    }
}

#[test]
fn env_tells_what_runs_here_and_what_cannot_be_measured() {
    let json: serde_json::Value =
        serde_json::from_str(&stdout_of(&["env", "--format", "json"])).unwrap();
    for key in [
        "machine_key",
        "machine",
        "sqlite",
        "allocators",
        "variables",
        "cannot_measure",
    ] {
        assert!(json.get(key).is_some(), "{key}");
    }
    // `.cargo/config.toml` compiles it in.
    assert_eq!(json["allocators"]["memsys5"], true);
    assert!(stdout_of(&["env"]).contains("machine.architecture"));
}
