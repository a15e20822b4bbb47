//! Where the numbers come from: the machine and the software, all that the record says of them.

use serde_json::{Map, Value};

use super::super::format::unsigned_bytes;
use super::html::{Cell, Html, Table};
use crate::environment::cannot_measure;

/// `AMD EPYC, 2 CPUs, 23.5 GiB, Linux 6.1, glibc 2.36`; what is not known is left out.
pub(in crate::report) fn in_few_words(environment: &Map<String, Value>) -> String {
    let machine = environment.get("machine").and_then(Value::as_object);
    let text = |map: Option<&Map<String, Value>>, key: &str| {
        let value = map?.get(key)?;
        value.as_str().map(str::to_owned)
    };
    let number = |map: Option<&Map<String, Value>>, key: &str| map?.get(key)?.as_u64();
    let top = Some(environment);
    let cpus = number(machine, "usable_cpus").map(|count| match count {
        1 => "1 CPU".to_owned(),
        count => format!("{count} CPUs"),
    });
    let memory = number(top, "memory_total_bytes");
    let memory = memory.map(|bytes| format!("{:.1} GiB of memory", bytes as f64 / 1_073_741_824.0));
    let sqlite = environment.get("sqlite").and_then(Value::as_object);
    let sqlite = text(sqlite, "version").map(|version| format!("SQLite {version}"));
    let parts = [
        text(machine, "cpu_model"),
        cpus,
        memory,
        text(top, "kernel"),
        text(top, "libc"),
        sqlite,
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Names and values, nested ones with their path: `sqlite.version`.
pub(in crate::report) fn flat(environment: &Map<String, Value>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    flatten(environment, "", &mut found);
    found
}

fn flatten(map: &Map<String, Value>, before: &str, found: &mut Vec<(String, String)>) {
    for (name, value) in map {
        let path = format!("{before}{name}");
        let text = match value {
            _ if path == "cannot_measure" => continue,
            Value::Object(inner) if !inner.is_empty() => {
                flatten(inner, &format!("{path}."), found);
                continue;
            }
            Value::Object(_) => "none".to_owned(),
            Value::Number(number) if name.ends_with("_bytes") => match number.as_u64() {
                Some(bytes) => unsigned_bytes(bytes),
                None => number.to_string(),
            },
            Value::String(text) => text.clone(),
            Value::Array(items) => {
                let items = items.iter().map(|item| match item {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                });
                items.collect::<Vec<_>>().join("\n")
            }
            other => other.to_string(),
        };
        let path = path.strip_suffix("_bytes").unwrap_or(&path);
        found.push((path.to_owned(), text));
    }
}

/// Writes the section.
pub(super) fn write(out: &mut Html, environment: &Map<String, Value>) {
    out.raw("<section id=\"environment\"><h2>Environment</h2>\n");
    if environment.is_empty() {
        out.paragraph("", "The record does not say where it was taken.");
    }
    write_map(out, environment);
    out.raw("<h3>What cannot be measured here</h3>\n");
    let mut absent = Table::new("", vec![Cell::text("what"), Cell::text("why")]);
    for (what, why) in cannot_measure(environment) {
        absent.row(vec![Cell::text(what), Cell::text(why)]);
    }
    match (absent.rows.is_empty(), environment.is_empty()) {
        (true, false) => {
            out.paragraph("", "Everything can be measured here.");
        }
        (true, true) => {
            out.paragraph("", "The record does not say.");
        }
        (false, _) => absent.write(out),
    }
    out.close("section");
}

/// The same of one of two programs.
pub(super) fn write_map(out: &mut Html, environment: &Map<String, Value>) {
    const MANY_LINES: usize = 6;
    let mut table = Table::default();
    for (name, text) in flat(environment) {
        let lines = text.lines().count();
        let value = if lines > MANY_LINES {
            let mut value = Html::new();
            value.raw("<details><summary>").text(lines);
            value
                .raw(" values</summary><pre>")
                .text(&text)
                .raw("</pre></details>");
            value
        } else {
            Html::of(text.replace('\n', ", "))
        };
        table.row(vec![Cell::text(name), Cell::html(value).class("wrap")]);
    }
    table.write(out);
}
