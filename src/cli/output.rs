//! Standard output and standard error that may be closed, full or not a terminal.

use std::fmt;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};

use rustix::termios::tcgetwinsize;

use super::{Exit, Failure};
use crate::report::layout::Layout;

/// Standard output. After the first failure nothing more is written; a closed pipe is no failure.
#[derive(Debug, Default)]
pub(super) struct Output {
    closed: bool,
    failed: Option<io::Error>,
}

impl Output {
    /// Writes what `render` makes as it is made, and flushes.
    pub(super) fn write(&mut self, render: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
        if self.closed || self.failed.is_some() {
            return;
        }
        let mut out = BufWriter::new(anstream::stdout().lock());
        let written = render(&mut out).and_then(|()| out.flush());
        match written {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => self.closed = true,
            Err(error) => self.failed = Some(error),
        }
    }

    /// `exit`, unless output was lost.
    pub(super) fn finish(self, exit: Exit) -> Result<Exit, Failure> {
        match self.failed {
            None => Ok(exit),
            Some(error) => {
                let error = anyhow::Error::new(error).context("cannot write to standard output");
                Err(Failure::failed(error))
            }
        }
    }
}

/// As wide as the terminal that standard output is, or as `COLUMNS` says.
pub(super) fn layout() -> Layout {
    let asked = std::env::var("COLUMNS").ok();
    let asked = asked.and_then(|text| text.trim().parse::<u16>().ok());
    let terminal = || {
        let out = io::stdout();
        let size = out.is_terminal().then(|| tcgetwinsize(&out).ok()).flatten();
        size.map(|size| size.ws_col)
    };
    let columns = asked.or_else(terminal).filter(|columns| *columns > 0);
    Layout {
        columns: columns.map(usize::from),
    }
}

/// A line on standard error; nobody is told if that is closed too.
pub(super) fn complain(message: fmt::Arguments<'_>) {
    let _ = writeln!(anstream::stderr().lock(), "{message}");
}
