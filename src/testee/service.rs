//! The HTTP service of a testee that is asked for its cycles.
//!
//! One thread speaks HTTP and does nothing else: it hands requests to the thread that holds the
//! database, one at a time, and waits for the answer without blocking. It has no worker threads, so
//! that a ledger sees one more stack and, under glibc, one more arena, and not many.
//!
//! What a client sends besides method and path steers nothing; where a dump goes is never its
//! choice.

mod http;
mod lane;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, oneshot};

use lane::{Lane, Turn};

/// `GET /memory` that may wait beside the one that is answered.
const MEMORY_QUEUE: u32 = 4;
/// Each lane has at most one request with the main thread.
const REQUESTS_IN_FLIGHT: usize = 2;

/// Where a testee serves, and how much it lets wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceOptions {
    /// Port 0 stands for any that is free.
    pub address: SocketAddr,
    /// `GET /dumpdb` that may wait beside the one that runs; one more is turned away.
    pub queue: u32,
    /// The directory where each dump is kept, as `dump-CYCLE.sql`, with `.gz` where it is compressed.
    /// `None`: a cycle removes its dump.
    pub keep_dumps: Option<PathBuf>,
}

impl Default for ServiceOptions {
    /// For a caller that asks for one cycle after the other: any free port of this machine alone.
    fn default() -> Self {
        ServiceOptions {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            queue: 0,
            keep_dumps: None,
        }
    }
}

/// Why there is no service.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be had. The message is whole and says what to do.
    #[error("cannot listen on {address}: {cause}; {}", remedy(cause))]
    Bind {
        /// As asked for.
        address: SocketAddr,
        /// The system's words.
        cause: io::Error,
    },
    /// No thread, or nothing to wait for sockets with.
    #[error("cannot start the HTTP thread: {0}")]
    Thread(io::Error),
}

fn remedy(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::AddrInUse => "choose another port with --port, or 0 for any that is free",
        io::ErrorKind::PermissionDenied => {
            "choose a port above 1023 with --port, or 0 for any that is free"
        }
        io::ErrorKind::AddrNotAvailable => {
            "choose an address of this machine with --address, such as 127.0.0.1"
        }
        _ => "choose another one with --address and --port",
    }
}

/// Opens the port of a service, for whoever wants to know beforehand whether it can be had.
pub fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).map_err(|cause| Error::Bind { address, cause })
}

/// What a client asks for. Dropping one unanswered tells the client that the service is stopping.
#[derive(Debug)]
pub enum Request {
    /// Run a cycle.
    Dump(Reply),
    /// Take a ledger.
    Memory(Reply),
}

/// The way back to a client, and the turn that it has until this is dropped.
#[derive(Debug)]
pub struct Reply {
    sender: oneshot::Sender<Answer>,
    turn: Turn,
}

/// Status and JSON.
type Answer = (StatusCode, String);

impl Reply {
    /// Whether the client has gone away, so that an answer would go nowhere.
    pub fn is_gone(&self) -> bool {
        self.sender.is_closed()
    }

    /// Status 200. `json` goes out as it is.
    pub fn answer(self, json: String) {
        self.turn.was_used();
        self.send(StatusCode::OK, json);
    }

    /// Status 500. `what` is a short word as in an `error` line, `message` is for a person.
    pub fn fail(self, what: &str, message: &str) {
        let body = serde_json::json!({"status": "failed", "what": what, "message": message});
        self.send(StatusCode::INTERNAL_SERVER_ERROR, body.to_string());
    }

    fn send(self, status: StatusCode, body: String) {
        let Reply { sender, turn } = self;
        // First: a client that has its answer may ask again at once, and must find its place free.
        drop(turn);
        // A client that is gone needs no answer.
        let _ = sender.send((status, body));
    }
}

/// A listening service. Dropping it stops it, as [`Service::stop`] does.
#[derive(Debug)]
pub struct Service {
    address: SocketAddr,
    shared: Arc<Shared>,
    requests: Receiver<Request>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What both threads see.
#[derive(Debug)]
struct Shared {
    bound: SocketAddr,
    ready: AtomicBool,
    dump: Arc<Lane>,
    memory: Arc<Lane>,
    /// Closed when the service stops, and good for nothing else.
    stopping: Semaphore,
    requests: SyncSender<Request>,
}

impl Service {
    /// Binds and begins to answer: until [`Service::ready`], that the database is being filled.
    pub fn start(options: &ServiceOptions) -> Result<Service, Error> {
        let address = options.address;
        let unbound = |cause| Error::Bind { address, cause };
        let listener = bind(address)?;
        let bound = listener.local_addr().map_err(unbound)?;
        listener.set_nonblocking(true).map_err(unbound)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(Error::Thread)?;
        let (sender, requests) = sync_channel(REQUESTS_IN_FLIGHT);
        let shared = Arc::new(Shared {
            bound,
            ready: AtomicBool::new(false),
            dump: Arc::new(Lane::new(options.queue)),
            memory: Arc::new(Lane::new(MEMORY_QUEUE)),
            stopping: Semaphore::new(0),
            requests: sender,
        });
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("http".into())
            .spawn(move || runtime.block_on(http::serve(listener, served, stopped)))
            .map_err(Error::Thread)?;
        Ok(Service {
            address: bound,
            shared,
            requests,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens; never port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on requests come through.
    pub fn ready(&self) {
        self.shared.ready.store(true, Ordering::Release);
    }

    /// The next request, at most one of each kind at a time: the next one of a kind comes when the
    /// [`Reply`] of the one before was used or dropped. Without end until [`Service::stop`].
    pub fn requests(&self) -> &Receiver<Request> {
        &self.requests
    }

    /// Takes no more connections, answers with 503 who has no answer yet, also where its [`Reply`]
    /// is still held, lets answers that were given reach their clients, and ends the thread: within
    /// about two seconds.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.shared.dump.close();
        self.shared.memory.close();
        self.shared.stopping.close();
        // Drops those that have a turn and were not looked at, and keeps more from coming.
        self.requests = sync_channel(0).1;
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
