//! Serving gRPC: health, reflection, limits, and an end with a deadline.

use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{self, HealthServer};
use tonic_health::server::{HealthReporter, HealthService};
use tonic_reflection::pb::v1::server_reflection_server as v1;
use tonic_reflection::pb::v1alpha::server_reflection_server as v1alpha;

/// Requests of one connection that are served at the same time.
const STREAMS: u32 = 128;
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
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let server = Server::builder()
        .max_concurrent_streams(STREAMS)
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .http2_max_header_list_size(16 * 1024)
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

    use tokio::io::AsyncWriteExt;
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
}
