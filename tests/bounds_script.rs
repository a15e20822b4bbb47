//! `scripts/bounds` before it builds anything: what it takes, and what it needs.

use assert_cmd::Command;

fn script() -> Command {
    let mut command = Command::new("/bin/bash");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/bounds"));
    command
}

#[test]
fn help_names_the_environment_and_the_exit_codes() {
    let help = script().arg("--help").assert().success();
    let text = String::from_utf8_lossy(&help.get_output().stdout);
    assert!(
        text.contains("SQLITE_MEMBENCH_BENCH_ROUNDS") && text.contains("Exit codes"),
        "{text}"
    );
}

#[test]
fn an_argument_that_it_does_not_take_is_bad_usage() {
    let refused = script().arg("--bench").assert().code(2);
    let text = String::from_utf8_lossy(&refused.get_output().stderr);
    assert!(text.contains("--bench"), "{text}");
}

#[test]
fn what_is_missing_is_named_with_the_way_to_get_it() {
    let refused = script().env("PATH", "/nonexistent").assert().code(2);
    let text = String::from_utf8_lossy(&refused.get_output().stderr);
    for words in ["rustup.rs", "apt-get install sqlite3"] {
        assert!(text.contains(words), "{text}");
    }
}
