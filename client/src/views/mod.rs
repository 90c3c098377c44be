//! What people and programs are shown: the JSON bodies of the REST interface, which `chord-cli --output
//! json` prints as well, so both are made here, from the messages of the wire.
//!
//! Identifiers and keys are 40 lower-case hexadecimal digits, digests `blake3:` and 64 of them, times RFC
//! 3339 in UTC with seconds, addresses URLs.

mod config;
mod diagnosis;
mod events;
mod files;
mod publishing;
mod reason;
mod ring;
mod route;
mod search;
#[cfg(test)]
mod tests;
mod top;
mod transfers;

use std::time::{Duration, UNIX_EPOCH};

use chordial_proto::chord_v1;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

pub use config::{ConfigValue, ConfigView};
pub use diagnosis::{CheckView, DiagnosisView, Findings, FromHere, Outcome, Unreached};
pub use events::{
    EndView, EventData, EventView, FileEventView, FilesEventView, PeerEventView, ReadyView, WatchedView,
};
pub use files::{CatalogFile, CatalogView, FileView, FilesPage, NamedFile, SourceView, UploadView};
pub use publishing::{PublishedView, PublishingView, ReceiptView};
pub use ring::{
    AddressesView, EntriesView, FingerView, FingersView, InvariantView, NodeView, ProblemView, ReplicasView,
    RingPeerView, RingView, ShortArcView,
};
pub use route::{ArcView, HopView, LookupView, RouteView, TraceView};
pub use search::{SearchPage, WatchView};
pub use top::{TopView, TrafficView};
pub use transfers::{EchoView, GotManyView, GotView, NotGotView};

/// All but RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The last millisecond of the year 9999, behind which RFC 3339 has no form.
const LAST_MS: u64 = 253_402_300_799_999;

/// The address of the file at `path` (relative, with `/`) behind the gateway at `gateway`, each segment
/// percent-encoded.
pub fn file_url(gateway: &str, path: &str) -> String {
    let mut url = format!("{}/files", gateway.trim_end_matches('/'));
    for segment in path.split('/') {
        url.push('/');
        url.extend(utf8_percent_encode(segment, SEGMENT));
    }
    url
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `blake3:` and the digits; `None` where there is no digest yet.
pub fn digest_text(digest: &[u8]) -> Option<String> {
    (!digest.is_empty()).then(|| format!("blake3:{}", hex(digest)))
}

/// Milliseconds since 1970-01-01 UTC as RFC 3339 with seconds; what lies outside of the years 1970 to 9999
/// becomes the nearest moment within.
pub fn rfc3339(ms: i64) -> String {
    let ms = u64::try_from(ms).unwrap_or(0).min(LAST_MS);
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(ms)).to_string()
}

fn present(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// A peer, as others are told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PeerView {
    /// Its identifier.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[0-9a-f]{40}$"))]
    pub id: String,
    /// The name shown to people.
    pub name: String,
    /// Its chord port, as URL.
    #[cfg_attr(feature = "openapi", schema(format = "uri"))]
    pub chord: String,
}

impl From<chord_v1::Peer> for PeerView {
    fn from(peer: chord_v1::Peer) -> Self {
        Self { id: hex(&peer.id), name: peer.name, chord: format!("http://{}", peer.address) }
    }
}

fn peers(peers: Vec<chord_v1::Peer>) -> Vec<PeerView> {
    peers.into_iter().map(PeerView::from).collect()
}

fn names(peers: Vec<chord_v1::Peer>) -> Vec<String> {
    peers.into_iter().map(|peer| peer.name).collect()
}
