//! Serving gRPC: health, reflection, limits, and an end with a deadline.

mod admission;
mod connection;
mod frames;
mod long;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{self, HealthServer};
use tonic_health::server::{HealthReporter, HealthService};
use tonic_reflection::pb::v1::server_reflection_server as v1;
use tonic_reflection::pb::v1alpha::server_reflection_server as v1alpha;
use tower::layer::layer_fn;

use crate::accept::{Acceptor, Counts, Fair};
use crate::metrics::{self, MetricsApi, Served};
use admission::{Admission, Rules};
use connection::Connection;
use long::Bounds;

/// Bounds on what callers of one port may use up.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections open at once, a quarter of them of one address; a further one takes the place of another ([`crate::accept::Places`]). Another peer
    /// has two at most.
    pub max_connections: usize,
    /// Requests of one connection at the same time.
    pub max_streams: u32,
    /// Requests of one address that are served at the same time; further ones wait for a second, then are refused.
    pub max_requests: usize,
    /// All headers of a request together, in bytes.
    pub max_header_bytes: u32,
    /// Requests that a connection may have taken back before they were looked at; with more it is closed.
    pub max_resets: usize,
    /// How long the beginning of a connection, a frame, headers, and a message of up to 64 KiB may take to arrive.
    pub half_sent: Duration,
    /// Messages of more than 64 KiB that the port takes in at the same time, three quarters of them from one address.
    pub max_long: usize,
    /// How long each of those may take to arrive.
    pub long: Duration,
    /// A connection without a sign of life is pinged after so long,
    pub ping: Duration,
    /// and closed where no answer comes for so long.
    pub pong: Duration,
    /// How long a connection may leave all its answers unread.
    pub stall: Duration,
    /// What became of those that wanted too much.
    pub counts: Counts,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_connections: 1024,
            max_streams: 128,
            max_requests: 256,
            max_header_bytes: 16 << 10,
            max_resets: 20,
            half_sent: Duration::from_secs(5),
            max_long: 4,
            long: Duration::from_secs(10),
            ping: Duration::from_secs(20),
            pong: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            counts: Counts::default(),
        }
    }
}

/// Frames of one connection for streams that there are not, each of which has to be answered; with more it is closed.
/// tonic sets no bound, and answers pile up as long as frames come.
const WRONG: usize = 1024;
/// So many times the requests of one address that are served at the same time may wait for it.
const WAITING: usize = 4;
/// What one request may have on its way that is not read yet, in bytes: a part of what its connection may, so
/// that one which is not read does not hold up the others.
const WINDOW: u32 = 256 * 1024;
/// Connections that have begun and wait to be served.
const BEGUN: usize = 64;
/// How long requests under way may take once the server is to stop.
const DRAIN: Duration = Duration::from_secs(2);

/// Serves `routes`, health checking, metrics and reflection on `listener` until `cancel` is cancelled; then takes no
/// more connections, lets requests under way end, and returns after two seconds at the latest. Reflection
/// lists `names`, the full names of the services in `routes`, and no service of another port. The health of
/// the empty service name, which means the process, is set here; that of others is the caller's. All requests are counted in `served`.
///
/// # Errors
/// The listener failed.
pub async fn serve(
    listener: TcpListener,
    routes: Routes,
    names: &[&str],
    health: HealthReporter,
    limits: Limits,
    served: Served,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    health.set_service_status("", ServingStatus::Serving).await;
    let reflection = |own: &str| {
        let builder = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(chordial_proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
        let names = names.iter().chain([&health_server::SERVICE_NAME, &metrics::NAME, &own]);
        names.fold(builder, |builder, name| builder.with_service_name(*name))
    };
    let (v1, v1alpha) = (reflection(v1::SERVICE_NAME), reflection(v1alpha::SERVICE_NAME));
    let routes = routes
        .add_service(HealthServer::new(HealthService::from_health_reporter(health)))
        .add_service(MetricsApi::service(served.metrics().clone()))
        .add_service(v1.build_v1()?)
        .add_service(v1alpha.build_v1alpha()?)
        .prepare();
    let bounds = Bounds::new(limits.half_sent, limits.long, limits.max_long);
    let rules = Arc::new(Rules {
        in_service: Fair::new(limits.max_requests),
        waiting: Fair::new(limits.max_requests * WAITING),
        bounds,
        counts: limits.counts.clone(),
    });
    let (sender, begun) = mpsc::channel(BEGUN);
    let accept = async {
        tokio::select! {
            () = accept(listener, &limits, sender) => {}
            () = cancel.cancelled() => {}
        }
        std::future::pending::<()>().await;
    };
    let server = Server::builder()
        .max_concurrent_streams(limits.max_streams)
        .initial_stream_window_size(WINDOW)
        .http2_max_pending_accept_reset_streams(Some(limits.max_resets))
        .http2_max_local_error_reset_streams(Some(WRONG))
        .http2_keepalive_interval(Some(limits.ping))
        .http2_keepalive_timeout(Some(limits.pong))
        .http2_max_header_list_size(limits.max_header_bytes)
        .layer(served)
        .layer(layer_fn(move |inner| Admission::new(inner, rules.clone())))
        .add_routes(routes)
        .serve_with_incoming_shutdown(ReceiverStream::new(begun), cancel.clone().cancelled_owned());
    let late = async {
        cancel.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    // tonic waits without end for connections that say nothing.
    tokio::select! {
        result = server => Ok(result?),
        () = late => Ok(()),
        () = accept => Ok(()),
    }
}

/// Accepts connections, and passes those on that have begun to speak HTTP/2.
async fn accept(listener: TcpListener, limits: &Limits, begun: mpsc::Sender<Result<Connection, Infallible>>) {
    let mut acceptor = Acceptor::new(listener, limits.max_connections, limits.counts.clone());
    loop {
        let accepted = acceptor.accept().await;
        let (begun, half_sent, stall) = (begun.clone(), limits.half_sent, limits.stall);
        tokio::spawn(async move {
            if let Some(connection) = Connection::begin(accepted, half_sent, stall).await {
                // Nobody receives any more where the server stops.
                let _ = begun.send(Ok(connection)).await;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;
    use tonic_reflection::pb::v1::ServerReflectionRequest;
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

    use super::*;
    use crate::calls::lazy_channel;
    use crate::config::Service;
    use crate::metrics::Metrics;

    fn served() -> Served {
        Metrics::new().served(Service::Chord)
    }

    #[tokio::test]
    async fn it_tells_its_services_and_stops_whoever_hangs_on() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cancel = CancellationToken::new();
        let (health, token) = (HealthReporter::new(), cancel.clone());
        let names = &["chord.v1.ChordService"];
        let (limits, routes) = (Limits::default(), Routes::default());
        let server = tokio::spawn(serve(listener, routes, names, health, limits, served(), token));
        let channel = lazy_channel(&format!("http://{address}")).unwrap();
        let mut health = HealthClient::new(channel.clone());
        assert_eq!(health.check(HealthCheckRequest::default()).await.unwrap().into_inner().status, 1);

        let ask = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let mut reflection = ServerReflectionClient::new(channel);
        let answers = reflection.server_reflection_info(tokio_stream::once(ask)).await.unwrap();
        let answer = answers.into_inner().message().await.unwrap().unwrap();
        let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
            panic!("no list of services: {answer:?}")
        };
        let mut listed: Vec<&str> = list.service.iter().map(|service| service.name.as_str()).collect();
        listed.sort_unstable();
        let own = [
            "chord.v1.ChordService",
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "metrics.v1.MetricsService",
        ];
        assert_eq!(listed, own);

        let _silent = TcpStream::connect(address).await.unwrap();
        let mut half = TcpStream::connect(address).await.unwrap();
        half.write_all(b"PRI * HTTP/2.0").await.unwrap();
        let start = Instant::now();
        cancel.cancel();
        tokio::time::timeout(DRAIN * 3, server).await.expect("it stops").unwrap().unwrap();
        assert!(start.elapsed() < DRAIN * 2);
    }

    /// A server with these bounds; returns its address.
    async fn start(limits: Limits) -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (health, cancel) = (HealthReporter::new(), CancellationToken::new());
        tokio::spawn(serve(listener, Routes::default(), &[], health, limits, served(), cancel));
        address
    }

    async fn check(address: std::net::SocketAddr, within: Duration) -> bool {
        let mut health = HealthClient::new(lazy_channel(&format!("http://{address}")).unwrap());
        let check = health.check(HealthCheckRequest::default());
        tokio::time::timeout(within, check).await.is_ok_and(|answer| answer.is_ok())
    }

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Reads until the other side closes; returns how long that took.
    async fn closed(mut stream: TcpStream, since: Instant, what: &str) -> Duration {
        let closed = async { while let Ok(1..) = stream.read(&mut [0; 256]).await {} };
        tokio::time::timeout(PATIENCE, closed).await.unwrap_or_else(|_| panic!("{what} stays open"));
        since.elapsed()
    }

    const SETTINGS: &str = "\0\0\0\x04\0\0\0\0\0";

    #[tokio::test]
    async fn what_is_half_sent_is_closed_in_time() {
        let half_sent = Duration::from_millis(300);
        let address = start(Limits { half_sent, ..Limits::default() }).await;
        let preface = String::from_utf8(frames::PREFACE.to_vec()).unwrap();
        for begin in [
            String::new(),
            "PRI * HT".into(),
            format!("{preface}{SETTINGS}\0\0"),
            format!("{preface}{SETTINGS}\0\0\x08\x06\0\0\0\0\0abc"),
            format!("{preface}{SETTINGS}\0\0\x01\x01\0\0\0\0\x01\x03"),
        ] {
            let since = Instant::now();
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(begin.as_bytes()).await.unwrap();
            let took = closed(stream, since, &begin).await;
            assert!(took >= half_sent && took < half_sent * 8, "{begin:?}: {took:?}");
        }
        let since = Instant::now();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"\x16\x03\x01").await.unwrap();
        assert!(closed(stream, since, "TLS").await < half_sent);
        // One that owes nothing has no such deadline.
        let mut begun = TcpStream::connect(address).await.unwrap();
        begun.write_all(format!("{preface}{SETTINGS}").as_bytes()).await.unwrap();
        let until = tokio::time::Instant::now() + half_sent * 3;
        loop {
            match tokio::time::timeout_at(until, begun.read(&mut [0; 256])).await {
                Err(_) => break,
                Ok(read) => assert!(matches!(read, Ok(1..)), "closed: {read:?}"),
            }
        }
    }

    #[tokio::test]
    async fn who_leaves_its_answers_unread_is_closed() {
        let stall = Duration::from_millis(300);
        let address = start(Limits { stall, ..Limits::default() }).await;
        // Settings that leave no room for answers, then a request with an empty message.
        let path = b"/grpc.health.v1.Health/Check";
        let kind = b"\x00\x0ccontent-type\x10application/grpc\x00\x02te\x08trailers";
        let head = [b"\x83\x86\x04", &[path.len() as u8][..], path, b"\x01\x01h", kind.as_slice()].concat();
        let length = [0, 0, head.len() as u8];
        let asked = [
            frames::PREFACE,
            b"\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0",
            &length,
            b"\x01\x04\0\0\0\x01",
            &head,
            b"\0\0\x05\0\x01\0\0\0\x01\0\0\0\0\0",
        ]
        .concat();
        let since = Instant::now();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&asked).await.unwrap();
        let took = closed(stream, since, "it").await;
        assert!(took >= stall && took < stall * 10, "{took:?}");
    }

    #[tokio::test]
    async fn a_newcomer_takes_the_place_of_the_one_that_is_idle_for_longest() {
        let limits = Limits { max_connections: 8, ..Limits::default() };
        let counts = limits.counts.clone();
        let address = start(limits).await;
        let since = Instant::now();
        let first = TcpStream::connect(address).await.unwrap();
        let channel = lazy_channel(&format!("http://{address}")).unwrap();
        let mut watcher = HealthClient::new(channel.clone());
        let mut health = watcher.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
        assert!(health.message().await.unwrap().is_some());
        for _ in 0..3 {
            assert!(check(address, PATIENCE).await);
        }
        assert!(closed(first, since, "the oldest").await < PATIENCE);
        assert!(counts.evicted.get() >= 1);
        // The one with an open request is still served.
        assert!(HealthClient::new(channel).check(HealthCheckRequest::default()).await.is_ok());
        assert!(tokio::time::timeout(Duration::from_millis(50), health.message()).await.is_err());
    }
}
