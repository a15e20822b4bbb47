//! Both clocks: a busy machine disturbs one of them more than the other.

use std::time::{Duration, Instant};

use sqlite_membench::memory::wait::own_usage;

/// What something took.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    pub wall: Duration,
    /// User and system time.
    pub cpu: Duration,
}

impl Span {
    /// What `work` takes in this process.
    pub fn of(work: impl FnOnce()) -> Span {
        let cpu = || own_usage().expect("getrusage").cpu();
        let (cpu_before, began) = (cpu(), Instant::now());
        work();
        let wall = began.elapsed();
        Span {
            wall,
            cpu: cpu() - cpu_before,
        }
    }
}
