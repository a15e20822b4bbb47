//! The workload itself: a database that is filled once, and then copied, dumped and disposed of in
//! each cycle.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use xxhash_rust::xxh3::Xxh3;

use super::content::{Contents, content_hash};
use super::copy::{self, Copied, Snapshot};
use super::fill;
use super::options::{DumpKind, SnapshotOptions, Trim};
use super::workers::{Crew, Turns, Workers};
use crate::workload::connect::{connect, in_force, read_back};
use crate::workload::database::Place;
use crate::workload::dump::{DumpFormat, DumpOptions, Dumped, dump};
use crate::workload::pragmas::PragmaReadBack;
use crate::workload::steps::{Steps, one_step};
use crate::workload::{Error, Marks, Phase};

/// What one cycle did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CycleReport {
    /// From 1.
    pub cycle: u32,
    /// Pages that were copied; `None` without a copy.
    pub pages: Option<u64>,
    /// Bytes that were written, after compression; `None` without a dump.
    pub dumped_bytes: Option<u64>,
    /// Where the dump is kept, if it is.
    pub kept: Option<PathBuf>,
    /// Of all phases, what the marks do at their ends not counted.
    pub elapsed: Duration,
}

/// What a snapshot workload left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotReport {
    /// Rows that went in.
    pub inserted: u64,
    /// Rows that are there after the last cycle.
    pub rows: u64,
    /// XXH3-128 over all tables after the last cycle, 32 hexadecimal digits.
    pub content_hash: String,
    /// Cycles that were run to their end.
    pub cycles: u32,
    /// Bytes of one dump's SQL text, before compression.
    pub dump_bytes: Option<u64>,
    /// Why the connection could not be closed: SQLite's words, and absent where it was.
    pub not_closed: Option<String>,
}

/// A filled database with its workers, between two cycles.
#[derive(Debug)]
pub struct Cycles {
    options: SnapshotOptions,
    directory: PathBuf,
    keep: Option<PathBuf>,
    crew: Crew,
    source: Connection,
    inserted: u64,
    begun: u32,
    done: u32,
    /// Of the cycle that runs, in its phases and not at their marks.
    spent: Duration,
    first: Option<Facts>,
}

/// What must be the same in every cycle.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Facts {
    pages: Option<u64>,
    dump: Option<(u64, u128)>,
    text_bytes: Option<u64>,
}

/// The dump of a cycle that is under way.
struct DumpFile {
    path: PathBuf,
    dumped: Dumped,
    hash: u128,
}

impl Cycles {
    /// Opens the database in `directory`, which must exist, and fills it: phases `open` and `fill`,
    /// on the first worker where steps do not change theirs. Dumps are written into `directory` and removed at the end of their
    /// cycle, or moved into `keep`.
    pub fn open(
        options: &SnapshotOptions,
        directory: &Path,
        keep: Option<&Path>,
        marks: &mut dyn Marks,
    ) -> Result<Cycles, Error> {
        options.check()?;
        let threads = |cause: io::Error| {
            let count = options.workers;
            Error::Options(format!("cannot start {count} workers: {cause}"))
        };
        marks.begin(Phase::Open);
        let mut workers = Workers::start(options.workers).map_err(threads)?;
        let turns = Turns::new(options.placement, options.workers, options.seed);
        let (source, pragmas) = open_source(options, directory, &mut workers)?;
        marks.opened(&pragmas);
        marks.end(Phase::Open, &[&source]);
        let mut cycles = Cycles {
            options: options.clone(),
            directory: directory.to_owned(),
            keep: keep.map(Path::to_owned),
            crew: Crew { workers, turns },
            source,
            inserted: 0,
            begun: 0,
            done: 0,
            spent: Duration::ZERO,
            first: None,
        };
        marks.cycle(Some(0));
        let filled = cycles.phase(Phase::Fill, marks, |source, options, steps| {
            fill::fill(
                source,
                options.database.schema(),
                options.schema,
                options.scale,
                options.seed,
                steps,
            )
        });
        marks.cycle(None);
        if matches!(filled, Err(Error::Stopped)) {
            cycles.probe(marks, true);
        }
        cycles.inserted = filled?;
        Ok(cycles)
    }

    /// Cycles that were run to their end.
    pub fn done(&self) -> u32 {
        self.done
    }

    /// The connection of the database that is copied.
    pub fn source(&self) -> &Connection {
        &self.source
    }

    /// Runs one cycle: phases `backup`, `dump`, `dispose` and `trim`, those of them that the options
    /// have. Whatever happens, the copy is disposed of, and so is a dump that is not whole.
    ///
    /// # Errors
    /// [`Error::Wrong`] where the cycle copied or dumped anything else than the first one did.
    /// After an error the next cycle can be run.
    pub fn cycle(&mut self, marks: &mut dyn Marks) -> Result<CycleReport, Error> {
        self.begun += 1;
        self.crew.turns.cycle();
        marks.cycle(Some(self.begun));
        self.spent = Duration::ZERO;
        let (snapshot, copied, dumped) = match self.copy(marks) {
            Ok(made) => {
                let (snapshot, copied) = made.unzip();
                let dumped = self.dump(snapshot.as_ref(), marks);
                (snapshot, copied, dumped)
            }
            Err(error) => (None, None, Err(error)),
        };
        let whole = dumped.as_ref().ok().and_then(Option::as_ref);
        let disposed = self.dispose(snapshot, whole, marks);
        if self.options.trim == Trim::PerCycle {
            marks.begin(Phase::Trim);
            timed(&mut self.spent, || marks.give_back());
            marks.end(Phase::Trim, &[&self.source]);
        }
        marks.cycle(None);
        let (dumped, kept) = (dumped?, disposed?);
        self.compare(copied.as_ref(), dumped.as_ref())?;
        self.done += 1;
        Ok(CycleReport {
            cycle: self.begun,
            pages: copied.map(|copied| copied.pages),
            dumped_bytes: dumped.map(|file| file.dumped.bytes),
            kept,
            elapsed: self.spent,
        })
    }

    /// Lets `marks` probe, after the last cycle that is to be run; `stopped` where one, or the fill,
    /// was told to stop.
    pub fn probe(&mut self, marks: &mut dyn Marks, stopped: bool) {
        marks.probe(&[&self.source], stopped);
    }

    /// Verifies that the database holds what went in and closes it: phases `verify` and `close`.
    pub fn close(mut self, marks: &mut dyn Marks) -> Result<SnapshotReport, Error> {
        let Contents { rows, hash } =
            self.phase(Phase::Verify, marks, |source, options, steps| {
                verify(source, options, steps)
            })?;
        if rows != self.inserted {
            let inserted = self.inserted;
            return Err(Error::Wrong(format!(
                "{inserted} rows went in, and {rows} are there after the last cycle"
            )));
        }
        marks.begin(Phase::Close);
        let mut source = Some(self.source);
        let mut left = None;
        self.crew.workers.run(0, &mut || {
            left = source.take().and_then(|source| source.close().err());
        });
        let not_closed = left.as_ref().map(|(_, error)| error.to_string());
        let left = left.map(|(connection, _)| connection);
        let open: Vec<&Connection> = left.iter().collect();
        marks.end(Phase::Close, &open);
        Ok(SnapshotReport {
            inserted: self.inserted,
            rows,
            content_hash: format!("{hash:032x}"),
            cycles: self.done,
            dump_bytes: self.first.and_then(|facts| facts.text_bytes),
            not_closed,
        })
    }

    /// One phase on the source. Where it fails, what stands is read.
    fn phase<T>(
        &mut self,
        phase: Phase,
        marks: &mut dyn Marks,
        work: impl FnOnce(&Connection, &SnapshotOptions, &mut dyn Steps) -> Result<T, Error>,
    ) -> Result<T, Error> {
        marks.begin(phase);
        let mut steps = self.crew.steps(marks, phase);
        let result = work(&self.source, &self.options, &mut steps);
        match &result {
            Ok(_) => marks.end(phase, &[&self.source]),
            Err(_) => marks.reading(phase, &[&self.source]),
        }
        result
    }

    fn copy(&mut self, marks: &mut dyn Marks) -> Result<Option<(Snapshot, Copied)>, Error> {
        let Some(kind) = self.options.snapshot else {
            return Ok(None);
        };
        marks.begin(Phase::Backup);
        let mut steps = self.crew.steps(marks, Phase::Backup);
        let how = self.options.copy_options();
        let place = Place::unique(&self.directory);
        let schema = self.options.database.schema();
        let result = timed(&mut self.spent, || {
            copy::copy(&self.source, schema, kind, &place, &how, &mut steps)
        });
        match &result {
            Ok((snapshot, _)) => {
                marks.end(Phase::Backup, &[&self.source, snapshot.connection()]);
            }
            Err(_) => marks.reading(Phase::Backup, &[&self.source]),
        }
        result.map(Some)
    }

    /// Of the copy, or of the source where there is none.
    fn dump(
        &mut self,
        snapshot: Option<&Snapshot>,
        marks: &mut dyn Marks,
    ) -> Result<Option<DumpFile>, Error> {
        let (format, extension) = match self.options.dump {
            DumpKind::None => return Ok(None),
            DumpKind::Plain => (DumpFormat::Plain, "sql"),
            DumpKind::Gzip => (DumpFormat::FAST, "sql.gz"),
        };
        marks.begin(Phase::Dump);
        let mut steps = self.crew.steps(marks, Phase::Dump);
        let (connection, schema) = match snapshot {
            Some(snapshot) => (snapshot.connection(), None),
            None => (&self.source, self.options.database.schema()),
        };
        let path = self
            .directory
            .join(format!("dump-{}.{extension}", self.begun));
        let how = DumpOptions {
            of: schema.unwrap_or("main").to_owned(),
            format,
            expected_rows: self.inserted,
            ..DumpOptions::default()
        };
        let result = timed(&mut self.spent, || {
            dump_file(connection, &path, &how, &mut steps)
        });
        let both = [&self.source, connection];
        let open = if snapshot.is_some() {
            &both[..]
        } else {
            &both[..1]
        };
        match &result {
            Ok(_) => marks.end(Phase::Dump, open),
            Err(_) => marks.reading(Phase::Dump, open),
        }
        result.map(Some)
    }

    /// Closes the copy, and removes the dump or keeps it.
    fn dispose(
        &mut self,
        snapshot: Option<Snapshot>,
        dump: Option<&DumpFile>,
        marks: &mut dyn Marks,
    ) -> Result<Option<PathBuf>, Error> {
        marks.begin(Phase::Dispose);
        let mut steps = self.crew.steps(marks, Phase::Dispose);
        let began = Instant::now();
        let disposed = snapshot.map_or(Ok(()), |snapshot| snapshot.dispose(&mut steps));
        let kept = dump.map_or(Ok(None), |dump| self.keep_or_remove(dump));
        self.spent += began.elapsed();
        marks.end(Phase::Dispose, &[&self.source]);
        disposed?;
        kept
    }

    fn keep_or_remove(&self, dump: &DumpFile) -> Result<Option<PathBuf>, Error> {
        let Some(directory) = &self.keep else {
            return std::fs::remove_file(&dump.path)
                .map(|()| None)
                .map_err(writing(&dump.path));
        };
        let Some(name) = dump.path.file_name() else {
            return Ok(None);
        };
        let kept = directory.join(name);
        move_file(&dump.path, &kept).map_err(writing(&kept))?;
        Ok(Some(kept))
    }

    fn compare(&mut self, copied: Option<&Copied>, dumped: Option<&DumpFile>) -> Result<(), Error> {
        let facts = Facts {
            pages: copied.map(|copied| copied.pages),
            dump: dumped.map(|file| (file.dumped.bytes, file.hash)),
            text_bytes: dumped.map(|file| file.dumped.text_bytes),
        };
        match &self.first {
            Some(first) if *first != facts => Err(Error::Wrong(format!(
                "cycle {} copied and dumped {facts:?}, and the first one {first:?}",
                self.begun
            ))),
            Some(_) => Ok(()),
            None => {
                self.first = Some(facts);
                Ok(())
            }
        }
    }
}

/// The source on the first worker, and what SQLite made of its PRAGMAs.
fn open_source(
    options: &SnapshotOptions,
    directory: &Path,
    workers: &mut Workers,
) -> Result<(Connection, Vec<PragmaReadBack>), Error> {
    let place = Place::unique(directory);
    let mut opened = None;
    workers.run(0, &mut || {
        opened = Some(open_here(options, &place));
    });
    opened.unwrap_or_else(|| Err(Error::Options("no worker opened the database".into())))
}

fn open_here(
    options: &SnapshotOptions,
    place: &Place,
) -> Result<(Connection, Vec<PragmaReadBack>), Error> {
    let pragmas = in_force(options.database.kind, &options.pragmas);
    let connection = connect(options.database, place, &pragmas)?;
    let read = read_back(&connection, options.database, 0, &pragmas)?;
    Ok((connection, read))
}

fn verify(
    source: &Connection,
    options: &SnapshotOptions,
    steps: &mut dyn Steps,
) -> Result<Contents, Error> {
    let schema = options.database.schema();
    one_step(steps, source, |source| content_hash(source, schema))
}

/// Writes the dump; a file that is not whole is removed.
fn dump_file(
    connection: &Connection,
    path: &Path,
    how: &DumpOptions,
    steps: &mut dyn Steps,
) -> Result<DumpFile, Error> {
    let file = File::create_new(path).map_err(writing(path))?;
    let mut hashing = Hashing {
        file,
        hash: Xxh3::new(),
    };
    let result = dump(connection, how, &mut hashing, steps);
    match result {
        Ok(dumped) => Ok(DumpFile {
            path: path.to_owned(),
            dumped,
            hash: hashing.hash.digest128(),
        }),
        Err(error) => {
            // The first error is the one to tell; the directory is removed with the testee anyway.
            let _ = std::fs::remove_file(path);
            Err(error)
        }
    }
}

/// A file, and the hash of what went into it.
struct Hashing {
    file: File,
    hash: Xxh3,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Renames, or copies where the two are on different file systems.
fn move_file(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            if let Err(error) = std::fs::copy(from, to) {
                let _ = std::fs::remove_file(to);
                return Err(error);
            }
            std::fs::remove_file(from)
        }
        result => result,
    }
}

fn writing(path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Write {
        doing: format!("writing {}", path.display()),
        source,
    }
}

fn timed<T>(elapsed: &mut Duration, work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let done = work();
    *elapsed += began.elapsed();
    done
}
