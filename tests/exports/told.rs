//! What a record says of a scenario, read from its JSON and by nothing of the library's.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::made::Run;

pub struct Told {
    pub workload: String,
    pub rows_per_second: f64,
    pub peak_rss: f64,
    pub end_rss: f64,
    pub growth: f64,
    pub retained: f64,
    pub unattributed: f64,
    /// The median.
    pub cycle_ns: Option<f64>,
    /// The median where it repeats.
    pub phases_ns: BTreeMap<String, f64>,
    pub owners: BTreeMap<String, f64>,
    pub terms: BTreeMap<String, f64>,
    /// As `verdict_bytes` has them.
    pub verdicts: Vec<String>,
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value}"))
}

fn upper_median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// The sum of a ledger's terms that count, by a name made of them.
fn sums(ledger: &Value, name: impl Fn(&str, &str) -> String) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    let terms = ledger["terms"].as_array().unwrap().iter();
    for term in terms.filter(|term| term["counts"] == true) {
        let text = |field: &str| term[field].as_str().unwrap();
        *sums.entry(name(text("owner"), text("term"))).or_default() += number(&term["bytes"]);
    }
    sums
}

impl Told {
    pub fn of(run: &Run, scenario: &str) -> Told {
        let all: Vec<&Value> = run.of(scenario, "phase").collect();
        let ends: Vec<&Value> = all
            .iter()
            .copied()
            .filter(|phase| phase["reading"].is_null())
            .collect();
        let cycle = |phase: &Value| phase["cycle"].as_u64();
        let last = ends.iter().filter_map(|phase| cycle(phase)).max();
        let (first, end) = match last {
            Some(last) => {
                let of = |wanted| ends.iter().rfind(move |phase| cycle(phase) == Some(wanted));
                (of(0).unwrap(), of(last).unwrap())
            }
            None => {
                let mut fill = all.iter().filter(|phase| phase["phase"] == "fill");
                (fill.next().unwrap(), fill.next_back().unwrap())
            }
        };
        let result = run.of(scenario, "result").next().unwrap();
        let peaks = all.iter().map(|phase| number(&phase["peak_rss_bytes"]));
        let samples = run.of(scenario, "sample");
        let peaks = peaks.chain(samples.map(|sample| number(&sample["rss_bytes"])));
        let peaks = peaks.chain([number(&result["peak_rss_bytes"])]);
        let ledger = &end["ledger"];
        let terms = sums(ledger, |owner, term| format!("{owner}/{term}"));
        let (cycle_ns, phases_ns) = times(&ends, last);
        let verdict = run.of(scenario, "verdict").next().unwrap();
        let findings = verdict["findings"].as_array().unwrap().iter();
        let mut verdicts: Vec<String> = findings
            .map(|finding| finding["verdict"].as_str().unwrap().to_owned())
            .collect();
        verdicts.sort();
        let started = run.of(scenario, "scenario").next().unwrap();
        let rss = |phase: &Value| number(&phase["ledger"]["rss_bytes"]);
        Told {
            workload: started["parameters"]["workload"]
                .as_str()
                .unwrap()
                .to_owned(),
            rows_per_second: number(&result["rows_per_second"]),
            peak_rss: peaks.fold(0.0, f64::max),
            end_rss: rss(end),
            growth: rss(end) - rss(first),
            retained: retained(&terms),
            unattributed: number(&ledger["unattributed_bytes"]),
            cycle_ns,
            phases_ns,
            owners: sums(ledger, |owner, _| owner.to_owned()),
            terms,
            verdicts,
        }
    }

    /// The phases of the workload itself.
    pub fn work(&self) -> impl Iterator<Item = (&str, f64)> {
        let phases = self.phases_ns.iter();
        let all = phases.map(|(name, ns)| (name.as_str(), *ns));
        all.filter(|(name, _)| !["open", "verify", "close"].contains(name))
    }
}

/// Of the whole cycle, and of each phase.
fn times(ends: &[&Value], last: Option<u64>) -> (Option<f64>, BTreeMap<String, f64>) {
    let mut phases: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut cycles: BTreeMap<u64, f64> = BTreeMap::new();
    for phase in ends {
        let name = phase["phase"].as_str().unwrap();
        let elapsed = number(&phase["elapsed_ns"]);
        if let Some(cycle) = phase["cycle"].as_u64().filter(|cycle| *cycle > 0) {
            *cycles.entry(cycle).or_default() += elapsed;
        }
        if !["start", "probe"].contains(&name) {
            phases.entry(name.to_owned()).or_default().push(elapsed);
        }
    }
    assert_eq!(cycles.len() as u64, last.unwrap_or(0));
    let cycle = last.map(|_| upper_median(cycles.into_values().collect()));
    let phases = phases.into_iter();
    let phases = phases.map(|(name, all)| (name, upper_median(all)));
    (cycle, phases.collect())
}

/// See `report::cycles::retained_bytes`, for an allocator whose terms have names of their own.
fn retained(terms: &BTreeMap<String, f64>) -> f64 {
    let term = |name: &str| terms.get(name).copied().unwrap_or(0.0);
    let arena = |owner: &str| {
        if !terms.contains_key(&format!("{owner}/unreturned")) {
            return 0.0;
        }
        let beside = ["unreturned", "untouched", "retained but resident"];
        let sum: f64 = beside
            .map(|name| term(&format!("{owner}/{name}")))
            .iter()
            .sum();
        sum.max(0.0)
    };
    term("allocator/free but resident").max(0.0) + arena("sqlite") + arena("rust")
}
