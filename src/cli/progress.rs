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
    phase: String,
    bar: Option<ProgressBar>,
}

const TEMPLATE: &str = "{prefix}\n  {msg:<6} {wide_bar} {human_pos}/{human_len} rows {rate}";

/// Rows a second over the phase so far, and the time left at that rate; nothing of it too soon.
fn write_rate(state: &ProgressState, out: &mut dyn Write) {
    let seconds = state.elapsed().as_secs_f64();
    if seconds < 0.5 || state.pos() == 0 {
        return;
    }
    let rate = state.pos() as f64 / seconds;
    let left = state.len().unwrap_or(0).saturating_sub(state.pos()) as f64 / rate;
    let left = nanoseconds((left * 1e9) as u64);
    let _ = write!(out, "{}/s, {left} left", count(rate as u64));
}

impl Progress {
    pub(super) fn new(quiet: bool) -> Self {
        let shown = !quiet && std::io::stderr().is_terminal();
        Progress {
            shown,
            name: String::new(),
            phase: String::new(),
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
        if self.phase != progress.phase {
            self.clear();
            self.phase.clone_from(&progress.phase);
        }
        let bar = self
            .bar
            .get_or_insert_with(|| new_bar(&self.name, progress));
        bar.set_position(progress.done);
    }

    /// Takes the bar away, so that a table can stand where it was.
    pub(super) fn clear(&mut self) {
        self.phase.clear();
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn new_bar(name: &str, progress: &ProgressRecord) -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(8);
    let bar = ProgressBar::with_draw_target(Some(progress.total), target);
    if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
        let style = style.with_key("rate", |state: &ProgressState, out: &mut dyn Write| {
            write_rate(state, out);
        });
        bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
    }
    bar.set_prefix(name.to_owned());
    bar.set_message(progress.phase.clone());
    bar
}
