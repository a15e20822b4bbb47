//! A directory as criterion 0.8.2 leaves it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::files::{BENCHMARK, ESTIMATES, SAMPLE};
use super::{Unit, stamp};

/// Writes a benchmark of ten flat samples of two iterations: 200 to 218 each. Says where.
pub(super) fn put(root: &Path, group: &str, function: &str, baseline: &str) -> PathBuf {
    let name = format!("{}/{function}", group.replace('/', "_"));
    let directory = root.join(&name).join(baseline);
    fs::create_dir_all(&directory).unwrap();
    let id = format!("{group}/{function}");
    let benchmark = json!({
        "group_id": group, "function_id": function, "value_str": null,
        "throughput": {"Elements": 1000}, "full_id": id, "directory_name": name, "title": id,
    });
    save(&directory.join(BENCHMARK), &benchmark);
    let estimate = |value: f64| {
        json!({
            "confidence_interval": {
                "confidence_level": 0.95, "lower_bound": value - 0.5, "upper_bound": value + 0.5
            },
            "point_estimate": value, "standard_error": 0.25,
        })
    };
    let estimates = json!({
        "mean": estimate(104.5), "median": estimate(104.0), "median_abs_dev": estimate(2.5),
        "slope": null, "std_dev": estimate(3.0),
    });
    save(&directory.join(ESTIMATES), &estimates);
    samples(&directory, 10);
    fs::write(directory.join("tukey.json"), "[1.0,2.0,3.0,4.0]").unwrap();
    directory
}

/// The last run of one benchmark, stamped.
pub(super) fn stamped(root: &Path, group: &str, function: &str) -> PathBuf {
    let directory = put(root, group, function, "new");
    let units = BTreeMap::from([(group.to_owned(), Unit::Bytes)]);
    let settings = BTreeMap::from([("rows".to_owned(), "1000".to_owned())]);
    stamp::write(root, long_ago(), &units, &settings).unwrap();
    directory
}

pub(super) fn samples(directory: &Path, count: u32) {
    let times: Vec<f64> = (0..count).map(|n| 200.0 + 2.0 * f64::from(n)).collect();
    let sample = json!({
        "sampling_mode": "Flat", "iters": vec![2.0; times.len()], "times": times,
    });
    save(&directory.join(SAMPLE), &sample);
}

pub(super) fn save(path: &Path, value: &Value) {
    fs::write(path, value.to_string()).unwrap();
}

/// Changes what stands at `pointer` of a file; null removes it.
pub(super) fn change(path: &Path, pointer: &str, to: Option<Value>) {
    let mut json: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let (outer, name) = pointer.rsplit_once('/').unwrap();
    let outer = json.pointer_mut(outer).unwrap().as_object_mut().unwrap();
    match to {
        Some(value) => outer.insert(name.to_owned(), value),
        None => outer.remove(name),
    };
    save(path, &json);
}

/// Before all that a test has written.
pub(super) fn long_ago() -> SystemTime {
    SystemTime::now() - Duration::from_secs(3600)
}
