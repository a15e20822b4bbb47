//! One process for each case of the sampler: it is started once, before SQLite's methods.

use std::process::Command;

use libtest_mimic::{Arguments, Failed, Trial};
use sqlite_membench::allocator::sampler::{self, Estimate, Profile, Side, Site};
use sqlite_membench::allocator::{SqliteAllocator, global, sqlite};

const CASE: &str = "SAMPLER_TEST_CASE";

/// A case, and the pair of allocators and the interval that it runs under.
#[derive(Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    pub rust: &'static str,
    pub sqlite: SqliteAllocator,
    pub interval_bytes: u64,
    pub run: fn(),
}

impl Case {
    fn id(&self) -> String {
        format!("{} ({}, {})", self.name, self.rust, self.sqlite.name())
    }

    fn spawn(&self) -> Result<(), Failed> {
        let output = Command::new(std::env::current_exe()?)
            .env(CASE, self.id())
            .env(global::CHOICE_VARIABLE, self.rust)
            .output()?;
        if output.status.success() {
            return Ok(());
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, error) = (text(&output.stdout), text(&output.stderr));
        Err(format!("{}\n{out}{error}", output.status).into())
    }

    fn start(&self) {
        sampler::start(self.interval_bytes).unwrap();
        sqlite::install(self.sqlite, 1 << 30).unwrap();
        (self.run)();
    }
}

/// All of them as tests, or in a child the one that it is for.
pub fn main(cases: Vec<Case>) {
    if let Ok(wanted) = std::env::var(CASE) {
        return cases
            .iter()
            .find(|case| case.id() == wanted)
            .unwrap()
            .start();
    }
    let trials = cases
        .into_iter()
        .map(|case| Trial::test(case.id(), move || case.spawn()))
        .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// The sum over a side's sites.
#[allow(dead_code, reason = "not every test needs it")]
pub fn sum(profile: &Profile<'_>, side: Side, of: impl Fn(&Site) -> Estimate) -> Estimate {
    sum_where(profile, |site| site.side == side, of)
}

/// The sum over some sites.
pub fn sum_where(
    profile: &Profile<'_>,
    which: impl Fn(&Site) -> bool,
    of: impl Fn(&Site) -> Estimate,
) -> Estimate {
    let sites = profile.sites.iter().filter(|site| which(site));
    sites
        .map(of)
        .fold(Estimate::default(), |sum, site| Estimate {
            bytes: sum.bytes + site.bytes,
            blocks: sum.blocks + site.blocks,
            samples: sum.samples + site.samples,
        })
}
