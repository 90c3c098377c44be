//! The gateway microservice: REST for people and programs, over the peer's other services, which it knows
//! only through gRPC. One file per resource; `routes.rs` lists them.

mod assets;
mod catalog;
mod collect;
mod conditional;
mod config;
mod connection;
mod content;
mod discard;
mod dispatch;
mod event_stream;
mod events;
mod files;
mod health;
mod hosts;
mod lookup;
mod media;
mod metrics;
mod negotiate;
mod node;
mod openapi;
mod origins;
mod page;
mod paging;
mod plain;
mod problem;
mod published;
mod pump;
mod range;
mod rate_limit;
mod reply;
mod request;
mod routes;
mod search;
mod search_events;
mod security;
mod server;
mod shared_file;
mod shares;
mod standing;
mod text;
mod trace_context;
mod upload;
mod upstream;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use chord_client::ServiceHosts;
use chord_client::views::ConfigView;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

use crate::accept::Counts;
use crate::config::{Service, Shown};

pub use crate::metrics::Metrics;
pub use server::serve;
pub(crate) use trace_context::named as trace_id;

/// What a gateway needs to know.
#[derive(Debug, Clone)]
pub struct Options {
    /// The peer's chord service: node, ring and index.
    pub chord: Endpoint,
    /// The peer's catalog service, asked only for what it counts where it runs in another process.
    pub catalog: Endpoint,
    /// The peer's transfer service, for the files that it shares.
    pub transfer: Endpoint,
    /// The peer's name, as shown to people.
    pub peer_name: String,
    /// The gateway's own base URL, as callers are told it; it may change.
    pub url: watch::Receiver<String>,
    /// The names, beside that in `url`, under which it may be asked; `*`: any (see docs/api.md).
    pub hosts: Vec<String>,
    /// The origins whose pages may use it, as browsers write them; `*`: all may read.
    pub cors_origins: Vec<String>,
    /// Bounds on what callers may use up.
    pub limits: Limits,
    /// Where requests are counted, and what else runs in this process.
    pub metrics: Metrics,
    /// Where another peer's transfer service may be dialled besides its own host.
    pub service_hosts: ServiceHosts,
    /// What the peer runs with, for those who ask.
    pub config: Shown,
}

/// What one stream may have on its way that its caller has not read yet, in bytes.
const STREAM_WINDOW: u32 = 128 << 10;

/// A lazy channel for downloads, or for streams of events. All of a gateway's share it, so none may fill the
/// connection's window, or callers who read slowly would hold up everybody.
fn stream_channel(endpoint: Endpoint) -> Channel {
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
    /// Connections open at once; a further one takes the place of another ([`crate::accept::Places`]).
    pub max_connections: usize,
    /// From the first byte of a request to the end of its headers; and a new connection has as long for that byte.
    pub header_timeout: Duration,
    /// From the headers to the end of a body that nobody wants.
    pub body_timeout: Duration,
    /// Requests of one address, each second; 0: as many as it likes.
    pub requests_per_second: u32,
    /// Requests that an address may make at once after a rest.
    pub requests_burst: u32,
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
    /// Downloads that the peer serves at once; one address gets a quarter of them.
    pub max_downloads: usize,
    /// How long open requests may go on once the gateway is told to end.
    pub drain: Duration,
    /// Streams of events served at once, standing searches among them, three quarters of them for one address; further
    /// ones are refused.
    pub max_event_streams: usize,
    /// How long a stream of events may be silent before a comment is sent, so that whoever lies between does not
    /// take it for dead.
    pub heartbeat: Duration,
    /// What became of those that wanted too much.
    pub counts: Counts,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            header_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(5),
            requests_per_second: 500,
            requests_burst: 1000,
            request_timeout: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            stall: Duration::from_secs(30),
            max_header_bytes: 16 << 10,
            max_uri: 8 << 10,
            max_body: 64 << 10,
            max_downloads: 64,
            drain: Duration::from_secs(2),
            max_event_streams: 64,
            heartbeat: Duration::from_secs(15),
            counts: Counts::default(),
        }
    }
}

/// What all requests share.
#[derive(Debug)]
struct Gateway {
    peer_name: String,
    url: watch::Receiver<String>,
    hosts: hosts::Hosts,
    origins: origins::Origins,
    limits: Limits,
    metrics: metrics::HttpMetrics,
    collector: collect::Collector,
    rate: rate_limit::RateLimit,
    shares: shares::Shares,
    service_hosts: ServiceHosts,
    standing: standing::Standing,
    upstream: upstream::Upstream,
    config: ConfigView,
    /// One permit for each stream of events that may begin.
    event_streams: Arc<Semaphore>,
    /// The gateway is told to end: what would go on for ever ends at once.
    cancel: CancellationToken,
}

impl Gateway {
    fn new(options: Options, cancel: CancellationToken) -> Arc<Self> {
        let Options { chord, catalog, transfer, peer_name, url, hosts, cors_origins, .. } = options;
        let Options { limits, metrics, service_hosts, config, .. } = options;
        let first = url.borrow().clone();
        let named = first.parse().ok().and_then(|uri: http::Uri| uri.host().map(str::to_owned));
        let hosts = hosts::Hosts::new(hosts.into_iter().chain(named));
        let origins = origins::Origins::new(&first, cors_origins);
        // A little less than the whole request may take, so that what did not answer can still be named.
        let deadline = limits.request_timeout.mul_f64(0.9);
        let others = [(Service::Chord, &chord), (Service::Catalog, &catalog), (Service::Transfer, &transfer)]
            .map(|(service, endpoint)| (service, endpoint.connect_lazy()));
        let uploads = transfer.clone().tcp_nodelay(true).connect_lazy();
        let events = stream_channel(chord.clone());
        let files = stream_channel(transfer);
        let upstream = upstream::Upstream::new(chord.connect_lazy(), events, files, uploads, deadline);
        let collector = collect::Collector::new(&metrics, others);
        let metrics = metrics::HttpMetrics::new(&metrics, &limits);
        let standing = standing::Standing::default();
        let event_streams = Arc::new(Semaphore::new(limits.max_event_streams));
        let rate = rate_limit::RateLimit::new(&limits);
        let shares = shares::Shares::new(&limits);
        Arc::new(Self {
            peer_name,
            url,
            hosts,
            origins,
            limits,
            metrics,
            collector,
            rate,
            shares,
            service_hosts,
            standing,
            upstream,
            config: config::view(config),
            event_streams,
            cancel,
        })
    }
}
