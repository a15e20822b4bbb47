//! Replays a raw profile: what was known at each of its moments.
//!
//! A testee that was killed leaves a file that ends anywhere; a last line that is cut off is left out.
//! Everything else that is wrong is an error that names the line.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::error::Error;
use super::raw::{Exact, Function, Header, Line, Moment, SCHEMA_VERSION, Side, SiteValues, Values};

/// A raw profile, whole.
#[derive(Debug)]
pub struct Raw {
    pub(super) path: PathBuf,
    pub(super) header: Header<'static>,
    pub(super) stacks: HashMap<u32, Vec<u64>>,
    pub(super) statements: HashMap<u32, String>,
    /// Of those addresses that have been looked up.
    pub(super) symbols: HashMap<u64, Vec<Function>>,
    pub(super) steps: Vec<Step>,
    /// The file is good until here.
    pub(super) good_bytes: usize,
    /// Whether a line ends there.
    pub(super) ends_line: bool,
}

/// A line of values.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) at_ns: u64,
    pub(super) moment: Option<Moment<'static>>,
    pub(super) exact: Option<Exact>,
    pub(super) lost: u64,
    changed: Vec<SiteValues>,
}

impl Raw {
    /// Reads the file.
    ///
    /// # Errors
    /// It cannot be read, is no raw profile, or holds no values.
    pub fn read(path: &Path) -> Result<Raw, Error> {
        let text = fs::read(path).map_err(Error::file(path, "read"))?;
        Raw::parse(path, &text)
    }

    /// Whose profile a file is; `None` where its first line does not say it.
    pub fn scenario(path: &Path) -> Option<String> {
        let mut line = Vec::new();
        BufReader::new(fs::File::open(path).ok()?)
            .read_until(b'\n', &mut line)
            .ok()?;
        match serde_json::from_slice(&line).ok()? {
            Line::Profile(header) => Some(header.scenario.into_owned()),
            _ => None,
        }
    }

    /// What a file holds; `path` is for messages.
    ///
    /// # Errors
    /// As of [`Raw::read`].
    pub fn parse(path: &Path, text: &[u8]) -> Result<Raw, Error> {
        let mut raw: Option<Raw> = None;
        let mut good_bytes = 0;
        for (index, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let parsed = match serde_json::from_slice::<Line<'static>>(line) {
                Ok(parsed) => parsed,
                Err(_) if !line.ends_with(b"\n") => break,
                Err(error) => return Err(Error::line(path, index + 1, error)),
            };
            let added = match (&mut raw, parsed) {
                (None, Line::Profile(header)) => Raw::new(path, header).map(|new| raw = Some(new)),
                (None, _) => Err("a raw profile begins with its header".to_owned()),
                (Some(raw), line) => raw.add(line),
            };
            added.map_err(|why| Error::line(path, index + 1, why))?;
            good_bytes += line.len();
        }
        let Some(mut raw) = raw else {
            let why =
                "it is empty, so there is no profile in it: the testee ended before its first";
            return Err(Error::unusable(path, why));
        };
        raw.good_bytes = good_bytes;
        raw.ends_line = text[..good_bytes].ends_with(b"\n");
        if raw.steps.is_empty() {
            let why = "it ends before the first values, so there is nothing to draw";
            return Err(Error::unusable(path, why));
        }
        Ok(raw)
    }

    fn new(path: &Path, header: Header<'static>) -> Result<Raw, String> {
        if header.schema_version != SCHEMA_VERSION {
            return Err(format!(
                "it is of schema version {}, and this program reads version {SCHEMA_VERSION}",
                header.schema_version
            ));
        }
        Ok(Raw {
            path: path.to_owned(),
            header,
            stacks: HashMap::new(),
            statements: HashMap::new(),
            symbols: HashMap::new(),
            steps: Vec::new(),
            good_bytes: 0,
            ends_line: false,
        })
    }

    fn add(&mut self, line: Line<'static>) -> Result<(), String> {
        match line {
            Line::Profile(_) => return Err("a second header".to_owned()),
            Line::Stack { id, addresses } => match self.stacks.entry(id) {
                Entry::Occupied(_) => return Err(format!("stack {id} a second time")),
                Entry::Vacant(entry) => drop(entry.insert(addresses.into_owned())),
            },
            Line::Statement { id, sql } => {
                if id == 0 || self.statements.insert(id, sql.into_owned()).is_some() {
                    return Err(format!("statement {id} a second time, or 0"));
                }
            }
            Line::Values(values) => self.add_values(values)?,
            Line::Symbols { frames } => {
                let frames = frames.into_iter();
                self.symbols
                    .extend(frames.map(|frame| (frame.address, frame.functions)));
            }
        }
        Ok(())
    }

    fn add_values(&mut self, values: Values<'static>) -> Result<(), String> {
        for site in values.sites.iter() {
            if !self.stacks.contains_key(&site.stack) {
                return Err(format!("stack {} is not there yet", site.stack));
            }
            if site.statement != 0 && !self.statements.contains_key(&site.statement) {
                return Err(format!("statement {} is not there yet", site.statement));
            }
            let estimates = [site.now_blocks, site.peak_blocks, site.total_blocks];
            if estimates.iter().any(|blocks| *blocks < 0.0) {
                return Err(format!("fewer than no blocks of stack {}", site.stack));
            }
        }
        self.steps.push(Step {
            at_ns: values.at_ns,
            moment: values.moment,
            exact: values.exact,
            lost: values.lost,
            changed: values.sites.into_owned(),
        });
        Ok(())
    }

    /// What the lines until this step leave behind, in the order in which the sites were first seen.
    pub(super) fn state(&self, step: usize) -> Vec<SiteValues> {
        let mut places: HashMap<(u32, u32, Side), usize> = HashMap::new();
        let mut sites: Vec<SiteValues> = Vec::new();
        for site in self.steps[..=step].iter().flat_map(|step| &step.changed) {
            match places.entry((site.stack, site.statement, site.side)) {
                Entry::Occupied(place) => sites[*place.get()] = *site,
                Entry::Vacant(place) => {
                    place.insert(sites.len());
                    sites.push(*site);
                }
            }
        }
        sites
    }

    /// A statement in one line.
    pub(super) fn statement(&self, id: u32) -> Option<String> {
        let sql = self.statements.get(&id)?;
        Some(sql.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}
