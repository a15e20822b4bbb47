//! The groups that measure a snapshot's time: each phase in its own, along one axis at a time.

use std::cell::OnceCell;
use std::path::Path;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Throughput};
use sqlite_membench::allocator::SqliteAllocator;
use sqlite_membench::workload::database::DatabaseKind;
use sqlite_membench::workload::dump::{DumpFormat, DumpOptions};
use sqlite_membench::workload::snapshot::copy::{CopyMethod, CopyOptions};
use sqlite_membench::workload::snapshot::schema::Schema;
use tempfile::TempDir;

use super::plan::Plan;
use super::shell;
use super::snapshot_parts::{Case, Part, Phase, Source, filled, scale, wall};
use super::snapshot_testees::{self as testees, Testees};
use super::suite::{Suite, Testee, spans};

/// Pages a step of a backup; -1 is all.
const BACKUP_PAGES: [i32; 5] = [1, 16, 250, 2500, -1];
/// Rows a step of a dump.
const DUMP_ROWS: [u64; 3] = [64, 4096, 65_536];

/// What the groups share: sources that are made when the first benchmark needs them.
struct Bench {
    plan: Plan,
    directory: TempDir,
    nested: OnceCell<Source>,
    flat: OnceCell<Source>,
}

type Group<'a> = BenchmarkGroup<'a, WallTime>;

pub fn time_groups(suite: &mut Suite) {
    let bench = Bench {
        plan: suite.plan.clone(),
        directory: tempfile::tempdir().expect("a temporary directory"),
        nested: OnceCell::new(),
        flat: OnceCell::new(),
    };
    bench.fills(suite);
    bench.backups(suite);
    bench.dumps(suite);
    bench.disposals(suite);
}

impl Bench {
    fn megabytes(&self) -> u64 {
        self.plan.megabytes().run
    }

    fn source(&self, schema: Schema) -> &Source {
        let cell = match schema {
            Schema::Nested => &self.nested,
            Schema::Flat => &self.flat,
        };
        cell.get_or_init(|| Source::of(schema, self.megabytes()))
    }

    fn testees(&self) -> Testees<'_> {
        Testees {
            directory: self.directory.path(),
            megabytes: self.megabytes(),
        }
    }

    fn name(&self, phase: &str) -> String {
        format!("snapshot/{}MB/{phase}", self.plan.megabytes().label())
    }

    /// Bytes of the database: it has as many pages as were asked for, to 1 %.
    fn bytes(&self) -> Throughput {
        Throughput::Bytes(self.megabytes() * 1_000_000)
    }

    /// A quick run has no twins: `memory-uri` is opened as `memory` is,
    /// `memory-shared` shares its cache as `memory-named` does, `file` has the journal of
    /// `file-rollback`, and a fill reads too little for `file-mmap` to be another.
    fn kinds(&self, is_fill: bool) -> impl Iterator<Item = DatabaseKind> {
        let is_wanted = move |kind: &DatabaseKind| {
            let is_twin = match kind {
                DatabaseKind::MemoryUri | DatabaseKind::MemoryShared | DatabaseKind::File => true,
                DatabaseKind::FileMmap => is_fill,
                _ => false,
            };
            !is_twin || self.plan.wants_more(&format!("kind/{kind}"))
        };
        DatabaseKind::ALL.into_iter().filter(is_wanted)
    }

    fn fills(&self, suite: &mut Suite) {
        let rows =
            |schema: Schema| Throughput::Elements(schema.total_rows(scale(self.megabytes())));
        let fill = |case: &Case| filled(case, self.megabytes(), self.directory.path(), wall);
        let mut group = suite.time_group(self.name("fill"), rows(Schema::Nested));
        for kind in self.kinds(true) {
            let case = Case {
                kind,
                ..Case::default()
            };
            let id = BenchmarkId::new("kind", kind);
            group.bench_function(id, |bencher| spans(bencher, || fill(&case)));
        }
        self.by_allocator(&mut group, |allocator| self.testees().fill(allocator));
        for schema in Schema::ALL {
            let case = Case {
                schema,
                ..Case::default()
            };
            group.throughput(rows(schema));
            let id = BenchmarkId::new("schema", name(schema));
            group.bench_function(id, |bencher| spans(bencher, || fill(&case)));
        }
        group.finish();
    }

    fn backups(&self, suite: &mut Suite) {
        let mut group = suite.time_group(self.name("backup"), self.bytes());
        self.copies(&mut group, Phase::Backup, &step_cases());
        let whole = |method| Part::Copy {
            method,
            backup_pages: -1,
        };
        let parts = [
            ("memcpy", "one-block", Part::Memcpy),
            ("memcpy", "a-page-a-block", Part::Blocks),
            ("method", "serialize", whole(CopyMethod::Serialize)),
            ("method", "vacuum-into", whole(CopyMethod::VacuumInto)),
        ];
        for (axis, value, part) in parts {
            group.bench_function(BenchmarkId::new(axis, value), |bencher| {
                let source = self.source(Schema::Nested);
                spans(bencher, || source.time(part).wall);
            });
        }
        group.finish();
    }

    fn dumps(&self, suite: &mut Suite) {
        let with = |dump| Case {
            dump,
            ..Case::default()
        };
        let mut cases = Vec::new();
        for rows_per_step in DUMP_ROWS {
            let dump = DumpOptions {
                rows_per_step,
                ..DumpOptions::default()
            };
            cases.push((BenchmarkId::new("step", rows_per_step), with(dump)));
        }
        let slow = self.plan.wants_more("gzip-6").then_some(6);
        for level in [1].into_iter().chain(slow) {
            let dump = DumpOptions {
                format: DumpFormat::Gzip { level },
                ..DumpOptions::default()
            };
            let id = BenchmarkId::new("format", format!("gzip-{level}"));
            cases.push((id, with(dump)));
        }
        let mut group = suite.time_group(self.name("dump"), self.bytes());
        self.copies(&mut group, Phase::Dump, &cases);
        if !self.plan.is_profile {
            group.bench_function(BenchmarkId::new("shell", "dump"), |bencher| {
                let file = testees::file(self.directory.path(), self.megabytes());
                spans(bencher, || shell::dump(&file, Path::new("/dev/null")).wall);
            });
        }
        group.finish();
    }

    fn disposals(&self, suite: &mut Suite) {
        let mut group = suite.time_group(self.name("dispose"), self.bytes());
        // Three milliseconds, once a sample.
        group.noise_threshold(0.15);
        self.copies(&mut group, Phase::Dispose, &step_cases());
        group.finish();
    }

    /// The axes that all phases of a copy have, and `cases` between them.
    fn copies(&self, group: &mut Group<'_>, phase: Phase, cases: &[(BenchmarkId, Case)]) {
        let kinds = self.kinds(false).map(|kind| {
            let case = Case {
                kind,
                ..Case::default()
            };
            (BenchmarkId::new("kind", kind), case)
        });
        let schemas = Schema::ALL.map(|schema| {
            let case = Case {
                schema,
                ..Case::default()
            };
            (BenchmarkId::new("schema", name(schema)), case)
        });
        for (id, case) in kinds.chain(cases.iter().cloned()).chain(schemas) {
            group.bench_function(id, |bencher| {
                let source = &self.source(case.schema).connection;
                let directory = self.directory.path();
                spans(bencher, || phase.run(source, &case, directory, wall));
            });
        }
        self.by_allocator(group, |allocator| self.testees().phase(phase, allocator));
    }

    fn by_allocator(&self, group: &mut Group<'_>, testee: impl Fn(SqliteAllocator) -> Testee) {
        if self.plan.is_profile {
            return;
        }
        for allocator in testees::allocators(self.megabytes()) {
            let testee = testee(allocator);
            let id = BenchmarkId::new("allocator", allocator.name());
            group.bench_function(id, |bencher| spans(bencher, || testee.run().wall));
        }
    }
}

fn name(schema: Schema) -> &'static str {
    match schema {
        Schema::Nested => "nested",
        Schema::Flat => "flat",
    }
}

/// Copies that are made in steps of so many pages.
fn step_cases() -> Vec<(BenchmarkId, Case)> {
    let case = |backup_pages| {
        let id = match backup_pages {
            -1 => BenchmarkId::new("step", "all"),
            pages => BenchmarkId::new("step", pages),
        };
        let copy = CopyOptions {
            backup_pages,
            ..CopyOptions::default()
        };
        let case = Case {
            copy,
            ..Case::default()
        };
        (id, case)
    };
    BACKUP_PAGES.map(case).into()
}
