//! Serving gRPC: health, reflection, limits, and an end with a deadline.

mod connection;
mod long;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures::stream;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, PollSemaphore};
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{self, HealthServer};
use tonic_health::server::{HealthReporter, HealthService};
use tonic_reflection::pb::v1::server_reflection_server as v1;
use tonic_reflection::pb::v1alpha::server_reflection_server as v1alpha;
use tower::util::MapRequestLayer;

use crate::accept::Acceptor;
use connection::Connection;
use long::Measured;

/// Connections of one port that are open at the same time; further ones wait to be accepted. Another peer has
/// two at most.
const CONNECTIONS: usize = 2048;
/// How long a connection may take to send the preface of HTTP/2, its first 24 bytes.
const GREET: Duration = Duration::from_secs(10);
/// Requests of more than 64 KiB that a port takes in at the same time, and how long each may take to arrive.
const LONG: usize = 4;
const ARRIVE: Duration = Duration::from_secs(10);
/// The one request that may go on as long as it moves; its handler sees to that.
const UPLOAD: &str = "/transfer.v1.TransferService/Upload";
/// Requests of one connection that are served at the same time.
const STREAMS: u32 = 128;
/// What one request may have on its way that is not read yet, in bytes: a part of what its connection may, so
/// that one which is not read does not hold up the others.
const WINDOW: u32 = 256 * 1024;
/// All headers of a request together, in bytes.
const HEADERS: u32 = 16 * 1024;
/// Requests that a connection may have taken back before they were looked at; with more it is closed.
const TAKEN_BACK: usize = 20;
/// Between two signs of life of a connection, and how long the answer to a ping may take.
const PING: Duration = Duration::from_secs(20);
const PONG: Duration = Duration::from_secs(10);
/// How long requests under way may take once the server is to stop.
const DRAIN: Duration = Duration::from_secs(2);

/// Serves `routes`, health checking and reflection on `listener` until `cancel` is cancelled; then takes no
/// more connections, lets requests under way end, and returns after two seconds at the latest. Reflection
/// lists `names`, the full names of the services in `routes`, and no service of another port. The health of
/// the empty service name, which means the process, is set here; that of others is the caller's.
///
/// # Errors
/// The listener failed.
pub async fn serve(
    listener: TcpListener,
    routes: Routes,
    names: &[&str],
    health: HealthReporter,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    serve_within(listener, routes, names, health, cancel, (CONNECTIONS, GREET)).await
}

async fn serve_within(
    listener: TcpListener,
    routes: Routes,
    names: &[&str],
    health: HealthReporter,
    cancel: CancellationToken,
    (connections, greet): (usize, Duration),
) -> anyhow::Result<()> {
    health.set_service_status("", ServingStatus::Serving).await;
    let reflection = |own: &str| {
        let builder = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(chordial_proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
        let names = names.iter().chain([&health_server::SERVICE_NAME, &own]);
        names.fold(builder, |builder, name| builder.with_service_name(*name))
    };
    let (v1, v1alpha) = (reflection(v1::SERVICE_NAME), reflection(v1alpha::SERVICE_NAME));
    let routes = routes
        .add_service(HealthServer::new(HealthService::from_health_reporter(health)))
        .add_service(v1.build_v1()?)
        .add_service(v1alpha.build_v1alpha()?)
        .prepare();
    let incoming = stream::unfold(Acceptor::new(listener, connections), move |mut acceptor| async move {
        let connection = Connection::new(acceptor.accept().await, greet);
        Some((Ok::<_, Infallible>(connection), acceptor))
    });
    let places = PollSemaphore::new(Arc::new(Semaphore::new(LONG)));
    let measure = move |request: http::Request<Body>| match request.uri().path() {
        UPLOAD => request,
        _ => request.map(|body| Body::new(Measured::new(body, places.clone(), ARRIVE))),
    };
    let server = Server::builder()
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(WINDOW)
        .http2_max_pending_accept_reset_streams(Some(TAKEN_BACK))
        .http2_keepalive_interval(Some(PING))
        .http2_keepalive_timeout(Some(PONG))
        .http2_max_header_list_size(HEADERS)
        .layer(MapRequestLayer::new(measure))
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, cancel.clone().cancelled_owned());
    let late = async {
        cancel.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    // tonic waits without end for connections that say nothing.
    tokio::select! {
        result = server => Ok(result?),
        () = late => Ok(()),
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

    #[tokio::test]
    async fn it_tells_its_services_and_stops_whoever_hangs_on() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cancel = CancellationToken::new();
        let (health, token) = (HealthReporter::new(), cancel.clone());
        let names = &["chord.v1.ChordService"];
        let server = tokio::spawn(serve(listener, Routes::default(), names, health, token));
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
        let own = ["chord.v1.ChordService", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"];
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
    async fn start(connections: usize, greet: Duration) -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (health, cancel) = (HealthReporter::new(), CancellationToken::new());
        tokio::spawn(serve_within(listener, Routes::default(), &[], health, cancel, (connections, greet)));
        address
    }

    async fn check(address: std::net::SocketAddr, within: Duration) -> bool {
        let mut health = HealthClient::new(lazy_channel(&format!("http://{address}")).unwrap());
        let check = health.check(HealthCheckRequest::default());
        tokio::time::timeout(within, check).await.is_ok_and(|answer| answer.is_ok())
    }

    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn who_does_not_begin_in_time_is_closed() {
        let greet = Duration::from_millis(300);
        let address = start(16, greet).await;
        for begin in ["", "PRI * HT", "\x16\x03\x01"] {
            let since = Instant::now();
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(begin.as_bytes()).await.unwrap();
            let closed = async { while let Ok(1..) = stream.read(&mut [0; 256]).await {} };
            tokio::time::timeout(PATIENCE, closed).await.expect("it stays open");
            assert!(
                begin.starts_with('\x16') || since.elapsed() >= greet,
                "{begin:?}: {:?}",
                since.elapsed()
            );
        }
        // One that has begun has no such deadline.
        let mut begun = TcpStream::connect(address).await.unwrap();
        begun.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        let until = tokio::time::Instant::now() + greet * 3;
        loop {
            match tokio::time::timeout_at(until, begun.read(&mut [0; 256])).await {
                Err(_) => break,
                Ok(read) => assert!(matches!(read, Ok(1..)), "closed: {read:?}"),
            }
        }
    }

    #[tokio::test]
    async fn connections_beyond_the_limit_wait_their_turn() {
        let address = start(2, PATIENCE).await;
        let first = TcpStream::connect(address).await.unwrap();
        let _second = TcpStream::connect(address).await.unwrap();
        assert!(!check(address, Duration::from_millis(300)).await, "a third one was served");
        drop(first);
        assert!(check(address, PATIENCE).await, "the place of the first is not free again");
    }
}
