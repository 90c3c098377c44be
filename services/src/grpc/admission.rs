//! What every request of a gRPC port passes: its connection counts as busy, its message has to arrive in time, and one
//! address has only so many requests served at the same time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::timeout;
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use super::connection::Caller;
use super::long::{Bounds, Measured};
use crate::accept::{Counts, Fair};
use crate::gateway::trace_id;
use crate::held::Held;

/// How long a request waits for its turn where its address has too many in service.
const WAIT: Duration = Duration::from_secs(1);
/// When gRPC's own clients may try again, in milliseconds.
const PUSHBACK: (&str, &str) = ("grpc-retry-pushback-ms", "1000");
/// The one request that may go on as long as it moves; its handler sees to that.
const UPLOAD: &str = "/transfer.v1.TransferService/Upload";
/// Requests whose answers may come bit by bit, and with pauses.
const STREAMING: [&str; 7] = [
    UPLOAD,
    "/transfer.v1.TransferService/Download",
    "/catalog.v1.CatalogService/Watch",
    "/chord.v1.IndexService/WatchSearch",
    "/chord.v1.IndexService/Scan",
    "/chord.v1.NodeService/WatchEvents",
    "/grpc.health.v1.Health/Watch",
];

/// What one port takes in; shared by all its requests.
#[derive(Debug)]
pub struct Rules {
    /// Requests of one address that are served at the same time.
    pub in_service: Fair,
    /// And those that wait for that.
    pub waiting: Fair,
    /// For their messages.
    pub bounds: Bounds,
    /// Where refused ones are counted.
    pub counts: Counts,
}

impl Rules {
    fn refuse(&self) -> http::Response<Body> {
        self.counts.limited.inc();
        let many = "your address has too many requests in service; ask again later";
        let mut refusal = Status::resource_exhausted(many).into_http::<Body>();
        refusal.headers_mut().insert(PUSHBACK.0, http::HeaderValue::from_static(PUSHBACK.1));
        refusal
    }
}

/// A service behind [`Rules`].
#[derive(Debug, Clone)]
pub struct Admission<S> {
    inner: S,
    rules: Arc<Rules>,
}

impl<S> Admission<S> {
    /// `inner`, behind these.
    pub fn new(inner: S, rules: Arc<Rules>) -> Admission<S> {
        Admission { inner, rules }
    }
}

impl<S> Service<http::Request<Body>> for Admission<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = http::Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<http::Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        log_trace(&request);
        let next = self.inner.clone();
        // The one that was polled ready.
        let mut inner = std::mem::replace(&mut self.inner, next);
        let Some(Caller { visit, unread }) = request.extensions_mut().remove() else {
            return Box::pin(inner.call(request));
        };
        let rules = self.rules.clone();
        let busy = visit.begin();
        let source = visit.source();
        let streaming =
            STREAMING.contains(&request.uri().path()) || request.uri().path().contains("ServerReflection");
        if request.uri().path() != UPLOAD {
            request = request.map(|body| Body::new(Measured::new(body, source, rules.bounds.clone())));
        }
        Box::pin(async move {
            let Some(waits) = rules.waiting.try_take(source) else { return Ok(rules.refuse()) };
            let Ok(turn) = timeout(WAIT, rules.in_service.take(source)).await else {
                return Ok(rules.refuse());
            };
            drop(waits);
            let response = inner.call(request).await?;
            // A stream goes on for as long as it has to say something; other bounds are its service's.
            let held = (!streaming).then(|| (turn, unread.begin()));
            Ok(response.map(|body| Body::new(Held::new(body, (busy, held)))))
        })
    }
}
/// Says to which trace a call belongs, so that the log of a request through the gateway goes on here.
fn log_trace(request: &http::Request<Body>) {
    if tracing::enabled!(tracing::Level::DEBUG)
        && let Some(trace) = trace_id(request.headers())
    {
        tracing::debug!(path = request.uri().path(), trace, "call");
    }
}
