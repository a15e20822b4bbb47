//! Ctrl-C and its relatives, as events while a run goes and with their usual effect after it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use super::spawn::Event;

/// Turns signals into [`Event::Signal`] until it is dropped.
pub(super) struct Listening {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
    idle: Arc<AtomicBool>,
}

/// True while no run goes: signals then do what they do to any program. Registered once, because a
/// handler that signal-hook has installed stays for the life of the process.
static IDLE: Mutex<Option<Arc<AtomicBool>>> = Mutex::new(None);

impl Listening {
    /// Begins to listen. The thread ends when this is dropped or `events` has no receiver.
    pub(super) fn start(events: SyncSender<Event>) -> io::Result<Listening> {
        let mut wanted = vec![SIGINT, SIGTERM];
        if !ignored(SIGHUP) {
            wanted.push(SIGHUP); // under nohup it stays ignored
        }
        let idle = install(&wanted)?;
        let mut signals = Signals::new(&wanted)?;
        let handle = signals.handle();
        let thread = thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                for _ in signals.forever() {
                    if events.send(Event::Signal).is_err() {
                        break;
                    }
                }
            })?;
        idle.store(false, Ordering::SeqCst);
        Ok(Listening {
            handle,
            thread: Some(thread),
            idle,
        })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.idle.store(true, Ordering::SeqCst);
    }
}

fn install(wanted: &[i32]) -> io::Result<Arc<AtomicBool>> {
    let mut installed = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(idle) = &*installed {
        return Ok(Arc::clone(idle));
    }
    let idle = Arc::new(AtomicBool::new(true));
    for signal in wanted {
        signal_hook::flag::register_conditional_default(*signal, Arc::clone(&idle))?;
    }
    // A record past RLIMIT_FSIZE is an error of `write`, to be reported, and not the end.
    signal_hook::flag::register(libc::SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    // Where it is inherited as ignored, the kernel would reap testees before `wait4` can.
    signal_hook::flag::register(libc::SIGCHLD, Arc::new(AtomicBool::new(false)))?;
    *installed = Some(Arc::clone(&idle));
    Ok(idle)
}

fn ignored(signal: i32) -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        return false;
    };
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (signal - 1)) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rust_ignores_is_seen_as_ignored() {
        assert!(ignored(libc::SIGPIPE));
        assert!(!ignored(libc::SIGUSR2));
    }
}
