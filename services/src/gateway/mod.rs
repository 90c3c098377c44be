//! The gateway microservice: REST for people and programs, over the peer's other services, which it knows
//! only through gRPC. One file per resource; `routes.rs` lists them.

mod catalog;
mod conditional;
mod connection;
mod content;
mod dispatch;
mod files;
mod health;
mod media;
mod metrics;
mod node;
mod page;
mod problem;
mod pump;
mod range;
mod reply;
mod request;
mod routes;
mod server;
mod shared_file;
mod standing;
mod upload;
mod upstream;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

pub use metrics::Metrics;
pub use server::serve;

/// What a gateway needs to know.
#[derive(Debug, Clone)]
pub struct Options {
    /// The peer's chord service: node, ring and index. May be lazy.
    pub chord: Channel,
    /// The peer's transfer service, for the files that it shares.
    pub transfer: Endpoint,
    /// The peer's name, as shown to people.
    pub peer_name: String,
    /// The gateway's own base URL, as callers are told it.
    pub url: String,
    /// Bounds on what callers may use up.
    pub limits: Limits,
    /// Where requests are counted.
    pub metrics: Metrics,
}

/// What one transfer may have on its way that its caller has not read yet, in bytes.
const STREAM_WINDOW: u32 = 128 << 10;

/// A lazy channel for downloads. All of a gateway's share it, so none may fill the connection's window, or callers
/// who read slowly would hold up everybody.
fn file_channel(endpoint: Endpoint) -> Channel {
    endpoint
        .tcp_nodelay(true)
        .initial_stream_window_size(STREAM_WINDOW)
        // The largest that HTTP/2 has.
        .initial_connection_window_size((1 << 31) - 1)
        .connect_lazy()
}

/// Bounds on what callers may use up.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections served at once; further ones wait to be accepted.
    pub max_connections: usize,
    /// From the first byte of a request (of a new connection: from its start) to the end of its headers.
    pub header_timeout: Duration,
    /// From a request to the head of its response. The bytes of a file, up or down, may take as long as they
    /// move.
    pub request_timeout: Duration,
    /// How long a connection may stay open between two requests.
    pub idle: Duration,
    /// How long a transfer may stand still, on either side, before it is given up.
    pub stall: Duration,
    /// All headers of a request together, in bytes.
    pub max_header_bytes: usize,
    /// A request's URI, in bytes.
    pub max_uri: usize,
    /// A request's body, in bytes, unless it is a file to be stored.
    pub max_body: u64,
    /// How long open requests may go on once the gateway is told to end.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            header_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            stall: Duration::from_secs(30),
            max_header_bytes: 16 << 10,
            max_uri: 8 << 10,
            max_body: 64 << 10,
            drain: Duration::from_secs(3),
        }
    }
}

/// What all requests share.
#[derive(Debug)]
struct Gateway {
    peer_name: String,
    url: String,
    limits: Limits,
    metrics: Metrics,
    standing: standing::Standing,
    upstream: upstream::Upstream,
}

impl Gateway {
    fn new(options: Options) -> Arc<Self> {
        let Options { chord, transfer, peer_name, url, limits, metrics } = options;
        // A little less than the whole request may take, so that what did not answer can still be named.
        let deadline = limits.request_timeout.mul_f64(0.9);
        let uploads = transfer.clone().tcp_nodelay(true).connect_lazy();
        let upstream = upstream::Upstream::new(chord, file_channel(transfer), uploads, deadline);
        let standing = standing::Standing::default();
        Arc::new(Self { peer_name, url, limits, metrics, standing, upstream })
    }
}
