//! Criterion's directory, read: one baseline of every benchmark that has it.

use std::path::{Path, PathBuf};

use super::files::{self, Texts};
use super::{Benchmark, Error, Note, Results, Skipped, Stamp, shape, stamp};

/// As many come from `--quick` alone.
pub(super) const INVENTED: usize = 2;

/// All benchmarks in Criterion's directory that have `baseline`: `new` is the last run. A benchmark
/// that cannot be read is skipped with its reason, and hides no other.
///
/// # Errors
/// Where there is nothing to give: no such directory, no benchmark with that baseline, or none of them
/// readable, and then why the first of them is not.
pub fn read(criterion_directory: &Path, baseline: &str) -> Result<Results, Error> {
    if !criterion_directory.is_dir() {
        return Err(Error::NoDirectory(criterion_directory.to_owned()));
    }
    let all = files::directories(criterion_directory)?;
    // Of more than one part where its name has a slash in it. Every path ends with nothing.
    let is_asked = |path: &&PathBuf| !baseline.is_empty() && path.ends_with(baseline);
    let mut results = Results {
        benchmarks: Vec::new(),
        skipped: Vec::new(),
    };
    for directory in all.iter().filter(is_asked) {
        match benchmark(directory) {
            Ok(benchmark) => results.benchmarks.push(benchmark),
            Err(reason) => results.skip(directory, reason),
        }
    }
    results.sort();
    if !results.benchmarks.is_empty() {
        return Ok(results);
    }
    match results.skipped.into_iter().next() {
        Some(first) => Err(first.reason),
        None => Err(Error::NoBaseline {
            directory: criterion_directory.to_owned(),
            baseline: baseline.to_owned(),
            there: names(&all),
        }),
    }
}

fn names(directories: &[PathBuf]) -> Vec<String> {
    let name = |path: &PathBuf| Some(path.file_name()?.to_string_lossy().into_owned());
    let mut names: Vec<String> = directories.iter().filter_map(name).collect();
    names.sort();
    names.dedup();
    names
}

impl Results {
    fn skip(&mut self, directory: &Path, reason: Error) {
        self.skipped.push(Skipped {
            path: directory.to_owned(),
            reason,
        });
    }

    /// By id, each once: who comes by an id has one benchmark.
    fn sort(&mut self) {
        let mut all = std::mem::take(&mut self.benchmarks);
        all.sort_by(|a, b| (&a.id, &a.directory).cmp(&(&b.id, &b.directory)));
        for benchmark in all {
            match self.benchmarks.last() {
                Some(last) if last.id == benchmark.id => {
                    let path = benchmark.directory.clone();
                    let id = benchmark.id;
                    self.skip(&benchmark.directory, Error::SameId { path, id });
                }
                _ => self.benchmarks.push(benchmark),
            }
        }
        self.skipped.sort_by(|a, b| a.path.cmp(&b.path));
    }
}

fn benchmark(directory: &Path) -> Result<Benchmark, Error> {
    // First: of files that another version wrote, that is what there is to say.
    let stamp = stamp(directory)?;
    let texts = Texts::read(directory)?;
    let (stamp, note) = believed(directory, stamp, &texts)?;
    let (mode, samples) = shape::samples(directory, &texts)?;
    if samples.len() == INVENTED {
        return Err(Error::Invented(directory.to_owned()));
    }
    let identity = shape::identity(directory, &texts)?;
    Ok(Benchmark {
        id: identity.id,
        group: identity.group,
        function: identity.function,
        value: identity.value,
        throughput: identity.throughput,
        unit: stamp.as_ref().map(|stamp| stamp.unit),
        mode,
        estimates: shape::estimates(directory, &texts)?,
        samples,
        stamp,
        note,
        directory: directory.to_owned(),
    })
}

fn stamp(directory: &Path) -> Result<Option<Stamp>, Error> {
    match files::stamp(directory)? {
        Some(bytes) => stamp::decode(&directory.join(files::STAMP), &bytes).map(Some),
        None => Ok(None),
    }
}

fn believed(
    directory: &Path,
    stamp: Option<Stamp>,
    texts: &Texts,
) -> Result<(Option<Stamp>, Option<Note>), Error> {
    match stamp {
        None => Ok((None, Some(Note::NotStamped))),
        Some(stamp) if stamp.content_hash != texts.hash() => {
            Ok((None, Some(Note::StampOfAnotherRun)))
        }
        Some(stamp) => {
            stamp.check(&directory.join(files::STAMP))?;
            Ok((Some(stamp), None))
        }
    }
}

#[cfg(test)]
mod tests;
