//! `compare`, on records and on Criterion's files that are made by hand.

#[path = "compare/benchmarks.rs"]
mod benchmarks;
#[path = "compare/made.rs"]
mod made;
#[path = "compare/output.rs"]
mod output;
#[path = "compare/refused.rs"]
mod refused;
#[path = "compare/words.rs"]
mod words;
