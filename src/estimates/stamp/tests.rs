use std::fs::File;

use tempfile::tempdir;

use super::*;
use crate::estimates::files::SAMPLE;
use crate::estimates::fixture::{long_ago, put, samples};

fn units(groups: &[(&str, Unit)]) -> BTreeMap<String, Unit> {
    let owned = |(group, unit): &(&str, Unit)| ((*group).to_owned(), *unit);
    groups.iter().map(owned).collect()
}

fn stamp_of(directory: &Path) -> Option<Stamp> {
    let bytes = files::stamp(directory).unwrap()?;
    Some(decode(&directory.join(STAMP), &bytes).unwrap())
}

fn written_at(directory: &Path, time: SystemTime) {
    let file = File::options()
        .append(true)
        .open(directory.join(ESTIMATES))
        .unwrap();
    file.set_modified(time).unwrap();
}

#[test]
fn the_last_run_and_its_baseline_are_stamped_with_unit_settings_and_machine() {
    let root = tempdir().unwrap();
    let new = put(root.path(), "insert/1k", "file", "new");
    let base = put(root.path(), "insert/1k", "file", "feature/before");
    let blocks = put(root.path(), "insert/1k/allocated-blocks", "file", "new");
    let units = units(&[
        ("insert/1k", Unit::Nanoseconds),
        ("insert/1k/allocated-blocks", Unit::Blocks),
    ]);
    let settings = BTreeMap::from([("pragmas".to_owned(), "cache_size=10".to_owned())]);
    let since = UNIX_EPOCH + Duration::from_secs(951_782_400);
    assert_eq!(write(root.path(), since, &units, &settings).unwrap(), 3);
    let stamp = stamp_of(&new).unwrap();
    assert_eq!(stamp.unit, Unit::Nanoseconds);
    assert_eq!(stamp.settings, settings);
    assert_eq!(stamp.started_at, "2000-02-29T00:00:00Z");
    assert_eq!(stamp.suite_version, env!("CARGO_PKG_VERSION"));
    assert_eq!(
        stamp.machine_key.as_deref(),
        stamp.environment["machine_key"].as_str()
    );
    assert!(stamp.environment.contains_key("rustc"));
    assert_eq!(stamp_of(&base), Some(stamp));
    assert_eq!(stamp_of(&blocks).unwrap().unit, Unit::Blocks);
    let text = fs::read_to_string(blocks.join(STAMP)).unwrap();
    assert!(text.starts_with("{\"schema_version\":1,") && text.contains("\"unit\":\"blocks\""));
    // No temporary file is left.
    assert_eq!(fs::read_dir(&new).unwrap().count(), 5);
}

#[test]
fn what_this_run_did_not_write_or_does_not_know_is_left_alone() {
    let root = tempdir().unwrap();
    let since = UNIX_EPOCH + Duration::from_millis(1_700_000_000_900);
    let mine = units(&[("g", Unit::Bytes)]);
    let write = || write(root.path(), since, &mine, &BTreeMap::new()).unwrap();
    let before = put(root.path(), "g", "before", "new");
    written_at(&before, since - Duration::from_secs(1));
    put(root.path(), "another", "f", "new");
    let drawn = put(root.path(), "g", "before", "change");
    let cut = put(root.path(), "g", "cut", "new");
    fs::write(cut.join(SAMPLE), "{").unwrap();
    assert_eq!(write(), 0);
    assert_eq!((stamp_of(&before), stamp_of(&drawn)), (None, None));
    // A file's clock is coarser than the system's.
    written_at(&before, since - Duration::from_millis(800));
    assert_eq!(write(), 1);
    assert_eq!(stamp_of(&before).unwrap().unit, Unit::Bytes);
}

#[test]
fn what_quick_left_has_no_stamp_and_loses_an_old_one() {
    let root = tempdir().unwrap();
    let directory = put(root.path(), "g", "f", "new");
    let mine = units(&[("g", Unit::Nanoseconds)]);
    let write = || write(root.path(), long_ago(), &mine, &BTreeMap::new()).unwrap();
    assert_eq!(write(), 1);
    samples(&directory, 2);
    for _ in 0..2 {
        assert_eq!(write(), 0);
        assert!(!directory.join(STAMP).exists());
    }
}

#[test]
fn where_criterion_wrote_nothing_nothing_is_stamped() {
    let root = tempdir().unwrap();
    let none = root.path().join("none");
    let stamped = write(&none, long_ago(), &BTreeMap::new(), &BTreeMap::new());
    assert_eq!(stamped.unwrap(), 0);
    assert!(!none.exists());
}

#[test]
fn a_stamp_that_cannot_be_written_is_an_error_that_names_it() {
    let root = tempdir().unwrap();
    let directory = put(root.path(), "g", "f", "new");
    fs::create_dir(directory.join(STAMP)).unwrap();
    let mine = units(&[("g", Unit::Bytes)]);
    let error = write(root.path(), long_ago(), &mine, &BTreeMap::new()).unwrap_err();
    assert!(
        error.to_string().contains("f/new/membench.json: "),
        "{error}"
    );
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 5);
}

#[test]
fn criterion_writes_where_its_variables_say() {
    let by = |home: Option<&str>, target: Option<&str>| {
        let variable = |name: &str| match name {
            "CRITERION_HOME" => home.map(OsString::from),
            "CARGO_TARGET_DIR" => target.map(OsString::from),
            other => panic!("{other}"),
        };
        directory_by(variable, Path::new("/t"))
    };
    assert_eq!(by(None, None), Path::new("/t/criterion"));
    assert_eq!(by(None, Some("/c")), Path::new("/c/criterion"));
    assert_eq!(by(Some("/home"), Some("/c")), Path::new("/home"));
}

#[test]
fn a_run_stamps_its_files_once_and_another_run_stamps_them_anew() {
    let root = tempdir().unwrap();
    let first = put(root.path(), "insert/1k", "file", "new");
    let mine = units(&[("insert/1k", Unit::Nanoseconds)]);
    let write = |since| write(root.path(), since, &mine, &BTreeMap::new()).unwrap();
    assert_eq!(write(long_ago()), 1);
    put(root.path(), "insert/1k", "memory", "new");
    assert_eq!(write(long_ago()), 1);
    assert_eq!(write(long_ago()), 0);
    let later = long_ago() + Duration::from_secs(60);
    assert_eq!(write(later), 2);
    assert_eq!(stamp_of(&first).unwrap().started_at, rfc3339(later));
}
