//! `serve` from outside: many clients at once, clients that leave, and every way to its end.

#[path = "support/records.rs"]
mod records;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use records::TempDir;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sqlite_membench::report::bound_bytes;
use sqlite_membench::workload::snapshot::content::content_hash;

const PATIENCE: Duration = Duration::from_secs(120);

/// The rows of the report's seven tables at scale 0.01, by number.
const ROWS: [u64; 7] = [1, 25, 25, 25, 50, 540, 45_000];

fn program(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sqlite-membench"));
    command
        .current_dir(directory)
        .env("TMPDIR", directory.join("tmp"))
        .args(["serve", "--keep-dumps", "dumps", "--out", "run"])
        .args(arguments)
        .stdout(Stdio::piped());
    command
}

fn directory() -> TempDir {
    let directory = TempDir::new().unwrap();
    for name in ["tmp", "dumps"] {
        fs::create_dir(directory.path().join(name)).unwrap();
    }
    directory
}

/// A service that is ready. Killed if a test fails.
struct Serving {
    directory: TempDir,
    harness: Child,
    address: SocketAddr,
    testee: u32,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.harness.kill();
        let _ = self.harness.wait();
    }
}

impl Serving {
    fn start(arguments: &[&str]) -> Serving {
        let directory = directory();
        let arguments = [&["--port", "0", "--quiet"], arguments].concat();
        let mut harness = program(directory.path(), &arguments).spawn().unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(harness.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let rest = line.strip_prefix("listening on http://").unwrap();
        let (address, rest) = rest.split_once(" (pid ").unwrap();
        Serving {
            address: address.parse().unwrap(),
            testee: rest.split_once(',').unwrap().0.parse().unwrap(),
            directory,
            harness,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn asks(&self, path: &str) -> Client {
        Client::asks(self.address, path)
    }

    fn sqlite_live_bytes(&self) -> u64 {
        let ledger = self.asks("/memory").gets();
        assert_eq!(ledger.status, 200, "{}", ledger.body);
        let terms = ledger.body["terms"].as_array().unwrap();
        let live = terms
            .iter()
            .find(|term| term["owner"] == "sqlite" && term["term"] == "live");
        live.unwrap()["bytes"].as_u64().unwrap()
    }

    /// How many threads or open files the testee has.
    fn count(&self, what: &str) -> usize {
        let entries = fs::read_dir(format!("/proc/{}/{what}", self.testee));
        entries.unwrap().count()
    }

    /// Waits until a dump is being written.
    fn dump_is_written(&self) {
        until("a dump is written", || {
            files(&self.path("tmp")).iter().any(|file| {
                let name = file.file_name().unwrap().to_string_lossy();
                name.starts_with("dump-") && file.metadata().is_ok_and(|file| file.len() > 0)
            })
        });
    }

    fn ends(&mut self) -> ExitStatus {
        let mut ended = None;
        until("it ends", || {
            ended = self.harness.try_wait().unwrap();
            ended.is_some()
        });
        // Nothing is left: no temporary directory, and nobody listens.
        assert_eq!(files(&self.path("tmp")), Vec::<PathBuf>::new());
        assert_eq!(fs::read_dir(self.path("tmp")).unwrap().count(), 0);
        TcpListener::bind(self.address).unwrap();
        ended.unwrap()
    }

    /// Asks it to stop, and it does.
    fn stops(&mut self, signal: Signal) {
        send(self.harness.id(), signal);
        assert_eq!(self.ends().code(), Some(0), "{:?}", self.lines("error"));
        assert_eq!(self.lines("error"), Vec::<Value>::new());
    }

    /// The record's lines of a kind; all of them can be read.
    fn lines(&self, kind: &str) -> Vec<Value> {
        let record = fs::read_to_string(self.path("run/record.jsonl")).unwrap();
        assert!(record.ends_with('\n'));
        let lines = record
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        lines.filter(|line: &Value| line["kind"] == kind).collect()
    }
}

struct Client(TcpStream);

#[derive(Debug)]
struct Response {
    status: u16,
    head: String,
    body: Value,
}

impl Client {
    fn asks(address: SocketAddr, path: &str) -> Client {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        Client(stream)
    }

    fn gets(mut self) -> Response {
        let mut text = String::new();
        self.0.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        Response {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_owned(),
            body: serde_json::from_str(body).unwrap(),
        }
    }
}

fn send(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "not in time: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Every file below a directory, in no order. What vanishes meanwhile is not there.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files(&path)),
            path => found.push(path),
        }
    }
    found
}

fn sqlite3(arguments: &[&str]) -> String {
    let mut shell = Command::new("sqlite3");
    let output = shell.arg(":memory:").args(arguments).output();
    let output = output.expect("the sqlite3 shell is installed");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// The rows of each table that the shell makes of a dump, by number.
fn rows_of(dump: &Path) -> Vec<u64> {
    let read = format!(".read {}", dump.display());
    let names = "SELECT name FROM sqlite_schema WHERE type = 'table'";
    let tables = sqlite3(&[&read, names]);
    let counts: Vec<String> = tables
        .lines()
        .map(|table| format!("SELECT count(*) FROM \"{table}\";"))
        .collect();
    let counts = sqlite3(&[&read, &counts.concat()]);
    let mut rows: Vec<u64> = counts.lines().map(|line| line.parse().unwrap()).collect();
    rows.sort_unstable();
    rows
}

/// The hash of what the shell makes of a dump, as a result has it of the source.
fn content_of(dump: &Path) -> String {
    let database = dump.with_extension("db");
    let mut shell = Command::new("sqlite3");
    let loaded = shell
        .arg(&database)
        .arg(format!(".read {}", dump.display()));
    assert!(loaded.status().unwrap().success());
    let connection = rusqlite::Connection::open(&database).unwrap();
    format!("{:032x}", content_hash(&connection, None).unwrap().hash)
}

#[test]
fn two_hundred_at_once_get_a_whole_dump_or_are_told_when_to_come_back() {
    let mut serving = Serving::start(&["--scale", "0.01", "--queue", "32"]);
    let (threads, open_files) = (serving.count("task"), serving.count("fd"));
    let live = serving.sqlite_live_bytes();
    assert!(live > 0);

    let address = serving.address;
    let together = Barrier::new(200);
    let responses: Vec<Response> = thread::scope(|scope| {
        let ask = || {
            together.wait();
            Client::asks(address, "/dumpdb").gets()
        };
        let clients: Vec<_> = (0..200).map(|_| scope.spawn(ask)).collect();
        let responses = clients.into_iter().map(|client| client.join().unwrap());
        responses.collect()
    });

    let (answered, refused): (Vec<_>, Vec<_>) =
        responses.into_iter().partition(|one| one.status == 200);
    assert!(answered.len() >= 33, "{}", answered.len());
    for response in &refused {
        assert_eq!(response.status, 503, "{response:?}");
        assert_eq!(response.body["status"], "busy");
        let after = response
            .head
            .lines()
            .find_map(|line| line.strip_prefix("retry-after: "));
        assert!(after.unwrap().parse::<u64>().unwrap() >= 1);
    }

    let mut kept = files(&serving.path("dumps"));
    kept.sort_unstable();
    let mut said: Vec<PathBuf> = answered
        .iter()
        .map(|one| one.body["dump"].as_str().unwrap().into())
        .collect();
    said.sort_unstable();
    let whole = |path: &PathBuf| path.canonicalize().unwrap();
    assert_eq!(
        kept.iter().map(whole).collect::<Vec<_>>(),
        said.iter().map(whole).collect::<Vec<_>>()
    );
    let first = fs::read(&kept[0]).unwrap();
    for dump in &kept {
        assert!(fs::read(dump).unwrap() == first, "{}", dump.display());
    }
    assert_eq!(rows_of(&kept[0]), ROWS);

    assert_eq!(serving.sqlite_live_bytes(), live);
    until("connections are closed", || {
        serving.count("fd") <= open_files
    });
    assert_eq!(serving.count("fd"), open_files);
    assert_eq!(serving.count("task"), threads);

    serving.stops(Signal::TERM);
    let result = &serving.lines("result")[0];
    assert_eq!(result["verified"], true);
    assert_eq!(result["cycles"], answered.len());
    assert_eq!(result["rows"], ROWS.iter().sum::<u64>());
    assert_eq!(result["content_hash"], content_of(&kept[0]));
    // With so many at the door, the ledgers of the cycles close.
    for phase in serving.lines("phase") {
        let ledger = &phase["ledger"];
        let rss = ledger["rss_bytes"].as_i64().unwrap();
        let unattributed = ledger["unattributed_bytes"].as_i64().unwrap();
        assert!(unattributed.abs() <= bound_bytes(rss), "{phase}");
    }
}

#[test]
fn ctrl_c_between_two_dumps_is_how_it_ends() {
    let mut serving = Serving::start(&["--scale", "0.01"]);
    assert_eq!(serving.asks("/healthz").gets().status, 200);
    assert_eq!(serving.asks("/dumpdb").gets().status, 200);
    serving.stops(Signal::INT);
    assert_eq!(serving.lines("result").len(), 1);
}

#[test]
fn it_stops_in_order_during_a_dump() {
    let mut serving = Serving::start(&["--scale", "0.1"]);
    let running = serving.asks("/dumpdb");
    serving.dump_is_written();
    let waiting = serving.asks("/dumpdb");
    serving.stops(Signal::TERM);
    // The testee may have finished the one that ran; the one that waited was told.
    let status = running.gets().status;
    assert!([200, 503].contains(&status), "{status}");
    let waiting = waiting.gets();
    assert_eq!(
        (waiting.status, &waiting.body["status"]),
        (503, &"stopping".into())
    );
    for dump in files(&serving.path("dumps")) {
        assert_eq!((status, rows_of(&dump).len()), (200, ROWS.len()));
    }
    assert!(!serving.lines("phase").is_empty());
}

#[test]
fn a_testee_that_is_killed_is_an_error_and_leaves_nothing() {
    let mut serving = Serving::start(&["--scale", "0.1"]);
    let _running = serving.asks("/dumpdb");
    serving.dump_is_written();
    send(serving.testee, Signal::KILL);
    assert_eq!(serving.ends().code(), Some(3));
    let errors = serving.lines("error");
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0]["what"], "killed");
    assert_eq!(files(&serving.path("dumps")), Vec::<PathBuf>::new());
}

#[test]
fn a_client_that_leaves_during_its_dump_leaves_nothing() {
    let mut serving = Serving::start(&["--scale", "0.1"]);
    let live = serving.sqlite_live_bytes();
    let client = serving.asks("/dumpdb");
    serving.dump_is_written();
    drop(client);
    let next = serving.asks("/dumpdb").gets();
    assert_eq!(next.status, 200, "{}", next.body);
    let kept = files(&serving.path("dumps"));
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(rows_of(&kept[0]).iter().max(), Some(&450_000));
    assert_eq!(serving.sqlite_live_bytes(), live);
    serving.stops(Signal::TERM);
}

#[test]
fn bad_usage_is_found_before_anything_is_started() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().port().to_string();
    let insert = "insert-10m[sqlite_allocator=system]";
    for (arguments, named) in [
        (&["--port", taken.as_str()][..], "--port"),
        (&["--port", "eighty"], "--port"),
        (&["--port", "-1"], "--port"),
        (&["--port", "65536"], "--port"),
        (&["--address", "localhost"], "--address"),
        (&["--address", "192.0.2.1", "--port", "0"], "--address"),
        (&["--queue", "-1"], "--queue"),
        (&["--queue", "1000000"], "--queue"),
        (&["--scenario", insert], "snapshot"),
        (&["--scenario", "no-such"], "no-such"),
        (&["--set", "cycles=3"], "cycles"),
        (&["--set", "workers=1,2", "--port", "0"], "--set"),
        (&["--keep-dumps", "missing"], "--keep-dumps"),
    ] {
        let directory = directory();
        // At its full size it might not fit into memory, which is bad usage too.
        let mut command = program(directory.path(), &["--scale", "0.01"]);
        // Given twice it would be another error.
        if arguments[0] == "--keep-dumps" {
            fs::remove_dir(directory.path().join("dumps")).unwrap();
        } else {
            command.args(arguments);
        }
        let output = command.stderr(Stdio::piped()).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(errors.contains(named), "{arguments:?}: {errors}");
        assert!(output.stdout.is_empty());
        assert!(!directory.path().join("run").exists(), "{arguments:?}");
    }
}
