//! The profiling scripts, as a user runs them, over a program that is built already.

#[path = "support/runs.rs"]
#[allow(
    dead_code,
    reason = "of what the runs' tests share, this one needs less"
)]
mod runs;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use runs::{Run, text};

fn script(name: &str, arguments: &[&str], directory: &Path) -> Command {
    let mut command = Command::new("/bin/bash");
    command.arg(format!("{}/scripts/{name}", env!("CARGO_MANIFEST_DIR")));
    command.args(arguments).current_dir(directory);
    command.env("SQLITE_MEMBENCH", env!("CARGO_BIN_EXE_sqlite-membench"));
    command
}

fn run(name: &str, arguments: &[&str], directory: &Path) -> Output {
    script(name, arguments, directory).output().unwrap()
}

/// What the scripts need at the least, and neither perf nor cargo.
fn bare_path(directory: &Path) -> &Path {
    for tool in [
        "mktemp", "rm", "date", "mkdir", "cat", "cp", "dirname", "sed", "paste",
    ] {
        let found = ["/usr/bin", "/bin"].map(|place| Path::new(place).join(tool));
        let found = found.iter().find(|path| path.exists()).unwrap();
        symlink(found, directory.join(tool)).unwrap();
    }
    directory
}

/// The path behind `picture: `.
fn picture(output: &Output) -> String {
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    let mut lines = said
        .lines()
        .filter_map(|line| line.strip_prefix("picture: "));
    let path = lines
        .next_back()
        .unwrap_or_else(|| panic!("no picture in {said}"));
    path.to_owned()
}

#[test]
fn help_says_what_a_script_needs_and_how_it_ends() {
    let anywhere = tempfile::tempdir().unwrap();
    for name in ["flamegraph", "heap-flamegraph", "heap-diff"] {
        let output = run(name, &["--help"], anywhere.path());
        let help = text(&output.stdout);
        assert!(output.status.success(), "{name}");
        for words in ["Usage: scripts/", "Needs", "Exit codes:", "SQLITE_MEMBENCH"] {
            assert!(help.contains(words), "{name}: {words}");
        }
    }
}

#[test]
fn bad_usage_is_exit_code_2_and_names_the_argument() {
    let anywhere = tempfile::tempdir().unwrap();
    let refused = |name: &str, arguments: &[&str], words: &str| {
        let output = run(name, arguments, anywhere.path());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}: {said}");
        assert!(said.contains(words), "{name}: {said}");
    };
    refused("flamegraph", &[], "scenario");
    refused("flamegraph", &["insert-10m", "--sampler", "magic"], "magic");
    refused("flamegraph", &["--bench", "nothing/10m"], "nothing");
    refused(
        "flamegraph",
        &["--sampler", "in-process", "no-such-scenario"],
        "no-such-scenario",
    );
    refused(
        "heap-flamegraph",
        &["insert-10m", "--of", "middle"],
        "middle",
    );
    refused("heap-flamegraph", &["insert-10m", "--output"], "--output");
    refused("heap-diff", &["only-one"], "two runs");
    refused(
        "heap-diff",
        &["not-there@peak", "not-there@end"],
        "not-there",
    );
}

#[test]
fn what_is_missing_is_named_with_the_way_to_get_it() {
    let tools = tempfile::tempdir().unwrap();
    let path = bare_path(tools.path());
    let missing = |name: &str, arguments: &[&str], words: &str| {
        let mut command = script(name, arguments, tools.path());
        command.env("PATH", path).env_remove("SQLITE_MEMBENCH");
        let output = command.output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains(words), "{said}");
    };
    missing(
        "flamegraph",
        &["insert-10m", "--sampler", "perf"],
        "apt-get install linux-perf",
    );
    missing("flamegraph", &["insert-10m"], "rustup.rs");
    missing("heap-flamegraph", &["insert-10m"], "rustup.rs");
}

/// Whether the kernel lets `perf`, if there is one, sample a process of one's own.
fn perf_is_permitted(place: &Path) -> bool {
    let mut probe = Command::new("perf");
    probe.args(["record", "-N", "-e", "cpu-clock:u", "-o"]);
    let ran = probe.arg(place.join("probe")).args(["--", "true"]).output();
    ran.is_ok_and(|output| output.status.success())
}

#[test]
fn a_cpu_flamegraph_is_by_perf_where_that_is_permitted() {
    let place = runs::TempDir::new().unwrap();
    let arguments = ["insert-10m", "--rows", "300000", "--no-probes"];
    let more = ["--sampler", "perf", "--set", "sqlite_allocator=system"];
    let ran = run("flamegraph", &[arguments, more].concat(), place.path());
    if !perf_is_permitted(place.path()) {
        let said = text(&ran.stderr);
        assert_eq!(ran.status.code(), Some(3), "{said}");
        assert!(said.contains("--sampler in-process"), "{said}");
        return;
    }
    let drawn = fs::read_to_string(place.path().join(picture(&ran))).unwrap();
    // From the bottom to the top, but where perf may lose callers, which the script says.
    let may_lose = text(&ran.stderr).contains("perf may lose callers");
    let bottom = (!may_lose).then_some(">main (");
    for function in ["sqlite3VdbeExec (", "sqlite3BtreeInsert ("]
        .into_iter()
        .chain(bottom)
    {
        assert!(drawn.contains(function), "no {function} in the picture");
    }
}

#[test]
fn a_cpu_flamegraph_needs_no_perf() {
    let place = runs::TempDir::new().unwrap();
    let (tools, output) = (place.path().join("bin"), place.path().join("a.svg"));
    fs::create_dir(&tools).unwrap();
    let arguments = [
        "insert-10m",
        "--rows",
        "500000",
        "--set",
        "sqlite_allocator=system",
    ];
    let more = ["--no-probes", "--output", output.to_str().unwrap()];
    let mut command = script(
        "flamegraph",
        &[&arguments[..], &more].concat(),
        place.path(),
    );
    let ran = command.env("PATH", bare_path(&tools)).output().unwrap();
    assert_eq!(picture(&ran), output.to_str().unwrap());
    assert!(text(&ran.stderr).contains("the process samples itself"));
    assert!(
        fs::read_to_string(&output)
            .unwrap()
            .contains("sqlite3VdbeExec")
    );
}

#[test]
fn a_heap_flamegraph_is_of_an_arena_and_at_the_peak() {
    let place = runs::TempDir::new().unwrap();
    let arguments = [
        "insert-leak-per-row",
        "--rows",
        "5000",
        "--heap-interval",
        "64KiB",
    ];
    let ran = run("heap-flamegraph", &arguments, place.path());
    let picture = picture(&ran);
    assert!(picture.ends_with("/heap.peak.svg"), "{picture}");
    let drawn = fs::read_to_string(place.path().join(&picture)).unwrap();
    assert!(drawn.contains("INSERT OR REPLACE INTO"));
    assert!(text(&ran.stdout).contains("sqlite arena"));
}

/// What grew between the second and the eighth cycle: a run, what the script says, and its picture.
fn grown(arguments: &[&str]) -> (Run, String, String) {
    let run_a = Run::new();
    let more = [
        "--cycles",
        "8",
        "--heap-profile",
        "--heap-interval",
        "4KiB",
        "--quiet",
    ];
    let ran = run_a.output(&[arguments, &more].concat());
    assert!(ran.status.success(), "{}", text(&ran.stderr));
    let at = |cycle: u32| format!("{}@cycle={cycle}", run_a.out.display());
    let ran = run("heap-diff", &[&at(2), &at(8)], run_a.out.parent().unwrap());
    let picture = picture(&ran);
    assert!(picture.ends_with("run/heap-diff.svg"), "{picture}");
    let drawn = fs::read_to_string(&picture).unwrap();
    assert!(drawn.contains("</svg>"));
    (run_a, text(&ran.stdout), drawn)
}

#[test]
fn a_diff_of_two_cycles_shows_the_statement_that_leaks() {
    let leak = ["fault-leaked-statement", "--set", "sqlite_allocator=arena"];
    let (_run, told, drawn) = grown(&leak);
    assert!(
        told.contains("INSERT INTO item") && told.contains("growOpArray"),
        "{told}"
    );
    assert!(drawn.contains("sqlite3VdbeCreate"));
}

#[test]
fn a_diff_of_two_cycles_of_a_snapshot_is_drawn_though_little_grows() {
    let (_run, told, _) = grown(&["snapshot-rotate-per-step", "--scale", "0.005"]);
    assert!(told.contains("cycle=8 against"), "{told}");
}
