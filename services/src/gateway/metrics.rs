//! What the gateway counts, and what it shows of the peer's state: gauges of what the chord service says.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use chordial_proto::chord_v1::{GetRingResponse, NodeInfo, NodeState};
use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::Limits;
use crate::config::Service;
use crate::metrics::{Counted, Gauges, Histograms, Metrics, shown};

const PREFIX: &str = "chord";

/// Seconds.
const BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Named {
    invariant: String,
}

/// What one gateway counts; clones count in the same.
#[derive(Debug, Clone)]
pub struct HttpMetrics {
    requests: Family<Answered, Counter>,
    durations: Histograms<1>,
    in_flight: Gauge,
    connections: Gauge,
    event_streams: Gauge,
    file_bytes: Counter,
}

impl HttpMetrics {
    /// With these bounds on connections and standing searches.
    pub(super) fn new(metrics: &Metrics, limits: &Limits) -> Self {
        let (requests, file_bytes) = (Family::default(), Counter::default());
        metrics.register(|registry| {
            registry.register("http_requests", "Requests answered", Family::clone(&requests));
            let help = "Bytes of files sent";
            registry.register_with_unit("http_file", help, Unit::Bytes, Counter::clone(&file_bytes));
        });
        let limit = |name, help, most: usize| metrics.gauge(name, help).set(shown(most as u64));
        limit("http_connections_limit", "As many as may be open; more wait", limits.max_connections);
        limit(
            "http_event_streams_limit",
            "As many as may be open; more are refused",
            limits.max_event_streams,
        );
        let histogram = || Histogram::new(BUCKETS);
        Self {
            requests,
            durations: metrics.seconds_by(
                "http_request_duration",
                "From a request to the head of its response",
                histogram,
            ),
            in_flight: metrics.gauge("http_requests_in_flight", "Requests without a response yet"),
            connections: metrics.gauge("http_connections", "Connections open"),
            event_streams: metrics.gauge("http_event_streams", "Standing searches open"),
            file_bytes,
        }
    }

    /// An answer to a request for a path of this pattern.
    pub(super) fn request(&self, route: &'static str, status: StatusCode, took: Duration) {
        self.requests.get_or_create(&Answered { route, status: status.as_u16() }).inc();
        self.durations.get_or_create(&[("route", route)]).observe(took.as_secs_f64());
    }

    /// A request, until the guard goes.
    pub(super) fn in_flight(&self) -> Counted {
        Counted::new(&self.in_flight)
    }

    /// A connection, until the guard goes.
    pub(super) fn connection(&self) -> Counted {
        Counted::new(&self.connections)
    }

    /// A standing search, until the guard goes.
    pub(super) fn event_stream(&self) -> Counted {
        Counted::new(&self.event_streams)
    }

    /// So many bytes of a file are on their way.
    pub(super) fn file_bytes(&self, count: usize) {
        self.file_bytes.inc_by(count as u64);
    }
}

/// What is known of the peer and its ring.
#[derive(Debug, Default)]
pub(super) struct PeerState<'a> {
    /// Its services, and whether each answers.
    pub(super) services: Vec<(Service, bool)>,
    /// The peer itself.
    pub(super) node: Option<&'a NodeInfo>,
    /// How it stands among its neighbours.
    pub(super) near: Option<&'a GetRingResponse>,
    /// The whole ring.
    pub(super) ring: Option<&'a GetRingResponse>,
}

/// OpenMetrics text of the peer's state, made anew for each collection: what is not known now is not shown.
///
/// # Errors
/// Where a metric has no text form.
pub(super) fn text(peer: &PeerState<'_>) -> Result<String, fmt::Error> {
    let mut text = String::new();
    encode_registry(&mut text, &state(peer))?;
    Ok(text)
}

fn state(PeerState { services, node, near, ring }: &PeerState<'_>) -> Registry {
    let mut registry = Registry::with_prefix(PREFIX);
    let up = Gauges::<1>::default();
    for (service, answers) in services {
        up.get_or_create(&[("service", service.name())]).set((*answers).into());
    }
    registry.register("service_up", "Whether the process of a service answers", up);
    if let Some(ring) = ring.filter(|ring| !ring.invariants.is_empty()) {
        let holds = Family::<Named, Gauge>::default();
        for invariant in &ring.invariants {
            let named = Named { invariant: invariant.name.clone() };
            holds.get_or_create(&named).set(invariant.holds.into());
        }
        let help = "Whether an invariant of the ring holds, in the views of all peers";
        registry.register("ring_invariant_holds", help, holds);
    }
    if let Some(node) = node {
        let sent = Counter::<u64>::default();
        sent.inc_by(node.entries_sent);
        registry.register("publishing_entries_sent", "Own entries sent to other peers", sent);
    }
    if let Some(publishing) = node.and_then(|node| node.publishing.as_ref()) {
        let late = Gauge::<f64, AtomicU64>::default();
        late.set(publishing.late_ms as f64 / 1000.0);
        let help = "How long a renewal of this peer's leases is overdue";
        registry.register_with_unit("publishing_renewal_late", help, Unit::Seconds, late);
    }
    let mut gauge = |name: &str, help: &str, value: u64| {
        let gauge = Gauge::<i64>::default();
        gauge.set(shown(value));
        registry.register(name, help, gauge);
    };
    let member = node.is_some_and(|node| node.state() == NodeState::Member);
    gauge("ring_member", "Whether this peer is a member of its ring", member.into());
    if let Some(node) = node {
        gauge("ring_successors", "Peers in the successor list", node.successors.len() as u64);
        gauge("index_entries_owned", "Index entries of this peer's own arc", node.owned);
        gauge("index_entries_replicas", "Copies kept of other arcs' entries", node.replicas);
        gauge("index_leases", "Peers whose leases this peer keeps, itself included", node.publishers);
        gauge("ring_fingers", "Peers in the finger table", node.fingers.len() as u64);
        gauge("shared_files", "Files that this peer shares", node.shared_files);
        gauge("publishing_keys_pending", "Keys of own files that some keeper lacks", node.unpublished);
    }
    if let Some(publishing) = node.and_then(|node| node.publishing.as_ref()) {
        gauge("publishing_keys", "Keys of own files' names and words", publishing.keys);
        gauge(
            "publishing_keys_acknowledged",
            "Keys of own files that all of their keepers have acknowledged",
            publishing.acknowledged,
        );
        gauge(
            "publishing_keepers_refusing",
            "Keepers that take no more of this peer's entries",
            publishing.refusing.len() as u64,
        );
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

#[cfg(test)]
mod tests {
    use chordial_proto::chord_v1::{Invariant, Peer, Publishing, Replicas};

    use super::*;

    #[test]
    fn what_is_counted_is_shown() {
        let process = Metrics::new();
        let metrics = HttpMetrics::new(&process, &Limits::default());
        metrics.request("/livez", StatusCode::OK, Duration::from_millis(3));
        metrics.file_bytes(7);
        let open = metrics.connection();
        let refusing = vec![Peer::default()];
        let publishing = Publishing { files: 3, keys: 9, acknowledged: 7, refusing, late_ms: 1500 };
        let node = NodeInfo {
            owned: 5,
            state: NodeState::Member.into(),
            unpublished: 2,
            publishing: Some(publishing),
            entries_sent: 11,
            publishers: 6,
            ..NodeInfo::default()
        };
        let invariant = |holds| Invariant { name: "OneLiveSuccessor".into(), holds, ..Invariant::default() };
        let ring = GetRingResponse { invariants: vec![invariant(false)], ..GetRingResponse::default() };
        let replicas = Replicas { wanted: 3, short_entries: 4, ..Replicas::default() };
        let near = GetRingResponse { replicas: Some(replicas), ..GetRingResponse::default() };
        let services = vec![(Service::Chord, true), (Service::Catalog, false)];
        let peer = PeerState { services, node: Some(&node), near: Some(&near), ring: Some(&ring) };
        let text = process.text().unwrap() + &text(&peer).unwrap();
        for line in [
            "chord_http_requests_total{route=\"/livez\",status=\"200\"} 1",
            "chord_http_request_duration_seconds_count{route=\"/livez\"} 1",
            "chord_http_file_bytes_total 7",
            "chord_http_connections 1",
            "chord_http_connections_limit 1024",
            "chord_http_event_streams_limit 64",
            "chord_service_up{service=\"chord\"} 1",
            "chord_service_up{service=\"catalog\"} 0",
            "chord_index_entries_owned 5",
            "chord_index_leases 6",
            "chord_publishing_keys 9",
            "chord_publishing_keys_acknowledged 7",
            "chord_publishing_keys_pending 2",
            "chord_publishing_keepers_refusing 1",
            "chord_publishing_renewal_late_seconds 1.5",
            "chord_publishing_entries_sent_total 11",
            "chord_ring_member 1",
            "chord_ring_invariant_holds{invariant=\"OneLiveSuccessor\"} 0",
            "chord_ring_peers 0",
            "chord_ring_problems 0",
            "chord_replicas_wanted 3",
            "chord_replicas_short 4",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is missing in:\n{text}");
        }
        drop(open);
        assert!(process.text().unwrap().contains("chord_http_connections 0\n"));
        let text = super::text(&PeerState::default()).unwrap();
        assert!(text.contains("chord_ring_member 0\n"), "{text}");
        for unknown in ["index_entries", "publishing", "invariant", "replicas", "problems"] {
            assert!(!text.contains(unknown), "what is not known is not shown:\n{text}");
        }
    }
}
