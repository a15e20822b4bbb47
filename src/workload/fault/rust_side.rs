//! What Rust holds beside SQLite: rows, blocks, threads.

use std::hint::black_box;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::ground::Ground;
use super::{CYCLE_BYTES, FaultOptions, Faulty, Progress, ROW_BYTES};
use crate::workload::Error;

/// [`Fault::GrowingVec`](super::Fault::GrowingVec)
#[derive(Default)]
pub(super) struct GrowingVec {
    rows: Vec<Vec<u8>>,
}

impl Faulty for GrowingVec {
    fn fill(&mut self, ground: &mut Ground<'_>, progress: &mut Progress<'_>) -> Result<(), Error> {
        ground.fill(ground.options.scaled(CYCLE_BYTES), ROW_BYTES, progress)
    }

    /// Mended, what the cycle before has read is let go.
    fn cycle(&mut self, ground: &mut Ground<'_>, progress: &mut Progress<'_>) -> Result<(), Error> {
        if ground.options.mended {
            self.rows = Vec::new();
        }
        let all = ground.table.part(0, 1);
        let rows = &mut self.rows;
        let first = ground.first();
        (ground.table).read(first, all, progress, |_, payload| {
            rows.push(black_box(payload.to_vec()));
        })?;
        Ok(())
    }
}

/// Small enough that many of them share a page or a slab.
const BLOCK_BYTES: usize = 1024;
/// Of all blocks, at scale 1.
const BLOCKS_BYTES: u64 = 128 << 20;

type Block = [u8; BLOCK_BYTES];

/// [`Fault::RustFragmentation`](super::Fault::RustFragmentation)
#[derive(Default)]
pub(super) struct Fragments {
    /// Each on its own.
    blocks: Vec<Option<Box<Block>>>,
    /// Mended: those that are freed together lie together.
    slabs: Vec<Vec<Block>>,
}

impl Fragments {
    /// As many as are freed in a cycle, twice for each cycle.
    fn fill_slabs(&mut self, count: usize, cycles: usize) {
        let slabs = 2 * cycles;
        self.slabs = (0..slabs)
            .map(|slab| {
                let blocks = count * (slab + 1) / slabs - count * slab / slabs;
                black_box(vec![[0x5a; BLOCK_BYTES]; blocks])
            })
            .collect();
    }
}

impl Faulty for Fragments {
    fn fill(&mut self, ground: &mut Ground<'_>, progress: &mut Progress<'_>) -> Result<(), Error> {
        ground.fill(64 << 10, ROW_BYTES, progress)?;
        let count = ground.options.scaled(BLOCKS_BYTES) / BLOCK_BYTES as u64;
        if ground.options.mended {
            self.fill_slabs(count as usize, ground.options.cycles as usize);
            return Ok(());
        }
        self.blocks.reserve_exact(count as usize);
        progress.times(count, || {
            let block = Box::new([0x5a; BLOCK_BYTES]);
            self.blocks.push(Some(black_box(block)));
            Ok(())
        })
    }

    /// Half of the next part is freed: every other block, or mended all that lie together.
    fn cycle(&mut self, ground: &mut Ground<'_>, progress: &mut Progress<'_>) -> Result<(), Error> {
        let cycle = progress.cycle;
        if ground.options.mended {
            self.slabs.pop();
        }
        let (cycle, cycles) = (cycle as usize, ground.options.cycles as usize);
        let all = self.blocks.len();
        let part = all * (cycle - 1) / cycles..all * cycle / cycles;
        let others = self.blocks[part].iter_mut().step_by(2);
        others.for_each(|block| *block = None);
        progress.tell(cycle as u64, cycles as u64)
    }
}

/// Of its stack a thread touches so much.
const TOUCHED_BYTES: usize = 1 << 20;
/// What it needs beside that.
const SPARE_BYTES: usize = 256 << 10;
/// Of one call.
const FRAME_BYTES: usize = 4096;
/// More than that no machine should have to hold.
const MOST_THREADS: u64 = 4000;

fn threads_in_a_cycle(options: &FaultOptions) -> u64 {
    options.scaled(CYCLE_BYTES).div_ceil(TOUCHED_BYTES as u64)
}

/// There are not too many of them.
pub(super) fn check_threads(options: &FaultOptions) -> Result<(), Error> {
    let threads = threads_in_a_cycle(options).saturating_mul(options.cycles.into());
    if threads <= MOST_THREADS {
        return Ok(());
    }
    Err(Error::Options(format!(
        "{} cycles at scale {} are {threads} threads; {MOST_THREADS} at most",
        options.cycles, options.scale
    )))
}

/// [`Fault::ThreadStacks`](super::Fault::ThreadStacks)
#[derive(Default)]
pub(super) struct Threads {
    gate: Arc<Gate>,
    threads: Vec<JoinHandle<()>>,
}

/// Where threads wait until they may end.
#[derive(Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: usize,
    is_over: bool,
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// On a thread: what it has to do is done.
    fn wait(&self) {
        let mut state = self.state();
        state.waiting += 1;
        self.changed.notify_all();
        let open = self.changed.wait_while(state, |state| !state.is_over);
        drop(open.unwrap_or_else(PoisonError::into_inner));
    }

    /// Until so many threads wait. They hold the lock from when they say so until they do.
    fn wait_for(&self, count: usize) {
        let all = self
            .changed
            .wait_while(self.state(), |state| state.waiting < count);
        drop(all.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Threads {
    fn start(&mut self) -> io::Result<()> {
        let gate = Arc::clone(&self.gate);
        let thread = thread::Builder::new()
            .name("parked".into())
            .stack_size(TOUCHED_BYTES + SPARE_BYTES)
            .spawn(move || {
                touch(TOUCHED_BYTES / FRAME_BYTES);
                gate.wait();
            })?;
        self.threads.push(thread);
        Ok(())
    }

    fn end(&mut self) {
        self.gate.state().is_over = true;
        self.gate.changed.notify_all();
        for thread in self.threads.drain(..) {
            // It does nothing that panics.
            let _ = thread.join();
        }
        *self.gate.state() = State::default();
    }
}

/// Writes to `frames` frames of the stack.
#[inline(never)]
fn touch(frames: usize) {
    let mut frame = [0_u8; FRAME_BYTES];
    black_box(&mut frame);
    if frames > 1 {
        touch(frames - 1);
    }
    black_box(&mut frame);
}

impl Faulty for Threads {
    /// Mended, the threads of a cycle end with it.
    fn cycle(&mut self, ground: &mut Ground<'_>, progress: &mut Progress<'_>) -> Result<(), Error> {
        let count = threads_in_a_cycle(ground.options);
        progress.times(count, || {
            self.start()
                .map_err(|cause| Error::Options(format!("cannot start a thread: {cause}")))
        })?;
        self.gate.wait_for(self.threads.len());
        if ground.options.mended {
            self.end();
        }
        Ok(())
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.end();
    }
}
