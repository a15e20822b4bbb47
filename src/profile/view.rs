//! A profile at one moment: stacks with names, and what each stands for, scaled.
//!
//! What every output is made of, so that all of them hold the same totals.

use std::collections::HashMap;

use super::error::Error;
use super::moments::{Quantity, When};
use super::plumbing;
use super::raw::{Counted, Function, Side, SiteValues, Source};
use super::read::{Raw, Step};
use super::scale::{Accuracy, Amount, apportion};
use super::symbols;
use crate::record::HeapSource;

/// In place of a statement where none was running.
pub const NO_STATEMENT: &str = "(no statement)";
/// The same where nobody looks which one is running.
pub const UNKNOWN_STATEMENT: &str = "(statements are not known)";
/// In place of a stack, for what was counted and has no sample.
pub const TOO_SMALL: &str = "(too small to be sampled)";

/// A function in a stack.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Frame {
    /// Where it was in the process; 0 of what was made up.
    pub address: u64,
    /// With its file and line.
    pub function: Function,
    /// Whether it was inlined into the frame behind it, whose address it shares.
    pub inlined: bool,
}

/// What one stack under one statement stands for.
#[derive(Debug, Clone)]
pub struct Row {
    /// One of [`Profile::statements`].
    pub statement: Option<u32>,
    /// Whose heap; unknown of a CPU profile.
    pub side: Side,
    /// Leaf first: places in [`Profile::frames`].
    pub stack: Vec<usize>,
    /// Live.
    pub now: Amount,
    /// Live at the peak.
    pub peak: Amount,
    /// Ever.
    pub total: Amount,
}

impl Row {
    /// One of its numbers.
    pub fn amount(&self, quantity: Quantity) -> Amount {
        match quantity {
            Quantity::Now => self.now,
            Quantity::Peak => self.peak,
            Quantity::Total => self.total,
        }
    }
}

/// A profile at one moment.
#[derive(Debug)]
pub struct Profile {
    /// Whose profile it is.
    pub scenario: String,
    /// What was sampled.
    pub source: Source,
    /// The executable and its libraries.
    pub modules: Vec<super::raw::Module>,
    /// As it was asked for.
    pub when: When,
    /// Since the testee started.
    pub at_ns: u64,
    /// Samples that did not fit.
    pub lost: u64,
    /// Each once.
    pub frames: Vec<Frame>,
    /// By number.
    pub statements: HashMap<u32, String>,
    /// Of each stack under each statement on each side.
    pub rows: Vec<Row>,
    /// Of each quantity and side.
    accuracy: Vec<(Quantity, Accuracy)>,
    /// Why there are no names for some.
    pub absent: Vec<String>,
}

/// Names are looked up once, for as many moments as are asked for.
#[derive(Debug)]
pub struct Named<'a> {
    raw: &'a Raw,
    names: HashMap<u64, Vec<Function>>,
    absent: Vec<String>,
}

impl<'a> Named<'a> {
    /// Looks up what the file does not say.
    pub fn new(raw: &'a Raw) -> Named<'a> {
        Named::with(raw, symbols::look_up(raw))
    }

    pub(super) fn with(raw: &'a Raw, found: symbols::Found) -> Named<'a> {
        Named {
            raw,
            names: symbols::names(raw, &found),
            absent: found.absent,
        }
    }

    /// The profile at a moment.
    ///
    /// # Errors
    /// There is no such moment.
    pub fn at(&self, when: &When) -> Result<Profile, Error> {
        let raw = self.raw;
        let index = raw.step(when)?;
        let step = &raw.steps[index];
        let statements = raw.statements.keys();
        let statements = statements.filter_map(|id| Some((*id, raw.statement(*id)?)));
        let mut profile = Profile {
            scenario: raw.header.scenario.to_string(),
            source: raw.header.source,
            modules: raw.header.modules.clone(),
            when: when.clone(),
            at_ns: step.at_ns,
            lost: step.lost,
            frames: Vec::new(),
            statements: statements.collect(),
            rows: Vec::new(),
            accuracy: Vec::new(),
            absent: self.absent.clone(),
        };
        let mut sites = raw.state(index);
        self.add_rows(&mut profile, &mut sites);
        for quantity in [Quantity::Now, Quantity::Peak, Quantity::Total] {
            for side in [Side::Sqlite, Side::Rust, Side::Unknown] {
                profile.scale(step, &sites, quantity, side);
            }
        }
        Ok(profile)
    }

    /// A row for each site, whose side is known afterwards, if it can be.
    fn add_rows(&self, profile: &mut Profile, sites: &mut [SiteValues]) {
        let mut places = HashMap::new();
        let mut stacks: HashMap<u32, (Vec<usize>, Side)> = HashMap::new();
        for site in sites {
            let (stack, side) = stacks.entry(site.stack).or_insert_with(|| {
                let (frames, side) = self.stack(site.stack, profile.source);
                let intern = |frame: Frame| {
                    *places.entry(frame).or_insert_with_key(|frame| {
                        profile.frames.push(frame.clone());
                        profile.frames.len() - 1
                    })
                };
                (frames.into_iter().map(intern).collect(), side)
            });
            if site.side == Side::Unknown && matches!(profile.source, Source::Heap { .. }) {
                site.side = *side;
            }
            profile.rows.push(Row {
                statement: Some(site.statement).filter(|id| *id != 0),
                side: site.side,
                stack: stack.clone(),
                now: Amount::default(),
                peak: Amount::default(),
                total: Amount::default(),
            });
        }
    }

    /// Leaf first, without plumbing; and the side that it speaks for.
    fn stack(&self, id: u32, source: Source) -> (Vec<Frame>, Side) {
        let addresses = self.raw.stacks.get(&id).map_or(&[][..], Vec::as_slice);
        let mut frames = Vec::new();
        for &address in addresses {
            let unnamed = || vec![symbols::unnamed(&self.raw.header.modules, address)];
            let functions = self.names.get(&address).cloned().unwrap_or_else(unnamed);
            let last = functions.len() - 1;
            frames.extend(
                functions
                    .into_iter()
                    .enumerate()
                    .map(|(index, function)| Frame {
                        address,
                        function,
                        inlined: index != last,
                    }),
            );
        }
        let functions: Vec<&Function> = frames.iter().map(|frame| &frame.function).collect();
        let leading = plumbing::leading(source, &functions);
        let side = plumbing::side_of(&functions, leading);
        frames.drain(..leading);
        plumbing::tidy(&mut frames);
        (frames, side)
    }
}

/// Estimates of a site: bytes, blocks, samples where they are known.
fn estimates(site: &SiteValues, quantity: Quantity) -> (f64, f64, Option<u64>) {
    match quantity {
        Quantity::Now => (
            site.now_bytes as f64,
            site.now_blocks,
            Some(site.now_samples),
        ),
        Quantity::Peak => (site.peak_bytes as f64, site.peak_blocks, None),
        Quantity::Total => {
            let samples = Some(site.total_samples);
            (site.total_bytes as f64, site.total_blocks, samples)
        }
    }
}

fn counted(step: &Step, quantity: Quantity, side: Side) -> Option<Amount> {
    let exact = step.exact?;
    let counted: Counted = match side {
        Side::Sqlite => exact.sqlite,
        Side::Rust => exact.rust,
        Side::Unknown => return None,
    };
    let (bytes, blocks) = match quantity {
        Quantity::Now => (counted.now_bytes, counted.now_blocks),
        Quantity::Peak => (counted.peak_bytes, counted.peak_blocks),
        Quantity::Total => (counted.total_bytes, counted.total_blocks),
    };
    Some(Amount { bytes, blocks })
}

impl Profile {
    /// Sets one quantity of every row of a side.
    fn scale(&mut self, step: &Step, sites: &[SiteValues], quantity: Quantity, side: Side) {
        let of_side: Vec<usize> = (0..sites.len())
            .filter(|index| sites[*index].side == side)
            .collect();
        let estimated = of_side
            .iter()
            .map(|index| estimates(&sites[*index], quantity));
        let estimated: Vec<_> = estimated.collect();
        let bytes: Vec<f64> = estimated.iter().map(|estimate| estimate.0).collect();
        let blocks: Vec<f64> = estimated.iter().map(|estimate| estimate.1).collect();
        let unscaled = Amount {
            bytes: bytes.iter().sum::<f64>().round() as u64,
            blocks: blocks.iter().sum::<f64>().round() as u64,
        };
        let exact = counted(step, quantity, side);
        if of_side.is_empty() && exact.is_none() {
            return;
        }
        let accuracy = Accuracy {
            side,
            exact,
            unscaled,
            samples: estimated.iter().map(|estimate| estimate.2).sum(),
            interval_bytes: match self.source {
                Source::Heap { interval_bytes, .. } => interval_bytes,
                Source::Cpu { interval_ns } => interval_ns,
            },
        };
        let shown = accuracy.shown();
        self.accuracy.push((quantity, accuracy));
        let bytes = apportion(&bytes, shown.bytes);
        let blocks = apportion(&blocks, shown.blocks);
        let parts = of_side.iter().zip(bytes.iter().zip(&blocks));
        for (index, (&bytes, &blocks)) in parts {
            self.rows[*index].set(quantity, Amount { bytes, blocks });
        }
        let rest = Amount {
            bytes: shown.bytes - bytes.iter().sum::<u64>(),
            blocks: shown.blocks - blocks.iter().sum::<u64>(),
        };
        if rest != Amount::default() {
            self.add_too_small(side, quantity, rest);
        }
    }

    /// What was counted and has no sample.
    fn add_too_small(&mut self, side: Side, quantity: Quantity, rest: Amount) {
        let frame = Frame {
            address: 0,
            function: Function {
                name: TOO_SMALL.to_owned(),
                file: None,
                line: None,
            },
            inlined: false,
        };
        let place = self.frames.iter().position(|one| *one == frame);
        let place = place.unwrap_or_else(|| {
            self.frames.push(frame);
            self.frames.len() - 1
        });
        let mut row = Row {
            statement: None,
            side,
            stack: vec![place],
            now: Amount::default(),
            peak: Amount::default(),
            total: Amount::default(),
        };
        row.set(quantity, rest);
        self.rows.push(row);
    }

    /// What the profile is asked about; of a CPU profile always the total.
    pub fn quantity(&self) -> Quantity {
        match self.source {
            Source::Heap { .. } => self.when.quantity(),
            Source::Cpu { .. } => Quantity::Total,
        }
    }

    /// The one number of a row that a picture shows: bytes, or samples of a CPU profile.
    pub fn value(&self, row: &Row, quantity: Quantity) -> u64 {
        let amount = row.amount(quantity);
        match self.source {
            Source::Heap { .. } => amount.bytes,
            Source::Cpu { .. } => amount.blocks,
        }
    }

    /// Of each side that there is, SQLite's first.
    pub fn accuracy(&self, quantity: Quantity) -> impl Iterator<Item = &Accuracy> {
        let of = self
            .accuracy
            .iter()
            .filter(move |(one, _)| *one == quantity);
        of.map(|(_, accuracy)| accuracy)
    }

    /// The statement of a row, or what stands for none.
    pub fn statement(&self, row: &Row) -> &str {
        let id = row.statement.as_ref();
        let none = match self.source {
            Source::Heap {
                by: HeapSource::Sampled,
                ..
            } => NO_STATEMENT,
            _ => UNKNOWN_STATEMENT,
        };
        id.and_then(|id| self.statements.get(id))
            .map_or(none, String::as_str)
    }

    /// The frame below all others: the statement. A CPU profile has none.
    pub fn root(&self, row: &Row) -> Option<&str> {
        match self.source {
            Source::Cpu { .. } => None,
            Source::Heap { .. } => Some(self.statement(row)),
        }
    }

    /// The functions of a row, leaf first.
    pub fn functions<'a>(&'a self, row: &'a Row) -> impl Iterator<Item = &'a Function> {
        row.stack.iter().map(|place| &self.frames[*place].function)
    }
}

impl Row {
    fn set(&mut self, quantity: Quantity, amount: Amount) {
        match quantity {
            Quantity::Now => self.now = amount,
            Quantity::Peak => self.peak = amount,
            Quantity::Total => self.total = amount,
        }
    }
}
