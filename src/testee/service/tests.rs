use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

fn service(queue: u32) -> Service {
    Service::start(&ServiceOptions {
        queue,
        ..ServiceOptions::default()
    })
    .unwrap()
}

fn ready(queue: u32) -> Service {
    let service = service(queue);
    service.ready();
    service
}

struct Client(TcpStream);

struct Response {
    status: u16,
    head: String,
    body: serde_json::Value,
}

impl Response {
    fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value)
    }

    fn status_word(&self) -> &str {
        self.body["status"].as_str().unwrap()
    }
}

impl Client {
    fn sends(address: SocketAddr, text: &str) -> Client {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        Client(stream)
    }

    fn to(address: SocketAddr, what: &str) -> Client {
        Client::sends(
            address,
            &format!("{what} HTTP/1.1\r\nhost: localhost:1\r\nconnection: close\r\n\r\n"),
        )
    }

    fn asks(service: &Service, what: &str) -> Client {
        Client::to(service.address(), what)
    }

    fn gets(self) -> Response {
        let mut input = BufReader::new(self.0);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(input.read_line(&mut head).unwrap(), 0, "{head:?}");
        }
        let length = |line: &str| line.strip_prefix("content-length: ")?.parse().ok();
        let length = head.lines().find_map(length).unwrap_or(0);
        let mut body = Vec::new();
        input.take(length).read_to_end(&mut body).unwrap();
        Response {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        }
    }
}

fn ask(service: &Service, what: &str) -> Response {
    Client::asks(service, what).gets()
}

fn next(service: &Service) -> Request {
    service.requests().recv_timeout(PATIENCE).unwrap()
}

fn next_dump(service: &Service) -> Reply {
    match next(service) {
        Request::Dump(reply) => reply,
        Request::Memory(_) => panic!("a ledger was asked for"),
    }
}

fn nothing_comes(service: &Service) {
    let next = service.requests().recv_timeout(Duration::from_millis(50));
    assert!(matches!(next, Err(RecvTimeoutError::Timeout)), "{next:?}");
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// As many clients wait for a dump, in the order in which they came.
fn waiting(service: &Service, number: u32) -> Vec<Client> {
    let already = service.shared.dump.waiting();
    (1..=number)
        .map(|nth| {
            let client = Client::asks(service, "GET /dumpdb");
            until("it waits", || {
                service.shared.dump.waiting() == already + nth
            });
            client
        })
        .collect()
}

#[test]
fn what_is_asked_arrives_and_what_is_answered_arrives() {
    let service = ready(0);
    let client = Client::asks(&service, "GET /dumpdb?file=/etc/passwd");
    let reply = next_dump(&service);
    assert!(!reply.is_gone());
    reply.answer(r#"{"cycle":1}"#.to_owned());
    let response = client.gets();
    assert_eq!(response.status, 200);
    assert_eq!(response.body, serde_json::json!({"cycle": 1}));
    assert_eq!(response.header("content-type"), Some("application/json"));

    let client = Client::asks(&service, "GET /memory");
    let Request::Memory(reply) = next(&service) else {
        panic!("a dump was asked for");
    };
    reply.fail("io", "no \"ledger\"");
    let response = client.gets();
    assert_eq!(response.status, 500);
    assert_eq!(response.body["message"], "no \"ledger\"");
    assert_eq!(response.body["what"], "io");
}

#[test]
fn nothing_is_handed_over_before_the_database_is_filled() {
    let service = service(1);
    for path in ["/dumpdb", "/memory", "/healthz"] {
        let response = ask(&service, &format!("GET {path}"));
        assert_eq!((response.status, response.status_word()), (503, "filling"));
        assert_eq!(response.header("retry-after"), Some("1"));
    }
    nothing_comes(&service);
    service.ready();
    let response = ask(&service, "GET /healthz");
    assert_eq!((response.status, response.status_word()), (200, "ready"));
}

#[test]
fn dumps_come_one_at_a_time_and_in_order() {
    let service = ready(3);
    let first = Client::asks(&service, "GET /dumpdb");
    let mut reply = next_dump(&service);
    let mut clients = vec![first];
    clients.extend(waiting(&service, 3));
    for (number, client) in clients.into_iter().enumerate() {
        nothing_comes(&service);
        reply.answer(number.to_string());
        assert_eq!(client.gets().body, number);
        if number < 3 {
            reply = next_dump(&service);
        } else {
            break;
        }
    }
    nothing_comes(&service);
}

#[test]
fn who_asks_one_after_the_other_needs_no_place_to_wait() {
    let service = ready(0);
    let address = service.address();
    let client = thread::spawn(move || {
        for _ in 0..500 {
            assert_eq!(Client::to(address, "GET /dumpdb").gets().status, 200);
        }
    });
    for _ in 0..500 {
        next_dump(&service).answer("{}".to_owned());
    }
    client.join().unwrap();
}

#[test]
fn one_more_than_may_wait_is_told_when_to_come_back() {
    let service = ready(2);
    let slow = Client::asks(&service, "GET /dumpdb");
    let reply = next_dump(&service);
    thread::sleep(Duration::from_millis(1_100));
    reply.answer("{}".to_owned());
    slow.gets();
    let running = Client::asks(&service, "GET /dumpdb");
    let reply = next_dump(&service);
    let waiting = waiting(&service, 2);
    let response = ask(&service, "GET /dumpdb");
    assert_eq!((response.status, response.status_word()), (503, "busy"));
    // 1.1 s twice, rounded up; more where the machine was slow.
    let seconds = response.header("retry-after").unwrap();
    let seconds: u64 = seconds.parse().unwrap();
    assert!((3..10).contains(&seconds), "{seconds}");
    assert_eq!(response.body["retry_after_seconds"], seconds);
    // Ledgers have places of their own.
    let ledger = Client::asks(&service, "GET /memory");
    let Request::Memory(memory) = next(&service) else {
        panic!("a second dump runs");
    };
    memory.answer("1".to_owned());
    assert_eq!(ledger.gets().status, 200);
    reply.answer("2".to_owned());
    assert_eq!(running.gets().status, 200);
    for client in waiting {
        next_dump(&service).answer("3".to_owned());
        assert_eq!(client.gets().status, 200);
    }
}

#[test]
fn ledgers_are_bounded_too() {
    let service = ready(0);
    let places = MEMORY_QUEUE + 1;
    let asked: Vec<_> = (0..places + 2)
        .map(|_| Client::asks(&service, "GET /memory"))
        .collect();
    until("all have arrived", || {
        service.shared.memory.waiting() == MEMORY_QUEUE
    });
    assert_eq!(ask(&service, "GET /memory").status, 503);
    for _ in 0..places {
        match next(&service) {
            Request::Memory(reply) => reply.answer("{}".to_owned()),
            Request::Dump(_) => panic!("nobody asked for a dump"),
        }
    }
    let statuses: Vec<u16> = asked.into_iter().map(|asked| asked.gets().status).collect();
    let answered = statuses.iter().filter(|status| **status == 200).count();
    assert_eq!(answered, places as usize, "{statuses:?}");
}

#[test]
fn who_goes_away_frees_the_place() {
    let service = ready(2);
    let _running = Client::asks(&service, "GET /dumpdb");
    let reply = next_dump(&service);
    let mut clients = waiting(&service, 2);
    drop(clients.remove(0));
    until("a place is free", || service.shared.dump.waiting() == 1);
    clients.extend(waiting(&service, 1));
    assert_eq!(ask(&service, "GET /dumpdb").status, 503);
    // The one that left is not run; the two that stayed are.
    reply.answer("0".to_owned());
    for (number, client) in clients.into_iter().enumerate() {
        next_dump(&service).answer(number.to_string());
        assert_eq!(client.gets().body, number);
    }
    nothing_comes(&service);
}

#[test]
fn who_goes_away_while_it_runs_is_seen_and_keeps_its_turn() {
    let service = ready(1);
    let client = Client::asks(&service, "GET /dumpdb");
    let reply = next_dump(&service);
    drop(client);
    until("it is seen", || reply.is_gone());
    let other = waiting(&service, 1).remove(0);
    nothing_comes(&service);
    drop(reply);
    next_dump(&service).answer("1".to_owned());
    assert_eq!(other.gets().status, 200);
}

#[test]
fn stopping_answers_everybody() {
    let service = ready(8);
    let address = service.address();
    let answered = Client::asks(&service, "GET /dumpdb");
    let reply = next_dump(&service);
    let waiting = waiting(&service, 3);
    // One of them gets its turn with this, and is not looked at any more.
    reply.answer("1".to_owned());
    let began = Instant::now();
    service.stop();
    assert!(began.elapsed() < Duration::from_secs(4));
    assert_eq!(answered.gets().status, 200);
    for client in waiting {
        let response = client.gets();
        assert_eq!((response.status, response.status_word()), (503, "stopping"));
    }
    assert!(TcpStream::connect(address).is_err());
    bind(address).unwrap();
}

#[test]
fn a_request_that_is_dropped_is_answered() {
    let service = ready(0);
    let client = Client::asks(&service, "GET /dumpdb");
    drop(next_dump(&service));
    assert_eq!(client.gets().status_word(), "stopping");
}

#[test]
fn stopping_does_not_wait_for_who_says_nothing() {
    let service = ready(0);
    let _silent = Client::sends(service.address(), "");
    let _slow = Client::sends(service.address(), "GET /dumpdb HTTP/1.1\r\nx:");
    let began = Instant::now();
    drop(service);
    assert!(began.elapsed() < Duration::from_secs(4));
}

#[test]
fn stopping_does_not_wait_for_a_reply_that_is_held() {
    let service = ready(0);
    let client = Client::asks(&service, "GET /dumpdb");
    let reply = next_dump(&service);
    let began = Instant::now();
    drop(service);
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(client.gets().status_word(), "stopping");
    assert!(reply.is_gone());
}

#[test]
fn other_paths_and_methods_run_nothing() {
    let service = ready(0);
    for path in ["/", "/dumpdb/", "/dumpdb/x", "/../etc/passwd", "//dumpdb"] {
        let response = ask(&service, &format!("GET {path}"));
        assert_eq!(
            (response.status, response.status_word()),
            (404, "not-found")
        );
    }
    for method in ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
        for path in ["/dumpdb", "/memory", "/healthz"] {
            let response = ask(&service, &format!("{method} {path}"));
            assert_eq!(response.status, 405, "{method} {path}");
            assert_eq!(response.header("allow"), Some("GET"));
        }
    }
    nothing_comes(&service);
}

#[test]
fn a_page_of_another_site_runs_nothing() {
    let service = ready(0);
    let with = |headers: &str| {
        let text = format!("GET /healthz HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
        Client::sends(service.address(), &text).gets().status
    };
    for host in [
        "localhost",
        "LOCALHOST:8890",
        "127.0.0.1",
        "[::1]:1",
        "[::1]",
    ] {
        assert_eq!(with(&format!("host: {host}\r\n")), 200, "{host}");
    }
    for host in [
        "example.org",
        "localhost.example.org:80",
        "192.0.2.1",
        "",
        "a b",
    ] {
        assert_eq!(with(&format!("host: {host}\r\n")), 421, "{host}");
    }
    assert_eq!(with("host: localhost\r\nhost: example.org\r\n"), 421);
    assert_eq!(with("host: localhost\r\nsec-fetch-site: none\r\n"), 200);
    assert_eq!(
        with("host: localhost\r\nsec-fetch-site: cross-site\r\n"),
        403
    );
    // Not a browser.
    assert_eq!(with(""), 200);
}

#[test]
fn what_is_no_request_harms_nobody() {
    let service = ready(0);
    let mut clients = vec![
        Client::sends(service.address(), "\r\n\r\n\0\0garbage\r\n\r\n"),
        Client::sends(
            service.address(),
            &format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(100_000)),
        ),
        Client::sends(
            service.address(),
            "GET /healthz HTTP/1.1\r\ncontent-length: 9999\r\n\r\n",
        ),
    ];
    for _ in 0..100 {
        clients.push(Client::sends(service.address(), "GET /"));
    }
    assert_eq!(ask(&service, "GET /healthz").status, 200);
    drop(clients);
    let memory = Client::asks(&service, "GET /memory");
    match next(&service) {
        Request::Memory(reply) => reply.answer("{}".to_owned()),
        Request::Dump(_) => panic!("nobody asked for a dump"),
    }
    assert_eq!(memory.gets().status, 200);
}

#[test]
fn a_port_in_use_is_an_error_that_says_what_to_do() {
    let service = service(0);
    let error = Service::start(&ServiceOptions {
        address: service.address(),
        ..ServiceOptions::default()
    })
    .unwrap_err()
    .to_string();
    assert!(error.contains(&service.address().to_string()), "{error}");
    assert!(error.contains("--port"), "{error}");
}

#[test]
fn it_has_one_thread() {
    let named = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names = tasks
            .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
        names.filter(|name| name.starts_with("tokio")).count()
    };
    let service = ready(0);
    assert_eq!(ask(&service, "GET /healthz").status, 200);
    assert_eq!(named(), 0);
}
