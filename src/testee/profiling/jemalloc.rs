//! jemalloc's own samples: dumps of what it serves, taken through `jemalloc_pprof`.
//!
//! A dump has what is live and, with `prof_accum`, what was ever allocated, by stack. It knows neither the
//! side nor the statement, its peak is the highest of the dumps, and its bytes are size classes. Parsed here, since the crate's own
//! parser leaves out the cumulative half and the blocks.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind};
use std::path::Path;

use jemalloc_pprof::PROF_CTL;

use crate::profile;
use crate::profile::raw::{Header, Line, Moment, SCHEMA_VERSION, Side, SiteValues, Source, Values};
use crate::record::HeapSource;

use super::Error;
use super::file::RawFile;

/// A sampling jemalloc, and its file. What this keeps is in Rust's heap, and counts there.
#[derive(Debug)]
pub(super) struct Dumps {
    file: RawFile,
    stacks: HashMap<Vec<u64>, u32>,
    /// By the stack's number, as written.
    sites: Vec<SiteValues>,
    peak_bytes: u64,
}

impl Dumps {
    pub(super) fn start(path: &Path, scenario: &str) -> Result<Self, Error> {
        let control = PROF_CTL.as_ref().ok_or(Error::JemallocIsOff)?;
        let interval_bytes = match control.try_lock() {
            Ok(control) if control.activated() => 1 << control.lg_sample(),
            _ => return Err(Error::JemallocIsOff),
        };
        let mut file = RawFile::create(path)?;
        file.line(&Line::Profile(Header {
            schema_version: SCHEMA_VERSION,
            scenario: scenario.into(),
            source: Source::Heap {
                by: HeapSource::Jemalloc,
                interval_bytes,
            },
            modules: profile::modules(),
        }))?;
        file.flush()?;
        Ok(Dumps {
            file,
            stacks: HashMap::new(),
            sites: Vec::new(),
            peak_bytes: 0,
        })
    }

    pub(super) fn write(&mut self, at_ns: u64, moment: Option<Moment<'_>>) -> Result<(), Error> {
        let dump = dump().and_then(|file| parse(BufReader::new(file)));
        let dump = dump.map_err(Error::file(Path::new("jemalloc's dump")))?;
        let mut now: Vec<SiteValues> = Vec::with_capacity(dump.len());
        for site in dump {
            let next = self.stacks.len() as u32;
            let id = match self.stacks.get(&site.addresses) {
                Some(id) => *id,
                None => {
                    self.file.line(&Line::Stack {
                        id: next,
                        addresses: Cow::Borrowed(&site.addresses),
                    })?;
                    self.stacks.insert(site.addresses, next);
                    next
                }
            };
            now.push(values(id, &site.live, &site.total));
        }
        let changed = self.merge(&now);
        self.file.line(&Line::Values(Values {
            at_ns,
            moment,
            exact: None,
            lost: 0,
            sites: Cow::Owned(changed),
        }))?;
        self.file.flush()
    }

    /// What is different from what was written before; a stack that the dump does not have is not live.
    fn merge(&mut self, now: &[SiteValues]) -> Vec<SiteValues> {
        let mut all: Vec<SiteValues> = (self.sites.iter())
            .map(|before| SiteValues {
                now_samples: 0,
                now_bytes: 0,
                now_blocks: 0.0,
                ..*before
            })
            .collect();
        let nothing = |id| values(id, &Sampled::default(), &Sampled::default());
        all.extend((all.len() as u32..self.stacks.len() as u32).map(nothing));
        for site in now {
            let before = all[site.stack as usize];
            all[site.stack as usize] = SiteValues {
                peak_bytes: before.peak_bytes,
                peak_blocks: before.peak_blocks,
                ..*site
            };
        }
        let live = all.iter().map(|site| site.now_bytes).sum();
        if live > self.peak_bytes {
            self.peak_bytes = live;
            for site in &mut all {
                (site.peak_bytes, site.peak_blocks) = (site.now_bytes, site.now_blocks);
            }
        }
        let is_new = |(place, site): &(usize, &SiteValues)| self.sites.get(*place) != Some(*site);
        let changed = all.iter().enumerate().filter(is_new);
        let changed = changed.map(|(_, site)| *site).collect();
        self.sites = all;
        changed
    }
}

fn values(stack: u32, live: &Sampled, total: &Sampled) -> SiteValues {
    SiteValues {
        stack,
        statement: 0,
        side: Side::Unknown,
        now_samples: live.samples,
        now_bytes: live.bytes.round() as u64,
        now_blocks: live.blocks,
        peak_bytes: 0,
        peak_blocks: 0.0,
        total_bytes: total.bytes.round() as u64,
        total_blocks: total.blocks,
        total_samples: total.samples,
    }
}

fn dump() -> io::Result<File> {
    let control = PROF_CTL.as_ref().ok_or(ErrorKind::Unsupported)?;
    // Nobody else holds it: this process has no other use for it.
    let mut control = control.try_lock().map_err(io::Error::other)?;
    control.dump().map_err(io::Error::other)
}

/// What samples stand for.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Sampled {
    samples: u64,
    bytes: f64,
    blocks: f64,
}

#[derive(Debug, PartialEq)]
struct DumpedSite {
    addresses: Vec<u64>,
    live: Sampled,
    total: Sampled,
}

/// `heap_v2/INTERVAL`, then for each stack `@ 0x.. 0x..`, leaf first, and under it, over all threads,
/// `t*: OBJECTS: BYTES [OBJECTS: BYTES]`, live and ever.
fn parse(dump: impl BufRead) -> io::Result<Vec<DumpedSite>> {
    let bad =
        |line: &str| io::Error::new(ErrorKind::InvalidData, format!("jemalloc wrote {line:?}"));
    let mut lines = dump.lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let interval = first
        .strip_prefix("heap_v2/")
        .and_then(|text| text.parse().ok());
    let interval: f64 = interval.ok_or_else(|| bad(&first))?;
    let mut sites = Vec::new();
    let mut stack: Option<Vec<u64>> = None;
    for line in lines {
        let line = line?;
        if line.starts_with("MAPPED_LIBRARIES") {
            break;
        }
        if let Some(addresses) = line.strip_prefix('@') {
            let parsed = addresses.split_ascii_whitespace().map(call_address);
            stack = Some(parsed.collect::<Option<_>>().ok_or_else(|| bad(&line))?);
        } else if let Some(counts) = line.trim_start().strip_prefix("t*:")
            && let Some(addresses) = stack.take()
        {
            let counts: Vec<u64> = counts
                .split(|c: char| !c.is_ascii_digit())
                .filter(|word| !word.is_empty())
                .map(|word| word.parse().map_err(|_| bad(&line)))
                .collect::<io::Result<_>>()?;
            let [live, live_bytes, total, total_bytes] = counts[..] else {
                return Err(bad(&line));
            };
            sites.push(DumpedSite {
                addresses,
                live: unbiased(live, live_bytes, interval),
                total: unbiased(total, total_bytes, interval),
            });
        }
    }
    Ok(sites)
}

/// The last byte of the call: every address of jemalloc's is one to return to.
fn call_address(text: &str) -> Option<u64> {
    let address = u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()?;
    address.checked_sub(1)
}

/// A sample of `s` bytes stands for `1 / (1 - exp(-s / interval))` blocks. Of the samples of a stack only
/// the average size is known; jemalloc writes such numbers (`prof_unbias`) that it comes out right.
fn unbiased(samples: u64, bytes: u64, interval: f64) -> Sampled {
    if samples == 0 {
        return Sampled::default();
    }
    let average = bytes as f64 / samples as f64;
    let scale = -1.0 / (-average / interval).exp_m1();
    Sampled {
        samples,
        bytes: bytes as f64 * scale,
        blocks: samples as f64 * scale,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = "heap_v2/1024\n  t*: 3: 3072 [4: 4096]\n  t0: 3: 3072 [4: 4096]\n\
        @ 0x1001 0x2001\n  t*: 2: 2048 [3: 3072]\n  t0: 2: 2048 [3: 3072]\n\
        @ 0x3001\n  t*: 0: 0 [1: 1000000]\n\nMAPPED_LIBRARIES:\n00400000-00500000 r-xp\n";

    #[test]
    fn a_dump_gives_what_is_live_and_what_ever_was() {
        let sites = parse(DUMP.as_bytes()).unwrap();
        assert_eq!(sites.len(), 2);
        assert_eq!(sites[0].addresses, [0x1000, 0x2000]);
        // 1 / (1 - 1/e) = 1.582
        let live = sites[0].live;
        assert_eq!((live.samples, live.bytes.round() as u64), (2, 3240));
        assert!((sites[0].total.blocks - 4.746).abs() < 0.001);
        assert_eq!(sites[1].live, Sampled::default());
        assert_eq!(sites[1].total.bytes, 1_000_000.0);
    }

    #[test]
    fn what_is_no_dump_is_an_error() {
        assert!(parse("heap profile: 1".as_bytes()).is_err());
        assert!(parse("heap_v2/1024\n@ 0x1\n t*: 1: 2\n".as_bytes()).is_err());
    }
}
