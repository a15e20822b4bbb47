//! Where the steps of a long operation run, and whether it goes on after each.
//!
//! A backup copies pages in steps, a dump writes rows in steps. Which thread runs a step is a
//! parameter of the workload: an allocator keeps what a thread freed where that thread's arena is.

use rusqlite::Connection;
use rusqlite::backup::Backup;

use super::{Error, Stopped};

/// Runs the steps of an operation, one after the other.
pub trait Steps {
    /// Runs `work` once and to its end before it returns: here, or on another thread.
    fn run(&mut self, work: &mut (dyn FnMut() + Send));

    /// `done` of `total` units of the operation (pages of a backup, rows of a dump) after a step;
    /// no step is under way.
    fn progress(&mut self, done: u64, total: u64) -> Result<(), Stopped>;
}

/// Every step here, on the thread that asks, and never stopped.
#[derive(Debug, Default, Clone, Copy)]
pub struct Here;

impl Steps for Here {
    fn run(&mut self, work: &mut (dyn FnMut() + Send)) {
        work();
    }

    fn progress(&mut self, _: u64, _: u64) -> Result<(), Stopped> {
        Ok(())
    }
}

/// What belongs to a connection and may move between threads with it: SQLite's objects know of no
/// thread, and rusqlite's keep nothing in thread-local storage.
///
/// # Safety
/// The type holds nothing else that is bound to a thread.
pub(super) unsafe trait OfConnection {}

// SAFETY: a pointer to sqlite3 and cells that only it uses.
unsafe impl OfConnection for &Connection {}
// SAFETY: a pointer to a statement and borrows of its connection.
unsafe impl OfConnection for rusqlite::Statement<'_> {}
// SAFETY: a pointer to a sqlite3_backup and borrows of its two connections.
unsafe impl OfConnection for Backup<'_, '_> {}
// SAFETY: a flag beside what it holds.
unsafe impl<T: OfConnection> OfConnection for Option<T> {}

// SAFETY: a borrow of a connection, and a pointer to a statement of it.
unsafe impl OfConnection for super::dump::Session<'_> {}

/// An object of a connection, lent to the thread that runs a step while its owner waits in
/// [`Steps::run`]; so one thread at a time has it, which is what SQLite asks for in its
/// multi-thread mode.
pub(super) struct Lent<'a, T>(&'a mut T);

// SAFETY: `Lent` has the only borrow of the object, and its owner does not touch the connection
// before `Steps::run` returns, since it waits there.
unsafe impl<T: OfConnection> Send for Lent<'_, T> {}

impl<'a, T: OfConnection> Lent<'a, T> {
    /// Lends `object`. Its owner uses the connection in no other way until the step is over.
    pub(super) fn new(object: &'a mut T) -> Self {
        Lent(object)
    }

    /// The object, on the thread that runs the step.
    pub(super) fn get(&mut self) -> &mut T {
        self.0
    }
}

/// Runs `work` as one step.
pub(super) fn in_step<T: Send>(
    steps: &mut dyn Steps,
    work: impl FnOnce() -> T + Send,
) -> Result<T, Error> {
    let (mut work, mut result) = (Some(work), None);
    steps.run(&mut || result = work.take().map(|work| work()));
    result.ok_or_else(|| Error::Options("a step was not run".into()))
}

/// The same for work on a connection.
pub(super) fn one_step<T: Send>(
    steps: &mut dyn Steps,
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, Error> + Send,
) -> Result<T, Error> {
    let mut connection = connection;
    let mut lent = Lent::new(&mut connection);
    in_step(steps, || work(lent.get()))?
}
