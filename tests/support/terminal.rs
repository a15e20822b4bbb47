//! A terminal for a program to write to, and what stands on it afterwards.

use std::fs::File;
use std::io::Read;
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::{Command, ExitStatus, Stdio};
use std::ptr;

/// What a program wrote to a terminal, and how it ended.
pub struct Written {
    pub status: ExitStatus,
    pub bytes: String,
}

/// A new terminal: the side that reads what is written, and the side that programs write to.
fn open(columns: u16, rows: u16) -> (File, OwnedFd) {
    let size = libc::winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let (mut reader, mut writer) = (-1, -1);
    // SAFETY: both descriptors and the size are this function's own, and a null name and null modes
    // are what openpty takes for none.
    let opened = unsafe {
        libc::openpty(
            &mut reader,
            &mut writer,
            ptr::null_mut(),
            ptr::null(),
            &size,
        )
    };
    assert_eq!(opened, 0, "no terminal");
    // SAFETY: they were just opened, and nobody else has them.
    unsafe { (File::from_raw_fd(reader), OwnedFd::from_raw_fd(writer)) }
}

/// Runs a program whose standard error is a terminal of this size, and its standard output too, if
/// `both`.
pub fn run(mut command: Command, columns: u16, rows: u16, both: bool) -> Written {
    let (mut reader, writer) = open(columns, rows);
    let output = match both {
        true => writer.try_clone().unwrap().into(),
        false => Stdio::null(),
    };
    command
        .env("TERM", "xterm-256color")
        .env_remove("COLUMNS")
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(writer);
    let mut child = command.spawn().unwrap();
    // It holds the writing side too, and the reader ends when nobody does.
    drop(command);
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    // A terminal that nobody writes to any more is an error to its reader, and no end.
    while let Ok(read @ 1..) = reader.read(&mut chunk) {
        bytes.extend_from_slice(&chunk[..read]);
    }
    Written {
        status: child.wait().unwrap(),
        bytes: String::from_utf8(bytes).unwrap(),
    }
}

/// Everything that stands on a terminal, what has left it at its top first. Knows what a program that
/// keeps to itself may write, and panics at anything else.
pub fn screen(bytes: &str, columns: usize, rows: usize) -> Vec<String> {
    let mut lines: Vec<Vec<char>> = vec![Vec::new()];
    let (mut row, mut column) = (0, 0);
    let mut rest = bytes.chars();
    while let Some(character) = rest.next() {
        match character {
            '\r' => column = 0,
            '\n' => {
                row += 1;
                if row == lines.len() {
                    lines.push(Vec::new());
                }
            }
            '\u{1b}' => {
                assert_eq!(rest.next(), Some('['), "another escape sequence");
                let mut number = String::new();
                let end = loop {
                    match rest.next() {
                        Some(digit @ ('0'..='9' | ';')) => number.push(digit),
                        end => break end.expect("a whole sequence"),
                    }
                };
                match (end, number.as_str()) {
                    ('m', _) => {}
                    ('A', number) => {
                        let up: usize = number.parse().unwrap();
                        let top = lines.len().saturating_sub(rows);
                        assert!(row >= top + up, "above the top of the terminal");
                        row -= up;
                    }
                    ('K', "") => lines[row].truncate(column),
                    ('J', "") => {
                        lines[row].truncate(column);
                        lines.truncate(row + 1);
                    }
                    (end, number) => panic!("an unknown sequence: {number:?}{end}"),
                }
            }
            character => {
                let line = &mut lines[row];
                line.resize(line.len().max(column + 1), ' ');
                line[column] = character;
                column += 1;
                let line: String = line.iter().collect();
                assert!(column <= columns, "wider than the terminal: {line}");
            }
        }
    }
    let lines = lines.into_iter().map(String::from_iter);
    lines
        .map(|line: String| line.trim_end().to_owned())
        .collect()
}
