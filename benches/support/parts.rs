//! The parts of this bench that need a process of their own, and how they are asked for.
//!
//! SQLite's allocator and Rust's are chosen once in a process, and RSS is the whole process's, so
//! every insert and every heap starts this executable again with [`CHILD`] as its first argument. A
//! child answers in lines of JSON.

use std::env;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::{Serialize, de::DeserializeOwned};
use sqlite_membench::allocator::global;

use super::instrumented::Insert;
use super::ledgers::{self, Heap, Held};
use super::room::end_with_parent;

const CHILD: &str = "instrument-child";

/// A child that holds a heap and takes ledgers of it when it is asked to, so that a heap of 2 GB is
/// made once. The other side of it: all samples are of one process.
pub struct Ledgers {
    heap: Heap,
    child: Child,
    /// `None` while it is dropped: its end is what the child waits for.
    ask: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Ledgers {
    /// Starts the child. It makes its heap before it answers.
    pub fn of(heap: Heap) -> Ledgers {
        let mut child = command(&["ledgers", &json(&heap)])
            .stdin(Stdio::piped())
            .spawn()
            .expect("a child of this bench");
        Ledgers {
            heap,
            ask: child.stdin.take(),
            answers: BufReader::new(child.stdout.take().expect("its output is a pipe")),
            child,
        }
    }

    /// Takes `count` ledgers, one after the other.
    pub fn take(&mut self, count: u64) -> ledgers::Sample {
        let heap = self.heap;
        let mut ask = self.ask.as_ref().expect("a child that is asked");
        let asked = writeln!(ask, "{count}");
        let mut line = String::new();
        let read = self.answers.read_line(&mut line);
        let answer = (asked.and(read).ok()).and_then(|_| serde_json::from_str(&line).ok());
        answer.unwrap_or_else(|| panic!("the child that holds {heap:?} gave no ledgers: see above"))
    }
}

impl Drop for Ledgers {
    fn drop(&mut self) {
        self.ask = None;
        // What it had to say is on standard error.
        let _ = self.child.wait();
    }
}

/// This executable as a child with these arguments. Its output is a pipe.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::current_exe().expect("this bench's own executable"));
    command
        .arg(CHILD)
        .args(arguments)
        // Plain glibc for Rust, and for SQLite where a part does not say otherwise.
        .env(global::CHOICE_VARIABLE, "system")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

/// What a child says before it ends. The benches' own misuse, or a machine without room, is all that
/// can go wrong.
pub fn answer<T: DeserializeOwned>(child: Child) -> T {
    let output = child
        .wait_with_output()
        .expect("a child that can be waited for");
    assert!(
        output.status.success(),
        "a child: {}; see above, and whether TMPDIR has room",
        output.status
    );
    serde_json::from_slice(&output.stdout).expect("a line of JSON from a child")
}

/// In a child: does its part. False in the bench itself.
pub fn run_as_child() -> bool {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if arguments.first() == Some(&CHILD) {
        end_with_parent();
    }
    match arguments[..] {
        [CHILD, "insert", insert, rows, directory] => {
            let insert: Insert = serde_json::from_str(insert).expect("an insert");
            println!("{}", json(&insert.run(number(rows), Path::new(directory))));
        }
        [CHILD, "ledgers", heap] => {
            // Not `io::stdin`, whose 8 KiB are never touched to their end: a page that is missing in the
            // middle of glibc's heap is searched for, which takes as long again as the rest.
            let asked = File::open("/dev/stdin").expect("this process's own input");
            let asked = BufReader::with_capacity(32, asked);
            let mut held = Held::make(serde_json::from_str(heap).expect("a heap"));
            for line in asked.lines() {
                let count = number(&line.expect("a line from the bench"));
                println!("{}", json(&held.ledgers(count)));
            }
        }
        _ => return false,
    }
    true
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}

pub fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data")
}
