//! Two builds of this program whose testees take turns: the options, and what is said at the end.

use std::path::{Path, PathBuf};

use clap::Args;

use super::Exit;
use super::against::{self, Both};
use super::output::{Output, complain, layout};
use super::run::RunFormat;
use super::turns::Rounds;
use crate::report::comparison::{self, Options, Source, parse_threshold, write_table};

/// What `run` takes to run everything several times.
#[derive(Debug, Args)]
pub(super) struct Repeating {
    /// Run everything so often, in rounds, every other one backwards
    #[arg(long, value_name = "N", allow_hyphen_values = true,
        value_parser = clap::value_parser!(u32).range(1..=1000),
        conflicts_with_all = ["pairs", "against"])]
    repeat: Option<u32>,
    /// Compare with another build of this program, given by --against: both run everything so
    /// often, side by side, each first in every other round
    #[arg(long, value_name = "N", allow_hyphen_values = true, requires = "against",
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    pairs: Option<u32>,
    /// The executable to compare with
    #[arg(long, value_name = "PROGRAM", requires = "pairs")]
    against: Option<PathBuf>,
    /// A change between the two that is one, of times and of bytes: 5% or 0.05; beyond it the exit
    /// code is 1
    #[arg(long, value_name = "PART", value_parser = parse_threshold, default_value = "3%",
        requires = "pairs", allow_hyphen_values = true)]
    threshold: f64,
}

impl Repeating {
    /// `None` where everything runs once.
    pub(super) fn rounds(&self) -> Option<Rounds> {
        let rounds = self.repeat.or(self.pairs)?;
        Some(Rounds {
            rounds,
            paired: self.pairs.is_some(),
        })
    }

    /// Both programs of a comparison, after making sure of the other one; none where there is none.
    pub(super) fn programs(&self, quiet: bool) -> anyhow::Result<Option<Both>> {
        let against = self.against.as_deref();
        against
            .map(|program| against::both(program, quiet))
            .transpose()
    }
}

/// After the last pair: what the record shows of the two programs. Other formats than a table have their
/// standard output to themselves, and the outcome goes to standard error.
pub(super) fn conclude_pairs(
    record: &Path,
    repeating: &Repeating,
    format: RunFormat,
    output: &mut Output,
) -> Exit {
    let options = Options {
        threshold: repeating.threshold,
        threshold_bytes: repeating.threshold,
    };
    let source = Source::Run(record.to_owned());
    let compared = match comparison::compare(&source, None, &options) {
        Ok(compared) => compared,
        Err(error) => {
            complain(format_args!("not compared: {error}"));
            return Exit::Failed;
        }
    };
    match format {
        RunFormat::Table => output.write(|out| write_table(out, &compared, false, layout())),
        RunFormat::Json | RunFormat::Csv => complain(format_args!("{}", compared.outcome)),
    }
    match compared.regressed() {
        true => Exit::Gate,
        false => Exit::Done,
    }
}
