//! How it is written.

use std::process::{Command, Stdio};

use super::made::{Dir, compare, environment, json, made, pairs, stdout};

#[test]
fn a_compressed_reference_is_compared_as_the_record_it_was() {
    let dir = Dir::new();
    let plain = dir.run("plain", &environment(), &pairs(16, 1.05));
    let packed = dir.reference("packed", &environment(), &pairs(16, 1.05));
    let rows = |path| json(&[path], 1)["scenarios"].clone();
    assert_eq!(rows(&plain), rows(&packed));
    assert_eq!(rows(&packed.join("record.jsonl.gz")), rows(&plain));
    let one = dir.run("one", &environment(), &[made("insert")]);
    let reference = dir.reference("reference", &environment(), &[made("insert")]);
    stdout(&[&reference, &one], &[], 0);
}

#[test]
fn a_table_keeps_within_its_columns_and_ends_with_its_outcome() {
    let dir = Dir::new();
    let run = dir.run("run", &environment(), &pairs(16, 1.2));
    for columns in [60, 80, 120] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sqlite-membench"));
        command
            .arg("compare")
            .arg(&run)
            .env("COLUMNS", columns.to_string());
        let output = command.output().unwrap();
        let table = String::from_utf8(output.stdout).unwrap();
        let path = run.display().to_string();
        let wide = table.lines().filter(|line| !line.contains(&path));
        let wide: Vec<&str> = wide.filter(|line| line.chars().count() > columns).collect();
        assert!(wide.is_empty(), "{columns}: {wide:?}");
        let text = table.replace('\n', " ");
        assert!(
            text.trim_end()
                .ends_with("regression: of 5 judged rows 1 worse"),
            "{table}"
        );
        assert!(!table.contains('\u{1b}'));
    }
}

#[test]
fn a_pull_request_gets_its_outcome_first_and_a_table() {
    let dir = Dir::new();
    let run = dir.run("run", &environment(), &pairs(16, 1.2));
    let text = stdout(&[&run], &["--format", "markdown"], 1);
    assert!(
        text.starts_with("**regression: of 5 judged rows 1 worse**"),
        "{text}"
    );
    assert!(
        text.contains("| fill | time |") && text.contains("**slower**"),
        "{text}"
    );
    let open = text.matches("<details>").count();
    assert_eq!((open, text.matches("</details>").count()), (1, 1));
}

#[test]
fn phases_that_are_not_judged_are_shown_where_all_are_asked_for() {
    let dir = Dir::new();
    let with_start = |name: &str| {
        let run = dir.run(name, &environment(), &[made("insert")]);
        let record = run.join("record.jsonl");
        let text = std::fs::read_to_string(&record).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let fill = lines
            .iter()
            .rposition(|line| line.contains("\"kind\":\"phase\""))
            .unwrap();
        let verify = lines[fill].replace("\"phase\":\"fill\"", "\"phase\":\"verify\"");
        lines.insert(fill + 1, verify);
        std::fs::write(&record, lines.join("\n") + "\n").unwrap();
        run
    };
    let (base, new) = (with_start("base"), with_start("new"));
    assert!(!stdout(&[&base, &new], &[], 0).contains("verify"));
    let all = stdout(&[&base, &new], &["--all"], 0);
    assert!(
        all.contains("verify") && all.contains("not judged"),
        "{all}"
    );
}

#[test]
fn a_reader_that_went_away_is_no_error_and_a_full_device_is() {
    let dir = Dir::new();
    let run = dir.run("run", &environment(), &pairs(16, 1.0));
    for format in ["table", "json", "markdown"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_sqlite-membench"));
        command.arg("compare").arg(&run).args(["--format", format]);
        let output = command
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{format}");
        assert!(output.stderr.is_empty(), "{format}");
        if let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") {
            let output = command.stdout(full).output().unwrap();
            assert_eq!(output.status.code(), Some(3), "{format}");
        }
    }
    assert!(compare(&[&run], &[]).stderr.is_empty());
}

#[test]
fn the_script_hands_everything_to_the_program_and_its_exit_code_back() {
    let dir = Dir::new();
    let run = dir.run("run", &environment(), &pairs(16, 1.2));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/compare");
    let script = |arguments: &[&str]| {
        let mut command = Command::new(script);
        command.args(arguments).current_dir(dir.path(""));
        let program = env!("CARGO_BIN_EXE_sqlite-membench");
        command.env("SQLITE_MEMBENCH", program).output().unwrap()
    };
    let output = script(&["run", "--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        output.stdout,
        compare(&[&run], &["--format", "json"])
            .stdout
            .clone()
            .replace_path(&run)
    );
    assert_eq!(script(&[]).status.code(), Some(2));
    assert_eq!(script(&["no-such-run"]).status.code(), Some(2));
    assert_eq!(script(&["--help"]).status.code(), Some(0));
}

trait ReplacePath {
    fn replace_path(self, path: &std::path::Path) -> Vec<u8>;
}

impl ReplacePath for Vec<u8> {
    /// As if it had been named relative to the directory that it is in.
    fn replace_path(self, path: &std::path::Path) -> Vec<u8> {
        let text = String::from_utf8(self).unwrap();
        text.replace(&path.display().to_string(), "run")
            .into_bytes()
    }
}
