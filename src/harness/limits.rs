//! Budgets: what is past them, and what a person is told about it.

use std::time::Duration;

use crate::scenario::Limits;

use crate::memory::process::Rollup;

/// A look at a large process takes some milliseconds itself.
const SHORTEST_LOOK: Duration = Duration::from_millis(5);

/// A limit that a testee went past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Breach {
    /// `limit_rss`, `limit_time`, `limit_disk`.
    pub what: &'static str,
    /// The limit, the value seen, and what to do.
    pub message: String,
}

/// The first limit that is exceeded. `memory` is absent where it could not be read.
pub(super) fn breach(
    limits: &Limits,
    elapsed: Duration,
    memory: Option<Rollup>,
    disk_bytes: u64,
) -> Option<Breach> {
    let kept = "the testee was asked to stop, and everything until then is in the record";
    if let (Some(limit), Some(memory)) = (limits.rss_bytes, memory)
        && memory.rss_bytes > limit
    {
        let seen = bytes(memory.rss_bytes);
        let limit = bytes(limit);
        let message = format!(
            "resident memory is {seen}, past limit_rss = {limit}; {kept}. \
             The largest term of its last ledger says whose memory it is; to let it go on, raise \
             --limit-rss"
        );
        return Some(Breach {
            what: "limit_rss",
            message,
        });
    }
    if let Some(limit) = limits.disk_bytes
        && disk_bytes > limit
    {
        let seen = bytes(disk_bytes);
        let limit = bytes(limit);
        let message = format!(
            "the testee's directory holds {seen}, past limit_disk = {limit}; {kept}. \
             To let it go on, raise --limit-disk, or run fewer rows"
        );
        return Some(Breach {
            what: "limit_disk",
            message,
        });
    }
    let limit = Duration::from_nanos(limits.time_ns?);
    (elapsed > limit).then(|| {
        let (seen, limit) = (elapsed.as_secs_f64(), limit.as_secs_f64());
        let message = format!(
            "{seen:.1} s since the testee's start, past limit_time = {limit:.1} s; \
             {kept}. To let it go on, raise --limit-time, or run fewer rows"
        );
        Breach {
            what: "limit_time",
            message,
        }
    })
}

/// In which a testee's pace is forgotten by half; a ledger of a large process takes 0.1 s.
const HALF_LIFE: Duration = Duration::from_millis(200);

/// How fast resident memory grows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Growth {
    seen: Option<(Duration, u64)>,
    bytes_per_second: f64,
}

impl Growth {
    /// `memory` as seen `at`, a time since the testee's start. A pause does not make it slow at
    /// once: a testee that stands still to take a ledger goes on as it did before.
    pub(super) fn see(&mut self, at: Duration, memory: Rollup) {
        let now = memory.rss_bytes;
        if let Some((before_at, before)) = self.seen {
            let seconds = at.saturating_sub(before_at).as_secs_f64();
            let grown = now.saturating_sub(before) as f64;
            if seconds > 0.0 {
                let kept = 0.5_f64.powf(seconds / HALF_LIFE.as_secs_f64());
                self.bytes_per_second = (grown / seconds).max(self.bytes_per_second * kept);
            }
        }
        self.seen = Some((at, now));
    }

    /// When to look again, at most `interval` from now: the nearer memory comes to its limit at
    /// this speed, the sooner.
    pub(super) fn next_look(&self, limits: &Limits, interval: Duration) -> Duration {
        let (Some(limit), Some((_, now))) = (limits.rss_bytes, self.seen) else {
            return interval;
        };
        // Half of the time that is left: growth can become faster.
        let left = limit.saturating_sub(now) as f64 / self.bytes_per_second / 2.0;
        Duration::try_from_secs_f64(left)
            .unwrap_or(interval)
            .clamp(SHORTEST_LOOK.min(interval), interval)
    }
}

fn bytes(bytes: u64) -> String {
    format!(
        "{:.1} MiB ({bytes} bytes)",
        bytes as f64 / f64::from(1 << 20)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        rss_bytes: Some(600 << 20),
        time_ns: Some(2_000_000_000),
        disk_bytes: Some(1 << 20),
    };

    fn seen(seconds: u64, rss_bytes: u64, disk_bytes: u64) -> Option<Breach> {
        let memory = Rollup {
            rss_bytes,
            ..Rollup::default()
        };
        breach(
            &LIMITS,
            Duration::from_secs(seconds),
            Some(memory),
            disk_bytes,
        )
    }

    #[test]
    fn a_limit_that_is_just_reached_is_kept() {
        assert_eq!(seen(2, 600 << 20, 1 << 20), None);
    }

    #[test]
    fn each_breach_names_its_limit_and_the_value_seen() {
        let rss = seen(1, (600 << 20) + 1, 0).unwrap();
        assert_eq!(rss.what, "limit_rss");
        assert!(rss.message.contains("629145601") && rss.message.contains("600.0 MiB"));
        assert_eq!(seen(1, 0, (1 << 20) + 1).unwrap().what, "limit_disk");
        let time = seen(3, 0, 0).unwrap();
        assert_eq!(time.what, "limit_time");
        assert!(time.message.contains("3.0 s") && time.message.contains("2.0 s"));
    }

    #[test]
    fn looks_come_closer_together_before_a_limit_is_reached() {
        let interval = Duration::from_millis(100);
        let next_of = |limits: &Limits, seen: &[u64]| {
            let mut growth = Growth::default();
            for (at, mib) in (0..).zip(seen) {
                let memory = Rollup {
                    rss_bytes: mib << 20,
                    ..Rollup::default()
                };
                growth.see(interval * at, memory);
            }
            growth.next_look(limits, interval).as_millis()
        };
        let next = |seen: &[u64]| next_of(&LIMITS, seen);
        assert_eq!(next(&[]), 100);
        assert_eq!(next(&[100, 100]), 100, "no growth");
        assert_eq!(next(&[100, 200]), 100, "far away");
        assert_eq!(next(&[400, 500]), 50);
        assert_eq!(next(&[500, 599]), 5);
        assert_eq!(next(&[600, 700]), 5, "past it");
        assert_eq!(next(&[490, 590, 590]), 7, "a pause");
        let end = [&[490][..], &[590; 12]].concat();
        assert_eq!(next(&end), 100, "an end");
        assert_eq!(next_of(&Limits::default(), &[1, 599]), 100);
    }

    #[test]
    fn no_limits_are_never_exceeded() {
        let memory = Rollup {
            rss_bytes: u64::MAX,
            ..Rollup::default()
        };
        assert_eq!(
            breach(&Limits::default(), Duration::MAX, Some(memory), u64::MAX),
            None
        );
    }
}
