//! Counts the calls that a gRPC server answers, and the bytes of their messages.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt as _;
use tower::{Layer, Service};

/// What has passed, by method: calls, and bytes of requests and answers as gRPC frames them (each message and five
/// bytes before it), without the frames and headers of HTTP/2. Shared by all servers that count into it.
#[derive(Clone, Default)]
pub struct Traffic(Arc<Mutex<BTreeMap<String, Arc<Counter>>>>);

#[derive(Default)]
struct Counter {
    calls: AtomicU64,
    bytes: AtomicU64,
}

/// Calls and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    pub calls: u64,
    pub bytes: u64,
}

impl Traffic {
    /// What has passed so far, by the method's name.
    pub fn passed(&self) -> BTreeMap<String, Passed> {
        let methods = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let passed = |counter: &Counter| Passed { calls: read(&counter.calls), bytes: read(&counter.bytes) };
        methods.iter().map(|(method, counter)| (method.clone(), passed(counter))).collect()
    }

    /// What has passed since then, methods without calls left out.
    pub fn since(&self, before: &BTreeMap<String, Passed>) -> BTreeMap<String, Passed> {
        let mut passed = self.passed();
        for (method, now) in &mut passed {
            let before = before.get(method).copied().unwrap_or_default();
            *now = Passed { calls: now.calls - before.calls, bytes: now.bytes - before.bytes };
        }
        passed.retain(|_, passed| passed.calls > 0);
        passed
    }

    fn counter(&self, path: &str) -> Arc<Counter> {
        let method = path.rsplit('/').next().unwrap_or(path);
        let mut methods = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match methods.get(method) {
            Some(counter) => counter.clone(),
            None => methods.entry(method.to_owned()).or_default().clone(),
        }
    }
}

impl<S> Layer<S> for Traffic {
    type Service = Counting<S>;

    fn layer(&self, inner: S) -> Counting<S> {
        Counting { inner, traffic: self.clone() }
    }
}

/// A service whose calls are counted.
#[derive(Clone)]
pub struct Counting<S> {
    inner: S,
    traffic: Traffic,
}

impl<S> Service<Request<Body>> for Counting<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let counter = self.traffic.counter(request.uri().path());
        counter.calls.fetch_add(1, Ordering::Relaxed);
        let answered = self.inner.call(request.map(|body| counted(body, counter.clone())));
        Box::pin(async move { Ok(answered.await?.map(|body| counted(body, counter))) })
    }
}

fn counted(body: Body, counter: Arc<Counter>) -> Body {
    Body::new(body.map_frame(move |frame: Frame<Bytes>| {
        let length = frame.data_ref().map_or(0, Bytes::len);
        counter.bytes.fetch_add(length as u64, Ordering::Relaxed);
        frame
    }))
}
