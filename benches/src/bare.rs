//! The references: the same libraries, and nothing of ours between them.

use std::convert::Infallible;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Endpoint, Server};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use warp::Filter as _;

use crate::measure::{IN_FLIGHT, Sample};
use crate::web;

/// A unary call to a tonic server that answers from memory, over one connection.
pub async fn unary() -> anyhow::Result<Sample> {
    let (_reporter, health) = tonic_health::server::health_reporter();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let serving = tokio::spawn(
        Server::builder().add_service(health).serve_with_incoming(TcpListenerStream::new(listener)),
    );
    let client = HealthClient::new(Endpoint::from_shared(url)?.tcp_nodelay(true).connect().await?);
    let sample = Sample::take(async |_| {
        client.clone().check(HealthCheckRequest::default()).await?;
        Ok(None)
    })
    .await;
    serving.abort();
    sample
}

/// A GET to a warp server that answers with a constant, over [`IN_FLIGHT`] connections that stay open.
pub async fn get() -> anyhow::Result<Sample> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address: SocketAddr = listener.local_addr()?;
    let route = warp::path!("bare").and_then(async || Ok::<_, Infallible>("bare"));
    let serving = tokio::spawn(warp::serve(route).incoming(listener).run());
    let connections = web::open(address, IN_FLIGHT).await?;
    let sample = Sample::take(async |number| {
        let mut connection = connections[number % IN_FLIGHT].lock().await;
        connection.get("/bare").await?;
        Ok(None)
    })
    .await;
    serving.abort();
    sample
}
