//! `profile`: a profile that a run has left, as a table, a picture or for other programs; and what grew
//! between two.

use std::fs;
use std::io::{self, ErrorKind, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail, ensure};
use clap::{Args, ValueEnum};
use inferno::collapse::{Collapse, perf};

use super::output::Output;
use super::{Exit, Failure};
use crate::profile::diff::{Difference, Sampled};
use crate::profile::folded::Folded;
use crate::profile::moments::When;
use crate::profile::raw::Source;
use crate::profile::read::Raw;
use crate::profile::svg::{self, Caption};
use crate::profile::view::{Named, Profile};
use crate::profile::{pprof, summary, write_whole};

/// What `profile` takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// A run's directory, a raw profile in it (heap.jsonl, cpu-1.jsonl), or collapsed stacks; - is
    /// standard input. Behind @ a moment: end (without one), peak, total, cycle=N, a phase such as
    /// fill, or a reading in it such as fill/3
    #[arg(value_name = "INPUT[@MOMENT]")]
    input: String,
    /// Show what grew since another profile; @MOMENT alone is another moment of the same
    #[arg(long, value_name = "BASE[@MOMENT]")]
    against: Option<String>,
    /// What to write; without it what the name of --output says, and a table without that
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Write into this file, which must not exist; - is standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write over the file of --output
    #[arg(long)]
    force: bool,
    /// Of a run of several scenarios, which
    #[arg(long, value_name = "NAME")]
    scenario: Option<String>,
    /// Of a run with profiles of both kinds, the CPU profile
    #[arg(long)]
    cpu: bool,
    /// What INPUT and BASE are, where neither name nor content tells
    #[arg(long, value_enum)]
    from: Option<From>,
    /// Of a picture of collapsed stacks, in place of the file's name
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// What the numbers of collapsed stacks are, which do not say it
    #[arg(long, value_name = "UNIT", default_value = "samples")]
    unit: String,
}

const EXAMPLES: &str = "Numbers are bytes of a heap, and samples of CPU time. Examples:
  sqlite-membench profile RUN                                    a table of what is live at the end
  sqlite-membench profile RUN@peak --output peak.svg             a flamegraph of the peak
  sqlite-membench profile RUN --format pprof --output heap.pb.gz for go tool pprof and other viewers
  sqlite-membench profile RUN@cycle=20 --against @cycle=2        what grew between two cycles
  sqlite-membench profile RUN --against OTHER -o grown.svg       red grew, blue shrank
  perf script | sqlite-membench profile - --from perf -o cpu.svg";

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a person.
    Table,
    /// A flamegraph.
    Svg,
    /// Collapsed stacks: a line a stack, and its number; two numbers with --against.
    Collapsed,
    /// pprof's protobuf, gzipped.
    Pprof,
}

/// What is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum From {
    /// A raw profile of a run.
    Raw,
    /// Collapsed stacks.
    Collapsed,
    /// What `perf script` writes.
    Perf,
}

/// What was read.
enum Input {
    Profile(Box<Profile>),
    Stacks(Sampled),
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let format = format(arguments).map_err(Failure::usage)?;
    let written = render(arguments, format).map_err(Failure::usage)?;
    let Some(path) = arguments
        .output
        .as_deref()
        .filter(|path| *path != Path::new("-"))
    else {
        return to_stdout(format, &written);
    };
    let done = write_whole(path, |out| out.write_all(&written));
    done.map_err(Failure::failed)?;
    Ok(Exit::Done)
}

/// What to write, if it can be written there.
fn format(arguments: &Arguments) -> anyhow::Result<Format> {
    let file = arguments
        .output
        .as_deref()
        .filter(|path| *path != Path::new("-"));
    if let Some(file) = file {
        ensure!(
            arguments.force || file.symlink_metadata().is_err(),
            "--output {}: it exists; name another file, or say --force to write over it",
            file.display()
        );
    }
    let name = file.and_then(Path::to_str).unwrap_or_default();
    let by_name = [
        (".svg", Format::Svg),
        (".collapsed", Format::Collapsed),
        (".folded", Format::Collapsed),
        (".pb.gz", Format::Pprof),
        (".txt", Format::Table),
    ];
    let by_name = by_name.iter().find(|(end, _)| name.ends_with(end));
    match (arguments.format, by_name, file) {
        (Some(Format::Pprof), _, None) if io::stdout().is_terminal() => {
            bail!("--format pprof: it is no text; name a file with --output FILE.pb.gz")
        }
        (Some(format), ..) => Ok(format),
        (None, Some((_, format)), _) => Ok(*format),
        (None, None, None) => Ok(Format::Table),
        (None, None, Some(file)) => bail!(
            "--output {}: its name does not say what to write; add --format, or let it end in .svg, \
             .collapsed, .pb.gz or .txt",
            file.display()
        ),
    }
}

/// All of it, so that nothing is written where something is wrong.
fn render(arguments: &Arguments, format: Format) -> anyhow::Result<Vec<u8>> {
    let input = read(arguments, &arguments.input)?;
    let mut out = Vec::new();
    let Some(base) = &arguments.against else {
        alone(input, format, &mut out)?;
        return Ok(out);
    };
    let base = match base.strip_prefix('@') {
        None => base.clone(),
        Some(moment) => format!("{}@{moment}", parted(&arguments.input).0),
    };
    let (before, after) = (read(arguments, &base)?.sampled(), input.sampled());
    let difference = Difference::new(&before, &after).map_err(|why| anyhow!(why))?;
    match format {
        Format::Table => out.extend(difference.table().into_bytes()),
        Format::Collapsed => out.extend(difference.folded()?.into_bytes()),
        Format::Svg => difference.svg(&mut out)?,
        Format::Pprof => bail!(
            "--against with --format pprof: that format has no place for it; give both files to go tool \
             pprof -diff_base"
        ),
    }
    Ok(out)
}

fn alone(input: Input, format: Format, out: &mut Vec<u8>) -> anyhow::Result<()> {
    match (input, format) {
        (Input::Profile(profile), Format::Table) => {
            out.extend(summary::text(&profile).into_bytes())
        }
        (Input::Profile(profile), Format::Pprof) => pprof::write(&profile, out)?,
        (Input::Profile(profile), Format::Svg) => {
            let quantity = profile.quantity();
            let caption = Caption::of(&profile, quantity);
            let folded = Folded::of(&profile, quantity);
            ensure!(
                folded.total() > 0,
                "{} at {}: nothing was sampled",
                profile.scenario,
                profile.when
            );
            svg::write(&folded, &caption, out)?;
        }
        (Input::Stacks(stacks), Format::Svg) => {
            let caption = Caption {
                title: stacks.name,
                subtitle: format!(
                    "{} {} · green SQL, blue SQLite, orange Rust, grey other",
                    stacks.folded.total(),
                    stacks.unit
                ),
                unit: stacks.unit,
            };
            svg::write(&stacks.folded, &caption, out)?;
        }
        (input, Format::Collapsed) => out.extend(input.sampled().folded.text().into_bytes()),
        (Input::Stacks(stacks), Format::Table | Format::Pprof) => bail!(
            "{}: of collapsed stacks there is --format svg and collapsed; a table and pprof are made of a raw \
             profile, RUN/heap.jsonl",
            stacks.name
        ),
    }
    Ok(())
}

impl Input {
    fn sampled(self) -> Sampled {
        match self {
            Input::Stacks(stacks) => stacks,
            Input::Profile(profile) => {
                let quantity = profile.quantity();
                let caption = Caption::of(&profile, quantity);
                Sampled {
                    name: format!("{} at {}", profile.scenario, profile.when),
                    unit: caption.unit,
                    interval: Some(match profile.source {
                        Source::Heap { interval_bytes, .. } => interval_bytes,
                        Source::Cpu { .. } => 1,
                    }),
                    folded: Folded::of(&profile, quantity),
                }
            }
        }
    }
}

/// The file and the moment; a file whose own name has an @ is that file.
fn parted(input: &str) -> (&str, Option<&str>) {
    match input.rsplit_once('@') {
        Some((path, moment)) if !Path::new(input).exists() => (path, Some(moment)),
        _ => (input, None),
    }
}

fn read(arguments: &Arguments, input: &str) -> anyhow::Result<Input> {
    let (name, moment) = parted(input);
    let mut path = PathBuf::from(name);
    if path.is_dir() {
        path = in_run(arguments, &path)?;
    }
    let text = match name {
        "-" => {
            let mut text = Vec::new();
            let read = io::stdin().lock().read_to_end(&mut text);
            read.context("cannot read standard input")?;
            text
        }
        _ => fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?,
    };
    let from = arguments.from.unwrap_or(match text.first() {
        Some(b'{') | None => From::Raw,
        Some(_) => From::Collapsed,
    });
    if from == From::Raw {
        let raw = Raw::parse(&path, &text)?;
        let Ok(when) = moment.unwrap_or("end").parse::<When>();
        return Ok(Input::Profile(Box::new(Named::new(&raw).at(&when)?)));
    }
    if let Some(moment) = moment {
        bail!("{input}: collapsed stacks have no moments, so leave out @{moment}");
    }
    let text = match from {
        From::Perf => collapse_perf(&text).with_context(|| format!("cannot collapse {name}"))?,
        _ => text,
    };
    let text = String::from_utf8(text).map_err(|_| {
        anyhow!("{name}: it is no text; give a raw profile (RUN/heap.jsonl) or collapsed stacks")
    })?;
    let stem = path
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned());
    Ok(Input::Stacks(Sampled {
        name: arguments.title.clone().or(stem).unwrap_or_default(),
        unit: arguments.unit.clone(),
        interval: None,
        folded: Folded::parse(&path, &text)?,
    }))
}

fn collapse_perf(text: &[u8]) -> io::Result<Vec<u8>> {
    let mut lines = Vec::new();
    perf::Folder::default().collapse(text, &mut lines)?;
    match lines.is_empty() {
        true => Err(io::Error::new(
            ErrorKind::InvalidData,
            "there is no stack in it; it takes what perf script writes of a record with --call-graph",
        )),
        false => Ok(lines),
    }
}

/// The raw profile in a run's directory that is asked for.
fn in_run(arguments: &Arguments, run: &Path) -> anyhow::Result<PathBuf> {
    let mut profiles = Vec::new();
    for entry in fs::read_dir(run).with_context(|| format!("cannot read {}", run.display()))? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let is = |kind: &str| {
            let index = name
                .strip_prefix(kind)
                .and_then(|name| name.strip_suffix(".jsonl"));
            index.is_some_and(|index| index.is_empty() || index.starts_with('-'))
        };
        let (heap, cpu) = (is("heap"), is("cpu"));
        if heap || cpu {
            // One that is cut off in its header is no choice, but it is listed.
            let scenario = Raw::scenario(&path).unwrap_or_default();
            profiles.push((cpu, name.to_owned(), scenario));
        }
    }
    // heap.jsonl, heap-1.jsonl, heap-10.jsonl: as the scenarios ran.
    profiles.sort_by_key(|(cpu, name, _)| (*cpu, name.len(), name.clone()));
    ensure!(
        !profiles.is_empty(),
        "{}: there is no profile in it; run with --heap-profile or --cpu-profile",
        run.display()
    );
    let any_heap = profiles.iter().any(|(cpu, ..)| !cpu);
    let wanted = |(cpu, _, scenario): &&(bool, String, String)| {
        let of_kind = *cpu == (arguments.cpu || !any_heap);
        of_kind
            && arguments
                .scenario
                .as_ref()
                .is_none_or(|asked| asked == scenario)
    };
    let found: Vec<_> = profiles.iter().filter(wanted).collect();
    if let [(_, name, _)] = found[..] {
        return Ok(run.join(name));
    }
    let listed: Vec<String> = profiles
        .iter()
        .map(|(_, name, scenario)| format!("{name} of {scenario}"))
        .collect();
    let none = if found.is_empty() {
        "none"
    } else {
        "more than one"
    };
    bail!(
        "{}: {none} of its profiles is what was asked for; name one with --scenario NAME or as a file: {}",
        run.display(),
        listed.join(", ")
    )
}

/// A closed pipe is no failure.
fn to_stdout(format: Format, written: &[u8]) -> Result<Exit, Failure> {
    if format == Format::Table {
        let mut output = Output::default();
        output.write(|out| out.write_all(written));
        return output.finish(Exit::Done);
    }
    // Not through what takes escape sequences out of text.
    let mut out = io::stdout().lock();
    match out.write_all(written).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let error = anyhow::Error::new(error).context("cannot write to standard output");
            Err(Failure::failed(error))
        }
        _ => Ok(Exit::Done),
    }
}
