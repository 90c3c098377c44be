//! A ring and its traffic at one moment, as `chord-cli top` shows them.

use serde::{Deserialize, Serialize};

use super::{NodeView, PeerView, RingView};

/// One look through one peer, as `chord-cli --output json top` prints it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TopView {
    /// When the answer came.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    pub at: String,
    /// Microseconds that it took.
    pub elapsed_us: u64,
    /// The peer asked.
    pub peer: PeerView,
    /// Its own state: `joining`, `member` or `leaving`.
    pub state: String,
    /// The ring's name.
    pub name: String,
    /// The whole ring, as the peer asked knows it.
    pub ring: RingView,
    /// What the peer asked has to do; null where it doesn't say, and at the first look.
    pub traffic: Option<TrafficView>,
}

impl TopView {
    /// What a peer says of itself and of its ring, at the moment `at` (RFC 3339), without its traffic.
    pub fn new(at: String, elapsed_us: u64, node: NodeView, ring: RingView) -> Self {
        let peer = PeerView { id: node.id, name: node.name, chord: node.addresses.chord };
        Self { at, elapsed_us, peer, state: node.state, name: node.ring, ring, traffic: None }
    }
}

/// What the process of one peer's chord service has done since the look before, each second, and holds now.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TrafficView {
    /// gRPC calls answered, those of the one who looks included.
    pub served_per_second: f64,
    /// gRPC calls made to other peers.
    pub made_per_second: f64,
    /// Lookups for its users.
    pub lookups_per_second: f64,
    /// Mean time of those lookups; null where there was none.
    pub lookup_ms: Option<f64>,
    /// Their mean number of hops; null where there was none.
    pub lookup_hops: Option<f64>,
    /// Searches for its users.
    pub searches_per_second: f64,
    /// REST requests answered.
    pub requests_per_second: f64,
    /// Transfers ended.
    pub transfers_per_second: f64,
    /// Bytes of files sent, by downloads and by REST.
    pub sent_bytes_per_second: f64,
    /// Bytes of files taken.
    pub taken_bytes_per_second: f64,
    /// Transfers under way.
    pub transfers_in_flight: u64,
    /// Computing time, of one processor: 0.5 is half of it.
    pub processors: f64,
    /// Memory in use.
    pub memory_bytes: u64,
}
