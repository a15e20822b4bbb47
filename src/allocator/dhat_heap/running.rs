//! dhat, its gate, and the children that write its profile.

use std::cell::Cell;
use std::io;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use super::{Before, Stats};
use crate::allocator::global;

/// Frames of a stack. The deepest of SQLite's, down to the Rust code that called it, have some 40;
/// of dhat's own 10 a stack ends in the middle of the B-tree.
const FRAMES: usize = 64;
/// A child that has not written its profile by then never will.
const CHILD_SECONDS: libc::c_uint = 120;

/// Held around every call into dhat, which has one lock itself.
static GATE: Mutex<()> = Mutex::new(());
static RUNNING: AtomicBool = AtomicBool::new(false);
static BEFORE: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];

thread_local! {
    /// dhat allocates for itself through the global allocator while it is asked for a block.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Runs a call into dhat.
pub fn around<T>(call: impl FnOnce() -> T) -> T {
    let before = INSIDE.replace(true);
    // A call that dhat makes of its own allocator is within the gate already.
    let gate = (!before).then(|| GATE.lock().unwrap_or_else(PoisonError::into_inner));
    let result = call();
    INSIDE.set(before);
    drop(gate);
    result
}

/// Whether a call into dhat is under way on this thread.
pub fn is_inside() -> bool {
    INSIDE.get()
}

/// dhat's counters; `None` where no [`Profiler`] runs.
pub fn stats() -> Option<Stats> {
    let found = around(|| RUNNING.load(Relaxed).then(dhat::HeapStats::get))?;
    let [live_bytes, live_blocks, total_bytes, total_blocks] =
        [0, 1, 2, 3].map(|at: usize| BEFORE[at].load(Relaxed));
    Some(Stats {
        current_bytes: found.curr_bytes as u64,
        current_blocks: found.curr_blocks as u64,
        peak_bytes: found.max_bytes as u64,
        peak_blocks: found.max_blocks as u64,
        total_bytes: found.total_bytes,
        total_blocks: found.total_blocks,
        before: Before {
            live_bytes,
            live_blocks,
            total_bytes,
            total_blocks,
        },
    })
}

/// dhat's profiler while it runs. Dropped without [`write`](Self::write), it leaves nothing.
#[derive(Debug)]
pub struct Profiler(ManuallyDrop<dhat::Profiler>);

impl Profiler {
    /// Begins to profile; the profile will be in `file`. `None` where one runs already.
    pub fn start(file: &Path) -> Option<Profiler> {
        around(|| {
            if RUNNING.swap(true, Relaxed) {
                return None;
            }
            let counted = global::counters().unwrap_or_default();
            let before = [
                counted.live_bytes.unsigned_abs(),
                counted.live_blocks.unsigned_abs(),
                counted.total_bytes,
                counted.total_blocks,
            ];
            for (place, number) in BEFORE.iter().zip(before) {
                place.store(number, Relaxed);
            }
            let builder = dhat::Profiler::builder().file_name(file);
            let profiler = builder.trim_backtraces(Some(FRAMES)).build();
            Some(Profiler(ManuallyDrop::new(profiler)))
        })
    }

    /// Ends the profile and writes it.
    pub fn write(self) {
        around(|| {
            RUNNING.store(false, Relaxed);
            drop(ManuallyDrop::into_inner(self.0));
        });
    }

    /// Lets a child write the profile as it is now, to the file that was named at the start, which then
    /// gets the name `whole`. This process goes on at once.
    ///
    /// # Errors
    /// The kernel's, where it cannot start a child.
    pub fn write_in_a_child(&self, file: &Path, whole: &Path) -> io::Result<Writing> {
        // A child that nobody waits for leaves no zombie, and its CPU time is nobody's.
        // SAFETY: ignoring a signal runs no code.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
        // SAFETY: the child runs `in_the_child` and ends; with the gate held no lock is lost to it
        // that it needs, and glibc's own are put right by `fork`.
        let pid = around(|| unsafe { libc::fork() });
        match pid {
            ..0 => Err(io::Error::last_os_error()),
            0 => self.in_the_child(file, whole),
            pid => Ok(Writing(pid)),
        }
    }

    /// Never back to what the parent was doing, whatever happens.
    fn in_the_child(&self, file: &Path, whole: &Path) -> ! {
        let written = catch_unwind(AssertUnwindSafe(|| {
            leave_the_parent_alone();
            around(|| {
                // SAFETY: the parent's is another process's; in this one nothing uses it after.
                drop(unsafe { std::ptr::read(&*self.0) });
            });
            std::fs::rename(file, whole)
        }));
        let code = i32::from(!matches!(written, Ok(Ok(()))));
        // SAFETY: ends this process without running what the parent has registered for its own end.
        unsafe { libc::_exit(code) }
    }
}

/// In a child: its end is certain, and nothing that the parent reads, writes or listens to stays open.
fn leave_the_parent_alone() {
    // SAFETY: system calls on this process alone, which has one thread. Every file that it goes on to
    // use is opened after.
    unsafe {
        libc::signal(libc::SIGALRM, libc::SIG_DFL);
        libc::signal(libc::SIGTERM, libc::SIG_DFL);
        libc::signal(libc::SIGINT, libc::SIG_DFL);
        libc::alarm(CHILD_SECONDS);
        if libc::syscall(libc::SYS_close_range, 0u32, u32::MAX, 0u32) != 0 {
            (0..1024).for_each(|file| {
                libc::close(file);
            });
        }
        // dhat greets on standard error.
        for _ in 0..3 {
            libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
        }
    }
}

/// A child that writes a profile.
#[derive(Debug)]
pub struct Writing(libc::pid_t);

impl Writing {
    /// Whether it still does.
    pub fn goes_on(&mut self) -> bool {
        // SAFETY: a null pointer for a status that nobody wants. The pid is that of a child of this
        // process or of nobody that it may wait for.
        unsafe { libc::waitpid(self.0, std::ptr::null_mut(), libc::WNOHANG) == 0 }
    }

    /// Until it has ended.
    pub fn wait(self) {
        loop {
            // SAFETY: as above.
            let ended = unsafe { libc::waitpid(self.0, std::ptr::null_mut(), 0) };
            let error = io::Error::last_os_error();
            if ended >= 0 || error.kind() != io::ErrorKind::Interrupted {
                return;
            }
        }
    }

    /// Ends it as it is, and waits for that.
    pub fn break_off(mut self) {
        if self.goes_on() {
            // SAFETY: it was a child of this process a moment ago; a pid is not given out again so soon.
            unsafe { libc::kill(self.0, libc::SIGKILL) };
            self.wait();
        }
    }
}
