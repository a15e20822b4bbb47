//! The JSON Schema of a record's line, made of the types that lines are read into, so that whoever
//! reads records in another language knows what stands in them.
//!
//! It holds for what a reader may rely on: a field that a reader can do without is not required, and
//! one that it does not know is allowed. `profiles/schema` has it as a file.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{Line, SCHEMA_VERSION};

const DESCRIPTION: &str = "One JSON object on one line of record.jsonl. Sizes are in bytes and times in \
    nanoseconds. Fields that are not named here may stand beside those that are: a later version of the \
    suite adds some without raising schema_version.";

/// What is recorded about where a run takes place. What cannot be read there is absent; there may be
/// more than is named here.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "its shape alone is of use")]
pub(super) struct EnvironmentRecord {
    /// XXH3-128 over `machine`, hexadecimal: times may be compared where it is the same.
    #[schemars(regex(pattern = "^[0-9a-f]{32}$"))]
    machine_key: String,
    /// What the key is made of: facts that stay from boot to boot.
    machine: Option<MachineRecord>,
    /// Of this suite.
    suite_version: Option<String>,
    /// Of this suite; absent outside a checkout.
    git_revision: Option<String>,
    /// `Linux 6.1.0`
    kernel: Option<String>,
    /// `glibc 2.36`
    libc: Option<String>,
    /// `MemTotal` of `/proc/meminfo`.
    memory_total_bytes: Option<u64>,
    /// `SwapTotal` of `/proc/meminfo`.
    swap_total_bytes: Option<u64>,
    /// The kernel's.
    page_size_bytes: Option<u64>,
    /// The first processor's frequency governor.
    governor: Option<String>,
    /// `always`, `madvise`, `never`
    transparent_hugepages: Option<String>,
    /// `/proc/sys/vm/swappiness`
    swappiness: Option<u64>,
    /// The compiler of this suite.
    rustc: Option<String>,
    /// `debug`, `release`
    build_profile: Option<String>,
    /// `0` to `3`, `s`, `z`
    build_opt_level: Option<String>,
    /// The target triple.
    build_target: Option<String>,
    /// True in a build with the feature `dhat-heap`, absent in others.
    dhat_heap: Option<bool>,
    /// What harness and testee must both speak to be of two builds.
    testee_protocol: Option<u32>,
    /// SQLite, as it says itself.
    sqlite: Option<SqliteRecord>,
    /// Versions of the allocators, and which of them are there.
    allocators: Option<Map<String, Value>>,
    /// The control group: its version and limits.
    cgroup: Option<Map<String, Value>>,
    /// Variables that change an allocator or the loading of libraries.
    variables: Option<Map<String, Value>>,
    /// Where temporary databases are.
    temporary_directory: Option<Map<String, Value>>,
    /// What is not there, and why.
    cannot_measure: Option<Vec<super::AbsentRecord>>,
}

/// Facts of a machine that stay from boot to boot.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "its shape alone is of use")]
struct MachineRecord {
    /// `x86_64`
    architecture: Option<String>,
    /// As the kernel names it.
    cpu_model: Option<String>,
    /// Processors that this process may run on.
    usable_cpus: Option<u64>,
    /// Nodes of memory.
    numa_nodes: Option<u64>,
}

/// SQLite, as it says itself.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "its shape alone is of use")]
struct SqliteRecord {
    /// `3.54.1`
    version: String,
    /// `sqlite3_sourceid()`
    source_id: Option<String>,
    /// `PRAGMA compile_options`, sorted.
    compile_options: Option<Vec<String>>,
}

/// The schema of one line, in the dialect of 2020-12.
pub fn line_schema() -> Value {
    let settings = SchemaSettings::draft2020_12().for_deserialize();
    let mut generator = settings.into_generator();
    let line = generator.root_schema_for::<Line>();
    let mut made = line.to_value();
    as_written(&mut made);
    let take = |key: &str| made.get_mut(key).map(Value::take).unwrap_or_default();
    let [kinds, definitions] = ["oneOf", "$defs"].map(take);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("urn:sqlite-membench:record:{SCHEMA_VERSION}"),
        "title": format!("A line of a sqlite-membench record, schema_version {SCHEMA_VERSION}"),
        "description": DESCRIPTION,
        "type": "object",
        "properties": {
            "schema_version": {
                "description": "Raised when a reader of the version before can no longer read a line.",
                "const": SCHEMA_VERSION,
            },
            "kind": { "description": "What the line is about.", "type": "string" },
        },
        "required": ["schema_version", "kind"],
        "oneOf": kinds,
        "$defs": definitions,
    })
}

/// Makes of a schema of types one of lines: what is not known is absent and never null, and a number
/// has the bounds of its type.
fn as_written(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            without_null(map);
            bounded(map);
            if let Some(Value::String(text)) = map.get_mut("description") {
                *text = plain(text);
            }
            // Where a field is absent no default of a reader's is meant.
            map.remove("default");
            map.values_mut().for_each(as_written);
        }
        Value::Array(all) => all.iter_mut().for_each(as_written),
        _ => {}
    }
}

fn without_null(map: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = map.get_mut("type") {
        types.retain(|one| one != "null");
        if let [one] = types.as_mut_slice() {
            let one = one.take();
            map.insert("type".into(), one);
        }
    }
    if let Some(Value::Array(any)) = map.get_mut("anyOf") {
        any.retain(|one| one != &json!({"type": "null"}));
        if let [one] = any.as_mut_slice()
            && let Value::Object(one) = one.take()
        {
            map.remove("anyOf");
            map.extend(one);
        }
    }
}

fn bounded(map: &mut Map<String, Value>) {
    let (least, most): (Value, Value) = match map.get("format").and_then(Value::as_str) {
        Some("uint32") => (u32::MIN.into(), u32::MAX.into()),
        Some("uint64" | "uint") => (u64::MIN.into(), u64::MAX.into()),
        Some("int64") => (i64::MIN.into(), i64::MAX.into()),
        _ => return,
    };
    map.insert("minimum".into(), least);
    map.insert("maximum".into(), most);
}

/// A comment without its line ends and its links.
fn plain(comment: &str) -> String {
    let text = comment.split_whitespace().collect::<Vec<_>>().join(" ");
    text.replace("[`", "`").replace("`]", "`")
}
