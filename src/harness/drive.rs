//! Asks a testee that serves HTTP for its cycles, one after the other, as the report's own test does.

use std::io;
use std::net::SocketAddr;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ureq::Agent;

use crate::scenario::{Scenario, Workload};

/// An answer is a ledger and some numbers; of a longer one no more is read.
const ANSWER_LIMIT_BYTES: u64 = 16 * 1024 * 1024;
/// How much of an unexpected answer an error message shows.
const SHOWN_CHARACTERS: usize = 500;
/// For what a testee that has ended has still sent.
const LAST_ANSWER: Duration = Duration::from_secs(1);

/// Whether the testee of this scenario serves HTTP.
pub fn serves(scenario: &Scenario) -> bool {
    match scenario.workload {
        Workload::Insert(_) | Workload::Fault(_) => false,
        Workload::Snapshot(_) => true,
    }
}

/// How many cycles there are; `None` where the testee serves until it is stopped.
fn cycles(scenario: &Scenario) -> Option<u32> {
    match &scenario.workload {
        Workload::Insert(_) | Workload::Fault(_) => None,
        Workload::Snapshot(options) => options.cycles,
    }
}

/// Lets the testee of this scenario serve until it is stopped.
pub fn serve_until_stopped(scenario: &mut Scenario) {
    match &mut scenario.workload {
        Workload::Insert(_) | Workload::Fault(_) => {}
        Workload::Snapshot(options) => options.cycles = None,
    }
}

/// The client of a testee, on a thread of its own. Dropping it breaks off what it waits for.
#[derive(Debug)]
pub(super) struct Driver {
    agent: Agent,
    thread: Option<JoinHandle<Result<(), String>>>,
    trouble: Option<String>,
}

impl Driver {
    /// Begins to ask `address`, as often as `scenario` has cycles.
    pub(super) fn start(scenario: &Scenario, address: SocketAddr) -> io::Result<Driver> {
        Driver::begin(cycles(scenario), address)
    }

    fn begin(cycles: Option<u32>, address: SocketAddr) -> io::Result<Driver> {
        // No time limit: a cycle may take as long as the limits of its scenario let it. No proxy,
        // whatever the environment says: the testee is on this machine.
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .build();
        let agent = Agent::new_with_config(config);
        let client = agent.clone();
        let thread = thread::Builder::new()
            .name("driver".into())
            .spawn(move || drive(&client, address, cycles))?;
        Ok(Driver {
            agent,
            thread: Some(thread),
            trouble: None,
        })
    }

    /// What went wrong; `None` also while it goes on.
    pub(super) fn trouble(&mut self) -> Option<&str> {
        if self.thread.as_ref().is_some_and(JoinHandle::is_finished) {
            self.join();
        }
        self.trouble.as_deref()
    }

    /// The same for a testee that has ended, so that nothing is left to wait for.
    pub(super) fn last_trouble(&mut self) -> Option<&str> {
        let patience = Instant::now() + LAST_ANSWER;
        while self
            .thread
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
            && Instant::now() < patience
        {
            thread::sleep(Duration::from_millis(1));
        }
        self.trouble()
    }

    fn join(&mut self) {
        let ended = self.thread.take().map(JoinHandle::join);
        self.trouble = match ended {
            Some(Ok(Err(message))) => Some(message),
            Some(Err(_)) => Some("the thread that asks for cycles panicked".to_owned()),
            Some(Ok(Ok(()))) | None => None,
        };
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.agent.clone().shutdown();
        self.join();
    }
}

fn drive(agent: &Agent, address: SocketAddr, cycles: Option<u32>) -> Result<(), String> {
    let url = format!("http://{address}/dumpdb");
    let mut cycle = 0;
    while cycles.is_none_or(|cycles| cycle < cycles) {
        cycle += 1;
        ask(agent, &url).map_err(|what| format!("GET {url} for cycle {cycle}: {what}"))?;
    }
    Ok(())
}

fn ask(agent: &Agent, url: &str) -> Result<(), String> {
    let mut response = agent.get(url).call().map_err(|error| error.to_string())?;
    let status = response.status();
    let body = response.body_mut().with_config();
    let body = body.limit(ANSWER_LIMIT_BYTES).lossy_utf8(true);
    let body = body.read_to_string();
    match body {
        Ok(_) if status.as_u16() == 200 => Ok(()),
        Ok(body) => {
            let shown: String = body.chars().take(SHOWN_CHARACTERS).collect();
            Err(format!("status {status}: {shown}"))
        }
        Err(error) => Err(format!("status {status}, and then {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    /// Answers each request with the next of `answers`, then closes.
    fn server(answers: &'static [&'static str]) -> (SocketAddr, JoinHandle<usize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            drop(listener);
            let asked = answers.iter().filter(|answer| {
                let asked = is_asked(&mut stream);
                asked && stream.write_all(answer.as_bytes()).is_ok()
            });
            asked.count()
        });
        (address, thread)
    }

    fn is_asked(stream: &mut TcpStream) -> bool {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read(&mut byte).unwrap_or(0) == 0 {
                return false;
            }
            head.push(byte[0]);
        }
        head.starts_with(b"GET /dumpdb HTTP/1.1\r\n")
    }

    fn ends(driver: &mut Driver) -> Option<String> {
        while driver
            .thread
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
        {
            thread::sleep(Duration::from_millis(1));
        }
        driver.trouble().map(str::to_owned)
    }

    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    const STOPPING: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nstop";

    #[test]
    fn it_asks_as_often_as_it_should() {
        let (address, server) = server(&[OK, OK, OK]);
        let mut driver = Driver::begin(Some(2), address).unwrap();
        assert_eq!(ends(&mut driver), None);
        drop(driver);
        assert_eq!(server.join().unwrap(), 2);
    }

    #[test]
    fn another_status_is_trouble_that_names_everything() {
        let (address, _server) = server(&[OK, STOPPING]);
        let trouble = ends(&mut Driver::begin(None, address).unwrap()).unwrap();
        for part in [
            &format!("http://{address}/dumpdb"),
            "cycle 2",
            "503",
            "stop",
        ] {
            assert!(trouble.contains(part), "{trouble}");
        }
    }

    #[test]
    fn a_connection_that_breaks_is_trouble() {
        let (address, _server) = server(&[OK]);
        let trouble = ends(&mut Driver::begin(None, address).unwrap());
        assert!(trouble.unwrap().contains("for cycle 2"));
    }

    #[test]
    fn it_ends_while_it_waits_for_an_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut driver = Driver::begin(None, listener.local_addr().unwrap()).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        assert!(is_asked(&mut stream));
        assert_eq!(driver.trouble(), None);
        let began = Instant::now();
        drop(driver);
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}
