//! The threads that run SQLite, and which of them runs what.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::options::Placement;
use crate::workload::keys::{SPLIT_MIX_STEP, mix};
use crate::workload::steps::Steps;
use crate::workload::{Marks, Phase, Stopped};

/// Threads that wait for work, and live until this is dropped.
///
/// Whoever hands out work waits until it is done, so at most one of them runs at a time, and
/// nothing that a connection owns is ever in two hands. Handing over allocates nothing.
#[derive(Debug)]
pub struct Workers {
    workers: Vec<Worker>,
}

#[derive(Debug)]
struct Worker {
    slot: Arc<Slot>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Slot {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    Work(Work),
    Done(Result<(), Box<dyn Any + Send>>),
    End,
}

/// A closure that somebody waits for.
struct Work(*mut (dyn FnMut() + Send + 'static));

// SAFETY: the closure is `Send`, and the one who lent it does not touch it before it is done.
unsafe impl Send for Work {}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Work")
    }
}

impl Workers {
    /// Starts `count` threads.
    pub fn start(count: u32) -> io::Result<Workers> {
        let mut workers = Vec::new();
        for number in 0..count {
            let slot = Arc::new(Slot::default());
            let its = Arc::clone(&slot);
            let thread = thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || its.serve())?;
            workers.push(Worker {
                slot,
                thread: Some(thread),
            });
        }
        Ok(Workers { workers })
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        u32::try_from(self.workers.len()).unwrap_or(u32::MAX)
    }

    /// Runs `work` on worker `number` (modulo their count) and waits for it. A panic goes on here.
    pub fn run(&mut self, number: u32, work: &mut (dyn FnMut() + Send)) {
        let Some(worker) = self
            .workers
            .get(number as usize % self.workers.len().max(1))
        else {
            return work();
        };
        // SAFETY: only the lifetime changes, and `hand_over` returns when the closure is done with.
        let work = unsafe {
            std::mem::transmute::<*mut (dyn FnMut() + Send + '_), *mut (dyn FnMut() + Send + 'static)>(
                work,
            )
        };
        if let Err(panic) = worker.slot.hand_over(Work(work)) {
            resume_unwind(panic);
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            *worker.slot.state() = State::End;
            worker.slot.changed.notify_all();
            if let Some(thread) = worker.thread.take() {
                // It catches what its work panics with.
                let _ = thread.join();
            }
        }
    }
}

impl Slot {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hand_over(&self, work: Work) -> Result<(), Box<dyn Any + Send>> {
        *self.state() = State::Work(work);
        self.changed.notify_all();
        let waiting = |state: &mut State| !matches!(state, State::Done(_));
        let mut state = self
            .changed
            .wait_while(self.state(), waiting)
            .unwrap_or_else(PoisonError::into_inner);
        match std::mem::take(&mut *state) {
            State::Done(result) => result,
            _ => Ok(()),
        }
    }

    /// What a worker does all its life.
    fn serve(&self) {
        loop {
            let waiting = |state: &mut State| !matches!(state, State::Work(_) | State::End);
            let mut state = self
                .changed
                .wait_while(self.state(), waiting)
                .unwrap_or_else(PoisonError::into_inner);
            let State::Work(Work(work)) = std::mem::take(&mut *state) else {
                return;
            };
            drop(state);
            // SAFETY: the closure lives until `hand_over` sees `Done`, and nobody else has it.
            let result = catch_unwind(AssertUnwindSafe(|| unsafe { (*work)() }));
            *self.state() = State::Done(result);
            self.changed.notify_all();
        }
    }
}

/// Whose turn it is, by the placement and the seed.
#[derive(Debug)]
pub struct Turns {
    placement: Placement,
    order: Vec<u32>,
    next: usize,
    current: u32,
    random: u64,
}

impl Turns {
    /// Before the first cycle, for `workers` of them, 1 or more. The fill is the first one's.
    pub fn new(placement: Placement, workers: u32, seed: u64) -> Self {
        Turns {
            placement,
            order: (0..workers.max(1)).collect(),
            next: 0,
            current: 0,
            random: seed,
        }
    }

    /// A cycle begins: the worker that it begins on.
    pub fn cycle(&mut self) -> u32 {
        if self.placement == Placement::RotatePerCycle {
            if self.next == 0 {
                self.shuffle();
            }
            self.current = self.order[self.next];
            self.next = (self.next + 1) % self.order.len();
        }
        self.current
    }

    /// A step of a cycle begins: the worker that runs it.
    pub fn step(&mut self) -> u32 {
        if self.placement == Placement::RotatePerStep {
            self.current = self.below(self.order.len() as u64) as u32;
        }
        self.current
    }

    fn shuffle(&mut self) {
        for last in (1..self.order.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            self.order.swap(last, other);
        }
    }

    /// SplitMix64, `0..bound`; the bias of a modulo by a number of threads does not matter.
    fn below(&mut self, bound: u64) -> u64 {
        let drawn = mix(self.random);
        self.random = self.random.wrapping_add(SPLIT_MIX_STEP);
        drawn % bound.max(1)
    }
}

/// The workers, and whose turn it is.
#[derive(Debug)]
pub(super) struct Crew {
    pub workers: Workers,
    pub turns: Turns,
}

impl Crew {
    /// For the steps of one phase.
    pub fn steps<'a>(&'a mut self, marks: &'a mut dyn Marks, phase: Phase) -> OnWorkers<'a> {
        OnWorkers {
            crew: self,
            marks,
            phase,
        }
    }
}

/// The steps of one phase, on the workers whose turn it is.
pub(super) struct OnWorkers<'a> {
    crew: &'a mut Crew,
    marks: &'a mut dyn Marks,
    phase: Phase,
}

impl Steps for OnWorkers<'_> {
    fn run(&mut self, work: &mut (dyn FnMut() + Send)) {
        self.crew.workers.run(self.crew.turns.step(), work);
    }

    fn progress(&mut self, done: u64, total: u64) -> Result<(), Stopped> {
        self.marks.progress(self.phase, done, total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn names(workers: &mut Workers, numbers: impl IntoIterator<Item = u32>) -> Vec<String> {
        let mut names = Vec::new();
        for number in numbers {
            workers.run(number, &mut || {
                names.push(thread::current().name().unwrap().to_owned());
            });
        }
        names
    }

    #[test]
    fn work_runs_on_the_worker_that_was_asked_and_is_waited_for() {
        let mut workers = Workers::start(3).unwrap();
        let found = names(&mut workers, [0, 2, 1, 2, 0]);
        let wanted = [0, 2, 1, 2, 0].map(|number| format!("worker-{number}"));
        assert_eq!(found, wanted);
    }

    #[test]
    fn a_panic_goes_to_who_asked_and_the_worker_lives_on() {
        let mut workers = Workers::start(1).unwrap();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            workers.run(0, &mut || panic!("on purpose"));
        }));
        assert_eq!(
            panicked.unwrap_err().downcast_ref::<&str>(),
            Some(&"on purpose")
        );
        assert_eq!(names(&mut workers, [0]), ["worker-0"]);
    }

    #[test]
    fn each_round_of_cycles_has_every_worker_once_and_the_seed_says_in_which_order() {
        let order = |seed| -> Vec<u32> {
            let mut turns = Turns::new(Placement::RotatePerCycle, 5, seed);
            (0..20)
                .map(|_| {
                    let worker = turns.cycle();
                    assert_eq!(turns.step(), worker);
                    worker
                })
                .collect()
        };
        for round in order(7).chunks(5) {
            assert_eq!(round.iter().collect::<BTreeSet<_>>().len(), 5);
        }
        assert_eq!(order(7), order(7));
        assert_ne!(order(7), order(8));
    }

    #[test]
    fn one_thread_is_the_first_and_every_step_may_be_another() {
        let mut turns = Turns::new(Placement::OneThread, 4, 1);
        assert!((0..50).all(|_| turns.cycle() == 0 && turns.step() == 0));
        let mut turns = Turns::new(Placement::RotatePerStep, 4, 1);
        turns.cycle();
        let seen: BTreeSet<u32> = (0..100).map(|_| turns.step()).collect();
        assert_eq!(seen.len(), 4);
    }
}
