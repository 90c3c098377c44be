//! What is counted, for Prometheus. Labels are route patterns, statuses and the names of invariants, never names
//! or addresses of peers or files.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chordial_proto::chord_v1::{GetRingResponse, NodeInfo, NodeState};
use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

const PREFIX: &str = "chord";

/// Seconds.
const BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Routed {
    route: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Named {
    invariant: String,
}

/// A handle on one peer's registry; clones share it.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<RwLock<Registry>>,
    requests: Family<Answered, Counter>,
    durations: Family<Routed, Histogram, fn() -> Histogram>,
    in_flight: Gauge,
    connections: Gauge,
    file_bytes: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// With nothing counted yet.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let requests = Family::default();
        registry.register("http_requests", "Requests answered", requests.clone());
        let histogram: fn() -> Histogram = || Histogram::new(BUCKETS);
        let durations = Family::new_with_constructor(histogram);
        registry.register_with_unit(
            "http_request_duration",
            "From a request to the head of its response",
            Unit::Seconds,
            durations.clone(),
        );
        let in_flight = Gauge::default();
        registry.register("http_requests_in_flight", "Requests without a response yet", in_flight.clone());
        let connections = Gauge::default();
        registry.register("http_connections", "Connections open", connections.clone());
        let file_bytes = Counter::default();
        registry.register_with_unit("http_file", "Bytes of files sent", Unit::Bytes, file_bytes.clone());
        Self {
            registry: Arc::new(RwLock::new(registry)),
            requests,
            durations,
            in_flight,
            connections,
            file_bytes,
        }
    }

    /// Lets another part of the program register what it counts, under the prefix `chord_`.
    pub fn register(&self, with: impl FnOnce(&mut Registry)) {
        with(&mut self.registry.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// An answer to a request for a path of this pattern.
    pub(super) fn request(&self, route: &'static str, status: StatusCode, took: Duration) {
        self.requests.get_or_create(&Answered { route, status: status.as_u16() }).inc();
        self.durations.get_or_create(&Routed { route }).observe(took.as_secs_f64());
    }

    /// A request, until the guard goes.
    pub(super) fn in_flight(&self) -> Counted {
        Counted::new(&self.in_flight)
    }

    /// A connection, until the guard goes.
    pub(super) fn connection(&self) -> Counted {
        Counted::new(&self.connections)
    }

    /// So many bytes of a file are on their way.
    pub(super) fn file_bytes(&self, count: usize) {
        self.file_bytes.inc_by(count as u64);
    }

    /// OpenMetrics text of all that is counted, with the state of the peer as far as it is known.
    ///
    /// # Errors
    /// Where a metric has no text form.
    pub(super) fn text(&self, peer: &PeerState<'_>) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode_registry(&mut text, &self.registry.read().unwrap_or_else(PoisonError::into_inner))?;
        encode_registry(&mut text, &state(peer))?;
        encode_eof(&mut text)?;
        Ok(text)
    }
}

/// What is known of the peer and its ring.
#[derive(Debug, Default)]
pub(super) struct PeerState<'a> {
    /// The peer itself.
    pub(super) node: Option<&'a NodeInfo>,
    /// How it stands among its neighbours.
    pub(super) near: Option<&'a GetRingResponse>,
    /// The whole ring.
    pub(super) ring: Option<&'a GetRingResponse>,
}

/// Gauges of the peer's state, made anew for each collection: what is not known now is not shown.
fn state(&PeerState { node, near, ring }: &PeerState<'_>) -> Registry {
    let mut registry = Registry::with_prefix(PREFIX);
    if let Some(ring) = ring.filter(|ring| !ring.invariants.is_empty()) {
        let holds = Family::<Named, Gauge>::default();
        for invariant in &ring.invariants {
            let named = Named { invariant: invariant.name.clone() };
            holds.get_or_create(&named).set(invariant.holds.into());
        }
        let help = "Whether an invariant of the ring holds, in the views of all peers";
        registry.register("ring_invariant_holds", help, holds);
    }
    let mut gauge = |name: &str, help: &str, value: u64| {
        let gauge = Gauge::<i64>::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        registry.register(name, help, gauge);
    };
    let member = node.is_some_and(|node| node.state() == NodeState::Member);
    gauge("ring_member", "Whether this peer is a member of its ring", member.into());
    if let Some(node) = node {
        gauge("ring_successors", "Peers in the successor list", node.successors.len() as u64);
        gauge("index_entries_owned", "Index entries of this peer's own arc", node.owned);
        gauge("index_entries_replicas", "Copies kept of other arcs' entries", node.replicas);
        gauge("shared_files", "Files that this peer shares", node.shared_files);
        gauge("unpublished_files", "Files that no keeper has acknowledged yet", node.unpublished);
    }
    if let Some(ring) = ring {
        gauge("ring_peers", "Peers of the whole ring, as seen from here", ring.peers.len() as u64);
    }
    if let Some(near) = near {
        gauge(
            "ring_problems",
            "What is wrong with this peer's view of its neighbours",
            near.problems.len() as u64,
        );
        if let Some(replicas) = &near.replicas {
            gauge("replicas_wanted", "Peers that should keep each entry", replicas.wanted.into());
            gauge(
                "replicas_short",
                "Entries of this peer's arc that fewer peers keep alike",
                replicas.short_entries,
            );
        }
    }
    registry
}

/// Counts one more in a gauge while it lives.
#[derive(Debug)]
pub(super) struct Counted(Gauge);

impl Counted {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use chordial_proto::chord_v1::{Invariant, Replicas};

    use super::*;

    #[test]
    fn what_is_counted_is_shown() {
        let metrics = Metrics::new();
        metrics.request("/livez", StatusCode::OK, Duration::from_millis(3));
        metrics.file_bytes(7);
        let open = metrics.connection();
        let more = Counter::<u64>::default();
        more.inc();
        metrics.register(|registry| registry.register("more", "More", more));
        let node = NodeInfo { owned: 5, state: NodeState::Member.into(), ..NodeInfo::default() };
        let invariant = |holds| Invariant { name: "OneLiveSuccessor".into(), holds, ..Invariant::default() };
        let ring = GetRingResponse { invariants: vec![invariant(false)], ..GetRingResponse::default() };
        let replicas = Replicas { wanted: 3, short_entries: 4, ..Replicas::default() };
        let near = GetRingResponse { replicas: Some(replicas), ..GetRingResponse::default() };
        let peer = PeerState { node: Some(&node), near: Some(&near), ring: Some(&ring) };
        let text = metrics.text(&peer).unwrap();
        for line in [
            "chord_http_requests_total{route=\"/livez\",status=\"200\"} 1",
            "chord_http_request_duration_seconds_count{route=\"/livez\"} 1",
            "chord_http_file_bytes_total 7",
            "chord_http_connections 1",
            "chord_more_total 1",
            "chord_index_entries_owned 5",
            "chord_ring_member 1",
            "chord_ring_invariant_holds{invariant=\"OneLiveSuccessor\"} 0",
            "chord_ring_peers 0",
            "chord_ring_problems 0",
            "chord_replicas_wanted 3",
            "chord_replicas_short 4",
            "# EOF",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is missing in:\n{text}");
        }
        drop(open);
        let text = metrics.text(&PeerState::default()).unwrap();
        assert!(text.contains("chord_http_connections 0\n") && text.contains("chord_ring_member 0\n"));
        for unknown in ["index_entries", "invariant", "replicas", "problems"] {
            assert!(!text.contains(unknown), "what is not known is not shown:\n{text}");
        }
    }
}
