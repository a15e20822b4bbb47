//! Bad input: exit code 2, one message that names the thing, and nothing written.

#[path = "support/records.rs"]
mod records;

use std::path::Path;

use assert_cmd::Command;
use records::TempDir;

/// Runs in an empty directory, wants exit code 2 and every one of `words`, and nothing written.
fn refused(arguments: &[&str], words: &[&str]) {
    refused_in(&TempDir::new().unwrap(), arguments, words);
}

fn refused_in(directory: &TempDir, arguments: &[&str], words: &[&str]) {
    let before = entries(directory.path());
    let mut command = Command::cargo_bin("sqlite-membench").unwrap();
    let output = command
        .current_dir(directory)
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    for word in words {
        assert!(
            said.contains(word),
            "{arguments:?} does not say {word:?}: {said}"
        );
    }
    assert!(output.stdout.is_empty(), "{arguments:?}");
    assert_eq!(said.matches("error:").count(), 1, "{said}");
    assert!(said.matches("os error").count() <= 1, "said twice: {said}");
    assert_eq!(
        entries(directory.path()),
        before,
        "{arguments:?} wrote something"
    );
}

fn entries(directory: &Path) -> Vec<String> {
    let names = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// `refused` for a scenario file of the user's, in `mine/`.
fn file_refused(toml: &str, words: &[&str]) {
    let directory = TempDir::new().unwrap();
    std::fs::create_dir(directory.path().join("mine")).unwrap();
    std::fs::write(directory.path().join("mine/one.toml"), toml).unwrap();
    let arguments = ["run", "one", "--scenarios", "mine", "--out", "out"];
    refused_in(&directory, &arguments, words);
    assert!(!directory.path().join("out").exists());
}

const HEAD: &str = "name = \"one\"\nworkload = \"insert\"\nsummary = \"s\"\nabout = \"a\"\n";

#[test]
fn an_unknown_scenario_is_told_the_nearest_name() {
    refused(
        &["run", "insert-10"],
        &["insert-10", "did you mean insert-10m?"],
    );
    refused(&["run", "--set-of", "standart"], &["standart", "standard"]);
    refused(
        &["run", "insert-10m", "insert-10m"],
        &["insert-10m is named twice"],
    );
    let cell = "insert-10m[sqlite_allocator=arena]";
    refused(&["run", "insert-10m", cell], &[cell, "is named twice"]);
    refused(
        &["run", "insert-10m[sqlite_allocator=area]"],
        &["did you mean", cell],
    );
}

#[test]
fn an_unknown_key_is_told_the_nearest_name() {
    refused(
        &["run", "--set", "rowz=5"],
        &["--set rowz=5", "did you mean rows?"],
    );
    refused(
        &["run", "--set", "pragma.cache_spil=off"],
        &["cache_spil", "did you mean cache_spill?"],
    );
    refused(&["run", "--set", "rows"], &["--set rows", "KEY=VALUE"]);
    file_refused(
        &format!("{HEAD}[parameters]\nrows = 5\nbach = 7\n"),
        &[
            "scenario one",
            "mine/one.toml line 7",
            "bach",
            "did you mean batch?",
        ],
    );
    file_refused(
        &format!("{HEAD}sumary = 1\n"),
        &["line 5", "sumary", "summary"],
    );
    file_refused(
        &format!("{HEAD}[parameters]\nrows = 5\n[pragmas]\nsinchronous = \"FULL\"\n"),
        &["line 8", "SQLite has no PRAGMA sinchronous", "synchronous"],
    );
}

#[test]
fn a_key_of_another_workload_is_told_apart() {
    for key in [
        "workers",
        "placement",
        "backup_pages",
        "schema",
        "dump",
        "snapshot",
        "trim",
    ] {
        // A value that the key can have.
        let value = match key {
            "workers" | "backup_pages" => "1",
            "placement" => "one-thread",
            "schema" => "flat",
            "trim" => "never",
            _ => "none",
        };
        let argument = format!("{key}={value}");
        refused(
            &["run", "insert-10m", "--set", &argument],
            &[key, "applies to workload snapshot", "leave it out"],
        );
    }
    refused(
        &["run", "insert-10m", "--cycles", "3"],
        &["--cycles 3", "applies to workload snapshot"],
    );
    refused(
        &["run", "snapshot-memory", "--rows", "3"],
        &["--rows 3", "applies to workload insert"],
    );
}

#[test]
fn settings_that_do_not_go_together_are_told_so() {
    for (settings, words) in [
        (
            &["snapshot=none", "dump=none"][..],
            &["snapshot and dump are both none"][..],
        ),
        (
            &["copy=vacuum-into", "snapshot=memory"],
            &["VACUUM INTO", "memory-named"],
        ),
        (&["copy=serialize"], &["serialized", "memory"]),
        (&["scale=1000"], &["scale", "100"]),
        (&["backup_pages=0"], &["backup_pages is 0"]),
        (&["workers=0"], &["workers is 0", "from 1 to 256"]),
        (&["placement=anywhere"], &["one-thread", "rotate-per-cycle"]),
        (
            &["database=memory-shared", "snapshot=memory-shared"],
            &["a process has one"],
        ),
    ] {
        let sets = settings.iter().flat_map(|set| ["--set", *set]);
        let arguments: Vec<&str> = ["run", "snapshot-memory"].into_iter().chain(sets).collect();
        refused(&arguments, words);
    }
}

#[test]
fn what_does_not_fit_into_memory_is_refused_with_the_arithmetic_and_a_scale() {
    refused(
        &["run", "snapshot-memory", "--scale", "100"],
        &["snapshot-memory", "4 arenas x", "can be had", "--scale"],
    );
    refused(
        &["serve", "--scale", "100"],
        &["snapshot-memory", "4 arenas x", "--scale"],
    );
}

#[test]
fn a_wrong_type_is_told_the_right_one() {
    let attached = ["run", "--set", "database=attach:memry"];
    refused(&attached, &["did you mean memory?"]);
    refused(
        &["run", "--set", "rows=many"],
        &["rows takes an integer, not many"],
    );
    refused(
        &["run", "--set", "keys=decimals"],
        &["keys", "did you mean decimal?", "go-rune"],
    );
    refused(
        &["run", "--scale", "big"],
        &["--scale big", "a number above 0"],
    );
    for (value, found) in [
        ("\"5\"", "the string \"5\""),
        ("1.5", "the float 1.5"),
        ("true", "the boolean true"),
        ("[1, [2]]", "an array"),
        ("{ a = 1 }", "a table"),
    ] {
        let toml = format!("{HEAD}[parameters]\nrows = {value}\n");
        file_refused(
            &toml,
            &["scenario one", "mine/one.toml line 6", "rows takes", found],
        );
    }
    file_refused(
        &format!("{HEAD}[parameters]\nrows = 1\nkeys = 5\n"),
        &["line 7", "keys takes a string, not the integer 5"],
    );
    file_refused(
        "name = 5\n",
        &[
            "mine/one.toml line 1",
            "name takes a string, not an integer",
        ],
    );
}

#[test]
fn rows_of_0_and_rows_beyond_64_bits_are_out_of_range() {
    let beyond = [
        "0",
        "-1",
        "9223372036854775808",
        "99999999999999999999999999999999999999999",
    ];
    for rows in beyond {
        let words = ["rows is ", rows, "from 1 to 9223372036854775807"];
        refused(&["run", "--rows", rows], &words);
        refused(&["run", "--set", &format!("rows={rows}")], &words);
        let toml = format!("{HEAD}[parameters]\nrows = {rows}\n");
        file_refused(&toml, &["mine/one.toml line 6", "9223372036854775807"]);
    }
    refused(&["run", "--scale", "0"], &["--scale 0", "a number above 0"]);
    refused(
        &["run", "--scale", "1e300"],
        &["rows times scale", "9223372036854775807"],
    );
    refused(&["run", "--scale", "1e-9"], &["rows times scale"]);
}

#[test]
fn a_toml_syntax_error_is_told_with_its_line() {
    file_refused(
        &format!("{HEAD}[parameters]\nrows = = 5\n"),
        &["mine/one.toml line 6"],
    );
    file_refused(&format!("{HEAD}[parameters\n"), &["mine/one.toml line 5"]);
    file_refused(
        "name = \"one\"\nname = \"two\"\n",
        &["mine/one.toml line 2"],
    );
    file_refused(HEAD, &["one", "parameters.rows is missing"]);
}

#[test]
fn an_output_directory_that_exists_or_cannot_be_made_is_refused() {
    let directory = TempDir::new().unwrap();
    std::fs::create_dir(directory.path().join("there")).unwrap();
    std::fs::write(directory.path().join("file"), "").unwrap();
    refused_in(
        &directory,
        &["run", "--out", "there"],
        &["--out there", "it exists"],
    );
    refused_in(
        &directory,
        &["run", "--out", "file"],
        &["--out file", "it exists"],
    );
    refused_in(
        &directory,
        &["run", "--out", "file/out"],
        &["--out file/out", "cannot make"],
    );
    refused_in(
        &directory,
        &["run", "--out", "no/parent"],
        &["--out no/parent", "cannot make"],
    );
    refused_in(
        &directory,
        &["run", "--out", "/proc/out"],
        &["--out /proc/out", "cannot make"],
    );
}

#[test]
fn a_preload_library_that_is_not_there_is_refused() {
    refused(
        &["run", "--set", "preload=no/such.so"],
        &["no/such.so", "preload library"],
    );
    refused(&["run", "--set", "preload=."], &["it is not a file"]);
    refused(
        &["run", "--set", "env.LD_PRELOAD=x.so"],
        &["LD_PRELOAD", "use the key preload"],
    );
    let own = "env.SQLITE_MEMBENCH_RUST_ALLOCATOR=jemalloc";
    refused(&["run", "--set", own], &["use the keys rust_allocator"]);
    file_refused(
        &format!("{HEAD}[parameters]\nrows = 1\npreload = \"no.so\"\n"),
        &["mine/one.toml line 7", "mine/no.so"],
    );
}

#[test]
fn sizes_and_times_need_their_units() {
    refused(&["run", "--limit-rss", "600"], &["--limit-rss", "600MiB"]);
    for option in ["--limit-rss", "--limit-disk", "--limit-time"] {
        refused(&["run", option, "-5MiB"], &[option, "\"-5MiB\" is no"]);
    }
    refused(&["run", "--limit-time", "10MiB"], &["--limit-time", "10m"]);
    refused(
        &["run", "--sample-interval", "0.01ms"],
        &["--sample-interval", "1ms"],
    );
    refused(
        &["run", "--limit-disk", "0KiB"],
        &["--limit-disk", "too small"],
    );
    file_refused(
        &format!("{HEAD}[parameters]\nrows = 1\n[limits]\nrss = \"600M\"\n"),
        &["mine/one.toml line 8", "limits.rss", "600MiB"],
    );
    file_refused(&format!("{HEAD}[limits]\nrss = 600\n"), &["line 6", "unit"]);
    file_refused(
        &format!("{HEAD}[limits]\nram = \"1MiB\"\n"),
        &["line 6", "unknown key ram"],
    );
}

#[test]
fn a_pragma_value_cannot_carry_a_second_statement() {
    for value in ["1; DROP TABLE user", "'a'b'", "1 --", "(SELECT 1)"] {
        refused(
            &["run", "--set", &format!("cache_size={value}")],
            &["PRAGMA cache_size", value],
        );
    }
}

#[test]
fn a_matrix_has_each_value_once_and_an_end() {
    refused(&["run", "--set", "batch=5,5"], &["batch has 5 twice"]);
    refused(&["run", "--set", "batch="], &["batch has no value"]);
    file_refused(
        &format!("{HEAD}[parameters]\nrows = []\n"),
        &["line 6", "rows has no value"],
    );
    let many: Vec<String> = (1..=501).map(|n| n.to_string()).collect();
    let set = format!("batch={}", many.join(","));
    refused(
        &["run", "--set", &set],
        &["1002 scenarios", "batch, sqlite_allocator"],
    );
}

#[test]
fn a_scenario_of_ones_own_has_a_name_of_its_own() {
    let directory = TempDir::new().unwrap();
    let toml = HEAD.replace("\"one\"", "\"insert-10m\"") + "[parameters]\nrows = 1\n";
    std::fs::write(directory.path().join("a.toml"), toml).unwrap();
    let words = ["a.toml", "insert-10m", "a built-in scenario"];
    refused_in(&directory, &["run", "--scenarios", "."], &words);
    refused_in(&directory, &["list", "--scenarios", "."], &words);
    refused(&["run", "--scenarios", "nowhere"], &["nowhere"]);
    refused(&["list", "--scenarios", "."], &["no *.toml file"]);
}

#[test]
fn a_scenario_file_that_is_no_text_file_is_named() {
    let directory = TempDir::new().unwrap();
    std::fs::create_dir_all(directory.path().join("folder/one.toml")).unwrap();
    std::fs::create_dir(directory.path().join("bytes")).unwrap();
    std::fs::write(directory.path().join("bytes/one.toml"), b"name = \"\xff\"").unwrap();
    for (mine, word) in [("folder", "folder/one.toml"), ("bytes", "bytes/one.toml")] {
        refused_in(&directory, &["run", "--scenarios", mine], &[word]);
        refused_in(&directory, &["list", "--scenarios", mine], &[word]);
    }
}

#[test]
fn an_unknown_command_option_or_format_is_refused() {
    refused(&["rnu"], &["rnu"]);
    refused(&["run", "--frmat", "json"], &["--frmat"]);
    refused(&["run", "--format", "xml"], &["xml", "json"]);
}

#[test]
fn a_temporary_directory_that_is_not_there_is_named() {
    let directory = TempDir::new().unwrap();
    let missing = directory.path().join("missing");
    let output = Command::cargo_bin("sqlite-membench")
        .unwrap()
        .current_dir(&directory)
        .env("TMPDIR", &missing)
        .args(["run", "insert-10m", "--rows", "10", "--out", "out"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("TMPDIR") && said.contains("missing"),
        "{said}"
    );
    assert!(!directory.path().join("out").exists());
}
