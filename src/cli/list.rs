//! `list`: the scenarios there are.

use std::io::{self, Write};
use std::path::PathBuf;

use anstyle::Style;
use clap::Args;
use serde_json::json;

use super::output::{Output, layout};
use super::{Exit, Failure, Format};
use crate::scenario::{Catalogue, Declaration, Expectation};

/// What `list` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Add every *.toml of a directory to the built-in scenarios
    #[arg(long, value_name = "DIR")]
    scenarios: Option<PathBuf>,
    /// How to write
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let mut catalogue = Catalogue::built_in().map_err(Failure::usage)?;
    if let Some(directory) = &arguments.scenarios {
        catalogue.add_directory(directory).map_err(Failure::usage)?;
    }
    let mut output = Output::default();
    output.write(|out| match arguments.format {
        Format::Table => table(out, catalogue.declarations()),
        Format::Json => write_json(out, catalogue.declarations()),
    });
    output.finish(Exit::Done)
}

fn table(out: &mut dyn Write, declarations: &[Declaration]) -> io::Result<()> {
    let bold = Style::new().bold();
    let dim = Style::new().dimmed();
    let width = declarations.iter().map(|d| d.name.len()).max().unwrap_or(0);
    let layout = layout();
    for declaration in declarations {
        let Declaration {
            name,
            summary,
            sets,
            ..
        } = declaration;
        let runs = match declaration.cells() {
            1 => String::new(),
            several => format!(" ×{several}"),
        };
        let tail = format!("{dim}[{}]{runs}{dim:#}", sets.join(", "));
        let words = summary.split(' ').chain([tail.as_str()]);
        // Beside the name where there is room for some words, below it where there is none.
        let beside = layout
            .columns
            .is_none_or(|columns| columns >= width + 2 + 30);
        let indent = if beside { width + 2 } else { 4 };
        let mut lines = layout.lines(words, " ", indent).into_iter();
        if beside {
            let first = lines.next().unwrap_or_default();
            writeln!(out, "{bold}{name:<width$}{bold:#}  {first}")?;
        } else {
            writeln!(out, "{bold}{name}{bold:#}")?;
        }
        lines.try_for_each(|line| writeln!(out, "{:indent$}{line}", ""))?;
    }
    let hint = "run one: sqlite-membench run NAME; a set in brackets: run --set-of SET";
    writeln!(out)?;
    let mut lines = layout.wrapped(hint, 0).into_iter();
    lines.try_for_each(|line| writeln!(out, "{dim}{line}{dim:#}"))
}

fn write_json(out: &mut dyn Write, declarations: &[Declaration]) -> io::Result<()> {
    let one = |declaration: &Declaration| {
        let Declaration {
            name,
            summary,
            about,
            sets,
            workload,
            expect,
            settings,
            limits,
            file,
            ..
        } = declaration;
        let settings: serde_json::Map<_, _> = settings
            .iter()
            .map(|setting| {
                let values = setting.values.iter().map(|value| value.text.as_str());
                (setting.key.to_string(), json!(values.collect::<Vec<_>>()))
            })
            .collect();
        json!({
            "name": name, "summary": summary, "about": about, "workload": workload.name(), "sets": sets,
            "file": file, "scenarios": declaration.cells(), "settings": settings, "limits": limits, "expect": expectations(expect),
        })
    };
    let all: Vec<_> = declarations.iter().map(one).collect();
    serde_json::to_writer_pretty(&mut *out, &all)?;
    writeln!(out)
}

/// Each with the values for which it holds; the first that fits a scenario is its.
fn expectations(expect: &[Expectation]) -> serde_json::Value {
    let one = |expectation: &Expectation| {
        let when = expectation.when.iter().map(|setting| {
            let values = setting.values.iter().map(|value| value.text.as_str());
            (setting.key.to_string(), json!(values.collect::<Vec<_>>()))
        });
        let when: serde_json::Map<_, _> = when.collect();
        json!({"verdicts": expectation.verdicts, "when": when})
    };
    expect.iter().map(one).collect()
}
