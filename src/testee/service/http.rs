//! What goes over the wire: connections, routes, and who is let in.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{self, State};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderName, HeaderValue, RETRY_AFTER,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::any;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};

use super::lane::{Lane, Refused};
use super::{Reply, Request, Shared};

/// Open at a time; more wait for the kernel to hand them over. Within the usual 1024 open files.
const CONNECTIONS: usize = 512;
/// For the whole head of a request, and so for a connection that asks for nothing.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A longer head is refused.
const HEAD_BYTES: usize = 16 * 1024;
/// After a connection that could not be taken, mostly because too many files are open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// For clients to take the answers that they were given.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);
/// Until a database that is being filled is worth asking for again.
const FILLING_RETRY: Duration = Duration::from_secs(1);

/// The HTTP thread, until `stop`.
pub(super) async fn serve(
    listener: std::net::TcpListener,
    shared: Arc<Shared>,
    stop: oneshot::Receiver<()>,
) {
    let graceful = GracefulShutdown::new();
    // Fails where the socket cannot be waited for; then nobody is answered, and `stop` is heard.
    match TcpListener::from_std(listener) {
        Ok(listener) => {
            let _: Option<Infallible> =
                unless(stop, accept(listener, router(shared), &graceful)).await;
        }
        Err(_) => drop(stop.await),
    }
    let _ = tokio::time::timeout(FLUSH_TIMEOUT, graceful.shutdown()).await;
}

/// What `work` comes to, or `None` where `stop` is over before. Drops both.
async fn unless<T>(stop: impl Future, work: impl Future<Output = T>) -> Option<T> {
    let (mut stop, mut work) = (pin!(stop), pin!(work));
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => stop.as_mut().poll(context).map(|_| None),
    })
    .await
}

async fn accept(listener: TcpListener, router: Router, graceful: &GracefulShutdown) -> Infallible {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES);
    let take = async || -> io::Result<_> {
        let place = Arc::clone(&places).acquire_owned().await;
        let (stream, _) = listener.accept().await?;
        Ok((place, stream))
    };
    loop {
        let Ok((place, stream)) = take().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let connection = connection(&server, stream, router.clone());
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // A client that breaks off, or says nothing in time, is no business of the testee's.
            let _ = connection.await;
            drop(place);
        });
    }
}

type Connection = http1::Connection<TokioIo<TcpStream>, TowerToHyperService<Router>>;

fn connection(server: &http1::Builder, stream: TcpStream, router: Router) -> Connection {
    let _ = stream.set_nodelay(true);
    server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/dumpdb", any(dump))
        .route("/memory", any(memory))
        .route("/healthz", any(health))
        .route_layer(middleware::from_fn(only_get))
        .fallback(|| async { error(StatusCode::NOT_FOUND, "not-found", PATHS) })
        .layer(middleware::from_fn_with_state(shared.bound, no_strangers))
        .with_state(shared)
}

const PATHS: &str = "there are GET /dumpdb, GET /memory and GET /healthz";

/// HEAD too would run a cycle.
async fn only_get(request: extract::Request, next: Next) -> Response {
    if request.method() == Method::GET {
        return next.run(request).await;
    }
    let mut response = error(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", PATHS);
    let get = HeaderValue::from_static("GET");
    response.headers_mut().insert(ALLOW, get);
    response
}

/// A page in a browser must not run cycles: neither one whose name was made to point here (DNS
/// rebinding shows in `Host`), nor one that just links here.
async fn no_strangers(
    State(bound): State<SocketAddr>,
    request: extract::Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    if bound.ip().is_loopback() && !hosts_are_here(headers, request.uri().authority(), bound.ip()) {
        let message = format!("the Host of a request must be localhost or {}", bound.ip());
        return error(StatusCode::MISDIRECTED_REQUEST, "wrong-host", &message);
    }
    let site = HeaderName::from_static("sec-fetch-site");
    if headers.get(site).is_some_and(|site| site == "cross-site") {
        let message = "a page of another site may not ask; open this address itself";
        return error(StatusCode::FORBIDDEN, "cross-site", message);
    }
    next.run(request).await
}

/// No browser leaves `Host` out, so who does is none.
fn hosts_are_here(headers: &HeaderMap, target: Option<&Authority>, bound: IpAddr) -> bool {
    let here = |authority: &Authority| {
        let host = authority.host();
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        let address = literal.parse::<IpAddr>();
        host.eq_ignore_ascii_case("localhost")
            || address.is_ok_and(|address| address.is_loopback() || address == bound)
    };
    let header_here = |value: &HeaderValue| {
        Authority::try_from(value.as_bytes()).is_ok_and(|authority| here(&authority))
    };
    target.is_none_or(here) && headers.get_all(HOST).iter().all(header_here)
}

async fn health(State(shared): State<Arc<Shared>>) -> Response {
    match shared.is_ready() {
        true => json(StatusCode::OK, json!({"status": "ready"}).to_string()),
        false => filling(),
    }
}

async fn dump(State(shared): State<Arc<Shared>>) -> Response {
    shared.ask(&shared.dump, Request::Dump).await
}

async fn memory(State(shared): State<Arc<Shared>>) -> Response {
    shared.ask(&shared.memory, Request::Memory).await
}

impl Shared {
    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Comes when nobody will answer any more.
    async fn stopped(&self) {
        // It has no permits: this returns when it is closed.
        let _ = self.stopping.acquire().await;
    }

    /// Waits for the turn, hands the request over, and waits for its answer.
    async fn ask(&self, lane: &Arc<Lane>, request: fn(Reply) -> Request) -> Response {
        if !self.is_ready() {
            return filling();
        }
        let turn = match lane.turn().await {
            Ok(turn) => turn,
            Err(Refused::Closed) => return stopping(),
            Err(Refused::Full {
                waiting,
                retry_after,
            }) => {
                let seconds = retry_after.as_secs();
                let body =
                    json!({"status": "busy", "waiting": waiting, "retry_after_seconds": seconds});
                return retry(body, retry_after);
            }
        };
        let (sender, answer) = oneshot::channel();
        // There is room for one of each kind, so it fails only where nobody receives any more.
        if self
            .requests
            .try_send(request(Reply { sender, turn }))
            .is_err()
        {
            return stopping();
        }
        match unless(self.stopped(), answer).await {
            Some(Ok((status, body))) => json(status, body),
            Some(Err(_)) | None => stopping(),
        }
    }
}

fn filling() -> Response {
    retry(json!({"status": "filling"}), FILLING_RETRY)
}

fn stopping() -> Response {
    let body = json!({"status": "stopping"});
    json(StatusCode::SERVICE_UNAVAILABLE, body.to_string())
}

fn retry(body: serde_json::Value, after: Duration) -> Response {
    let mut response = json(StatusCode::SERVICE_UNAVAILABLE, body.to_string());
    let after = HeaderValue::from(after.as_secs());
    response.headers_mut().insert(RETRY_AFTER, after);
    response
}

fn error(status: StatusCode, name: &str, message: &str) -> Response {
    json(
        status,
        json!({"status": name, "message": message}).to_string(),
    )
}

fn json(status: StatusCode, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("application/json");
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
