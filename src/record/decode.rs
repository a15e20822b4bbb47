//! One line of a record, from its bytes.

use std::borrow::Cow;

use serde::Deserialize;

use super::{Line, SCHEMA_VERSION};

/// Why a line could not be understood.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON, or not what its kind should look like.
    #[error("not a record line: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Written by a later suite.
    #[error(
        "schema_version {found} is newer than {SCHEMA_VERSION}, the newest this build reads: \
         read it with the version of sqlite-membench that wrote it, or a later one"
    )]
    Newer {
        /// What the line says.
        found: u64,
    },
    /// There never was such a version.
    #[error("schema_version {found} does not exist")]
    NoSuchVersion {
        /// What the line says.
        found: u64,
    },
}

/// One line, understood.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded {
    /// A line of a kind that this build knows.
    Line(Box<Line>),
    /// A line of another kind, to be skipped.
    UnknownKind(String),
}

#[derive(Deserialize)]
struct Header<'a> {
    schema_version: u64,
    #[serde(borrow)]
    kind: Cow<'a, str>,
}

/// The line in `bytes`, with or without its line end.
pub fn decode(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    let header: Header = serde_json::from_slice(bytes)?;
    match header.schema_version {
        0 => return Err(DecodeError::NoSuchVersion { found: 0 }),
        found if found > u64::from(SCHEMA_VERSION) => return Err(DecodeError::Newer { found }),
        _ => {}
    }
    Ok(match line(&header.kind, bytes)? {
        Some(line) => Decoded::Line(Box::new(line)),
        None => Decoded::UnknownKind(header.kind.into_owned()),
    })
}

/// By its kind straight into its type: [`Line`]'s own way of finding the kind out would keep every
/// value of the line in between. `None` for an unknown kind.
fn line(kind: &str, bytes: &[u8]) -> Result<Option<Line>, serde_json::Error> {
    use serde_json::from_slice;
    Ok(Some(match kind {
        "run" => Line::Run(from_slice(bytes)?),
        "environment" => {
            let mut map: serde_json::Map<String, serde_json::Value> = from_slice(bytes)?;
            map.retain(|key, _| key != "schema_version" && key != "kind");
            Line::Environment(map)
        }
        "scenario" => Line::Scenario(from_slice(bytes)?),
        "listening" => Line::Listening(from_slice(bytes)?),
        "phase" => Line::Phase(from_slice(bytes)?),
        "sample" => Line::Sample(from_slice(bytes)?),
        "verdict" => Line::Verdict(from_slice(bytes)?),
        "remedy" => Line::Remedy(from_slice(bytes)?),
        "program" => Line::Program(from_slice(bytes)?),
        "turn" => Line::Turn(from_slice(bytes)?),
        "result" => Line::Result(from_slice(bytes)?),
        "error" => Line::Error(from_slice(bytes)?),
        "progress" => Line::Progress(from_slice(bytes)?),
        _ => return Ok(None),
    }))
}
