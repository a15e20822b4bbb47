//! What is made of a raw profile: names, totals, and nothing of the machine.

use std::fs;
use std::path::Path;

use sqlite_membench::profile::finish;

use super::fixture::{self, END, OTHER};
use super::proto::Profile;

fn collapsed_total(path: &Path) -> u64 {
    let text = fs::read_to_string(path).unwrap();
    let values = text.lines().map(|line| line.rsplit_once(' ').unwrap().1);
    values.map(|value| value.parse::<u64>().unwrap()).sum()
}

fn svg_total(path: &Path) -> u64 {
    let text = fs::read_to_string(path).unwrap();
    let (_, rest) = text.split_once("total_samples=\"").unwrap();
    rest.split_once('"').unwrap().0.parse().unwrap()
}

#[test]
fn all_outputs_hold_the_totals_that_were_counted() {
    let directory = tempfile::tempdir().unwrap();
    let raw = fixture::write(directory.path(), "heap.jsonl", &fixture::heap());
    finish(&raw).unwrap();
    let file = |name: &str| directory.path().join(name);
    let sum =
        |of: fn(&sqlite_membench::profile::raw::Counted) -> u64| of(&END.sqlite) + of(&END.rust);
    for (moment, exact) in [
        ("end", sum(|one| one.now_bytes)),
        ("peak", sum(|one| one.peak_bytes)),
        ("total", sum(|one| one.total_bytes)),
    ] {
        assert_eq!(
            collapsed_total(&file(&format!("heap.{moment}.collapsed"))),
            exact
        );
        assert_eq!(svg_total(&file(&format!("heap.{moment}.svg"))), exact);
    }
    let pprof = Profile::read(&file("heap.pb.gz"));
    assert_eq!(
        pprof.total("inuse_space/bytes") as u64,
        sum(|one| one.now_bytes)
    );
    assert_eq!(
        pprof.total("inuse_objects/count") as u64,
        sum(|one| one.now_blocks)
    );
    assert_eq!(
        pprof.total("alloc_space/bytes") as u64,
        sum(|one| one.total_bytes)
    );
    assert_eq!(
        pprof.total("alloc_objects/count") as u64,
        sum(|one| one.total_blocks)
    );
    assert_eq!(pprof.default_type, "inuse_space");
    assert_eq!(pprof.period, fixture::INTERVAL);
}

#[test]
fn stacks_have_names_from_the_statement_to_the_function_that_asked() {
    let directory = tempfile::tempdir().unwrap();
    let raw = fixture::write(directory.path(), "heap-3.jsonl", &fixture::heap());
    let finished = finish(&raw).unwrap();
    let text = fs::read_to_string(directory.path().join("heap-3.peak.collapsed")).unwrap();
    let line = text
        .lines()
        .find(|line| line.contains("sqlite3_prepare_v3"))
        .unwrap();
    let frames: Vec<&str> = line.rsplit_once(' ').unwrap().0.split(';').collect();
    assert_eq!(
        frames[0],
        OTHER.split_whitespace().collect::<Vec<_>>().join(" ")
    );
    // Between them is what was inlined into each.
    let place = |end: &str| frames.iter().position(|frame| frame.ends_with(end));
    let places = [
        "fixture::service_main",
        "fixture::service_handles_a_request",
        "sqlite3_prepare_v3",
        "sqlite3_malloc64",
    ];
    let places = places.map(|end| place(end).unwrap_or_else(|| panic!("{end} is not in {line}")));
    assert!(places[0] == 1 && places.is_sorted(), "{line}");
    assert!(text.contains("qsort"), "{text}");

    let pprof = Profile::read(&directory.path().join("heap-3.pb.gz"));
    let sample = pprof
        .samples
        .iter()
        .find(|one| one.functions.contains(&"sqlite3_step".to_owned()))
        .unwrap();
    assert_eq!(sample.labels["heap"], "sqlite");
    assert!(sample.labels["statement"].starts_with("INSERT INTO leak"));
    assert_eq!(sample.functions.last(), Some(&sample.labels["statement"]));
    let of_rust = |one: &&super::proto::Sample| one.labels["heap"] == "rust";
    assert!(pprof.samples.iter().find(of_rust).is_some());
    assert!(pprof.mapped >= 5 && pprof.mappings[0].starts_with("profile-"));
    assert!(
        pprof.comments.iter().any(|one| one.contains("a-leak")),
        "{:?}",
        pprof.comments
    );

    let svg = fs::read_to_string(directory.path().join("heap-3.end.svg")).unwrap();
    assert!(svg.contains("a-leak: live at end"));
    assert!(svg.contains("SQLite 95.4 MiB") && svg.contains("Rust 9.5 MiB"));
    assert!(
        finished.files[0].ends_with("heap-3.peak.svg"),
        "{finished:?}"
    );
    assert_eq!(finished.files.len(), 7);
    assert!(finished.files.iter().all(|file| file.exists()));
}

#[test]
fn the_statement_that_leaks_is_the_first_row_of_the_summary() {
    let directory = tempfile::tempdir().unwrap();
    let raw = fixture::write(directory.path(), "heap.jsonl", &fixture::heap());
    let summary = finish(&raw).unwrap().summary;
    let rows: Vec<&str> = summary.lines().collect();
    let head = rows
        .iter()
        .position(|row| row.ends_with("by statement"))
        .unwrap();
    let cells: Vec<&str> = rows[head + 1].split_whitespace().collect();
    // Of each side as much of what was counted as of what was sampled.
    let live = 100_000_003.0 * 93.0 / 95.200_001 + 10_000_019.0 * 5.5 / 14.8;
    assert_eq!(cells[0], format!("{:.1}", live / 1048576.0), "{summary}");
    assert_eq!(cells[2..4], ["92.2", "%"], "{summary}");
    assert!(
        rows[head + 1].contains("INSERT INTO leak(a) VALUES (?);"),
        "{summary}"
    );
    assert!(
        summary.contains("SQLite: 95.4 MiB counted in 23001 blocks"),
        "{summary}"
    );
    assert!(!summary.contains("WARNING"), "{summary}");
}

#[test]
fn nothing_of_the_machine_is_in_any_output() {
    let directory = tempfile::tempdir().unwrap();
    for (name, lines) in [
        ("heap.jsonl", fixture::heap()),
        ("cpu.jsonl", fixture::cpu()),
    ] {
        let raw = fixture::write(directory.path(), name, &lines);
        finish(&raw).unwrap();
    }
    let home = std::env::var("HOME").unwrap();
    let target = std::env::current_exe().unwrap();
    let target = target.parent().unwrap().display().to_string();
    let forbidden = [
        env!("CARGO_MANIFEST_DIR"),
        &*home,
        &*target,
        "/registry/",
        "/rustc/",
    ];
    let mut looked_at = 0;
    let mut check = |name: &str, text: &str| {
        for word in forbidden {
            assert!(!text.contains(word), "{name} contains {word}");
        }
        looked_at += 1;
    };
    for entry in fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.ends_with(".pb.gz") {
            let strings = Profile::read(&path).strings;
            assert!(strings.iter().any(|one| one.ends_with("/sqlite3.c")));
            assert!(
                strings.iter().all(|one| !one.starts_with('/')),
                "{strings:?}"
            );
            check(name, &strings.join("\n"));
        } else if name.ends_with(".jsonl") {
            // The header names the modules' files; what is looked up later is in the last line.
            let text = fs::read_to_string(&path).unwrap();
            let last = text.lines().last().unwrap();
            assert!(last.starts_with(r#"{"kind":"symbols""#));
            check(name, last);
        } else {
            check(name, &fs::read_to_string(&path).unwrap());
        }
    }
    assert_eq!(looked_at, 7 + 3 + 2);
}

#[test]
fn a_second_time_gives_the_same_and_without_the_executable_too() {
    let directory = tempfile::tempdir().unwrap();
    let raw = fixture::write(directory.path(), "heap.jsonl", &fixture::heap());
    let contents = || -> Vec<Vec<u8>> {
        let files = finish(&raw).unwrap().files;
        let files = files.iter().chain([&raw]);
        files.map(|file| fs::read(file).unwrap()).collect()
    };
    let first = contents();
    assert!(first == contents());
    // What is in the file is used: the executable is gone, and its names are not.
    let text = fs::read_to_string(&raw).unwrap();
    let exe = std::env::current_exe().unwrap();
    fs::write(&raw, text.replace(exe.to_str().unwrap(), "/nowhere/at/all")).unwrap();
    finish(&raw).unwrap();
    let collapsed = fs::read_to_string(directory.path().join("heap.end.collapsed")).unwrap();
    assert!(collapsed.contains(";sqlite3_malloc64 "), "{collapsed}");
}

#[test]
fn a_cpu_profile_has_samples_and_time_and_one_picture() {
    let directory = tempfile::tempdir().unwrap();
    let raw = fixture::write(directory.path(), "cpu-2.jsonl", &fixture::cpu());
    let finished = finish(&raw).unwrap();
    let file = |name: &str| directory.path().join(name);
    assert_eq!(
        finished.files,
        [
            file("cpu-2.svg"),
            file("cpu-2.collapsed"),
            file("cpu-2.pb.gz")
        ]
    );
    let pprof = Profile::read(&file("cpu-2.pb.gz"));
    assert_eq!(pprof.types, ["samples/count", "cpu/nanoseconds"]);
    assert_eq!(pprof.total("samples/count"), 400);
    assert_eq!(pprof.total("cpu/nanoseconds"), 4_000_000_000);
    assert_eq!((pprof.period, &*pprof.default_type), (10_000_000, "cpu"));
    assert!(
        pprof
            .samples
            .iter()
            .all(|one| !one.labels.contains_key("heap"))
    );
    assert_eq!(collapsed_total(&file("cpu-2.collapsed")), 400);
    assert_eq!(svg_total(&file("cpu-2.svg")), 400);
    assert!(
        finished.summary.contains("400 samples, 4.00 s of CPU time"),
        "{}",
        finished.summary
    );
}

#[test]
fn colours_tell_whose_code_a_frame_is() {
    let directory = tempfile::tempdir().unwrap();
    let raw = fixture::write(directory.path(), "heap.jsonl", &fixture::heap());
    finish(&raw).unwrap();
    let svg = fs::read_to_string(directory.path().join("heap.end.svg")).unwrap();
    let colour = |name: &str| -> Vec<u8> {
        let (_, rest) = svg
            .split_once(&format!("<title>{name} ("))
            .unwrap_or_else(|| panic!("no {name}"));
        let (_, rest) = rest.split_once("rgb(").unwrap();
        let (colour, _) = rest.split_once(')').unwrap();
        colour
            .split(',')
            .map(|part| part.parse().unwrap())
            .collect()
    };
    let statement = colour("INSERT INTO leak(a) VALUES (?), -- again");
    assert!(
        statement[1] > statement[0] && statement[1] > statement[2],
        "{statement:?}"
    );
    let sqlite = colour("sqlite3_step");
    assert!(sqlite[2] > sqlite[1] && sqlite[1] > sqlite[0], "{sqlite:?}");
    let rust = colour("profile::fixture::service_main");
    assert!(rust[0] > rust[1] && rust[1] > rust[2], "{rust:?}");
    assert!(!svg.contains("href=\"http") && !svg.contains("src=\"http"));
}

/// Files of `profiles/recorded` that end so, in all its directories.
fn recorded(end: &str) -> Vec<std::path::PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/recorded");
    let directories = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let files = directories.filter(|path| path.is_dir()).flat_map(|path| {
        let files = fs::read_dir(path).unwrap();
        files.map(|entry| entry.unwrap().path())
    });
    let found: Vec<_> = files
        .filter(|path| path.to_str().unwrap().ends_with(end))
        .collect();
    assert!(!found.is_empty(), "no recorded profile ends with {end}");
    found
}

#[test]
fn recorded_pictures_hold_the_totals_of_their_stacks() {
    for collapsed in recorded(".collapsed") {
        let picture = collapsed.with_extension("svg");
        assert_eq!(
            svg_total(&picture),
            collapsed_total(&collapsed),
            "{}",
            picture.display()
        );
    }
    for file in recorded(".pb.gz") {
        let of = |moment: &str| {
            let name = file.to_str().unwrap().replace(".pb.gz", moment);
            collapsed_total(Path::new(&name)) as i64
        };
        let pprof = Profile::read(&file);
        assert_eq!(pprof.total("inuse_space/bytes"), of(".end.collapsed"));
        assert_eq!(pprof.total("alloc_space/bytes"), of(".total.collapsed"));
    }
}

#[test]
fn recorded_profiles_say_nothing_of_where_they_were_made() {
    let root = env!("CARGO_MANIFEST_DIR");
    for end in [".svg", ".collapsed", ".json", ".txt"] {
        for file in recorded(end) {
            let text = fs::read_to_string(&file).unwrap();
            for trace in [root, "/home/", "/root/", "registry/src", "/target/"] {
                assert!(!text.contains(trace), "{} has {trace}", file.display());
            }
        }
    }
}
