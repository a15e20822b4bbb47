//! The threads' stacks, for every thread, whoever started it.
//!
//! The kernel does not name the mapping of a thread's stack. But it knows, for each thread, the
//! address of the thread's list of robust futexes, which the GNU C library keeps in the thread's
//! control block at the top of its stack. From there the stack reaches down to its guard page.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use super::smaps::Mapping;
use super::text::decimal;
use crate::allocator::region::{Region, page_size};

/// A thread's stack with its control block, page-aligned.
#[derive(Debug, Clone, Copy)]
pub struct Stack {
    pub start: usize,
    pub end: usize,
}

const MOST_THREADS: usize = 65_536;

/// Finds the stacks of all threads but the main one, whose stack the kernel names.
#[derive(Debug)]
pub struct Stacks {
    task: File,
    entries: Region<u8>,
    /// From a thread's robust list to the end of its stack's mapping: the same for all threads.
    to_end: usize,
    stacks: Region<Stack>,
    /// The main thread's control block, which the loader allocated.
    main_block: Option<usize>,
}

fn robust_list(thread: i32) -> Option<usize> {
    let mut head: usize = 0;
    let mut length: usize = 0;
    // SAFETY: get_robust_list writes two words.
    let code = unsafe {
        libc::syscall(
            libc::SYS_get_robust_list,
            thread,
            &raw mut head,
            &raw mut length,
        )
    };
    (code == 0 && head != 0).then_some(head)
}

/// Measured on a thread of our own, whose stack the C library tells.
fn measure_to_end() -> Option<usize> {
    let thread = std::thread::spawn(|| {
        let head = robust_list(0)?;
        // SAFETY: the attributes are initialised by pthread_getattr_np and destroyed after use.
        unsafe {
            let mut attributes: libc::pthread_attr_t = std::mem::zeroed();
            if libc::pthread_getattr_np(libc::pthread_self(), &raw mut attributes) != 0 {
                return None;
            }
            let (mut start, mut bytes) = (std::ptr::null_mut(), 0);
            let code =
                libc::pthread_attr_getstack(&raw const attributes, &raw mut start, &raw mut bytes);
            libc::pthread_attr_destroy(&raw mut attributes);
            (code == 0)
                .then(|| (start as usize + bytes).checked_sub(head))
                .flatten()
        }
    });
    thread
        .join()
        .ok()
        .flatten()
        .filter(|distance| *distance < 64 * 1024)
}

impl Stacks {
    /// # Errors
    /// The kernel's, and `Unsupported` where the C library keeps no robust list.
    pub fn new() -> io::Result<Self> {
        let to_end = measure_to_end().ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::Unsupported,
                "threads keep no robust list in their stacks",
            )
        })?;
        Ok(Stacks {
            task: File::open("/proc/self/task")?,
            entries: Region::new(64 * 1024)?,
            to_end,
            stacks: Region::new(MOST_THREADS)?,
            main_block: None,
        })
    }

    /// The page of the main thread's control block, if it was seen by the last [`read`](Self::read).
    pub fn main_block(&self) -> Option<usize> {
        self.main_block
    }

    /// Reads them now; `mappings` in order of address.
    pub fn read(&mut self, mappings: &[Mapping]) -> io::Result<&[Stack]> {
        self.stacks.clear();
        // SAFETY: lseek and getdents64 on an open directory; the buffer is as long as said.
        unsafe { libc::lseek(self.task.as_raw_fd(), 0, libc::SEEK_SET) };
        loop {
            let buffer = self.entries.whole();
            // SAFETY: the buffer is writable for its whole length.
            let got = unsafe {
                libc::syscall(
                    libc::SYS_getdents64,
                    self.task.as_raw_fd(),
                    buffer.as_mut_ptr(),
                    buffer.len(),
                )
            };
            if got < 0 {
                return Err(io::Error::last_os_error());
            }
            if got == 0 {
                break;
            }
            let mut at = 0;
            while at < got as usize {
                // struct linux_dirent64: inode 8, offset 8, length 2, type 1, name.
                let length = usize::from(u16::from_ne_bytes([
                    self.entries[at + 16],
                    self.entries[at + 17],
                ]));
                let name = self.entries[at + 19..at + length]
                    .split(|b| *b == 0)
                    .next()
                    .unwrap_or_default();
                if let Some(thread) = decimal(name) {
                    self.add(thread as i32, mappings);
                }
                at += length.max(1);
            }
        }
        self.stacks.sort_unstable_by_key(|s| s.start);
        Ok(&self.stacks)
    }

    fn add(&mut self, thread: i32, mappings: &[Mapping]) {
        let Some(head) = robust_list(thread) else {
            return;
        };
        if thread == std::process::id() as i32 {
            self.main_block = Some(head & !(page_size() - 1));
            return;
        }
        let at = mappings.partition_point(|m| m.end <= head);
        let Some(mapping) = mappings.get(at).filter(|m| m.start <= head && m.writable) else {
            return;
        };
        // A stack given by the program lies in memory of the program's; its guard is what says
        // where the C library's own begin.
        let guarded = at > 0 && mappings[at - 1].end == mapping.start && !mappings[at - 1].readable;
        let end = (head + self.to_end)
            .next_multiple_of(page_size())
            .min(mapping.end);
        if guarded {
            self.stacks.push(Stack {
                start: mapping.start,
                end,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::smaps::Mappings;

    #[test]
    fn a_thread_that_runs_and_a_thread_that_waits_both_have_their_stack_found() {
        let (send, receive) = std::sync::mpsc::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let spin = tell.clone();
        let waiting = std::thread::spawn(move || {
            let here = 0u8;
            tell.send(&raw const here as usize).unwrap();
            let _ = receive.recv();
        });
        static STOP: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
        let running = std::thread::spawn(move || {
            let here = 0u8;
            spin.send(&raw const here as usize).unwrap();
            while !STOP.load(std::sync::atomic::Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        let addresses: Vec<usize> = told.iter().take(2).collect();
        let (mut stacks, mut mappings) = (Stacks::new().unwrap(), Mappings::new().unwrap());
        let found = stacks.read(mappings.read().unwrap()).unwrap();
        for address in addresses {
            assert!(
                found.iter().any(|s| s.start <= address && address < s.end),
                "{address:x} in {found:x?}"
            );
        }
        STOP.store(true, std::sync::atomic::Ordering::Relaxed);
        drop(send);
        waiting.join().unwrap();
        running.join().unwrap();
    }
}
