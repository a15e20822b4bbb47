//! A profile that is written while the process and its threads go on.

use std::hint::black_box;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use sqlite_membench::allocator::dhat_heap::{Profiler, stats};
use sqlite_membench::allocator::global::{Switchable, counters};
use tempfile::TempDir;

use super::profile::Profile;

#[global_allocator]
static ALLOCATOR: Switchable = Switchable::new();

const CHILD: &str = "DHAT_HEAP_TEST_CHILD";
const THREADS: usize = 4;
const ROUNDS: usize = 20;

#[test]
fn children_write_it_whole_while_threads_allocate() {
    if std::env::var_os(CHILD).is_some() {
        return in_a_process_of_its_own();
    }
    // One profiler a process, and other tests wait for children of theirs.
    let name = "fork::children_write_it_whole_while_threads_allocate";
    let status = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact"])
        .env(CHILD, "")
        .status()
        .unwrap();
    assert!(status.success());
}

fn in_a_process_of_its_own() {
    assert_eq!(stats(), None);
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("unfinished");
    let whole = directory.path().join("whole");
    let profiler = Profiler::start(&file).unwrap();
    assert!(Profiler::start(&file).is_none());
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while !over.load(Relaxed) {
                    let mut blocks: Vec<String> = (0..50).map(|n| format!("{n}")).collect();
                    blocks.truncate(black_box(20));
                }
            });
        }
        let mut before = 0;
        for _ in 0..ROUNDS {
            profiler.write_in_a_child(&file, &whole).unwrap().wait();
            // One that was stuck was ended by its alarm, and left none.
            let total = Profile::read(&whole).total_bytes();
            assert!(total > before, "{total} after {before}");
            before = total;
            std::fs::remove_file(&whole).unwrap();
        }
        over.store(true, Relaxed);
    });
    let (counted, dhat) = (counters().unwrap(), stats().unwrap());
    let older = counted.live_bytes - dhat.current_bytes as i64;
    assert!(
        (0..=dhat.before.live_bytes as i64).contains(&older),
        "{older}"
    );
    profiler.write();
    assert_eq!(stats(), None);
    assert!(Profile::read(&file).total_bytes() > 0);
}
