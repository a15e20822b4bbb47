//! The sampler's profile, written as it changes, from buffers that lie outside of both heaps.

use std::borrow::Cow;
use std::path::Path;

use crate::allocator::region::Region;
use crate::allocator::sampler::{self, Counted, Profile, Reader, Site};
use crate::memory::statements;
use crate::profile::raw::{
    Exact, Header, Line, Moment, SCHEMA_VERSION, Side, SiteValues, Source, Values,
};
use crate::profile::{self, raw};
use crate::record::HeapSource;

use super::Error;
use super::file::RawFile;

/// Sites that are compared with what they were; more are written each time.
const SITES: usize = 1 << 18;

/// A running sampler, and its file.
#[derive(Debug)]
pub(super) struct Sampled {
    file: RawFile,
    reader: Reader,
    written: Written,
    literals: bool,
}

/// What the file has.
#[derive(Debug)]
struct Written {
    stacks: u32,
    statements: u32,
    /// By the site's place.
    sites: Region<SiteValues>,
    /// Of the line that is being written.
    changed: Region<SiteValues>,
}

impl Sampled {
    pub(super) fn start(
        path: &Path,
        scenario: &str,
        interval_bytes: u64,
        literals: bool,
    ) -> Result<Self, Error> {
        sampler::start(interval_bytes).map_err(Error::Sampler)?;
        let mut file = RawFile::create(path)?;
        file.line(&Line::Profile(Header {
            schema_version: SCHEMA_VERSION,
            scenario: scenario.into(),
            source: Source::Heap {
                by: HeapSource::Sampled,
                interval_bytes,
            },
            modules: profile::modules(),
        }))?;
        file.flush()?;
        Ok(Sampled {
            file,
            reader: Reader::new().map_err(Error::Buffers)?,
            written: Written {
                stacks: 0,
                statements: 0,
                sites: Region::new(SITES).map_err(Error::Buffers)?,
                changed: Region::new(SITES).map_err(Error::Buffers)?,
            },
            literals,
        })
    }

    /// Allocates nothing but for a statement that comes for the first time.
    pub(super) fn write(&mut self, at_ns: u64, moment: Option<Moment<'_>>) -> Result<(), Error> {
        let Some(profile) = self.reader.read() else {
            return Ok(());
        };
        let (file, written) = (&mut self.file, &mut self.written);
        while written.stacks < profile.stacks() {
            let id = written.stacks;
            file.line(&Line::Stack {
                id,
                addresses: Cow::Borrowed(profile.stack(id)),
            })?;
            written.stacks += 1;
        }
        while written.statements < profile.statements() {
            let id = written.statements + 1;
            let sql = profile.statement(id);
            let sql = match self.literals {
                true => Cow::Borrowed(sql),
                false => Cow::Owned(statements::redact(sql)),
            };
            file.line(&Line::Statement { id, sql })?;
            written.statements += 1;
        }
        written.compare(profile.sites);
        if moment.is_some() || !written.changed.is_empty() {
            file.line(&values(at_ns, moment, &profile, &written.changed))?;
        }
        file.flush()
    }
}

impl Written {
    fn compare(&mut self, sites: &[Site]) {
        self.changed.clear();
        for (place, site) in sites.iter().enumerate() {
            let now = site_values(site);
            match self.sites.get_mut(place) {
                Some(before) if *before == now => continue,
                Some(before) => *before = now,
                None => self.sites.push(now),
            }
            self.changed.push(now);
        }
    }
}

fn values<'a>(
    at_ns: u64,
    moment: Option<Moment<'a>>,
    profile: &Profile<'_>,
    changed: &'a Region<SiteValues>,
) -> Line<'a> {
    Line::Values(Values {
        at_ns,
        moment,
        exact: Some(Exact {
            sqlite: counted(&profile.sqlite),
            rust: counted(&profile.rust),
        }),
        lost: profile.lost + changed.lost() as u64,
        sites: Cow::Borrowed(changed),
    })
}

fn counted(counted: &Counted) -> raw::Counted {
    raw::Counted {
        now_bytes: counted.now_bytes,
        now_blocks: counted.now_blocks,
        peak_bytes: counted.peak_bytes,
        peak_blocks: counted.peak_blocks,
        total_bytes: counted.total_bytes,
        total_blocks: counted.total_blocks,
    }
}

fn site_values(site: &Site) -> SiteValues {
    SiteValues {
        stack: site.stack,
        statement: site.statement,
        side: match site.side {
            sampler::Side::Sqlite => Side::Sqlite,
            sampler::Side::Rust => Side::Rust,
        },
        now_samples: site.now.samples,
        now_bytes: site.now.bytes.round() as u64,
        now_blocks: site.now.blocks,
        peak_bytes: site.peak.bytes.round() as u64,
        peak_blocks: site.peak.blocks,
        total_bytes: site.total.bytes.round() as u64,
        total_blocks: site.total.blocks,
        total_samples: site.total.samples,
    }
}
