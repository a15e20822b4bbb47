//! Where it goes, and what is refused.

use std::fs::{self, OpenOptions};
use std::process::{Command, Stdio};

use crate::made::{self, errors, program, run};
use crate::records::TempDir;

#[test]
fn html_goes_beside_the_record_and_over_what_is_there() {
    let (directory, record) = made::record(&made::text());
    fs::write(directory.path().join("report.html"), "old").unwrap();
    let output = program(directory.path(), ["report", "."]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    assert!(output.stdout.is_empty() && errors(&output).contains("report.html"));
    let page = fs::read_to_string(directory.path().join("report.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"));
    // Of a record by its own name.
    fs::rename(record, directory.path().join("mine.jsonl")).unwrap();
    let output = program(directory.path(), ["report", "mine.jsonl"]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    assert_eq!(
        fs::read_to_string(directory.path().join("mine.html")).unwrap(),
        page.replace("record.jsonl", "mine.jsonl")
    );
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 3);
}

#[test]
fn other_formats_go_to_standard_output_unless_a_file_is_named() {
    let directory = TempDir::new().unwrap();
    for format in ["markdown", "csv", "json"] {
        let to_output = made::report(run(), &["--format", format]);
        let run = run().to_str().unwrap();
        let output = program(
            directory.path(),
            ["report", run, "--format", format, "-o", "out"],
        );
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        assert!(output.stdout.is_empty());
        assert_eq!(
            fs::read_to_string(directory.path().join("out")).unwrap(),
            to_output
        );
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn the_record_is_never_written_over() {
    let (directory, record) = made::record(&made::text());
    std::os::unix::fs::symlink(&record, directory.path().join("link")).unwrap();
    fs::hard_link(&record, directory.path().join("hard")).unwrap();
    for name in ["record.jsonl", "./record.jsonl", "link", "hard"] {
        let output = program(directory.path(), ["report", ".", "-o", name]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(
            errors(&output).contains("the record itself"),
            "{}",
            errors(&output)
        );
    }
    assert_eq!(fs::read_to_string(&record).unwrap(), made::text());
}

#[test]
fn what_cannot_be_reported_or_written_is_bad_usage_and_leaves_nothing() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("empty.jsonl"), "").unwrap();
    fs::write(directory.path().join("text"), "no record\n").unwrap();
    fs::write(
        directory.path().join("newer"),
        "{\"schema_version\":99,\"kind\":\"run\"}\n",
    )
    .unwrap();
    let run = run().to_str().unwrap();
    let cases: [(&[&str], &str); 7] = [
        (&["missing"], "missing"),
        (&["."], "record.jsonl"),
        (&["empty.jsonl"], "it is empty"),
        (&["text"], "line 1"),
        (&["newer"], "newer"),
        (&[run, "-o", "."], "is a directory"),
        (&[run, "-o", "no/such/place.html"], "no directory"),
    ];
    for (arguments, words) in cases {
        let all = ["report"].iter().chain(arguments);
        let output = program(directory.path(), all);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            errors(&output)
        );
        assert!(
            errors(&output).contains(words),
            "{arguments:?}: {}",
            errors(&output)
        );
        assert!(output.stdout.is_empty());
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 3);
}

#[test]
fn a_closed_pipe_is_no_error_and_a_full_disk_is_one() {
    for format in ["html", "markdown", "csv", "json"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sqlite-membench"));
        command.args([
            "report",
            run().to_str().unwrap(),
            "--format",
            format,
            "-o",
            "-",
        ]);
        command.stderr(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{format}: {}",
            errors(&output)
        );
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = command.stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{format}");
    }
}
