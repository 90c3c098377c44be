//! Serving gRPC: health, reflection, limits, and an end with a deadline.

use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

/// Requests of one connection that are served at the same time.
const STREAMS: u32 = 128;
/// How long requests under way may take once the server is to stop.
const DRAIN: Duration = Duration::from_secs(2);

/// Serves `routes`, health checking and reflection on `listener` until `cancel` is cancelled; then takes no
/// more connections, lets requests under way end, and returns after two seconds at the latest. The health of
/// the empty service name, which means the process, is set here; that of others is the caller's.
///
/// # Errors
/// The listener failed.
pub async fn serve(
    listener: TcpListener,
    routes: Routes,
    health: HealthReporter,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    health.set_service_status("", ServingStatus::Serving).await;
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(chordial_proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let routes = routes
        .add_service(HealthServer::new(HealthService::from_health_reporter(health)))
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
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
