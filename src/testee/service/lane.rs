//! Turns: one request of a kind at a time, a bounded number waits in the order of arrival.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// No client is told to come back later than that.
const LONGEST_RETRY: Duration = Duration::from_secs(3600);

/// A kind of request.
#[derive(Debug)]
pub(super) struct Lane {
    /// One permit; the semaphore gives it to those who wait in their order, and to nobody else
    /// while somebody waits.
    turn: Arc<Semaphore>,
    waiting: AtomicU32,
    /// How many may wait.
    room: u32,
    /// From having the turn to the answer, the last time; 0 before the first.
    recent_ns: AtomicU64,
}

/// Why a request gets no turn.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// As many wait as may.
    Full { waiting: u32, retry_after: Duration },
    /// The service stops.
    Closed,
}

/// Nobody else has it until this is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _permit: OwnedSemaphorePermit,
    lane: Arc<Lane>,
    since: Instant,
}

impl Turn {
    /// Its request was answered: so long does one take.
    pub(super) fn was_used(&self) {
        let nanoseconds = u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.lane.recent_ns.store(nanoseconds, Ordering::Relaxed);
    }
}

/// Counts one that waits. A client that goes away drops what it waits in, and so this.
struct Waiting<'a>(&'a AtomicU32);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lane {
    pub(super) fn new(room: u32) -> Lane {
        Lane {
            turn: Arc::new(Semaphore::new(1)),
            waiting: AtomicU32::new(0),
            room,
            recent_ns: AtomicU64::new(0),
        }
    }

    /// Waits for the turn, where there is room to wait.
    pub(super) async fn turn(self: &Arc<Self>) -> Result<Turn, Refused> {
        let permit = match Arc::clone(&self.turn).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) if self.turn.is_closed() => return Err(Refused::Closed),
            Err(_) => {
                let waiting = self.waiting();
                if waiting >= self.room {
                    let retry_after = self.retry_after(waiting);
                    return Err(Refused::Full {
                        waiting,
                        retry_after,
                    });
                }
                self.waiting.fetch_add(1, Ordering::Relaxed);
                let _waiting = Waiting(&self.waiting);
                let permit = Arc::clone(&self.turn).acquire_owned().await;
                permit.map_err(|_| Refused::Closed)?
            }
        };
        Ok(Turn {
            _permit: permit,
            lane: Arc::clone(self),
            since: Instant::now(),
        })
    }

    /// How many wait for their turn.
    pub(super) fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Nobody gets a turn any more.
    pub(super) fn close(&self) {
        self.turn.close();
    }

    /// When those who wait now will have had their turns, in whole seconds.
    fn retry_after(&self, waiting: u32) -> Duration {
        let recent = Duration::from_nanos(self.recent_ns.load(Ordering::Relaxed));
        let all = recent.saturating_mul(waiting.max(1)).min(LONGEST_RETRY);
        let seconds = all.as_secs() + u64::from(all.subsec_nanos() > 0);
        Duration::from_secs(seconds.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_is_told_in_whole_seconds_and_never_as_none() {
        let lane = Lane::new(8);
        let after = |recent_ms: u64, waiting| {
            lane.recent_ns
                .store(recent_ms * 1_000_000, Ordering::Relaxed);
            lane.retry_after(waiting).as_secs()
        };
        assert_eq!(after(0, 8), 1);
        assert_eq!(after(1, 0), 1);
        assert_eq!(after(1_500, 0), 2);
        assert_eq!(after(1_500, 3), 5);
        assert_eq!(after(10_000_000, u32::MAX), 3_600);
    }
}
