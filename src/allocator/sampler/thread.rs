//! What each thread keeps: the bytes until its next sample, and the statement that it runs.
//!
//! Constant at first and without a destructor, so that it can be used inside an allocator, at any time of a
//! thread's life.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::statement::Current;

/// Between two samples, on average.
static INTERVAL: AtomicU64 = AtomicU64::new(super::DEFAULT_INTERVAL_BYTES);
/// Threads that have drawn: each has random numbers of its own, and a process with one thread the same ones
/// in every run.
static THREADS: AtomicU64 = AtomicU64::new(0);

const SEED: u64 = 0x5eed_0f5a_3b1e_5ca1;

pub(super) struct Thread {
    /// Bytes that pass without a sample.
    left: Cell<i64>,
    /// Zero before the first draw.
    random: Cell<u64>,
    /// While set, this thread's blocks are nobody's business: the sampler is at work, or SQLite's methods
    /// ask Rust's allocator.
    pub busy: Cell<bool>,
    /// An address in the stack, while the allocator's own frames are looked up; else 0.
    pub probe: Cell<usize>,
    pub statement: Cell<Current>,
}

thread_local! {
    pub(super) static THREAD: Thread = const { Thread::new() };
}

pub(super) fn set_interval(bytes: u64) {
    INTERVAL.store(bytes, Relaxed);
}

impl Thread {
    pub(super) const fn new() -> Self {
        Thread {
            left: Cell::new(0),
            random: Cell::new(0),
            busy: Cell::new(false),
            probe: Cell::new(0),
            statement: Cell::new(Current::NONE),
        }
    }

    /// Lets `bytes` pass. When it answers true, [`draw`](Self::draw) decides.
    #[inline]
    pub(super) fn is_due(&self, bytes: usize) -> bool {
        if self.busy.get() {
            return false;
        }
        let left = self.left.get() - bytes as i64;
        self.left.set(left);
        left < 0
    }

    /// Sets the next gap out; false where there was none yet and the block of `bytes` lies within it.
    ///
    /// A gap has the length `floor(E)`, `E` exponentially distributed: it is at least `k` bytes long with the
    /// probability `exp(-k / interval)`, also when any number of bytes of it have passed. So a block of `s`
    /// bytes is sampled with exactly `1 - exp(-s / interval)`, whatever came before it, as long as a new gap
    /// begins behind each sampled block.
    pub(super) fn draw(&self, bytes: usize) -> bool {
        if self.random.get() != 0 {
            self.left.set(self.gap());
            return true;
        }
        let thread = THREADS.fetch_add(1, Relaxed);
        self.random.set(mix(SEED.wrapping_add(thread)) | 1);
        self.left.set(self.gap());
        self.is_due(bytes) && self.draw(bytes)
    }

    /// Runs `work` while this thread's blocks are nobody's business.
    #[inline]
    pub(super) fn at_work<T>(&self, work: impl FnOnce() -> T) -> T {
        let before = self.busy.replace(true);
        let result = work();
        self.busy.set(before);
        result
    }

    /// The next block is sampled.
    pub(super) fn provoke(&self) {
        self.left.set(-1);
    }

    fn gap(&self) -> i64 {
        // splitmix64
        let state = self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random.set(state);
        // In (0, 1], with the 53 bits that a double holds.
        let uniform = ((mix(state) >> 11) + 1) as f64 * (1.0 / (1u64 << 53) as f64);
        (-uniform.ln() * INTERVAL.load(Relaxed) as f64) as i64
    }
}

fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allocator::sampler::tables::probability;

    /// Blocks among others of other sizes, which must make no difference.
    fn sampled_share(bytes: usize, among: &[usize], blocks: usize) -> f64 {
        let thread = Thread::new();
        let pass = |bytes| thread.is_due(bytes) && thread.draw(bytes);
        let sampled = (0..blocks)
            .filter(|_| {
                among.iter().for_each(|&other| _ = pass(other));
                pass(bytes)
            })
            .count();
        sampled as f64 / blocks as f64
    }

    #[test]
    fn a_block_is_sampled_with_its_own_probability_whatever_lies_around_it() {
        const BLOCKS: usize = 400_000;
        const R: u64 = super::super::DEFAULT_INTERVAL_BYTES;
        let among: [&[usize]; 4] = [&[], &[1], &[100, 4_096, 300_000], &[3_000_000]];
        for bytes in [1_000, 8_192, 65_536, 524_288, 2_000_000] {
            for others in among {
                let p = probability(bytes, R);
                let share = sampled_share(bytes, others, BLOCKS);
                let error = (p * (1.0 - p) / BLOCKS as f64).sqrt();
                assert!(
                    (share - p).abs() < 4.0 * error,
                    "{bytes} among {others:?}: {share}, expected {p} +- {error}"
                );
            }
        }
    }

    #[test]
    fn a_busy_thread_lets_nothing_pass() {
        let thread = Thread::new();
        thread.draw(0);
        thread.provoke();
        thread.busy.set(true);
        assert!(!thread.is_due(1 << 30));
        thread.busy.set(false);
        assert!(thread.is_due(1));
    }
}
