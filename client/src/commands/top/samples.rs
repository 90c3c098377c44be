//! Rings for the tests of `top`.

use std::time::{Duration, Instant};

use chord_client::views::{
    EntriesView, PeerView, ReplicasView, RingPeerView, RingView, TopView, TrafficView,
};

use super::state::Model;

/// The peer of this number, of 1 to 255 that share the ring.
pub fn peer(number: usize, state: &str) -> RingPeerView {
    let answers = state != "suspected";
    RingPeerView {
        id: format!("{:02x}{}", number * 31 % 256, "23456789abcdef01".repeat(3)).chars().take(40).collect(),
        name: format!("p{number}"),
        chord: format!("http://127.0.0.1:{}", 7290 + number * 10),
        gateway: answers.then(|| format!("http://127.0.0.1:{}", 8000 + number)),
        share: number as f64 / 36.0,
        incarnation: 7,
        version: answers.then(|| "0.1.0".to_owned()),
        entries: answers.then_some(EntriesView { owned: 3, replicas: 6 }),
        shared_files: answers.then_some(2),
        state: state.to_owned(),
    }
}

/// A healthy ring of so many.
pub fn look(peers: usize) -> TopView {
    let ring = RingView {
        peers: (1..=peers).map(|number| peer(number, "member")).collect(),
        agreed: true,
        problems: Vec::new(),
        invariants: Vec::new(),
        mode: "small".to_owned(),
        replicas: Some(ReplicasView {
            wanted: 3,
            entries: 24,
            short: 0,
            short_arcs: Vec::new(),
            remedy: None,
        }),
    };
    TopView {
        at: "2026-01-01T00:00:00Z".to_owned(),
        elapsed_us: 12_340,
        peer: PeerView {
            id: "1f".repeat(20),
            name: "p1".to_owned(),
            chord: "http://127.0.0.1:7300".to_owned(),
        },
        state: "member".to_owned(),
        name: "chordial".to_owned(),
        ring,
        traffic: None,
    }
}

/// So many calls served each second, and what goes with it.
pub fn traffic(served: f64) -> TrafficView {
    TrafficView {
        served_per_second: served,
        made_per_second: served / 2.0,
        lookups_per_second: 0.5,
        lookup_ms: Some(1.25),
        lookup_hops: Some(1.5),
        searches_per_second: 0.0,
        requests_per_second: 2.0,
        transfers_per_second: 0.1,
        sent_bytes_per_second: 1_500_000.0,
        taken_bytes_per_second: 0.0,
        transfers_in_flight: 1,
        processors: 0.07,
        memory_bytes: 25_000_000,
    }
}

/// That has seen a healthy ring of so many just now.
pub fn model(peers: usize) -> Model {
    let mut model = Model::new("http://127.0.0.1:7300", Duration::from_secs(2));
    model.looked(Ok(Box::new(look(peers))), Instant::now());
    model
}
