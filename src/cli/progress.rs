//! Progress bars on standard error, and only where that is a terminal.

use std::fmt::Write;
use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::record::ProgressRecord;
use crate::report::format::{count, nanoseconds};

/// Rate and time left of the phase that runs.
#[derive(Debug)]
pub(super) struct Progress {
    shown: bool,
    name: String,
    /// The phase and cycle that the bar is of, and whether it has an end.
    of: Option<(String, Option<u32>, bool)>,
    bar: Option<ProgressBar>,
}

/// With `UNIT` for what is counted.
const BAR: &str = "{prefix}\n  {msg:<6} {wide_bar} {human_pos}/{human_len} UNIT {rate}";
/// Where nobody knows how many there will be.
const SPINNER: &str = "{prefix}\n  {msg:<6} {spinner} {human_pos} UNIT {rate}";

/// Rows or pages a second over the phase so far, and the time left at that rate; nothing of it too soon.
fn write_rate(state: &ProgressState, out: &mut dyn Write) {
    let seconds = state.elapsed().as_secs_f64();
    if seconds < 0.5 || state.pos() == 0 {
        return;
    }
    let rate = state.pos() as f64 / seconds;
    let _ = write!(out, "{}/s", count(rate as u64));
    if let Some(length) = state.len() {
        let left = length.saturating_sub(state.pos()) as f64 / rate;
        let left = nanoseconds((left * 1e9) as u64);
        let _ = write!(out, ", {left} left");
    }
}

impl Progress {
    pub(super) fn new(quiet: bool) -> Self {
        let shown = !quiet && std::io::stderr().is_terminal();
        Progress {
            shown,
            name: String::new(),
            of: None,
            bar: None,
        }
    }

    /// Begins a scenario; its bar appears with its first phase that counts rows.
    pub(super) fn start(&mut self, name: &str) {
        self.clear();
        name.clone_into(&mut self.name);
    }

    pub(super) fn update(&mut self, progress: &ProgressRecord) {
        if !self.shown {
            return;
        }
        let of = (progress.phase.clone(), progress.cycle, progress.total > 0);
        if self.of.as_ref() != Some(&of) {
            self.clear();
            self.of = Some(of);
        }
        let bar = self
            .bar
            .get_or_insert_with(|| new_bar(&self.name, progress));
        bar.set_position(progress.done);
    }

    /// Takes the bar away, so that a table can stand where it was.
    pub(super) fn clear(&mut self) {
        self.of = None;
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn new_bar(name: &str, progress: &ProgressRecord) -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(8);
    let total = (progress.total > 0).then_some(progress.total);
    let bar = ProgressBar::with_draw_target(total, target);
    if let Ok(style) = ProgressStyle::with_template(&template(progress)) {
        let style = style.with_key("rate", |state: &ProgressState, out: &mut dyn Write| {
            write_rate(state, out);
        });
        bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
    }
    bar.set_prefix(name.to_owned());
    bar.set_message(message(progress));
    bar
}

/// What `progress` counts, in a line with an end or without.
fn template(progress: &ProgressRecord) -> String {
    let unit = if progress.phase == "backup" {
        "pages"
    } else {
        "rows"
    };
    let line = if progress.total > 0 { BAR } else { SPINNER };
    line.replace("UNIT", unit)
}

/// `fill`, or `backup, cycle 3`.
fn message(progress: &ProgressRecord) -> String {
    match progress.cycle {
        Some(cycle) if cycle > 0 => format!("{}, cycle {}", progress.phase, count(cycle.into())),
        _ => progress.phase.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_says_what_it_counts_and_in_which_cycle() {
        let progress = |phase: &str, cycle, total| ProgressRecord {
            phase: phase.into(),
            cycle,
            done: 5,
            total,
        };
        let fill = progress("fill", Some(0), 10);
        assert_eq!(message(&fill), "fill");
        assert!(template(&fill).contains("{human_pos}/{human_len} rows"));
        let backup = progress("backup", Some(1200), 10);
        assert_eq!(message(&backup), "backup, cycle 1,200");
        assert!(template(&backup).contains("{human_pos}/{human_len} pages"));
        let dump = progress("dump", Some(3), 0);
        assert!(template(&dump).contains("{human_pos} rows"));
        for one in [&fill, &backup, &dump] {
            assert!(ProgressStyle::with_template(&template(one)).is_ok());
            let bar = new_bar("s", one);
            assert_eq!(bar.length(), (one.total > 0).then_some(10));
        }
    }
}
