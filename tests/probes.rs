//! What gives memory back, tried by a testee after its last cycle or at its limit, as its record
//! tells it. Each test is a run of its own, and this executable is the testee too.

#[path = "support/records.rs"]
mod records;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use rustix::process::{Signal, getpid, kill_process};
use sqlite_membench::harness::{self, Outcome, RECORD_FILE, RunOptions, Watcher};
use sqlite_membench::record::{Line, PhaseRecord, Reader, ResultRecord};
use sqlite_membench::scenario::{Catalogue, Scenario, Selection, Setting};
use sqlite_membench::verdict::Probe;

#[global_allocator]
static ALLOCATOR: sqlite_membench::allocator::global::Switchable =
    sqlite_membench::allocator::global::Switchable::new();

const MIB: i64 = 1 << 20;
const INSERT: &str = "INSERT OR REPLACE INTO \"user\" VALUES (?, ?, ?)";
/// What follows a COMMIT.
const AFTER_COMMIT: [Probe; 4] = [Probe::Finalize, Probe::Shrink, Probe::Trim, Probe::Purge];

/// Looks on, and interrupts the run where that is asked for.
struct Looking {
    interrupt: bool,
}

impl Watcher for Looking {
    fn scenario_started(&mut self, _: &Scenario) {}
    fn line(&mut self, line: &Line) {
        if matches!(line, Line::Progress(_)) && std::mem::take(&mut self.interrupt) {
            kill_process(getpid(), Signal::INT).unwrap();
        }
    }
    fn scenario_ended(&mut self, _: &Scenario, _: bool) {}
}

/// What a run left.
struct Ran {
    outcome: Outcome,
    lines: Vec<Line>,
}

#[derive(Clone, Copy)]
struct Asked {
    probes: bool,
    literals: bool,
    limit_rss: Option<u64>,
    limit_disk: Option<u64>,
    interrupt: bool,
}

const PROBES: Asked = Asked {
    probes: true,
    literals: false,
    limit_rss: None,
    limit_disk: None,
    interrupt: false,
};

impl Ran {
    fn of(scenario: &str, settings: &[&str], asked: Asked) -> Ran {
        let directory = records::TempDir::new().unwrap();
        let out = directory.path().join("run");
        let settings = settings.iter().map(|one| Setting::parse(one).unwrap());
        let selection = Selection {
            names: vec![scenario.to_owned()],
            sets: Vec::new(),
            settings: settings.collect(),
        };
        let resolved = Catalogue::built_in().unwrap().resolve(&selection);
        let mut scenarios = resolved.unwrap().scenarios;
        scenarios.truncate(1);
        scenarios[0].limits.rss_bytes = asked.limit_rss;
        scenarios[0].limits.disk_bytes = asked.limit_disk;
        let options = RunOptions {
            out: out.clone(),
            sample_interval: Duration::from_millis(20),
            serve: None,
            probes: asked.probes,
            literals: asked.literals,
            profiling: sqlite_membench::testee::profiling::Asked::default(),
            argv: Vec::new(),
            run_id: "probes".into(),
            started_utc: "2000-01-01T00:00:00Z".into(),
            environment: sqlite_membench::environment::environment(),
            programs: Vec::new(),
        };
        let interrupt = asked.interrupt;
        let outcome = harness::run(&scenarios, &options, &mut Looking { interrupt }).unwrap();
        Ran {
            outcome,
            lines: lines(&out.join(RECORD_FILE)),
        }
    }

    fn phases(&self) -> impl Iterator<Item = &PhaseRecord> {
        self.lines.iter().filter_map(|line| match line {
            Line::Phase(phase) => Some(phase),
            _ => None,
        })
    }

    /// Each probe with the ledger before it and the one after it.
    fn probes(&self) -> Vec<(Probe, &PhaseRecord, &PhaseRecord)> {
        let phases: Vec<_> = self.phases().collect();
        let pairs = phases.windows(2).filter_map(|pair| {
            let probe = pair[1].probe?;
            assert_eq!((pair[1].phase.as_str(), pair[1].cycle), ("probe", None));
            assert!(!pair[1].partial && pair[1].reading.is_none());
            Some((probe, pair[0], pair[1]))
        });
        let pairs: Vec<_> = pairs.collect();
        let named = phases.iter().filter(|phase| phase.phase == "probe").count();
        assert_eq!(named, pairs.len());
        pairs
    }

    fn order(&self) -> Vec<Probe> {
        self.probes().iter().map(|(probe, ..)| *probe).collect()
    }

    #[track_caller]
    fn probe(&self, wanted: Probe) -> (&PhaseRecord, &PhaseRecord) {
        let found = self
            .probes()
            .into_iter()
            .find(|(probe, ..)| *probe == wanted);
        let (_, before, after) = found.unwrap();
        (before, after)
    }

    fn result(&self) -> Option<&ResultRecord> {
        self.lines.iter().find_map(|line| match line {
            Line::Result(result) => Some(result),
            _ => None,
        })
    }

    fn errors(&self) -> Vec<&str> {
        let errors = self.lines.iter().filter_map(|line| match line {
            Line::Error(error) => Some(error.what.as_str()),
            _ => None,
        });
        errors.collect()
    }
}

fn lines(record: &Path) -> Vec<Line> {
    let reader = Reader::open(record).unwrap();
    reader.collect::<Result<_, _>>().unwrap()
}

fn term(phase: &PhaseRecord, owner: &str, term: &str) -> i64 {
    let terms = &phase.ledger.terms;
    let found = terms
        .iter()
        .find(|one| one.owner == owner && one.term == term);
    found.map_or(0, |found| found.bytes)
}

fn live(phase: &PhaseRecord) -> i64 {
    term(phase, "sqlite", "live")
}

const LEAK: [&str; 3] = ["rows=5000", "statements=leak-per-row", "keys=decimal"];

fn leaked_statements_are_listed_and_what_they_held_is_given_back() {
    for allocator in ["sqlite_allocator=system", "sqlite_allocator=arena"] {
        let ran = Ran::of("insert-10m", &[&LEAK[..], &[allocator]].concat(), PROBES);
        assert_eq!((ran.outcome, ran.errors()), (Outcome::Done, vec![]));
        assert_eq!(ran.order(), AFTER_COMMIT, "no transaction is open");
        let (before, after) = ran.probe(Probe::Finalize);
        assert_eq!(before.phase, "fill");
        let first = &after.statements[0];
        assert_eq!(first.sql.as_deref(), Some(INSERT), "{:?}", after.statements);
        assert_eq!((first.count, first.busy), (5000, 0));
        assert!(first.bytes > 5 * MIB, "{first:?}");
        // Some of it is in the connection's lookaside, which stays.
        let fallen = live(before) - live(after);
        assert!(
            (fallen - first.bytes).abs() < first.bytes / 20,
            "{fallen} {first:?}"
        );
        assert!(
            after
                .ledger
                .connections
                .iter()
                .all(|one| one.statements == 0)
        );
        for (probe, _, after) in ran.probes() {
            assert_eq!(after.statements.is_empty(), probe != Probe::Finalize);
        }
        let given_back = |probe| {
            let (before, after) = ran.probe(probe);
            before.ledger.rss_bytes - after.ledger.rss_bytes
        };
        let by_the_allocator = match allocator {
            "sqlite_allocator=arena" => given_back(Probe::Purge),
            _ => given_back(Probe::Trim) + given_back(Probe::Finalize),
        };
        assert!(
            by_the_allocator > fallen / 2,
            "{allocator}: {by_the_allocator}"
        );
        let result = ran.result().unwrap();
        assert!(result.verified && result.not_closed.is_none(), "{result:?}");
    }
}

fn the_statement_is_the_same_with_its_literals_where_it_has_none() {
    let literals = true;
    let ran = Ran::of("insert-10m", &LEAK, Asked { literals, ..PROBES });
    let (_, after) = ran.probe(Probe::Finalize);
    assert_eq!(after.statements[0].sql.as_deref(), Some(INSERT));
}

fn without_probes_the_record_has_none() {
    let asked = Asked {
        probes: false,
        ..PROBES
    };
    let ran = Ran::of("insert-10m", &LEAK, asked);
    assert!(ran.order().is_empty());
    assert!(ran.result().unwrap().not_closed.is_some());
}

fn at_a_limit_the_transaction_that_is_open_is_committed_first() {
    let settings = [
        "rows=100000000",
        "transaction=single",
        "keys=decimal",
        "pragma.cache_spill=off",
        "sqlite_allocator=system",
    ];
    let asked = Asked {
        limit_rss: Some(150 << 20),
        ..PROBES
    };
    let ran = Ran::of("insert-10m", &settings, asked);
    assert_eq!(
        (ran.outcome, ran.errors()),
        (Outcome::Failed, vec!["limit_rss"])
    );
    let order = [&[Probe::Commit], &AFTER_COMMIT[..]].concat();
    assert_eq!(ran.order(), order);
    let (before, after) = ran.probe(Probe::Commit);
    assert!(before.partial && before.phase == "fill");
    let pages = |phase: &PhaseRecord| phase.ledger.connections[0].page_cache_bytes;
    assert!(pages(before) > 100 * MIB, "{}", pages(before));
    assert!(pages(after) <= pages(before));
}

fn at_a_limit_on_the_disk_nothing_is_committed() {
    let settings = [
        "rows=100000000",
        "transaction=single",
        "keys=decimal",
        "pragma.cache_spill=on",
        "pragma.cache_size=1000",
    ];
    let asked = Asked {
        limit_rss: Some(200 << 20),
        limit_disk: Some(2 << 20),
        ..PROBES
    };
    let ran = Ran::of("insert-10m", &settings, asked);
    let told = (ran.outcome, ran.errors());
    assert_eq!(told, (Outcome::Failed, vec!["limit_disk"]));
    assert_eq!(ran.order(), AFTER_COMMIT);
}

fn a_run_that_is_interrupted_is_not_probed() {
    let asked = Asked {
        limit_rss: Some(500 << 20),
        interrupt: true,
        ..PROBES
    };
    let ran = Ran::of("insert-10m", &["rows=100000000"], asked);
    let told = (ran.outcome, ran.errors());
    assert_eq!(told, (Outcome::Interrupted, vec!["interrupted"]));
    assert!(ran.order().is_empty());
}

fn a_leak_that_is_stopped_at_600_mib_is_probed_in_time() {
    let settings = [
        "rows=100000000",
        "statements=leak-per-row",
        "sqlite_allocator=system",
    ];
    let asked = Asked {
        limit_rss: Some(600 << 20),
        ..PROBES
    };
    let ran = Ran::of("insert-10m", &settings, asked);
    assert_eq!(ran.errors(), ["limit_rss"]);
    assert_eq!(ran.order().last(), Some(&Probe::Purge));
    let (before, after) = ran.probe(Probe::Finalize);
    assert!(
        after.statements[0].count > 200_000,
        "{:?}",
        after.statements
    );
    assert!(live(before) - live(after) > 400 * MIB);
}

fn a_trim_gives_back_what_was_free_and_resident_after_the_cycles() {
    let settings = ["scale=0.05", "cycles=6", "placement=rotate-per-cycle"];
    let ran = Ran::of("snapshot-memory", &settings, PROBES);
    assert_eq!((ran.outcome, ran.errors()), (Outcome::Done, vec![]));
    assert_eq!(ran.order(), AFTER_COMMIT);
    let last = ran.phases().filter(|phase| phase.cycle == Some(6)).last();
    let (before, after) = ran.probe(Probe::Trim);
    let free = |phase| term(phase, "allocator", "free but resident");
    let (kept, left) = (free(last.unwrap()), free(after));
    assert!(kept > 20 * MIB && left < kept / 5, "{kept} {left}");
    let given_back = before.ledger.rss_bytes - after.ledger.rss_bytes;
    assert!(given_back > kept * 8 / 10, "{kept} {given_back}");
    let result = ran.result().unwrap();
    assert!(result.verified && result.not_closed.is_none());
}

fn a_cycle_that_is_stopped_at_a_limit_is_probed_too() {
    let settings = ["scale=0.05", "cycles=1000", "placement=rotate-per-cycle"];
    let asked = Asked {
        limit_rss: Some(100 << 20),
        ..PROBES
    };
    let ran = Ran::of("snapshot-memory", &settings, asked);
    assert_eq!(ran.errors(), ["limit_rss"]);
    assert_eq!(ran.order(), AFTER_COMMIT);
}

const CASES: [(&str, fn()); 9] = [
    (
        "leaked_statements_are_listed_and_what_they_held_is_given_back",
        leaked_statements_are_listed_and_what_they_held_is_given_back,
    ),
    (
        "the_statement_is_the_same_with_its_literals_where_it_has_none",
        the_statement_is_the_same_with_its_literals_where_it_has_none,
    ),
    (
        "without_probes_the_record_has_none",
        without_probes_the_record_has_none,
    ),
    (
        "at_a_limit_the_transaction_that_is_open_is_committed_first",
        at_a_limit_the_transaction_that_is_open_is_committed_first,
    ),
    (
        "at_a_limit_on_the_disk_nothing_is_committed",
        at_a_limit_on_the_disk_nothing_is_committed,
    ),
    (
        "a_run_that_is_interrupted_is_not_probed",
        a_run_that_is_interrupted_is_not_probed,
    ),
    (
        "a_leak_that_is_stopped_at_600_mib_is_probed_in_time",
        a_leak_that_is_stopped_at_600_mib_is_probed_in_time,
    ),
    (
        "a_trim_gives_back_what_was_free_and_resident_after_the_cycles",
        a_trim_gives_back_what_was_free_and_resident_after_the_cycles,
    ),
    (
        "a_cycle_that_is_stopped_at_a_limit_is_probed_too",
        a_cycle_that_is_stopped_at_a_limit_is_probed_too,
    ),
];

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("testee") {
        return sqlite_membench::testee::main();
    }
    let mut arguments = Arguments::from_args();
    // A run listens for the signals of the whole process.
    arguments.test_threads = Some(1);
    let trial = |(name, case): (&str, fn())| {
        Trial::test(name, move || -> Result<(), Failed> {
            case();
            Ok(())
        })
    };
    libtest_mimic::run(&arguments, CASES.into_iter().map(trial).collect()).exit_code()
}
