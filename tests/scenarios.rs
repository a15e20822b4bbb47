//! The scenarios that ship: each parses, says what it is, and makes what it says.

use sqlite_membench::scenario::{
    Catalogue, Declaration, Limits, Scenario, Selection, Setting, Workload,
};
use sqlite_membench::workload::database::DatabaseKind;
use sqlite_membench::workload::fault::{Fault, FaultOptions};
use sqlite_membench::workload::insert::{InsertOptions, Shrink, Statements, Transaction};
use sqlite_membench::workload::keys::KeyMode;
use sqlite_membench::workload::snapshot::schema::Schema;
use sqlite_membench::workload::snapshot::{DumpKind, Placement, SnapshotOptions, Trim};

fn resolve(names: &[&str], sets: &[&str]) -> Vec<Scenario> {
    let selection = Selection {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        sets: sets.iter().map(|set| (*set).to_owned()).collect(),
        settings: Vec::new(),
    };
    let catalogue = Catalogue::built_in().unwrap();
    catalogue.resolve(&selection).unwrap().scenarios
}

fn options(scenario: &Scenario) -> &InsertOptions {
    match &scenario.workload {
        Workload::Insert(options) => options,
        Workload::Snapshot(_) | Workload::Fault(_) => panic!("{} is no insert", scenario.name),
    }
}

#[test]
fn every_file_of_the_directory_is_built_in_under_its_own_name() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/profiles/scenarios");
    let mut files: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let catalogue = Catalogue::built_in().unwrap();
    let mut names: Vec<String> = catalogue
        .declarations()
        .iter()
        .map(|declaration| declaration.name.clone())
        .collect();
    files.sort();
    names.sort();
    assert_eq!(names, files);
}

#[test]
fn every_scenario_has_prose_that_says_what_whence_and_what_to_expect() {
    for declaration in Catalogue::built_in().unwrap().declarations() {
        for part in ["What it is:", "Where it came from:", "What to expect:"] {
            assert!(
                declaration.about.contains(part),
                "{}: {part}",
                declaration.name
            );
        }
        assert!(!declaration.summary.contains('\n') && declaration.summary.len() <= 90);
        assert!(!declaration.sets.is_empty(), "{}", declaration.name);
    }
}

#[test]
fn every_scenario_expands_into_names_of_its_own_that_survive_the_way_to_a_testee() {
    let catalogue = Catalogue::built_in().unwrap();
    for declaration in catalogue.declarations() {
        if declaration.name == "snapshot-jemalloc-preload" && !is_jemalloc_installed() {
            continue;
        }
        let scenarios = resolve(&[&declaration.name], &[]);
        assert_eq!(scenarios.len(), declaration.cells());
        let mut names: Vec<_> = scenarios.iter().map(|scenario| &scenario.name).collect();
        names.dedup();
        assert_eq!(names.len(), scenarios.len());
        for scenario in &scenarios {
            let json = serde_json::to_string(scenario).unwrap();
            assert_eq!(&serde_json::from_str::<Scenario>(&json).unwrap(), scenario);
        }
    }
}

fn is_jemalloc_installed() -> bool {
    let selection = Selection {
        names: vec!["snapshot-jemalloc-preload".into()],
        ..Selection::default()
    };
    match Catalogue::built_in().unwrap().resolve(&selection) {
        Ok(_) => true,
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains("libjemalloc2"), "{text}");
            false
        }
    }
}

#[test]
fn what_is_not_installed_is_left_out_of_its_set_and_said() {
    let selection = Selection {
        sets: vec!["snapshot-allocators".into()],
        ..Selection::default()
    };
    let resolved = Catalogue::built_in().unwrap().resolve(&selection).unwrap();
    let names: Vec<&str> = (resolved.scenarios.iter())
        .map(|scenario| scenario.name.as_str())
        .collect();
    assert!(names.contains(&"snapshot-arena-max[env.MALLOC_ARENA_MAX=2]"));
    let here = is_jemalloc_installed();
    assert_eq!(names.contains(&"snapshot-jemalloc-preload"), here);
    let left_out = resolved.left_out.iter();
    let left_out: Vec<&str> = left_out.map(|(name, _)| name.as_str()).collect();
    assert_eq!(left_out.contains(&"snapshot-jemalloc-preload"), !here);
}

#[test]
fn the_snapshot_variants_differ_from_the_report_in_what_their_names_say() {
    let options = |name: &str| match &resolve(&[name], &[])[0].workload {
        Workload::Snapshot(options) => options.clone(),
        Workload::Insert(_) | Workload::Fault(_) => panic!("{name} is no snapshot"),
    };
    let report = options("snapshot-memory");
    assert_eq!(report, SnapshotOptions::default());
    let of = |change: fn(&mut SnapshotOptions)| {
        let mut options = report.clone();
        change(&mut options);
        options
    };
    for (name, expected) in [
        (
            "snapshot-file",
            of(|o| o.snapshot = Some(DatabaseKind::File)),
        ),
        ("snapshot-no-dump", of(|o| o.dump = DumpKind::None)),
        ("snapshot-no-snapshot", of(|o| o.snapshot = None)),
        (
            "snapshot-one-thread",
            of(|o| o.placement = Placement::OneThread),
        ),
        (
            "snapshot-rotate-per-step",
            of(|o| o.placement = Placement::RotatePerStep),
        ),
        ("snapshot-trim", of(|o| o.trim = Trim::PerCycle)),
        ("snapshot-arena", of(|o| o.trim = Trim::PerCycle)),
        ("snapshot-flat", of(|o| o.schema = Schema::Flat)),
        ("snapshot-tcache-off", report.clone()),
    ] {
        assert_eq!(options(name), expected, "{name}");
    }
}

#[test]
fn the_standard_set_is_the_report_under_two_allocators_and_the_snapshots_table() {
    let standard = resolve(&[], &[]);
    assert_eq!(standard, resolve(&["insert-10m"], &["standard"]));
    let names: Vec<_> = standard
        .iter()
        .map(|scenario| scenario.name.as_str())
        .collect();
    let expected = [
        "insert-10m[sqlite_allocator=system]",
        "insert-10m[sqlite_allocator=arena]",
        "snapshot-memory",
        "snapshot-file",
        "snapshot-no-dump",
        "snapshot-no-snapshot",
        "snapshot-one-thread",
    ];
    assert_eq!(names, expected);
}

#[test]
fn insert_10m_has_the_13_pragmas_of_the_report_in_its_order() {
    let scenario = &resolve(&["insert-10m"], &[])[0];
    let options = options(scenario);
    let pragmas: Vec<String> = options
        .pragmas
        .iter()
        .map(|p| format!("{} = {}", p.name, p.value))
        .collect();
    let expected = [
        "automatic_index = ON",
        "cache_size = 32768",
        "cache_spill = OFF",
        "foreign_keys = ON",
        "journal_size_limit = 67110000",
        "locking_mode = NORMAL",
        "page_size = 4096",
        "recursive_triggers = ON",
        "secure_delete = ON",
        "synchronous = NORMAL",
        "temp_store = MEMORY",
        "journal_mode = WAL",
        "wal_autocheckpoint = 16384",
    ];
    assert_eq!(pragmas, expected);
    assert_eq!((options.rows, options.batch), (10_000_000, 32_768));
    assert_eq!(
        (options.keys, options.shrink),
        (KeyMode::GoRune, Shrink::SameConnection)
    );
    assert_eq!(scenario.limits, Limits::default());
}

#[test]
fn the_faults_are_declared_as_they_were_reported() {
    let leak = &resolve(&["insert-leak-per-row"], &[])[0];
    assert_eq!(leak.limits.rss_bytes, Some(600 << 20));
    assert_eq!(options(leak).statements, Statements::LeakPerRow);
    let single = &resolve(&["insert-single-transaction"], &[])[0];
    assert_eq!(options(single).transaction, Transaction::Single);
    assert_eq!(options(single).rows, 8_000_000);
    let spill = options(single)
        .pragmas
        .iter()
        .find(|pragma| pragma.name == "cache_spill");
    assert_eq!(spill.unwrap().value, "OFF");
}

#[test]
fn every_fault_has_a_scenario_of_its_name_under_two_allocators() {
    for fault in Fault::ALL {
        let scenarios = resolve(&[&format!("fault-{fault}")], &[]);
        let cells = if fault == Fault::PageSize { 16 } else { 2 };
        assert_eq!(scenarios.len(), cells);
        for scenario in scenarios {
            let Workload::Fault(options) = &scenario.workload else {
                panic!("{} is no fault", scenario.name)
            };
            let expected = FaultOptions {
                pragmas: options.pragmas.clone(),
                ..FaultOptions::new(fault)
            };
            assert_eq!(options, &expected);
        }
    }
    let all = resolve(&[], &["faults"]);
    assert_eq!(all.len(), 2 * 15 + 16 + 2 * 2);
}

const FAULT: &str = r#"
name = "mine"
summary = "One"
about = "Two"
workload = "fault"

[parameters]
"#;

#[test]
fn a_fault_scenario_must_say_which_fault() {
    let parse = |parameters: &str| Declaration::parse("mine.toml", &format!("{FAULT}{parameters}"));
    let text = parse("cycles = 3").unwrap_err().to_string();
    assert!(text.contains("parameters.fault is missing"), "{text}");
    for fault in Fault::ALL {
        assert!(text.contains(fault.name()), "{text}");
        parse(&format!("fault = \"{fault}\"")).unwrap();
    }
    let text = parse("fault = \"open-blob\"\nrows = 3")
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("rows does not apply to workload fault"),
        "{text}"
    );
}

#[test]
fn what_a_fault_cannot_be_told_is_said_before_anything_runs() {
    let resolve = |name: &str, setting: &str| {
        let selection = Selection {
            names: vec![name.to_owned()],
            settings: vec![Setting::parse(setting).unwrap()],
            ..Selection::default()
        };
        Catalogue::built_in().unwrap().resolve(&selection)
    };
    for (name, setting, part) in [
        (
            "fault-large-cache",
            "database=memory",
            "takes one of: file, file-wal",
        ),
        (
            "fault-leaked-buffer",
            "fault=leaked-bufer",
            "did you mean leaked-buffer?",
        ),
        (
            "fault-leaked-buffer",
            "mended=yes",
            "mended takes true or false",
        ),
        ("fault-leaked-buffer", "cycles=0", "an integer from 1"),
        ("fault-leaked-buffer", "scale=1000", "64 at most"),
        (
            "fault-leaked-buffer",
            "workers=2",
            "no scenario of that was chosen",
        ),
    ] {
        let text = resolve(name, setting).unwrap_err().to_string();
        assert!(text.contains(part), "{setting}: {text}");
    }
    let mended = resolve("fault-leaked-buffer", "mended=true").unwrap();
    assert_eq!(mended.scenarios[0].parameters()["mended"], true);
}

#[test]
fn settings_replace_multiply_and_remove_what_a_file_says() {
    let settings = [
        "rows=2_000",
        "scale=0.5",
        "cache_spill=on,unset",
        "pragma.mmap_size=0",
    ];
    let settings = settings.map(|text| Setting::parse(text).unwrap()).to_vec();
    let selection = Selection {
        names: vec!["insert-decimal".into()],
        sets: vec![],
        settings,
    };
    let scenarios = (Catalogue::built_in().unwrap().resolve(&selection).unwrap()).scenarios;
    let [on, unset] = &scenarios[..] else {
        panic!("{scenarios:?}")
    };
    assert_eq!(on.name, "insert-decimal[pragma.cache_spill=on]");
    assert_eq!(options(on).rows, 1_000);
    let names = |scenario| {
        options(scenario)
            .pragmas
            .iter()
            .map(|p| p.name.clone())
            .collect()
    };
    let (on, unset): (Vec<String>, Vec<String>) = (names(on), names(unset));
    assert_eq!((on.len(), unset.len()), (14, 13));
    assert_eq!(
        (on[2].as_str(), on[13].as_str()),
        ("cache_spill", "mmap_size")
    );
    assert!(!unset.contains(&"cache_spill".to_owned()));
}

#[test]
fn one_cell_of_a_matrix_runs_by_the_name_that_a_run_gives_it() {
    let arena = "insert-10m[sqlite_allocator=arena]";
    let one = resolve(&[arena], &[]);
    assert_eq!(
        one.iter()
            .map(|scenario| scenario.name.as_str())
            .collect::<Vec<_>>(),
        [arena]
    );
    assert_eq!(resolve(&[arena], &["standard"]).len(), 7);
}

#[test]
fn parameters_carry_the_names_that_set_takes() {
    let scenario = &resolve(&["insert-10m"], &[])[0];
    let parameters = scenario.parameters();
    assert_eq!(parameters["rows"], 10_000_000);
    assert_eq!(parameters["keys"], "go-rune");
    assert_eq!(parameters["pragma.cache_size"], "32768");
    let snapshot = resolve(&["snapshot-memory"], &[])[0].parameters();
    let fault = resolve(&["fault-page-size"], &[])[0].parameters();
    assert_eq!(snapshot["workload"], "snapshot");
    assert_eq!(snapshot["snapshot"], "memory-named");
    let all = parameters.iter().chain(&snapshot).chain(&fault);
    for (key, value) in all.filter(|(key, _)| *key != "workload") {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        assert!(
            Setting::parse(&format!("{key}={text}")).is_ok(),
            "{key}={text}"
        );
    }
}

#[test]
fn a_database_can_be_attached() {
    let databases: Vec<String> = resolve(&["insert-database-kinds"], &[])
        .iter()
        .map(|scenario| options(scenario).database.to_string())
        .collect();
    assert_eq!(databases.len(), 14);
    assert!(
        databases.contains(&"attach:memory-shared".to_owned()),
        "{databases:?}"
    );
}

#[test]
fn arrays_multiply_with_the_last_key_running_fastest() {
    let names: Vec<_> = resolve(&["insert-allocators"], &[])
        .into_iter()
        .map(|scenario| scenario.name)
        .collect();
    assert_eq!(names.len(), 10);
    let first = "insert-allocators[rust_allocator=system,sqlite_allocator=system]";
    let last = "insert-allocators[rust_allocator=jemalloc,sqlite_allocator=memsys5]";
    assert_eq!((names[0].as_str(), names[9].as_str()), (first, last));
}
