//! A scenario while it runs, as text: how far it is, what is resident, and whose it is. From the lines
//! of its testee and nothing else; pure, but for the moment at which a phase began.

use std::time::{Duration, Instant};

use crate::record::{Line, PhaseRecord, ProgressRecord};
use crate::report::format::{bar, bytes, count, mebibytes, nanoseconds, share, unsigned_bytes};
use crate::report::timeline::{OWNERS, by_owner};

use super::screen::Size;

/// Columns of an owner's name, of a size and of a share.
const NAME: usize = 12;
const SIZE: usize = 12;
const SHARE: usize = 7;
/// The longest bar of an owner, and the fewest columns of a terminal that has any.
const BAR: usize = 40;
const LEAST_COLUMNS: usize = 40;
/// Indices of what only stands together, and of what has no owner.
const OTHERS: usize = OWNERS.len() - 2;
const UNATTRIBUTED: usize = OWNERS.len() - 1;

/// What is known of the scenario that runs.
#[derive(Debug)]
pub(super) struct Live {
    label: String,
    work: Option<Work>,
    /// The phase that ended last.
    after: Option<String>,
    /// The newest: bytes, and when.
    resident: Option<(u64, u64)>,
    ledger: Option<Ledger>,
}

/// A phase that tells how far it is.
#[derive(Debug)]
struct Work {
    phase: String,
    cycle: Option<u32>,
    done: u64,
    /// 0 where nobody knows how many there will be.
    total: u64,
    since: Instant,
}

/// The newest ledger.
#[derive(Debug)]
struct Ledger {
    at_ns: u64,
    moment: String,
    rss_bytes: i64,
    owners: [i64; OWNERS.len()],
}

/// `fill`, or `backup, cycle 3`.
fn named(phase: &str, cycle: Option<u32>) -> String {
    match cycle {
        Some(cycle) if cycle > 0 => format!("{phase}, cycle {}", count(cycle.into())),
        _ => phase.to_owned(),
    }
}

fn full_name(phase: &PhaseRecord) -> String {
    match phase.probe {
        Some(probe) => format!("{} {}", phase.phase, probe.name()),
        None => named(&phase.phase, phase.cycle),
    }
}

/// As much as `columns` have room for.
fn cut(text: String, columns: usize) -> String {
    match text.char_indices().nth(columns) {
        None => text,
        Some(_) => text
            .chars()
            .take(columns.saturating_sub(1))
            .chain(['…'])
            .collect(),
    }
}

impl Live {
    /// A scenario that is about to start.
    pub(super) fn new(label: &str) -> Self {
        Live {
            label: label.to_owned(),
            work: None,
            after: None,
            resident: None,
            ledger: None,
        }
    }

    /// Takes from `line` what is to be shown; false where that is nothing.
    pub(super) fn line(&mut self, line: &Line, now: Instant) -> bool {
        match line {
            Line::Progress(progress) => self.progress(progress, now),
            Line::Phase(phase) => self.phase(phase),
            Line::Sample(sample) => self.resident = Some((sample.rss_bytes, sample.at_ns)),
            _ => return false,
        }
        true
    }

    fn progress(&mut self, progress: &ProgressRecord, now: Instant) {
        let ProgressRecord {
            phase,
            cycle,
            done,
            total,
        } = progress;
        let goes_on = |work: &Work| work.phase == *phase && work.cycle == *cycle;
        let since = self.work.as_ref().filter(|work| goes_on(work));
        self.work = Some(Work {
            phase: phase.clone(),
            cycle: *cycle,
            done: *done,
            total: *total,
            since: since.map_or(now, |work| work.since),
        });
    }

    fn phase(&mut self, phase: &PhaseRecord) {
        let ledger = &phase.ledger;
        let name = full_name(phase);
        self.resident = Some((ledger.rss_bytes.max(0).unsigned_abs(), phase.at_ns));
        self.ledger = Some(Ledger {
            at_ns: phase.at_ns,
            moment: match phase.reading {
                Some(number) => format!("{name}, reading {number}"),
                None => format!("after {name}"),
            },
            rss_bytes: ledger.rss_bytes,
            owners: by_owner(ledger),
        });
        if phase.reading.is_none() {
            self.work = None;
            self.after = Some(name);
        }
    }

    /// For a terminal: no line wider than it, and fewer lines than it has rows.
    pub(super) fn lines(&self, size: Size, now: Instant) -> Vec<String> {
        // The last column makes some terminals begin another line, the last row is the cursor's.
        let columns = size.columns.saturating_sub(1).max(1);
        let rows = size.rows.saturating_sub(1);
        let has_bars = size.columns >= LEAST_COLUMNS;
        let mut lines = vec![self.label.clone()];
        lines.extend(self.work_line(columns, has_bars, now));
        lines.extend(self.resident_line(columns));
        if let Some(ledger) = &self.ledger {
            let room = rows.saturating_sub(lines.len());
            let bar = match has_bars {
                true => columns
                    .saturating_sub(2 + NAME + 1 + 1 + SIZE + SHARE)
                    .min(BAR),
                false => 0,
            };
            lines.extend(owners(ledger, room).map(|(at, size)| owner_line(at, size, ledger, bar)));
        }
        lines.truncate(rows);
        lines.into_iter().map(|line| cut(line, columns)).collect()
    }

    /// How far it is; the parts that have room.
    fn work_line(&self, columns: usize, has_bars: bool, now: Instant) -> Option<String> {
        let Some(work) = &self.work else {
            return self.after.as_ref().map(|phase| format!("  {phase}: done"));
        };
        let name = named(&work.phase, work.cycle);
        let (figures, rate) = (work.figures(), work.rate(now));
        let bar_of = |rest: usize| {
            let width = columns.saturating_sub(4 + name.chars().count() + rest);
            let part = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
            (has_bars && work.total > 0 && width >= 4)
                .then(|| format!("{} ", bar(part(work.done), part(work.total), width)))
        };
        let both = format!("{figures}{rate}");
        let (bar, text) = match bar_of(both.chars().count()) {
            Some(bar) => (bar, both),
            None => (String::new(), both),
        };
        let line = format!("  {name} {bar}{text}");
        match (line.chars().count() <= columns, work.percent()) {
            (false, Some(percent)) => Some(format!("  {name} {percent}")),
            _ => Some(line),
        }
    }

    /// What is resident, and when that and the owners were read.
    fn resident_line(&self, columns: usize) -> Option<String> {
        let (rss, at_ns) = self.resident?;
        let resident = format!("  RSS {} at {}", unsigned_bytes(rss), nanoseconds(at_ns));
        let Some(Ledger { at_ns, moment, .. }) = &self.ledger else {
            return Some(resident);
        };
        let owners = format!("{resident}, owners at {} ({moment})", nanoseconds(*at_ns));
        Some(match owners.chars().count() <= columns {
            true => owners,
            false => resident,
        })
    }

    /// For a file: `insert-10m: fill 40 % · RSS 8.7 MiB · files 7.4, allocator 0.6 MiB`.
    pub(super) fn told(&self) -> String {
        let mut parts = Vec::new();
        match (&self.work, &self.after) {
            (Some(work), _) => {
                let name = named(&work.phase, work.cycle);
                let far = work.percent().unwrap_or_else(|| work.figures());
                parts.push(format!("{name} {far}"));
            }
            (None, Some(phase)) => parts.push(format!("{phase} done")),
            (None, None) => parts.push("started".to_owned()),
        }
        parts.extend(
            self.resident
                .map(|(rss, _)| format!("RSS {}", unsigned_bytes(rss))),
        );
        if let Some(ledger) = &self.ledger {
            let mut owners: Vec<(usize, i64)> = ledger.owners.into_iter().enumerate().collect();
            owners.sort_by_key(|(_, bytes)| -bytes);
            let shown = owners.into_iter().map(|(at, bytes)| (at, mebibytes(bytes)));
            let shown = shown.filter(|(_, size)| size.trim_start_matches('-') != "0.0");
            let shown: Vec<String> = shown
                .map(|(at, size)| format!("{} {size}", OWNERS[at]))
                .collect();
            if !shown.is_empty() {
                parts.push(format!("{} MiB", shown.join(", ")));
            }
        }
        format!("{}: {}", self.label, parts.join(" · "))
    }
}

impl Work {
    /// `4,600,000/10,000,000 rows`
    fn figures(&self) -> String {
        let unit = if self.phase == "backup" {
            "pages"
        } else {
            "rows"
        };
        match self.total {
            0 => format!("{} {unit}", count(self.done)),
            total => format!("{}/{} {unit}", count(self.done), count(total)),
        }
    }

    fn percent(&self) -> Option<String> {
        let percent = (100.0 * self.done as f64 / self.total as f64).min(100.0);
        (self.total > 0).then(|| format!("{percent:.0} %"))
    }

    /// Rows or pages a second over the phase so far, and the time left at that rate; nothing of it
    /// too soon.
    fn rate(&self, now: Instant) -> String {
        const SOON: Duration = Duration::from_millis(500);
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed < SOON || self.done == 0 {
            return String::new();
        }
        let rate = self.done as f64 / elapsed.as_secs_f64();
        let text = format!(" {}/s", count(rate as u64));
        match self.total {
            0 => text,
            total => {
                let left = total.saturating_sub(self.done) as f64 / rate;
                format!("{text}, {} left", nanoseconds((left * 1e9) as u64))
            }
        }
    }
}

/// The owners that have something, in their order, in at most `room` lines: what has none keeps its
/// own, and of the rest the smallest stand together. None where not even that says anything.
fn owners(ledger: &Ledger, room: usize) -> impl Iterator<Item = (usize, i64)> {
    let owners = ledger.owners;
    let has_some = |at: &usize| owners[*at] != 0;
    let mut known: Vec<usize> = (0..UNATTRIBUTED).filter(has_some).collect();
    let without = Some(UNATTRIBUTED).filter(has_some);
    let room = room.saturating_sub(usize::from(without.is_some()));
    let mut others = 0;
    if known.len() > room {
        known.retain(|at| *at != OTHERS);
        known.sort_by_key(|at| std::cmp::Reverse(owners[*at].saturating_abs()));
        let small = known.split_off(room.saturating_sub(1).min(known.len()));
        others = owners[OTHERS] + small.iter().map(|at| owners[*at]).sum::<i64>();
        known.sort_unstable();
        known.push(OTHERS);
    }
    let says_something = room >= 2 || others == 0;
    let lines = known
        .into_iter()
        .chain(without)
        .filter(move |_| says_something);
    lines.map(move |at| match (at, others) {
        (OTHERS, others) if others != 0 => (at, others),
        _ => (at, owners[at]),
    })
}

fn owner_line(at: usize, size: i64, ledger: &Ledger, width: usize) -> String {
    let bar = match width {
        0 => String::new(),
        width => format!("{} ", bar(size, ledger.rss_bytes, width)),
    };
    let (name, share) = (OWNERS[at], share(size, ledger.rss_bytes));
    format!("  {name:<NAME$} {bar}{:>SIZE$}{share:>SHARE$}", bytes(size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{SampleRecord, TermRecord};
    use crate::report::samples;

    const WIDE: Size = Size {
        columns: 100,
        rows: 40,
    };

    fn size(columns: usize, rows: usize) -> Size {
        Size { columns, rows }
    }

    fn progress(done: u64, total: u64) -> Line {
        Line::Progress(ProgressRecord {
            phase: "fill".into(),
            cycle: Some(0),
            done,
            total,
        })
    }

    fn sample(rss_bytes: u64) -> Line {
        Line::Sample(SampleRecord {
            scenario: "s".into(),
            at_ns: 3_100_000_000,
            rss_bytes,
            anonymous_bytes: 0,
            swap_bytes: 0,
            disk_bytes: 0,
        })
    }

    /// A reading of these owners' MiB, of which the last is nobody's.
    fn reading(owners: &[(&'static str, i64)], unattributed: i64) -> Line {
        let mut phase = samples::phase("fill", 0);
        let terms = owners
            .iter()
            .map(|(owner, mib)| samples::term(owner, "live", mib << 20));
        phase.ledger.terms = terms.collect::<Vec<TermRecord>>();
        phase.ledger.unattributed_bytes = unattributed << 20;
        let all = owners.iter().map(|(_, mib)| mib).sum::<i64>() + unattributed;
        phase.ledger.rss_bytes = all << 20;
        phase.reading = Some(4);
        Line::Phase(phase)
    }

    const OWNED: [(&str, i64); 6] = [
        ("sqlite", 40),
        ("rust", 5),
        ("other_c", 1),
        ("allocator", 20),
        ("program", 3),
        ("files", 30),
    ];

    fn filling() -> (Live, Instant) {
        let begun = Instant::now();
        let mut live = Live::new("insert-10m · round 3 of 10, new");
        live.line(&progress(0, 10_000_000), begun);
        live.line(&reading(&OWNED, 1), begun);
        live.line(&sample(110 << 20), begun);
        live.line(&progress(4_000_000, 10_000_000), begun);
        (live, begun + Duration::from_secs(4))
    }

    #[test]
    fn a_terminal_sees_how_far_it_is_and_a_line_for_each_owner_that_has_something() {
        let (live, now) = filling();
        let lines = live.lines(WIDE, now);
        assert_eq!(lines[0], "insert-10m · round 3 of 10, new");
        let end = "4,000,000/10,000,000 rows 1,000,000/s, 6.0 s left";
        assert!(
            lines[1].starts_with("  fill █") && lines[1].ends_with(end),
            "{}",
            lines[1]
        );
        assert_eq!(lines[1].chars().count(), 99);
        assert_eq!(
            lines[2],
            "  RSS 110.0 MiB at 3.1 s, owners at 2.5 s (fill, reading 4)"
        );
        let names: Vec<&str> = lines[3..]
            .iter()
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        let known = OWNED.map(|(owner, _)| owner);
        assert_eq!(names, [&known[..], &["unattributed"]].concat());
        assert!(
            lines[3].starts_with("  sqlite       ████████████████ "),
            "{}",
            lines[3]
        );
        assert!(lines[3].ends_with("    40.0 MiB 40.0 %"), "{}", lines[3]);
    }

    #[test]
    fn nothing_is_wider_than_the_terminal_or_as_high_whatever_its_size() {
        let (live, now) = filling();
        for columns in 1..130 {
            for rows in 1..20 {
                let lines = live.lines(size(columns, rows), now);
                assert!(lines.len() < rows.max(2), "{columns} x {rows}");
                let widest = lines.iter().map(|line| line.chars().count()).max();
                assert!(widest.unwrap_or(0) < columns.max(2), "{columns} x {rows}");
            }
        }
    }

    #[test]
    fn of_few_rows_the_smallest_owners_stand_together_and_what_has_none_by_itself() {
        let (live, now) = filling();
        let sizes = |rows: usize| -> Vec<String> {
            let lines = live.lines(size(36, rows), now);
            let words = lines[3..].iter().map(|line| line.split_whitespace());
            let words = words.map(|words| words.take(2).collect::<Vec<_>>().join(" "));
            words.collect()
        };
        assert_eq!(
            sizes(9),
            [
                "sqlite 40.0",
                "allocator 20.0",
                "files 30.0",
                "others 9.0",
                "unattributed 1.0"
            ]
        );
        assert_eq!(sizes(7), ["sqlite 40.0", "others 59.0", "unattributed 1.0"]);
        assert!(sizes(6).is_empty());
        assert_eq!(sizes(11).len(), 7);
    }

    #[test]
    fn a_narrow_terminal_has_no_bars() {
        let (live, now) = filling();
        let bars = |columns| live.lines(size(columns, 40), now).concat().contains('█');
        assert!(bars(60) && !bars(39));
        let narrow = live.lines(size(39, 40), now);
        assert_eq!(narrow[1], "  fill 40 %");
        assert_eq!(narrow[3], "  sqlite           40.0 MiB 40.0 %");
    }

    #[test]
    fn a_phase_that_has_ended_says_so_and_has_no_bar() {
        let (mut live, now) = filling();
        live.line(&Line::Phase(samples::phase("fill", 0)), now);
        assert_eq!(live.lines(WIDE, now)[1], "  fill: done");
        assert!(live.lines(WIDE, now)[2].contains("(after fill)"));
        assert!(!live.line(&Line::Scenario(samples::scenario()), now));
    }

    #[test]
    fn what_has_no_known_end_has_a_count_and_no_bar() {
        let begun = Instant::now();
        let mut live = Live::new("s");
        live.line(&progress(1234, 0), begun);
        assert_eq!(live.lines(WIDE, begun), ["s", "  fill 1,234 rows"]);
        let now = begun + Duration::from_secs(1);
        live.line(&progress(2468, 0), now);
        let lines = live.lines(WIDE, now);
        assert_eq!(lines[1], "  fill 2,468 rows 2,468/s");
        assert_eq!(live.told(), "s: fill 2,468 rows");
    }

    #[test]
    fn a_line_for_a_file_has_the_owners_in_mebibytes_largest_first() {
        assert_eq!(Live::new("s").told(), "s: started");
        assert_eq!(
            filling().0.told(),
            "insert-10m · round 3 of 10, new: fill 40 % · RSS 110.0 MiB · sqlite 40.0, files 30.0, \
             allocator 20.0, rust 5.0, program 3.0, other_c 1.0, unattributed 1.0 MiB"
        );
    }
}
