//! A sampled heap profile of both sides, with stacks and with the SQL that was running.
//!
//! Allocations are sampled by bytes, a Poisson process: a block of `s` bytes is a sample with the
//! probability `1 - exp(-s / interval)`, whatever was allocated before it, and stands for
//! `s / (1 - exp(-s / interval))` bytes. So every estimate is free of bias; its relative standard error is about
//! `sqrt(interval / bytes)`: 2.9 % of 600 MB at 512 KiB.
//!
//! # What it sees
//! SQLite's blocks, by the size that SQLite counts, whichever allocator serves them: the methods that
//! [`sqlite::install`](super::sqlite::install) puts in place are what is sampled. Rust's blocks, where
//! [`Switchable`](super::global::Switchable) is the global allocator; those that SQLite has through it are
//! SQLite's. Reallocating counts as freeing and allocating anew.
//!
//! It does not see what other C code has from `malloc`, mappings, thread stacks, what an allocator
//! reserves beyond what was asked for, or anything from before [`start`]. Of the statements it
//! knows those that run through [`know_statements`](crate::know_statements) or [`with_statement`]; not UTF-16's
//! `sqlite3_prepare16`, though what such a statement allocates while it is stepped through.
//!
//! # What it costs
//! Off: one load for each block that comes or goes. On: a subtraction for each that comes, a load in a
//! table of 128 KiB for each that goes, and for each sample a walk up the stack, some microseconds. Its memory
//! comes straight from the kernel and counts as `instrument`; it is resident as it is used, below 1 MiB in
//! a run with some thousand samples.
//!
//! # Peaks
//! What was live at the most is known for the moments at which a sample came or went, or the profile was
//! read. Between two of them an interval passes on average, so the peak may have been higher by about as much.

use std::io;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Error;
use super::region::Region;

mod counted;
mod hooks;
mod live;
mod pool;
mod statement;
mod tables;
mod thread;
mod unwind;
mod wrap;

pub(super) use hooks::{allocated, for_sqlite, freed, stayed};
pub use statement::{MOST_TEXT_BYTES, with_statement};
#[doc(hidden)]
pub use statement::{in_exec, in_prepare, in_statement};
pub(super) use unwind::remember_own_function;
pub use wrap::WRAPPED;
#[doc(hidden)]
pub use wrap::ffi;

use live::Heads;
use pool::View;
use tables::{SIZES, Tables};
use thread::THREAD;

/// On average, between two samples, where nothing else is asked for.
pub const DEFAULT_INTERVAL_BYTES: u64 = 512 * 1024;

/// 1 TiB. A longer one is taken as this.
const LONGEST_INTERVAL_BYTES: u64 = 1 << 40;

/// Whose block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// SQLite's, through the methods that [`super::sqlite::install`] put in place.
    Sqlite,
    /// Rust's, through [`super::global::Switchable`]; not what SQLite has through Rust.
    Rust,
}

/// Counted, not sampled, since [`start`].
///
/// What Rust had before is subtracted. Where some of that is freed later, `now` is too low by as much, and
/// never below zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is what its name says")]
pub struct Counted {
    pub now_bytes: u64,
    pub now_blocks: u64,
    /// When both sides together were at their most, to within an interval.
    pub peak_bytes: u64,
    pub peak_blocks: u64,
    /// Ever allocated; a reallocation with its whole new size.
    pub total_bytes: u64,
    pub total_blocks: u64,
}

/// What samples stand for.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[expect(missing_docs, reason = "each is what its name says")]
pub struct Estimate {
    pub bytes: f64,
    pub blocks: f64,
    pub samples: u64,
}

/// One stack under one statement on one side.
#[derive(Debug, Clone, Copy)]
pub struct Site {
    /// For [`Profile::stack`].
    pub stack: u32,
    /// For [`Profile::statement`]; 0 where no statement was running, or none is known.
    pub statement: u32,
    /// Whose blocks.
    pub side: Side,
    /// Live now.
    pub now: Estimate,
    /// Live when both sides together were at their most.
    pub peak: Estimate,
    /// Ever allocated.
    pub total: Estimate,
}

/// Null where the sampler is off: what the hooks look at first.
static HEADS: AtomicPtr<Heads> = AtomicPtr::new(std::ptr::null_mut());
/// Nothing is allocated on any counted heap while it is held, and no other lock is taken.
static TABLES: Mutex<Option<Tables>> = Mutex::new(None);

#[inline]
fn heads() -> Option<&'static Heads> {
    // SAFETY: null, or heads that stay for the process's life. Acquire, so that they are seen as the kernel gave
    // them: on x86 as cheap as any load.
    unsafe { HEADS.load(Ordering::Acquire).as_ref() }
}

#[inline]
fn is_on() -> bool {
    !HEADS.load(Ordering::Relaxed).is_null()
}

fn tables() -> MutexGuard<'static, Option<Tables>> {
    TABLES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts sampling, once a process, before [`super::sqlite::install`]. Intervals outside of 1 byte to 1 TiB are
/// taken as the nearer of the two.
///
/// # Errors
/// [`Error::TooLate`] when SQLite's methods are installed, or a second time; [`Error::Map`].
pub fn start(interval_bytes: u64) -> Result<(), Error> {
    if super::sqlite::installed().is_some() {
        return Err(Error::TooLate);
    }
    let interval = interval_bytes.clamp(1, LONGEST_INTERVAL_BYTES);
    {
        let mut tables = tables();
        if tables.is_some() {
            return Err(Error::TooLate);
        }
        let made = Tables::new(interval, SIZES).map_err(Error::Map)?;
        let heads = std::ptr::from_ref(made.live.heads).cast_mut();
        *tables = Some(made);
        thread::set_interval(interval);
        counted::begin();
        HEADS.store(heads, Ordering::Release);
    }
    hooks::learn_own_frames();
    Ok(())
}

/// The interval, where the sampler is running.
pub fn interval_bytes() -> Option<u64> {
    tables().as_ref().map(|tables| tables.interval)
}

/// Takes the profile out; its buffers lie outside every heap and count as `instrument`.
#[derive(Debug)]
pub struct Reader {
    sites: Region<Site>,
}

impl Reader {
    /// Errors: the kernel's, when a mapping is refused.
    pub fn new() -> io::Result<Self> {
        Ok(Reader {
            sites: Region::new(SIZES.sites)?,
        })
    }

    /// The profile as it is now; allocates nothing. `None` where the sampler is not running.
    pub fn read(&mut self) -> Option<Profile<'_>> {
        THREAD.with(|thread| thread.at_work(|| self.copy()))
    }

    fn copy(&mut self) -> Option<Profile<'_>> {
        let mut guard = tables();
        let tables = guard.as_mut()?;
        let now = counted::now();
        let peak = tables.read(now, &mut self.sites);
        let with_peak = |now: Counted, peak: Counted| Counted {
            peak_bytes: peak.now_bytes,
            peak_blocks: peak.now_blocks,
            ..now
        };
        Some(Profile {
            interval_bytes: tables.interval,
            sqlite: with_peak(now.sqlite, peak.sqlite),
            rust: with_peak(now.rust, peak.rust),
            lost: tables.lost,
            sites: &self.sites,
            stacks: tables.stacks.view(),
            statements: tables.statements.view(),
        })
    }
}

/// A profile at one moment. Stacks and statements keep their numbers as long as the process lives.
#[derive(Debug)]
pub struct Profile<'a> {
    /// Between two samples.
    pub interval_bytes: u64,
    /// SQLite's, by the size that it counts.
    pub sqlite: Counted,
    /// Rust's, without what SQLite has through it.
    pub rust: Counted,
    /// Samples that did not fit.
    pub lost: u64,
    /// In the order in which they were first seen: a site keeps its place.
    pub sites: &'a [Site],
    stacks: View<u64>,
    statements: View<u8>,
}

impl Profile<'_> {
    /// Stacks are numbered from 0 to this, exclusive.
    pub fn stacks(&self) -> u32 {
        self.stacks.len()
    }

    /// Leaf first: instruction pointers, of callers the last byte of the call, without the frames of the
    /// sampler and the allocator itself; of more than 128 the innermost. Empty where there is no such stack.
    pub fn stack(&self, id: u32) -> &[u64] {
        // SAFETY: the tables are never dropped.
        unsafe { self.stacks.get(id as usize) }
    }

    /// Statements are numbered from 1 to this, inclusive.
    pub fn statements(&self) -> u32 {
        self.statements.len()
    }

    /// Its text, with literals as they were, at most [`MOST_TEXT_BYTES`] of it. Empty where there is no such
    /// statement.
    pub fn statement(&self, id: u32) -> &str {
        let Some(number) = id.checked_sub(1) else {
            return "";
        };
        // SAFETY: the tables are never dropped.
        let text = unsafe { self.statements.get(number as usize) };
        // It was made valid before it was kept.
        std::str::from_utf8(text).unwrap_or_default()
    }
}
