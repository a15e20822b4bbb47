//! Completions that a real shell takes, and manual pages on standard output and as files.
#![cfg(feature = "cli")]

use std::fs;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sqlite-membench"));
    command.args(arguments);
    command
}

fn written(arguments: &[&str]) -> String {
    let output = program(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(output.stderr.is_empty(), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What bash offers for a command line whose last word is being written.
fn completed(words: &[&str]) -> Vec<String> {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("completions");
    fs::write(&file, written(&["completions", "bash"])).unwrap();
    let script = r#"
        . "$1" || exit 9
        shift
        function_of=$(complete -p sqlite-membench) || exit 8
        function_of=${function_of##*-F }
        function_of=${function_of%% *}
        COMP_WORDS=(sqlite-membench "$@")
        COMP_CWORD=$#
        "$function_of" sqlite-membench "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}" \
            2> /dev/null
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let output = Command::new("bash")
        .args(["--norc", "-c", script, "bash"])
        .arg(&file)
        .args(words)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}: {}",
        output.status,
        said(&output)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_a_verb_an_option_and_the_values_of_one() {
    assert_eq!(completed(&["diag"]), ["diagnose"]);
    let options = completed(&["run", "--limit-"]);
    assert_eq!(options, ["--limit-rss", "--limit-time", "--limit-disk"]);
    assert_eq!(completed(&["run", "--format", "j"]), ["json"]);
    assert!(completed(&["test"]).concat().is_empty());
}

#[test]
fn every_shell_gets_completions_and_a_reader_that_went_away_is_no_error() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = written(&["completions", shell]);
        assert!(
            text.contains("diagnose") && text.contains("sample-interval"),
            "{shell}"
        );
    }
    for arguments in [&["completions", "zsh"][..], &["man"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = program(arguments);
        command.stdout(writer).stderr(Stdio::piped());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn the_page_of_the_program_is_written_to_standard_output() {
    let page = written(&["man"]);
    assert!(page.contains("\n.TH sqlite-membench 1 "), "{page}");
    for heading in [
        ".SH NAME",
        ".SH SYNOPSIS",
        ".SH DESCRIPTION",
        ".SH SUBCOMMANDS",
    ] {
        assert!(page.lines().any(|line| line == heading), "{heading}");
    }
}

#[test]
fn there_is_a_file_for_each_verb_and_they_are_written_again_over_what_is_there() {
    let directory = TempDir::new().unwrap();
    let out = directory.path().join("share/man1");
    for _ in 0..2 {
        let output = program(&["man", "--out", out.to_str().unwrap()])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        assert!(output.stdout.is_empty());
    }
    let list = written(&["--help"]);
    let verbs = list.split("Commands:").nth(1).unwrap();
    let verbs = verbs.split("Options:").next().unwrap().lines();
    let verbs: Vec<&str> = verbs
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let mut wanted: Vec<String> = verbs
        .iter()
        .filter(|verb| **verb != "help")
        .map(|verb| format!("sqlite-membench-{verb}.1"))
        .chain(["sqlite-membench.1".to_owned()])
        .collect();
    let names = fs::read_dir(&out).unwrap();
    let mut names: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    wanted.sort();
    names.sort();
    assert_eq!(names, wanted);
    let run = fs::read_to_string(out.join("sqlite-membench-run.1")).unwrap();
    assert!(
        run.contains("\\-\\-limit\\-rss") && run.contains(".SH OPTIONS"),
        "{run}"
    );
}

#[test]
fn pages_do_not_go_into_a_file_or_below_one() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "kept").unwrap();
    for out in [file.clone(), file.join("below")] {
        let output = program(&["man", "--out", out.to_str().unwrap()])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains("--out"), "{}", said(&output));
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
}
