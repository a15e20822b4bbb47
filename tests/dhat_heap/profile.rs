//! What dhat writes, as its viewer reads it.

use std::path::Path;

use serde_json::Value;

/// A stack, innermost frame first: indices of frames.
type Stack = [usize];

pub struct Profile {
    frames: Vec<String>,
    points: Vec<Point>,
}

struct Point {
    stack: Vec<usize>,
    total_bytes: u64,
    bytes_at_peak: u64,
}

impl Profile {
    /// All of it; a file that is cut off is none.
    pub fn read(path: &Path) -> Profile {
        let text = std::fs::read(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let value: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(value["mode"], "rust-heap");
        let frames = value["ftbl"].as_array().unwrap().iter();
        let points = value["pps"].as_array().unwrap().iter();
        let point = |point: &Value| Point {
            stack: serde_json::from_value(point["fs"].clone()).unwrap(),
            total_bytes: point["tb"].as_u64().unwrap(),
            bytes_at_peak: point["gb"].as_u64().unwrap(),
        };
        Profile {
            frames: frames.map(|one| one.as_str().unwrap().to_owned()).collect(),
            points: points.map(point).collect(),
        }
    }

    pub fn stacks(&self) -> impl Iterator<Item = &Stack> {
        self.points.iter().map(|point| point.stack.as_slice())
    }

    /// Bytes ever allocated, over all program points.
    pub fn total_bytes(&self) -> u64 {
        self.points.iter().map(|point| point.total_bytes).sum()
    }

    /// Bytes live at dhat's t-gmax in the stacks that are meant.
    pub fn bytes_at_peak(&self, meant: impl Fn(&Profile, &Stack) -> bool) -> u64 {
        let points = self.points.iter().filter(|one| meant(self, &one.stack));
        points.map(|point| point.bytes_at_peak).sum()
    }

    /// Whether the block was asked for through SQLite's memory methods.
    pub fn is_sqlites(&self, stack: &Stack) -> bool {
        self.reaches(stack, "sqlite_membench::allocator::sqlite::")
    }

    /// Whether a frame's function has this in its name.
    pub fn reaches(&self, stack: &Stack, part: &str) -> bool {
        stack.iter().any(|at| self.frames[*at].contains(part))
    }

    /// Whether a frame is a function of `sqlite3.c`, with its line: `0x1: malloc (a/sqlite3.c:1:2)`.
    pub fn names_sqlite3(&self, stack: &Stack) -> bool {
        stack.iter().any(|at| {
            let frame = self.frames[*at].strip_suffix(')');
            let parts = frame.and_then(|frame| frame.rsplit_once(" ("));
            parts.is_some_and(|(function, place)| {
                let line = place.split_once("sqlite3.c:").map(|(_, line)| line);
                let line = line.and_then(|line| line.split(':').next()?.parse::<u32>().ok());
                line.is_some_and(|line| line > 0) && !function.ends_with("???")
            })
        })
    }
}
