//! Budgets: what is past them, and what a person is told about it.

use std::time::Duration;

use crate::scenario::Limits;

use super::sample::Memory;

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
    memory: Option<Memory>,
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

/// When to look again, at most `interval` from now: the nearer resident memory comes to its limit at
/// the speed that `before`, `since` ago, shows, the sooner.
pub(super) fn next_look(
    limits: &Limits,
    interval: Duration,
    before: Option<(Memory, Duration)>,
    now: Option<Memory>,
) -> Duration {
    let (Some(limit), Some((before, since)), Some(now)) = (limits.rss_bytes, before, now) else {
        return interval;
    };
    let grown = now.rss_bytes.saturating_sub(before.rss_bytes);
    let room = limit.saturating_sub(now.rss_bytes);
    if grown == 0 {
        return interval;
    }
    // Half of the time that is left: growth can become faster.
    let left = since.as_secs_f64() * room as f64 / grown as f64 / 2.0;
    Duration::try_from_secs_f64(left)
        .unwrap_or(interval)
        .clamp(SHORTEST_LOOK.min(interval), interval)
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
        let memory = Memory {
            rss_bytes,
            ..Memory::default()
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
        let at = |mib: u64| Memory {
            rss_bytes: mib << 20,
            ..Memory::default()
        };
        let interval = Duration::from_millis(100);
        let next = |before, now| {
            let next = next_look(
                &LIMITS,
                interval,
                Some((at(before), interval)),
                Some(at(now)),
            );
            next.as_millis()
        };
        assert_eq!(next(100, 100), 100, "no growth");
        assert_eq!(next(100, 200), 100, "far away");
        assert_eq!(next(400, 500), 50);
        assert_eq!(next(500, 599), 5);
        assert_eq!(next(600, 700), 5, "past it");
        let unlimited = next_look(&Limits::default(), interval, None, Some(at(1)));
        assert_eq!(unlimited, interval);
    }

    #[test]
    fn no_limits_are_never_exceeded() {
        let memory = Memory {
            rss_bytes: u64::MAX,
            ..Memory::default()
        };
        assert_eq!(
            breach(&Limits::default(), Duration::MAX, Some(memory), u64::MAX),
            None
        );
    }
}
