//! What is said of a scenario while it runs, on standard error: on a terminal its ledger as bars, which
//! go when it is over; elsewhere a line now and then.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use rustix::termios::tcgetwinsize;

use super::live::Live;
use super::output::complain;
use super::screen::{Screen, Size};
use crate::record::Line;

/// Between two times that a terminal is written to.
const REDRAW: Duration = Duration::from_millis(125);
/// Between two lines where there is no terminal.
const TELL: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug)]
pub(super) struct Progress {
    to: To,
    live: Option<Live>,
    screen: Screen,
    /// The last time that something was written.
    written: Option<Instant>,
}

/// Where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum To {
    Nobody,
    Terminal,
    Lines,
}

impl Progress {
    /// On a terminal only.
    pub(super) fn new(quiet: bool) -> Self {
        let mut progress = Progress::live(quiet);
        if progress.to == To::Lines {
            progress.to = To::Nobody;
        }
        progress
    }

    /// Where there is no terminal, as lines.
    pub(super) fn live(quiet: bool) -> Self {
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let to = match std::io::stderr().is_terminal() && !is_dumb {
            _ if quiet => To::Nobody,
            true => To::Terminal,
            false => To::Lines,
        };
        Progress {
            to,
            live: None,
            screen: Screen::default(),
            written: None,
        }
    }

    /// Begins a scenario.
    pub(super) fn start(&mut self, label: &str) {
        self.clear();
        self.live = Some(Live::new(label));
        self.written = None;
        self.write();
    }

    /// Shows what `line` tells, if it is time to.
    pub(super) fn line(&mut self, line: &Line) {
        let Some(live) = self.live.as_mut().filter(|_| self.to != To::Nobody) else {
            return;
        };
        let now = Instant::now();
        if !live.line(line, now) {
            return;
        }
        let interval = match self.to {
            To::Terminal => REDRAW,
            To::Lines | To::Nobody => TELL,
        };
        let waited = |written: Instant| now.saturating_duration_since(written) >= interval;
        if ends_fill(line) || self.written.is_none_or(waited) {
            self.write();
        }
    }

    /// Takes everything away, so that a table can stand where it was.
    pub(super) fn clear(&mut self) {
        self.live = None;
        let text = self.screen.clear(size());
        put(&text);
    }

    fn write(&mut self) {
        let Some(live) = &self.live else { return };
        let now = Instant::now();
        self.written = Some(now);
        match self.to {
            To::Nobody => {}
            To::Lines => complain(format_args!("{}", live.told())),
            To::Terminal => {
                let size = size();
                let text = self.screen.show(live.lines(size, now), size);
                put(&text);
            }
        }
    }
}

/// The one phase that every workload has, after which its database is what it was asked to be.
fn ends_fill(line: &Line) -> bool {
    matches!(line, Line::Phase(phase) if phase.phase == "fill" && phase.reading.is_none())
}

/// In one write; nobody is told if standard error is closed.
fn put(text: &str) {
    if !text.is_empty() {
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
}

/// Of the terminal that standard error is; the usual one where it does not say.
fn size() -> Size {
    let told = tcgetwinsize(std::io::stderr()).ok();
    let told = told.filter(|size| size.ws_col > 0 && size.ws_row > 0);
    Size {
        columns: told.map_or(80, |size| size.ws_col.into()),
        rows: told.map_or(24, |size| size.ws_row.into()),
    }
}
