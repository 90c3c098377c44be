//! Counts the gRPC requests that a port serves: one layer around all of its services.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::HeaderMap;
use hyper::body::{Frame, SizeHint};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service as TowerService};

use super::{Counted, Counters, Gauges, Histograms, Metrics, SHORT, methods, took};
use crate::config::Service;

/// The codes of gRPC, by number, as its documents write them.
pub(super) const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// What all ports of a process count in.
#[derive(Clone, Debug)]
pub(super) struct Families {
    handled: Counters<3>,
    seconds: Histograms<2>,
    in_flight: Gauges<1>,
}

impl Families {
    pub(super) fn new(metrics: &Metrics) -> Families {
        let histogram = || Histogram::new(SHORT);
        Families {
            handled: metrics.counters("grpc_server_handled", "gRPC requests of others, by how they ended"),
            seconds: metrics.seconds_by(
                "grpc_server_handling",
                "From a gRPC request to the end of its answer, streams left out",
                histogram,
            ),
            in_flight: metrics.gauges("grpc_server_in_flight", "gRPC requests of others under way"),
        }
    }
}

/// One port's share of it; a [`Layer`]. Clones count in the same.
#[derive(Clone, Debug)]
pub struct Served(Arc<Port>);

#[derive(Debug)]
struct Port {
    metrics: Metrics,
    families: Families,
    service: &'static str,
    in_flight: Gauge,
    /// One for each known method, and one for all others.
    methods: HashMap<&'static str, Arc<Method>>,
    other: Arc<Method>,
}

/// What is counted of one method. Made when it is first called: what is never called is not shown.
#[derive(Debug)]
struct Method {
    name: &'static str,
    streams: bool,
    codes: [OnceLock<Counter>; CODES.len()],
    seconds: OnceLock<Histogram>,
}

impl Method {
    fn new(name: &'static str, streams: bool) -> Arc<Method> {
        Arc::new(Method { name, streams, codes: Default::default(), seconds: OnceLock::new() })
    }
}

impl Served {
    pub(super) fn new(metrics: &Metrics, families: &Families, service: Service) -> Served {
        let service = service.name();
        let known = methods::METHODS.iter().map(|(name, streams)| (name.as_str(), *streams));
        Served(Arc::new(Port {
            metrics: metrics.clone(),
            families: families.clone(),
            service,
            in_flight: families.in_flight.get_or_create_owned(&[("service", service)]),
            methods: known.map(|(name, streams)| (name, Method::new(name, streams))).collect(),
            other: Method::new(methods::OTHER, false),
        }))
    }

    /// All that this process counts.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    fn begin(&self, path: &str) -> Call {
        let port = &self.0;
        let method = port.methods.get(path.strip_prefix('/').unwrap_or(path)).unwrap_or(&port.other);
        Call {
            port: port.clone(),
            method: method.clone(),
            began: Instant::now(),
            // Whoever does not wait for the end has cancelled.
            code: Code::Cancelled,
            _in_flight: Counted::new(&port.in_flight),
        }
    }
}

/// A request under way; counted when it goes.
struct Call {
    port: Arc<Port>,
    method: Arc<Method>,
    began: Instant,
    code: Code,
    _in_flight: Counted,
}

impl Call {
    /// Takes the code from headers or trailers that have one.
    fn read(&mut self, headers: &HeaderMap) -> bool {
        let code = headers.get(Status::GRPC_STATUS).map(|code| Code::from_bytes(code.as_bytes()));
        self.code = code.unwrap_or(self.code);
        code.is_some()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let Families { handled, seconds, .. } = &self.port.families;
        let (service, method) = (("service", self.port.service), ("method", self.method.name));
        let code = self.code as usize;
        self.method.codes[code]
            .get_or_init(|| handled.get_or_create_owned(&[service, method, ("code", CODES[code])]))
            .inc();
        if !self.method.streams {
            let seconds = self.method.seconds.get_or_init(|| seconds.get_or_create_owned(&[service, method]));
            took(seconds, self.began.elapsed());
        }
    }
}

impl<S> Layer<S> for Served {
    type Service = Counting<S>;

    fn layer(&self, inner: S) -> Counting<S> {
        Counting { inner, served: self.clone() }
    }
}

/// A service whose requests are counted.
#[derive(Clone, Debug)]
pub struct Counting<S> {
    inner: S,
    served: Served,
}

impl<S> TowerService<http::Request<Body>> for Counting<S>
where
    S: TowerService<http::Request<Body>, Response = http::Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let mut call = self.served.begin(request.uri().path());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            // A refusal has no body.
            if call.read(answer.headers()) {
                return Ok(answer);
            }
            Ok(answer.map(|body| Body::new(Watched { body, call })))
        })
    }
}

/// An answer's body, whose trailers say how the call ended.
struct Watched {
    body: Body,
    call: Call,
}

impl hyper::body::Body for Watched {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(trailers) = frame.trailers_ref()
        {
            self.call.read(trailers);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of one family.
    fn lines(text: &str, name: &str) -> Vec<String> {
        text.lines().filter(|line| line.starts_with(name)).map(str::to_owned).collect()
    }

    async fn call(service: &mut Counting<impl Inner>, path: &str) {
        let request = http::Request::builder().uri(path).body(Body::empty()).unwrap();
        let answer = service.call(request).await.unwrap();
        let mut body = answer.into_body();
        while std::future::poll_fn(|cx| hyper::body::Body::poll_frame(Pin::new(&mut body), cx))
            .await
            .is_some()
        {}
    }

    trait Inner:
        TowerService<
            http::Request<Body>,
            Response = http::Response<Body>,
            Error = std::convert::Infallible,
            Future: Send + 'static,
        >
    {
    }
    impl<T> Inner for T where
        T: TowerService<
                http::Request<Body>,
                Response = http::Response<Body>,
                Error = std::convert::Infallible,
                Future: Send + 'static,
            >
    {
    }

    /// Answers with a code in the trailers, or the headers.
    fn answering(code: &'static str, trailers: bool) -> impl Inner {
        tower::service_fn(move |_| async move {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-status", code.parse().unwrap());
            Ok(match trailers {
                true => http::Response::new(Body::new(End(Some(headers)))),
                false => {
                    let mut answer = http::Response::new(Body::empty());
                    *answer.headers_mut() = headers;
                    answer
                }
            })
        })
    }

    struct End(Option<HeaderMap>);

    impl hyper::body::Body for End {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            Poll::Ready(self.0.take().map(|trailers| Ok(Frame::trailers(trailers))))
        }
    }

    #[tokio::test]
    async fn requests_are_counted_by_method_and_code() {
        let metrics = Metrics::new();
        let served = metrics.served(Service::Chord);
        call(&mut served.layer(answering("0", true)), "/chord.v1.ChordService/NextHop").await;
        call(&mut served.layer(answering("0", true)), "/chord.v1.ChordService/NextHop").await;
        call(&mut served.layer(answering("10", false)), "/chord.v1.ChordService/Join").await;
        call(&mut served.layer(answering("0", true)), "/chord.v1.IndexService/Scan").await;
        for number in 0..100 {
            call(&mut served.layer(answering("12", false)), &format!("/made.up/Number{number}")).await;
        }
        let mut open = served.layer(answering("0", true));
        let request =
            http::Request::builder().uri("/chord.v1.ChordService/Ping").body(Body::empty()).unwrap();
        let answer = open.call(request).await.unwrap();
        let busy = metrics.text().unwrap();
        assert!(busy.contains("chord_grpc_server_in_flight{service=\"chord\"} 1\n"), "{busy}");
        drop(answer);
        let text = metrics.text().unwrap();
        assert!(text.contains("chord_grpc_server_in_flight{service=\"chord\"} 0\n"), "{text}");
        let mut handled = lines(&text, "chord_grpc_server_handled_total");
        handled.sort_unstable();
        let line = |method, code, count| {
            format!(
                "chord_grpc_server_handled_total{{service=\"chord\",method=\"{method}\",code=\"{code}\"}} {count}"
            )
        };
        assert_eq!(
            handled,
            [
                line("chord.v1.ChordService/Join", "ABORTED", 1),
                line("chord.v1.ChordService/NextHop", "OK", 2),
                line("chord.v1.ChordService/Ping", "CANCELLED", 1),
                line("chord.v1.IndexService/Scan", "OK", 1),
                line("other", "UNIMPLEMENTED", 100),
            ]
        );
        let counts = lines(&text, "chord_grpc_server_handling_seconds_count");
        assert_eq!(counts.len(), 4, "a stream has no time: {counts:?}");
    }
}
