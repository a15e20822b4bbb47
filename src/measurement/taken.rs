//! What one execution took: all counters together, so that every measurement of it is of the same one.

use std::fmt;
use std::hint::black_box;
use std::str::FromStr;
use std::time::{Duration, Instant};

use crate::allocator::global;
use crate::memory::wait::own_usage;
use crate::memory::{process, sqlite};

/// What one execution took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// From its first instruction to its last.
    pub wall: Duration,
    /// User and system time of the whole process. Source: `getrusage`.
    pub cpu: Duration,
    /// `None` where the process runs under another global allocator than
    /// [`Switchable`](global::Switchable).
    pub allocated: Option<Allocated>,
    /// The most live bytes of SQLite's, above those that were live before. Source: the high-water mark
    /// of `sqlite3_status64(MEMORY_USED)`, which is reset. `None` where SQLite keeps no such counts.
    pub sqlite_highwater_bytes: Option<u64>,
    /// The highest RSS of the process, whole. Source: `VmHWM`, which is reset. `None` where the kernel
    /// does not let it be reset or read.
    pub peak_rss_bytes: Option<u64>,
}

/// What the global allocator served. Source: its counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allocated {
    /// Bytes that were asked for, reallocations with their whole new size.
    pub bytes: u64,
    /// Blocks that were handed out; a reallocation is one.
    pub blocks: u64,
    /// The most live bytes, above those that were live before.
    pub peak_live_bytes: u64,
}

/// Why a measurement is not to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// Nobody counts.
    #[error(
        "no counting global allocator: declare `#[global_allocator] static ALLOCATOR: \
         sqlite_membench::allocator::global::Switchable = Switchable::new();` in this executable"
    )]
    GlobalAllocator,
    /// SQLite does not count.
    #[error(
        "SQLite counts no memory here: it was built or configured with SQLITE_CONFIG_MEMSTATUS off"
    )]
    SqliteStatus,
    /// The kernel does not tell.
    #[error("the kernel does not let VmHWM be reset (/proc/self/clear_refs) or read")]
    PeakRss,
    /// A profiler is resident.
    #[error("this build has the feature dhat-heap, whose own memory is resident: build without it")]
    CleanBuild,
}

impl Allocated {
    /// Since the process started; `None` where nobody counts.
    pub(super) fn until_now() -> Option<Allocated> {
        global::counters().map(|counters| Allocated {
            bytes: counters.total_bytes,
            blocks: counters.total_blocks,
            peak_live_bytes: unsigned(counters.peak_bytes),
        })
    }
}

impl Taken {
    /// What the global allocator served.
    ///
    /// # Errors
    /// [`Missing::GlobalAllocator`]
    pub fn allocated(&self) -> Result<&Allocated, Missing> {
        self.allocated.as_ref().ok_or(Missing::GlobalAllocator)
    }
}

/// Runs `work` and says what it took, and what it returned: that is live at the end of it.
///
/// Resets the high-water marks of the process, of the counting allocator and of SQLite.
pub fn take<O>(work: impl FnOnce() -> O) -> (Taken, O) {
    let sqlite_before = sqlite::counts().then(sqlite::reset_highwater);
    let has_reset = process::reset_peak().is_ok();
    let cpu_before = cpu();
    let live_before = global::reset_peak();
    let before = Allocated::until_now();
    let began = Instant::now();
    let output = black_box(work());
    let wall = began.elapsed();
    let after = Allocated::until_now();
    let cpu = cpu() - cpu_before;
    let allocated = before.zip(after).map(|(before, after)| Allocated {
        bytes: after.bytes - before.bytes,
        blocks: after.blocks - before.blocks,
        peak_live_bytes: after.peak_live_bytes.saturating_sub(unsigned(live_before)),
    });
    let highwater = |before| unsigned(sqlite::read().live_highwater_bytes - before);
    let peak_rss = || process::peak_rss_bytes().ok();
    let taken = Taken {
        wall,
        cpu,
        allocated,
        sqlite_highwater_bytes: sqlite_before.map(highwater),
        peak_rss_bytes: has_reset.then(peak_rss).flatten(),
    };
    (taken, output)
}

fn cpu() -> Duration {
    own_usage().map_or(Duration::ZERO, |usage| usage.cpu())
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// One line: seven numbers, `-` for what is not there.
impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.wall.as_nanos(), self.cpu.as_nanos())?;
        let allocated = |read: fn(&Allocated) -> u64| self.allocated.as_ref().map(read);
        for number in [
            allocated(|allocated| allocated.bytes),
            allocated(|allocated| allocated.blocks),
            allocated(|allocated| allocated.peak_live_bytes),
            self.sqlite_highwater_bytes,
            self.peak_rss_bytes,
        ] {
            match number {
                Some(number) => write!(f, " {number}")?,
                None => write!(f, " -")?,
            }
        }
        Ok(())
    }
}

impl FromStr for Taken {
    type Err = ();

    fn from_str(line: &str) -> Result<Taken, ()> {
        let mut words = line.split(' ');
        let mut next = || match words.next() {
            Some("-") => Ok(None),
            Some(number) => number.parse::<u64>().map(Some).map_err(drop),
            None => Err(()),
        };
        let wall = Duration::from_nanos(next()?.ok_or(())?);
        let cpu = Duration::from_nanos(next()?.ok_or(())?);
        let allocated = match (next()?, next()?, next()?) {
            (Some(bytes), Some(blocks), Some(peak_live_bytes)) => Some(Allocated {
                bytes,
                blocks,
                peak_live_bytes,
            }),
            _ => None,
        };
        let taken = Taken {
            wall,
            cpu,
            allocated,
            sqlite_highwater_bytes: next()?,
            peak_rss_bytes: next()?,
        };
        words.next().is_none().then_some(taken).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_read() {
        let whole = Taken {
            wall: Duration::from_nanos(123_456_789_012),
            cpu: Duration::from_millis(7),
            allocated: Some(Allocated {
                bytes: u64::MAX,
                blocks: 0,
                peak_live_bytes: 5,
            }),
            sqlite_highwater_bytes: Some(9),
            peak_rss_bytes: Some(1 << 40),
        };
        let empty = Taken {
            allocated: None,
            sqlite_highwater_bytes: None,
            peak_rss_bytes: None,
            ..whole
        };
        for taken in [whole, empty] {
            assert_eq!(taken.to_string().parse(), Ok(taken));
        }
        for line in ["", "1 2 3 4 5 6", "1 2 3 4 5 6 7 8", "1 2 3 4 5 6 x"] {
            assert_eq!(line.parse::<Taken>(), Err(()), "{line}");
        }
    }

    #[test]
    fn without_the_counting_allocator_its_counts_are_absent_and_the_others_there() {
        let (taken, text) = take(|| "x".repeat(1 << 20));
        assert_eq!(text.len(), 1 << 20);
        assert_eq!(taken.allocated(), Err(Missing::GlobalAllocator));
        assert!(taken.peak_rss_bytes > Some(1 << 20), "{taken:?}");
        assert!(taken.sqlite_highwater_bytes.is_some());
    }
}
