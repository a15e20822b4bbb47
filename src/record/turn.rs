//! Several executions of one scenario, of one program or of two that are compared.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `kind = turn`, before the `scenario` line that it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TurnRecord {
    /// See [`ScenarioRecord::scenario`](super::ScenarioRecord::scenario); another one for each
    /// execution: `insert-10m #2`, `insert-10m #2 new`.
    pub scenario: String,
    /// The scenario's name without the turn: the same for all of its executions.
    pub of: String,
    /// Rounds count from 1; in each of them every scenario runs once on each side.
    pub round: u32,
    /// Whose testee it is; absent where one program alone runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
}

/// Of two programs that are compared.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// What is compared with: the program given by `--against`.
    Base,
    /// What is judged: the program that runs the comparison.
    New,
}

impl Side {
    /// As in the record.
    pub const fn name(self) -> &'static str {
        match self {
            Side::Base => "base",
            Side::New => "new",
        }
    }
}

/// `kind = program`, once for each side, before the first `turn`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProgramRecord {
    /// Which one it is.
    pub side: Side,
    /// As it was named on the command line, or the running executable's file name.
    pub program: String,
    /// XXH3-128 of the executable, hexadecimal: equal where both sides are one build.
    pub content_hash: String,
    /// What the program itself says of the machine and the software: see `environment`.
    #[schemars(with = "super::schema::EnvironmentRecord")]
    pub environment: serde_json::Map<String, serde_json::Value>,
}
