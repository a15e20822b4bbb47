//! `env`: what is recorded about this machine, and what cannot be measured here and why.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use clap::Args;
use serde_json::{Map, Value};

use super::output::Output;
use super::{Exit, Failure, Format};
use crate::environment::{cannot_measure, environment};
use crate::report::format::unsigned_bytes;

/// What `env` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// How to write
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let environment = environment();
    let mut output = Output::default();
    output.write(|out| match arguments.format {
        Format::Table => table(out, &environment),
        Format::Json => {
            serde_json::to_writer_pretty(&mut *out, &environment)?;
            writeln!(out)
        }
    });
    output.finish(Exit::Done)
}

fn table(out: &mut dyn Write, environment: &Map<String, Value>) -> io::Result<()> {
    let bold = Style::new().bold();
    rows(out, environment, "")?;
    let absent: Vec<_> = cannot_measure(environment).collect();
    if absent.is_empty() {
        let good = AnsiColor::Green.on_default();
        return writeln!(out, "\n{good}everything can be measured here{good:#}");
    }
    writeln!(out, "\n{bold}cannot be measured here{bold:#}")?;
    absent
        .iter()
        .try_for_each(|(what, why)| writeln!(out, "  {what}\n    {why}"))
}

fn rows(out: &mut dyn Write, map: &Map<String, Value>, before: &str) -> io::Result<()> {
    const NAME: usize = 32;
    let dim = Style::new().dimmed();
    for (name, value) in map.iter().filter(|(name, _)| *name != "cannot_measure") {
        let name = format!("{before}{name}");
        let text = match value {
            Value::Object(inner) => {
                rows(out, inner, &format!("{name}."))?;
                continue;
            }
            Value::Number(number) if name.ends_with("_bytes") => number
                .as_u64()
                .map_or_else(|| number.to_string(), unsigned_bytes),
            Value::String(text) => text.clone(),
            Value::Array(items) => {
                let items = items.iter().map(|item| item.as_str().unwrap_or_default());
                items.collect::<Vec<_>>().join(&format!("\n{:NAME$}", ""))
            }
            other => other.to_string(),
        };
        let name = name.strip_suffix("_bytes").unwrap_or(&name);
        writeln!(out, "{dim}{name:<NAME$}{dim:#}{text}")?;
    }
    Ok(())
}
