//! Standard output and standard error that may be closed, full or not a terminal.

use std::fmt;
use std::io::{self, ErrorKind, Write};

use super::{Exit, Failure};

/// Standard output. After the first failure nothing more is written; a closed pipe is no failure.
#[derive(Debug, Default)]
pub(super) struct Output {
    closed: bool,
    failed: Option<io::Error>,
}

impl Output {
    /// Writes what `render` makes, at once and flushed.
    pub(super) fn write(&mut self, render: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
        if self.closed || self.failed.is_some() {
            return;
        }
        let mut text = Vec::new();
        let written = render(&mut text).and_then(|()| {
            let mut out = anstream::stdout().lock();
            out.write_all(&text)?;
            out.flush()
        });
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

/// A line on standard error; nobody is told if that is closed too.
pub(super) fn complain(message: fmt::Arguments<'_>) {
    let _ = writeln!(anstream::stderr().lock(), "{message}");
}
